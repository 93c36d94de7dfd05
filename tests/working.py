"""Counts the calls of functions, for tests that hold the work of a cycle instead of its time."""

from __future__ import annotations

import inspect
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from types import CodeType, FrameType
from typing import Any

Function = Callable[..., object]


def calls(work: Callable[[], object], functions: Iterable[Function]) -> dict[str, int]:
    """Return how often `work` calls each of some functions, by name, whoever calls it; those that it calls only."""
    wanted: dict[CodeType, str] = {}
    for function in functions:
        wanted[function.__code__] = f"{function.__module__.removeprefix('reconciler.')}.{function.__qualname__}"
    found: Counter[str] = Counter()

    def note(frame: FrameType) -> None:
        found[wanted[frame.f_code]] += 1

    _watched(work, frozenset(wanted), note)
    return dict(sorted(found.items()))


def arguments_of(work: Callable[[], object], *functions: Function) -> list[dict[str, Any]]:
    """Return the arguments, by name, of each call that `work` makes of some functions, in order."""
    # A context manager is a function around the one that was written.
    wanted = frozenset(inspect.unwrap(function).__code__ for function in functions)
    found: list[dict[str, Any]] = []
    _watched(work, wanted, lambda frame: found.append(dict(frame.f_locals)))
    return found


def _watched(work: Callable[[], object], wanted: Collection[CodeType], note: Callable[[FrameType], None]) -> None:
    """Let `note` have the frame of each call that `work` makes of what is `wanted`, on this thread."""

    generators: list[FrameType] = []

    def profile(frame: FrameType, event: str, _: object) -> None:
        if event != "call" or frame.f_code not in wanted:
            return
        if frame.f_code.co_flags & inspect.CO_GENERATOR:
            # A generator that goes on is called in the same frame once more.
            if any(frame is known for known in generators):
                return
            generators.append(frame)
        note(frame)

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(before)
