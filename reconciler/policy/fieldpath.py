"""Reads field paths as Nova writes them, and reads and writes JSON pointers (RFC 6901).

A field path is `spec.template.spec.containers[0].env[0].value`; a key with dots or slashes is in brackets and quotes:
`metadata.labels['a.b/c']`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from reconciler.manifests.fields import Path

_STEP = re.compile(
    r"\.?(?P<key>[^.\[\]'\"]+)|\[(?P<index>\d+)\]|\[(?P<quote>['\"])(?P<quoted>.*?)(?P=quote)\]"
)
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")


def parse_field_path(text: str) -> Path:
    """Return the steps of a field path. Raises `ValueError` with the remedy."""
    steps: list[str | int] = []
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        # A key follows a dot, except for the first key, which must not.
        is_key = bool(found and found["key"])
        is_first = not steps
        misplaced_dot = is_key and text.startswith(".", at) == is_first
        if found is None or misplaced_dot:
            raise ValueError(
                f"{text!r} is not a field path from its character {at + 1} on; write it as in "
                "spec.template.spec.containers[0].image or metadata.labels['a.b/c']"
            )
        if found["index"] is not None:
            steps.append(int(found["index"]))
        else:
            steps.append(found["key"] or found["quoted"])
        at = found.end()
    if not steps:
        raise ValueError("the field path is empty; name a field such as spec.replicas")
    return tuple(steps)


def parse_pointer(text: str) -> tuple[str, ...]:
    """Return the tokens of a JSON pointer to a part of an object. Raises `ValueError` with the remedy."""
    if not text.startswith("/"):
        raise ValueError(
            f"{text!r} is not a JSON pointer to a field; write it as in /spec/replicas"
        )
    if re.search(r"~(?![01])", text):
        raise ValueError(
            f"{text!r} has a '~' that is no escape; write '~' as ~0 and '/' inside a key as ~1"
        )
    tokens = []
    for escaped in text[1:].split("/"):
        # ~1 first: ~01 is an escaped ~ followed by 1 (RFC 6901, section 4).
        token = escaped.replace("~1", "/").replace("~0", "~")
        tokens.append(token)
    return tuple(tokens)


def pointer(path: Iterable[str | int]) -> str:
    """Write steps as a JSON pointer."""
    text = ""
    for step in path:
        # ~ first, or the ~ of ~1 would be escaped again.
        escaped = str(step).replace("~", "~0").replace("/", "~1")
        text += f"/{escaped}"
    return text


def is_index(token: str | int) -> bool:
    """Tell whether a token can be the index of a list element."""
    return isinstance(token, int) or _INDEX.fullmatch(token) is not None
