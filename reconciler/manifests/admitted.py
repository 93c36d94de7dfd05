"""The admitted copy: a user's object as a cluster gets it, without the fields that only an API server may write.

The copy names its namespace, because kustomize's `namespace:` would also rename Namespace objects. It has no status and
no uid. It has none of the annotations that control kustomize: with `config.kubernetes.io/local-config`, for example,
kustomize drops the object in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.errors import InvalidObject
from reconciler.manifests.identity import ObjectKey, object_key

CLUSTER_SCOPED = frozenset(
    {
        "APIService",
        "CSIDriver",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "DeviceClass",
        "IngressClass",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "RuntimeClass",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
        "VolumeSnapshotClass",
    }
)
"""Kinds without a namespace that users of a fleet commit; all others count as namespaced."""

_SERVER_SET = frozenset(
    {
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_KUSTOMIZE_OWN = (
    "config.kubernetes.io/",
    "config.k8s.io/",
    "internal.config.kubernetes.io/",
    "kustomize.config.k8s.io/",
)


def admit(body: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    """Return the copy of `body` for a cluster, in `namespace` unless its kind has none.

    Raises `InvalidObject` for an object that names another namespace, and for annotations that control kustomize.
    """
    key = object_key(dict(body))
    metadata = {
        name: value
        for name, value in body["metadata"].items()
        if name not in _SERVER_SET
    }
    for part in ("labels", "annotations"):
        if not metadata.get(part, True):
            del metadata[part]
    annotations = metadata.get("annotations")
    if annotations:
        kept = {
            name: text for name, text in annotations.items() if name != _LAST_APPLIED
        }
        _refuse_kustomize_annotations(key, kept)
        if kept:
            metadata["annotations"] = kept
        else:
            del metadata["annotations"]
    metadata.pop("namespace", None)
    if key.kind not in CLUSTER_SCOPED:
        if key.namespace not in {"", namespace}:
            raise InvalidObject(
                f"{key} is in namespace {key.namespace}, but its group in {namespace}; give both the same namespace"
            )
        # Name and namespace come first, as users write them.
        name = metadata.pop("name")
        metadata = {"name": name, "namespace": namespace, **metadata}
    copy = {name: value for name, value in body.items() if name != "status"}
    copy["metadata"] = metadata
    return copy


def _refuse_kustomize_annotations(
    key: ObjectKey, annotations: Mapping[str, str]
) -> None:
    for name in sorted(annotations):
        if name.startswith(_KUSTOMIZE_OWN):
            raise InvalidObject(
                f"{key} has annotation {name}, which controls kustomize (it can drop the object); remove it"
            )
