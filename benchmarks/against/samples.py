"""Measurements of contenders that take turns, so that a busy minute of the machine hits all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from benchmarks.against.processes import NotDone, Reply

Measure = Callable[[], Reply | float]
"""Does the work once and returns what it took: a reply, or seconds alone. Raises `NotDone`."""


@dataclass(slots=True)
class Samples:
    """What was measured of a contender.

    `cpu`: the CPU seconds of each sample, where they are known: they depend less on what else the machine does. `why`:
    why there are fewer samples than were asked for, or none.
    """

    values: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    why: str = ""

    @property
    def median(self) -> float | None:
        """Return the middle value; None where nothing was measured."""
        return statistics.median(self.values) if self.values else None

    @property
    def median_cpu(self) -> float | None:
        """Return the middle of the CPU seconds; None where they are not known."""
        return statistics.median(self.cpu) if self.cpu else None

    def add(self, taken: Reply | float) -> None:
        """Add one measurement."""
        if isinstance(taken, Reply):
            self.values.append(taken.seconds)
            self.cpu.append(taken.cpu)
        else:
            self.values.append(taken)


def take_turns(
    contenders: Mapping[str, Measure], runs: int, limit: float
) -> dict[str, Samples]:
    """Measure each contender `runs` times, in turn.

    A contender that was not done is not asked again, and neither is one that has used its `limit` of seconds.
    """
    taken = {name: Samples() for name in contenders}
    used = dict.fromkeys(contenders, 0.0)
    for _ in range(runs):
        for name, measure in contenders.items():
            samples = taken[name]
            if samples.why or used[name] > limit:
                continue
            started = time.perf_counter()
            try:
                samples.add(measure())
            except NotDone as stopped:
                samples.why = str(stopped)
            used[name] += time.perf_counter() - started
    return taken


def failing(why: str) -> Measure:
    """Return the measure of a contender that could not be prepared."""

    def fail() -> float:
        raise NotDone(why)

    return fail


def one(value: float) -> Samples:
    """Return a single measurement."""
    return Samples([value])
