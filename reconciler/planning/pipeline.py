"""`plan(state, snapshot, now)`: from the repo and the fleet to decisions and commits, one pure step after another.

observe -> own -> transition -> request -> order -> admit -> decide -> render. The same input gives the same plan, byte
for byte: the preview in a pull request, the loop, the tests and replay all call it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from reconciler.fleet.snapshot import FleetSnapshot
from reconciler.lifecycle.ownership import Ownership, ownership
from reconciler.lifecycle.shared_objects import one_copy_each
from reconciler.placement.addons import addon_filters
from reconciler.placement.assign import Clusters
from reconciler.placement.decision import Decision
from reconciler.placement.filters import ClusterFilters
from reconciler.placement.fleet_state import BaselineCache, FleetState
from reconciler.placement.hold_window import next_change
from reconciler.placement.placed_group import PlacedGroup, waiting_since
from reconciler.placement.quota import beyond_quota
from reconciler.placement.ray_clusters import lost_ray_clusters
from reconciler.planning.addons import plan_addons, spread_of
from reconciler.planning.admit import admit
from reconciler.planning.admitted import Admitted, Clock
from reconciler.planning.assumed_copies import assumed_copies
from reconciler.planning.broken_files import file_group, unclaimed_files
from reconciler.planning.commits import drafts_of
from reconciler.planning.decide import decide, decide_file
from reconciler.planning.files import Files, blob_id
from reconciler.planning.fold_state import Admission
from reconciler.planning.guard import guard_report
from reconciler.planning.initial_state import (
    Observed,
    desired_state,
    fleet_of,
    initial_state,
    observe_placed,
    staying_groups,
)
from reconciler.planning.plan import Plan
from reconciler.planning.plan_cache import PlanCache
from reconciler.planning.state import RepoState
from reconciler.policy.eligibility import ClusterFacts
from reconciler.repo.folder import Entry
from reconciler.repo.writer import CommitDraft
from reconciler.workloads.group import Group, GroupKey
from reconciler.workloads.missing_references import missing_reference_warnings
from reconciler.workloads.overrides import without_effect
from reconciler.workloads.queue import unknown_classes


def plan(
    state: RepoState,
    snapshot: FleetSnapshot,
    now: float,
    cache: PlanCache | None = None,
) -> Plan:
    """Plan one cycle. `now` is in unix seconds; `cache`, that of earlier cycles, changes only how long it takes."""
    cache = cache or PlanCache()
    decisions, next_at = decide_groups(state, snapshot, now, cache.baselines)
    addons = plan_addons(state, snapshot, cache)
    drafts = drafts_of(state, decisions, snapshot.digest, cache, addons.files)
    after = _groups_after(decisions)
    warnings = (
        *_warnings(state, after),
        *lost_ray_clusters(after, snapshot),
        *addons.warnings,
    )
    placements = state.placements.values()
    return Plan(
        revision=state.revision,
        snapshot=snapshot.digest,
        decisions=decisions,
        drafts=drafts,
        changes=_changes(state.files, drafts),
        guard=guard_report(state.fleet.guards, placements, decisions, addons),
        warnings=warnings,
        next_at=next_at,
    )


def preview(
    state: RepoState,
    snapshot: FleetSnapshot,
    now: float,
) -> Plan:
    """Return the plan; where the guard would stop a cycle from carrying it out, its first warning says so."""
    made = plan(state, snapshot, now)
    objection = made.guard.objection
    if not objection:
        return made
    warning = f"a cycle would stop here: {objection}"
    return replace(made, warnings=(warning, *made.warnings))


def decide_groups(
    state: RepoState,
    snapshot: FleetSnapshot,
    now: float,
    baselines: BaselineCache | None = None,
) -> tuple[tuple[Decision, ...], float | None]:
    """Decide on every group; return the decisions, and when the same input could first give others.

    `now` is in unix seconds; `baselines` are those of earlier plans.
    """
    grouping = state.grouping
    clock = Clock(now, snapshot.digest)
    groups = {group.key: group for group in grouping.groups}
    owned = ownership(state.placements, grouping.groups, grouping.unread)
    desired = desired_state(state).keeping(owned.kept)
    # A giver that is not asked for any more uses its capacity until its objects have moved.
    stays = staying_groups(state.placements, groups, desired) | owned.givers
    observed = observe_placed(state, snapshot, now, stays, baselines)
    filters = (addon_filters(spread_of(state)),)
    cluster_filters = ClusterFilters(_cluster_facts(state), filters)
    clusters = Clusters(cluster_filters, state.labels)
    admission = _admission(state, groups, observed, owned, clusters, clock)
    start = initial_state(state, snapshot, observed, stays)
    admitted = admit(admission, desired, start)
    decisions = (
        *_group_decisions(state, admitted, clock),
        *_file_decisions(state, observed.placed, clock),
    )
    return decisions, _next_at(state, observed.fleet, decisions, now)


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
) -> Admission:
    """Return what the fold over the groups starts from."""
    broken = state.workloads.broken
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


def _file_decisions(
    state: RepoState,
    placed: Mapping[GroupKey, PlacedGroup],
    clock: Clock,
) -> list[Decision]:
    """Return the decision on each unreadable file that no group speaks for."""
    decisions = []
    for file in unclaimed_files(state, placed):
        key = file_group(file)
        before = state.placements.get(key)
        decisions.append(decide_file(file, key, before, clock))
    return decisions


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


def _changes(files: Files, drafts: Iterable[CommitDraft]) -> dict[str, str]:
    """Return what all drafts together do to each path, in order of path."""
    changes: dict[str, str] = {}
    for draft in drafts:
        for path, content in draft.changes.items():
            changes[path] = _change(files.root.entry(path), content)
    # A later draft may bring a path back to what it is now, which is no change.
    return {path: action for path, action in sorted(changes.items()) if action}


def _change(before: Entry | None, after: bytes | None) -> str:
    if before is None:
        return "" if after is None else "add"
    if after is None:
        return "delete"
    same = before.is_file and before.blob == blob_id(after)
    return "" if same else "modify"


def _warnings(state: RepoState, after: Iterable[PlacedGroup]) -> tuple[str, ...]:
    grouping = state.grouping
    groups = grouping.groups
    unplaced = [
        f"{item.place}: {item.key} is not placed: no policy matches it, and nothing that is placed refers to it"
        for item in grouping.unplaced
    ]
    places = {group.key: frozenset(group.clusters) for group in after}
    return (
        *state.workloads.warnings,
        *unplaced,
        *grouping.warnings,
        *missing_reference_warnings(groups, places),
        *unknown_classes(groups, state.classes),
        *beyond_quota(grouping),
        *without_effect(state.policies, groups, state.labels),
    )
