"""Reads one file of `workloads/<namespace>/` into objects.

Each object is valid or has the problem that keeps it from being deployed; it is not left out, since that would be the
same as removing it. A file of which an object cannot be told from others at all is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from reconciler.errors import InvalidObject, Place
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
from reconciler.ray.problem import Problem
from reconciler.ray.validation import problems
from reconciler.ray.workload import demand_of
from reconciler.workloads.group import WorkloadObject
from reconciler.workloads.object_references import is_plain_secret, object_references

ROOT = "workloads"
SUFFIXES = (".yaml", ".yml", ".json")

_READABLE_BY_ALL = "plain Secret in Git: readable by all who read the repo; use ExternalSecret or SealedSecret"
_LABEL_KEY_RULE = "use letters, digits, '-', '_' and '.' (at most 63), if needed after a DNS prefix and '/'"
_LABEL_VALUE_RULE = "use at most 63 letters, digits, '-', '_' and '.', starting and ending with a letter or digit"


Contents = tuple[tuple[WorkloadObject, ...], tuple[str, ...]]
"""The objects of one file, and the warnings about it."""


def is_workload_file(path: str) -> bool:
    """Tell whether `path` is a manifest below `workloads/<namespace>/`."""
    parts = path.split("/")
    in_namespace = len(parts) >= 3 and parts[0] == ROOT
    return in_namespace and path.endswith(SUFFIXES)


def folder_name(path: str) -> str:
    """Return the folder of a workload file that names its namespace."""
    return path.split("/")[1]


def read_admitted(path: str, data: bytes, namespace: str) -> WorkloadObject:
    """Read the one object of an admitted copy in a cluster's directory. Raises `InputError`."""
    documents = load(data, path).documents
    if len(documents) != 1:
        raise InvalidObject(
            f"has {len(documents)} documents instead of one", Place(path)
        )
    document = documents[0]
    body = document.body
    key = object_key(body, namespace, document.place)
    demand = demand_of(body, namespace)
    digest = canonical_digest(body)
    return WorkloadObject(key, body, digest, document.place, demand, _targets(body))


def read_file(path: str, data: bytes) -> Contents:
    """Read one manifest file: its objects, and its warnings as lines.

    Raises `InputError` where the file cannot be read, or an object in it has no identity.
    """
    namespace = folder_name(path)
    if not is_dns_label(namespace):
        rule = "use small letters, digits and '-', at most 63"
        raise InvalidObject(
            f"the folder {namespace!r} under {ROOT}/ cannot be a namespace: {rule}",
            Place(path),
        )
    loaded = load(data, path)
    warnings = [str(warning) for warning in loaded.warnings]
    objects = []
    for document in loaded.documents:
        item, object_warnings = _read_object(document, namespace)
        objects.append(item)
        warnings += object_warnings
    return tuple(objects), tuple(warnings)


def _read_object(
    document: Document,
    namespace: str,
) -> tuple[WorkloadObject, list[str]]:
    place = document.place
    key = object_key(document.body, namespace, place)
    if key.kind == "Namespace":
        # It is cluster-scoped; its file is in the folder of the namespace that it makes.
        key = replace(key, namespace="")
    # What is known of the object when a check refuses it: it keeps its labels and references, with a problem.
    body: Mapping[str, Any] = document.body
    targets: frozenset[tuple[str, str]] = frozenset()
    warnings: list[str] = []
    try:
        _check_identity(document, key, namespace)
        _check_metadata(document)
        body = admit(document.body, namespace)
        targets = _targets(body)
        findings = problems(document.body)
        warnings += _warning_lines(findings, document)
        _raise_first_error(findings, document)
        demand = demand_of(body, key.namespace)
    except InvalidObject as error:
        problem = _with_place(error, document)
        shown = _with_text_metadata(body)
        digest = canonical_digest(body)
        item = WorkloadObject(key, shown, digest, place, None, targets, problem)
        return item, warnings
    if is_plain_secret(key, body):
        warnings.append(f"{place}: {key}: {_READABLE_BY_ALL}")
    digest = canonical_digest(body)
    return WorkloadObject(key, body, digest, place, demand, targets), warnings


