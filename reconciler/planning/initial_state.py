"""What a plan starts from: what users ask for, and the capacity and quota that placed groups use already."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.fleet.snapshot import FleetSnapshot
from reconciler.lifecycle.desired import DesiredState
from reconciler.lifecycle.observe import CopyStatus, observe, with_results
from reconciler.lifecycle.transitions import kept_unasked
from reconciler.placement.assign import usage_of
from reconciler.placement.assumed_pods import AssumedCopy
from reconciler.placement.fleet_state import BaselineCache, FleetState
from reconciler.placement.placed_group import PlacedGroup
from reconciler.placement.quota import QuotaUsage
from reconciler.placement.ray_clusters import RayClusters
from reconciler.placement.request import AdmissionState
from reconciler.placement.resting_copies import RestingCopies
from reconciler.planning.assumed_copies import assumed_copies
from reconciler.planning.resting import Charge
from reconciler.planning.state import RepoState
from reconciler.policy.tenant import Tenant
from reconciler.workloads.group import GroupKey


@dataclass(frozen=True, slots=True)
class Observed:
    """The placed groups as a snapshot shows them.

    `placed` are all groups with a record, with the results of jobs that have ended since. `statuses` are those of the
    copies of groups that have a place. `fleet` has what the staying groups use.
    """

    placed: Mapping[GroupKey, PlacedGroup]
    statuses: Mapping[GroupKey, tuple[CopyStatus, ...]]
    fleet: FleetState


def desired_state(state: RepoState) -> DesiredState:
    """Return what `workloads/` asks for."""
    workloads = state.workloads
    jobs = {}
    for group in state.placements.values():
        for item in group.admitted:
            # A batch object stays with the group that it was placed with, so that it does not run twice.
            if item.is_batch:
                jobs[item.key] = group.key
    beyond = {}
    for file in workloads.broken:
        if file.beyond is not None:
            beyond[file.path] = file.problem
    return DesiredState(
        keys=frozenset(item.key for item in workloads.objects),
        unclaimed=frozenset(item.key for item in state.grouping.unplaced),
        broken=frozenset(file.path for file in workloads.broken),
        jobs=jobs,
        beyond=beyond,
    )


def staying_groups(
    placed: Mapping[GroupKey, PlacedGroup],
    asked: Iterable[GroupKey],
    desired: DesiredState,
) -> set[GroupKey]:
    """Return the placed groups whose capacity stays in use: those that are asked for, or kept all the same."""
    wanted = frozenset(asked)
    stays = set()
    for key, group in placed.items():
        # A group that waits has no copies, so it uses nothing.
        if not group.placed:
            continue
        if key in wanted or kept_unasked(group, desired) is not None:
            stays.add(key)
    return stays


def fleet_of(
    state: RepoState,
    snapshot: FleetSnapshot,
    now: float,
    assumed: Mapping[str, Sequence[AssumedCopy]],
    baselines: BaselineCache | None,
    resting: RestingCopies | None = None,
) -> FleetState:
    """Return the fleet with the `assumed` copies of each cluster; `baselines` are those of earlier plans.

    `resting` are the copies of namespaces that are not looked at.
    """
    if baselines is not None:
        # A cluster that left the inventory is not looked at again.
        baselines.retain(cluster.name for cluster in state.clusters)
    max_age = state.fleet.limits.snapshot_max_age
    return FleetState.of(
        state.clusters, snapshot, assumed, now, max_age, baselines, resting
    )


def observe_placed(
    state: RepoState,
    snapshot: FleetSnapshot,
    now: float,
    stays: Collection[GroupKey],
    baselines: BaselineCache | None,
    resting: RestingCopies,
) -> Observed:
    """Return what the snapshot shows of placed groups; those that stay use their capacity."""
    placed = dict(state.placements)
    assumed = assumed_copies(placed, stays)
    fleet = fleet_of(state, snapshot, now, assumed, baselines, resting)
    statuses = {}
    for key, group in placed.items():
        if group.placed:
            statuses[key] = observe(group.copies, fleet)
    ended = _with_results(placed, statuses)
    if ended:
        # What has ended uses nothing any more, which may be enough for a group that waits.
        placed |= ended
        fleet = fleet.reopened(assumed_copies(placed, stays))
    return Observed(placed, statuses, fleet)


def initial_state(
    state: RepoState,
    snapshot: FleetSnapshot,
    observed: Observed,
    stays: Collection[GroupKey],
    charges: Iterable[Charge],
) -> AdmissionState:
    """Return the capacity, the quota and the RayClusters that the first request of a plan finds.

    `charges` are what groups use that are not looked at.
    """
    staying = [observed.placed[key] for key in sorted(stays)]
    usage = QuotaUsage.of(state.tenancy.tenants, (*charges, *_charges(state, staying)))
    groups = state.grouping.groups
    ray_clusters = RayClusters.of(groups, state.workloads, staying, snapshot)
    return AdmissionState(observed.fleet, usage, ray_clusters)


def _with_results(
    placed: Mapping[GroupKey, PlacedGroup],
    statuses: Mapping[GroupKey, tuple[CopyStatus, ...]],
) -> dict[GroupKey, PlacedGroup]:
    """Return the groups of which the jobs of a copy have ended since the last decision, with these results."""
    found = {}
    for key, seen in statuses.items():
        group = placed[key]
        copies = with_results(group.copies, seen)
        pairs = zip(copies, group.copies, strict=True)
        # A copy without a new result is the same object.
        if any(new is not old for new, old in pairs):
            found[key] = replace(group, copies=copies)
    return found


def _charges(state: RepoState, staying: Iterable[PlacedGroup]) -> list[Charge]:
    """Return what groups that stay placed use of their tenants' quotas; a job that has ended uses nothing any more."""
    charged: list[Charge] = []
    # Without tenants nothing is charged, so what each group requests need not be added up.
    for group in staying if state.tenancy.tenants else ():
        tenant = tenant_of(state, group.key)
        charged.append((group.key, tenant, usage_of(group.copies)))
    return charged


def tenant_of(state: RepoState, group: GroupKey) -> Tenant | None:
    """Return the tenant of a group's namespace; None where none has it."""
    workloads = state.namespaces[group.namespace].workloads
    written = workloads.namespaces.get(group.namespace)
    labels = written.labels if written else {}
    return state.tenancy.owner(group.namespace, labels).tenant
