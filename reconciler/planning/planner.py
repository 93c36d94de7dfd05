"""`plan(state, snapshot, now)`: the one pure function that everything hangs on.

It decides on every group, in the order: groups that have a place, then the queue of those that have none, then those
that nobody asks for any more. Each decision that changes place, outcome or reason becomes one commit; the files of all
of them together are what a clean rendering would write.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from reconciler.errors import GuardTripped, InvalidObject
from reconciler.fleet.snapshot import FleetSnapshot
from reconciler.lifecycle.ownership import regroup
from reconciler.lifecycle.shared_objects import agreed
from reconciler.lifecycle.standing import Asked, follow, kept_unasked, leave
from reconciler.manifests.identity import ObjectKey, is_dns_label
from reconciler.placement.addons import Equipped
from reconciler.placement.attached import Attachments, lost_warnings
from reconciler.placement.choice import choose
from reconciler.placement.entering import enter
from reconciler.placement.model import Action, Candidate, Decision, Phase
from reconciler.placement.opening import Openings
from reconciler.placement.outcome import Outcome, Part, Standing, new_outcome, placement, rejection, settled, used
from reconciler.placement.quota import EXCEEDED, Ledger, beyond_quota, limited, most
from reconciler.placement.record import PlacementRecord
from reconciler.placement.room import Rooms
from reconciler.placement.rounds import combined, standing_after, unsettled
from reconciler.placement.spread import Sites, with_overrides
from reconciler.placement.turns import Turns
from reconciler.planning import guard
from reconciler.planning.addons import plan_addons, spread_of
from reconciler.planning.commits import drafts_of
from reconciler.planning.memory import Memory
from reconciler.planning.state import RepoState
from reconciler.policy.eligibility import ClusterFacts
from reconciler.policy.groups import as_dns_label
from reconciler.policy.tenant import Tenancy, Tenant
from reconciler.repo.writer import CommitDraft
from reconciler.workloads.group import BrokenFile, Group, GroupKey, WorkloadObject
from reconciler.workloads.missing_references import missing_reference_warnings
from reconciler.workloads.overrides import without_effect
from reconciler.workloads.queue import unknown_classes

_MOST_ROUNDS = 8
"""Rounds in one plan after the first; the next plan goes on where these were not enough."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a cycle would do. `drafts` are the commits, in order; `warnings` concern files, not groups."""

    revision: str
    snapshot: str
    outcomes: tuple[Outcome, ...]
    drafts: tuple[CommitDraft, ...]
    changes: Mapping[str, str]
    warnings: tuple[str, ...]

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """Return the decisions, in the order in which they were taken."""
        return tuple(outcome.decision for outcome in self.outcomes)


def plan(
    state: RepoState,
    snapshot: FleetSnapshot,
    now: float,
    *,
    allow_removals: bool = False,
    memory: Memory | None = None,
) -> Plan:
    """Plan one cycle. `now` is in unix seconds; `memory`, that of earlier cycles, changes how long it takes only.

    Raises `GuardTripped` when more groups or add-ons would be removed than fleet.yaml's guards allow, unless
    `allow_removals`.
    """
    memory = memory or Memory()
    outcomes = decide(state, snapshot, now, memory.openings)
    addons = plan_addons(state, snapshot, memory)
    if not allow_removals:
        guard.check(state.fleet.guards, state.standing.values(), outcomes, addons)
    drafts = drafts_of(state, outcomes, snapshot.digest, memory, addons.files)
    changes: dict[str, str] = {}
    for draft in drafts:
        for path, content in draft.changes.items():
            changes[path] = _change(state.rendered.get(path), content)
    changed = {path: action for path, action in sorted(changes.items()) if action}
    warnings = (*_warnings(state, outcomes), *lost_warnings(outcomes, snapshot), *addons.warnings)
    return Plan(state.revision, snapshot.digest, outcomes, drafts, changed, warnings)


