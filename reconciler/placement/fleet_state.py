"""The capacity of all clusters while a plan is made, as a value; clusters are opened when they are first looked at.

So a plan costs what its groups look at, not what the fleet holds. A live snapshot older than the fleet's limit counts
as unreachable here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock

from reconciler.fleet.inventory import Cluster, KubeconfigAccess
from reconciler.fleet.snapshot import ClusterSnapshot, FleetSnapshot, Unreadable
from reconciler.kube_scheduler.gang import Gang
from reconciler.placement.assumed_pods import AssumedCopy
from reconciler.placement.cluster_state import ClusterBaseline, ClusterState
from reconciler.placement.gang_mix import Mix
from reconciler.placement.resting_copies import RestingCopies
from reconciler.workloads.group import gang_of

_KEPT_PER_CLUSTER = 4
"""Baselines kept of one cluster, so that the loop, previews and replays do not evict each other's."""

_MOST_RESULTS = 512
"""Fit results that one baseline may keep; with more, it is made anew."""

_Assumed = Mapping[str, Sequence[AssumedCopy]]
"""The placed copies by cluster."""


class BaselineCache:
    """The last baselines of each cluster, found again by their content. Safe for several readers."""

    def __init__(self) -> None:
        self._known: dict[str, list[ClusterBaseline]] = {}
        self._lock = Lock()

    def of(
        self,
        cluster: Cluster,
        snapshot: ClusterSnapshot,
        assumed: Sequence[AssumedCopy],
    ) -> ClusterBaseline:
        """Return the baseline of a cluster: a kept one where an equal one is kept."""
        wanted = tuple(assumed)
        with self._lock:
            kept = list(self._known.get(cluster.name, ()))
        # Snapshots are compared without the lock, which may take long.
        found = None
        for one in kept:
            # The check of its size costs least, so it comes first.
            if one.size <= _MOST_RESULTS and one.equals(cluster, snapshot, wanted):
                found = one
                break
        if found is None:
            # What is read from a snapshot does not depend on what is assumed.
            pods = None
            for one in kept:
                if one.snapshot is snapshot:
                    pods = one.pods
            found = ClusterBaseline(cluster, snapshot, wanted, pods)
        others = [one for one in kept if one is not found]
        # What was used last comes first, so that what is used least is forgotten.
        latest = [found, *others]
        with self._lock:
            self._known[cluster.name] = latest[:_KEPT_PER_CLUSTER]
        return found

    def retain(self, clusters: Iterable[str]) -> None:
        """Forget all clusters but these."""
        names = frozenset(clusters)
        with self._lock:
            self._known = {
                name: kept for name, kept in self._known.items() if name in names
            }


@dataclass(frozen=True, slots=True)
class _Opened:
    """What follows from the inputs of a plan, computed once for all states of it."""

    states: dict[str, ClusterState | Unreadable] = field(default_factory=dict)
    mix: list[Mix] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FleetState:
    """All clusters of a fleet.

    `assumed` are the placed copies by cluster, in order of their groups, but for those of namespaces that the plan does
    not look at, which are `resting`. `now` is in unix seconds; a live snapshot counts for `max_age` seconds. `changed`
    are the clusters that this plan changed.
    """

    inventory: Mapping[str, Cluster]
    snapshot: FleetSnapshot
    assumed: _Assumed
    now: float
    max_age: float
    baselines: BaselineCache
    resting: RestingCopies = field(default_factory=RestingCopies)
    changed: Mapping[str, ClusterState] = field(default_factory=dict)
    _opened: _Opened = field(default_factory=_Opened)

    @classmethod
    def of(
        cls,
        clusters: Iterable[Cluster],
        snapshot: FleetSnapshot,
        assumed: _Assumed,
        now: float,
        max_age: float,
        baselines: BaselineCache | None = None,
        resting: RestingCopies | None = None,
    ) -> FleetState:
        """Return the fleet as a plan finds it; `baselines` are those of earlier plans."""
        return cls(
            {cluster.name: cluster for cluster in clusters},
            snapshot,
            assumed,
            now,
            max_age,
            baselines if baselines is not None else BaselineCache(),
            resting if resting is not None else RestingCopies(),
        )

    @property
    def digest(self) -> str:
        """Return the digest of the snapshot."""
        return self.snapshot.digest

    @property
    def mix(self) -> Mix:
        """Return what gangs typically ask for, going by those that are placed."""
        if not self._opened.mix:
            gangs: list[Gang] = []
            for copies in self.assumed.values():
                gangs += [gang_of(copy.objects) for copy in copies]
            self._opened.mix.append(Mix.of(gangs, self.resting.kinds))
        return self._opened.mix[0]

    def cluster(self, name: str) -> ClusterState | Unreadable:
        """Return the state of a cluster, or why its capacity is not known."""
        if name in self.changed:
            return self.changed[name]
        opened = self._opened.states
        found = opened.get(name)
        if found is None:
            found = opened[name] = self._open(name)
        return found

    def with_cluster(self, state: ClusterState) -> FleetState:
        """Return the fleet with one cluster in another state."""
        changed = {**self.changed, state.name: state}
        return replace(self, changed=changed)

    def reopened(self, assumed: _Assumed) -> FleetState:
        """Return the fleet as the next plan of an unchanged world finds it, with `assumed` placed."""
        return replace(
            self,
            assumed=assumed,
            changed={},
            _opened=_Opened(),
        )

    def without_holds(self) -> FleetState:
        """Return the fleet with no capacity reserved for groups that wait."""
        # Only what this plan changed can have a hold: each plan reserves anew.
        released = {
            name: replace(state, hold=None)
            for name, state in self.changed.items()
            if state.hold
        }
        return replace(self, changed={**self.changed, **released})

    def stale_at(self) -> float | None:
        """Return when the next live snapshot becomes too old, in unix seconds; None when none will."""
        times = []
        for name, cluster in self.inventory.items():
            snapshot = self.snapshot.clusters.get(name)
            # A snapshot that is read from a file of the repo does not age.
            is_live = isinstance(cluster.access, KubeconfigAccess)
            if is_live and isinstance(snapshot, ClusterSnapshot):
                times.append(snapshot.taken_at + self.max_age)
        later = [time for time in times if time > self.now]
        return min(later, default=None)

    def _open(self, name: str) -> ClusterState | Unreadable:
        """Return the state in which the plan finds a cluster, or why its capacity is not known."""
        cluster = self.inventory.get(name)
        if cluster is None:
            return Unreadable(name, "it is not in the inventory", self.now)
        snapshot = self.snapshot.clusters.get(name)
        if snapshot is None:
            reason = "the capacity snapshot does not have it: take a new one"
            return Unreadable(name, reason, self.now)
        if isinstance(snapshot, Unreadable):
            return snapshot
        age = self.now - snapshot.taken_at
        if isinstance(cluster.access, KubeconfigAccess) and age >= self.max_age:
            reason = f"its capacity was last read {age:.0f} s ago, and it counts for {self.max_age:.0f} s only"
            return Unreadable(name, reason, snapshot.taken_at)
        assumed: Sequence[AssumedCopy] = self.resting.on(name)
        looked_at = self.assumed.get(name, ())
        if looked_at:
            # Namespaces rest as a whole, so the order of groups within one does not change.
            both = (*assumed, *looked_at)
            assumed = sorted(both, key=lambda copy: copy.group)
        baseline = self.baselines.of(cluster, snapshot, assumed)
        return ClusterState.of(baseline)
