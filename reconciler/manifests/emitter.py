r"""Plain objects to YAML bytes that every reader of Kubernetes manifests reads back identically.

A string is written plain only if an allow-list shows that it is text in YAML 1.1 and 1.2 alike, as a literal block
where that is exact, else in double quotes with JSON's escapes, which all readers decode alike. Equal objects give equal
bytes: keys keep their order, lines are never folded, shared objects are written out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import isfinite

from reconciler.manifests.intake import MERGE_KEY, UNCARRIED, is_long_key

_WORD = r"(?:[A-Za-z0-9_./+@%=,()$-]|:(?=[A-Za-z0-9_./+@%=,()$-]))"
_TEXT = re.compile(
    rf"[A-Za-z_/]{_WORD}*(?: {_WORD}+)*|[0-9]+(?:\.[0-9]+)?(?:[mkMGTP]|[KMGTPE]i)"
)
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_NOT_TEXT = frozenset(
    {
        "y",
        "n",
        "yes",
        "no",
        "on",
        "off",
        "true",
        "false",
        "null",
        "nan",
        "inf",
        "infinity",
    }
)
_HIDDEN = (
    r"\x00-\x08\x0b-\x1f\x7f-\xa0\xad\u061c\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff0-\ufffb"
    r"\ufffe\uffff\U000e0000-\U000e0fff"
)
_TO_ESCAPE = re.compile(rf'["\\\t\n{_HIDDEN}]')
_LINE = rf"[^\n{_HIDDEN}\ud800-\udfff]*(?<![ \t])"
_LITERAL = re.compile(rf"(?![ \t\n]){_LINE}(?:\n{_LINE})*(?<!\n)\n?")
_CACHED_LENGTH = 64
_SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Emitted:
    """A list that is emitted already, as the lines of its items; it may be a value of a map. It must not be empty."""

    __slots__ = ("lines",)

    def __init__(self, items: Iterable[tuple[str, ...]]) -> None:
        """`items` are each what `emit_item` returned."""
        self.lines = [line for item in items for line in item]


def emit_item(obj: object) -> tuple[str, ...]:
    """Return the lines of `obj` as an item of a list, for `Emitted`; takes what `emit` takes."""
    lines: list[str] = []
    _sequence([obj], "", "", lines)
    return tuple(lines)


def emit(obj: object) -> bytes:
    """Return one YAML document: UTF-8, block style, two spaces of indentation, no `---`.

    Takes dict, list, tuple, str, int, float, bool and None. Raises `TypeError` for others and for keys that are not
    text, `ValueError` for what JSON and Kubernetes cannot hold: infinities, integers beyond 64 bits, a key `<<`
    or one too long for YAML, and the few characters that kustomize cannot carry (intake.py).
    """
    lines: list[str] = []
    if isinstance(obj, dict) and obj:
        _mapping(obj, "", "", lines)
    elif isinstance(obj, list | tuple) and obj:
        _sequence(obj, "", "", lines)
    else:
        lines.append(_scalar(obj))
    lines.append("")
    return "\n".join(lines).encode()


def emit_all(objs: Iterable[object]) -> bytes:
    """Return one YAML file with a document for each object and `---` between them."""
    return b"---\n".join([emit(obj) for obj in objs])


def _mapping(
    obj: dict[object, object], indent: str, first: str, lines: list[str]
) -> None:
    """Append the lines of a map; `first` replaces `indent` before its first key, as `- ` does in a list."""
    deeper = indent + "  "
    for key, value in obj.items():
        head = f"{first}{_key(key)}:"
        first = indent
        if isinstance(value, dict) and value:
            lines.append(head)
            _mapping(value, deeper, deeper, lines)
        elif isinstance(value, list | tuple) and value:
            lines.append(head)
            _sequence(value, indent, indent, lines)
        else:
            _leaf(value, head, deeper, lines)


def _sequence(obj: Sequence[object], indent: str, first: str, lines: list[str]) -> None:
    """Append the lines of a list; `first` replaces `indent` before its first `-`."""
    deeper = indent + "  "
    for item in obj:
        head = first + "-"
        first = indent
        if isinstance(item, dict) and item:
            _mapping(item, deeper, head + " ", lines)
        elif isinstance(item, list | tuple) and item:
            _sequence(item, deeper, head + " ", lines)
        else:
            _leaf(item, head, deeper, lines)


def _leaf(value: object, head: str, deeper: str, lines: list[str]) -> None:
    if isinstance(value, Emitted):
        lines.append(head)
        # The items of a list stand below the key of their map.
        indent = deeper[2:]
        lines.extend([indent + line if line else "" for line in value.lines])
    elif isinstance(value, str) and "\n" in value and _LITERAL.fullmatch(value):
        lines.append(f"{head} |" if value.endswith("\n") else f"{head} |-")
        lines.extend(
            deeper + line if line else ""
            for line in value.removesuffix("\n").split("\n")
        )
    else:
        lines.append(f"{head} {_scalar(value)}")


def _scalar(value: object) -> str:
    if isinstance(value, str):
        return (
            _text(value)
            if len(value) <= _CACHED_LENGTH
            else _quoted_unless(_TEXT, value)
        )
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 63:
            raise ValueError(f"{value} does not fit in 64 bits")
        return str(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, list | tuple):
        return "[]"
    raise TypeError(f"{type(value).__name__} cannot be written to a manifest")


def _float(value: float) -> str:
    """Return the shortest exact digits, always with a point: without it, YAML 1.1 takes `1e+21` for text."""
    if not isfinite(value):
        raise ValueError(f"{value} cannot be written to a manifest")
    digits, exponent_sign, exponent = repr(value).partition("e")
    return f"{digits}{'' if '.' in digits else '.0'}{exponent_sign}{exponent}"


@lru_cache(maxsize=4096)
def _text(value: str) -> str:
    return _quoted_unless(_TEXT, value)


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"key {key!r} is not text")
    return _key_text(key)


@lru_cache(maxsize=4096)
def _key_text(key: str) -> str:
    if key == MERGE_KEY or is_long_key(key):
        raise ValueError(f"key {key[:60]!r} cannot be written to a manifest")
    return _quoted_unless(_KEY, key)


def _quoted_unless(plain: re.Pattern[str], text: str) -> str:
    if plain.fullmatch(text) and text.lower() not in _NOT_TEXT:
        return text
    uncarried = UNCARRIED.search(text)
    if uncarried:
        raise ValueError(
            f"the character U+{ord(uncarried.group()):04X} cannot be written to a manifest"
        )
    return f'"{_TO_ESCAPE.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    code = ord(character)
    return _SHORT_ESCAPES.get(character) or (
        f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
    )
