"""Gives one request what the fleet and its tenant's quota allow: pure, from one state to an assignment and the next.

Of the copies of a duplicated group each is placed where it fits, and the others wait. Of a divided group all copies fit
or nothing changes, and so it is where a quota does not suffice. A group that needs one cluster gets it whole or waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from reconciler.fleet.snapshot import Unreadable
from reconciler.kube_scheduler.gang import Gang
from reconciler.placement.choose import ClusterChoice, choose_cluster
from reconciler.placement.cluster_state import ClusterState
from reconciler.placement.filters import ClusterFilters, refused_candidates, within
from reconciler.placement.fleet_state import FleetState
from reconciler.placement.model import Candidate, Unplaced
from reconciler.placement.quota import QuotaUsage, limited, most, requested
from reconciler.placement.request import (
    AdmissionState,
    Assignment,
    PlacementRequest,
    WaitsFor,
)
from reconciler.placement.targets import (
    UNDIVIDED,
    DomainTarget,
    Targets,
    cluster_variants,
    targets_of,
)
from reconciler.policy.eligibility import Eligibility
from reconciler.policy.model import SpreadMode
from reconciler.reasons.copies import DivisionUnchanged, UpdateDoesNotFit, UpdateUnknown
from reconciler.reasons.reason import Reason
from reconciler.workloads.cluster_copy import ClusterCopy, gang_of_copy
from reconciler.workloads.group import Group, GroupKey
from reconciler.workloads.overrides import OverrideApplier


@dataclass(frozen=True, slots=True)
class Clusters:
    """What is fixed about clusters for a whole plan: the filters, and the labels of every cluster."""

    filters: ClusterFilters
    labels: Mapping[str, Mapping[str, str]]

    def applier(self, group: Group) -> OverrideApplier:
        """Return what applies the overrides of the group's policy."""
        return OverrideApplier(group.policy.changes, self.labels)


def assign(
    request: PlacementRequest, clusters: Clusters, state: AdmissionState
) -> tuple[Assignment, AdmissionState]:
    """Return what `request` gets, and the state in which it has that.

    Raises `InvalidObject` for overrides that do not apply, and for what cannot be divided.
    """
    group = request.group
    eligibility = clusters.filters.eligible(
        group, state.ray_clusters.filters(group.key)
    )
    if request.update or group.policy.spreading is not None:
        targets = targets_of(
            group,
            request.objects,
            request.copies,
            eligibility,
            clusters.applier(group),
            clusters.labels,
        )
        return assign_targets(request, targets, eligibility, clusters, state)
    return _assign_whole(request, eligibility, clusters, state)


def _assign_whole(
    request: PlacementRequest,
    eligibility: Eligibility,
    clusters: Clusters,
    state: AdmissionState,
) -> tuple[Assignment, AdmissionState]:
    """Place a new group whole on one cluster, if its quota allows it on any cluster that it may go to."""
    group, objects = request.group, request.objects
    applier = clusters.applier(group)
    if group.policy.changes:
        variants = cluster_variants(applier, objects, eligibility.clusters, UNDIVIDED)
        group = replace(group, cluster_variants=variants)
    waits_for = _waits_for(group, eligibility)
    if limited(group.tenant):
        refusal, usage = state.usage.enter(
            group, most(group.gang, eligibility.clusters)
        )
        if refusal is not None:
            lack = Unplaced("", refusal)
            return Assignment((), unplaced=(lack,), waits_for=waits_for), replace(
                state, usage=usage
            )
    choice, fleet = choose_cluster(group, eligibility, state.fleet)
    if not choice.cluster:
        lack = Unplaced("", choice.why)
        waits = Assignment(
            (),
            unplaced=(lack,),
            chosen=(choice,),
            candidates=choice.candidates,
            pending=((choice,),),
            waits_for=waits_for,
        )
        return waits, replace(state, fleet=fleet)
    copy = applier.for_cluster(objects, choice.cluster, UNDIVIDED)
    placed = Assignment((copy,), chosen=(choice,), candidates=choice.candidates)
    return placed, _charged(request, placed, replace(state, fleet=fleet))


