"""The objects that a workload needs beside it: ConfigMaps, Secrets, service accounts and claims.

They are placed with the workload. So every field of a pod template that names such an object is read here, and the
fields outside the templates in which KubeRay's kinds name them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.manifests import fields
from reconciler.manifests.fields import Path
from reconciler.ray import rayspec
from reconciler.ray.rayspec import Part
from reconciler.ray.templates import pod_templates

CONFIG_MAP, SECRET, SERVICE_ACCOUNT, CLAIM = (
    "ConfigMap",
    "Secret",
    "ServiceAccount",
    "PersistentVolumeClaim",
)
RESOURCE_CLAIM, RESOURCE_CLAIM_TEMPLATE = "ResourceClaim", "ResourceClaimTemplate"

_SECRET_VOLUMES = (
    "azureFile",
    "cephfs",
    "cinder",
    "csi",
    "flexVolume",
    "iscsi",
    "rbd",
    "scaleIO",
    "storageos",
)
"""Volume sources that name a Secret, besides `secret` itself."""

_SECRET_FIELDS = ("secretRef", "nodePublishSecretRef")


@dataclass(frozen=True, slots=True)
class Reference:
    """An object in the same namespace that `path` names. `optional`: the pods also start without it."""

    kind: str
    name: str
    path: Path
    optional: bool = False


def references(body: Mapping[str, Any]) -> tuple[Reference, ...]:
    """Return every reference of the object in the order of the file; each kind and name once, at its first place.

    A name that is required anywhere is not optional. Raises `InvalidField`.
    """
    found: dict[tuple[str, str], Reference] = {}
    for reference in _all(body):
        key = (reference.kind, reference.name)
        known = found.get(key)
        if known is None or (known.optional and not reference.optional):
            found[key] = reference
    return tuple(found.values())


def _all(body: Mapping[str, Any]) -> Iterator[Reference]:
    for at, template in pod_templates(body):
        yield from _pod((*at, "spec"), fields.mapping(template, "spec", at))
    if rayspec.is_ray(body):
        cluster = rayspec.cluster_spec(body)
        if cluster is not None:
            yield from _cluster(cluster)


def _pod(at: Path, pod: Mapping[str, Any]) -> Iterator[Reference]:
    for field in ("serviceAccountName", "serviceAccount"):
        yield from _named(SERVICE_ACCOUNT, (at, pod), field)
    for path, secret in fields.maps(pod, "imagePullSecrets", at):
        yield from _named(SECRET, (path, secret), "name")
    for path, volume in fields.maps(pod, "volumes", at):
        yield from _volume((path, volume))
    for group in ("initContainers", "containers", "ephemeralContainers"):
        for path, container in fields.maps(pod, group, at):
            yield from _environment((path, container))
    for path, claim in fields.maps(pod, "resourceClaims", at):
        yield from _named(RESOURCE_CLAIM, (path, claim), "resourceClaimName")
        yield from _named(
            RESOURCE_CLAIM_TEMPLATE, (path, claim), "resourceClaimTemplateName"
        )


def _volume(volume: Part) -> Iterator[Reference]:
    yield from _named(CONFIG_MAP, _part(volume, "configMap"), "name")
    yield from _named(SECRET, _part(volume, "secret"), "secretName")
    yield from _named(CLAIM, _part(volume, "persistentVolumeClaim"), "claimName")
    at, projected = _part(volume, "projected")
    for source in fields.maps(projected, "sources", at):
        yield from _named(CONFIG_MAP, _part(source, "configMap"), "name")
        yield from _named(SECRET, _part(source, "secret"), "name")
    for kind in _SECRET_VOLUMES:
        source = _part(volume, kind)
        if kind == "azureFile":
            yield from _named(SECRET, source, "secretName")
        for field in _SECRET_FIELDS:
            yield from _named(SECRET, _part(source, field), "name")


def _environment(holder: Part) -> Iterator[Reference]:
    """Yield the references of `env` and `envFrom` of a container, or of options with the same fields."""
    at, parts = holder
    for variable in fields.maps(parts, "env", at):
        yield from _value_from(variable)
    for source in fields.maps(parts, "envFrom", at):
        yield from _named(CONFIG_MAP, _part(source, "configMapRef"), "name")
        yield from _named(SECRET, _part(source, "secretRef"), "name")


def _value_from(variable: Part) -> Iterator[Reference]:
    value_from = _part(variable, "valueFrom")
    yield from _named(CONFIG_MAP, _part(value_from, "configMapKeyRef"), "name")
    yield from _named(SECRET, _part(value_from, "secretKeyRef"), "name")


def _cluster(cluster: Part) -> Iterator[Reference]:
    fault_tolerance = _part(cluster, "gcsFaultToleranceOptions")
    for credential in ("redisUsername", "redisPassword"):
        yield from _value_from(_part(fault_tolerance, credential))
    yield from _named(CLAIM, _part(fault_tolerance, "storage"), "claimName")
    yield from _named(SECRET, _part(cluster, "authOptions"), "secretName")
    yield from _environment(_part(cluster, "autoscalerOptions"))
    yield from _environment(
        _part(_part(cluster, "historyServerOptions"), "collectorOptions")
    )
    head_at, head = rayspec.head_group(cluster)
    ingress_at, ingress = _part((head_at, head), "ingressOptions")
    for entry in fields.maps(ingress, "tls", ingress_at):
        yield from _named(SECRET, entry, "secretName")


def _part(parent: Part, key: str) -> Part:
    at, parts = parent
    return (*at, key), fields.mapping(parts, key, at)


def _named(kind: str, part: Part, field: str) -> Iterator[Reference]:
    at, parts = part
    name = fields.text(parts, field, at)
    if name:
        yield Reference(kind, name, (*at, field), fields.flag(parts, "optional", at))
