"""The whole directory of one cluster: the engine syncs exactly the files that this returns.

The directory is a pure function of what is placed on the cluster, so equal placements give equal bytes. The sentinel
names the commit as well, so it keeps its old bytes as long as all other files do. It also keeps the directory from
being empty: of an empty one Flux would prune everything, and Argo CD would never prune the last group.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from reconciler.errors import InvalidObject, ManifestError
from reconciler.manifests import fields
from reconciler.manifests.admitted import CLUSTER_SCOPED
from reconciler.manifests.emitter import emit
from reconciler.manifests.identity import check_dns_label
from reconciler.manifests.loader import load
from reconciler.render.engine import EngineRenderer
from reconciler.render.engines import ENGINES
from reconciler.render.group import render_group
from reconciler.render.kustomization import (
    FILE,
    KUSTOMIZATION,
    Identity,
    identity_of,
)
from reconciler.render.model import ClusterDirectory, GroupOverlay, NamespaceMeta

ROOT = "clusters"
SENTINEL = "skyray.yaml"
NAMESPACE = "namespace.yaml"
SENTINEL_NAME = "skyray"
CLUSTER_LABEL = "skyray.dev/cluster"

_SENTINEL: Identity = ("", "ConfigMap", "default", SENTINEL_NAME)
_OWN_SENTINEL = "SkyRay's own sentinel"


def directory_of(cluster: str) -> str:
    """Return the path of a cluster's directory, with a slash at the end."""
    return f"{ROOT}/{check_dns_label(cluster, 'cluster')}/"


def render_cluster(
    directory: ClusterDirectory,
    engine: EngineRenderer,
    revision: str,
    previous_sentinel: bytes | None = None,
) -> dict[str, bytes]:
    """Return all files of a cluster's directory by their path in the repo, in order.

    `revision` is the commit that this rendering follows from; it is written only where something else changes too, for
    which `previous_sentinel` must be the bytes of the present `skyray.yaml`. Raises `InvalidObject` for names that are
    no DNS labels, and for an object that two groups claim.
    """
    base = directory_of(directory.cluster)
    groups = sorted(directory.groups, key=lambda group: (group.namespace, group.group))
    rendered = []
    for namespace, members in groupby(groups, key=lambda group: group.namespace):
        meta = directory.namespaces.get(namespace, NamespaceMeta())
        parts = [namespace_part(one, render_group(one, engine)) for one in members]
        rendered.append(render_namespace(namespace, meta, parts, engine))
    previous = sentinel_of(previous_sentinel)
    top = render_top(directory.cluster, rendered, engine, revision, previous)
    found = {FILE: top.kustomization, SENTINEL: top.sentinel.data}
    for one in rendered:
        found |= one.files
    return {f"{base}{name}": found[name] for name in sorted(found)}


@dataclass(frozen=True, slots=True, eq=False)
class RenderedNamespace:
    """One namespace of a cluster's directory: its files by their path in that, and what its kustomization lists.

    `claims` are the objects in it that belong to the whole cluster, each with the one that has it. `chunks` are what
    the sentinel's digest is made of, in order.
    """

    namespace: str
    files: Mapping[str, bytes]
    resources: tuple[str, ...]
    claims: Mapping[Identity, str]
    chunks: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Sentinel:
    """`skyray.yaml`: its bytes, and the cluster and the contents that it records."""

    data: bytes
    cluster: str
    content: str


@dataclass(frozen=True, slots=True)
class ClusterTop:
    """The files of a cluster's directory that follow from all of its namespaces."""

    kustomization: bytes
    sentinel: Sentinel


@dataclass(frozen=True, slots=True, eq=False)
class NamespacePart:
    """A rendered group as a part of its namespace: what is worked out of it once, and used for every change there.

    `files` are by their path in the cluster's directory. `chunk` is what the sentinel's digest is made of. `claims` are
    the objects that it has, and `title` is what a message calls it.
    """

    name: str
    files: Mapping[str, bytes]
    chunk: bytes
    claims: tuple[Identity, ...]
    title: str


def namespace_part(group: GroupOverlay, files: Mapping[str, bytes]) -> NamespacePart:
    """Return a group with its rendered files, which are by their name in its folder, as a part of its namespace."""
    namespace = group.namespace
    folder = f"{namespace}/{group.group}"
    own = {f"{folder}/{name}": files[name] for name in sorted(files)}
    claims = []
    for body in group.objects:
        api_group, kind, own_namespace, name = identity_of(body)
        scope = "" if kind in CLUSTER_SCOPED else own_namespace or namespace
        claims.append((api_group, kind, scope, name))
    title = f"group {folder}"
    return NamespacePart(group.group, own, _chunk(own), tuple(claims), title)


def render_namespace(
    namespace: str,
    meta: NamespaceMeta,
    groups: Iterable[NamespacePart],
    engine: EngineRenderer,
) -> RenderedNamespace:
    """Put the rendered groups of a namespace together. Raises `InvalidObject` for an object that two groups claim."""
    by_name = sorted(groups, key=lambda group: group.name)
    claims = _claims(namespace, by_name)
    first = f"{namespace}/{NAMESPACE}"
    files = {first: emit(_namespace(namespace, meta, engine))}
    chunks = [(NAMESPACE, _chunk(files))]
    resources = [first]
    for group in by_name:
        files |= group.files
        # The digest is made in order of paths, where a folder's name ends with a slash.
        chunks.append((f"{group.name}/", group.chunk))
        resources.append(f"{namespace}/{group.name}")
    chunks.sort(key=lambda chunk: chunk[0])
    return RenderedNamespace(
        namespace,
        files,
        tuple(resources),
        claims,
        tuple(chunk for _, chunk in chunks),
    )


