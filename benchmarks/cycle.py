"""Whole cycles on a repo: read, look, plan, commit, beside plain git that lists and reads the same files.

`python -m benchmarks fleet` does the same with 1,000 clusters and 500 groups, and takes longer.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.measuring import Row, Table, show, timed
from benchmarks.synthetic import NOW, Fleet, bare_repo, git, read_all, stream, workloads
from reconciler.fleet.snapshot import FleetSnapshot
from reconciler.planning.state import RepoState
from reconciler.repo.repository import GitRepo
from reconciler.service.cycle import Reconciler


def main() -> list[Table]:
    return [run(Fleet(clusters=100, nodes=10, groups=200, extra=400), new=5)]


def run(fleet: Fleet, new: int) -> Table:
    """Print and return what cycles on `fleet` take.

    These are the first, idle ones, one with `new` groups, and the first after a restart.
    """
    with bare_repo(fleet.files()) as path:
        look = _Look(fleet.snapshot())
        started = Reconciler(GitRepo.open(path), look, now=look.now)
        rows = [_row("the first: all groups are placed", started, path)]
        idle = [_row("", started, path) for _ in range(6)][1:]
        rows.append(_median("nothing has changed", idle))
        files = {
            name: text.encode() for name, text in workloads(fleet.groups, new).items()
        }
        git(
            path,
            "fast-import",
            "--quiet",
            stdin=stream(files, parent="refs/heads/main^0"),
        )
        rows.append(_row(f"{new} groups more", started, path))
        restarted = Reconciler(GitRepo.open(path), look, now=look.now)
        rows.append(_row("restarted, nothing has changed", restarted, path))
    files_there = 2 * (fleet.groups + new) + fleet.extra
    return show(
        f"cycle: {fleet.clusters:,} clusters, {fleet.groups} groups, {files_there:,} workload files",
        rows,
    )


class _Look:
    """A fleet that stays as it is, and a clock that goes on by 15 s a cycle."""

    def __init__(self, snapshot: FleetSnapshot) -> None:
        self._snapshot = snapshot
        self._time = NOW

    def __call__(self, _state: RepoState, _now: float) -> FleetSnapshot:
        return self._snapshot

    def now(self) -> float:
        self._time += 15
        return self._time


def _row(what: str, reconciler: Reconciler, path: Path) -> Row:
    ours = timed(reconciler.run)
    return Row(
        what,
        ours,
        "git ls-tree, cat-file of all files",
        timed(lambda: read_all(path)),
        1,
    )


def _median(what: str, rows: list[Row]) -> Row:
    middle = sorted(rows, key=lambda row: row.ours)[len(rows) // 2]
    floor = sorted(row.floor for row in rows)[len(rows) // 2]
    return Row(what, middle.ours, middle.floor_name, floor, len(rows))
