"""Makes the decision on each group from its transition and what it got: all words of decisions are made here, once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from reconciler.lifecycle.changes import changes_text
from reconciler.lifecycle.observe import CopyState, CopyStatus, group_result, with_roles
from reconciler.lifecycle.ownership import REGROUPED
from reconciler.lifecycle.shared_objects import Exchanged
from reconciler.lifecycle.transitions import (
    AS_DESIRED,
    HELD_EDIT,
    HELD_OBJECT,
    PROBLEM_REASONS,
    Transition,
    held_edit_message,
    kept_objects_message,
)
from reconciler.placement.decision import Decision, TransitionKind
from reconciler.placement.hold import hold_message
from reconciler.placement.model import PARTLY, Action, Candidate, Phase, Verdict
from reconciler.placement.placed_group import PlacedGroup, dated
from reconciler.placement.quota import EXCEEDED
from reconciler.placement.request import Assignment
from reconciler.policy.model import SpreadMode
from reconciler.workloads.cluster_copy import ClusterCopy, objects_of, same_copies
from reconciler.workloads.group import BrokenFile, Group, GroupKey, WorkloadObject

_VERDICT_ORDER = {str(verdict): rank for rank, verdict in enumerate(Verdict)}

_HARDEST_FIRST = ("NoEligibleCluster", EXCEEDED, str(Verdict.NEVER_FITS), str(Verdict.UNREACHABLE), str(Verdict.NO_FIT))
"""Why a division waits: the first of these that is the reason of one of its shares, as it needs all of them."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """What becomes of one group.

    `before` is its last committed state, `placed` the same with the objects that ownership gives or takes; None where
    nothing was decided on it. `assignment` is None where nothing was asked of the fleet. `why` says which objects
    changed their group.
    """

    transition: Transition
    group: Group | None
    before: PlacedGroup | None
    placed: PlacedGroup | None
    statuses: tuple[CopyStatus, ...] = ()
    assignment: Assignment | None = None
    why: str = ""

    @property
    def key(self) -> GroupKey:
        """Return the group's key."""
        return self.transition.key

    @property
    def copies(self) -> tuple[ClusterCopy, ...]:
        """Return the copies that the group has afterwards."""
        if self.transition.kind is TransitionKind.RETIRE:
            return ()
        if self.assignment is not None:
            return self.assignment.copies
        return self.placed.copies if self.placed else ()


@dataclass(frozen=True, slots=True)
class Clock:
    """What every decision of a plan records: the time in unix seconds, and the digest of the snapshot."""

    now: float
    snapshot: str


def decide(admitted: Admitted, clock: Clock, exchanged: Exchanged | None = None) -> Decision:
    """Return the decision on a group; `exchanged` are its copies with the shared objects that changed for all users."""
    found = _decision(admitted, clock)
    if admitted.why:
        found = _regrouped(found, admitted)
    if exchanged is not None and found.after is not None:
        found = _with_shared(found, exchanged)
    if found.changed and found.after is not None:
        before = admitted.placed.copies if admitted.placed else ()
        copies = with_roles(found.after.copies, before, admitted.statuses, clock.now)
        found = replace(found, after=replace(found.after, copies=copies))
    return found


def decide_file(file: BrokenFile, key: GroupKey, before: PlacedGroup | None, clock: Clock) -> Decision:
    """Return the decision on a file that cannot be read and that no group speaks for."""
    after = PlacedGroup(
        key,
        "",
        (),
        Phase.REJECTED,
        "UnreadableFile",
        file.problem,
        sources=(file.path,),
        snapshot=clock.snapshot,
        decided_at=int(clock.now),
    )
    return Decision(
        key,
        Action.REJECT,
        TransitionKind.REJECT,
        Phase.REJECTED,
        "",
        after.reason,
        after.message,
        (),
        before,
        after,
    )