def assign_targets(
    request: PlacementRequest,
    targets: Targets,
    eligibility: Eligibility,
    clusters: Clusters,
    state: AdmissionState,
) -> tuple[Assignment, AdmissionState]:
    """Bring a group to its targets, as far as capacity and quota allow."""
    group = request.group
    spread = group.policy.spreading
    divides = spread is not None and spread.mode is SpreadMode.DIVIDE
    placed = _Placing(list(targets.staying), [], list(targets.missing), [], state.fleet)
    quota = _check_update(request, targets, state.usage)
    if quota.refusal is None:
        placed.place(group, targets, eligibility, clusters.applier(group))
        quota = _check_copies(group, placed, quota.usage, divides=divides)
    count = targets.count
    nothing_changes = False
    if quota.refusal is not None:
        nothing_changes = True
        placed.refuse(quota.refusal, update=bool(request.copies))
    elif divides and placed.is_lacking:
        nothing_changes = True
        if request.copies:
            # What is lacking is said of the division as a whole, since none of its shares changes alone.
            placed.unplaced, placed.refused = [], [_division_stays(placed)]
            count = 1
    fleet, leaving = placed.fleet, targets.leaving
    # The last copy does not go before another one has a place.
    last_would_go = placed.unplaced and leaving and not placed.copies
    if nothing_changes or last_would_go:
        fleet, leaving = state.fleet, ()
        placed.copies = list(request.copies)
    made = Assignment(
        copies=tuple(sorted(placed.copies, key=lambda copy: copy.cluster)),
        released=leaving,
        unplaced=tuple(placed.unplaced),
        refused=tuple(placed.refused),
        chosen=tuple(placed.chosen),
        candidates=_candidates(request, targets, eligibility, placed.chosen),
        count=count,
        # Capacity is of no use to what the quota forbids.
        pending=()
        if quota.beyond is not None
        else _pending(placed, targets, divides=divides),
        waits_for=_waits_for(group, eligibility, request.copies),
    )
    fleet = _released(fleet, group.key, leaving)
    return made, _charged(request, made, replace(state, fleet=fleet, usage=quota.usage))


@dataclass(frozen=True, slots=True)
class _QuotaCheck:
    """What the quota of a group's tenant allows.

    `refusal`: why the group gets nothing new; `beyond`: why it may not have what waits, even with capacity for it.
    `usage` has what the group claims after a refusal.
    """

    refusal: Reason | None
    beyond: Reason | None
    usage: QuotaUsage


def _check_update(
    request: PlacementRequest, targets: Targets, usage: QuotaUsage
) -> _QuotaCheck:
    """Hold an update of the only copy against the quota, before capacity is looked for."""
    if not limited(request.group.tenant) or not _in_place(targets, request):
        return _QuotaCheck(None, None, usage)
    refusal, usage = usage.enter(request.group, usage_of(_wanted(targets)))
    return _QuotaCheck(refusal, refusal, usage)


def _check_copies(
    group: Group, placed: _Placing, usage: QuotaUsage, *, divides: bool
) -> _QuotaCheck:
    """Hold the copies that found capacity, and those that did not, against the quota."""
    if not limited(group.tenant):
        return _QuotaCheck(None, None, usage)
    now_placed = usage_of(placed.copies)
    with_pending = _with_pending(now_placed, placed.pending)
    # Of duplicates each copy that has a place counts; a division counts as a whole.
    refusal, usage = usage.enter(group, with_pending if divides else now_placed)
    beyond = refusal or usage.refusal(group.key, group.tenant, with_pending)
    return _QuotaCheck(refusal, beyond, usage)


def _candidates(
    request: PlacementRequest,
    targets: Targets,
    eligibility: Eligibility,
    chosen: Iterable[ClusterChoice],
) -> tuple[Candidate, ...]:
    """Return the clusters that were considered; none for a single copy that stays where it is."""
    if request.group.policy.spreading is None and len(request.copies) == 1:
        return ()
    considered = [candidate for choice in chosen for candidate in choice.candidates]
    return (*considered, *targets.excluded, *refused_candidates(eligibility))


def _pending(
    placed: _Placing, targets: Targets, *, divides: bool
) -> tuple[tuple[ClusterChoice, ...], ...]:
    """Return for which choices capacity is lacking, as `Assignment.pending` has them."""
    if not divides:
        # Duplicates get their copies one after another.
        return (placed.pending,) if placed.pending else ()
    if placed.copies or targets.missing:
        return ()
    # The shares of a division get theirs at once.
    return tuple((choice,) for choice in placed.chosen)


def _released(
    fleet: FleetState, group: GroupKey, leaving: Iterable[ClusterCopy]
) -> FleetState:
    """Return the fleet without the copies of a group that leave."""
    for copy in leaving:
        cluster = fleet.cluster(copy.cluster)
        if isinstance(cluster, ClusterState):
            fleet = fleet.with_cluster(cluster.release(group))
    return fleet


def _in_place(targets: Targets, request: PlacementRequest) -> bool:
    """Tell whether all that is asked for is an update of the only copy of a group that is not spread."""
    return (
        request.group.policy.spreading is None
        and len(request.copies) == 1
        and _changed(targets)
    )


def _changed(targets: Targets) -> bool:
    return any(target.changes for target in targets.domains)


def _wanted(targets: Targets) -> list[ClusterCopy]:
    return [target.wanted for target in targets.domains if target.wanted is not None]


