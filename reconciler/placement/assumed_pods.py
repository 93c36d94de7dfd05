"""Pods that are placed and do not exist yet: their capacity is assumed as used until they do.

What is assumed is the admitted demand less the pods that the snapshot shows, set by set, so that a gang is never
counted twice and a half-made one is still counted whole. Pods are joined to their objects as KubeRay names them: a Ray
pod names its RayCluster, and the RayCluster names the RayJob or RayService that made it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from reconciler.fleet.snapshot import ClusterSnapshot, Pod
from reconciler.kube_scheduler.gang import Gang
from reconciler.manifests.identity import ObjectKey
from reconciler.ray.demand import PodSet, Role
from reconciler.ray.status import Outcome, outcome
from reconciler.workloads.group import GroupKey, WorkloadObject

_GENERATED = re.compile(r"-(?:raycluster-)?[a-z0-9]{5}")
"""What KubeRay appends to a RayJob's or RayService's name for its RayCluster."""

_REPLICA_SET = re.compile(r"-[a-z0-9]{1,10}")
"""What a Deployment appends to its name for its ReplicaSet."""


@dataclass(frozen=True, slots=True)
class AssumedCopy:
    """A placed copy as the capacity of its cluster sees it.

    `objects` as they are deployed. `ended`: all its jobs have ended. `since` is when it was placed, in unix seconds.
    """

    group: GroupKey
    objects: tuple[WorkloadObject, ...]
    ended: bool
    since: int

    @property
    def is_batch(self) -> bool:
        """Tell whether it ends by itself: every object that makes pods runs once."""
        return all(item.is_batch for item in self.objects if item.demand)


class PodIndex:
    """The pods and Ray statuses of one snapshot by the object that they belong to."""

    def __init__(self, snapshot: ClusterSnapshot) -> None:
        self._pods: dict[str, dict[str, list[Pod]]] = {}
        for pod in snapshot.pods:
            # A pod without an owner belongs to the object of its own name.
            owner = pod.owner or pod.name
            of_namespace = self._pods.setdefault(pod.namespace, {})
            of_namespace.setdefault(owner, []).append(pod)
        self._status = {(s.kind, s.namespace, s.name): s for s in snapshot.ray}
        self._made_by: dict[tuple[str, str], list[str]] = {}
        for status in snapshot.ray:
            # A RayJob or RayService makes a RayCluster, which is the owner that its pods name.
            if status.kind == "RayCluster" and status.owner:
                maker = (status.namespace, status.owner)
                self._made_by.setdefault(maker, []).append(status.name)

    def pods_of(self, key: ObjectKey) -> tuple[Pod, ...]:
        """Return the pods that are on the cluster because of the object `key`."""
        owners = self._pods.get(key.namespace)
        if not owners:
            return ()
        found: list[Pod] = []
        for name in self._owners(key, owners):
            found += owners.get(name, ())
        return tuple(found)

    def status_of(self, key: ObjectKey) -> Outcome | None:
        """Return what the snapshot says of the Ray resource `key`; None where it does not show it."""
        shown_as = (key.kind, key.namespace, key.name)
        seen = self._status.get(shown_as)
        if seen is None:
            return None
        return outcome(
            seen.kind,
            seen.state,
            seen.job_status,
            seen.reason,
        )

    def _owners(
        self,
        key: ObjectKey,
        owners: Mapping[str, object],
    ) -> Iterable[str]:
        """Return the names under which pods of the object `key` can be found, out of those in `owners`."""
        if key.kind in {"RayJob", "RayService"}:
            maker = (key.namespace, f"{key.kind}/{key.name}")
            made = self._made_by.get(maker, ())
            # The status of its RayCluster may be missing where its pods are seen already.
            generated = _generated(owners, key.name, _GENERATED)
            return sorted({key.name, *made, *generated})
        if key.kind == "Deployment":
            return sorted(_generated(owners, key.name, _REPLICA_SET))
        return (key.name,)


def unmade_pods(objects: Iterable[WorkloadObject], index: PodIndex) -> Gang:
    """Return the pods of `objects` that do not exist yet; a job that has ended makes no more."""
    missing: list[PodSet] = []
    for item in objects:
        if item.demand is None:
            continue
        status = index.status_of(item.key)
        if item.is_batch and status is not None and status.finished:
            continue
        pods = index.pods_of(item.key)
        existing = Counter(_role_of(pod) for pod in pods)
        for pod_set in item.demand.pod_sets:
            role = _role_of_set(pod_set)
            left = pod_set.count - existing[role]
            # Pods beyond the first set of a role count for the next set of the same role.
            existing[role] = max(0, -left)
            if left > 0:
                missing.append(replace(pod_set, count=left))
    in_order = sorted(missing, key=lambda pod_set: pod_set.after)
    return Gang(tuple(in_order))


def _generated(
    names: Iterable[str],
    base: str,
    suffix: re.Pattern[str],
) -> list[str]:
    """Return those of `names` that are `base` with a generated `suffix`."""
    found = []
    for name in names:
        if not name.startswith(base):
            continue
        rest = name[len(base) :]
        if suffix.fullmatch(rest):
            found.append(name)
    return found


def _role_of(pod: Pod) -> tuple[str, str]:
    """Return the role of a pod, and its worker group, as KubeRay labels it."""
    if pod.node_type == "head":
        return (Role.HEAD, "")
    if pod.node_type == "worker":
        group = pod.shape.labels.get("ray.io/group", "")
        return (Role.WORKER, group)
    return (Role.POD, "")


def _role_of_set(pod_set: PodSet) -> tuple[str, str]:
    """Return what `_role_of` returns for the pods of a set."""
    if pod_set.role is Role.HEAD:
        return (Role.HEAD, "")
    if pod_set.role is Role.WORKER:
        return (Role.WORKER, pod_set.group)
    return (Role.POD, "")