def _decision(admitted: Admitted, clock: Clock) -> Decision:
    placed, group, assignment = admitted.placed, admitted.group, admitted.assignment
    if admitted.transition.kind is TransitionKind.RETIRE:
        return _retired(admitted)
    if placed is not None and (placed.placed or group is None):
        if assignment is None or group is None:
            return _kept(admitted, clock, admitted.transition.reason, admitted.transition.message)
        return _followed(admitted, group, placed, assignment, clock)
    if group is None:
        raise AssertionError(f"group {admitted.key} is neither placed nor asked for")
    if assignment is None:
        action = Action.REJECT if admitted.transition.kind is TransitionKind.REJECT else Action.WAIT
        return _new(admitted, group, action, admitted.transition.reason, admitted.transition.message, (), clock)
    return _entered(admitted, group, assignment, clock)


def _retired(admitted: Admitted) -> Decision:
    placed = admitted.placed
    if placed is None:
        raise AssertionError(f"group {admitted.key} is retired and was not placed")
    transition = admitted.transition
    return Decision(
        admitted.key,
        Action.RETIRE,
        TransitionKind.RETIRE,
        Phase.RETIRED,
        placed.policy,
        transition.reason,
        transition.message,
        (),
        admitted.before,
        None,
    )


def _kept(
    admitted: Admitted,
    clock: Clock,
    reason: str,
    message: str,
    *,
    policy: str = "",
    sources: tuple[str, ...] = (),
) -> Decision:
    """Keep a group where it is; note the end of its jobs, if the snapshot shows one and nothing waits."""
    placed, made = admitted.placed, admitted.assignment
    if placed is None:
        raise AssertionError(f"group {admitted.key} is kept and was not placed")
    after = replace(
        placed, reason=reason, message=message, policy=policy or placed.policy, sources=sources or placed.sources
    )
    kind = TransitionKind.HOLD if reason in PROBLEM_REASONS else TransitionKind.KEEP
    after = _with_ends(after, placed, complete=made is None or made.satisfied)
    if after.job_result is not placed.job_result:
        kind = TransitionKind.FINISH
    after = replace(after, decided_at=int(clock.now), snapshot=clock.snapshot)
    after = _with_hold(dated(after, placed, clock.now), made)
    running = any(one.state is CopyState.RUNNING and not _has_ended(placed, one) for one in admitted.statuses)
    shown = Phase.RUNNING if after.phase is Phase.PLACED and running else after.phase
    return Decision(
        admitted.key,
        Action.KEEP if placed.placed else Action.WAIT,
        kind,
        shown,
        after.policy,
        after.reason,
        after.message,
        placed.candidates,
        admitted.before,
        after,
    )


def _has_ended(placed: PlacedGroup, status: CopyStatus) -> bool:
    copy = placed.on(status.cluster)
    return copy is not None and copy.job_result is not None


def _followed(admitted: Admitted, group: Group, placed: PlacedGroup, made: Assignment, clock: Clock) -> Decision:
    """Decide on a placed group that is asked for: kept where nothing changed, else updated."""
    policy = group.policy.name
    sources = _sources(group, made.copies)
    objects = admitted.transition.objects
    edited = objects.edited if objects else ()
    kept = objects.kept if objects else ()
    same = _listed(placed.copies) == _listed(made.copies) and same_copies(placed.copies, made.copies)
    wrong = _what_is_wrong(made, kept, edited)
    if same and made.refused:
        return _kept(admitted, clock, *(wrong or _as_before(placed)))
    if same:
        reason, message = wrong or _as_before(placed)
        return _kept(admitted, clock, reason, message, policy=policy, sources=sources)
    reason, message = "UpdatedInPlace", changes_text(placed.copies, made.copies)
    if not made.copies:
        reason, message = "NoEligibleCluster", f"policy {policy} leaves no cluster eligible: {message}"
    elif wrong is not None:
        reason, message = wrong[0], f"{message}; {wrong[1]}"
    still_ended = bool(made.copies) and all(copy.job_result for copy in made.copies)
    after = replace(
        placed,
        policy=policy,
        copies=made.copies,
        phase=Phase.PLACED if made.copies else Phase.PENDING,
        reason=reason,
        message=message,
        candidates=made.candidates or placed.candidates,
        sources=sources,
        source_commit=group.source.commit,
        snapshot=clock.snapshot,
        decided_at=int(clock.now),
        job_result=placed.job_result if still_ended else None,
    )
    after = _with_ends(after, placed, complete=made.satisfied)
    after = _with_hold(dated(after, placed, clock.now), made)
    left = set(placed.clusters) - {copy.cluster for copy in made.copies}
    joined = {copy.cluster for copy in made.copies} - set(placed.clusters)
    kind = TransitionKind.MOVE if left and joined else TransitionKind.UPDATE
    return Decision(
        admitted.key,
        Action.PLACE if made.copies else Action.WAIT,
        kind if made.copies else TransitionKind.HOLD,
        after.phase,
        policy,
        after.reason,
        after.message,
        made.candidates,
        admitted.before,
        after,
    )


