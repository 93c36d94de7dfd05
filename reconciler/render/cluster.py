"""The whole directory of one cluster: the engine syncs exactly the files that this returns.

The directory is a pure function of what is placed on the cluster, so equal placements give equal bytes. The sentinel
names the commit as well, so it keeps its old bytes as long as all other files do. It also keeps the directory from
being empty: of an empty one Flux would prune everything, and Argo CD would never prune the last group.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
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
from reconciler.render.kustomization import FILE, KUSTOMIZATION, Identity, identity_of
from reconciler.render.model import ClusterDirectory, GroupOverlay, NamespaceMeta

ROOT = "clusters"
SENTINEL = "skyray.yaml"
NAMESPACE = "namespace.yaml"
SENTINEL_NAME = "skyray"
CLUSTER_LABEL = "skyray.dev/cluster"


def directory_of(cluster: str) -> str:
    """Return the path of a cluster's directory, with a slash at the end."""
    return f"{ROOT}/{check_dns_label(cluster, 'cluster')}/"


def render_cluster(
    directory: ClusterDirectory,
    engine: EngineRenderer,
    revision: str,
    previous_sentinel: bytes | None = None,
    render: Callable[
        [GroupOverlay, EngineRenderer], Mapping[str, bytes]
    ] = render_group,
) -> dict[str, bytes]:
    """Return all files of a cluster's directory by their path in the repo, in order.

    `revision` is the commit that this rendering follows from; it is written only where something else changes too, for
    which `previous_sentinel` must be the bytes of the present `skyray.yaml`. Raises `InvalidObject` for names that are
    no DNS labels, and for an object that two groups claim. `render` does what `render_group` does, perhaps cached.
    """
    cluster = directory.cluster
    base = directory_of(cluster)
    groups = sorted(directory.groups, key=lambda group: (group.namespace, group.group))
    _refuse_shared_objects(groups)
    files: dict[str, bytes] = {}
    resources = [SENTINEL]
    for namespace, members in groupby(groups, key=lambda group: group.namespace):
        path = f"{namespace}/{NAMESPACE}"
        meta = directory.namespaces.get(namespace, NamespaceMeta())
        files[path] = emit(_namespace(namespace, meta, engine))
        resources.append(path)
        for group in members:
            folder = f"{namespace}/{group.group}"
            resources.append(folder)
            for name, data in render(group, engine).items():
                files[f"{folder}/{name}"] = data
    files[FILE] = emit(_kustomization(cluster, resources, engine))
    # Last, since the sentinel has the digest of all other files.
    files[SENTINEL] = _sentinel(cluster, revision, _digest(files), previous_sentinel)
    return {f"{base}{name}": files[name] for name in sorted(files)}


def _kustomization(
    cluster: str,
    resources: list[str],
    engine: EngineRenderer,
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
    name: str,
    meta: NamespaceMeta,
    engine: EngineRenderer,
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name}
    if meta.labels:
        metadata["labels"] = dict(sorted(meta.labels.items()))
    # The engine's annotations count: a user's must not let it prune the namespace.
    annotations = {**meta.annotations, **engine.namespace_annotations}
    metadata["annotations"] = dict(sorted(annotations.items()))
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


def _digest(files: dict[str, bytes]) -> str:
    total = hashlib.sha256()
    for name in sorted(files):
        data = files[name]
        # With the length, so that no two sets of files give the same bytes.
        head = f"{name}\0{len(data)}\0".encode()
        total.update(head + data)
    return f"sha256:{total.hexdigest()}"


def _sentinel(
    cluster: str,
    revision: str,
    digest: str,
    previous: bytes | None,
) -> bytes:
    # Nothing else changed, so the old bytes stay: a new commit alone is no reason for a sync.
    if previous is not None and _recorded_in(previous) == (cluster, digest):
        return previous
    return emit(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": SENTINEL_NAME, "namespace": "default"},
            "data": {"cluster": cluster, "revision": revision, "content": digest},
        }
    )


def _recorded_in(sentinel: bytes) -> tuple[Any, Any] | None:
    """Return the cluster and the digest that a sentinel records; None for a file that SkyRay did not write."""
    try:
        (document,) = load(sentinel, SENTINEL).documents
        data = document.body["data"]
        return data["cluster"], data["content"]
    except (ManifestError, ValueError, KeyError, TypeError):
        # A person may have changed it; it is then written anew.
        return None


def _refuse_shared_objects(groups: Sequence[GroupOverlay]) -> None:
    """Raise for an object that two groups claim: it would be deployed twice, and pruned with the first of them."""
    owners: dict[Identity, str] = {
        ("", "ConfigMap", "default", SENTINEL_NAME): "SkyRay's own sentinel"
    }
    for group in groups:
        owners["", "Namespace", "", group.namespace] = "SkyRay's own namespace.yaml"
    seen: set[tuple[str, str]] = set()
    for group in groups:
        title = f"group {group.namespace}/{group.group}"
        # Two groups of one name would write into one folder.
        if (group.namespace, group.group) in seen:
            raise InvalidObject(
                f"{title} is rendered twice on one cluster; merge the two"
            )
        seen.add((group.namespace, group.group))
        for body in group.objects:
            identity = _identity_in(group, body)
            other = owners.setdefault(identity, title)
            if other != title:
                _, kind, _, name = identity
                raise InvalidObject(
                    f"{kind} {name} is claimed by {other} and by {title}; let one of them have it"
                )


def _identity_in(
    group: GroupOverlay,
    body: Mapping[str, Any],
) -> Identity:
    """Return the identity that an object of `group` has on the cluster."""
    api_group, kind, own_namespace, name = identity_of(body)
    # What a user wrote as the namespace of a cluster-scoped object has no effect.
    if kind in CLUSTER_SCOPED:
        return api_group, kind, "", name
    return api_group, kind, own_namespace or group.namespace, name
