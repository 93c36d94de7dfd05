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
from reconciler.workloads.group import Group, GroupKey, WorkloadObject
from reconciler.workloads.workloads import Workloads

_Name = tuple[str, str]
"""Namespace and name of a RayCluster."""

_Job = tuple[WorkloadObject, _Name]
"""An object that runs on a RayCluster of another group, and the name of that."""

_Places = dict[GroupKey, tuple[str, ...]]
"""The clusters on which each group has a RayCluster."""


def selected_ray_cluster(item: WorkloadObject) -> str:
    """Return the RayCluster that a RayJob or RayCronJob runs on; empty when it makes its own, or is no such job."""
    if item.problem or not rayspec.is_ray(item.body):
        return ""
    job = rayspec.job_spec(item.body)
    if job is None:
        return ""
    path, spec = job
    selector = fields.text_map(spec, "clusterSelector", path)
    return selector.get(CLUSTER_SELECTOR_KEY, "")


class RayClusterFilter:
    """Refuses all clusters but those on which a RayCluster is; what is there already may stay."""

    name = "RayCluster"
    transient = False

    def __init__(
        self,
        ray_cluster: str,
        clusters: Collection[str],
    ) -> None:
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
    jobs: Mapping[GroupKey, tuple[_Job, ...]]
    selected: frozenset[_Name]
    workloads: Workloads
    snapshot: FleetSnapshot
    placed: Mapping[_Name, _Places] = field(default_factory=dict)

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
        jobs: dict[GroupKey, tuple[_Job, ...]] = {}
        selected: set[_Name] = set()
        for group in groups:
            own = _ray_clusters_of(group)
            holders.update(dict.fromkeys(own, group.key))
            selecting = _selecting(group, own)
            if selecting:
                jobs[group.key] = selecting
                selected.update(name for _, name in selecting)
        index = cls(holders, jobs, frozenset(selected), workloads, snapshot)
        # Most fleets have no such jobs, and then no copy is looked at.
        if not jobs:
            return index
        for placed in staying:
            index = index.with_copies(placed.key, placed.copies)
        return index

    def after(self, group: GroupKey) -> frozenset[GroupKey]:
        """Return the groups that must be placed before `group`, since they have its RayClusters."""
        holders: set[GroupKey] = set()
        for _, name in self.jobs.get(group, ()):
            # One that no group has may be on a cluster all the same, and is not waited for.
            if name in self.holders:
                holders.add(self.holders[name])
        return frozenset(holders)

    def filters(self, group: GroupKey) -> tuple[RayClusterFilter, ...]:
        """Return the filters that leave `group` only clusters where its RayClusters are."""
        filters = []
        for _, name in self.jobs.get(group, ()):
            clusters = self._where(name)
            filters.append(RayClusterFilter(name[1], clusters))
        return tuple(filters)

    def unmet(self, group: GroupKey) -> Unmet | None:
        """Return why `group` lacks a RayCluster; None when all have a place."""
        for item, name in self.jobs.get(group, ()):
            if self._where(name):
                continue
            not_yet = self._not_yet(item.key, name)
            if not_yet is not None:
                return Unmet(not_yet, waits=True)
            nowhere = NoSuchRayCluster(item.key, str(item.place), name[1])
            return Unmet(nowhere, waits=False)
        return None

    def with_copies(
        self, group: GroupKey, copies: Iterable[ClusterCopy]
    ) -> RayClusters:
        """Return the index with `copies` as what `group` has placed."""
        # Where no job selects a RayCluster, nobody asks where it is.
        if not self.selected:
            return self
        placed: dict[_Name, _Places] = {}
        for name, places in self.placed.items():
            placed[name] = dict(places)
            placed[name].pop(group, None)
        for copy in copies:
            for item in copy.admitted:
                name = _name(item)
                if not _is_ray_cluster(item) or name not in self.selected:
                    continue
                by_group = placed.setdefault(name, {})
                earlier = by_group.get(group, ())
                by_group[group] = (*earlier, copy.cluster)
        return replace(self, placed=placed)

    def _where(self, name: _Name) -> tuple[str, ...]:
        """Return the clusters on which a RayCluster is: as it was placed, else as the snapshot shows it."""
        placed: set[str] = set()
        places = self.placed.get(name, {})
        for clusters in places.values():
            placed.update(clusters)
        # What Git has is where SkyRay placed it, whatever the snapshot shows.
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
        for item in self.workloads.objects:
            # It is in Git and in no group, so no policy selects it.
            if _name(item) == name and _is_ray_cluster(item):
                return RayClusterUnmatched(job, name[1])
        for file in self.workloads.broken:
            # A file that cannot be read may have it.
            if file.namespace == name[0]:
                return RayClusterUnread(job, name[1], file.path)
        unread = []
        for cluster, shown in self.snapshot.clusters.items():
            if not isinstance(shown, ClusterSnapshot):
                unread.append(cluster)
        if not unread:
            return None
        # A RayCluster that is not in Git may be on any cluster that cannot be looked at.
        return RayClusterUnknown(job, name[1], tuple(sorted(unread)))


