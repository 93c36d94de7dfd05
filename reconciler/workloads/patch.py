"""Makes and applies JSON 6902 patches of one object, exactly as kustomize applies them on the way to the cluster.

The object that is fitted must be the object that is deployed. So bodies are patched here with the operations that are
written to `kustomization.yaml`, and operations that jsonpatch and kustomize read differently are refused: a `true` that
equals 1, an index into a text. Each patch begins with a `test`, so that a build on an object that has changed fails
instead of patching the wrong field.
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
"""Texts that every JSON library escapes in the same way: kustomize compares the escaped forms."""


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
        own = (self.api_group, self.kind, self.name)
        return own == (key.group, key.kind, key.name)


def patch_of(
    key: ObjectKey,
    body: Mapping[str, Any],
    operations: Sequence[Mapping[str, Any]],
) -> Patch:
    """Return the patch with `operations` on `body`, behind a `test` unless they begin with one."""
    first = operations[0]
    all_operations = [dict(operation) for operation in operations]
    if first["op"] != "test":
        # `move` and `copy` read from `from`: that field must be what it was.
        source = first.get("from") or first["path"]
        path = parse_pointer(source)
        all_operations.insert(0, guard(body, path))
    return Patch(key.group, key.kind, key.name, tuple(all_operations))


def guard(body: Mapping[str, Any], path: Sequence[str | int]) -> dict[str, Any]:
    """Return a `test` that holds on `body` and fails where the field at `path` is not what it was, or is missing.

    It tests the field itself if that has a plain value, else the name of the list element that contains the field, else
    the name of the object.
    """
    steps, values = _existing_part(body, path)
    field_exists = len(steps) == len(path)
    if field_exists and _is_plain(values[-1]):
        return _test(steps, values[-1])
    # From the innermost value outwards; `values[depth]` is the value at `steps[:depth]`.
    for depth in range(len(steps), 0, -1):
        container = values[depth - 1]
        element = values[depth]
        if not isinstance(container, list) or not isinstance(element, dict):
            continue
        # Containers and volumes have a `name`, worker groups a `groupName`.
        for field in ("name", "groupName"):
            if _is_plain(element.get(field)):
                return _test((*steps[:depth], field), element[field])
    name = body["metadata"]["name"]
    return _test(("metadata", "name"), name)


def _existing_part(
    body: Any,
    path: Sequence[str | int],
) -> tuple[list[str | int], list[Any]]:
    """Return the steps of `path` that exist in `body`, and the values on the way, from `body` itself on."""
    steps: list[str | int] = []
    values = [body]
    for token in path:
        child = _child(values[-1], token)
        if child is _ABSENT:
            break
        steps.append(token)
        values.append(child)
    return steps, values


def _test(path: Sequence[str | int], value: Any) -> dict[str, Any]:
    return {"op": "test", "path": pointer(path), "value": value}


def apply(
    body: Mapping[str, Any],
    operations: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return a patched copy of `body`. Raises `InvalidObject` for an operation that does not apply."""
    patched: Any = body
    for operation in operations:
        try:
            _check(patched, operation)
            patched = JsonPatch([dict(operation)]).apply(patched)
        except (
            JsonPatchException,
            JsonPointerException,
            TypeError,
            KeyError,
            ValueError,
            AttributeError,
        ):
            # jsonpatch raises each of these, depending on what is missing or of the wrong type.
            raise InvalidObject(_refusal(patched, operation)) from None
    return dict(patched)


class _Absent:
    """The type of `_ABSENT`, which marks a value that does not exist: None is a value in JSON."""


_ABSENT = _Absent()


def _child(parent: Any, token: str | int) -> Any:
    if isinstance(parent, dict):
        return parent.get(str(token), _ABSENT)
    if isinstance(parent, list) and is_index(token) and int(token) < len(parent):
        return parent[int(token)]
    return _ABSENT


def find(body: Any, path: Sequence[str | int]) -> Any:
    """Return the value at `path`; None where there is none."""
    for token in path:
        body = _child(body, token)
    return None if body is _ABSENT else body


def _is_plain(value: Any) -> bool:
    """Tell whether jsonpatch and kustomize compare the value in the same way."""
    if isinstance(value, str):
        return _SAFE.fullmatch(value) is not None
    return isinstance(value, bool | int)


def _check(body: Any, operation: Mapping[str, Any]) -> None:
    """Raise `KeyError` for an operation that jsonpatch accepts and kustomize refuses or reads differently."""
    for field in ("from", "path"):
        target = operation.get(field)
        if target is not None:
            # `-`, the end of a list, is a place to add to, never a value.
            may_append = field == "path" and operation["op"] in {"add", "copy"}
            _check_target(body, target, may_append=may_append)
    if operation["op"] == "test":
        path = operation["path"]
        value = find(body, parse_pointer(path))
        if not _equal(value, operation["value"]):
            raise KeyError(path)


def _check_target(body: Any, target: str, *, may_append: bool) -> None:
    *parents, last = parse_pointer(target)
    parent: Any = body
    for token in parents:
        parent = _child(parent, token)
    if isinstance(parent, list):
        if not is_index(last) and not (last == "-" and may_append):
            raise KeyError(last)
    elif not isinstance(parent, dict):
        # jsonpatch would index into a text.
        raise KeyError(last)


def _equal(one: Any, other: Any) -> bool:
    """Compare as JSON: true is not 1, and 1 is not 1.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        same_keys = one.keys() == other.keys()
        return same_keys and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list):
        same_length = len(one) == len(other)
        return same_length and all(map(_equal, one, other))
    return bool(one == other)


def _refusal(body: Any, operation: Mapping[str, Any]) -> str:
    """Say why an operation does not apply: the test that fails, or the first step of its path that is missing."""
    op = operation["op"]
    path = operation["path"]
    if op == "test":
        found = _shown(find(body, parse_pointer(path)))
        wanted = _shown(operation["value"])
        return f"op test fails: {path} is {found}, not {wanted}"
    source = operation.get("from") if op in {"move", "copy"} else path
    steps: list[str] = []
    for token in parse_pointer(str(source)):
        steps.append(token)
        if find(body, steps) is None:
            return (
                f"op {op} does not apply at {path}: the object has no {pointer(steps)}"
            )
    return f"op {op} does not apply at {path}"


def _shown(value: Any) -> str:
    text = "absent" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def steps_to(body: Mapping[str, Any], path: Path, value: Any) -> Operations:
    """Return the operations that give the field at `path` a value, as Nova's overrides do.

    A missing last key is added; so are missing labels and annotations. `apply` refuses the operations where anything
    else on the way is missing.
    """
    *parents, last = path
    replace = {"op": "replace", "path": pointer(path), "value": value}
    if find(body, path) is not None:
        return (replace,)
    is_metadata_map = parents in (["metadata", "labels"], ["metadata", "annotations"])
    if is_metadata_map and not find(body, parents):
        entries = {str(last): value}
        return ({"op": "add", "path": pointer(parents), "value": entries},)
    if isinstance(last, int):
        # A list element is only ever replaced, never added, so this is refused.
        return (replace,)
    return ({"op": "add", "path": pointer(path), "value": value},)
