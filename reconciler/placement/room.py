"""The room of every cluster while a plan is made: what is free, less what is promised, less what this plan took.

The one idea: clusters are opened lazily, so a plan costs what its groups look at, not what the fleet holds. Staleness
is judged here: a live picture older than the fleet's limit is no picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from reconciler.fleet.inventory import Cluster, Headroom, KubeconfigAccess
from reconciler.fleet.snapshot import ClusterSnapshot, FleetSnapshot, Unreadable
from reconciler.placement.fit import commit, reserve, reserve_pending, try_gang
from reconciler.placement.gang import Fit, Gang
from reconciler.placement.group import WorkloadObject, gang_of
from reconciler.placement.nodes import Nodes
from reconciler.placement.outcome import Standing
from reconciler.placement.reservation import PodIndex, outstanding


class Room:
    """One cluster. `promised` are the groups that were placed there, whose pods may not exist yet."""

    def __init__(self, cluster: Cluster, snapshot: ClusterSnapshot, promised: Sequence[Standing]) -> None:
        self.cluster = cluster
        self.snapshot = snapshot
        self.pods = PodIndex(snapshot)
        self._promised = list(promised)
        self._taken: list[Gang] = []
        self._nodes = self._fresh(snapshot, self._promised)

    @property
    def rented(self) -> bool:
        """Tell whether its nodes cost money only while they are used."""
        return self.cluster.autoscaler != "None"

    @property
    def free_share(self) -> float:
        """Return the free share of its scarcest kind of room: devices where it has any, else cpu; 0 to 1."""
        return self._nodes.free_share

    def free(self, wanted: Callable[[str], bool]) -> int:
        """Return how much of the resources whose names are `wanted` is free on nodes that take pods."""
        return self._nodes.free_of(wanted)

    def consider(self, gang: Gang) -> Fit:
        """Return what would become of `gang`: now, else with nodes that the autoscaler may add. Takes nothing."""
        return try_gang(self._nodes, gang)

    def take(self, gang: Gang, fit: Fit) -> None:
        """Take the room that `fit` found."""
        self._taken.append(gang)
        self._nodes = commit(self._nodes, gang, fit)

    def reserve(self, gang: Gang) -> None:
        """Hold room for as many pods of `gang` as the scheduler would bind."""
        self._taken.append(gang)
        self._nodes = reserve(self._nodes, gang)

    def reconsider(self, before: tuple[WorkloadObject, ...], after: tuple[WorkloadObject, ...]) -> Fit:
        """Return whether a group that stands here as `before` fits as `after`; if so, take that room instead."""
        own = {(pod.namespace, pod.name) for item in before for pod in self.pods.pods_of(item.key)}
        rest = tuple(pod for pod in self.snapshot.pods if (pod.namespace, pod.name) not in own)
        others = [s for s in self._promised if not any(o in before for o in s.admitted)]
        nodes = self._fresh(replace(self.snapshot, pods=rest), others)
        gang = gang_of(after)
        fit = try_gang(nodes, gang)
        if fit.ok:
            self._nodes, self._promised = commit(nodes, gang, fit), others
            self._taken.append(gang)
        return fit

    def _fresh(self, snapshot: ClusterSnapshot, promised: Iterable[Standing]) -> Nodes:
        nodes = Nodes.of(
            snapshot, headroom=_shares(self.cluster.headroom), pools=self.cluster.pools, scoring=self.cluster.scoring
        )
        pending = tuple(pod for pod in snapshot.pods if not pod.node and not pod.deleting)
        nodes = reserve_pending(nodes, pending)
        for standing in promised:
            if not standing.record.job_outcome:
                nodes = reserve(nodes, outstanding(standing.admitted, self.pods))
        for gang in self._taken:
            nodes = reserve(nodes, gang)
        return nodes


class Rooms:
    """Every cluster of the fleet, opened on first use. `digest` is the snapshot's."""

    def __init__(
        self,
        clusters: Iterable[Cluster],
        snapshot: FleetSnapshot,
        promised: Mapping[str, Sequence[Standing]],
        now: float,
        max_age: float,
    ) -> None:
        """`promised`: placed groups by cluster. `now`: unix seconds. `max_age`: seconds that a live picture counts."""
        self.digest = snapshot.digest
        self._clusters = {cluster.name: cluster for cluster in clusters}
        self._snapshot = snapshot
        self._promised = promised
        self._now = now
        self._max_age = max_age
        self._rooms: dict[str, Room | Unreadable] = {}

    def of(self, name: str) -> Room | Unreadable:
        """Return the room of a cluster, or why nobody knows it."""
        if name not in self._rooms:
            self._rooms[name] = self._open(name)
        return self._rooms[name]

    def _open(self, name: str) -> Room | Unreadable:
        cluster = self._clusters.get(name)
        if cluster is None:
            return Unreadable(name, "it is not in the inventory", self._now)
        picture = self._snapshot.clusters.get(name)
        if picture is None:
            return Unreadable(name, "the capacity snapshot does not have it: take a new one", self._now)
        if isinstance(picture, Unreadable):
            return picture
        age = self._now - picture.taken_at
        if isinstance(cluster.access, KubeconfigAccess) and age > self._max_age:
            reason = f"its capacity was last read {age:.0f} s ago, more than the limit of {self._max_age:.0f} s"
            return Unreadable(name, reason, picture.taken_at)
        return Room(cluster, picture, self._promised.get(name, ()))


def _shares(headroom: Headroom) -> dict[str, Fraction | int]:
    shares: dict[str, Fraction | int] = {name: Fraction(part, 10_000) for name, part in headroom.shares.items()}
    return {**shares, **headroom.amounts}
