"""The parts of a Ray resource: the job in a RayJob, the cluster in all four kinds.

KubeRay has the same RayClusterSpec at a different field in each kind; the other modules of this package find it here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.manifests import fields
from reconciler.manifests.fields import InvalidField, Path

RAY_CLUSTER, RAY_JOB, RAY_SERVICE, RAY_CRON_JOB = (
    "RayCluster",
    "RayJob",
    "RayService",
    "RayCronJob",
)
KINDS = (RAY_CLUSTER, RAY_JOB, RAY_SERVICE, RAY_CRON_JOB)
API_VERSIONS = ("ray.io/v1", "ray.io/v1alpha1")

K8S_JOB_MODE, SIDECAR_MODE, INTERACTIVE_MODE, HTTP_MODE = (
    "K8sJobMode",
    "SidecarMode",
    "InteractiveMode",
    "HTTPMode",
)
SUBMISSION_MODES = (K8S_JOB_MODE, HTTP_MODE, INTERACTIVE_MODE, SIDECAR_MODE)

Part = tuple[Path, Mapping[str, Any]]
"""A map inside an object, with its path."""


def is_ray(body: Mapping[str, Any]) -> bool:
    """Tell whether KubeRay makes pods from this object."""
    return body.get("apiVersion") in API_VERSIONS and body.get("kind") in KINDS


def spec(body: Mapping[str, Any]) -> Part:
    """Return the object's `spec`. Raises `InvalidField` when there is none."""
    return _required(body, "spec", ())


def job_spec(body: Mapping[str, Any]) -> Part | None:
    """Return the RayJobSpec of a RayJob or a RayCronJob; None for the other kinds."""
    if body.get("kind") == RAY_JOB:
        return spec(body)
    if body.get("kind") == RAY_CRON_JOB:
        at, cron = spec(body)
        return _required(cron, "jobTemplate", at)
    return None


def cluster_spec(body: Mapping[str, Any]) -> Part | None:
    """Return the RayClusterSpec; None for a job without one, or on an existing cluster (`clusterSelector`)."""
    job = job_spec(body)
    if job is not None:
        at, job_fields = job
        if job_fields.get("rayClusterSpec") is None or fields.mapping(
            job_fields, "clusterSelector", at
        ):
            return None
        return _required(job_fields, "rayClusterSpec", at)
    at, top = spec(body)
    return (
        _required(top, "rayClusterConfig", at)
        if body.get("kind") == RAY_SERVICE
        else (at, top)
    )


def head_group(cluster: Part) -> Part:
    """Return the head group. Raises `InvalidField` when there is none."""
    at, cluster_fields = cluster
    return _required(cluster_fields, "headGroupSpec", at)


def worker_groups(cluster: Part) -> Iterator[Part]:
    """Yield the worker groups in their order."""
    at, cluster_fields = cluster
    yield from fields.maps(cluster_fields, "workerGroupSpecs", at)


def template(group: Part, key: str = "template") -> Part:
    """Return the pod template of a group; the Ray container is its first. Raises `InvalidField` if there is none."""
    at, group_fields = group
    path, pod_template = _required(group_fields, key, at)
    pod = fields.mapping(pod_template, "spec", path)
    containers = fields.maps(pod, "containers", (*path, "spec"))
    if next(containers, None) is None:
        raise InvalidField(
            (*path, "spec", "containers"),
            "is empty; add a container (KubeRay uses the first for Ray)",
        )
    return path, pod_template


def submission_mode(job: Part) -> str:
    """Return how the job is submitted; the CRD's default is K8sJobMode."""
    at, job_fields = job
    return fields.choice(
        job_fields, "submissionMode", at, SUBMISSION_MODES, K8S_JOB_MODE
    )


def autoscaling(cluster: Part) -> bool:
    """Tell whether KubeRay adds the Ray autoscaler to the head."""
    at, cluster_fields = cluster
    return fields.flag(cluster_fields, "enableInTreeAutoscaling", at)


def _required(parent: Mapping[str, Any], key: str, at: Path) -> Part:
    if parent.get(key) is None:
        raise InvalidField((*at, key), "is missing; add it")
    return (*at, key), fields.mapping(parent, key, at)
