"""Gives one request what the fleet and its tenant's quota allow: pure, from one state to an assignment and the next.

Of the copies of a duplicated group each is placed where it fits, and the others wait. Of a divided group all copies fit
or nothing changes, and so it is where a quota does not suffice. A group that needs one cluster gets it whole or waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from reconciler.kube_scheduler.gang import Gang
from reconciler.placement.choose import ClusterChoice, choose_cluster
from reconciler.placement.cluster_state import ClusterState
from reconciler.placement.division import UNDIVIDED
from reconciler.placement.filters import ClusterFilters, refused_candidates
from reconciler.placement.fleet_state import FleetState
from reconciler.placement.model import Candidate, Unplaced
from reconciler.placement.placing import Placing
from reconciler.placement.quota import QuotaUsage, limited, most, requested
from reconciler.placement.request import (
    AdmissionState,
    Assignment,
    PlacementRequest,
    WaitsFor,
)
from reconciler.placement.targets import (
    Targets,
    cluster_variants,
    targets_of,
)
from reconciler.policy.eligibility import Eligibility
from reconciler.policy.model import SpreadMode
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
    request: PlacementRequest,
    clusters: Clusters,
    state: AdmissionState,
) -> tuple[Assignment, AdmissionState]:
    """Return what `request` gets, and the state in which it has that.

    Raises `InvalidObject` for overrides that do not apply, and for what cannot be divided.
    """
    group = request.group
    more_filters = state.ray_clusters.filters(group.key)
    eligibility = clusters.filters.eligible(group, more_filters)
    # Only a new group that needs one cluster has no copies to compare with what it should have.
    if not request.update and group.policy.spreading is None:
        return _assign_whole(request, eligibility, clusters, state)
    applier = clusters.applier(group)
    targets = targets_of(
        group,
        request.objects,
        request.copies,
        eligibility,
        applier,
        clusters.labels,
    )
    return assign_targets(request, targets, eligibility, clusters, state)


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
    if limited(group.tenant):
        # It is not known yet where it goes, so it counts as what it needs most of on any cluster.
        needs = most(group.gang, eligibility.clusters)
        refusal, usage = state.usage.enter(group, needs)
        if refusal is not None:
            refused = _waits(refusal, group, eligibility)
            return refused, replace(state, usage=usage)
    choice, fleet = choose_cluster(group, eligibility, state.fleet)
    state = replace(state, fleet=fleet)
    if not choice.cluster:
        waits = _waits(choice.why, group, eligibility)
        return _with_choice(waits, choice), state
    copy = applier.for_cluster(objects, choice.cluster, UNDIVIDED)
    placed = Assignment(
        copies=(copy,),
        chosen=(choice,),
        candidates=choice.candidates,
    )
    return placed, _charged(request, placed, state)


def _waits(
    why: Reason,
    group: Group,
    eligibility: Eligibility,
) -> Assignment:
    """Return what a new group gets that gets nothing."""
    return Assignment(
        copies=(),
        unplaced=(Unplaced("", why),),
        waits_for=_waits_for(group, eligibility),
    )


def _with_choice(waits: Assignment, choice: ClusterChoice) -> Assignment:
    """Return the assignment of a group for which `choice` found no capacity."""
    return replace(
        waits,
        chosen=(choice,),
        candidates=choice.candidates,
        pending=((choice,),),
    )


def assign_targets(
    request: PlacementRequest,
    targets: Targets,
    eligibility: Eligibility,
    clusters: Clusters,
    state: AdmissionState,
) -> tuple[Assignment, AdmissionState]:
    """Bring a group to its targets, as far as capacity and quota allow."""
    group = request.group
    placing = Placing.of(targets, state.fleet)
    quota = _check_update(request, targets, state.usage)
    if quota.refusal is None:
        applier = clusters.applier(group)
        placing.place(group, targets.domains, eligibility, applier)
        quota = _check_copies(group, placing, quota.usage)
    _keep_what_cannot_change(request, placing, quota, state.fleet)

    candidates = _candidates(request, targets, eligibility, placing.chosen)
    pending = _pending(group, placing, targets, quota)
    waits_for = _waits_for(group, eligibility, request.copies)
    made = placing.assignment(candidates, pending, waits_for)
    fleet = _released(placing.fleet, group.key, placing.leaving)
    state = replace(state, fleet=fleet, usage=quota.usage)
    return made, _charged(request, made, state)


def _keep_what_cannot_change(
    request: PlacementRequest,
    placing: Placing,
    quota: _QuotaCheck,
    before: FleetState,
) -> None:
    """Go back to the copies that a group had, in the fleet `before`, where it cannot have the new ones."""
    had = request.copies
    # The last copy does not go before another one has a place.
    last_would_go = placing.unplaced and placing.leaving and not placing.copies
    if quota.refusal is not None:
        placing.refuse(quota.refusal, update=bool(had))
        placing.keep(had, before)
    elif _divides(request.group) and placing.is_lacking:
        if had:
            placing.refuse_division()
        placing.keep(had, before)
    elif last_would_go:
        placing.keep(had, before)


def _divides(group: Group) -> bool:
    """Tell whether the group's policy divides its replicas among domains."""
    spread = group.policy.spreading
    return spread is not None and spread.mode is SpreadMode.DIVIDE


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
    request: PlacementRequest,
    targets: Targets,
    usage: QuotaUsage,
) -> _QuotaCheck:
    """Hold an update of the only copy against the quota, before capacity is looked for."""
    if not limited(request.group.tenant):
        return _QuotaCheck(None, None, usage)
    # Others are held against the quota once it is known which copies have a place.
    if not _in_place(targets, request):
        return _QuotaCheck(None, None, usage)
    needs = usage_of(_wanted(targets))
    refusal, usage = usage.enter(request.group, needs)
    return _QuotaCheck(refusal, refusal, usage)


