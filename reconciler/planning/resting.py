"""Namespaces on which a plan decided nothing new, and will decide the same again: the next plan does not look at them.

A namespace rests when all of its groups are placed as they should be, so that neither capacity nor time has any part in
it. It rests as long as its state, the rules for clusters and what the snapshot shows of its copies stay the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.fleet.inventory import Cluster, KubeconfigAccess
from reconciler.fleet.snapshot import ClusterSnapshot, FleetSnapshot
from reconciler.placement.assign import Clusters, usage_of
from reconciler.placement.decision import Decision
from reconciler.placement.ray_clusters import RayClusters, selected_ray_cluster
from reconciler.placement.resting_copies import NamespaceCopies, RestingCopies
from reconciler.planning.admitted import Admitted
from reconciler.planning.assumed_copies import assumed_copy
from reconciler.planning.namespaces import NamespaceState
from reconciler.planning.warnings import NamespaceWarnings
from reconciler.policy.tenant import Tenant
from reconciler.reasons.ray_clusters import NOT_PLACED
from reconciler.reasons.transitions import HeldByAnotherGroup, ObjectHeldHere
from reconciler.workloads.group import GroupKey

Charge = tuple[GroupKey, Tenant | None, Mapping[str, int]]
"""A group, its tenant, and what it requests."""

_WAITS_FOR_OTHERS = frozenset(
    {HeldByAnotherGroup.code, ObjectHeldHere.code, NOT_PLACED}
)
"""Reasons that may pass with the capacity that other groups get."""


@dataclass(frozen=True, slots=True, eq=False)
class RestingNamespace:
    """What a plan takes over of a namespace; `state` and `clusters` are what it follows from."""

    state: NamespaceState
    clusters: Clusters
    decisions: tuple[Decision, ...]
    copies: NamespaceCopies
    charges: tuple[Charge, ...]
    warnings: NamespaceWarnings


class Resting:
    """The namespaces that rest. Not to be shared by threads."""

    def __init__(self) -> None:
        self.copies = RestingCopies()
        self._known: dict[str, RestingNamespace] = {}
        self._seen: dict[str, ClusterSnapshot | None] = {}

    def still(
        self,
        namespaces: Mapping[str, NamespaceState],
        clusters: Clusters,
        changed: Collection[str],
    ) -> dict[str, RestingNamespace]:
        """Return those that rest still; `changed` are the clusters of which the snapshot shows something else."""
        found = {}
        for name, known in self._known.items():
            if namespaces.get(name) is not known.state:
                continue
            if known.clusters is not clusters:
                continue
            if changed and not known.copies.on.keys().isdisjoint(changed):
                continue
            found[name] = known
        for name in self._known.keys() - found.keys():
            self.copies.put(name, None)
        self._known = found
        return dict(found)

    def put(self, name: str, namespace: RestingNamespace) -> None:
        """Let a namespace rest from the next plan on."""
        self._known[name] = namespace
        self.copies.put(name, namespace.copies)

    def changed_clusters(
        self,
        inventory: Iterable[Cluster],
        snapshot: FleetSnapshot,
        now: float,
        max_age: float,
    ) -> set[str]:
        """Return the clusters of which this snapshot shows other pods or Ray resources than the last one."""
        changed = set()
        seen: dict[str, ClusterSnapshot | None] = {}
        for cluster in inventory:
            shown = _readable(cluster, snapshot, now, max_age)
            seen[cluster.name] = shown
            is_new = cluster.name not in self._seen
            if is_new or not _shows_the_same(self._seen[cluster.name], shown):
                changed.add(cluster.name)
        # A copy may be on a cluster that left the inventory.
        changed |= self._seen.keys() - seen.keys()
        self._seen = seen
        return changed


def _readable(
    cluster: Cluster, snapshot: FleetSnapshot, now: float, max_age: float
) -> ClusterSnapshot | None:
    """Return what is known of a cluster; None where it is not known, or too old."""
    shown = snapshot.clusters.get(cluster.name)
    if not isinstance(shown, ClusterSnapshot):
        return None
    is_live = isinstance(cluster.access, KubeconfigAccess)
    return None if is_live and now - shown.taken_at >= max_age else shown


def _shows_the_same(one: ClusterSnapshot | None, other: ClusterSnapshot | None) -> bool:
    if one is other:
        return True
    if one is None or other is None:
        return False
    return one.pods == other.pods and one.ray == other.ray


def may_rest(
    state: NamespaceState, results: Sequence[Admitted], ray_clusters: RayClusters
) -> bool:
    """Tell whether a namespace whose groups got `results` could rest, if nothing was decided anew."""
    if state.workloads.broken or state.grouping.unread:
        return False
    asked_by = state.asked_by
    # Objects that name another namespace are looked at in both.
    if asked_by.foreign or asked_by.folder.foreign:
        return False
    return all(_may_rest(one, ray_clusters) for one in results)


def _may_rest(result: Admitted, ray_clusters: RayClusters) -> bool:
    if result.placed is None or not result.placed.placed:
        return False
    if result.why is not None or result.key in ray_clusters.jobs:
        return False
    if result.assignment is not None and not result.assignment.satisfied:
        return False
    transition = result.transition
    if transition.reason in _WAITS_FOR_OTHERS:
        return False
    # What stays here until another group can take it may go as soon as there is capacity.
    if transition.objects is not None and transition.objects.kept:
        return False
    # A job on a RayCluster is told when that is gone from the cluster.
    jobs = [item for copy in result.copies for item in copy.admitted if item.is_batch]
    return not any(map(selected_ray_cluster, jobs))


def resting_namespace(
    state: NamespaceState,
    clusters: Clusters,
    decisions: Iterable[Decision],
    tenants: Mapping[GroupKey, Tenant | None],
    warnings: NamespaceWarnings,
) -> RestingNamespace:
    """Return a namespace that rests; `tenants` are those of its groups, where the fleet has any."""
    kept = []
    copies = []
    charges = []
    for decision in sorted(decisions, key=lambda one: one.group):
        before = decision.before
        # What a decision that is not committed would say afterwards has the time of its plan in it.
        kept.append(replace(decision, after=before))
        if before is None:
            raise AssertionError(f"{decision.group} rests without a place")
        for copy in before.copies:
            copies.append((copy.cluster, assumed_copy(before, copy)))
        if before.placed and decision.group in tenants:
            usage = usage_of(before.copies)
            charges.append((decision.group, tenants[decision.group], usage))
    return RestingNamespace(
        state,
        clusters,
        tuple(kept),
        NamespaceCopies.of(copies),
        tuple(charges),
        warnings,
    )
