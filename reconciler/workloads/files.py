"""Reads `workloads/<namespace>/**` into objects, each of which is valid, or carries the problem that keeps it out.

The one idea: a bad file spoils only itself. What cannot be read at all becomes a `BrokenFile`, so that nobody mistakes
unknown objects for deleted ones; what can be read but must not be deployed becomes an object with a `problem`. A
Namespace that cannot be used counts as unreadable: its labels are unknown, which is not the same as none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler.errors import InputError, InvalidObject, Place
from reconciler.manifests import fields
from reconciler.manifests.admitted import CLUSTER_SCOPED, admit
from reconciler.manifests.fields import InvalidField
from reconciler.manifests.identity import (
    ObjectKey,
    canonical_digest,
    is_dns_label,
    is_dns_subdomain,
    is_label_key,
    is_label_value,
    object_key,
)
from reconciler.manifests.loader import Document, load
from reconciler.ray.validation import problems
from reconciler.ray.workload import demand_of
from reconciler.workloads.companions import is_plain_secret, needs
from reconciler.workloads.group import BrokenFile, WorkloadObject

ROOT = "workloads"
SUFFIXES = (".yaml", ".yml", ".json")

_READABLE = "plain Secret in Git: readable by all who read the repo; use ExternalSecret or SealedSecret"


@dataclass(frozen=True, slots=True)
class Workloads:
    """Everything under `workloads/`. `namespaces` are the Namespace objects that users wrote, by name."""

    objects: tuple[WorkloadObject, ...]
    broken: tuple[BrokenFile, ...]
    namespaces: Mapping[str, WorkloadObject]
    warnings: tuple[str, ...]


Contents = tuple[tuple[WorkloadObject, ...], tuple[str, ...]]
"""The objects of one file, and the warnings about it."""


def is_workload_file(path: str) -> bool:
    """Tell whether `path` is a manifest below `workloads/<namespace>/`."""
    parts = path.split("/")
    return len(parts) >= 3 and parts[0] == ROOT and path.endswith(SUFFIXES)


def read_workloads(
    files: Mapping[str, bytes],
    unusable: Mapping[str, str],
    read: Callable[[str, bytes], Contents] | None = None,
) -> Workloads:
    """Read all manifests.

    `files` maps paths in the repo to contents; others than manifests are passed over. `unusable` are paths that are no
    ordinary files (links, unsafe names), with the reason. `read` does what `read_file` does, perhaps from memory.
    """
    read = read or read_file
    objects: list[WorkloadObject] = []
    broken = [_unusable(path, why) for path, why in sorted(unusable.items()) if is_workload_file(path)]
    written: list[WorkloadObject] = []
    warnings = [
        f"{path}: lies in no namespace's folder and is not read: move it to {ROOT}/NAMESPACE/"
        for path in sorted({*files, *unusable})
        if path.count("/") == 1 and path.endswith(SUFFIXES)
    ]
    for path in sorted(files):
        if not is_workload_file(path):
            continue
        namespace = path.split("/")[1]
        try:
            found, noted = read(path, files[path])
        except InputError as error:
            broken.append(BrokenFile(path, namespace, str(error)))
            continue
        warnings += noted
        for item in found:
            (written if item.key.kind == "Namespace" else objects).append(item)
    namespaces, refused = _namespaces(written)
    return Workloads(_without_twins(objects), (*broken, *refused), namespaces, tuple(warnings))


def _unusable(path: str, why: str) -> BrokenFile:
    return BrokenFile(path, path.split("/")[1], f"{path}: {why}: put an ordinary file in its place, or take it out")


def _namespaces(written: Iterable[WorkloadObject]) -> tuple[dict[str, WorkloadObject], list[BrokenFile]]:
    """Return the Namespaces that can be used, by name, and the files of all others."""
    by_name: dict[str, list[WorkloadObject]] = defaultdict(list)
    problems: dict[str, BrokenFile] = {}
    for item in written:
        if item.problem:
            path = item.place.file
            problems.setdefault(path, BrokenFile(path, path.split("/")[1], item.problem))
        else:
            by_name[item.key.name].append(item)
    for name, (first, *others) in by_name.items():
        for twin in others:
            problem = f"{twin.place}: {twin.key} stands at {first.place} already: keep one of them"
            problems.setdefault(twin.place.file, BrokenFile(twin.place.file, name, problem))
    return {name: same[0] for name, same in by_name.items() if len(same) == 1}, list(problems.values())


def read_admitted(path: str, data: bytes, namespace: str) -> WorkloadObject:
    """Read the one object of an admitted copy in a cluster's directory. Raises `InputError`."""
    documents = load(data, path).documents
    if len(documents) != 1:
        raise InvalidObject(f"has {len(documents)} documents instead of one", Place(path))
    body = documents[0].body
    key = object_key(body, namespace, documents[0].place)
    refers = frozenset((r.kind, r.name) for r in needs(body))
    return WorkloadObject(key, body, canonical_digest(body), documents[0].place, demand_of(body, namespace), refers)


