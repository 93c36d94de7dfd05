"""How a cluster stands when a plan opens it, kept from plan to plan while nothing about it has changed.

The one idea: most of a thousand clusters are as they were a minute ago. An opening follows from the cluster's inventory
file, its picture and what is promised there, so one that is equal in all three is used again, with every answer that
was worked out on it. Nodes are never changed in place, which is what makes them safe to keep.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeVar, cast

from reconciler.fleet.addable import addable
from reconciler.fleet.inventory import Cluster, Headroom
from reconciler.fleet.snapshot import ClusterSnapshot
from reconciler.kube_scheduler.equivalence import GangRequest
from reconciler.kube_scheduler.fit import reserve, reserve_pending, try_gang
from reconciler.kube_scheduler.gang import Fit
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.kube_scheduler.pod_affinity import namespaces_in_terms
from reconciler.placement.model import Candidate, verdict_of
from reconciler.placement.outcome import Standing
from reconciler.placement.reservation import PodIndex, outstanding

_Measure = TypeVar("_Measure")

_MOST_ANSWERS = 512
"""Answers and masks that one cluster may keep; with more, it is opened anew."""


class Ground:
    """The nodes of `cluster` as they stand, with what was asked of them. `nodes` must not be changed."""

    __slots__ = ("_answers", "_free_share", "_meant", "_measures", "cluster", "nodes")

    def __init__(self, cluster: str, nodes: Nodes) -> None:
        self.cluster = cluster
        self.nodes = nodes
        self._answers: dict[str, tuple[Fit, Candidate]] = {}
        self._measures: dict[tuple[str, str], object] = {}
        self._free_share: float | None = None
        self._meant = namespaces_in_terms(nodes)

    @property
    def free_share(self) -> float:
        """Return the free share of its scarcest kind of room, 0 to 1."""
        if self._free_share is None:
            self._free_share = self.nodes.free_share
        return self._free_share

    @property
    def answers(self) -> int:
        """How many answers are kept."""
        return len(self._answers) + len(self._measures) + len(self.nodes.table.memo)

    def fit(self, wanted: GangRequest) -> tuple[Fit, Candidate]:
        """Return what would become of a gang, and how that is told; one like it was perhaps asked about before."""
        likeness = self._likeness(wanted)
        found = self._answers.get(likeness)
        if found is None:
            fit = try_gang(self.nodes, wanted.gang)
            found = fit, Candidate(self.cluster, verdict_of(fit), fit.reason, fit.message)
            self._answers[likeness] = found
        return found

    def measured(self, wanted: GangRequest | None, what: str, measure: Callable[[], _Measure]) -> _Measure:
        """Return `measure()`: a number that follows from these nodes, the fit of `wanted` on them and `what` alone."""
        key = (self._likeness(wanted) if wanted else "", what)
        if key not in self._measures:
            self._measures[key] = measure()
        return cast("_Measure", self._measures[key])

    def _likeness(self, wanted: GangRequest) -> str:
        unnamed = self._meant is not None and self._meant.isdisjoint(wanted.namespaces)
        return wanted.unnamed if unnamed else wanted.exact


@dataclass(slots=True)
class Opening:
    """One cluster. `promised` are the groups that were placed there, whose pods may not exist yet."""

    cluster: Cluster
    snapshot: ClusterSnapshot
    promised: tuple[Standing, ...]
    pods: PodIndex
    _ground: Ground | None = field(default=None)

    @property
    def ground(self) -> Ground:
        """Return its nodes, worked out when somebody asks."""
        if self._ground is None:
            self._ground = Ground(self.cluster.name, opened(self.cluster, self.snapshot, self.pods, self.promised))
        return self._ground

    def still_holds(self, cluster: Cluster, picture: ClusterSnapshot, promised: tuple[Standing, ...]) -> bool:
        """Tell whether an opening made of these would be equal; when the picture was taken does not matter to it."""
        return (
            (self._ground is None or self._ground.answers <= _MOST_ANSWERS)
            and self.cluster == cluster
            and self.promised == promised
            and _same(self.snapshot, picture)
        )


class Openings:
    """The last opening of each cluster."""

    def __init__(self) -> None:
        self._known: dict[str, Opening] = {}

    def of(self, cluster: Cluster, picture: ClusterSnapshot, promised: Sequence[Standing]) -> Opening:
        """Return the opening of a cluster: the last one, if it still holds."""
        known = self._known.get(cluster.name)
        standing = tuple(promised)
        if known is None or not known.still_holds(cluster, picture, standing):
            known = self._known[cluster.name] = Opening(cluster, picture, standing, PodIndex(picture))
        known.snapshot = picture
        return known

    def retain(self, clusters: Collection[str]) -> None:
        """Forget all clusters but these."""
        self._known = {name: opening for name, opening in self._known.items() if name in clusters}


def opened(cluster: Cluster, snapshot: ClusterSnapshot, pods: PodIndex, promised: Iterable[Standing]) -> Nodes:
    """Return a cluster's nodes with its pods, those that wait, and room held for what is promised."""
    more = addable(cluster, snapshot)
    nodes = Nodes.of(
        snapshot,
        headroom=_shares(cluster.headroom),
        pools=more.pools,
        spare=more.spare,
        scoring=cluster.scoring,
        unknown=more.unknown,
    )
    pending = tuple(pod for pod in snapshot.pods if not pod.node and not pod.deleting)
    nodes = reserve_pending(nodes, pending)
    for standing in promised:
        if not standing.record.job_outcome:
            nodes = reserve(nodes, outstanding(standing.admitted, pods))
    return nodes


def _same(one: ClusterSnapshot, other: ClusterSnapshot) -> bool:
    if one is other:
        return True
    named = one.namespace_labels == other.namespace_labels
    told = one.pools == other.pools and one.pools_note == other.pools_note
    return told and named and one.nodes == other.nodes and one.pods == other.pods and one.ray == other.ray


def _shares(headroom: Headroom) -> dict[str, Fraction | int]:
    shares: dict[str, Fraction | int] = {name: Fraction(part, 10_000) for name, part in headroom.shares.items()}
    return {**shares, **headroom.amounts}
