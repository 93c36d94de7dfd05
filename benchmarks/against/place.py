"""Many new RayJobs at once: the first cycle of a service, which reads, plans, renders and pushes one commit a group."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.against.fleets import (
    jobs,
    make_bare,
    placed,
    settings,
    write_snapshot,
)
from benchmarks.against.floors import REPLAY, Replay, commits_since, tip
from benchmarks.against.processes import NotDone, Reply
from benchmarks.against.report import Row
from benchmarks.against.running import start_cycles
from benchmarks.against.samples import take_turns
from benchmarks.against.setting import Setting
from benchmarks.against.sides import Side

NAME = "place"


def run(setting: Setting) -> list[Row]:
    sizes = setting.sizes
    rows = []
    for shapes in sizes.shapes:
        fleet = _Fleet(sizes.clusters, sizes.nodes, sizes.jobs, shapes)
        rows += _rows(setting, fleet, (True, False))
    wide = _Fleet(sizes.wide_clusters, sizes.wide_nodes, sizes.wide_jobs, 12)
    rows += _rows(setting, wide, (True,))
    return rows


@dataclass(frozen=True, slots=True)
class _Fleet:
    clusters: int
    nodes: int
    jobs: int
    shapes: int

    @property
    def title(self) -> str:
        size = f"{self.clusters:,} clusters x {self.nodes} nodes"
        return f"{self.jobs:,} jobs, {self.shapes:,} shapes, {size}"


def _rows(setting: Setting, fleet: _Fleet, ways: tuple[bool, ...]) -> list[Row]:
    """Return a row for each way of publishing: True is a push to a remote, False the repository itself."""
    setting.tell(f"place: {fleet.title}")
    folder = setting.folder / f"place-{fleet.clusters}-{fleet.shapes}"
    files = {
        **settings(fleet.clusters, fleet.nodes),
        **jobs(0, fleet.jobs, fleet.shapes),
    }
    base = make_bare(folder / "base.git", files)
    snapshot = write_snapshot(folder / "capacity.json", fleet.clusters, fleet.nodes)
    rows = [_row(setting, fleet, _FirstCycle(base, snapshot, push)) for push in ways]
    shutil.rmtree(folder)
    return rows


@dataclass(slots=True)
class _FirstCycle:
    """First cycles on copies of `base`. `placed`: how many groups each side placed."""

    base: Path
    snapshot: Path
    push: bool
    placed: dict[str, int] = field(default_factory=dict)
    replay: Replay | None = None

    def measure(self, side: Side, limit: float) -> Reply:
        """Measure a side's first cycle."""
        folder = self.base.parent / side.name
        repo = folder / "fleet.git"
        shutil.copytree(self.base, repo)
        address = f"file://{repo}" if self.push else str(repo)
        try:
            with start_cycles(side, address, self.snapshot, folder / "home") as script:
                reply = script.do(limit)
            self.placed[side.name] = placed(repo)
            if self.replay is None:
                written = commits_since(repo, tip(self.base))
                self.replay = Replay(self.base, written, self.base.parent)
        finally:
            shutil.rmtree(folder)
        return reply

    def floor(self) -> float:
        """Return the seconds in which plain git writes what the first side wrote."""
        if self.replay is None:
            raise NotDone("neither side has written anything")
        return self.replay.measure(push=self.push)


def _row(setting: Setting, fleet: _Fleet, first: _FirstCycle) -> Row:
    sizes = setting.sizes
    taken = take_turns(
        {
            "ours": partial(first.measure, setting.ours, sizes.limit),
            "theirs": partial(first.measure, setting.theirs, sizes.limit),
            "floor": first.floor,
        },
        sizes.runs,
        sizes.limit,
    )
    notes = []
    for side in setting.sides:
        seconds = taken[side.name].median
        if seconds is not None:
            count = first.placed[side.name]
            notes.append(f"{side.name}: {count} placed, {fleet.jobs / seconds:.0f}/s")
    way = "pushed" if first.push else "in a bare repository"
    floor_name = f"{REPLAY}, push" if first.push else REPLAY
    return Row(
        NAME,
        f"{fleet.title}, {way}",
        "s",
        taken["ours"],
        taken["theirs"],
        taken["floor"],
        floor_name,
        "; ".join(notes),
    )
