"""The room of every cluster while a plan is made: what is free, less what is promised, less what this plan took.

The one idea: clusters are opened lazily, so a plan costs what its groups look at, not what the fleet holds; and what a
cluster is asked twice, with nothing taken in between, it answers from memory (`placement.opening`). Staleness is
judged here: a live picture older than the fleet's limit is no picture.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.fleet.inventory import Cluster, KubeconfigAccess
from reconciler.fleet.snapshot import FleetSnapshot, Pod, Unreadable
from reconciler.kube_scheduler.equivalence import GangRequest
from reconciler.kube_scheduler.fit import commit, reserve, try_gang
from reconciler.kube_scheduler.gang import Fit, Gang
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.placement.fragmentation import Mix
from reconciler.placement.hold import Hold
from reconciler.placement.model import Candidate, verdict_of
from reconciler.placement.opening import Ground, Opening, Openings, opened
from reconciler.placement.outcome import Standing
from reconciler.workloads.group import WorkloadObject, gang_of

_PodName = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How a room stood at one moment."""

    since: Ground | None
    promised: tuple[Standing, ...]
    taken: tuple[Gang, ...]
    held: Nodes | None


class Room:
    """One cluster, from its opening on."""

    def __init__(self, opening: Opening) -> None:
        self.cluster = opening.cluster
        self.snapshot = opening.snapshot
        self.pods = opening.pods
        self._opening = opening
        self._promised = list(opening.promised)
        self._taken: list[Gang] = []
        self._since: Ground | None = None
        self._bare: Ground | None = None
        self.hold: Hold | None = None
        """For whom room is held here, if for anyone; whoever asks from then on is younger."""

    @property
    def rented(self) -> bool:
        """Tell whether its nodes cost money only while they are used."""
        return self.cluster.autoscaler != "None"

    @property
    def free_share(self) -> float:
        """Return the free share of its scarcest kind of room: devices where it has any, else cpu; 0 to 1."""
        return self.ground.free_share

    def free(self, wanted: Callable[[str], bool]) -> int:
        """Return how much of the resources whose names are `wanted` is free on nodes that take pods."""
        return self.ground.nodes.free_of(wanted)

    def consider(self, wanted: GangRequest) -> tuple[Fit, Candidate]:
        """Return what would become of a gang: now, else with nodes that the autoscaler may add. Takes nothing."""
        wanted = wanted.on(self.cluster.name)
        fit, candidate = self.ground.fit(wanted)
        if self.hold is None:
            return fit, candidate
        fit = self.hold.judge(wanted, fit)
        return fit, Candidate(self.cluster.name, verdict_of(fit), fit.reason, fit.message)

    def take(self, gang: Gang, fit: Fit) -> None:
        """Take the room that `fit` found for `gang`, or for one like it."""
        gang = gang.on(self.cluster.name)
        if self.hold is not None:
            self.hold.take(gang, fit)
        self._since = Ground(self.cluster.name, commit(self.ground.nodes, gang, fit))
        self._taken.append(gang)

    def reserve(self, gang: Gang) -> None:
        """Hold room for as many pods of `gang` as the scheduler would bind."""
        gang = gang.on(self.cluster.name)
        self._since = Ground(self.cluster.name, reserve(self.ground.nodes, gang))
        self._taken.append(gang)

    def bare(self, own: Collection[str]) -> Ground:
        """Return the cluster without anything that was placed on it, or is left over in namespaces `own`."""
        if self._bare is None:
            self._bare = self.once_ended(lambda _: True, own)
        return self._bare

    def once_ended(self, ends: Callable[[Standing], bool], own: Collection[str] = ()) -> Ground:
        """Return the cluster as it will be once the placed groups for which `ends` is true have ended.

        Pods that are being deleted are gone then; so are those of namespaces `own` that no placed group has.
        """
        gone = {_name(pod) for pod in self.snapshot.pods if pod.deleting}
        if own:
            placed = self._pods_of(item for s in self._promised for item in s.admitted)
            gone |= {_name(pod) for pod in self.snapshot.pods if pod.namespace in own} - placed
        gone |= self._pods_of(item for s in self._promised if ends(s) for item in s.admitted)
        nodes = self._opened_without(gone, [s for s in self._promised if not ends(s)])
        for gang in self._taken:
            nodes = reserve(nodes, gang)
        return Ground(self.cluster.name, nodes)

    def reconsider(self, before: tuple[WorkloadObject, ...], after: tuple[WorkloadObject, ...]) -> Fit:
        """Return whether a group that stands here as `before` fits as `after`; if so, take that room instead."""
        others = [s for s in self._promised if not any(o in before for o in s.admitted)]
        nodes = self._opened_without(self._pods_of(before), others)
        for gang in self._taken:
            nodes = reserve(nodes, gang)
        gang = gang_of(after)
        fit = try_gang(nodes, gang)
        if fit.ok:
            self._since, self._promised = Ground(self.cluster.name, commit(nodes, gang, fit)), others
            self._taken.append(gang)
        return fit

    def release(self, before: tuple[WorkloadObject, ...]) -> None:
        """Hold no more room for a group that stands here as `before`; its pods count until they are gone."""
        others = [s for s in self._promised if not any(o in before for o in s.admitted)]
        nodes = opened(self.cluster, self.snapshot, self.pods, others)
        for gang in self._taken:
            nodes = reserve(nodes, gang)
        self._since, self._promised = Ground(self.cluster.name, nodes), others

    def mark(self) -> Mark:
        """Return how it stands, to come back to."""
        held = self.hold.emptied if self.hold else None
        return Mark(self._since, tuple(self._promised), tuple(self._taken), held)

    def back_to(self, mark: Mark) -> None:
        """Undo what was taken since `mark`."""
        self._since, self._promised, self._taken = mark.since, list(mark.promised), list(mark.taken)
        if self.hold is not None and mark.held is not None:
            self.hold.emptied = mark.held

    def _pods_of(self, objects: Iterable[WorkloadObject]) -> set[_PodName]:
        """Return the pods that stand here because of `objects`."""
        return {_name(pod) for item in objects for pod in self.pods.pods_of(item.key)}

    def _opened_without(self, gone: Collection[_PodName], others: Sequence[Standing]) -> Nodes:
        """Return the nodes without the pods `gone`, with room for what is promised to `others`."""
        rest = tuple(pod for pod in self.snapshot.pods if _name(pod) not in gone)
        return opened(self.cluster, replace(self.snapshot, pods=rest), self.pods, others)

    @property
    def ground(self) -> Ground:
        """Return its nodes as they stand, with what is known of them."""
        return self._since or self._opening.ground


