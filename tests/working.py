"""Counts how often functions are called, for tests that hold the work of a cycle instead of its time."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from types import CodeType, FrameType

Function = Callable[..., object]


def calls(work: Callable[[], object], functions: Iterable[Function]) -> dict[str, int]:
    """Return how often `work` calls each of some functions, by name, whoever calls it; those that it calls only."""
    wanted: dict[CodeType, str] = {}
    for function in functions:
        wanted[function.__code__] = f"{function.__module__.removeprefix('reconciler.')}.{function.__qualname__}"
    found: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code in wanted:
            found[wanted[frame.f_code]] += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return dict(sorted(found.items()))
