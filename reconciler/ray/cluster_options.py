"""What KubeRay refuses in the options of a RayClusterSpec: fault tolerance, tokens, TLS, network policy, collector.

From `ValidateRayClusterSpec` and the functions it calls, at KubeRay 1.7. Options that need a feature gate give a
warning: whether the operator of a cluster has it on is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.manifests import fields
from reconciler.manifests.fields import Path
from reconciler.manifests.identity import is_dns_label
from reconciler.ray import rayspec
from reconciler.ray.cluster_rules import (
    env_var,
    ray_container,
    ray_version_at_least,
    start_params,
)
from reconciler.ray.problem import Problem, problem, warning
from reconciler.ray.rayspec import Part

_FT_ENABLED, _FT_NAMESPACE = "ray.io/ft-enabled", "ray.io/external-storage-namespace"
_TOKEN_SINCE, _K8S_TOKEN_SINCE = (2, 52, 0), (2, 55, 0)
_GATED = {
    "networkPolicy": "RayClusterNetworkPolicy",
    "tlsOptions": "RayClusterMTLS",
    "historyServerOptions": "RayClusterHistoryServer",
}
_TLS_ENV = (
    "RAY_USE_TLS",
    "RAY_TLS_SERVER_CERT",
    "RAY_TLS_SERVER_KEY",
    "RAY_TLS_CA_CERT",
)
_TLS_VOLUME, _TLS_MOUNT = "ray-tls", "/etc/ray/tls"
_GCS_VOLUME, _GCS_MOUNT = "gcs-storage", "/data/gcs"
_REDIS_ONLY = (
    "redisAddress",
    "redisUsername",
    "redisPassword",
    "externalStorageNamespace",
)
_MODES = ("DenyAll", "DenyAllIngress", "DenyAllEgress")
_COLLECTOR = "ray-history-collector"


def fault_tolerance(cluster: Part, annotations: Part) -> Iterator[Problem]:
    """Yield what is wrong with GCS fault tolerance. `annotations` are those of the object, if KubeRay looks at them."""
    at, parts = cluster
    noted_at, noted = annotations
    head = rayspec.head_group(cluster)
    where, container = ray_container(head)
    params = start_params(head)
    redis_address = env_var(container, where, "RAY_REDIS_ADDRESS")
    here = (*at, "gcsFaultToleranceOptions")
    if parts.get("gcsFaultToleranceOptions") is None:
        if redis_address and str(noted.get(_FT_ENABLED)).lower() != "true":
            yield problem(
                redis_address[0],
                "sets RAY_REDIS_ADDRESS; configure gcsFaultToleranceOptions instead",
            )
    else:
        options = fields.mapping(parts, "gcsFaultToleranceOptions", at)
        instead = "cannot be combined with gcsFaultToleranceOptions; set its"
        # KubeRay would otherwise have two sources for the same setting.
        for annotation, field in (
            (_FT_ENABLED, "redisAddress"),
            (_FT_NAMESPACE, "externalStorageNamespace"),
        ):
            if noted.get(annotation):
                yield problem((*noted_at, annotation), f"{instead} {field} instead")
        if params.get("redis-password"):
            yield problem(
                (*head[0], "rayStartParams", "redis-password"),
                f"{instead} redisPassword instead",
            )
        if redis_address:
            yield problem(
                redis_address[0], f"(RAY_REDIS_ADDRESS) {instead} redisAddress instead"
            )
        if password := env_var(container, where, "REDIS_PASSWORD"):
            yield problem(
                password[0], f"(REDIS_PASSWORD) {instead} redisPassword instead"
            )
        yield from _backend(options, here, (where, container), head)
    instead = "sets the Redis user; use gcsFaultToleranceOptions.redisUsername instead"
    if params.get("redis-username"):
        yield problem((*head[0], "rayStartParams", "redis-username"), instead)
    if username := env_var(container, where, "REDIS_USERNAME"):
        yield problem(username[0], instead)


def _backend(
    options: Mapping[str, Any], at: Path, container: Part, head: Part
) -> Iterator[Problem]:
    backend = fields.choice(options, "backend", at, ("redis", "rocksdb"), "redis")
    storage = fields.mapping(options, "storage", at)
    if backend == "redis":
        if options.get("storage") is not None:
            yield problem(
                (*at, "storage"), "is only for backend: rocksdb; set that, or remove it"
            )
        return
    yield _gate((*at, "backend"), "GCSFaultToleranceEmbeddedStorage")
    for field in _REDIS_ONLY:
        if options.get(field):
            yield problem((*at, field), "is only for backend: redis; remove it")
    if fields.text(storage, "claimName", (*at, "storage")):
        for field in ("size", "storageClassName", "accessModes"):
            if storage.get(field):
                yield problem(
                    (*at, "storage", field),
                    "describes a new volume, but claimName names one; keep one of them",
                )
    path, ray = container
    for name in ("RAY_gcs_storage", "RAY_gcs_storage_path"):
        if found := env_var(ray, path, name):
            yield problem(
                found[0],
                f"sets {name}, which KubeRay manages for backend: rocksdb; remove it",
            )
    template_path, template = rayspec.template(head)
    pod = fields.mapping(template, "spec", template_path)
    volumes = fields.maps(pod, "volumes", (*template_path, "spec"))
    for clash_path, clash in (*volumes, *fields.maps(ray, "volumeMounts", path)):
        if clash.get("name") == _GCS_VOLUME or clash.get("mountPath") == _GCS_MOUNT:
            yield problem(
                clash_path,
                "clashes with the volume that KubeRay mounts for backend: rocksdb; change it",
            )


def tokens(cluster: Part, kind: str) -> Iterator[Problem]:
    """Yield what is wrong with token authentication."""
    at, parts = cluster
    options = fields.mapping(parts, "authOptions", at)
    here = (*at, "authOptions")
    by_kubernetes = fields.flag(options, "enableK8sTokenAuth", here)
    mode = fields.choice(options, "mode", here, ("disabled", "token"), "")
    if by_kubernetes and kind != rayspec.RAY_CLUSTER:
        yield problem(
            (*here, "enableK8sTokenAuth"), f"is not supported for a {kind}; remove it"
        )
    if mode != "token":
        if by_kubernetes:
            yield problem(
                (*here, "enableK8sTokenAuth"), "needs mode: token; set that too"
            )
        return
    least = _K8S_TOKEN_SINCE if by_kubernetes else _TOKEN_SINCE
    option = "enableK8sTokenAuth" if by_kubernetes else "authOptions.mode: token"
    yield from ray_version_at_least(cluster, least, option)
    if by_kubernetes and fields.text(options, "secretName", here):
        yield problem(
            (*here, "secretName"),
            "cannot be combined with enableK8sTokenAuth; remove one of them",
        )


def tls(cluster: Part) -> Iterator[Problem]:
    """Yield what clashes with the TLS that KubeRay sets up."""
    at, parts = cluster
    if not fields.flag(
        fields.mapping(parts, "tlsOptions", at), "enabled", (*at, "tlsOptions")
    ):
        return
    holders = [
        ray_container(group)
        for group in (rayspec.head_group(cluster), *rayspec.worker_groups(cluster))
    ]
    holders.append(
        ((*at, "autoscalerOptions"), fields.mapping(parts, "autoscalerOptions", at))
    )
    # KubeRay sets these variables and mounts the certificates in every Ray container and in the autoscaler.
    for path, holder in holders:
        for name in _TLS_ENV:
            if found := env_var(holder, path, name):
                yield problem(
                    found[0],
                    f"sets {name}, which KubeRay manages with tlsOptions; remove it",
                )
        for mount_path, mount in fields.maps(holder, "volumeMounts", path):
            if mount.get("name") == _TLS_VOLUME or mount.get("mountPath") == _TLS_MOUNT:
                yield problem(
                    mount_path,
                    "clashes with the certificates that KubeRay mounts with tlsOptions; change it",
                )


def network_policy(cluster: Part) -> Iterator[Problem]:
    """Yield rules for a direction that is not restricted, and names that the network policy cannot use."""
    at, parts = cluster
    if parts.get("networkPolicy") is None:
        return
    policy = fields.mapping(parts, "networkPolicy", at)
    here = (*at, "networkPolicy")
    mode = fields.choice(policy, "mode", here, _MODES, "DenyAll")
    names = []
    for path, group in rayspec.worker_groups(cluster):
        names.append(fields.text(group, "groupName", path))
        if not is_dns_label(names[-1]):
            yield problem(
                (*path, "groupName"),
                "is not a DNS label, which networkPolicy needs; use small letters, digits and '-'",
            )
    rules = [
        ((*here, part), fields.mapping(policy, part, here))
        for part in ("head", "worker")
    ]
    for path, group in fields.maps(policy, "workerGroups", here):
        rules.append((path, group))
        if fields.text(group, "groupName", path) not in names:
            yield problem(
                (*path, "groupName"), "names no worker group; use the groupName of one"
            )
    open_direction = {
        "DenyAllEgress": "ingressRules",
        "DenyAllIngress": "egressRules",
    }.get(mode)
    for path, part in rules:
        if open_direction and fields.elements(part, open_direction, path):
            yield problem(
                (*path, open_direction),
                f"have no effect with mode {mode}; remove them or change the mode",
            )


def collector(cluster: Part) -> Iterator[Problem]:
    """Yield what is wrong with the history server's collector."""
    at, parts = cluster
    if parts.get("historyServerOptions") is None:
        return
    history = fields.mapping(parts, "historyServerOptions", at)
    here = (*at, "historyServerOptions", "collectorOptions")
    if not fields.text(
        fields.mapping(history, "collectorOptions", here[:-1]), "image", here
    ):
        yield problem((*here, "image"), "is missing; name the collector's image")
    for group in (rayspec.head_group(cluster), *rayspec.worker_groups(cluster)):
        path, template = rayspec.template(group)
        pod = fields.mapping(template, "spec", path)
        for container_path, container in fields.maps(
            pod, "containers", (*path, "spec")
        ):
            if container.get("name") == _COLLECTOR:
                yield problem(
                    (*container_path, "name"),
                    f"is {_COLLECTOR}, the name of KubeRay's own container; change it",
                )


def feature_gates(cluster: Part) -> Iterator[Problem]:
    """Yield the options that work only where the operator has a feature gate on."""
    at, parts = cluster
    for field, gate in _GATED.items():
        if parts.get(field) is not None:
            yield _gate((*at, field), gate)


def _gate(path: Path, gate: str) -> Problem:
    return warning(
        path,
        f"needs the feature gate {gate} of the KubeRay operator on each cluster it may run on",
    )
