"""One namespace with n ConfigMaps, each a group of its own, as a plain `skyray reconcile`: seconds and peak memory."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks.against.curve import last_slope, slope_row
from benchmarks.against.fleets import (
    config_maps,
    make_bare,
    placed,
    settings,
    write_snapshot,
)
from benchmarks.against.floors import REPLAY, Replay, commits_since, tip
from benchmarks.against.processes import MB, NotDone, Reply, run_command
from benchmarks.against.report import Row
from benchmarks.against.samples import Samples, one
from benchmarks.against.setting import Setting
from benchmarks.against.sides import Side

NAME = "namespace"
CLUSTERS, NODES = 3, 10


def run(setting: Setting) -> list[Row]:
    """Return two rows for each size, and how both grow. A side that was not done is not asked for more."""
    rows_of_time, rows_of_memory = [], []
    failed = dict.fromkeys(("ours", "theirs"), "")
    sizes = [size for size in setting.sizes.config_maps if size <= setting.sizes.most]
    for size in sizes:
        times, peaks = _rows(setting, size, failed)
        rows_of_time.append(times)
        rows_of_memory.append(peaks)
    return [
        *rows_of_time,
        _growth("seconds", sizes, rows_of_time),
        *rows_of_memory,
        _growth("peak memory", sizes, rows_of_memory),
    ]


def _growth(what: str, sizes: Sequence[int], rows: Sequence[Row]) -> Row:
    """Return the slope between the two largest sizes of each side: 1 is linear, 2 is quadratic.

    Smaller sizes would hide it, since there the start of the process counts most.
    """
    ours = last_slope(sizes, [row.ours.median for row in rows])
    theirs = last_slope(sizes, [row.theirs.median for row in rows])
    return slope_row(NAME, f"{what}, between the two largest sizes", ours, theirs)


def _rows(setting: Setting, size: int, failed: dict[str, str]) -> tuple[Row, Row]:
    """Return the row of seconds and the row of memory for `size` ConfigMaps."""
    folder = setting.folder / f"{NAME}-{size}"
    base = make_bare(
        folder / "base.git", {**settings(CLUSTERS, NODES), **config_maps(size)}
    )
    snapshot = write_snapshot(folder / "capacity.json", CLUSTERS, NODES)
    replies: dict[str, Reply] = {}
    notes = []
    written = b""
    for side in setting.sides:
        if failed[side.name]:
            continue
        setting.tell(f"namespace: {side.name}, {size:,} ConfigMaps")
        repo = folder / side.name / "fleet.git"
        shutil.copytree(base, repo)
        try:
            replies[side.name] = _reconcile(side, repo, snapshot, setting.sizes.limit)
            notes.append(f"{side.name}: {placed(repo):,} placed")
            written = written or commits_since(repo, tip(base))
        except NotDone as stopped:
            failed[side.name] = str(stopped)
    floor = Samples()
    if written:
        floor = one(Replay(base, written, folder).measure(push=False))
    shutil.rmtree(folder)
    samples = partial(_samples, replies, failed)
    what = f"{size:,} ConfigMaps"
    times = Row(
        NAME,
        f"{what}, seconds",
        "s",
        samples("ours", _seconds),
        samples("theirs", _seconds),
        floor,
        REPLAY,
        "; ".join(notes),
    )
    peaks = Row(
        NAME,
        f"{what}, peak memory",
        "MB",
        samples("ours", _peak),
        samples("theirs", _peak),
    )
    return times, peaks


def _reconcile(side: Side, repo: Path, snapshot: Path, limit: float) -> Reply:
    arguments = ["reconcile", f"--repo={repo}", f"--snapshot={snapshot}"]
    return run_command(side, arguments, repo.parent / "home", limit)


def _samples(
    replies: dict[str, Reply],
    failed: dict[str, str],
    side: str,
    figures: Callable[[Reply], Samples],
) -> Samples:
    if side not in replies:
        return Samples(why=failed[side])
    return figures(replies[side])


def _seconds(reply: Reply) -> Samples:
    return Samples([reply.seconds], [reply.cpu])


def _peak(reply: Reply) -> Samples:
    return one(reply.peak / MB)
