"""Field paths as Nova writes them, `spec.template.spec.containers[0].env[0].value`, and JSON pointers (RFC 6901).

A key that is no plain word stands in brackets and quotes: `metadata.labels['a.b/c']`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from reconciler.manifests.fields import Path

_STEP = re.compile(r"\.?(?P<key>[^.\[\]'\"]+)|\[(?P<index>\d+)\]|\[(?P<quote>['\"])(?P<quoted>.*?)(?P=quote)\]")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")


def parse_field_path(text: str) -> Path:
    """Return the steps of a field path. Raises `ValueError` with the remedy."""
    steps: list[str | int] = []
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None or (found["key"] and (not steps) == text.startswith(".", at)):
            raise ValueError(
                f"{text!r} is not a field path from its character {at + 1} on; write it as in "
                "spec.template.spec.containers[0].image or metadata.labels['a.b/c']"
            )
        steps.append(int(found["index"]) if found["index"] is not None else found["key"] or found["quoted"])
        at = found.end()
    if not steps:
        raise ValueError("the field path is empty; name a field such as spec.replicas")
    return tuple(steps)


def parse_pointer(text: str) -> tuple[str, ...]:
    """Return the tokens of a JSON pointer to a part of an object. Raises `ValueError` with the remedy."""
    if not text.startswith("/"):
        raise ValueError(f"{text!r} is not a JSON pointer to a field; write it as in /spec/replicas")
    if re.search(r"~(?![01])", text):
        raise ValueError(f"{text!r} has a '~' that stands for nothing; write '~' as ~0 and '/' inside a key as ~1")
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in text[1:].split("/"))


def pointer(path: Iterable[str | int]) -> str:
    """Write steps as a JSON pointer."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def is_index(token: str | int) -> bool:
    """Tell whether a token can be the number of a list's element."""
    return isinstance(token, int) or _INDEX.fullmatch(token) is not None
