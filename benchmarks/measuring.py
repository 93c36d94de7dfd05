"""Medians of two works that take turns, and the table they are printed in.

A floor counts only if it ran on the same machine in the same minute. So ours and the floor alternate,
after a warm-up of each, and what is compared is the ratio of their medians.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table. Times in seconds; `floor` 0 where there is none."""

    what: str
    ours: float
    floor_name: str
    floor: float
    runs: int

    @property
    def ratio(self) -> float | None:
        """Return ours / floor; None where there is no floor."""
        return self.ours / self.floor if self.floor else None


@dataclass(frozen=True, slots=True)
class Table:
    """A benchmark's result: rows under a title."""

    title: str
    rows: tuple[Row, ...]

    def document(self) -> dict[str, object]:
        """Return it as the JSON file of `make bench` has it."""
        rows = [{**asdict(row), "ratio": row.ratio} for row in self.rows]
        return {"title": self.title, "rows": rows}


def race(
    what: str,
    ours: Work,
    floor_name: str,
    floor: Work,
    *,
    runs: int = 15,
    each: int = 1,
    warm: int = 1,
) -> Row:
    """Run both in turn, `runs` times each after `warm` turns that do not count; `each`: units of work in one run."""
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(warm + runs):
        for kept, work in zip(times, (ours, floor), strict=True):
            seconds = timed(work)
            if turn >= warm:
                kept.append(seconds / each)
    return Row(
        what, statistics.median(times[0]), floor_name, statistics.median(times[1]), runs
    )


def timed(work: Work) -> float:
    """Return how many seconds `work` takes, without the garbage collector."""
    gc.collect()
    gc.disable()
    try:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started
    finally:
        gc.enable()


def show(title: str, rows: Iterable[Row]) -> Table:
    """Print a table: what, ours, the floor, their ratio, the number of runs. Return it as well."""
    table = Table(title, tuple(rows))
    lines = [("", "ours ms", "floor ms", "ratio", "n", "floor")]
    for row in table.rows:
        floor = _ms(row.floor) if row.floor else ""
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        lines.append(
            (row.what, _ms(row.ours), floor, ratio, str(row.runs), row.floor_name)
        )
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    print(f"\n{title}")
    for what, *numbers, name in lines:
        cells = [
            number.rjust(width)
            for number, width in zip(numbers, widths[1:], strict=True)
        ]
        print(f"  {what.ljust(widths[0])}  {'  '.join(cells)}  {name}", flush=True)
    return table


def _ms(seconds: float) -> str:
    ms = seconds * 1000
    return f"{ms:.3f}" if ms < 10 else f"{ms:.1f}"