def _ray_clusters_of(group: Group) -> set[_Name]:
    """Return the RayClusters that are members of a group."""
    ray_clusters = filter(_is_ray_cluster, group.members)
    return {_name(item) for item in ray_clusters}


def _selecting(group: Group, own: Collection[_Name]) -> tuple[_Job, ...]:
    """Return the members of a group that select a RayCluster which is not its `own`, each with that name."""
    selecting: list[_Job] = []
    for item in group.members:
        ray_cluster = selected_ray_cluster(item)
        name = (item.key.namespace, ray_cluster)
        # A job beside its own RayCluster in one group goes with it anyway.
        if ray_cluster and name not in own:
            selecting.append((item, name))
    return tuple(selecting)


def lost_ray_clusters(
    groups: Iterable[PlacedGroup], snapshot: FleetSnapshot
) -> tuple[str, ...]:
    """Return a warning for each placed job that has not ended and whose RayCluster is gone from its cluster."""
    jobs: list[tuple[str, WorkloadObject, _Name]] = []
    admitted: set[tuple[str, _Name]] = set()
    for group in groups:
        for copy in group.copies:
            for item in copy.admitted:
                if _is_ray_cluster(item):
                    admitted.add((copy.cluster, _name(item)))
            # What has ended needs its RayCluster no more.
            if copy.job_result is None and group.job_result is None:
                jobs += _jobs_on_ray_clusters(copy)
    found = []
    for cluster, item, name in jobs:
        shown = snapshot.clusters.get(cluster)
        # A cluster that cannot be read does not show that something is gone.
        if not isinstance(shown, ClusterSnapshot) or has_ray_cluster(shown, name):
            continue
        # What is admitted there is not gone: the engine makes it.
        if (cluster, name) in admitted:
            continue
        found.append(
            f"{item.place}: {item.key} is on {cluster}, and RayCluster {name[1]}, which it runs on, is gone "
            "from there: bring that back, or remove the job"
        )
    return tuple(found)


def _jobs_on_ray_clusters(
    copy: ClusterCopy,
) -> list[tuple[str, WorkloadObject, _Name]]:
    """Return the jobs of a copy that run on a RayCluster, each with the copy's cluster and that name."""
    jobs: list[tuple[str, WorkloadObject, _Name]] = []
    for item in copy.admitted:
        ray_cluster = selected_ray_cluster(item) if item.is_batch else ""
        if ray_cluster:
            name = (item.key.namespace, ray_cluster)
            jobs.append((copy.cluster, item, name))
    return jobs


def has_ray_cluster(snapshot: ClusterSnapshot, name: _Name) -> bool:
    """Tell whether a RayCluster is on a cluster: KubeRay's status of it, or its head pod, shows it."""
    if any(
        one.kind == rayspec.RAY_CLUSTER and (one.namespace, one.name) == name
        for one in snapshot.ray
    ):
        return True
    # A snapshot of nodes and pods alone has no statuses.
    return any(
        pod.node_type == "head" and (pod.namespace, pod.owner) == name
        for pod in snapshot.pods
    )


def _is_ray_cluster(item: WorkloadObject) -> bool:
    return item.key.kind == rayspec.RAY_CLUSTER


def _name(item: WorkloadObject) -> _Name:
    return (item.key.namespace, item.key.name)
