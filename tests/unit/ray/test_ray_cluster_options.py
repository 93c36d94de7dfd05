"""What KubeRay refuses in the options of a RayCluster; a row for each rule."""

from __future__ import annotations

import pytest

from reconciler.ray.validation import problems
from tests.unit.ray.ray_problems import errors, warnings
from tests.unit.ray.rayobjects import (
    Body,
    annotated,
    group,
    head,
    head_env,
    ray_cluster,
    ray_job,
    template,
    with_env,
)

FT: Body = {"gcsFaultToleranceOptions": {"redisAddress": "redis:6379"}}
ROCKS: Body = {"gcsFaultToleranceOptions": {"backend": "rocksdb"}}
TLS: Body = {"tlsOptions": {"enabled": True}}

VALID = {
    "redis": ray_cluster(**FT),
    "redis by annotation": annotated(ray_cluster(**head_env("RAY_REDIS_ADDRESS", "redis")), "ft-enabled", "true"),
    "token": ray_cluster(authOptions={"mode": "token"}, rayVersion="2.52.0"),
    "token by Kubernetes": ray_cluster(authOptions={"mode": "token", "enableK8sTokenAuth": True}, rayVersion="2.55.1"),
}

INVALID: dict[str, tuple[Body, str]] = {
    "ft twice": (
        annotated(ray_cluster(**FT), "ft-enabled", "true"),
        "metadata.annotations['ray.io/ft-enabled'] cannot",
    ),
    "ft namespace": (
        annotated(ray_cluster(**FT), "external-storage-namespace", "x"),
        "set its externalStorageNamespace instead",
    ),
    "redis address without ft": (
        ray_cluster(**head_env("RAY_REDIS_ADDRESS", "redis")),
        "spec.headGroupSpec.template.spec.containers[0].env[0] sets RAY_REDIS_ADDRESS",
    ),
    "redis address with ft": (
        ray_cluster(**FT, **head_env("RAY_REDIS_ADDRESS")),
        "(RAY_REDIS_ADDRESS) cannot be combined",
    ),
    "redis password env": (ray_cluster(**FT, **head_env("REDIS_PASSWORD")), "(REDIS_PASSWORD) cannot be combined"),
    "redis password param": (
        ray_cluster(**FT, **head(rayStartParams={"redis-password": "x"})),
        "redisPassword instead",
    ),
    "redis user env": (ray_cluster(**head_env("REDIS_USERNAME")), "use gcsFaultToleranceOptions.redisUsername instead"),
    "redis user param": (ray_cluster(**head(rayStartParams={"redis-username": "x"})), "sets the Redis user"),
    "storage for redis": (
        ray_cluster(gcsFaultToleranceOptions={"redisAddress": "r", "storage": {}}),
        "storage is only for backend: rocksdb",
    ),
    "redis for rocksdb": (
        ray_cluster(gcsFaultToleranceOptions={"backend": "rocksdb", "redisAddress": "r"}),
        "redisAddress is only for backend: redis",
    ),
    "claim and size": (
        ray_cluster(gcsFaultToleranceOptions={"backend": "rocksdb", "storage": {"claimName": "c", "size": "1Gi"}}),
        "storage.size describes a new volume",
    ),
    "managed storage env": (
        ray_cluster(**ROCKS, **head_env("RAY_gcs_storage")),
        "sets RAY_gcs_storage, which KubeRay manages",
    ),
    "managed storage volume": (
        ray_cluster(**ROCKS, headGroupSpec={"template": template(volumes=[{"name": "gcs-storage"}])}),
        "clashes with the volume that KubeRay mounts",
    ),
    "token without version": (ray_cluster(authOptions={"mode": "token"}), "spec.rayVersion is missing"),
    "token with odd version": (
        ray_cluster(authOptions={"mode": "token"}, rayVersion="nightly"),
        "spec.rayVersion is 'nightly'",
    ),
    "token too old": (ray_cluster(authOptions={"mode": "token"}, rayVersion="2.51.9"), "needs at least 2.52.0"),
    "k8s token too old": (
        ray_cluster(authOptions={"mode": "token", "enableK8sTokenAuth": True}, rayVersion="2.54.0"),
        "enableK8sTokenAuth needs at least 2.55.0",
    ),
    "k8s token and secret": (
        ray_cluster(authOptions={"mode": "token", "enableK8sTokenAuth": True, "secretName": "s"}, rayVersion="2.55.0"),
        "authOptions.secretName cannot be combined",
    ),
    "k8s token without mode": (
        ray_cluster(authOptions={"enableK8sTokenAuth": True}),
        "enableK8sTokenAuth needs mode: token",
    ),
    "k8s token for a job": (
        ray_job(cluster={"authOptions": {"mode": "token", "enableK8sTokenAuth": True}, "rayVersion": "2.55.0"}),
        "is not supported for a RayJob",
    ),
    "tls env": (ray_cluster(group(template=with_env("RAY_USE_TLS")), **TLS), "sets RAY_USE_TLS, which KubeRay manages"),
    "tls autoscaler mount": (
        ray_cluster(autoscalerOptions={"volumeMounts": [{"name": "ray-tls", "mountPath": "/x"}]}, **TLS),
        "spec.autoscalerOptions.volumeMounts[0] clashes",
    ),
    "policy without effect": (
        ray_cluster(networkPolicy={"mode": "DenyAllEgress", "head": {"ingressRules": [{}]}}),
        "networkPolicy.head.ingressRules have no effect with mode DenyAllEgress",
    ),
    "policy for no group": (ray_cluster(networkPolicy={"workerGroups": [{"groupName": "x"}]}), "names no worker group"),
    "policy group name": (ray_cluster(group("GPU"), networkPolicy={}), "is not a DNS label, which networkPolicy needs"),
    "collector without image": (ray_cluster(historyServerOptions={}), "collectorOptions.image is missing"),
}


@pytest.mark.parametrize("body", VALID.values(), ids=VALID.keys())
def test_an_option_that_kuberay_accepts_has_no_problems(body: Body) -> None:
    assert problems(body) == ()


@pytest.mark.parametrize(("body", "message"), INVALID.values(), ids=INVALID.keys())
def test_an_option_that_kuberay_refuses_is_refused_by_name(body: Body, message: str) -> None:
    found = errors(body)
    assert any(message in problem for problem in found), found


@pytest.mark.parametrize(
    ("field", "value", "gate"),
    [
        ("networkPolicy", {"mode": "DenyAll"}, "RayClusterNetworkPolicy"),
        ("tlsOptions", {"enabled": True}, "RayClusterMTLS"),
        ("historyServerOptions", {"collectorOptions": {"image": "c"}}, "RayClusterHistoryServer"),
        ("gcsFaultToleranceOptions", {"backend": "rocksdb"}, "GCSFaultToleranceEmbeddedStorage"),
    ],
)
def test_an_option_behind_a_feature_gate_is_a_warning(field: str, value: Body, gate: str) -> None:
    options: Body = {field: value}
    body = ray_cluster(**options)
    assert errors(body) == []
    (found,) = warnings(body)
    assert f"needs the feature gate {gate}" in found
