"""Strict reading of what Kubernetes users write: YAML or JSON bytes in, plain dicts and lists out.

What all readers of the file (kubectl, kustomize, Argo CD, Flux, editors) understand alike is accepted. What they read
differently, or what could harm a reader, is refused with its place and the remedy: aliases, tags, merges, keys that are
not text, scalars of ambiguous type (plainscalar.py), hidden characters (intake.py), documents that kubectl would skip
(yamlinput.py), and sizes beyond `Limits`.

Line numbers of nested values are not kept while reading. `Document.locate` finds them by a second parse when an error
needs one, so files without errors cost nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import yaml

from reconciler.errors import ManifestError, Place
from reconciler.manifests.intake import DEFAULT, Limits, LoadWarning, decode
from reconciler.manifests.jsoninput import read_json
from reconciler.manifests.yamlinput import read_yaml

__all__ = ["DEFAULT", "Document", "Limits", "LoadWarning", "Loaded", "Source", "load"]


@dataclass(frozen=True, slots=True, repr=False)
class Source:
    """Where a document comes from: the file's text, the number of its document there, and its path inside a List."""

    text: str
    number: int
    prefix: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """One object of a file. `body` holds dict, list, str, int, float, bool and None only; `place` is its start."""

    body: dict[str, Any]
    place: Place
    source: Source

    def locate(self, *path: str | int) -> Place:
        """Return where the value at `path` starts, or the nearest of its ancestors that exists."""
        documents = _nodes(self.source.text)
        if self.source.number >= len(documents):
            return self.place
        node = documents[self.source.number]
        for step in (*self.source.prefix, *path):
            child = _child(node, step)
            if child is None:
                break
            node = child
        return Place(
            self.place.file, node.start_mark.line + 1, node.start_mark.column + 1
        )


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a file says: its documents in order, Lists replaced by their items, and the warnings about it."""

    documents: tuple[Document, ...]
    warnings: tuple[LoadWarning, ...]


def load(data: bytes, file: str, limits: Limits = DEFAULT) -> Loaded:
    """Read a YAML or JSON file. `file` is its name in places.

    Raises `ManifestError`, with the place and the remedy, for what is unreadable, ambiguous or beyond `limits`.
    """
    text = decode(data, file, limits)
    read = read_json(text, file, limits) if text.lstrip().startswith("{") else None
    roots, warnings = read or read_yaml(text, file, limits)
    documents: list[Document] = []
    for number, (root, place) in enumerate(roots):
        if root is None:
            continue
        if not isinstance(root, dict):
            raise ManifestError(
                "a document must be a map with apiVersion, kind and metadata", place
            )
        documents.extend(_objects(Document(root, place, Source(text, number))))
        if len(documents) > limits.documents:
            message = f"the file has more than {limits.documents:,} objects; split it"
            raise ManifestError(message, Place(file))
    return Loaded(tuple(documents), tuple(warnings))


def _objects(document: Document) -> Iterator[Document]:
    """Yield the document, or the items of the List that it is, as kubectl does with them."""
    body = document.body
    kind, items = body.get("kind"), body.get("items")
    if (
        not isinstance(kind, str)
        or not kind.endswith("List")
        or "apiVersion" not in body
    ):
        yield document
        return
    if kind == "List" and items is None:
        return
    if not isinstance(items, list):
        yield document
        return
    inherited = (
        {}
        if kind == "List"
        else {"apiVersion": body["apiVersion"], "kind": kind.removesuffix("List")}
    )
    for index, item in enumerate(items):
        source = replace(
            document.source, prefix=(*document.source.prefix, "items", index)
        )
        place = replace(document, source=source).locate()
        if not isinstance(item, dict):
            raise ManifestError(f"item {index} of the {kind} is not a map", place)
        named = "kind" in item or "apiVersion" in item
        yield from _objects(
            Document(item if named else {**inherited, **item}, place, source)
        )


def _child(node: yaml.Node, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        found = [value for key, value in node.value if key.value == step]
        return found[-1] if found else None
    if (
        isinstance(node, yaml.SequenceNode)
        and isinstance(step, int)
        and 0 <= step < len(node.value)
    ):
        item: yaml.Node = node.value[step]
        return item
    return None


@lru_cache(maxsize=4)
def _nodes(text: str) -> tuple[yaml.Node, ...]:
    """Return the documents with their marks, as far as they are YAML; JSON may not be."""
    nodes: list[yaml.Node] = []
    with suppress(yaml.YAMLError):
        nodes.extend(yaml.compose_all(text, yaml.CSafeLoader))
    return tuple(nodes)
