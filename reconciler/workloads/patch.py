"""A JSON 6902 patch of one object, applied exactly as kustomize on the way to the cluster will apply it.

The one idea: what fits must be what is deployed, so bodies are patched here with the same operations that stand in
`kustomization.yaml`, and whatever the two sides might read differently (a `true` that equals 1, an index into a text)
is refused. Each patch begins with a `test`, so that a build on an object that has changed fails instead of patching the
wrong place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jsonpatch import JsonPatch, JsonPatchException, JsonPointerException

from reconciler.errors import InvalidObject
from reconciler.manifests.fields import Path
from reconciler.manifests.identity import ObjectKey
from reconciler.policy.fieldpath import is_index, parse_pointer, pointer

Operations = tuple[Mapping[str, Any], ...]

_SAFE = re.compile(r"[A-Za-z0-9 ._/:=@,+-]{0,200}")
"""Texts that every JSON library escapes alike: kustomize compares the escaped forms."""


@dataclass(frozen=True, slots=True)
class Patch:
    """A JSON 6902 patch of one object of a group, for one cluster.

    The first operation must be a `test`: when the object has changed under the patch, the build fails instead of
    patching the wrong place.
    """

    api_group: str
    kind: str
    name: str
    operations: Operations

    def is_for(self, key: ObjectKey) -> bool:
        """Tell whether it patches the object `key`."""
        return (self.api_group, self.kind, self.name) == (key.group, key.kind, key.name)


def patch_of(key: ObjectKey, body: Mapping[str, Any], operations: Sequence[Mapping[str, Any]]) -> Patch:
    """Return the patch that does `operations` on `body`, with a `test` put before them where they have none."""
    first = operations[0]
    lead = () if first["op"] == "test" else (guard(body, parse_pointer(first.get("from") or first["path"])),)
    return Patch(key.group, key.kind, key.name, (*lead, *(dict(one) for one in operations)))


def guard(body: Mapping[str, Any], path: Sequence[str | int]) -> dict[str, Any]:
    """Return a `test` that holds on `body` and fails where the field at `path` is not what it was, or not there.

    It looks at the field itself where that is a plain value, else at the name of the list element that it is part of,
    else at the object's name.
    """
    steps, here, trail = [], body, [body]
    for token in path:
        child = _child(here, token)
        if child is _NOTHING:
            break
        steps.append(token)
        here = child
        trail.append(here)
    if len(steps) == len(path) and _plain(here):
        return {"op": "test", "path": pointer(steps), "value": here}
    for depth in range(len(steps), 0, -1):
        element = trail[depth]
        if isinstance(trail[depth - 1], list) and isinstance(element, dict):
            named = next((key for key in ("name", "groupName") if _plain(element.get(key))), None)
            if named is not None:
                return {"op": "test", "path": pointer((*steps[:depth], named)), "value": element[named]}
    return {"op": "test", "path": "/metadata/name", "value": body["metadata"]["name"]}


def apply(body: Mapping[str, Any], operations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a patched copy of `body`. Raises `InvalidObject` for an operation that does not apply."""
    patched: Any = body
    for one in operations:
        try:
            _check(patched, one)
            patched = JsonPatch([dict(one)]).apply(patched)
        except (JsonPatchException, JsonPointerException, TypeError, KeyError, ValueError, AttributeError):
            raise InvalidObject(_refusal(patched, one)) from None
    return dict(patched)


class _Nothing:
    """Stands for a value that is not there."""


_NOTHING = _Nothing()


def _child(parent: Any, token: str | int) -> Any:
    if isinstance(parent, dict):
        return parent.get(str(token), _NOTHING)
    if isinstance(parent, list) and is_index(token) and int(token) < len(parent):
        return parent[int(token)]
    return _NOTHING


def find(body: Any, path: Sequence[str | int]) -> Any:
    """Return the value at `path`; None where nothing is."""
    for token in path:
        body = _child(body, token)
    return None if body is _NOTHING else body


def _plain(value: Any) -> bool:
    return isinstance(value, bool | int) or (isinstance(value, str) and _SAFE.fullmatch(value) is not None)


def _check(body: Any, operation: Mapping[str, Any]) -> None:
    """Raise `KeyError` for what jsonpatch would do and kustomize would not, or otherwise."""
    for name in ("from", "path"):
        text = operation.get(name)
        if text is None:
            continue
        *parents, last = parse_pointer(text)
        parent: Any = body
        for token in parents:
            parent = _child(parent, token)
        if isinstance(parent, list):
            if not is_index(last) and not (last == "-" and name == "path" and operation["op"] in {"add", "copy"}):
                raise KeyError(last)
        elif not isinstance(parent, dict):
            raise KeyError(last)
    if operation["op"] == "test" and not _same(find(body, parse_pointer(operation["path"])), operation["value"]):
        raise KeyError(operation["path"])


def _same(one: Any, other: Any) -> bool:
    """Compare as JSON: true is not 1, and 1 is not 1.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _refusal(body: Any, operation: Mapping[str, Any]) -> str:
    op, path = operation["op"], operation["path"]
    if op == "test":
        return f"op test fails: {path} is {_shown(find(body, parse_pointer(path)))}, not {_shown(operation['value'])}"
    missing = operation.get("from") if op in {"move", "copy"} else path
    steps: list[str] = []
    for token in parse_pointer(str(missing)):
        steps.append(token)
        if find(body, steps) is None:
            return f"op {op} does not apply at {path}: the object has no {pointer(steps)}"
    return f"op {op} does not apply at {path}"


def _shown(value: Any) -> str:
    text = "absent" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def steps_to(body: Mapping[str, Any], path: Path, value: Any) -> Operations:
    """Return the operations that give the field at `path` a value, as Nova's overrides do.

    A last key that is missing is added; so are missing labels and annotations. Anything else that is missing on the way
    is left to `apply` to refuse.
    """
    if find(body, path) is not None:
        return ({"op": "replace", "path": pointer(path), "value": value},)
    if len(path) == 3 and path[0] == "metadata" and path[1] in {"labels", "annotations"} and not find(body, path[:2]):
        return ({"op": "add", "path": pointer(path[:2]), "value": {str(path[2]): value}},)
    if isinstance(path[-1], int):
        return ({"op": "replace", "path": pointer(path), "value": value},)
    return ({"op": "add", "path": pointer(path), "value": value},)
