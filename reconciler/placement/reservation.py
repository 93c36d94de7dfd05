"""Room promised to a placed group, held until its pods exist (DESIGN section 1, promise 2).

The one idea: what is reserved is the admitted demand less the pods that the snapshot already shows, set by set, so a
gang is never counted twice and a half-made one is still held whole. Pods are joined to their group as facts on KubeRay
say: a Ray pod names its RayCluster, and the RayCluster names the RayJob or RayService that made it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from reconciler.fleet.snapshot import ClusterSnapshot, Pod
from reconciler.kube_scheduler.gang import Gang
from reconciler.manifests.identity import ObjectKey
from reconciler.ray.demand import PodSet, Role
from reconciler.ray.status import Outcome, outcome
from reconciler.workloads.group import WorkloadObject

_GENERATED = re.compile(r"-(?:raycluster-)?[a-z0-9]{5}")
"""What KubeRay appends to a RayJob's or RayService's name for its RayCluster."""

_REPLICA_SET = re.compile(r"-[a-z0-9]{1,10}")
"""What a Deployment appends to its name for its ReplicaSet."""


class PodIndex:
    """The pods and Ray statuses of one snapshot, so that groups find theirs without a search."""

    def __init__(self, snapshot: ClusterSnapshot) -> None:
        self._pods: dict[str, dict[str, list[Pod]]] = {}
        for pod in snapshot.pods:
            self._pods.setdefault(pod.namespace, {}).setdefault(pod.owner or pod.name, []).append(pod)
        self._made_by: dict[tuple[str, str], list[str]] = {}
        self._status = {(s.kind, s.namespace, s.name): s for s in snapshot.ray}
        for status in snapshot.ray:
            if status.kind == "RayCluster" and status.owner:
                self._made_by.setdefault((status.namespace, status.owner), []).append(status.name)

    def pods_of(self, key: ObjectKey) -> tuple[Pod, ...]:
        """Return the pods that stand on the cluster because of the object `key`."""
        owners = self._pods.get(key.namespace)
        if not owners:
            return ()
        return tuple(pod for name in self._owners(key, owners) for pod in owners.get(name, ()))

    def status_of(self, key: ObjectKey) -> Outcome | None:
        """Return what the snapshot says of the Ray resource `key`; None where it does not show it."""
        seen = self._status.get((key.kind, key.namespace, key.name))
        return outcome(seen.kind, seen.state, seen.job_status, seen.reason) if seen else None

    def _owners(self, key: ObjectKey, owners: Mapping[str, object]) -> Iterable[str]:
        if key.kind in {"RayJob", "RayService"}:
            made = set(self._made_by.get((key.namespace, f"{key.kind}/{key.name}"), ()))
            guessed = (o for o in owners if o.startswith(key.name) and _GENERATED.fullmatch(o[len(key.name) :]))
            return sorted({key.name, *made, *guessed})
        if key.kind == "Deployment":
            return sorted(o for o in owners if o.startswith(key.name) and _REPLICA_SET.fullmatch(o[len(key.name) :]))
        return (key.name,)


def outstanding(objects: Iterable[WorkloadObject], index: PodIndex) -> Gang:
    """Return the pods of `objects` that do not exist yet; a job that has ended makes no more."""
    missing: list[PodSet] = []
    for item in objects:
        status = index.status_of(item.key)
        if item.demand is None or (item.runs_once and status is not None and status.finished):
            continue
        existing = Counter(_role_of(pod) for pod in index.pods_of(item.key))
        for pod_set in item.demand.pod_sets:
            role = _role_of_set(pod_set)
            left = pod_set.count - existing[role]
            existing[role] = max(0, -left)
            if left > 0:
                missing.append(replace(pod_set, count=left))
    return Gang(tuple(sorted(missing, key=lambda pod_set: pod_set.after)))


def _role_of(pod: Pod) -> tuple[str, str]:
    if pod.node_type == "head":
        return (Role.HEAD, "")
    if pod.node_type == "worker":
        return (Role.WORKER, pod.shape.labels.get("ray.io/group", ""))
    return (Role.POD, "")


def _role_of_set(pod_set: PodSet) -> tuple[str, str]:
    if pod_set.role is Role.HEAD:
        return (Role.HEAD, "")
    if pod_set.role is Role.WORKER:
        return (Role.WORKER, pod_set.group)
    return (Role.POD, "")
