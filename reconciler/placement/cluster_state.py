"""The capacity of one cluster while a plan is made, as a value: every change returns a new state.

A state is a baseline (the snapshot, and what placed groups are assumed to use) with the gangs that this plan placed on
top. To undo is to keep the old state. The node arrays (`fit_cache`) are made when a gang is first tried, and numpy is
imported then: most plans try none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconciler.fleet.inventory import Cluster
from reconciler.fleet.snapshot import ClusterSnapshot, Pod
from reconciler.kube_scheduler.equivalence import GangRequest
from reconciler.kube_scheduler.gang import Fit, Gang
from reconciler.placement.assumed_pods import AssumedCopy, PodIndex
from reconciler.placement.model import Candidate, verdict_of
from reconciler.workloads.group import GroupKey, WorkloadObject, gang_of

if TYPE_CHECKING:
    from reconciler.kube_scheduler.nodes import Nodes
    from reconciler.placement.fit_cache import FitCache
    from reconciler.placement.hold import Hold

_PodName = tuple[str, str]
"""Namespace and name."""


class ClusterBaseline:
    """A cluster as a plan finds it: its inventory entry, its snapshot, and the copies that are assumed to be there.

    The node arrays are computed when they are first asked for.
    """

    __slots__ = ("_cache", "assumed", "cluster", "pods", "snapshot")

    def __init__(
        self,
        cluster: Cluster,
        snapshot: ClusterSnapshot,
        assumed: tuple[AssumedCopy, ...],
        pods: PodIndex | None = None,
    ) -> None:
        self.cluster = cluster
        self.snapshot = snapshot
        self.assumed = assumed
        self.pods = pods if pods is not None else PodIndex(snapshot)
        self._cache: FitCache | None = None

    @property
    def cache(self) -> FitCache:
        """Return the nodes with what is assumed on them."""
        if self._cache is None:
            from reconciler.placement.fit_cache import FitCache

            self._cache = FitCache.of(
                self.cluster, self.snapshot, self.pods, self.assumed
            )
        return self._cache

    @property
    def size(self) -> int:
        """Return how many results its cache keeps."""
        return self._cache.size if self._cache else 0

    def equals(
        self,
        cluster: Cluster,
        snapshot: ClusterSnapshot,
        assumed: tuple[AssumedCopy, ...],
    ) -> bool:
        """Tell whether a baseline made of these would be equal; the time of the snapshot does not matter to it."""
        # The snapshot is the largest, so it is compared last.
        if self.cluster != cluster or self.assumed != assumed:
            return False
        return _same_capacity(self.snapshot, snapshot)


@dataclass(frozen=True, slots=True)
class ClusterState:
    """One cluster while a plan is made.

    `assumed` are the placed copies whose pods may not exist yet; `gangs` what this plan placed, in order. `hold` is the
    capacity that is reserved for a group that waits; who asks from then on comes later in the queue. `version` grows
    with every change.
    """

    baseline: ClusterBaseline
    assumed: tuple[AssumedCopy, ...]
    gangs: tuple[Gang, ...] = ()
    hold: Hold | None = None
    version: int = 0
    changed: FitCache | None = None

    @classmethod
    def of(cls, baseline: ClusterBaseline) -> ClusterState:
        """Return the state in which a plan finds the cluster."""
        return cls(baseline, baseline.assumed)

    @property
    def name(self) -> str:
        """Return the cluster's name."""
        return self.baseline.cluster.name

    @property
    def cache(self) -> FitCache:
        """Return the nodes as they are now, with the results computed from them."""
        return self.changed or self.baseline.cache

    @property
    def nodes(self) -> Nodes:
        """Return the nodes as they are now; not to be changed."""
        return self.cache.nodes

    @property
    def pods(self) -> PodIndex:
        """Return the pods of the snapshot by their objects."""
        return self.baseline.pods

    @property
    def snapshot(self) -> ClusterSnapshot:
        """Return the snapshot."""
        return self.baseline.snapshot

    @property
    def rented(self) -> bool:
        """Tell whether its nodes cost money only while they are used: an autoscaler adds and removes them."""
        return self.baseline.cluster.autoscaler != "None"

    def try_gang(self, wanted: GangRequest) -> tuple[Fit, Candidate]:
        """Return the fit of a gang, now or with nodes that the autoscaler may add, and the candidate that says so."""
        wanted = wanted.on(self.name)
        fit, candidate = self.cache.fit(wanted)
        if self.hold is None:
            return fit, candidate
        # The kept result is that of the nodes alone; the hold may forbid what they allow.
        fit = self.hold.judge(wanted, fit)
        return fit, Candidate(self.name, verdict_of(fit), fit.why)

    def assume(self, gang: Gang, fit: Fit) -> ClusterState:
        """Return the state with the capacity used that `fit` found for `gang`, or for an equal one."""
        gang = gang.on(self.name)
        cache = self.cache.with_fit(gang, fit)
        # The gang that is held for must fit beside this one as well.
        hold = self.hold.beside(gang, fit) if self.hold is not None else None
        gangs = (*self.gangs, gang)
        return self._with(cache, hold=hold, gangs=gangs)

    def queue_pods(self, gang: Gang) -> ClusterState:
        """Return the state with capacity used for as many pods of `gang` as kube-scheduler would bind."""
        gang = gang.on(self.name)
        cache = self.cache.with_bound_pods(gang)
        gangs = (*self.gangs, gang)
        return self._with(cache, gangs=gangs)

    def with_hold(self, hold: Hold) -> ClusterState:
        """Return the state with capacity reserved for a group that waits."""
        return replace(self, hold=hold, version=self.version + 1)

    def update(
        self,
        group: GroupKey,
        before: tuple[WorkloadObject, ...],
        after: tuple[WorkloadObject, ...],
    ) -> tuple[Fit, ClusterState]:
        """Return whether the copy of `group` fits as `after` in place of `before`, and the state where it does so.

        Where it does not fit the state is this one.
        """
        others = self._others(group)
        own_pods = self._pods_of(before)
        cache = self._cache_without(own_pods, others)
        gang = gang_of(after)
        fit = cache.fit_once(gang)
        if not fit.ok:
            return fit, self
        updated = self._with(
            cache.with_fit(gang, fit),
            assumed=others,
            gangs=(*self.gangs, gang),
        )
        return fit, updated

    def release(self, group: GroupKey) -> ClusterState:
        """Return the state in which nothing is assumed for `group`; its pods count until they are gone."""
        others = self._others(group)
        cache = self._cache_without((), others)
        return self._with(cache, assumed=others)

    def replace_assumed(self, copy: AssumedCopy) -> ClusterState:
        """Return the state in which `copy` is assumed for its group, and nothing else."""
        assumed = _by_group((*self._others(copy.group), copy))
        cache = self._cache_without((), assumed)
        return self._with(cache, assumed=assumed)

    def reassigned(
        self, groups: Collection[GroupKey], copies: Iterable[AssumedCopy]
    ) -> ClusterState:
        """Return the state in which `copies` are what is assumed for `groups`, using the same capacity as before."""
        others = [copy for copy in self.assumed if copy.group not in groups]
        return replace(
            self,
            assumed=_by_group((*others, *copies)),
            changed=self.cache,
            version=self.version + 1,
        )

    def emptied(self, own: Collection[str]) -> FitCache:
        """Return the cluster without anything placed before this plan, and without pods left in namespaces `own`."""
        return self.once_ended(lambda _: True, own)

    def once_ended(
        self,
        ends: Callable[[AssumedCopy], bool],
        own: Collection[str] = (),
    ) -> FitCache:
        """Return the cluster as it will be once the copies for which `ends` is true have ended.

        Pods that are being deleted are gone then; so are pods in namespaces `own` that no placed group has.
        """
        gone = {_name(pod) for pod in self.snapshot.pods if pod.deleting}
        if own:
            gone |= self._pods_of_no_group(own)
        staying: list[AssumedCopy] = []
        for copy in self.assumed:
            if ends(copy):
                gone |= self._pods_of(copy.objects)
            else:
                staying.append(copy)
        return self._cache_without(gone, tuple(staying))

    def _with(
        self,
        cache: FitCache,
        *,
        assumed: tuple[AssumedCopy, ...] | None = None,
        gangs: tuple[Gang, ...] | None = None,
        hold: Hold | None = None,
    ) -> ClusterState:
        """Return the next state, with the nodes of `cache`; what is None stays as it is."""
        return ClusterState(
            self.baseline,
            self.assumed if assumed is None else assumed,
            self.gangs if gangs is None else gangs,
            hold or self.hold,
            self.version + 1,
            cache,
        )

    def _others(self, group: GroupKey) -> tuple[AssumedCopy, ...]:
        return tuple(copy for copy in self.assumed if copy.group != group)

    def _pods_of(self, objects: Iterable[WorkloadObject]) -> set[_PodName]:
        """Return the pods that are here because of `objects`."""
        found: set[_PodName] = set()
        for item in objects:
            for pod in self.pods.pods_of(item.key):
                found.add(_name(pod))
        return found

    def _pods_of_no_group(self, namespaces: Collection[str]) -> set[_PodName]:
        """Return the pods in `namespaces` that no placed group has."""
        placed: set[_PodName] = set()
        for copy in self.assumed:
            placed |= self._pods_of(copy.objects)
        there = {
            _name(pod) for pod in self.snapshot.pods if pod.namespace in namespaces
        }
        return there - placed

    def _cache_without(
        self, gone: Collection[_PodName], assumed: tuple[AssumedCopy, ...]
    ) -> FitCache:
        """Return the nodes without the pods `gone`, with what is `assumed` and what this plan placed."""
        from reconciler.placement.fit_cache import FitCache

        snapshot = self.snapshot
        if gone:
            left = tuple(pod for pod in snapshot.pods if _name(pod) not in gone)
            snapshot = replace(snapshot, pods=left)
        cluster = self.baseline.cluster
        return FitCache.of(cluster, snapshot, self.pods, assumed, self.gangs)


def _same_capacity(one: ClusterSnapshot, other: ClusterSnapshot) -> bool:
    """Tell whether two snapshots of a cluster differ in nothing but the time."""
    # To compare all nodes and pods costs much, so it comes last, and not at all for one and the same snapshot.
    if one is other:
        return True
    same_pools = one.pools == other.pools and one.pools_note == other.pools_note
    same_names = one.namespace_labels == other.namespace_labels
    return (
        same_pools
        and same_names
        and one.nodes == other.nodes
        and one.pods == other.pods
        and one.ray == other.ray
    )


def _by_group(copies: Iterable[AssumedCopy]) -> tuple[AssumedCopy, ...]:
    """Return copies in the order in which their pods are assumed."""
    return tuple(sorted(copies, key=lambda copy: copy.group))


def _name(pod: Pod) -> _PodName:
    return (pod.namespace, pod.name)
