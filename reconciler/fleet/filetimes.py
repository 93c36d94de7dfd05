"""Times in the snapshot files: RFC 3339, or unix seconds where that would lose precision."""

from __future__ import annotations

from datetime import UTC, datetime

from reconciler.manifests.fields import InvalidField, Path


def read_time(value: str | float, at: Path) -> float:
    """Return unix seconds. Raises `InvalidField` for a text that is no time with its zone."""
    if not isinstance(value, str):
        return float(value)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidField(
            at,
            f"is {value!r}; write a time such as 2026-11-23T08:00:00Z, or unix seconds",
        )
    return moment.timestamp()


def time_text(seconds: float) -> str | float:
    """Return the time in RFC 3339 where reading it gives the same float, else the unix seconds themselves."""
    try:
        text = datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
        return text if datetime.fromisoformat(text).timestamp() == seconds else seconds
    except (OverflowError, ValueError, OSError):
        return seconds