def _check_copies(
    group: Group,
    placing: Placing,
    usage: QuotaUsage,
) -> _QuotaCheck:
    """Hold the copies that found capacity, and those that did not, against the quota."""
    if not limited(group.tenant):
        return _QuotaCheck(None, None, usage)
    now_placed = usage_of(placing.copies)
    with_pending = _with_pending(now_placed, placing.pending)
    # Of duplicates each copy that has a place counts; a division counts as a whole.
    counted = with_pending if _divides(group) else now_placed
    refusal, usage = usage.enter(group, counted)
    beyond = refusal
    if beyond is None:
        # What has a place is within the quota; with the rest it may not be.
        beyond = usage.refusal(group.key, group.tenant, with_pending)
    return _QuotaCheck(refusal, beyond, usage)


def _candidates(
    request: PlacementRequest,
    targets: Targets,
    eligibility: Eligibility,
    chosen: Iterable[ClusterChoice],
) -> tuple[Candidate, ...]:
    """Return the clusters that were considered; none for a single copy that stays where it is."""
    # It was not compared with other clusters.
    if _has_single_copy(request):
        return ()
    considered: list[Candidate] = []
    for choice in chosen:
        considered += choice.candidates
    return (*considered, *targets.excluded, *refused_candidates(eligibility))


def _pending(
    group: Group,
    placing: Placing,
    targets: Targets,
    quota: _QuotaCheck,
) -> tuple[tuple[ClusterChoice, ...], ...]:
    """Return for which choices capacity is lacking, as `Assignment.pending` has them."""
    # Capacity is of no use to what the quota forbids.
    if quota.beyond is not None:
        return ()
    if not _divides(group):
        # Duplicates get their copies one after another.
        return (placing.pending,) if placing.pending else ()
    # Capacity is not what keeps a division waiting that is placed, or that has a domain without clusters.
    if placing.copies or targets.missing:
        return ()
    # The shares of a division get theirs at once.
    return tuple((choice,) for choice in placing.chosen)


def _released(
    fleet: FleetState,
    group: GroupKey,
    leaving: Iterable[ClusterCopy],
) -> FleetState:
    """Return the fleet without the copies of a group that leave."""
    for copy in leaving:
        cluster = fleet.cluster(copy.cluster)
        if isinstance(cluster, ClusterState):
            fleet = fleet.with_cluster(cluster.release(group))
    return fleet


def _in_place(targets: Targets, request: PlacementRequest) -> bool:
    """Tell whether all that is asked for is an update of the only copy of a group that is not spread."""
    if not _has_single_copy(request):
        return False
    return any(target.changes for target in targets.domains)


def _has_single_copy(request: PlacementRequest) -> bool:
    """Tell whether a group that is not spread has one copy, which then stays where it is."""
    is_spread = request.group.policy.spreading is not None
    return not is_spread and len(request.copies) == 1


def _wanted(targets: Targets) -> list[ClusterCopy]:
    return [target.wanted for target in targets.domains if target.wanted is not None]


def usage_of(copies: Iterable[ClusterCopy]) -> dict[str, int]:
    """Return what `copies` request together, as `quota.requested` does; one whose jobs have ended uses nothing."""
    return requested(gang_of_copy(copy) for copy in copies if copy.job_result is None)


def _with_pending(
    amounts: Mapping[str, int], pending: Iterable[ClusterChoice]
) -> dict[str, int]:
    """Return `amounts` with what the copies request that have no place."""
    total = dict(amounts)
    for choice in pending:
        variants: dict[str, Gang] = {}
        for candidate in choice.candidates:
            wanted = choice.wanted.on(candidate.cluster)
            variants[candidate.cluster] = wanted.gang
        gang = replace(choice.wanted.gang, cluster_variants=variants)
        # It is not known yet where it goes, so it counts as what it needs most of on any cluster.
        needs = most(gang, variants)
        for name, amount in needs.items():
            total[name] = total.get(name, 0) + amount
    return total


def _waits_for(
    group: Group,
    eligibility: Eligibility,
    copies: Iterable[ClusterCopy] = (),
) -> WaitsFor:
    # Groups share an eligibility, so the set of a thousand clusters is made once for all of them.
    clusters = eligibility.names
    own = frozenset(copy.cluster for copy in copies)
    if not own <= clusters:
        clusters |= own
    if group.tenant is None:
        return WaitsFor(clusters)
    return WaitsFor(clusters, frozenset({group.tenant.name}))


def _charged(
    request: PlacementRequest,
    made: Assignment,
    state: AdmissionState,
) -> AdmissionState:
    """Return the state in which the group's tenant is charged for its copies, and its RayClusters are known."""
    tenant, usage = request.group.tenant, state.usage
    if limited(tenant):
        amounts = usage_of(made.copies)
        usage = usage.add_usage(request.key, tenant, amounts)
    ray_clusters = state.ray_clusters.with_copies(request.key, made.copies)
    return replace(state, usage=usage, ray_clusters=ray_clusters)
