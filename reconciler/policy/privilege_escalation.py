"""Finds the fields by which an object would get its tenant rights that its Tenant does not give.

Such an object is harmless itself, but a controller acts on it with rights of its own. Kubernetes fills a Secret with a
token of the service account that it names, KubeRay makes an Ingress when the head group says so, and a resource claim
can ask for devices that other pods use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.manifests import fields
from reconciler.manifests.fields import Path
from reconciler.manifests.identity import ObjectKey
from reconciler.ray import rayspec
from reconciler.ray.rayspec import Part

ANY_ACCOUNT = "*"
"""The account of a token that is decided outside of Git."""

_TOKEN_TYPE = "kubernetes.io/service-account-token"  # noqa: S105  (a Secret's type)
_ACCOUNT_ANNOTATION = "kubernetes.io/service-account.name"
_SECRET_AT: Mapping[tuple[str, str], Path] = {
    ("", "Secret"): (),
    ("bitnami.com", "SealedSecret"): ("spec", "template"),
    ("external-secrets.io", "ExternalSecret"): ("spec", "target", "template"),
}
"""The path of a Secret's `type` and `metadata` in each kind that is or makes a Secret, by API group and kind."""

_DEVICES_AT: Mapping[str, Path] = {
    "ResourceClaim": ("spec", "devices"),
    "ResourceClaimTemplate": ("spec", "spec", "devices"),
}
"""The path of the device requests in each kind of resource.k8s.io."""


def token_account(
    key: ObjectKey,
    body: Mapping[str, Any],
) -> tuple[Path, str] | None:
    """Return the service account whose token an object orders, and the field that does; None if it orders none.

    The template of an ExternalSecret can be changed by what it fetches, so it counts as `ANY_ACCOUNT`. Raises
    `InvalidField`.
    """
    group_kind = (key.group, key.kind)
    steps = _SECRET_AT.get(group_kind)
    if steps is None:
        return None
    at, secret = _descend(body, steps)
    if fields.text(secret, "type", at) != _TOKEN_TYPE:
        return None
    below_secret = ("metadata", "annotations")
    annotations_at, annotations = _descend(secret, below_secret, at)
    account = fields.text(annotations, _ACCOUNT_ANNOTATION, annotations_at)
    if key.kind == "ExternalSecret":
        # What it fetches can name another account than its template does.
        account = ANY_ACCOUNT
    # Without a name in Git, what fills the Secret in decides on the account.
    type_at = (*at, "type")
    return type_at, account or ANY_ACCOUNT


def admin_access(
    key: ObjectKey,
    body: Mapping[str, Any],
) -> Iterator[Path]:
    """Yield the fields by which a resource claim asks for devices that are in use. Raises `InvalidField`."""
    if key.group != "resource.k8s.io" or key.kind not in _DEVICES_AT:
        return
    steps = _DEVICES_AT[key.kind]
    at, devices = _descend(body, steps)
    for path, request in fields.maps(devices, "requests", at):
        # Since v1beta2 of resource.k8s.io the field is below `exactly`.
        exactly_at, exactly = _descend(request, ("exactly",), path)
        if fields.flag(request, "adminAccess", path):
            yield (*path, "adminAccess")
        if fields.flag(exactly, "adminAccess", exactly_at):
            yield (*exactly_at, "adminAccess")


def ingress(body: Mapping[str, Any]) -> Path | None:
    """Return the field by which a Ray resource has KubeRay make an Ingress; None if it has not. Raises `InvalidField`.

    Source: `enableIngress` of the HeadGroupSpec (KubeRay, `raycluster_types.go`).
    """
    cluster = rayspec.cluster_spec(body) if rayspec.is_ray(body) else None
    if cluster is None:
        return None
    cluster_at, cluster_fields = cluster
    at, head = _descend(cluster_fields, ("headGroupSpec",), cluster_at)
    makes_ingress = fields.flag(head, "enableIngress", at)
    return (*at, "enableIngress") if makes_ingress else None


def _descend(
    parent: Mapping[str, Any],
    steps: Path,
    at: Path = (),
) -> Part:
    """Return the path and the map at `steps` below `parent`; an empty map where there is none."""
    for step in steps:
        parent = fields.mapping(parent, str(step), at)
        at = (*at, step)
    return at, parent
