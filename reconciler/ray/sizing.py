"""The demand of a Ray resource: the pods that KubeRay makes of it, with all their containers.

Counts are those of `GetWorkerGroupDesiredReplicas` in KubeRay's controllers/ray/utils/util.go: replicas clamped between
minReplicas and maxReplicas, times numOfHosts. `ray.injected` has what is added to each pod.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from reconciler.manifests import fields
from reconciler.manifests.fields import MAX_INT32, InvalidField, Path
from reconciler.manifests.identity import object_key
from reconciler.manifests.pod import pod_requests, pod_shape
from reconciler.ray import injected, rayspec
from reconciler.ray.demand import Demand, PodSet, Role
from reconciler.ray.injected import OperatorConfig
from reconciler.ray.rayspec import Part

HEAD_GROUP = "headgroup"
DEFAULT_OPERATOR = OperatorConfig()

_LABEL_CLUSTER, _LABEL_NODE_TYPE, _LABEL_GROUP = (
    "ray.io/cluster",
    "ray.io/node-type",
    "ray.io/group",
)


class Replicas(StrEnum):
    """`CURRENT`: count `replicas`. `MAX`: where the Ray autoscaler is on, count `maxReplicas`."""

    CURRENT = "current"
    MAX = "max"


def demand(
    body: Mapping[str, Any],
    namespace: str = "",
    operator: OperatorConfig = DEFAULT_OPERATOR,
    replicas: Replicas = Replicas.CURRENT,
) -> Demand:
    """Return the pods of a RayCluster, RayJob, RayService or of one run of a RayCronJob, in order of creation.

    Suspended ones keep their pod sets with a count of 0. Raises `InvalidField` for what KubeRay or Kubernetes would
    refuse in the fields that decide about pods; `ray.validation` checks all other fields.
    """
    key = object_key(dict(body), namespace)
    job = rayspec.job_spec(body)
    cluster = rayspec.cluster_spec(body)
    stopped = is_suspended(body, job, cluster)
    mode = rayspec.submission_mode(job) if job else ""
    sets: list[PodSet] = []
    if cluster is not None:
        labels = _cluster_labels(key.kind, key.name)
        sets.append(
            _head(cluster, mode, key.namespace, labels, operator, stopped=stopped)
        )
        for group in rayspec.worker_groups(cluster):
            count = 0 if stopped else _workers(group, cluster, key.kind, replicas)
            sets.append(
                _worker_set(group, cluster, key.namespace, labels, operator, count)
            )
    if job is not None and mode == rayspec.K8S_JOB_MODE:
        # The name of a run is random, too; see `_cluster_labels`.
        run = f"{key.name}-*" if key.kind == rayspec.RAY_CRON_JOB else key.name
        sets.append(_submitter(job, key.namespace, run, stopped=stopped))
    return Demand(key, tuple(sets), unsized(sets))


def is_suspended(
    body: Mapping[str, Any], job: Part | None, cluster: Part | None
) -> bool:
    """Tell whether the object asks KubeRay to make no pods now."""
    parts = [part for part in (rayspec.spec(body), job, cluster) if part is not None]
    return any(fields.flag(part, "suspend", at) for at, part in parts)


def unsized(sets: list[PodSet]) -> tuple[str, ...]:
    """Return what the requests of these pods do not show."""
    claiming = [pods for pods in sets if pods.shape.claims and pods.count]
    return tuple(
        f"{pods.title} asks for devices through resource claims" for pods in claiming
    )


def pod_set(
    role: Role,
    group: str,
    count: int,
    template: Part,
    namespace: str,
    *,
    pod: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
    after: bool = False,
) -> PodSet:
    """Return `count` pods of a template; `pod` and `labels` replace its spec and labels where KubeRay does."""
    at, parts = template
    spec = fields.mapping(parts, "spec", at) if pod is None else pod
    metadata = fields.mapping(parts, "metadata", at)
    sums = pod_requests(spec, (*at, "spec"))
    shape = pod_shape(
        metadata if labels is None else {"labels": labels},
        spec,
        namespace,
        at,
        sums=sums,
    )
    return PodSet(role, group, count, sums.requests, shape, after=after)


def _head(
    cluster: Part,
    mode: str,
    namespace: str,
    labels: Mapping[str, str],
    operator: OperatorConfig,
    *,
    stopped: bool,
) -> PodSet:
    group = rayspec.head_group(cluster)
    at, template = rayspec.template(group)
    pod = injected.head_pod(
        fields.mapping(template, "spec", at), cluster, mode, operator
    )
    own = _ray_labels(
        group,
        (at, template),
        {**labels, _LABEL_NODE_TYPE: "head", _LABEL_GROUP: HEAD_GROUP},
    )
    return pod_set(
        Role.HEAD,
        HEAD_GROUP,
        0 if stopped else 1,
        (at, template),
        namespace,
        pod=pod,
        labels=own,
    )


def _worker_set(
    group: Part,
    cluster: Part,
    namespace: str,
    labels: Mapping[str, str],
    operator: OperatorConfig,
    count: int,
) -> PodSet:
    name = group_name(group)
    at, template = rayspec.template(group)
    pod = injected.worker_pod(fields.mapping(template, "spec", at), cluster, operator)
    own = _ray_labels(
        group,
        (at, template),
        {**labels, _LABEL_NODE_TYPE: "worker", _LABEL_GROUP: name},
    )
    return pod_set(
        Role.WORKER, name, count, (at, template), namespace, pod=pod, labels=own
    )


def _submitter(job: Part, namespace: str, name: str, *, stopped: bool) -> PodSet:
    at, parts = job
    path: Path = (*at, "submitterPodTemplate")
    template: Mapping[str, Any] = {"spec": {"containers": [injected.SUBMITTER]}}
    if parts.get("submitterPodTemplate") is not None:
        path, template = rayspec.template(job, "submitterPodTemplate")
    labels = {
        **fields.text_map(
            fields.mapping(template, "metadata", path), "labels", (*path, "metadata")
        ),
        "batch.kubernetes.io/job-name": name,
        "job-name": name,
    }
    count = 0 if stopped else 1
    return pod_set(
        Role.SUBMITTER,
        "",
        count,
        (path, template),
        namespace,
        labels=labels,
        after=True,
    )


def group_name(group: Part) -> str:
    """Return a worker group's name. Raises `InvalidField` when it has none."""
    at, parts = group
    name = fields.text(parts, "groupName", at)
    if not name:
        raise InvalidField((*at, "groupName"), "is missing; name the worker group")
    return name


