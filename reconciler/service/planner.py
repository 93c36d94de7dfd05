"""`plan(state, snapshot, now)`: the one pure function that everything hangs on.

It decides on every group, in the order: groups that have a place, then the queue of those that have none, then those
that nobody asks for any more. Each decision that changes place, outcome or reason becomes one commit; the files of all
of them together are what a clean rendering would write.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from reconciler.errors import GuardTripped
from reconciler.fleet.snapshot import FleetSnapshot
from reconciler.lifecycle.standing import Asked, follow, kept_unasked, leave
from reconciler.manifests.identity import ObjectKey, is_dns_label
from reconciler.placement.choice import Allowed, choose
from reconciler.placement.group import BrokenFile, Group
from reconciler.placement.model import Action, Candidate, Decision, GroupKey, Phase
from reconciler.placement.opening import Openings
from reconciler.placement.outcome import Outcome, Standing, new_outcome, placement, rejection, settled
from reconciler.placement.record import PlacementRecord
from reconciler.placement.room import Rooms
from reconciler.policy.eligibility import ClusterFacts
from reconciler.policy.groups import as_dns_label
from reconciler.repo.writer import CommitDraft
from reconciler.service.commits import drafts_of
from reconciler.service.memory import Memory
from reconciler.service.state import RepoState


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

    Raises `GuardTripped` when more placements would be removed than fleet.yaml's guards allow, unless
    `allow_removals`.
    """
    memory = memory or Memory()
    outcomes = decide(state, snapshot, now, memory.openings)
    if not allow_removals:
        _check_guard(state, outcomes)
    drafts = drafts_of(state, outcomes, snapshot.digest, memory)
    changes: dict[str, str] = {}
    for draft in drafts:
        for path, content in draft.changes.items():
            changes[path] = _change(state.rendered.get(path), content)
    changed = {path: action for path, action in sorted(changes.items()) if action}
    return Plan(state.revision, snapshot.digest, outcomes, drafts, changed, _warnings(state))


def decide(
    state: RepoState, snapshot: FleetSnapshot, now: float, openings: Openings | None = None
) -> tuple[Outcome, ...]:
    """Decide on every group. `now` is in unix seconds; `openings` are those of earlier cycles."""
    groups = {group.key: group for group in state.grouping.groups}
    asked = _asked(state)
    rooms = Rooms(state.clusters, snapshot, promised(state), now, state.fleet.limits.snapshot_max_age, openings)
    allowed = Allowed([ClusterFacts(c.name, c.labels, c.taints, c.cordoned) for c in state.clusters])
    reported = {_file_group(file) for file in state.workloads.broken}
    outcomes = []
    for key in sorted(state.standing):
        standing = state.standing[key]
        if key in groups and standing.record.placed:
            outcomes.append(follow(groups[key], standing, rooms, asked, now))
        elif key not in groups and key not in reported:
            outcomes.append(leave(standing, rooms, asked, now))
    stands = {o.key: out.decision.group for out in outcomes for o in out.objects if o.demand}
    for group in state.grouping.groups:
        before = state.standing.get(group.key)
        if before is None or not before.record.placed:
            decision = _enter(group, allowed, rooms, stands)
            outcomes.append(new_outcome(group, decision, before, snapshot.digest, now))
    outcomes += [_reject_file(file, state, snapshot.digest, now) for file in _unclaimed(state)]
    return tuple(outcomes)


def promised(state: RepoState) -> dict[str, list[Standing]]:
    """Return by cluster the placed groups that stay: their room is taken, or promised."""
    groups, asked = {group.key for group in state.grouping.groups}, _asked(state)
    found: dict[str, list[Standing]] = defaultdict(list)
    for key, standing in sorted(state.standing.items()):
        if standing.record.placed and (key in groups or kept_unasked(standing, asked)):
            found[standing.record.clusters[0].name].append(standing)
    return found


def _asked(state: RepoState) -> Asked:
    keys = frozenset(item.key for item in state.workloads.objects)
    unclaimed = frozenset(item.key for item in state.grouping.unplaced)
    return Asked(keys, unclaimed, frozenset(file.path for file in state.workloads.broken))


def _enter(group: Group, allowed: Allowed, rooms: Rooms, stands: Mapping[ObjectKey, GroupKey]) -> Decision:
    """Decide on a group that has no place."""
    if group.problem:
        return rejection(group)
    for item in group.members:
        holder = stands.get(item.key)
        if holder is not None:
            message = f"{item.key} still stands as part of group {holder}: it can move once that group lets it go"
            return _waiting(group, "HeldByAnotherGroup", message, ())
    choice = choose(group, allowed, rooms)
    if not choice.cluster:
        return _waiting(group, choice.reason, choice.message, choice.candidates)
    return replace(placement(group, choice.cluster, choice.reason, choice.message), candidates=choice.candidates)


def _waiting(group: Group, reason: str, message: str, candidates: tuple[Candidate, ...]) -> Decision:
    return Decision(group.key, Action.WAIT, Phase.PENDING, group.policy.name, (), reason, message, candidates)


def _file_group(file: BrokenFile) -> GroupKey:
    """Return the name under which a file that cannot be read is reported."""
    stem = file.path.split("/", 2)[2].rsplit(".", 1)[0]
    return GroupKey(file.namespace, as_dns_label(f"file-{stem}"))


def _unclaimed(state: RepoState) -> list[BrokenFile]:
    """Return the unreadable files that no standing group came from, and that a record can be written for."""
    own = {_file_group(file) for file in state.workloads.broken}
    claimed = {path for key, s in state.standing.items() if key not in own for path in s.record.sources}
    return [f for f in state.workloads.broken if f.path not in claimed and is_dns_label(f.namespace)]


def _reject_file(file: BrokenFile, state: RepoState, snapshot: str, now: float) -> Outcome:
    key = _file_group(file)
    decision = Decision(key, Action.REJECT, Phase.REJECTED, "", (), "UnreadableFile", file.problem)
    record = PlacementRecord(
        key, "", (), (), Phase.REJECTED, "UnreadableFile", file.problem, sources=(file.path,), snapshot_digest=snapshot,
        decided_at=int(now),
    )  # fmt: skip
    return settled(Outcome(decision, (), record, state.standing.get(key)))


def _check_guard(state: RepoState, outcomes: tuple[Outcome, ...]) -> None:
    placed = sum(1 for standing in state.standing.values() if standing.record.placed)
    removed = [o for o in outcomes if o.record is None and o.before is not None and o.before.record.placed]
    if not state.fleet.guards.allows(len(removed), placed):
        names = ", ".join(str(o.decision.group) for o in removed[:3]) + (", ..." if len(removed) > 3 else "")
        raise GuardTripped(
            f"this would remove {len(removed)} of {placed} placements ({names}), more than guards in fleet.yaml allow: "
            "if it is meant, run `skyray reconcile --allow-removals` once"
        )


def _change(before: bytes | None, after: bytes | None) -> str:
    if before == after:
        return ""
    if before is None:
        return "add"
    return "delete" if after is None else "modify"


def _warnings(state: RepoState) -> tuple[str, ...]:
    unplaced = (
        f"{item.place}: {item.key} is not placed: no policy matches it, and nothing that is placed refers to it"
        for item in state.grouping.unplaced
    )
    return (*state.workloads.warnings, *unplaced)
