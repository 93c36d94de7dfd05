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
    placed, made = admitted.placed, admitted.assignment
    if placed is None:
        raise AssertionError(f"group {admitted.key} is kept and was not placed")
    after = replace(
        placed,
        copies=made.copies if made is not None else placed.copies,
        reason=why.code,
        message=why.text,
        policy=policy or placed.policy,
        sources=sources or placed.sources,
        snapshot=clock.snapshot,
        decided_at=int(clock.now),
    )
    kind = (
        TransitionKind.HOLD if after.reason in PROBLEM_REASONS else TransitionKind.KEEP
    )
    after = _with_ends(after, placed, complete=made is None or made.satisfied)
    if after.job_result is not placed.job_result:
        kind = TransitionKind.FINISH
    after = with_hold(dated(after, placed, clock.now), made)
    running = any(
        one.state is CopyState.RUNNING and not _has_ended(placed, one)
        for one in admitted.statuses
    )
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


def decide_updated(
    admitted: Admitted,
    group: Group,
    placed: PlacedGroup,
    made: Assignment,
    clock: Clock,
) -> Decision:
    """Decide on a placed group that is asked for: kept where nothing changed, else updated."""
    policy = group.policy.name
    sources = _sources(group, made.copies)
    problem = _problem(admitted, made)
    same = _listed(placed.copies) == _listed(made.copies) and same_copies(
        placed.copies, made.copies
    )
    if same and made.refused:
        # What is not rolled out changes nothing of the group, not even its policy and its files.
        return decide_kept(admitted, clock, problem or _as_before(placed))
    if same:
        return decide_kept(
            admitted,
            clock,
            problem or _as_before(placed),
            policy=policy,
            sources=sources,
        )
    why = _update(policy, placed, made, problem)
    still_ended = bool(made.copies) and all(copy.job_result for copy in made.copies)
    after = replace(
        placed,
        policy=policy,
        copies=made.copies,
        phase=Phase.PLACED if made.copies else Phase.PENDING,
        reason=why.code,
        message=why.text,
        candidates=made.candidates or placed.candidates,
        sources=sources,
        source_commit=group.source.commit,
        snapshot=clock.snapshot,
        decided_at=int(clock.now),
        job_result=placed.job_result if still_ended else None,
    )
    after = _with_ends(after, placed, complete=made.satisfied)
    after = with_hold(dated(after, placed, clock.now), made)
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


def _update(
    policy: str, placed: PlacedGroup, made: Assignment, problem: Reason | None
) -> Reason:
    """Return what changed of a group, with the problem that it still has."""
    update = changes_of(placed.copies, made.copies)
    if not made.copies:
        return NoClusterLeft(policy, update)
    return update if problem is None else UpdatedInPart(problem, update)


def _problem(admitted: Admitted, made: Assignment) -> Reason | None:
    """Return what is not as it is asked for; None when all is.

    What lacks capacity comes first: it may change with the next snapshot, the rest with the user's next commit.
    """
    found: list[Reason] = []
    if not made.satisfied:
        found.append(_lacking(made))
    objects = admitted.transition.objects
    if objects is not None and objects.kept:
        found.append(
            ObjectHeldHere(tuple((item.key, refused) for item, refused in objects.kept))
        )
    if objects is not None and objects.edited:
        found.append(JobEditHeld(tuple(item.key for item in objects.edited)))
    if not found:
        return None
    return found[0] if len(found) == 1 else Problems(found[0], tuple(found[1:]))


def _lacking(made: Assignment) -> Copies:
    """Return which copies are not as they should be."""
    as_desired = made.count - len(made.refused) - len(made.unplaced)
    refused = tuple(one.why for one in made.refused)
    waiting = tuple((one.where, one.why) for one in made.unplaced)
    # An update that does not fit is the user's own, so it is said before what waits for capacity.
    decisive = refused[0] if refused else None
    return Copies(
        made.count, as_desired, refused=refused, waiting=waiting, decisive=decisive
    )


def _as_before(placed: PlacedGroup) -> Reason:
    """Return the reason of a group with nothing wrong: what it was, unless that said that something was."""
    if placed.reason in PROBLEM_REASONS:
        return Undisturbed(placed.clusters)
    return Written(placed.reason, placed.message)


def _with_ends(
    after: PlacedGroup, placed: PlacedGroup, *, complete: bool
) -> PlacedGroup:
    """Return the state with the end of its jobs, once all copies have ended.

    The group ends with the last of its copies, and not before it is `complete`.
    """
    if placed.job_result is not None:
        return after
    end = group_result(after.copies) if complete else None
    if end is None:
        return after
    succeeded = end.state == "SUCCEEDED"
    after = replace(
        after, phase=Phase.SUCCEEDED if succeeded else Phase.FAILED, job_result=end
    )
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
    objects = (*group.objects, *objects_of(copies)) if copies else group.objects
    return tuple(sorted({item.place.file for item in objects}))