def _targets(body: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """Return the kinds and names that an object refers to in its namespace."""
    found = object_references(body)
    return frozenset((reference.kind, reference.name) for reference in found)


def _warning_lines(findings: Iterable[Problem], document: Document) -> list[str]:
    lines = []
    for finding in findings:
        if finding.severity == "warning":
            where = document.locate(*finding.path)
            lines.append(f"{where}: {finding.message}")
    return lines


def _raise_first_error(findings: Iterable[Problem], document: Document) -> None:
    for finding in findings:
        if finding.severity == "error":
            where = document.locate(*finding.path)
            raise InvalidObject(finding.message, where)


def _with_place(error: InvalidObject, document: Document) -> str:
    """Return the error with its place; one that names none is at its field, or at the start of the document."""
    if error.place:
        return str(error)
    where = (
        document.locate(*error.path)
        if isinstance(error, InvalidField)
        else document.place
    )
    return f"{where}: {error}"


def _check_metadata(document: Document) -> None:
    """Raise `InvalidField` for labels and annotations that the API server refuses, such as a number as value."""
    metadata = document.body["metadata"]
    labels = fields.text_map(metadata, "labels", ("metadata",))
    for name, value in labels.items():
        at = ("metadata", "labels", name)
        if not is_label_key(name):
            raise InvalidField(at, f"has a key that cannot be one: {_LABEL_KEY_RULE}")
        if not is_label_value(value):
            raise InvalidField(at, f"is {fields.shown(value)}: {_LABEL_VALUE_RULE}")
    annotations = fields.text_map(metadata, "annotations", ("metadata",))
    for name in annotations:
        # The API server lower-cases an annotation's key before it checks it (apimachinery, `ValidateAnnotations`).
        if not is_label_key(name.lower()):
            at = ("metadata", "annotations", name)
            raise InvalidField(at, f"has a key that cannot be one: {_LABEL_KEY_RULE}")


def _with_text_metadata(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a refused object with labels and annotations as text, so that it is grouped as its user meant it."""
    metadata = dict(body["metadata"])
    for part in ("labels", "annotations"):
        written = metadata.get(part)
        entries = written if isinstance(written, dict) else {}
        as_text = {}
        for name, value in entries.items():
            # A list or a map cannot have been meant as a label.
            if isinstance(value, str | int | float):
                as_text[name] = _as_text(value)
        metadata[part] = as_text
    return {**body, "metadata": metadata}


def _as_text(value: str | float) -> str:
    # YAML writes booleans in small letters, Python does not.
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_identity(document: Document, key: ObjectKey, namespace: str) -> None:
    """Raise `InvalidObject` unless name, scope and namespace fit the folder of the file."""
    kind, name = key.kind, key.name
    if not is_dns_subdomain(name):
        where = document.locate("metadata", "name")
        raise InvalidObject(
            f"the name {name!r} is no DNS name: use small letters, digits, '-' and '.'",
            where,
        )
    if kind == "Namespace":
        _check_namespace(document, key, namespace)
        return
    if kind in CLUSTER_SCOPED:
        raise InvalidObject(
            f"{kind} {name} is cluster-scoped: put it under addons/, not {ROOT}/",
            document.place,
        )
    own = document.body["metadata"].get("namespace")
    if own and own != namespace:
        where = document.locate("metadata", "namespace")
        raise InvalidObject(
            f"{kind} {name} names namespace {own}, yet its folder is {namespace}: make them agree",
            where,
        )


def _check_namespace(document: Document, key: ObjectKey, namespace: str) -> None:
    if key.api_version != "v1":
        where = document.locate("apiVersion")
        raise InvalidObject(
            f"the apiVersion of a Namespace is v1, not {key.api_version}", where
        )
    # A tenant that writes one folder must not set the labels of another tenant's namespace.
    if key.name != namespace:
        where = document.locate("metadata", "name")
        raise InvalidObject(
            f"Namespace {key.name} is in the folder of namespace {namespace}: move it",
            where,
        )