def _workers(group: Part, cluster: Part, kind: str, replicas: Replicas) -> int:
    """Return how many pods a worker group makes."""
    at, parts = group
    if fields.flag(parts, "suspend", at):
        return 0
    least = fields.count(parts, "minReplicas", at, 0)
    most = fields.count(parts, "maxReplicas", at, MAX_INT32)
    wanted = fields.integer(parts, "replicas", at) or 0
    # KubeRay copies the spec of a job or a service with its zeros left out, and the CRD's default of 1 fills them in.
    zero_hosts = 0 if kind == rayspec.RAY_CLUSTER else 1
    hosts = fields.count(parts, "numOfHosts", at, 1) or zero_hosts
    if replicas is Replicas.MAX and rayspec.autoscaling(cluster):
        if most == MAX_INT32:
            raise InvalidField(
                (*at, "maxReplicas"),
                "is not set, and the policy counts maxReplicas; set it",
            )
        wanted = most
    clamped = least if wanted < least else min(wanted, most)
    return clamped * hosts


def _cluster_labels(kind: str, name: str) -> dict[str, str]:
    """Return the labels that all pods of the cluster share.

    The RayCluster of a job or a service gets a random name. In its place is a name that no object can have, so that
    selectors on it match the pods of the same gang and no others, as they will with the real name.
    """
    return {
        "ray.io/is-ray-node": "yes",
        _LABEL_CLUSTER: name if kind == rayspec.RAY_CLUSTER else f"{name}-*",
        "app.kubernetes.io/name": "kuberay",
        "app.kubernetes.io/created-by": "kuberay-operator",
    }


def _ray_labels(group: Part, template: Part, ray: Mapping[str, str]) -> dict[str, str]:
    """Return a Ray pod's labels: KubeRay's, the template's, the group's; three of KubeRay's cannot be changed."""
    at, parts = group
    path, template_fields = template
    metadata = fields.mapping(template_fields, "metadata", path)
    users = {
        **fields.text_map(metadata, "labels", (*path, "metadata")),
        **fields.text_map(parts, "labels", at),
    }
    fixed = {
        name: ray[name] for name in (_LABEL_CLUSTER, _LABEL_NODE_TYPE, _LABEL_GROUP)
    }
    return {**ray, **users, **fixed}