def _chunk(files: Mapping[str, bytes]) -> bytes:
    """Return what the digest is made of for files in order of their paths."""
    parts = []
    for name, data in files.items():
        parts.append(f"{name}\0{len(data)}\0".encode())
        parts.append(data)
    return b"".join(parts)


def render_top(
    cluster: str,
    namespaces: Sequence[RenderedNamespace],
    engine: EngineRenderer,
    revision: str,
    previous: Sentinel | None,
) -> ClusterTop:
    """Return the files on top of the `namespaces`, which are sorted by name.

    `previous` is the sentinel that is there; it stays, whatever the revision, as long as all other files do. Raises
    `InvalidObject` for an object of the whole cluster that two namespaces claim.
    """
    _refuse_shared_claims(namespaces)
    resources = [SENTINEL]
    for one in namespaces:
        resources += one.resources
    kustomization = emit(_kustomization(cluster, resources, engine))
    content = _digest(namespaces, kustomization)
    if previous is not None and (previous.cluster, previous.content) == (
        cluster,
        content,
    ):
        return ClusterTop(kustomization, previous)
    data = emit(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": SENTINEL_NAME, "namespace": "default"},
            "data": {"cluster": cluster, "revision": revision, "content": content},
        }
    )
    return ClusterTop(kustomization, Sentinel(data, cluster, content))


def _kustomization(
    cluster: str, resources: list[str], engine: EngineRenderer
) -> dict[str, Any]:
    kustomization: dict[str, Any] = {
        **KUSTOMIZATION,
        "resources": resources,
        "labels": [{"pairs": {CLUSTER_LABEL: cluster}}],
    }
    transformers = engine.cluster_transformers()
    if transformers:
        kustomization["transformers"] = transformers
    return kustomization


def _namespace(
    name: str, meta: NamespaceMeta, engine: EngineRenderer
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name}
    if meta.labels:
        metadata["labels"] = dict(sorted(meta.labels.items()))
    metadata["annotations"] = dict(
        sorted({**meta.annotations, **engine.namespace_annotations}.items())
    )
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def namespace_meta(written: bytes, path: str) -> NamespaceMeta | None:
    """Return what a user said of a namespace, from the file that was rendered of it; None where it cannot be read."""
    try:
        (document,) = load(written, path).documents
        metadata = document.body["metadata"]
        labels = fields.text_map(metadata, "labels", ("metadata",))
        annotations = dict(fields.text_map(metadata, "annotations", ("metadata",)))
    except (ManifestError, ValueError, KeyError, TypeError):
        return None
    # Of all engines: the fleet may have changed its engine since the file was written.
    for engine in ENGINES.values():
        for name in engine.namespace_annotations:
            annotations.pop(name, None)
    return NamespaceMeta(labels, annotations)


def _digest(namespaces: Iterable[RenderedNamespace], kustomization: bytes) -> str:
    """Return the digest of all files but the sentinel, in order of their paths."""
    parts = [(f"{one.namespace}/", one.chunks) for one in namespaces]
    parts.append((FILE, (_chunk({FILE: kustomization}),)))
    total = hashlib.sha256()
    for _, chunks in sorted(parts, key=lambda part: part[0]):
        for chunk in chunks:
            total.update(chunk)
    return f"sha256:{total.hexdigest()}"


def sentinel_of(data: bytes | None) -> Sentinel | None:
    """Return the sentinel in a file; None where there is none, or one that SkyRay did not write."""
    try:
        (document,) = load(data or b"", SENTINEL).documents
        recorded = document.body["data"]
        return Sentinel(data or b"", recorded["cluster"], recorded["content"])
    except (ManifestError, ValueError, KeyError, TypeError):
        return None


def _claims(namespace: str, groups: Iterable[NamespacePart]) -> dict[Identity, str]:
    """Return the objects of the whole cluster that a namespace has.

    Raises `InvalidObject` for an object that two groups claim: it would be deployed twice, and pruned with the first.
    """
    owners: dict[Identity, str] = {
        _SENTINEL: _OWN_SENTINEL,
        ("", "Namespace", "", namespace): "SkyRay's own namespace.yaml",
    }
    seen: set[str] = set()
    for group in groups:
        if group.name in seen:
            raise InvalidObject(
                f"{group.title} is rendered twice on one cluster; merge the two"
            )
        seen.add(group.name)
        for identity in group.claims:
            _claim(owners, identity, group.title)
    return {identity: title for identity, title in owners.items() if not identity[2]}


def _refuse_shared_claims(namespaces: Iterable[RenderedNamespace]) -> None:
    """Raise `InvalidObject` for an object of the whole cluster that two namespaces claim."""
    owners: dict[Identity, str] = {}
    for one in namespaces:
        for identity, title in one.claims.items():
            _claim(owners, identity, title)


def _claim(owners: dict[Identity, str], identity: Identity, title: str) -> None:
    other = owners.setdefault(identity, title)
    if other != title:
        _, kind, _, name = identity
        raise InvalidObject(
            f"{kind} {name} is claimed by {other} and by {title}; let one of them have it"
        )
