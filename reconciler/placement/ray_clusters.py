"""Jobs that run on an existing RayCluster (`clusterSelector`): they go where that RayCluster is, after it.

The only eligible cluster is the one that has the RayCluster, or was just chosen for it. What SkyRay placed counts
first; a RayCluster that is not in Git is looked for in the snapshot.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from reconciler.fleet.snapshot import ClusterSnapshot, FleetSnapshot
from reconciler.manifests import fields
from reconciler.manifests.identity import ObjectKey
from reconciler.placement.placed_group import PlacedGroup
from reconciler.policy.eligibility import ClusterFacts, GroupFacts, Refusal
from reconciler.ray import rayspec
from reconciler.ray.job_rules import CLUSTER_SELECTOR_KEY
from reconciler.reasons.eligibility import RayClusterElsewhere
from reconciler.reasons.ray_clusters import (
    NoSuchRayCluster,
    RayClusterUnknown,
    RayClusterUnmatched,
    RayClusterUnread,
    RayClusterWaits,
)
from reconciler.reasons.reason import Reason
from reconciler.workloads.cluster_copy import ClusterCopy
from reconciler.workloads.files import Workloads
from reconciler.workloads.group import Group, GroupKey, WorkloadObject

_Name = tuple[str, str]
"""Namespace and name of a RayCluster."""


def selected_ray_cluster(item: WorkloadObject) -> str:
    """Return the RayCluster that a RayJob or RayCronJob runs on; empty when it makes its own, or is no such job."""
    if item.problem or not rayspec.is_ray(item.body):
        return ""
    job = rayspec.job_spec(item.body)
    return (
        ""
        if job is None
        else fields.text_map(job[1], "clusterSelector", job[0]).get(
            CLUSTER_SELECTOR_KEY, ""
        )
    )


class RayClusterFilter:
    """Refuses all clusters but those on which a RayCluster is; what is there already may stay."""

    name = "RayCluster"
    transient = False

    def __init__(self, ray_cluster: str, clusters: Collection[str]) -> None:
        self._clusters = frozenset(clusters)
        self._why = RayClusterElsewhere(ray_cluster, tuple(sorted(clusters)))

    def refuse(self, group: GroupFacts, cluster: ClusterFacts) -> Refusal | None:  # noqa: ARG002  (made for its group)
        """Return why `cluster` is not eligible; None where the RayCluster is there."""
        if cluster.name in self._clusters:
            return None
        return Refusal(cluster.name, self._why, stays=True)


@dataclass(frozen=True, slots=True)
class Unmet:
    """Why a group cannot be placed before its RayCluster is: `waits` when the RayCluster may still get a place."""

    why: Reason
    waits: bool


@dataclass(frozen=True, slots=True)
class RayClusters:
    """Which groups run on which RayClusters of others, and where these are at one point of a plan.

    `holders` is the group that has each RayCluster, `jobs` the objects of each group that select one of another group,
    with its name, `selected` all names that are selected so. `placed` is where these RayClusters are, by name and
    group.
    """

    holders: Mapping[_Name, GroupKey]
    jobs: Mapping[GroupKey, tuple[tuple[WorkloadObject, _Name], ...]]
    selected: frozenset[_Name]
    workloads: Workloads
    snapshot: FleetSnapshot
    placed: Mapping[_Name, Mapping[GroupKey, tuple[str, ...]]] = field(
        default_factory=dict
    )

    @classmethod
    def of(
        cls,
        groups: Iterable[Group],
        workloads: Workloads,
        staying: Iterable[PlacedGroup],
        snapshot: FleetSnapshot,
    ) -> RayClusters:
        """Index `groups`; `staying` are those that have a place and keep it."""
        holders: dict[_Name, GroupKey] = {}
        jobs: dict[GroupKey, tuple[tuple[WorkloadObject, _Name], ...]] = {}
        for group in groups:
            own = {
                _name(item)
                for item in group.members
                if item.key.kind == rayspec.RAY_CLUSTER
            }
            holders.update(dict.fromkeys(own, group.key))
            selecting = []
            for item in group.members:
                name = (item.key.namespace, selected_ray_cluster(item))
                # A job beside its own RayCluster in one group goes with it anyway.
                if name[1] and name not in own:
                    selecting.append((item, name))
            if selecting:
                jobs[group.key] = tuple(selecting)
        selected = frozenset(name for own in jobs.values() for _, name in own)
        index = cls(holders, jobs, selected, workloads, snapshot)
        for one in staying if jobs else ():
            index = index.with_copies(one.key, one.copies)
        return index

    def after(self, group: GroupKey) -> frozenset[GroupKey]:
        """Return the groups that must be placed before `group`, since they have its RayClusters."""
        names = [name for _, name in self.jobs.get(group, ())]
        return frozenset(self.holders[name] for name in names if name in self.holders)

    def filters(self, group: GroupKey) -> tuple[RayClusterFilter, ...]:
        """Return the filters that leave `group` only clusters where its RayClusters are."""
        return tuple(
            RayClusterFilter(name[1], self._where(name))
            for _, name in self.jobs.get(group, ())
        )

    def unmet(self, group: GroupKey) -> Unmet | None:
        """Return why `group` lacks a RayCluster; None when all have a place."""
        for item, name in self.jobs.get(group, ()):
            if self._where(name):
                continue
            not_yet = self._not_yet(item.key, name)
            if not_yet is not None:
                return Unmet(not_yet, waits=True)
            return Unmet(
                NoSuchRayCluster(item.key, str(item.place), name[1]), waits=False
            )
        return None

    def with_copies(
        self, group: GroupKey, copies: Iterable[ClusterCopy]
    ) -> RayClusters:
        """Return the index with `copies` as what `group` has placed."""
        if not self.selected:
            return self
        placed = {
            name: {key: at for key, at in groups.items() if key != group}
            for name, groups in self.placed.items()
        }
        for copy in copies:
            for item in copy.admitted:
                name = _name(item)
                if item.key.kind == rayspec.RAY_CLUSTER and name in self.selected:
                    at = placed.setdefault(name, {})
                    at[group] = (*at.get(group, ()), copy.cluster)
        return replace(self, placed=placed)

    def _where(self, name: _Name) -> tuple[str, ...]:
        """Return the clusters on which a RayCluster is: as it was placed, else as the snapshot shows it."""
        placed = {
            cluster
            for clusters in self.placed.get(name, {}).values()
            for cluster in clusters
        }
        if placed or name in self.holders:
            return tuple(sorted(placed))
        found = []
        for cluster, shown in self.snapshot.clusters.items():
            if isinstance(shown, ClusterSnapshot) and has_ray_cluster(shown, name):
                found.append(cluster)
        return tuple(sorted(found))

    def _not_yet(self, job: ObjectKey, name: _Name) -> Reason | None:
        """Return why the RayCluster of a job may come to have a place; None when it is known to be nowhere."""
        if name in self.holders:
            return RayClusterWaits(job, name[1], str(self.holders[name]))
        if any(
            _name(item) == name and item.key.kind == rayspec.RAY_CLUSTER
            for item in self.workloads.objects
        ):
            return RayClusterUnmatched(job, name[1])
        for file in self.workloads.broken:
            if file.namespace == name[0]:
                return RayClusterUnread(job, name[1], file.path)
        # A RayCluster that is not in Git may be on any cluster that cannot be looked at.
        unread = sorted(
            c
            for c, shown in self.snapshot.clusters.items()
            if not isinstance(shown, ClusterSnapshot)
        )
        return RayClusterUnknown(job, name[1], tuple(unread)) if unread else None


def lost_ray_clusters(
    groups: Iterable[PlacedGroup], snapshot: FleetSnapshot
) -> tuple[str, ...]:
    """Return a warning for each placed job that has not ended and whose RayCluster is gone from its cluster."""
    groups = tuple(groups)
    jobs: list[tuple[str, WorkloadObject, _Name]] = []
    there: set[tuple[str, _Name]] = set()
    for group in groups:
        for copy in group.copies:
            running = copy.job_result is None and group.job_result is None
            for item in copy.admitted:
                if item.key.kind == rayspec.RAY_CLUSTER:
                    there.add((copy.cluster, _name(item)))
                if running and item.is_batch and selected_ray_cluster(item):
                    jobs.append(
                        (
                            copy.cluster,
                            item,
                            (item.key.namespace, selected_ray_cluster(item)),
                        )
                    )
    found = []
    for cluster, item, name in jobs:
        shown = snapshot.clusters.get(cluster)
        gone = isinstance(shown, ClusterSnapshot) and not has_ray_cluster(shown, name)
        if gone and (cluster, name) not in there:
            found.append(
                f"{item.place}: {item.key} is on {cluster}, and RayCluster {name[1]}, which it runs on, is gone "
                "from there: bring that back, or remove the job"
            )
    return tuple(found)


def has_ray_cluster(snapshot: ClusterSnapshot, name: _Name) -> bool:
    """Tell whether a RayCluster is on a cluster: KubeRay's status of it, or its head pod, shows it."""
    if any(
        one.kind == rayspec.RAY_CLUSTER and (one.namespace, one.name) == name
        for one in snapshot.ray
    ):
        return True
    return any(
        pod.node_type == "head" and (pod.namespace, pod.owner) == name
        for pod in snapshot.pods
    )


def _name(item: WorkloadObject) -> _Name:
    return (item.key.namespace, item.key.name)