def preview(state: RepoState, snapshot: FleetSnapshot, now: float) -> Plan:
    """Return the plan; where a guard would stop a cycle from carrying it out, its first warning says so."""
    try:
        return plan(state, snapshot, now)
    except GuardTripped as stopped:
        made = plan(state, snapshot, now, allow_removals=True)
        return replace(made, warnings=(f"a cycle would stop here: {stopped}", *made.warnings))


def decide(
    state: RepoState, snapshot: FleetSnapshot, now: float, openings: Openings | None = None
) -> tuple[Outcome, ...]:
    """Decide on every group. `now` is in unix seconds; `openings` are those of earlier cycles.

    What a group waits for may be gone once later ones have been decided on: the room beside a hold, or what is left of
    a quota. So as long as somebody waits and somebody moves, all are decided on again as the next plan would find them.
    """
    openings = openings if openings is not None else Openings()
    outcomes = found = _round(state, snapshot, now, openings)
    for _ in range(_MOST_ROUNDS):
        if not unsettled(found):
            break
        found = _round(replace(state, standing=standing_after(outcomes)), snapshot, now, openings)
        outcomes = combined(outcomes, found)
    return outcomes


def _round(state: RepoState, snapshot: FleetSnapshot, now: float, openings: Openings) -> tuple[Outcome, ...]:
    """Decide on every group once, in turn.

    What stands and is asked for under another group goes there; where that leaves it without a place, it stays.
    """
    asked = _asked(state)
    while True:
        moved = regroup(state.standing, state.grouping.groups, asked.homeless, state.grouping.unread.keys(), now)
        regrouped = replace(state, standing={**state.standing, **moved.standing})
        outcomes = _decide(regrouped, snapshot, now, openings, asked)
        homeless = _homeless(state, asked, outcomes) if moved.why else {}
        if not homeless:
            told = (moved.told(outcome, state.standing.get(outcome.decision.group)) for outcome in outcomes)
            return agreed(tuple(told), state.workloads.objects)
        asked = replace(asked, homeless={**asked.homeless, **homeless})


def _homeless(state: RepoState, asked: Asked, outcomes: tuple[Outcome, ...]) -> dict[ObjectKey, str]:
    """Return what has pods, left its group for another one, and would stand nowhere: with the reason of that one."""
    there = {item.key for outcome in outcomes for item in outcome.objects} | asked.homeless.keys()
    lost = {
        item.key: standing.record.group
        for standing in state.standing.values()
        for item in standing.admitted
        if item.demand is not None and item.key in asked.keys and item.key not in there and standing.record.placed
    }
    now = {item.key: group.key for group in state.grouping.groups for item in group.members if item.key in lost}
    said = {outcome.decision.group: outcome.decision for outcome in outcomes}
    return {
        key: f"group {group}, which cannot take it ({said[group].reason}: {said[group].message})"
        for key, group in now.items()
        if group != lost[key]
    }