def _name(pod: Pod) -> _PodName:
    return (pod.namespace, pod.name)


class Rooms:
    """Every cluster of the fleet, opened on first use. `digest` is the snapshot's."""

    def __init__(
        self,
        clusters: Iterable[Cluster],
        snapshot: FleetSnapshot,
        promised: Mapping[str, Sequence[Standing]],
        now: float,
        max_age: float,
        openings: Openings | None = None,
    ) -> None:
        """`promised`: placed groups by cluster. `now`: unix seconds. `max_age`: seconds that a live picture counts.

        `openings`: those of earlier plans, to open what has not changed without work.
        """
        self.digest = snapshot.digest
        self._clusters = {cluster.name: cluster for cluster in clusters}
        self._snapshot = snapshot
        self._promised = promised
        self._now = now
        self._max_age = max_age
        self._rooms: dict[str, Room | Unreadable] = {}
        self._mix: Mix | None = None
        self._openings = openings if openings is not None else Openings()
        self._openings.retain(self._clusters)

    @property
    def mix(self) -> Mix:
        """Return what gangs typically ask for, going by those that are placed."""
        if self._mix is None:
            self._mix = Mix.of(gang_of(one.admitted) for placed in self._promised.values() for one in placed)
        return self._mix

    def of(self, name: str) -> Room | Unreadable:
        """Return the room of a cluster, or why nobody knows it."""
        if name not in self._rooms:
            self._rooms[name] = self._open(name)
        return self._rooms[name]

    def mark(self) -> Mapping[str, Mark]:
        """Return how all rooms stand, to come back to."""
        return {name: room.mark() for name, room in self._rooms.items() if isinstance(room, Room)}

    def back_to(self, marks: Mapping[str, Mark]) -> None:
        """Undo what was taken in any room since `marks`."""
        for name, room in list(self._rooms.items()):
            if name in marks and isinstance(room, Room):
                room.back_to(marks[name])
            else:
                del self._rooms[name]  # opened since: it is opened again as it was

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
        return Room(self._openings.of(cluster, picture, self._promised.get(name, ())))
