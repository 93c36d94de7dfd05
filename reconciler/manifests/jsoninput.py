"""JSON text to plain objects, as kubectl reads what starts with `{`.

JSON is not quite a part of YAML (tabs, surrogate pairs, documents without separators), so text that is JSON is read as
JSON. All other text is left to the YAML reader, as kubectl does.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from reconciler.errors import ManifestError, Place
from reconciler.manifests.intake import (
    Limits,
    LoadWarning,
    check_carried,
    check_key,
    place_of,
    repeated,
    too_deep,
    too_long,
    too_many_nodes,
)
from reconciler.manifests.plainscalar import Ambiguous, fractional, whole

_SPACE = re.compile(r"[ \t\r\n]*")


def read_json(
    text: str, file: str, limits: Limits
) -> tuple[list[tuple[Any, Place]], list[LoadWarning]] | None:
    """Return the root value of each document with its place, and the warnings; None where `text` is not JSON.

    Raises `ManifestError` for JSON that Kubernetes could not hold, or that is beyond `limits`. Places are those of the
    document that has the fault.
    """
    repeated_keys: list[str] = []

    def as_map(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            repeated_keys.extend(key for key, count in counts.items() if count > 1)
        return result

    decoder = json.JSONDecoder(
        object_pairs_hook=as_map,
        parse_int=whole,
        parse_float=fractional,
        parse_constant=_no_constant,
    )
    roots: list[tuple[Any, Place]] = []
    warnings: list[LoadWarning] = []
    nodes = 0
    index = _skip_space(text, 0)
    while index < len(text):
        place = place_of(text, index, file)
        try:
            root, index = decoder.raw_decode(text, index)
        except RecursionError:
            raise too_deep(place, limits) from None
        except Ambiguous as error:
            raise ManifestError(f"a number {error}", place) from None
        except ValueError:
            return None
        warnings.extend(repeated(key, place) for key in repeated_keys)
        repeated_keys.clear()
        nodes = _check(root, place, limits, nodes)
        roots.append((root, place))
        if len(roots) > limits.documents:
            raise ManifestError(
                f"the file has more than {limits.documents:,} documents; split it",
                place,
            )
        index = _skip_space(text, index)
    return roots, warnings


def _check(root: object, place: Place, limits: Limits, nodes: int) -> int:
    """Check a document against the limits, and return the number of keys and values so far.

    It goes level by level, since a recursive check would itself fail on deep nesting.
    """
    level = [root]
    for _ in range(limits.depth + 1):
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                nodes += 2 * len(value)
                for key in value:
                    _check_text(key, place, limits)
                    check_key(key, lambda: place)
                below.extend(value.values())
            elif isinstance(value, list):
                nodes += len(value)
                below.extend(value)
            elif isinstance(value, str):
                _check_text(value, place, limits)
        if nodes > limits.nodes:
            raise too_many_nodes(place, limits)
        if not below:
            return nodes
        level = below
    raise too_deep(place, limits)


def _check_text(text: str, place: Place, limits: Limits) -> None:
    if len(text) > limits.scalar_characters:
        raise too_long(place, limits.scalar_characters)
    check_carried(text, lambda: place)


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _skip_space(text: str, index: int) -> int:
    match = _SPACE.match(text, index)
    return match.end() if match else index
