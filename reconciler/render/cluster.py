"""One cluster's directory, whole: what the engine syncs is exactly what this returns.

The one idea: the directory is a pure function of what is placed there, so equal placements give equal bytes. The one
file that also tells when it changed, the sentinel, keeps its old bytes as long as all the others do. The sentinel is
there so that the directory is never empty: Flux would prune everything, and Argo CD would never prune the last group.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reconciler.errors import InvalidObject, ManifestError
from reconciler.manifests import fields
from reconciler.manifests.admitted import CLUSTER_SCOPED
from reconciler.manifests.emitter import emit
from reconciler.manifests.identity import check_dns_label
from reconciler.manifests.loader import load
from reconciler.render.group import FILE, KUSTOMIZATION, annotations_transformer, identity_of, render_group
from reconciler.render.model import ClusterDirectory, Engine, GroupOverlay, NamespaceMeta

ROOT = "clusters"
SENTINEL = "skyray.yaml"
NAMESPACE = "namespace.yaml"
SENTINEL_NAME = "skyray"
CLUSTER_LABEL = "skyray.dev/cluster"

_NAMESPACE_STAYS = {
    Engine.ARGOCD: {
        "argocd.argoproj.io/compare-options": "IgnoreExtraneous",
        "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
    },
    Engine.FLUX: {"kustomize.toolkit.fluxcd.io/prune": "disabled"},
}
"""When the last group leaves, its namespace stays: to prune it would delete all that others keep in it."""


def directory_of(cluster: str) -> str:
    """Return the path of a cluster's directory, with a slash at the end."""
    return f"{ROOT}/{check_dns_label(cluster, 'cluster')}/"


def render_cluster(
    directory: ClusterDirectory,
    engine: Engine,
    revision: str,
    previous_sentinel: bytes | None = None,
    render: Callable[[GroupOverlay, Engine], Mapping[str, bytes]] = render_group,
) -> dict[str, bytes]:
    """Return all files of a cluster's directory by their path in the repo, in order.

    `revision` is the commit that this rendering follows from; it is written only where something else changes too, for
    which `previous_sentinel` must be the bytes of the present `skyray.yaml`. Raises `InvalidObject` for names that are
    no DNS labels, and for an object that two groups claim. `render` does what `render_group` does, perhaps from memory.
    """
    base = directory_of(directory.cluster)
    groups = sorted(directory.groups, key=lambda one: (one.namespace, one.group))
    _refuse_shared_objects(groups)
    files: dict[str, bytes] = {}
    resources = [SENTINEL]
    for namespace in sorted({one.namespace for one in groups}):
        meta = directory.namespaces.get(namespace, NamespaceMeta())
        files[f"{namespace}/{NAMESPACE}"] = emit(_namespace(namespace, meta, engine))
        resources.append(f"{namespace}/{NAMESPACE}")
        for group in (one for one in groups if one.namespace == namespace):
            place = f"{namespace}/{group.group}"
            files.update({f"{place}/{name}": data for name, data in render(group, engine).items()})
            resources.append(place)
    files[FILE] = emit(_kustomization(directory.cluster, resources, engine))
    files[SENTINEL] = _sentinel(directory.cluster, revision, _digest(files), previous_sentinel)
    return {f"{base}{name}": files[name] for name in sorted(files)}


def _kustomization(cluster: str, resources: list[str], engine: Engine) -> dict[str, Any]:
    kustomization: dict[str, Any] = {
        **KUSTOMIZATION,
        "resources": resources,
        "labels": [{"pairs": {CLUSTER_LABEL: cluster}}],
    }
    if engine is Engine.FLUX:
        # Flux's postBuild would otherwise replace ${VAR} in entrypoints and scripts.
        verbatim = {"kustomize.toolkit.fluxcd.io/substitute": "disabled"}
        kustomization["transformers"] = [annotations_transformer("skyray-verbatim", verbatim)]
    return kustomization


def _namespace(name: str, meta: NamespaceMeta, engine: Engine) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name}
    if meta.labels:
        metadata["labels"] = dict(sorted(meta.labels.items()))
    metadata["annotations"] = dict(sorted({**meta.annotations, **_NAMESPACE_STAYS[engine]}.items()))
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def namespace_meta(written: bytes, path: str) -> NamespaceMeta | None:
    """Return what a user said of a namespace, from the file that was rendered of it; None where it cannot be read."""
    try:
        (document,) = load(written, path).documents
        metadata = document.body["metadata"]
        labels = fields.text_map(metadata, "labels", ("metadata",))
        annotations = fields.text_map(metadata, "annotations", ("metadata",))
    except (ManifestError, ValueError, KeyError, TypeError):
        return None
    own = {name for stays in _NAMESPACE_STAYS.values() for name in stays}
    return NamespaceMeta(labels, {name: text for name, text in annotations.items() if name not in own})


def _digest(files: dict[str, bytes]) -> str:
    total = hashlib.sha256()
    for name in sorted(files):
        total.update(f"{name}\0{len(files[name])}\0".encode() + files[name])
    return f"sha256:{total.hexdigest()}"


def _sentinel(cluster: str, revision: str, digest: str, previous: bytes | None) -> bytes:
    if previous is not None and _told_by(previous) == (cluster, digest):
        return previous
    return emit(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": SENTINEL_NAME, "namespace": "default"},
            "data": {"cluster": cluster, "revision": revision, "content": digest},
        }
    )


def _told_by(sentinel: bytes) -> tuple[Any, Any] | None:
    """Return cluster and digest of a sentinel; None where it is not one of ours, which is then written anew."""
    try:
        (document,) = load(sentinel, SENTINEL).documents
        data = document.body["data"]
        return data["cluster"], data["content"]
    except (ManifestError, ValueError, KeyError, TypeError):
        return None


def _refuse_shared_objects(groups: Sequence[GroupOverlay]) -> None:
    """An object that two groups claim would be deployed twice, and pruned with the first of them."""
    owners = {("", "ConfigMap", "default", SENTINEL_NAME): "SkyRay's own sentinel"}
    owners.update({("", "Namespace", "", one.namespace): "SkyRay's own namespace.yaml" for one in groups})
    seen: set[tuple[str, str]] = set()
    for one in groups:
        title = f"group {one.namespace}/{one.group}"
        if (one.namespace, one.group) in seen:
            raise InvalidObject(f"{title} is rendered twice on one cluster; merge the two")
        seen.add((one.namespace, one.group))
        for body in one.objects:
            api_group, kind, namespace, name = identity_of(body)
            namespace = "" if kind in CLUSTER_SCOPED else namespace or one.namespace
            other = owners.setdefault((api_group, kind, namespace, name), title)
            if other != title:
                raise InvalidObject(f"{kind} {name} is claimed by {other} and by {title}; let one of them have it")