def _decide(
    state: RepoState, snapshot: FleetSnapshot, now: float, openings: Openings, asked: Asked
) -> tuple[Outcome, ...]:
    """Decide once. A group of which a part waits gets a new part in the queue only, after those that come first."""
    groups = {group.key: group for group in state.grouping.groups}
    there = promised(state, asked)
    rooms = Rooms(state.clusters, snapshot, there, now, state.fleet.limits.snapshot_max_age, openings)
    facts = [ClusterFacts(c.name, c.labels, c.taints, c.cordoned) for c in state.clusters]
    allowed = Equipped(facts, spread_of(state))
    reported = {_file_group(file) for file in state.workloads.broken}
    placed = {standing.record.group for one in there.values() for standing in one}
    ledger = _ledger_of(state.tenancy, state.workloads.namespaces, [state.standing[key] for key in sorted(placed)])
    sites = Sites(allowed, {c.name: c.labels for c in state.clusters}, rooms, ledger)
    turns = Turns(allowed, rooms, state.fleet.fairness, {key.namespace for key in (*groups, *state.standing)}, now)
    stays = [state.standing[key] for key in sorted(placed)]
    attachments = Attachments(state.grouping.groups, state.workloads, stays, snapshot)
    outcomes = []

    def note(outcome: Outcome, tenant: Tenant | None) -> None:
        outcomes.append(outcome)
        attachments.note(outcome)
        if limited(tenant):
            ledger.charge(outcome.decision.group, tenant, used(outcome.parts))

    queued = groups.keys() - placed
    partly: dict[GroupKey, int] = {}
    for key in sorted(state.standing):
        standing = state.standing[key]
        if key in groups and key in placed:
            marks = rooms.mark() if standing.record.waits else {}
            found = follow(groups[key], standing, attachments.beside(groups[key], sites), asked, now)
            if standing.record.waits and found.joined:
                rooms.back_to(marks)
                queued |= {key}
                continue
            if found.lacks:
                partly[key] = len(outcomes)
            note(found, groups[key].tenant)
        elif key not in groups and key not in reported:
            outcomes.append(leave(standing, rooms, asked, now))
    stands = {o.key: out.decision.group for out in outcomes for o in out.objects if o.demand}
    stands |= {o.key: key for key in placed & queued for o in state.standing[key].admitted if o.demand}
    waiting = [group for group in state.grouping.groups if group.key in queued or group.key in partly]
    for group in ledger.in_turn(attachments.in_order(waiting)):
        before = state.standing.get(group.key)
        if before is not None and group.key in placed:
            if group.key in queued:
                partly[group.key] = len(outcomes)
                note(follow(group, before, attachments.beside(group, sites), asked, now), group.tenant)
            found = outcomes[partly[group.key]]
            outcomes[partly[group.key]] = replace(
                found, decision=turns.held(group, before, found.decision, found.lacks)
            )
            continue
        parts: tuple[Part, ...] = ()
        decision = _unready(group, state, attachments)
        if decision is None:
            decision, parts = _enter(group, before, attachments.beside(group, sites), turns, stands)
        note(new_outcome(group, decision, before, snapshot.digest, now, parts), group.tenant)
    outcomes += [_reject_file(file, state, snapshot.digest, now) for file in _unclaimed(state)]
    return tuple(outcomes)


def promised(state: RepoState, asked: Asked | None = None) -> dict[str, list[Standing]]:
    """Return by cluster the placed groups that stay: their room is taken, or promised."""
    groups, asked = {group.key for group in state.grouping.groups}, asked or _asked(state)
    found: dict[str, list[Standing]] = defaultdict(list)
    for key, standing in sorted(state.standing.items()):
        if standing.record.placed and (key in groups or kept_unasked(standing, asked)):
            for part in standing.parts:
                found[part.cluster].append(standing.on(part))
    return found


def _asked(state: RepoState) -> Asked:
    keys = frozenset(item.key for item in state.workloads.objects)
    unclaimed = frozenset(item.key for item in state.grouping.unplaced)
    placed = (one for one in state.standing.values() if one.record.placed)
    jobs = {item.key: one.record.group for one in placed for item in one.admitted if item.runs_once}
    return Asked(keys, unclaimed, frozenset(file.path for file in state.workloads.broken), jobs=jobs)


def _ledger_of(tenancy: Tenancy, namespaces: Mapping[str, WorkloadObject], placed: Iterable[Standing]) -> Ledger:
    """Return the tenants' ledger with everything that is `placed`; a job that has ended uses nothing any more."""
    ledger = Ledger(tenancy.tenants)
    for standing in placed if tenancy.tenants else ():
        key = standing.record.group
        written = namespaces.get(key.namespace)
        owner = tenancy.owner(key.namespace, written.labels if written else {})
        if limited(owner.tenant):
            ledger.charge(key, owner.tenant, used(standing.parts))
    return ledger


def _unready(group: Group, state: RepoState, attachments: Attachments) -> Decision | None:
    """Return the decision on a group that is not whole yet, or lacks its RayCluster; None for all others."""
    if group.problem:
        return None
    unread = state.grouping.unread.get(group.key)
    if unread:
        return _waiting(group, "SourceUnreadable", unread, ())
    return attachments.unmet(group)


