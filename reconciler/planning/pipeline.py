"""`plan(state, snapshot, now)`: from the repo and the fleet to decisions and commits, one pure step after another.

observe -> own -> transition -> request -> order -> admit -> decide -> render. The same input gives the same plan, byte
for byte: the preview in a pull request, the loop, the tests and replay all call it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from reconciler.fleet.snapshot import FleetSnapshot
from reconciler.lifecycle.desired import DesiredState
from reconciler.lifecycle.observe import CopyStatus, observe, with_results
from reconciler.lifecycle.ownership import ownership
from reconciler.lifecycle.shared_objects import one_copy_each
from reconciler.lifecycle.transitions import kept_unasked
from reconciler.manifests.identity import is_dns_label
from reconciler.placement.addons import addon_filters
from reconciler.placement.assign import Clusters, usage_of
from reconciler.placement.assumed_pods import AssumedCopy
from reconciler.placement.decision import Decision
from reconciler.placement.filters import ClusterFilters
from reconciler.placement.fleet_state import BaselineCache, FleetState
from reconciler.placement.hold_window import next_change
from reconciler.placement.placed_group import PlacedGroup, waiting_since
from reconciler.placement.quota import QuotaUsage, beyond_quota
from reconciler.placement.ray_clusters import RayClusters, lost_ray_clusters
from reconciler.placement.request import AdmissionState
from reconciler.planning.addons import plan_addons, spread_of
from reconciler.planning.admit import admit
from reconciler.planning.admitted import Clock
from reconciler.planning.assumed_copies import assumed_copies
from reconciler.planning.commits import drafts_of
from reconciler.planning.decide import decide, decide_file
from reconciler.planning.fold_state import Admission
from reconciler.planning.guard import guard_report
from reconciler.planning.plan import Plan
from reconciler.planning.plan_cache import PlanCache
from reconciler.planning.state import RepoState
from reconciler.policy.eligibility import ClusterFacts
from reconciler.policy.groups import as_dns_label
from reconciler.workloads.group import BrokenFile, GroupKey
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
    changes: dict[str, str] = {}
    for draft in drafts:
        for path, content in draft.changes.items():
            changes[path] = _change(state.rendered.get(path), content)
    after = [decision.after for decision in decisions if decision.after is not None]
    warnings = (
        *_warnings(state, after),
        *lost_ray_clusters(after, snapshot),
        *addons.warnings,
    )
    return Plan(
        state.revision,
        snapshot.digest,
        decisions,
        drafts,
        {path: action for path, action in sorted(changes.items()) if action},
        guard_report(state.fleet.guards, state.placements.values(), decisions, addons),
        warnings,
        next_at,
    )


def preview(state: RepoState, snapshot: FleetSnapshot, now: float) -> Plan:
    """Return the plan; where the guard would stop a cycle from carrying it out, its first warning says so."""
    made = plan(state, snapshot, now)
    if not made.guard.objection:
        return made
    return replace(
        made,
        warnings=(f"a cycle would stop here: {made.guard.objection}", *made.warnings),
    )


def decide_groups(
    state: RepoState,
    snapshot: FleetSnapshot,
    now: float,
    baselines: BaselineCache | None = None,
) -> tuple[tuple[Decision, ...], float | None]:
    """Decide on every group; return the decisions, and when the same input could first give others.

    `now` is in unix seconds; `baselines` are those of earlier plans.
    """
    owned = ownership(state.placements, state.grouping.groups, state.grouping.unread)
    placed = dict(state.placements)
    desired = desired_state(state).keeping(owned.kept)
    groups = {group.key: group for group in state.grouping.groups}
    stays = _staying(placed, groups.keys(), desired) | owned.givers
    fleet = _fleet_state(state, snapshot, now, assumed_copies(placed, stays), baselines)
    statuses = {
        key: observe(group.copies, fleet)
        for key, group in placed.items()
        if group.placed
    }
    observed = _with_results(placed, statuses)
    if observed:
        placed |= observed
        fleet = fleet.reopened(assumed_copies(placed, stays))
    staying = [placed[key] for key in sorted(stays)]
    start = AdmissionState(
        fleet,
        _quota_usage(state, staying),
        RayClusters.of(state.grouping.groups, state.workloads, staying, snapshot),
    )
    labels = {cluster.name: cluster.labels for cluster in state.clusters}
    facts = [
        ClusterFacts(one.name, one.labels, one.taints, one.cordoned)
        for one in state.clusters
    ]
    clock = Clock(now, snapshot.digest)
    admission = Admission(
        groups=groups,
        before=state.placements,
        placed=placed,
        statuses=statuses,
        transfers=owned.transfers,
        unread=state.grouping.unread,
        passed_over=frozenset(_file_group(file) for file in state.workloads.broken),
        clusters=Clusters(
            ClusterFilters(facts, (addon_filters(spread_of(state)),)), labels
        ),
        fairness=state.fleet.fairness,
        clock=clock,
    )
    admitted = admit(admission, desired, start)
    shared = one_copy_each(
        {one.key: one.copies for one in admitted}, state.workloads.objects
    )
    decisions = [decide(one, clock, shared.get(one.key)) for one in admitted]
    for file in _unclaimed(state, placed):
        key = _file_group(file)
        decisions.append(decide_file(file, key, state.placements.get(key), clock))
    return tuple(decisions), _next_at(state, fleet, decisions, now)


def desired_state(state: RepoState) -> DesiredState:
    """Return what `workloads/` asks for."""
    jobs = {}
    for group in state.placements.values():
        for item in group.admitted:
            if item.is_batch:
                jobs[item.key] = group.key
    return DesiredState(
        frozenset(item.key for item in state.workloads.objects),
        frozenset(item.key for item in state.grouping.unplaced),
        frozenset(file.path for file in state.workloads.broken),
        jobs,
    )


def fleet_state(state: RepoState, snapshot: FleetSnapshot, now: float) -> FleetState:
    """Return the fleet with what is assumed for placed groups that stay, as a plan finds it."""
    stays = _staying(
        state.placements,
        {group.key for group in state.grouping.groups},
        desired_state(state),
    )
    return _fleet_state(
        state, snapshot, now, assumed_copies(state.placements, stays), None
    )


def _fleet_state(
    state: RepoState,
    snapshot: FleetSnapshot,
    now: float,
    assumed: Mapping[str, Sequence[AssumedCopy]],
    baselines: BaselineCache | None,
) -> FleetState:
    if baselines is not None:
        baselines.retain(cluster.name for cluster in state.clusters)
    return FleetState.of(
        state.clusters,
        snapshot,
        assumed,
        now,
        state.fleet.limits.snapshot_max_age,
        baselines,
    )


def _staying(
    placed: Mapping[GroupKey, PlacedGroup],
    asked: Iterable[GroupKey],
    desired: DesiredState,
) -> set[GroupKey]:
    """Return the placed groups whose capacity stays in use: those that are asked for, or kept all the same."""
    wanted = frozenset(asked)
    stays = set()
    for key, group in placed.items():
        if group.placed and (key in wanted or kept_unasked(group, desired) is not None):
            stays.add(key)
    return stays


def _quota_usage(state: RepoState, staying: Iterable[PlacedGroup]) -> QuotaUsage:
    """Return what tenants use with everything that stays placed; a job that has ended uses nothing any more."""
    charged = []
    for group in staying if state.tenancy.tenants else ():
        written = state.workloads.namespaces.get(group.key.namespace)
        owner = state.tenancy.owner(
            group.key.namespace, written.labels if written else {}
        )
        charged.append((group.key, owner.tenant, usage_of(group.copies)))
    return QuotaUsage.of(state.tenancy.tenants, charged)


def _with_results(
    placed: Mapping[GroupKey, PlacedGroup],
    statuses: Mapping[GroupKey, tuple[CopyStatus, ...]],
) -> dict[GroupKey, PlacedGroup]:
    """Return the groups of which the jobs of a copy have ended since the last decision, with these results."""
    found = {}
    for key, seen in statuses.items():
        copies = with_results(placed[key].copies, seen)
        if any(
            new is not old for new, old in zip(copies, placed[key].copies, strict=True)
        ):
            found[key] = replace(placed[key], copies=copies)
    return found


def _next_at(
    state: RepoState, fleet: FleetState, decisions: Iterable[Decision], now: float
) -> float | None:
    """Return when the same input could first give another plan: a hold begins or ends, or a live snapshot ages out."""
    times = []
    for decision in decisions:
        since = waiting_since(decision.before)
        if (
            since is not None
            and decision.placement is not None
            and decision.placement.waits
        ):
            times.append(next_change(state.fleet.fairness, since, now))
    stale = fleet.stale_at()
    if stale is not None:
        times.append(stale)
    return min(times, default=None)


def _file_group(file: BrokenFile) -> GroupKey:
    """Return the name under which a file that cannot be read is reported."""
    stem = file.path.split("/", 2)[2].rsplit(".", 1)[0]
    return GroupKey(file.namespace, as_dns_label(f"file-{stem}"))


def _unclaimed(
    state: RepoState, placed: Mapping[GroupKey, PlacedGroup]
) -> list[BrokenFile]:
    """Return the unreadable files that no group speaks for, and that a Placement can be written for.

    A group speaks for its file where all of it is in there, so that it stays as it is and says why.
    """
    reported = {_file_group(file) for file in state.workloads.broken}
    silent = reported | {group.key for group in state.grouping.groups}
    claimed = {
        path
        for key, group in placed.items()
        if key not in silent
        for path in group.sources
    }
    return [
        file
        for file in state.workloads.broken
        if file.path not in claimed and is_dns_label(file.namespace)
    ]


def _change(before: bytes | None, after: bytes | None) -> str:
    if before == after:
        return ""
    if before is None:
        return "add"
    return "delete" if after is None else "modify"


def _warnings(state: RepoState, after: Iterable[PlacedGroup]) -> tuple[str, ...]:
    grouping = state.grouping
    unplaced = [
        f"{item.place}: {item.key} is not placed: no policy matches it, and nothing that is placed refers to it"
        for item in grouping.unplaced
    ]
    labels = {cluster.name: cluster.labels for cluster in state.clusters}
    places = {group.key: frozenset(group.clusters) for group in after}
    return (
        *state.workloads.warnings,
        *unplaced,
        *grouping.warnings,
        *missing_reference_warnings(grouping.groups, places),
        *unknown_classes(grouping.groups, state.classes),
        *beyond_quota(grouping),
        *without_effect(state.policies, grouping.groups, labels),
    )
