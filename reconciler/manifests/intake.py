"""What every manifest is checked for before it is parsed: limits, encoding and characters.

A character that some readers take for a line break, or that no screen shows, is refused in a file that people review.
Most of them may be written as escapes in double quotes. A few may not, because kustomize (as of 5.8) fails on them or
changes them however they are written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from reconciler.errors import ManifestError, Place

_LONGEST_KEY = 1000
_NEVER_LONG = 80  # also when each character is written as an escape
_HIDDEN_CHARACTER = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]|\r(?!\n)"
)
_SPLITS_IN_KUBECTL_ONLY = re.compile(r"^---(?:#|[^\S \t\r\n])", re.MULTILINE)
UNCARRIED = re.compile(r"[\x00\x7f-\x9f\ufffe\uffff\ud800-\udfff]")
"""Characters that do not survive kustomize in any notation: NUL, DEL, C1 controls, and what is no character at all."""

MERGE_KEY = "<<"
"""Kustomize takes this key for a merge even in quotes."""

_USUAL_BYTES = bytes([9, 10, *range(32, 127)])
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a file. The defaults are far above the size of an object that an API server stores."""

    file_bytes: int = 1024 * 1024
    scalar_characters: int = 512 * 1024
    documents: int = 1_000
    nodes: int = 50_000
    depth: int = 64


DEFAULT = Limits()


@dataclass(frozen=True, slots=True)
class LoadWarning:
    """Something that is accepted, but probably not meant."""

    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


def decode(data: bytes, file: str, limits: Limits) -> str:
    """Return the text of a file without its byte order mark, or raise `ManifestError` with the place."""
    if len(data) > limits.file_bytes:
        message = f"the file has {len(data):,} bytes; split it into files of at most {limits.file_bytes:,}"
        raise ManifestError(message, Place(file))
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ManifestError("the file is UTF-16; save it as UTF-8", Place(file))
    data = data.removeprefix(_BOM)
    text = _decode_utf8(data, file)
    split = (
        _SPLITS_IN_KUBECTL_ONLY.search(text)
        if "\n---" in text or text.startswith("---")
        else None
    )
    if split:
        message = "only kubectl starts a new document at this line; put a space after '---', or quote it"
        raise ManifestError(message, place_of(text, split.start(), file))
    return text


def _decode_utf8(data: bytes, file: str) -> str:
    if not data.translate(None, _USUAL_BYTES):
        return data.decode("ascii")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        place = place_of(before, len(before), file)
        raise ManifestError(
            f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8",
            place,
        ) from None
    hidden = _HIDDEN_CHARACTER.search(text)
    if hidden:
        code = ord(hidden.group())
        place = place_of(text, hidden.start(), file)
        remedy = (
            ""
            if UNCARRIED.match(hidden.group())
            else f', or write "\\u{code:04x}" in double quotes'
        )
        raise ManifestError(
            f"character U+{code:04X} is not allowed in the file; remove it{remedy}",
            place,
        )
    return text


def place_of(text: str, index: int, file: str) -> Place:
    """Return the place of the character at `index`."""
    line_start = text.rfind("\n", 0, index) + 1
    return Place(file, text.count("\n", 0, line_start) + 1, index - line_start + 1)


def too_deep(place: Place, limits: Limits) -> ManifestError:
    """Return the error for nesting beyond the limit."""
    return ManifestError(
        f"nested more than {limits.depth} levels deep; make it flatter", place
    )


def too_many_nodes(place: Place, limits: Limits) -> ManifestError:
    """Return the error for more keys and values than the limit."""
    return ManifestError(
        f"the file has more than {limits.nodes:,} keys and values; split it", place
    )


def too_long(place: Place, most: int) -> ManifestError:
    """Return the error for a text that is longer than `most` characters."""
    return ManifestError(
        f"the text is longer than {most:,} characters; shorten it", place
    )


def check_carried(text: str, place: Callable[[], Place]) -> None:
    """Raise `ManifestError` for a character that kustomize would fail on or change, also where it was escaped."""
    match = UNCARRIED.search(text)
    if match:
        character = f"U+{ord(match.group()):04X}"
        message = f"the text contains the character {character}, which kustomize fails on or changes; remove it"
        raise ManifestError(message, place())


def check_key(key: str, place: Callable[[], Place]) -> None:
    """Raise `ManifestError` for a key that YAML or kustomize cannot carry."""
    if is_long_key(key):
        raise ManifestError(
            f"key {shown(key)} has {len(key):,} characters; shorten it", place()
        )
    if key == MERGE_KEY:
        raise ManifestError(
            "kustomize takes key `<<` for a merge, also in quotes; write the merged keys out",
            place(),
        )


def is_long_key(key: str) -> bool:
    """Return whether a key is too long for the usual `key: value` of YAML: 1024 characters, escapes written out.

    Kustomize writes no other form. The longest key that Kubernetes itself allows has 317.
    """
    return len(key) > _NEVER_LONG and len(json.dumps(key)) > _LONGEST_KEY


def shown(text: str) -> str:
    """Return a user's text for a message: on a single line, cut to a readable length."""
    short = json.dumps(text[:60], ensure_ascii=False)[1:-1]
    return f"`{short}`" if len(text) <= 60 else f"`{short}...`"


def repeated(key: str, place: Place) -> LoadWarning:
    """Return the warning for a key that its map has more than once."""
    return LoadWarning(
        place,
        f"key {shown(key)} appears twice in this map; Kubernetes uses the last, remove the other",
    )
