"""The value of an unquoted YAML scalar, where all readers agree on it; else why they do not.

`kubectl apply -f` reads YAML 1.1 (go-yaml v2); `kubectl apply -k` and editors read YAML 1.2 or something between. So a
scalar is accepted only where all of them agree, and has the value that kubectl sends. All others are refused with the
reason; quoting is always a remedy. The rules are go-yaml v2's resolve.go and the core schema of YAML 1.2.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from math import isfinite

Scalar = str | int | float | bool | None

_WORDS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_BOOLEANS_OF_1_1 = frozenset(
    (
        "y",
        "Y",
        "yes",
        "Yes",
        "YES",
        "on",
        "On",
        "ON",
        "n",
        "N",
        "no",
        "No",
        "NO",
        "off",
        "Off",
        "OFF",
    )
)
_FIRST_OF_OTHERS = frozenset("0123456789+-.~nNtTfFyYoO<")

_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_OTHER_BASE = re.compile(r"[-+]?0(?:[bB][01]+|[oO]?[0-7]+|[0-9]+|[xX][0-9a-fA-F]+)")
_FILE_MODE = re.compile(r"0[0-7]{3}")
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_DATE = re.compile(
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9].*)?"
)
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


class Ambiguous(ValueError):
    """Readers disagree about the scalar. `str()` says how, as the end of a sentence that starts with the scalar."""


def resolve(text: str) -> Scalar:
    """Return the value of a plain scalar as kubectl sends it; whole floats are integers, as in `1e3`.

    Raises `Ambiguous` where the readers of Kubernetes manifests disagree, or where a number would lose digits.
    """
    if text and text[0] not in _FIRST_OF_OTHERS:
        return text
    return _resolve_rare(text)


@lru_cache(maxsize=4096)
def _resolve_rare(text: str) -> Scalar:
    if text in _WORDS:
        return _WORDS[text]
    if text in _BOOLEANS_OF_1_1:
        meaning = "true" if text.lower() in {"y", "yes", "on"} else "false"
        raise Ambiguous(
            f"is {meaning} to some YAML readers and text to others; quote it, or write {meaning}"
        )
    if text == "<<":
        raise Ambiguous(
            "merges another map in some YAML readers only; write the merged keys out, or quote it"
        )
    if text[0] not in "0123456789+-.":
        return text
    if _INT.fullmatch(text):
        return whole(text)
    if _OTHER_BASE.fullmatch(text):
        raise Ambiguous(
            "is octal, decimal, binary or text, depending on the YAML reader; quote it, or write it plainly"
        )
    if _FLOAT.fullmatch(text):
        return fractional(text)
    if _NOT_FINITE.fullmatch(text):
        raise Ambiguous(
            "is not a number that JSON and Kubernetes can hold; quote it if it is text"
        )
    if _BASE_60.fullmatch(text):
        raise Ambiguous(
            "is a number in base 60 to some YAML readers and text to others; quote it"
        )
    if _DATE.fullmatch(text):
        raise Ambiguous("is a date to some YAML readers and text to others; quote it")
    if "_" in text:
        digits = text.replace("_", "")
        if (
            _INT.fullmatch(digits)
            or _OTHER_BASE.fullmatch(digits)
            or _FLOAT.fullmatch(digits)
        ):
            raise Ambiguous(
                "is a number to some YAML readers and text to others; quote it, or leave out the '_'"
            )
    return text


def file_mode(text: str) -> int | None:
    """Return a file mode written in octal, `0644`, as every reader of Kubernetes manifests takes it; else None."""
    return int(text, 8) if _FILE_MODE.fullmatch(text) else None


def whole(text: str) -> int:
    """Return the integer, or raise `Ambiguous` where it does not fit in 64 bits."""
    if (
        len(text) <= 20
    ):  # 64 bits and a sign; Python is slow at, and then refuses, very long numbers
        number = int(text, 16 if text.startswith("0x") else 10)
        if -(1 << 63) <= number < 1 << 63:
            return number
    raise Ambiguous(
        "does not fit in 64 bits, so Kubernetes would round it; quote it if it is text"
    )


def fractional(text: str) -> int | float:
    """Return the number that Kubernetes keeps of `text`: an integer where Go's JSON, in its shortest digits, is one."""
    number = float(text)
    if not isfinite(number):
        raise Ambiguous(
            "is too large a number for 64-bit floating point; quote it if it is text"
        )
    if number.is_integer() and abs(number) < 1 << 63:
        return int(Decimal(repr(number)))
    return number