def read_file(path: str, data: bytes) -> Contents:
    """Read one manifest file: its objects, and its warnings as lines.

    Raises `InputError` where the file cannot be read, or an object in it has no identity.
    """
    namespace = path.split("/")[1]
    if not is_dns_label(namespace):
        rule = "use small letters, digits and '-', at most 63"
        raise InvalidObject(f"the folder {namespace!r} under {ROOT}/ cannot be a namespace: {rule}", Place(path))
    loaded = load(data, path)
    notes = [str(warning) for warning in loaded.warnings]
    objects = []
    for document in loaded.documents:
        item, more = _read_object(document, namespace)
        objects.append(item)
        notes += more
    return tuple(objects), tuple(notes)


def _read_object(document: Document, namespace: str) -> tuple[WorkloadObject, list[str]]:
    key = object_key(document.body, namespace, document.place)
    if key.kind == "Namespace":
        key = replace(key, namespace="")
    body: Mapping[str, Any] = document.body
    refers: frozenset[tuple[str, str]] = frozenset()
    notes: list[str] = []
    try:
        _check_identity(document, key, namespace)
        _check_metadata(document)
        body = admit(document.body, namespace)
        refers = frozenset((r.kind, r.name) for r in needs(body))
        findings = problems(document.body)
        notes += [f"{document.locate(*f.path)}: {f.message}" for f in findings if f.severity == "warning"]
        error = next((f for f in findings if f.severity == "error"), None)
        if error is not None:
            raise InvalidObject(error.message, document.locate(*error.path))  # noqa: TRY301  (one exit for all refusals)
        demand = demand_of(body, key.namespace)
        item = WorkloadObject(key, body, canonical_digest(body), document.place, demand, refers)
        if is_plain_secret(key, body):
            notes.append(f"{document.place}: {key}: {_READABLE}")
    except InvalidObject as error:
        at = document.locate(*error.path) if isinstance(error, InvalidField) else document.place
        problem = str(error) if error.place else f"{at}: {error}"
        item = WorkloadObject(key, _legible(body), canonical_digest(body), document.place, None, refers, problem)
    return item, notes


def _check_metadata(document: Document) -> None:
    """Refuse labels and annotations that no API server takes: one that is a number, above all."""
    metadata = document.body["metadata"]
    for part in ("labels", "annotations"):
        for name, value in fields.text_map(metadata, part, ("metadata",)).items():
            at = ("metadata", part, name)
            # The API server makes small letters of an annotation's key before it looks at it.
            if not is_label_key(name if part == "labels" else name.lower()):
                rule = "use letters, digits, '-', '_' and '.' (at most 63), if needed after a DNS prefix and '/'"
                raise InvalidField(at, f"has a key that cannot be one: {rule}")
            if part == "labels" and not is_label_value(value):
                rule = "use at most 63 letters, digits, '-', '_' and '.', starting and ending with a letter or digit"
                raise InvalidField(at, f"is {fields.shown(value)}: {rule}")


def _legible(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a refused object with labels and annotations that are text, so that it counts with those it belongs to."""
    metadata = dict(body["metadata"])
    for part in ("labels", "annotations"):
        given = metadata.get(part)
        told = given.items() if isinstance(given, dict) else ()
        metadata[part] = {name: _as_text(value) for name, value in told if isinstance(value, str | int | float)}
    return {**body, "metadata": metadata}


def _as_text(value: str | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_identity(document: Document, key: ObjectKey, namespace: str) -> None:
    kind, name = key.kind, key.name
    if not is_dns_subdomain(name):
        where = document.locate("metadata", "name")
        raise InvalidObject(f"the name {name!r} is no DNS name: use small letters, digits, '-' and '.'", where)
    if kind == "Namespace":
        if key.api_version != "v1":
            where = document.locate("apiVersion")
            raise InvalidObject(f"the apiVersion of a Namespace is v1, not {key.api_version}", where)
        if name != namespace:
            where = document.locate("metadata", "name")
            raise InvalidObject(f"Namespace {name} stands in the folder of namespace {namespace}: move it", where)
        return
    if kind in CLUSTER_SCOPED:
        raise InvalidObject(f"{kind} {name} is cluster-scoped: put it under addons/, not {ROOT}/", document.place)
    own = document.body["metadata"].get("namespace")
    if own and own != namespace:
        where = document.locate("metadata", "namespace")
        raise InvalidObject(
            f"{kind} {name} names namespace {own}, yet its folder is {namespace}: make them agree", where
        )


def _without_twins(objects: Iterable[WorkloadObject]) -> tuple[WorkloadObject, ...]:
    """Give every object that another one doubles a problem that names both places."""
    first: dict[tuple[str, str, str, str], WorkloadObject] = {}
    result: list[WorkloadObject] = []
    doubled: dict[tuple[str, str, str, str], WorkloadObject] = {}
    for item in objects:
        identity = (item.key.group, item.key.kind, item.key.namespace, item.key.name)
        if identity in first:
            doubled[identity] = item
        else:
            first[identity] = item
            result.append(item)
    if not doubled:
        return tuple(result)
    return tuple(_marked(item, doubled) for item in result)


def _marked(item: WorkloadObject, doubled: Mapping[tuple[str, str, str, str], WorkloadObject]) -> WorkloadObject:
    twin = doubled.get((item.key.group, item.key.kind, item.key.namespace, item.key.name))
    if twin is None:
        return item
    return replace(item, problem=f"{twin.place}: {item.key} stands at {item.place} already: keep one of them")
