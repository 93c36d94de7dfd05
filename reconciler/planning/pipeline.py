"""`plan(state, snapshot, now)`: from the repo and the fleet to decisions and commits, one pure step after another.

observe -> own -> transition -> request -> order -> admit -> decide -> render. The same input gives the same plan, byte
for byte: the preview in a pull request, the loop, the tests and replay all call it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby

from reconciler.fleet.snapshot import FleetSnapshot
from reconciler.lifecycle.ownership import Ownership, ownership
from reconciler.lifecycle.shared_objects import one_copy_each
from reconciler.placement.addons import addon_filters
from reconciler.placement.assign import Clusters
from reconciler.placement.decision import Decision
from reconciler.placement.filters import ClusterFilters
from reconciler.placement.fleet_state import FleetState
from reconciler.placement.hold_window import next_change
from reconciler.placement.placed_group import PlacedGroup, waiting_since
from reconciler.placement.ray_clusters import RayClusters, lost_ray_clusters
from reconciler.planning.addons import plan_addons, spread_of
from reconciler.planning.admit import admit
from reconciler.planning.admitted import Admitted, Clock
from reconciler.planning.assumed_copies import assumed_copies
from reconciler.planning.broken_files import file_decisions, file_group
from reconciler.planning.commits import drafts_of, path_changes
from reconciler.planning.decide import decide
from reconciler.planning.fair_share import (
    NOTHING_LEFT,
    LeftOver,
    left_over,
)
from reconciler.planning.fold_state import Admission
from reconciler.planning.guard import guard_report
from reconciler.planning.initial_state import (
    Observed,
    desired_state,
    fleet_of,
    initial_state,
    observe_placed,
    staying_groups,
    tenant_of,
)
from reconciler.planning.plan import Plan
from reconciler.planning.plan_cache import PlanCache
from reconciler.planning.resting import (
    Charge,
    RestingNamespace,
    may_rest,
    resting_namespace,
)
from reconciler.planning.same import Same
from reconciler.planning.state import RepoState
from reconciler.planning.warnings import (
    NamespaceWarnings,
    joined_warnings,
    namespace_warnings,
)
from reconciler.policy.eligibility import ClusterFacts
from reconciler.workloads.group import Group, GroupKey
from reconciler.workloads.overrides import without_effect


def plan(
    state: RepoState,
    snapshot: FleetSnapshot,
    now: float,
    cache: PlanCache | None = None,
    *,
    all_groups: bool = False,
) -> Plan:
    """Plan one cycle. `now` is in unix seconds; `cache`, that of earlier cycles, changes only how long it takes.

    With `all_groups`, no group is left for a next cycle.
    """
    cache = cache or PlanCache()
    limit = None if all_groups else state.fleet.limits.decisions_per_cycle
    decided = decide_groups(state, snapshot, now, cache, limit)
    addons = plan_addons(state, snapshot, cache)
    drafts = drafts_of(state, decided.looked_at, snapshot.digest, cache, addons.files)
    placed = sum(one.placed.count for one in state.namespaces.values())
    guards = state.fleet.guards
    return Plan(
        revision=state.revision,
        snapshot=snapshot.digest,
        decisions=decided.decisions,
        drafts=drafts,
        changes=path_changes(state.files, drafts),
        guard=guard_report(guards, placed, decided.looked_at, addons),
        warnings=(*decided.warnings, *addons.warnings),
        next_at=decided.next_at,
        left=decided.left,
        decided_anything=any(one.changed for one in decided.looked_at),
    )


def preview(
    state: RepoState,
    snapshot: FleetSnapshot,
    now: float,
    *,
    all_groups: bool = False,
) -> Plan:
    """Return the plan; where the guard would stop a cycle from carrying it out, its first warning says so."""
    made = plan(state, snapshot, now, all_groups=all_groups)
    objection = made.guard.objection
    if not objection:
        return made
    warning = f"a cycle would stop here: {objection}"
    return replace(made, warnings=(warning, *made.warnings))


@dataclass(frozen=True, slots=True)
class Decided:
    """The decisions on all groups. `looked_at` are those of namespaces that do not rest; the others change nothing.

    The same input could first give other decisions at `next_at`, in unix seconds. `left`: how many groups wait for the
    next cycle.
    """

    decisions: tuple[Decision, ...]
    looked_at: tuple[Decision, ...]
    warnings: tuple[str, ...]
    next_at: float | None
    left: int = 0


def decide_groups(
    state: RepoState,
    snapshot: FleetSnapshot,
    now: float,
    cache: PlanCache | None = None,
    limit: int | None = None,
) -> Decided:
    """Decide on every group, of new ones on at most `limit`.

    `now` is in unix seconds; `cache` is that of earlier plans.
    """
    cache = cache or PlanCache()
    clusters = _clusters(state, cache)
    max_age = state.fleet.limits.snapshot_max_age
    changed = cache.resting.changed_clusters(state.clusters, snapshot, now, max_age)
    resting = cache.resting.still(state.namespaces, clusters, changed)
    # From here on the fleet is planned as if it had no other namespaces; what those use is counted as used.
    part = state
    if resting:
        part = state.only(state.namespaces.keys() - resting.keys())
    clock = Clock(now, snapshot.digest)
    charges: list[Charge] = []
    for one in resting.values():
        charges += one.charges
    admitted, observed, jobs, left = _admitted(
        part, snapshot, clusters, clock, cache, resting, charges, limit
    )
    group_decisions = _group_decisions(part, admitted, clock)
    files_decided, left_files = file_decisions(part, observed.placed, clock, limit)
    looked_at = (*group_decisions, *files_decided)
    after = _groups_after(looked_at)
    warned = {name: one.warnings for name, one in resting.items()}
    warned |= _namespace_warnings(part, after)
    unsettled = left.namespaces
    _let_rest(part, cache, clusters, admitted, group_decisions, jobs, warned, unsettled)
    warnings = (
        *joined_warnings(warned, state.outside),
        *_overrides_without_effect(state),
        *lost_ray_clusters(after, snapshot),
    )
    known = sum(map(_is_known, admitted))
    in_order = _in_order_of_keys(resting, looked_at[:known])
    decisions = (*in_order, *looked_at[known:])
    return Decided(
        decisions,
        looked_at,
        warnings,
        _next_at(state, observed.fleet, looked_at, now),
        len(left.groups) + left_files,
    )


def _clusters(state: RepoState, cache: PlanCache) -> Clusters:
    """Return what is fixed about clusters: once for the same inventory, add-ons and rules."""

    def made() -> Clusters:
        filters = (addon_filters(spread_of(state)),)
        cluster_filters = ClusterFilters(_cluster_facts(state), filters)
        return Clusters(cluster_filters, state.labels)

    key = (Same(state.clusters), Same(state.addons), Same(state.rules))
    return cache.clusters.of(key, made)


def _admitted(
    part: RepoState,
    snapshot: FleetSnapshot,
    clusters: Clusters,
    clock: Clock,
    cache: PlanCache,
    resting: Mapping[str, RestingNamespace],
    charges: Iterable[Charge],
    limit: int | None,
) -> tuple[tuple[Admitted, ...], Observed, RayClusters, LeftOver]:
    """Return what becomes of the groups of `part`, as the snapshot shows them, and which RayClusters they run on.

    The last is what is left for the next cycle, where no more than `limit` new groups may be decided on.
    """
    grouping = part.grouping
    groups = {group.key: group for group in grouping.groups}
    owned = ownership(part.placements, grouping.groups, grouping.unread)
    desired = desired_state(part).keeping(owned.kept)
    # A giver that is not asked for any more uses its capacity until its objects have moved.
    stays = staying_groups(part.placements, groups, desired) | owned.givers
    observed = observe_placed(
        part, snapshot, clock.now, stays, cache.baselines, cache.resting.copies
    )
    start = initial_state(part, snapshot, observed, stays, charges)
    left = NOTHING_LEFT
    if limit is not None:
        # A group that takes objects from another one must be there when that one lets them go.
        never = {transfer.taker for transfer in owned.transfers}
        after = start.ray_clusters.after
        left = left_over(
            grouping.groups, part.placements, part.classes, limit, after, never
        )
    admission = _admission(
        part, groups, observed, owned, clusters, clock, resting, left
    )
    return admit(admission, desired, start), observed, start.ray_clusters, left


def _is_known(result: Admitted) -> bool:
    """Tell whether a group had a place, or is gone: such results come first, by their keys."""
    placed = result.placed
    return placed is not None and (placed.placed or result.group is None)


def _in_order_of_keys(
    resting: Mapping[str, RestingNamespace], looked_at: Sequence[Decision]
) -> Iterable[Decision]:
    """Return the decisions of namespaces that rest, and those that were made anew, in order of their groups."""
    by_namespace: dict[str, Sequence[Decision]] = {
        name: one.decisions for name, one in resting.items()
    }
    for namespace, own in groupby(looked_at, key=lambda one: one.group.namespace):
        by_namespace[namespace] = list(own)
    return chain.from_iterable(by_namespace[name] for name in sorted(by_namespace))


def _let_rest(
    part: RepoState,
    cache: PlanCache,
    clusters: Clusters,
    admitted: Sequence[Admitted],
    decisions: Sequence[Decision],
    jobs: RayClusters,
    warnings: Mapping[str, NamespaceWarnings],
    unsettled: Collection[str],
) -> None:
    """Note the namespaces on which nothing new was decided, so that the next plan need not look at them.

    Those that are `unsettled` have groups that wait for the next cycle.
    """
    results: dict[str, list[Admitted]] = {name: [] for name in part.namespaces}
    made: dict[str, list[Decision]] = {name: [] for name in part.namespaces}
    stirred = set(unsettled)
    for one, decision in zip(admitted, decisions, strict=True):
        namespace = one.key.namespace
        results[namespace].append(one)
        made[namespace].append(decision)
        if decision.changed:
            stirred.add(namespace)
    with_tenants = bool(part.tenancy.tenants)
    for name in results.keys() - stirred:
        state = part.namespaces[name]
        if not may_rest(state, results[name], jobs):
            continue
        tenants = {}
        if with_tenants:
            tenants = {one.key: tenant_of(part, one.key) for one in results[name]}
        rests = resting_namespace(state, clusters, made[name], tenants, warnings[name])
        cache.resting.put(name, rests)


def fleet_state(
    state: RepoState,
    snapshot: FleetSnapshot,
    now: float,
) -> FleetState:
    """Return the fleet with what is assumed for placed groups that stay, as a plan finds it."""
    asked = {group.key for group in state.grouping.groups}
    stays = staying_groups(state.placements, asked, desired_state(state))
    assumed = assumed_copies(state.placements, stays)
    return fleet_of(state, snapshot, now, assumed, None)


def _admission(
    state: RepoState,
    groups: Mapping[GroupKey, Group],
    observed: Observed,
    owned: Ownership,
    clusters: Clusters,
    clock: Clock,
    resting: Collection[str],
    left: LeftOver,
) -> Admission:
    """Return what the fold over the groups starts from; namespaces `resting` have groups as well."""
    broken = [file for file in state.workloads.broken if file.reported]
    return Admission(
        groups=groups,
        before=state.placements,
        placed=observed.placed,
        statuses=observed.statuses,
        transfers=owned.transfers,
        unread=state.grouping.unread,
        passed_over=frozenset(map(file_group, broken)),
        clusters=clusters,
        fairness=state.fleet.fairness,
        clock=clock,
        resting=resting,
        left=left,
    )


def _cluster_facts(state: RepoState) -> list[ClusterFacts]:
    """Return what filters may know of each cluster."""
    facts = []
    for cluster in state.clusters:
        known = ClusterFacts(
            name=cluster.name,
            labels=cluster.labels,
            taints=cluster.taints,
            cordoned=cluster.cordoned,
        )
        facts.append(known)
    return facts


def _group_decisions(
    state: RepoState,
    admitted: Sequence[Admitted],
    clock: Clock,
) -> list[Decision]:
    """Return the decision on each group, with one form of each shared companion on a cluster."""
    copies = {one.key: one.copies for one in admitted}
    shared = one_copy_each(copies, state.workloads.objects)
    return [decide(one, clock, shared.get(one.key)) for one in admitted]


def _groups_after(decisions: Iterable[Decision]) -> list[PlacedGroup]:
    """Return the groups that there are once a plan is carried out; a retired one is gone."""
    groups = []
    for decision in decisions:
        if decision.after is not None:
            groups.append(decision.after)
    return groups


def _next_at(
    state: RepoState,
    fleet: FleetState,
    decisions: Iterable[Decision],
    now: float,
) -> float | None:
    """Return when the same input could first give another plan: a hold begins or ends, or a live snapshot ages out."""
    fairness = state.fleet.fairness
    times = []
    for decision in decisions:
        since = waiting_since(decision.before)
        # For a group that begins to wait in this plan, the same input has no time from which a hold counts.
        if since is None:
            continue
        after = decision.placement
        if after is not None and after.waits:
            times.append(next_change(fairness, since, now))
    stale = fleet.stale_at()
    if stale is not None:
        times.append(stale)
    return min(times, default=None)


def _namespace_warnings(
    part: RepoState, after: Iterable[PlacedGroup]
) -> dict[str, NamespaceWarnings]:
    places = {group.key: frozenset(group.clusters) for group in after}
    found = {}
    for name, state in part.namespaces.items():
        found[name] = namespace_warnings(state, part.classes, places)
    return found


def _overrides_without_effect(state: RepoState) -> tuple[str, ...]:
    """Return a warning for each override that nothing can get; all groups matter to that."""
    if not any(policy.changes for policy in state.policies):
        return ()
    return without_effect(state.policies, state.grouping.groups, state.labels)
