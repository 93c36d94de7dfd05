"""Groups and what they are made of: the input side of a decision. Plain data.

A group is the unit of placement: one cluster for all of it. It has members (objects that a policy selected) and
companions (ConfigMaps and the like that members refer to, which follow them).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.errors import Place
from reconciler.kube_scheduler.gang import Gang
from reconciler.manifests.identity import ObjectKey
from reconciler.policy.model import SchedulePolicy
from reconciler.policy.tenant import Tenant
from reconciler.ray.demand import Demand, PodSet
from reconciler.reasons.reason import Reason

BATCH_KINDS = frozenset({"RayJob", "Job"})
"""Kinds that run once: an edit of one that was placed is never rolled out, since it would run again or do nothing."""


@dataclass(frozen=True, slots=True, order=True)
class GroupKey:
    """A group: one namespace, one name, one cluster for all of it (unless spread)."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Return `namespace/name`."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class WorkloadObject:
    """One object of a workload, as it would be deployed (namespace set, server-set fields stripped).

    `digest` is that of `body`. `demand` is None for objects that make no pods. `references` are the keys (kind, name)
    of the objects in its namespace that its pods need. `problem` says why it must not be deployed; empty when it may.
    """

    key: ObjectKey
    body: Mapping[str, Any]
    digest: str
    place: Place
    demand: Demand | None = None
    references: frozenset[tuple[str, str]] = frozenset()
    problem: str = ""

    @property
    def labels(self) -> Mapping[str, str]:
        """Return its labels; empty when it has none."""
        metadata = self.body.get("metadata", {})
        labels: Mapping[str, str] = metadata.get("labels") or {}
        return labels

    @property
    def annotations(self) -> Mapping[str, str]:
        """Return its annotations; empty when it has none."""
        metadata = self.body.get("metadata", {})
        annotations: Mapping[str, str] = metadata.get("annotations") or {}
        return annotations

    @property
    def is_batch(self) -> bool:
        """Tell whether it is a batch object (see `BATCH_KINDS`)."""
        return self.key.kind in BATCH_KINDS


@dataclass(frozen=True, slots=True)
class BrokenFile:
    """A file under `workloads/` that is not read: its objects are unknown, which is not the same as gone.

    `beyond` is the reason of one that is beyond a limit of its namespace; None where it cannot be read. `reported`: a
    few files of a namespace are enough to say that it is beyond a limit.
    """

    path: str
    namespace: str
    problem: str
    beyond: Reason | None = None
    reported: bool = True


@dataclass(frozen=True, slots=True)
class Source:
    """The user's commit that a group comes from: `commit` is its sha, `order` its place in history (older is less)."""

    commit: str
    order: float = float("inf")


@dataclass(frozen=True, slots=True)
class Group:
    """A group as `workloads/` asks for it.

    `problem` says why it cannot be placed as it is (an invalid member, contradicting pins, a name that cannot be a
    folder); empty when it can. `refused_as` is the CamelCase word for it. `tenant` has the group's namespace; None in
    fleets without tenants. `cluster_variants` are the clusters that would get its objects patched, and the patched
    objects.
    """

    key: GroupKey
    policy: SchedulePolicy
    members: tuple[WorkloadObject, ...]
    companions: tuple[WorkloadObject, ...]
    source: Source
    pin: str = ""
    problem: str = ""
    refused_as: str = "InvalidObject"
    tenant: Tenant | None = None
    cluster_variants: Mapping[str, tuple[WorkloadObject, ...]] = field(
        default_factory=dict
    )

    @property
    def objects(self) -> tuple[WorkloadObject, ...]:
        """Return members, then companions."""
        return self.members + self.companions

    @property
    def gang(self) -> Gang:
        """Return all pods that must fit on one cluster."""
        gang = gang_of(self.members)
        if not self.cluster_variants:
            return gang
        gangs: dict[int, Gang] = {}
        variants = {}
        for cluster, objects in self.cluster_variants.items():
            # Many clusters may share one variant: each is worked out once.
            if id(objects) not in gangs:
                gangs[id(objects)] = gang_of(objects)
            variants[cluster] = gangs[id(objects)]
        return replace(gang, cluster_variants=variants)


def gang_of(objects: tuple[WorkloadObject, ...]) -> Gang:
    """Return the pods of all `objects`, those created last at the end."""
    pod_sets: list[PodSet] = []
    unsized: list[str] = []
    for item in objects:
        if item.demand is None:
            continue
        unsized += item.demand.unsized
        for pod_set in item.demand.pod_sets:
            # A worker group may have 0 replicas.
            if pod_set.count:
                pod_sets.append(pod_set)
    in_order = sorted(pod_sets, key=lambda pod_set: pod_set.after)
    return Gang(tuple(in_order), tuple(unsized))