def _with_ends(after: PlacedGroup, placed: PlacedGroup, *, complete: bool) -> PlacedGroup:
    """Return the state with the end of its jobs, once all copies have ended.

    The group ends with the last of its copies, and not before it is `complete`.
    """
    if placed.job_result is not None:
        return after
    end = group_result(after.copies) if complete else None
    if end is not None:
        phase = Phase.SUCCEEDED if end.state == "SUCCEEDED" else Phase.FAILED
        after = replace(after, phase=phase, job_result=end)
        # What is wrong with a group is still wrong once its jobs have ended.
        if after.reason not in PROBLEM_REASONS:
            after = replace(after, reason=f"Job{phase}", message=end.message)
    return after


def _entered(admitted: Admitted, group: Group, made: Assignment, clock: Clock) -> Decision:
    """Decide on a group that asked for its first copies."""
    if not made.copies:
        reason, message = _why_it_waits(group, made)
        return _new(admitted, group, Action.WAIT, reason, message, made.candidates, clock)
    if group.policy.spreading is None:
        choice = made.chosen[0]
        return _new(admitted, group, Action.PLACE, choice.reason, choice.message, made.candidates, clock)
    lines = [f"{choice.cluster}: {choice.message}" for choice in made.chosen if choice.cluster]
    lines += [f"{one.where} waits: {one.message}" for one in made.unplaced]
    reason = PARTLY
    if not made.unplaced:
        # The reason of the copy that had it hardest is that of the group.
        reasons = [choice.reason for choice in made.chosen]
        reason = max(reasons, key=lambda word: _VERDICT_ORDER.get(word, len(_VERDICT_ORDER)))
    many = f"{len(made.copies)} of {made.count} clusters; " if made.count > 1 else ""
    return _new(admitted, group, Action.PLACE, reason, many + "; ".join(lines), made.candidates, clock)


def _why_it_waits(group: Group, made: Assignment) -> tuple[str, str]:
    """Return reason and message of a new group that gets nothing."""
    spread = group.policy.spreading
    if spread is None:
        return made.unplaced[0].reason, made.unplaced[0].message
    if made.unplaced:
        reasons = [one.reason for one in made.unplaced]
        reason = min(reasons, key=lambda word: _VERDICT_ORDER.get(word, -1))
        if spread.mode is SpreadMode.DIVIDE:
            reason = next((word for word in _HARDEST_FIRST if word in reasons), reason)
        many = f"0 of {made.count} clusters; " if made.count > 1 else ""
        return reason, many + "; ".join(f"{one.where} waits: {one.message}" for one in made.unplaced)
    message = f"policy {group.policy.name} leaves no cluster eligible"
    refused = [f"{one.cluster}: {one.message}" for one in made.candidates]
    if refused:
        message += f": {'; '.join(refused[:3])}" + (f" (and {len(refused) - 3} more)" if len(refused) > 3 else "")
    return "NoEligibleCluster", message


def _new(
    admitted: Admitted,
    group: Group,
    action: Action,
    reason: str,
    message: str,
    candidates: tuple[Candidate, ...],
    clock: Clock,
) -> Decision:
    """Return the decision on a group that had no place: placed, waiting or rejected."""
    made = admitted.assignment
    phase = {Action.PLACE: Phase.PLACED, Action.WAIT: Phase.PENDING, Action.REJECT: Phase.REJECTED}[action]
    kind = {
        Action.PLACE: TransitionKind.PLACE,
        Action.WAIT: TransitionKind.HOLD,
        Action.REJECT: TransitionKind.REJECT,
    }[action]
    after = PlacedGroup(
        key=group.key,
        policy=group.policy.name,
        copies=made.copies if made and action is Action.PLACE else (),
        phase=phase,
        reason=reason,
        message=message,
        candidates=candidates,
        sources=tuple(sorted({item.place.file for item in group.objects})),
        source_commit=group.source.commit,
        snapshot=clock.snapshot,
        decided_at=int(clock.now),
    )
    after = _with_hold(dated(after, admitted.placed, clock.now), made)
    return Decision(
        group.key, action, kind, phase, after.policy, reason, after.message, candidates, admitted.before, after
    )


