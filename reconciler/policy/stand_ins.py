"""Objects and fields that would get a tenant what its Tenant does not give it.

The one idea: what a tenant may not commit itself, it must not have made for it either. Kubernetes fills a Secret with a
token of the service account that it names, KubeRay makes an Ingress when the head group says so, and a claim can ask
for devices that others use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.manifests import fields
from reconciler.manifests.fields import Path
from reconciler.manifests.identity import ObjectKey
from reconciler.ray import rayspec

ANY_ACCOUNT = "*"
"""The account of a token where it is settled outside of Git."""

_TOKEN = "kubernetes.io/service-account-token"  # noqa: S105  (a Secret's type)
_ACCOUNT = "kubernetes.io/service-account.name"
_SECRETS: Mapping[tuple[str, str], Path] = {
    ("", "Secret"): (),
    ("bitnami.com", "SealedSecret"): ("spec", "template"),
    ("external-secrets.io", "ExternalSecret"): ("spec", "target", "template"),
}
"""Where an object that is or makes a Secret says what is in it: `type` and `metadata` stand there."""

_CLAIMS: Mapping[str, Path] = {
    "ResourceClaim": ("spec", "devices"),
    "ResourceClaimTemplate": ("spec", "spec", "devices"),
}


def token_account(key: ObjectKey, body: Mapping[str, Any]) -> tuple[Path, str] | None:
    """Return of which service account an object orders a token, and where; None if of none. Raises `InvalidField`.

    What an ExternalSecret's template says can be changed by what it fetches, so it counts as any account.
    """
    steps = _SECRETS.get((key.group, key.kind))
    if steps is None:
        return None
    at, secret = _at(body, steps)
    if fields.text(secret, "type", at) != _TOKEN:
        return None
    here = (*at, "metadata")
    annotations = fields.mapping(fields.mapping(secret, "metadata", at), "annotations", here)
    account = fields.text(annotations, _ACCOUNT, (*here, "annotations"))
    return (*at, "type"), ANY_ACCOUNT if key.kind == "ExternalSecret" else account or ANY_ACCOUNT


def admin_access(key: ObjectKey, body: Mapping[str, Any]) -> Iterator[Path]:
    """Yield where a resource claim asks for devices whoever uses them. Raises `InvalidField`."""
    if key.group != "resource.k8s.io" or key.kind not in _CLAIMS:
        return
    at, devices = _at(body, _CLAIMS[key.kind])
    for path, request in fields.maps(devices, "requests", at):
        for here, part in ((path, request), _at(request, ("exactly",), path)):
            if fields.flag(part, "adminAccess", here):
                yield (*here, "adminAccess")


def ingress(body: Mapping[str, Any]) -> Path | None:
    """Return where a Ray resource has KubeRay make an Ingress; None where it has not. Raises `InvalidField`."""
    cluster = rayspec.cluster_spec(body) if rayspec.is_ray(body) else None
    if cluster is None:
        return None
    at, head = _at(cluster[1], ("headGroupSpec",), cluster[0])
    return (*at, "enableIngress") if fields.flag(head, "enableIngress", at) else None


def _at(parent: Mapping[str, Any], steps: Path, at: Path = ()) -> tuple[Path, Mapping[str, Any]]:
    """Return the map that stands at `steps` below `parent`; empty where there is none."""
    for step in steps:
        parent = fields.mapping(parent, str(step), at)
        at = (*at, step)
    return at, parent