@dataclass(slots=True)
class _Placing:
    """The copies of one group while its targets are gone through, in order."""

    copies: list[ClusterCopy]
    chosen: list[ClusterChoice]
    unplaced: list[Unplaced]
    refused: list[Unplaced]
    fleet: FleetState

    @property
    def pending(self) -> tuple[ClusterChoice, ...]:
        """The choices that found no cluster."""
        return tuple(choice for choice in self.chosen if not choice.cluster)

    @property
    def is_lacking(self) -> bool:
        """Whether a copy has no place, or an update does not fit."""
        return bool(self.unplaced or self.refused)

    def refuse(self, why: Reason, *, update: bool) -> None:
        """Refuse the whole group: `update` of what it has, or its first copies."""
        lack = Unplaced("the group", why)
        self.unplaced, self.refused = ([], [lack]) if update else ([lack], [])

    def place(
        self,
        group: Group,
        targets: Targets,
        eligibility: Eligibility,
        applier: OverrideApplier,
    ) -> None:
        """Go through the domains, best first: update the copy that is there, or choose a cluster for a new one."""
        for target in targets.domains:
            if target.current is None:
                self.place_new(group, target, eligibility, applier)
            else:
                self.update(group.key, target)

    def place_new(
        self,
        group: Group,
        target: DomainTarget,
        eligibility: Eligibility,
        applier: OverrideApplier,
    ) -> None:
        """Choose a cluster of the domain for a new copy."""
        variants = cluster_variants(
            applier, target.objects, target.clusters, target.division
        )
        members = tuple(item for item in target.objects if item.demand)
        part = replace(group, members=members, companions=(), cluster_variants=variants)
        choice, self.fleet = choose_cluster(
            part, within(eligibility, target.clusters), self.fleet
        )
        self.chosen.append(choice)
        if choice.cluster:
            copy = applier.for_cluster(
                target.objects, choice.cluster, target.division, target.share
            )
            self.copies.append(copy)
        else:
            self.unplaced.append(Unplaced(target.value, choice.why))

    def update(self, group: GroupKey, target: DomainTarget) -> None:
        """Bring a copy to what it should be, if that fits where it is."""
        current, wanted = target.current, target.wanted
        if current is None or wanted is None:
            return
        refusal: Reason | None = None
        if target.changes:
            refusal, self.fleet = update_copy(group, current, wanted, self.fleet)
        if refusal is not None:
            self.refused.append(Unplaced(current.cluster, refusal))
            self.copies.append(current)
        else:
            self.copies.append(wanted)


def update_copy(
    group: GroupKey, before: ClusterCopy, after: ClusterCopy, fleet: FleetState
) -> tuple[Reason | None, FleetState]:
    """Return why a copy does not fit as it should be now, None where it does, and the fleet where it does so."""
    # What makes the same pods needs no more than it has.
    if gang_of_copy(after) == gang_of_copy(before):
        return None, fleet
    state = fleet.cluster(before.cluster)
    if isinstance(state, Unreadable):
        return UpdateUnknown(before.cluster, state.reason), fleet
    fit, changed = state.update(group, before.deployed, after.deployed)
    if fit.ok:
        return None, fleet.with_cluster(changed)
    return UpdateDoesNotFit(before.cluster, fit.why), fleet


def usage_of(copies: Iterable[ClusterCopy]) -> dict[str, int]:
    """Return what `copies` request together, as `quota.requested` does; one whose jobs have ended uses nothing."""
    return requested(gang_of_copy(copy) for copy in copies if copy.job_result is None)


def _division_stays(placed: _Placing) -> Unplaced:
    refused = tuple(one.why for one in placed.refused)
    waiting = tuple((one.where, one.why) for one in placed.unplaced)
    return Unplaced("", DivisionUnchanged(refused, waiting))


def _with_pending(
    amounts: Mapping[str, int], pending: Iterable[ClusterChoice]
) -> dict[str, int]:
    """Return `amounts` with what the copies request that have no place."""
    total = dict(amounts)
    for choice in pending:
        variants = {
            one.cluster: choice.wanted.on(one.cluster).gang for one in choice.candidates
        }
        gang: Gang = replace(choice.wanted.gang, cluster_variants=variants)
        for name, amount in most(gang, variants).items():
            total[name] = total.get(name, 0) + amount
    return total


def _waits_for(
    group: Group, eligibility: Eligibility, copies: Iterable[ClusterCopy] = ()
) -> WaitsFor:
    # Groups share an eligibility, so the set of a thousand clusters is made once for all of them.
    clusters = eligibility.names
    own = frozenset(copy.cluster for copy in copies)
    if not own <= clusters:
        clusters |= own
    tenants = (
        frozenset({group.tenant.name}) if group.tenant is not None else frozenset()
    )
    return WaitsFor(clusters, tenants)


def _charged(
    request: PlacementRequest, made: Assignment, state: AdmissionState
) -> AdmissionState:
    """Return the state in which the group's tenant is charged for its copies, and its RayClusters are known."""
    usage = state.usage
    if limited(request.group.tenant):
        usage = usage.add_usage(
            request.key, request.group.tenant, usage_of(made.copies)
        )
    ray_clusters = state.ray_clusters.with_copies(request.key, made.copies)
    return replace(state, usage=usage, ray_clusters=ray_clusters)