def _enter(
    group: Group, before: Standing | None, sites: Sites, turns: Turns, stands: Mapping[ObjectKey, GroupKey]
) -> tuple[Decision, tuple[Part, ...]]:
    """Decide on a group that has no place."""
    if group.problem:
        return rejection(group), ()
    for item in group.members:
        holder = stands.get(item.key)
        if holder is not None:
            message = f"{item.key} still stands as part of group {holder}: it can move once that group lets it go"
            return _waiting(group, "HeldByAnotherGroup", message, ()), ()
    objects = group.objects
    try:
        if group.policy.spreading:
            decision, made = enter(group, sites)
            return turns.held(group, before, decision, made.lacks), made.parts
        fitted, tailor = with_overrides(group, objects, sites)
    except InvalidObject as error:
        return rejection(replace(group, problem=str(error))), ()
    if limited(group.tenant):
        refusal = sites.ledger.enter(group, most(fitted.gang, sites.allowed.to(group)[0].clusters))
        if refusal:
            return _waiting(group, EXCEEDED, refusal, ()), ()
    choice = choose(fitted, sites.allowed, sites.rooms)
    if not choice.cluster:
        waits = _waiting(group, choice.reason, choice.message, choice.candidates)
        return turns.held(group, before, waits, ((choice,),)), ()
    parts = (Part.of(choice.cluster, tailor.cut(objects, choice.cluster, {})),)
    return replace(placement(group, parts, choice.reason, choice.message), candidates=choice.candidates), parts


def _waiting(group: Group, reason: str, message: str, candidates: tuple[Candidate, ...]) -> Decision:
    return Decision(group.key, Action.WAIT, Phase.PENDING, group.policy.name, (), reason, message, candidates)


def _file_group(file: BrokenFile) -> GroupKey:
    """Return the name under which a file that cannot be read is reported."""
    stem = file.path.split("/", 2)[2].rsplit(".", 1)[0]
    return GroupKey(file.namespace, as_dns_label(f"file-{stem}"))


def _unclaimed(state: RepoState) -> list[BrokenFile]:
    """Return the unreadable files for which no standing group speaks, and that a record can be written for.

    A group speaks for its file where all of it is in there, so that it stays as it is and says why.
    """
    silent = {_file_group(file) for file in state.workloads.broken} | {group.key for group in state.grouping.groups}
    claimed = {path for key, s in state.standing.items() if key not in silent for path in s.record.sources}
    return [f for f in state.workloads.broken if f.path not in claimed and is_dns_label(f.namespace)]


def _reject_file(file: BrokenFile, state: RepoState, snapshot: str, now: float) -> Outcome:
    key = _file_group(file)
    decision = Decision(key, Action.REJECT, Phase.REJECTED, "", (), "UnreadableFile", file.problem)
    record = PlacementRecord(
        key, "", (), (), Phase.REJECTED, "UnreadableFile", file.problem, sources=(file.path,), snapshot_digest=snapshot,
        decided_at=int(now),
    )  # fmt: skip
    return settled(Outcome(decision, (), record, state.standing.get(key)))


def _change(before: bytes | None, after: bytes | None) -> str:
    if before == after:
        return ""
    if before is None:
        return "add"
    return "delete" if after is None else "modify"


def _warnings(state: RepoState, outcomes: Iterable[Outcome]) -> tuple[str, ...]:
    unplaced = (
        f"{item.place}: {item.key} is not placed: no policy matches it, and nothing that is placed refers to it"
        for item in state.grouping.unplaced
    )
    groups = state.grouping
    waiting = (*unknown_classes(groups.groups, state.classes), *beyond_quota(groups))
    idle = without_effect(state.policies, groups.groups, {cluster.name: cluster.labels for cluster in state.clusters})
    standing = ((o.decision.group, o.record.clusters) for o in outcomes if o.record)
    places = {key: frozenset(share.name for share in clusters) for key, clusters in standing}
    apart = missing_reference_warnings(groups.groups, places)
    return (*state.workloads.warnings, *unplaced, *groups.warnings, *apart, *waiting, *idle)
