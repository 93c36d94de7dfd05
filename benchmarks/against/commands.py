"""Commands that people wait for, as whole processes in a checkout with one placed job and one that is not committed."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from benchmarks.against.fleets import jobs, settings
from benchmarks.against.processes import NotDone, Reply, run_command, run_program
from benchmarks.against.report import Row
from benchmarks.against.samples import Measure, Samples, failing, one, take_turns
from benchmarks.against.setting import Setting
from benchmarks.against.sides import Side
from benchmarks.synthetic import cluster, cluster_name, git
from reconciler.fleet.snapshot_file import write_cluster

NAME = "commands"
CLUSTERS, NODES = 3, 10
PLACING = 3
"""A fleet with an add-on needs two cycles until there is nothing to do, and the third one to see that."""

COMMANDS = {
    "skyray --help": ["--help"],
    "skyray size FILE": ["size", "workloads/team-0000/train-000000.yaml"],
    "skyray validate": ["validate"],
    "skyray plan": ["plan"],
    "skyray reconcile, nothing to do": ["reconcile"],
}


def run(setting: Setting) -> list[Row]:
    checkouts: dict[str, Path | str] = {}
    for side in setting.sides:
        try:
            checkouts[side.name] = _checkout(setting, side)
        except NotDone as stopped:
            checkouts[side.name] = f"preparing the repo: {stopped}"
    rows = {}
    for what, arguments in COMMANDS.items():
        setting.tell(f"commands: {what}")
        rows[what] = _row(setting, what, arguments, checkouts)
    beyond = _beyond_help(
        rows["skyray reconcile, nothing to do"], rows["skyray --help"]
    )
    return [*rows.values(), beyond]


def _checkout(setting: Setting, side: Side) -> Path:
    """Make a fleet repo as a user of this side does, and let it place the first job."""
    folder = setting.folder / NAME / side.name / "fleet"
    limit = setting.sizes.setup_limit
    home = folder.parent
    run_command(side, ["init", str(folder), "--engine=argocd"], home, limit)
    files = {
        path: data
        for path, data in settings(CLUSTERS, NODES).items()
        if path.startswith("inventory/")
    }
    for number in range(CLUSTERS):
        name = cluster_name(number)
        capacity = write_cluster(cluster(name, NODES, number))
        files[f"snapshots/{name}.json"] = capacity
    _write(folder, {**files, **jobs(0, 1)})
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message=train")
    for _ in range(PLACING):
        run_command(side, ["reconcile"], home, limit, folder)
    _write(folder, jobs(1, 1))
    return folder


def _write(folder: Path, files: dict[str, bytes]) -> None:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


def _row(
    setting: Setting, what: str, arguments: list[str], checkouts: dict[str, Path | str]
) -> Row:
    limit = setting.sizes.limit
    work: dict[str, Measure] = {}
    for side in setting.sides:
        checkout = checkouts[side.name]
        work[side.name] = (
            failing(checkout)
            if isinstance(checkout, str)
            else partial(_command, side, arguments, checkout, limit)
        )
    work["floor"] = partial(_bare_python, setting.ours, setting.folder, limit)
    for measure in work.values():
        _warm_up(measure)
    taken = take_turns(work, setting.sizes.runs, limit)
    return Row(
        NAME,
        what,
        "s",
        taken["ours"],
        taken["theirs"],
        taken["floor"],
        "python -c pass",
    )


def _warm_up(measure: Measure) -> None:
    """Run it once, so that its modules are compiled and its files are in memory."""
    try:
        measure()
    except NotDone:
        return  # It is measured next, and the row says why it was not done.


def _command(side: Side, arguments: list[str], checkout: Path, limit: float) -> Reply:
    return run_command(side, arguments, checkout.parent, limit, checkout)


def _bare_python(side: Side, folder: Path, limit: float) -> Reply:
    argv = [str(side.python), "-c", "pass"]
    return run_program(argv, {**os.environ}, limit, folder)


def _beyond_help(command: Row, bare: Row) -> Row:
    """Return the row of what a command takes beyond starting: the difference of the medians."""
    return Row(
        NAME,
        f"{command.what}, beyond --help",
        "s",
        _difference(command.ours, bare.ours),
        _difference(command.theirs, bare.theirs),
    )


def _difference(command: Samples, bare: Samples) -> Samples:
    if command.median is None or bare.median is None:
        return Samples(why=command.why or bare.why)
    return one(command.median - bare.median)
