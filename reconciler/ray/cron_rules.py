"""What KubeRay refuses in a RayCronJob: the schedule, as robfig/cron v3 (`ParseStandard`) reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.manifests import fields
from reconciler.ray import rayspec
from reconciler.ray.problem import Problem, problem

_DESCRIPTORS = {
    "@yearly",
    "@annually",
    "@monthly",
    "@weekly",
    "@daily",
    "@midnight",
    "@hourly",
}
_EVERY = re.compile(r"@every (?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|ms|s|m|h))+")
_MONTHS = (
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
)
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 6, _DAYS),
)
_TIME_ZONE = re.compile(r"[A-Za-z0-9_+\-]+(?:/[A-Za-z0-9_+\-]+)*")


def cron(body: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with a RayCronJob's schedule and time zone."""
    at, parts = rayspec.spec(body)
    schedule = fields.text(parts, "schedule", at)
    fields.flag(parts, "suspend", at)
    if "TZ" in schedule:
        yield problem(
            (*at, "schedule"), "names a time zone; write it in timeZone instead"
        )
    elif wrong := schedule_problem(schedule):
        yield problem(
            (*at, "schedule"),
            f"{wrong}; write five fields such as '30 2 * * 1-5', or @daily",
        )
    zone = parts.get("timeZone")
    if zone is not None and not _TIME_ZONE.fullmatch(
        fields.text(parts, "timeZone", at)
    ):
        yield problem(
            (*at, "timeZone"),
            f"is {fields.shown(zone)}; write a name such as Europe/Zurich, or remove it",
        )


def schedule_problem(text: str) -> str:
    """Return what is wrong with a cron schedule; empty when nothing is."""
    if not text:
        return "is missing"
    if text.startswith("@"):
        is_known = text in _DESCRIPTORS or _EVERY.fullmatch(text)
        return "" if is_known else f"is {fields.shown(text)}"
    parts = text.split()
    if len(parts) != len(_FIELDS):
        return f"has {len(parts)} fields"
    for part, (name, low, high, words) in zip(parts, _FIELDS, strict=True):
        # The parser of robfig/cron drops empty entries of a list, so `1,,2` is right and `,` is not.
        ranges = [text for text in part.split(",") if text]
        if not ranges or not all(_is_range(text, low, high, words) for text in ranges):
            return f"has {fields.shown(part)} as its {name}"
    return ""


def _is_range(text: str, low: int, high: int, words: tuple[str, ...]) -> bool:
    """Tell whether `text` is `*`, `n`, `n-m`, each perhaps with `/step`, within `low` and `high`."""
    span, slash, step = text.partition("/")
    if slash and not (step.isdecimal() and int(step) > 0):
        return False
    first, dash, last = span.partition("-")
    if first in {"*", "?"}:
        return not dash
    start = _number(first, low, words)
    end = _number(last, low, words) if dash else start
    return start is not None and end is not None and low <= start <= end <= high


def _number(text: str, low: int, words: tuple[str, ...]) -> int | None:
    """Return a number, or that of a name such as `jan`; None for other texts."""
    if text.lower() in words:
        return words.index(text.lower()) + low
    return int(text) if text.isdecimal() and len(text) < 10 else None