def _with_hold(after: PlacedGroup, made: Assignment | None) -> PlacedGroup:
    """Return the state with the capacity that is reserved for what waits, said in the message as well."""
    held = made.held if made is not None else None
    if held is None:
        return replace(after, hold=None)
    return replace(after, hold=held, message=f"{after.message}; {hold_message(held)}")


def _regrouped(decision: Decision, admitted: Admitted) -> Decision:
    """Return the decision with what changed of the group's objects, besides what else there is to say."""
    after = decision.after
    if after is None:
        return replace(decision, reason=REGROUPED, message=admitted.why)
    reason, message, action = decision.reason, f"{admitted.why}; {decision.message}", decision.action
    transition = decision.transition
    if action is Action.KEEP:
        action, transition = Action.PLACE, TransitionKind.UPDATE
        stayed = {admitted.placed.reason if admitted.placed else "", AS_DESIRED}
        if reason not in PROBLEM_REASONS and reason in stayed:
            reason, message = REGROUPED, admitted.why
    after = replace(after, reason=reason, message=message)
    return replace(
        decision,
        action=action,
        transition=transition,
        phase=after.phase,
        reason=reason,
        message=message,
        after=after,
    )


def _with_shared(decision: Decision, exchanged: Exchanged) -> Decision:
    """Return the decision with the shared objects that changed with the other groups that have them."""
    if decision.after is None:
        return decision
    names = ", ".join(exchanged.names)
    message = f"{decision.message}; {names} changed with the other groups that share it"
    fresh = {copy.cluster: copy for copy in exchanged.copies}
    copies = []
    for copy in decision.after.copies:
        other = fresh[copy.cluster]
        copies.append(replace(copy, admitted=other.admitted, deployed=other.deployed))
    after = replace(decision.after, copies=tuple(copies), message=message)
    return replace(decision, message=message, after=after)


def _what_is_wrong(
    made: Assignment, kept: Sequence[tuple[WorkloadObject, str]], edited: Sequence[WorkloadObject]
) -> tuple[str, str] | None:
    """Return reason and message for what is not as it is asked for; None when all is.

    What lacks capacity is said first: it may change with the next snapshot, the rest with the user's next commit.
    """
    found: list[tuple[str, str]] = []
    if not made.satisfied:
        found.append(_lacking(made))
    if kept:
        found.append((HELD_OBJECT, kept_objects_message(kept)))
    if edited:
        found.append((HELD_EDIT, held_edit_message(edited)))
    if not found:
        return None
    return found[0][0], "; ".join(message for _, message in found)


def _lacking(made: Assignment) -> tuple[str, str]:
    """Return reason and message for the copies that are not as they should be."""
    said = [one.message for one in made.refused]
    said += [f"{one.where} waits: {one.message}" for one in made.unplaced]
    if made.count > 1:
        said.insert(0, f"{made.count - len(made.refused) - len(made.unplaced)} of {made.count} clusters")
    return made.refused[0].reason if made.refused else PARTLY, "; ".join(said)


def _as_before(placed: PlacedGroup) -> tuple[str, str]:
    """Return reason and message of a group with nothing wrong: what they were, unless they said that something was."""
    if placed.reason in PROBLEM_REASONS:
        return AS_DESIRED, f"it stands on {', '.join(placed.clusters)} as it is asked for"
    return placed.reason, placed.message


def _listed(copies: Iterable[ClusterCopy]) -> list[tuple[object, ...]]:
    """Return what the Placement lists of copies, to tell whether it has to change."""
    return [(copy.cluster, copy.share, copy.listed) for copy in copies]


def _sources(group: Group, copies: tuple[ClusterCopy, ...]) -> tuple[str, ...]:
    """Return the files that the group comes from, with those of objects that only stay."""
    objects = (*group.objects, *objects_of(copies)) if copies else group.objects
    return tuple(sorted({item.place.file for item in objects}))
