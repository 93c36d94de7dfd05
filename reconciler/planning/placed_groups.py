"""Makes the decision on a group that has a place: it is kept, updated, or its jobs have ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from reconciler.lifecycle.changes import changes_of
from reconciler.lifecycle.observe import CopyState, CopyStatus, group_result
from reconciler.lifecycle.transitions import PROBLEM_REASONS
from reconciler.placement.decision import Decision, TransitionKind
from reconciler.placement.model import Action, Phase
from reconciler.placement.placed_group import PlacedGroup, dated
from reconciler.placement.request import Assignment
from reconciler.planning.admitted import Admitted, Clock, with_hold
from reconciler.reasons.changes import JobEnded, NoClusterLeft, Problems, UpdatedInPart
from reconciler.reasons.copies import Copies, Undisturbed
from reconciler.reasons.reason import Reason
from reconciler.reasons.transitions import JobEditHeld, ObjectHeldHere
from reconciler.reasons.written import Written
from reconciler.workloads.cluster_copy import ClusterCopy, objects_of, same_copies
from reconciler.workloads.group import Group


def decide_kept(
    admitted: Admitted,
    clock: Clock,
    why: Reason,
    *,
    policy: str = "",
    sources: tuple[str, ...] = (),
) -> Decision:
    """Keep a group where it is; note the end of its jobs, if the snapshot shows one and nothing waits.

    `policy` and `sources` are what the group has now; empty: what it had.
    """
    placed = admitted.placed
    made = admitted.assignment
    if placed is None:
        raise AssertionError(f"group {admitted.key} is kept and was not placed")
    now = replace(
        placed,
        copies=placed.copies if made is None else made.copies,
        policy=policy or placed.policy,
        sources=sources or placed.sources,
    )
    kept = _with_reason(now, why, clock)
    complete = made is None or made.satisfied
    after = _with_ends(kept, placed, complete=complete)
    kind = _kind_of_kept(kept, ended=after.job_result is not placed.job_result)
    after = dated(after, placed, clock.now)
    after = with_hold(after, made)
    return Decision(
        group=admitted.key,
        # A group that waits without a copy is not kept anywhere.
        action=Action.KEEP if placed.placed else Action.WAIT,
        transition=kind,
        phase=_shown_phase(after, placed, admitted.statuses),
        policy=after.policy,
        reason=after.reason,
        message=after.message,
        candidates=placed.candidates,
        before=admitted.before,
        after=after,
    )


def _with_reason(
    group: PlacedGroup,
    why: Reason,
    clock: Clock,
) -> PlacedGroup:
    """Return the state of a group as decided now, for the reason `why`."""
    return replace(
        group,
        reason=why.code,
        message=why.text,
        snapshot=clock.snapshot,
        decided_at=int(clock.now),
    )


def _kind_of_kept(kept: PlacedGroup, *, ended: bool) -> TransitionKind:
    """Return the word for a group that is kept; `ended` tells that its jobs were not known to have ended before."""
    if ended:
        return TransitionKind.FINISH
    # A group with a problem is held: it would change if it could.
    if kept.reason in PROBLEM_REASONS:
        return TransitionKind.HOLD
    return TransitionKind.KEEP


def _shown_phase(
    after: PlacedGroup,
    placed: PlacedGroup,
    statuses: Iterable[CopyStatus],
) -> Phase:
    """Return the phase to show: Running where pods are seen, which is never written to the Placement."""
    if after.phase is not Phase.PLACED:
        return after.phase
    for status in statuses:
        # Pods may still be there for a while once the jobs of a copy have ended.
        if status.state is CopyState.RUNNING and not _has_ended(placed, status):
            return Phase.RUNNING
    return after.phase


def decide_updated(
    admitted: Admitted,
    group: Group,
    placed: PlacedGroup,
    made: Assignment,
    clock: Clock,
) -> Decision:
    """Decide on a placed group that is asked for: kept where nothing changed, else updated."""
    problem = _problem(admitted, made)
    if not _copies_change(placed, made):
        why = problem or _as_before(placed)
        if made.refused:
            # What is not rolled out changes nothing of the group, not even its policy and its files.
            return decide_kept(admitted, clock, why)
        return decide_kept(
            admitted,
            clock,
            why,
            policy=group.policy.name,
            sources=_sources(group, made.copies),
        )
    after = _updated(group, placed, made, problem, clock)
    return Decision(
        group=admitted.key,
        action=Action.PLACE if made.copies else Action.WAIT,
        transition=_kind_of_update(placed, made),
        phase=after.phase,
        policy=after.policy,
        reason=after.reason,
        message=after.message,
        candidates=made.candidates,
        before=admitted.before,
        after=after,
    )


def _copies_change(placed: PlacedGroup, made: Assignment) -> bool:
    """Tell whether an assignment changes what the Placement lists, or what is deployed."""
    if _listed(placed.copies) != _listed(made.copies):
        return True
    return not same_copies(placed.copies, made.copies)


def _updated(
    group: Group,
    placed: PlacedGroup,
    made: Assignment,
    problem: Reason | None,
    clock: Clock,
) -> PlacedGroup:
    """Return the state of a group whose copies change."""
    policy = group.policy.name
    why = _update(policy, placed, made, problem)
    # A group to which an update adds work has not ended any more.
    still_ended = bool(made.copies) and all(copy.job_result for copy in made.copies)
    after = replace(
        placed,
        policy=policy,
        copies=made.copies,
        phase=Phase.PLACED if made.copies else Phase.PENDING,
        reason=why.code,
        message=why.text,
        candidates=made.candidates or placed.candidates,
        sources=_sources(group, made.copies),
        source_commit=group.source.commit,
        snapshot=clock.snapshot,
        decided_at=int(clock.now),
        job_result=placed.job_result if still_ended else None,
    )
    after = _with_ends(after, placed, complete=made.satisfied)
    after = dated(after, placed, clock.now)
    return with_hold(after, made)


def _kind_of_update(placed: PlacedGroup, made: Assignment) -> TransitionKind:
    """Return the word for a group whose copies change."""
    if not made.copies:
        return TransitionKind.HOLD
    before = set(placed.clusters)
    now = {copy.cluster for copy in made.copies}
    # A group that only leaves clusters, or only joins some, is spread otherwise and does not move.
    moves = before - now and now - before
    return TransitionKind.MOVE if moves else TransitionKind.UPDATE


def _update(
    policy: str,
    placed: PlacedGroup,
    made: Assignment,
    problem: Reason | None,
) -> Reason:
    """Return what changed of a group, with the problem that it still has."""
    update = changes_of(placed.copies, made.copies)
    if not made.copies:
        return NoClusterLeft(policy, update)
    if problem is not None:
        return UpdatedInPart(problem, update)
    return update


def _problem(admitted: Admitted, made: Assignment) -> Reason | None:
    """Return what is not as it is asked for; None when all is.

    What lacks capacity comes first: it may change with the next snapshot, the rest with the user's next commit.
    """
    found: list[Reason] = []
    if not made.satisfied:
        found.append(_lacking(made))
    objects = admitted.transition.objects
    if objects is not None and objects.kept:
        held = tuple((item.key, refused) for item, refused in objects.kept)
        found.append(ObjectHeldHere(held))
    if objects is not None and objects.edited:
        edited = tuple(item.key for item in objects.edited)
        found.append(JobEditHeld(edited))
    if not found:
        return None
    first, *others = found
    # A single problem is said in its own words and has its own code.
    return Problems(first, tuple(others)) if others else first


def _lacking(made: Assignment) -> Copies:
    """Return which copies are not as they should be."""
    as_desired = made.count - len(made.refused) - len(made.unplaced)
    refused = tuple(one.why for one in made.refused)
    waiting = tuple((one.where, one.why) for one in made.unplaced)
    # An update that does not fit is the user's own, so it is said before what waits for capacity.
    decisive = refused[0] if refused else None
    return Copies(
        made.count,
        as_desired,
        refused=refused,
        waiting=waiting,
        decisive=decisive,
    )


def _as_before(placed: PlacedGroup) -> Reason:
    """Return the reason of a group with nothing wrong: what it was, unless that said that something was."""
    if placed.reason in PROBLEM_REASONS:
        return Undisturbed(placed.clusters)
    return Written(placed.reason, placed.message)


def _with_ends(
    after: PlacedGroup,
    placed: PlacedGroup,
    *,
    complete: bool,
) -> PlacedGroup:
    """Return the state with the end of its jobs, once all copies have ended.

    The group ends with the last of its copies, and not before it is `complete`.
    """
    # The end is noted once, and a copy that waits for its place is still to run.
    if placed.job_result is not None or not complete:
        return after
    end = group_result(after.copies)
    if end is None:
        return after
    succeeded = end.state == "SUCCEEDED"
    phase = Phase.SUCCEEDED if succeeded else Phase.FAILED
    after = replace(after, phase=phase, job_result=end)
    # What is wrong with a group is still wrong once its jobs have ended.
    if after.reason in PROBLEM_REASONS:
        return after
    why = JobEnded(succeeded, end.message)
    return replace(after, reason=why.code, message=why.text)


def _has_ended(placed: PlacedGroup, status: CopyStatus) -> bool:
    copy = placed.on(status.cluster)
    return copy is not None and copy.job_result is not None


def _listed(copies: Iterable[ClusterCopy]) -> list[tuple[object, ...]]:
    """Return what the Placement lists of copies, to tell whether it has to change."""
    return [(copy.cluster, copy.share, copy.listed) for copy in copies]


def _sources(group: Group, copies: tuple[ClusterCopy, ...]) -> tuple[str, ...]:
    """Return the files that the group comes from, with those of objects that only stay."""
    objects = group.objects
    if copies:
        objects = (*objects, *objects_of(copies))
    paths = {item.place.file for item in objects}
    return tuple(sorted(paths))
