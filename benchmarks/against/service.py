"""A running service with thousands of placed groups: nothing to do, one group more, a restart, memory."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

from benchmarks.against.fleets import jobs, make_bare, placed, settings, write_snapshot
from benchmarks.against.floors import (
    COMMIT,
    READ_ALL,
    REPLAY,
    PlainGit,
    Replay,
    changed_files,
    commits_since,
    reading,
    tip,
)
from benchmarks.against.processes import MB, NotDone
from benchmarks.against.report import Row
from benchmarks.against.running import Running
from benchmarks.against.samples import Measure, Samples, failing, one, take_turns
from benchmarks.against.setting import Setting

NAME = "service"


def run(setting: Setting) -> list[Row]:
    sizes = setting.sizes
    groups = min(sizes.groups, sizes.most)
    folder = setting.folder / NAME
    folder.mkdir()
    files = {**settings(sizes.clusters, sizes.service_nodes), **jobs(0, groups)}
    base = make_bare(folder / "base.git", files)
    snapshot = write_snapshot(
        folder / "capacity.json", sizes.clusters, sizes.service_nodes
    )
    running: dict[str, Running] = {}
    first: dict[str, Samples] = {}
    notes = []
    for side in setting.sides:
        setting.tell(f"service: {side.name} places {groups:,} groups")
        remote = folder / side.name / "fleet.git"
        shutil.copytree(base, remote)
        service = Running(
            side, remote, snapshot, remote.parent / "home", jobs, sizes.limit, groups
        )
        running[side.name] = service
        service.start()
        try:
            first[side.name] = one(service.grow(groups, sizes.setup_limit))
            notes.append(f"{side.name}: {placed(remote):,} placed")
        except NotDone as stopped:
            first[side.name] = Samples(why=f"first reconcile: {stopped}")
    try:
        return [
            _first_row(groups, base, running["ours"].remote, first, "; ".join(notes)),
            *_rows(setting, running, {name: first[name].why for name in first}),
        ]
    finally:
        for service in running.values():
            service.stop()
        shutil.rmtree(folder)


def _first_row(
    groups: int, base: Path, remote: Path, first: dict[str, Samples], note: str
) -> Row:
    """Return the row of the first reconcile, which is run once."""
    floor = Samples()
    if first["ours"].values:
        replay = Replay(base, commits_since(remote, tip(base)), base.parent)
        floor = one(replay.measure(push=True))
    what = f"first reconcile of {groups:,} groups"
    floor_name = f"{REPLAY}, push"
    return Row(NAME, what, "s", first["ours"], first["theirs"], floor, floor_name, note)


def _rows(
    setting: Setting, running: dict[str, Running], failed: dict[str, str]
) -> list[Row]:
    """Return the rows of services that have placed everything; `failed` says why one has not."""
    sizes = setting.sizes
    ours = running["ours"]

    def race(what: str, work: dict[str, Measure], floor: Measure, name: str) -> Row:
        setting.tell(f"service: {what}")
        able = {
            side: failing(failed[side]) if failed[side] else work[side] for side in work
        }
        taken = take_turns({**able, "floor": floor}, sizes.runs, sizes.limit)
        for side in work:
            failed[side] = failed[side] or taken[side].why
        return Row(
            NAME, what, "s", taken["ours"], taken["theirs"], taken["floor"], name
        )

    plain = PlainGit.of(ours.remote, ours.home.parent / "plain")

    def same_commit() -> float:
        return plain.commit(changed_files(ours.remote, ours.pushed))

    read = partial(reading, ours.remote)
    rows = [
        race(
            "restart: first cycle of a new process",
            {name: service.restart for name, service in running.items()},
            read,
            READ_ALL,
        ),
        race(
            "nothing changed",
            {name: service.idle for name, service in running.items()},
            read,
            READ_ALL,
        ),
        race(
            "one group more",
            {name: service.one_more for name, service in running.items()},
            same_commit,
            COMMIT,
        ),
    ]
    peaks = {
        name: Samples(why=failed[name]) if failed[name] else one(service.last.peak / MB)
        for name, service in running.items()
    }
    rows.append(Row(NAME, "peak memory", "MB", peaks["ours"], peaks["theirs"]))
    return rows
