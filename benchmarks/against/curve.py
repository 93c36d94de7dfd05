"""What one change costs at 10 to 100,000 placed groups. The fleet is the same at each size; only the groups grow.

A side's repository grows from size to size, so that each group is placed once.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from functools import partial

from benchmarks.against.fleets import make_bare, settings, small_jobs, write_snapshot
from benchmarks.against.floors import COMMIT, PlainGit, changed_files
from benchmarks.against.processes import NotDone
from benchmarks.against.report import Row
from benchmarks.against.running import Running
from benchmarks.against.samples import Measure, Samples, failing, one, take_turns
from benchmarks.against.setting import Setting

NAME = "curve"


def run(setting: Setting) -> list[Row]:
    sizes = setting.sizes
    folder = setting.folder / NAME
    folder.mkdir()
    base = make_bare(folder / "base.git", settings(sizes.clusters, sizes.service_nodes))
    snapshot = write_snapshot(
        folder / "capacity.json", sizes.clusters, sizes.service_nodes
    )
    more = partial(small_jobs, namespaces=sizes.namespaces)
    running = {}
    for side in setting.sides:
        remote = folder / side.name / "fleet.git"
        shutil.copytree(base, remote)
        service = Running(
            side, remote, snapshot, remote.parent / "home", more, sizes.limit
        )
        service.start()
        running[side.name] = service
    try:
        return _rows(setting, running)
    finally:
        for service in running.values():
            service.stop()
        shutil.rmtree(folder)


def _rows(setting: Setting, running: Mapping[str, Running]) -> list[Row]:
    sizes = setting.sizes
    failed = dict.fromkeys(running, "")
    rows = []
    reached = []
    for groups in sizes.curve:
        if groups > sizes.most:
            break
        for name, service in running.items():
            if failed[name]:
                continue
            setting.tell(f"curve: {name} grows to {groups:,} groups")
            try:
                service.grow(groups, sizes.setup_limit)
            except NotDone as stopped:
                failed[name] = f"growing to {groups:,}: {stopped}"
        row = _one_change(setting, running, failed, groups)
        rows.append(row)
        reached.append(groups)
    ours = slope(reached, [row.ours.median for row in rows])
    theirs = slope(reached, [row.theirs.median for row in rows])
    rows.append(slope_row(NAME, "one change", ours, theirs))
    return rows


def _one_change(
    setting: Setting,
    running: Mapping[str, Running],
    failed: dict[str, str],
    groups: int,
) -> Row:
    ours = running["ours"]
    folder = ours.home.parent / f"plain-{groups}"
    plain = PlainGit.of(ours.remote, folder)
    work: dict[str, Measure] = {}
    for name, service in running.items():
        work[name] = failing(failed[name]) if failed[name] else service.one_more

    def same_commit() -> float:
        if not ours.pushed:
            raise NotDone("ours has placed nothing")
        return plain.commit(changed_files(ours.remote, ours.pushed))

    taken = take_turns(
        {**work, "floor": same_commit}, setting.sizes.runs, setting.sizes.limit
    )
    for name in work:
        failed[name] = failed[name] or taken[name].why
    shutil.rmtree(folder)
    return Row(
        NAME,
        f"one change at {groups:,} groups",
        "s",
        taken["ours"],
        taken["theirs"],
        taken["floor"],
        COMMIT,
    )


def slope_row(
    scenario: str, what: str, ours: float | None, theirs: float | None
) -> Row:
    """Return the row of both sides' slopes."""
    name = f"slope of {what}, log-log"
    return Row(scenario, name, "", _sample(ours), _sample(theirs))


def _sample(value: float | None) -> Samples:
    return Samples() if value is None else one(value)


def slope(sizes: Sequence[int], values: Sequence[float | None]) -> float | None:
    """Return the slope of the straight line through the points on log-log axes, by least squares.

    0 means that the value does not depend on the size, 1 that it is proportional to it. Sizes without a value are
    left out; None where fewer than two are there.
    """
    points = [
        (math.log(size), math.log(value))
        for size, value in zip(sizes, values, strict=True)
        if value
    ]
    if len(points) < 2:
        return None
    middle = sum(x for x, _ in points) / len(points)
    height = sum(y for _, y in points) / len(points)
    across = sum((x - middle) ** 2 for x, _ in points)
    return sum((x - middle) * (y - height) for x, y in points) / across


def last_slope(sizes: Sequence[int], values: Sequence[float | None]) -> float | None:
    """Return the slope between the two largest sizes that have a value."""
    there = [(size, value) for size, value in zip(sizes, values, strict=True) if value]
    last = there[-2:]
    return slope([size for size, _ in last], [value for _, value in last])
