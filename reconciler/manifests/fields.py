"""Typed reading of plain data: a value of a wrong type is an error of one line that names the field.

A null is an absent field, as in Kubernetes. Every other value must have the type of the API; nothing is converted. Each
function reads `parent[key]`; `at` is the path of `parent` in its object, and the error carries the full path, so that
callers who know the file can say `file:line:column`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.errors import InvalidObject
from reconciler.manifests.quantity import Quantity
from reconciler.manifests.selector import LabelSelector, parse_selector

Path = tuple[str | int, ...]
"""The path of a value in its object: `("spec", "containers", 0, "name")`."""

MAX_INT32 = 2**31 - 1
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,60}")
_MIN_INT32 = -(2**31)


class InvalidField(InvalidObject):
    """A field that its kind does not allow. `path` leads to it; `problem` is the message without the field's name."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{dotted(path)} {problem}")
        self.path = path
        self.problem = problem


def dotted(path: Path) -> str:
    """Return the path as messages show it: `spec.containers[0].name`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif not _PLAIN.fullmatch(step):
            text += f"[{shown(step)}]"
        else:
            text += f".{step}" if text else step
    return text or "the object"


def shown(value: object) -> str:
    """Return a value for a message, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def mapping(parent: Mapping[str, Any], key: str, at: Path) -> Mapping[str, Any]:
    """Return a map; empty when absent."""
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidField((*at, key), f"is {shown(value)}; it must be a map of fields")
    return value


def elements(parent: Mapping[str, Any], key: str, at: Path) -> list[Any]:
    """Return a list; empty when absent."""
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidField(
            (*at, key),
            f"is {shown(value)}; it must be a list (start each element with '- ')",
        )
    return value


def maps(
    parent: Mapping[str, Any], key: str, at: Path
) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Yield the elements of a list of maps, each with its path."""
    if parent.get(key) is None:
        return
    for index, element in enumerate(elements(parent, key, at)):
        if not isinstance(element, dict):
            raise InvalidField(
                (*at, key, index), f"is {shown(element)}; it must be a map of fields"
            )
        yield (*at, key, index), element


def text(parent: Mapping[str, Any], key: str, at: Path, default: str = "") -> str:
    """Return a text; `default` when absent."""
    value = parent.get(key)
    if value is None:
        return default
    if not isinstance(value, str):
        raise InvalidField(
            (*at, key), f"is {shown(value)}, which is not a text; quote it"
        )
    return value


def texts(parent: Mapping[str, Any], key: str, at: Path) -> tuple[str, ...]:
    """Return a list of texts; empty when absent."""
    values = elements(parent, key, at)
    for index, value in enumerate(values):
        if not isinstance(value, str):
            raise InvalidField(
                (*at, key, index), f"is {shown(value)}, which is not a text; quote it"
            )
    return tuple(values)


def text_map(parent: Mapping[str, Any], key: str, at: Path) -> Mapping[str, str]:
    """Return a map of texts, such as labels; empty when absent."""
    values = mapping(parent, key, at)
    for name, value in values.items():
        if not isinstance(value, str):
            raise InvalidField(
                (*at, key, name), f"is {shown(value)}, which is not a text; quote it"
            )
    return values


def integer(parent: Mapping[str, Any], key: str, at: Path) -> int | None:
    """Return a whole number of 32 bits, as Kubernetes counts; None when absent."""
    value = parent.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidField(
            (*at, key), f"is {shown(value)}; write a whole number, without quotes"
        )
    if not _MIN_INT32 <= value <= MAX_INT32:
        raise InvalidField(
            (*at, key), f"is {shown(value)}; write a number of at most {MAX_INT32}"
        )
    return value


def count(parent: Mapping[str, Any], key: str, at: Path, default: int) -> int:
    """Return a whole number that is not negative; `default` when absent."""
    value = integer(parent, key, at)
    if value is None:
        return default
    if value < 0:
        raise InvalidField((*at, key), f"is {value}; write 0 or more")
    return value


def flag(parent: Mapping[str, Any], key: str, at: Path) -> bool:
    """Return true or false; false when absent."""
    value = parent.get(key)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise InvalidField((*at, key), f"is {shown(value)}; write true or false")
    return value


def choice(
    parent: Mapping[str, Any],
    key: str,
    at: Path,
    allowed: tuple[str, ...],
    default: str,
) -> str:
    """Return a text that is in `allowed`; `default` when absent or empty."""
    value = text(parent, key, at) or default
    if value not in allowed and value != default:
        raise InvalidField((*at, key), f"is {shown(value)}; use {', '.join(allowed)}")
    return value


def resources(parent: Mapping[str, Any], key: str, at: Path) -> dict[str, Quantity]:
    """Return a map of resource names to quantities; empty when absent. Kubernetes refuses negative amounts too."""
    amounts: dict[str, Quantity] = {}
    if parent.get(key) is None:
        return amounts
    for name, value in mapping(parent, key, at).items():
        try:
            amount = Quantity.parse(value)
        except ValueError as error:
            raise InvalidField((*at, key, name), f"is wrong: {error}") from None
        if amount.nano < 0:
            raise InvalidField((*at, key, name), f"is {shown(value)}; write 0 or more")
        amounts[name] = amount
    return amounts


def selector(parent: Mapping[str, Any], key: str, at: Path) -> LabelSelector | None:
    """Return a label selector; None when absent, which is not the same as empty."""
    value = parent.get(key)
    if value is None:
        return None
    try:
        return parse_selector(value, key)
    except InvalidObject as error:
        raise InvalidField((*at, key), f"is wrong: {error.message}") from None
