"""Makes the decision on each group from its transition and what it got.

A reason is put into words here and nowhere before, as a decision is what is written to files and commits. What becomes
of a group without a place is in `new_groups`, of one with a place in `placed_groups`.
"""

from __future__ import annotations

from dataclasses import replace

from reconciler.lifecycle.observe import with_roles
from reconciler.lifecycle.shared_objects import Exchanged
from reconciler.lifecycle.transitions import PROBLEM_REASONS
from reconciler.placement.decision import Decision, TransitionKind
from reconciler.placement.model import Action, Phase
from reconciler.placement.placed_group import PlacedGroup
from reconciler.planning.admitted import Admitted, Clock
from reconciler.planning.new_groups import decide_first_copies, decide_unassigned
from reconciler.planning.placed_groups import decide_kept, decide_updated
from reconciler.reasons.changes import AlsoRegrouped, Regrouped, SharedObjectsChanged
from reconciler.reasons.copies import Undisturbed
from reconciler.reasons.reason import Reason
from reconciler.reasons.transitions import UnreadableFile
from reconciler.reasons.written import Written
from reconciler.workloads.group import BrokenFile, GroupKey


def decide(
    admitted: Admitted, clock: Clock, exchanged: Exchanged | None = None
) -> Decision:
    """Return the decision on a group; `exchanged` are its copies with the shared objects that changed for all users."""
    found = _decision(admitted, clock)
    if admitted.why is not None:
        found = _regrouped(found, admitted, admitted.why)
    if exchanged is not None and found.after is not None:
        found = _with_shared(found, found.after, exchanged)
    # Roles follow from the snapshot and are no change by themselves, so they are noted only with one.
    if found.changed and found.after is not None:
        before = admitted.placed.copies if admitted.placed else ()
        copies = with_roles(found.after.copies, before, admitted.statuses, clock.now)
        found = replace(found, after=replace(found.after, copies=copies))
    return found


def decide_file(
    file: BrokenFile, key: GroupKey, before: PlacedGroup | None, clock: Clock
) -> Decision:
    """Return the decision on a file that cannot be read and that no group speaks for."""
    why = UnreadableFile(file.problem)
    after = PlacedGroup(
        key,
        "",
        (),
        Phase.REJECTED,
        why.code,
        why.text,
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
    transition = admitted.transition
    if transition.kind is TransitionKind.RETIRE:
        return _retired(admitted)
    if placed is not None and (placed.placed or group is None):
        if assignment is None or group is None:
            return decide_kept(admitted, clock, _given(transition.why, admitted.key))
        return decide_updated(admitted, group, placed, assignment, clock)
    if group is None:
        raise AssertionError(f"group {admitted.key} is neither placed nor asked for")
    if assignment is None:
        return decide_unassigned(admitted, group, clock)
    return decide_first_copies(admitted, group, assignment, clock)


def _retired(admitted: Admitted) -> Decision:
    placed = admitted.placed
    if placed is None:
        raise AssertionError(f"group {admitted.key} is retired and was not placed")
    why = _given(admitted.transition.why, admitted.key)
    return Decision(
        admitted.key,
        Action.RETIRE,
        TransitionKind.RETIRE,
        Phase.RETIRED,
        placed.policy,
        why.code,
        why.text,
        (),
        admitted.before,
        None,
    )


def _given(why: Reason | None, key: GroupKey) -> Reason:
    """Return the reason of a transition that asks for nothing, which always has one."""
    if why is None:
        raise AssertionError(
            f"group {key} asks for nothing, and its transition gives no reason"
        )
    return why


def _regrouped(
    decision: Decision, admitted: Admitted, regrouped: Regrouped
) -> Decision:
    """Return the decision with what changed of the group's objects, besides what else there is to say."""
    after = decision.after
    if after is None:
        return replace(decision, reason=regrouped.code, message=regrouped.text)
    why: Reason = AlsoRegrouped(Written(decision.reason, decision.message), regrouped)
    action, transition = decision.action, decision.transition
    if action is Action.KEEP:
        # Its copies stay, but it is another group now, which its Placement must say.
        action, transition = Action.PLACE, TransitionKind.UPDATE
        stayed = {admitted.placed.reason if admitted.placed else "", Undisturbed.code}
        if why.code not in PROBLEM_REASONS and why.code in stayed:
            why = regrouped
    after = replace(after, reason=why.code, message=why.text)
    return replace(
        decision,
        action=action,
        transition=transition,
        phase=after.phase,
        reason=after.reason,
        message=after.message,
        after=after,
    )


def _with_shared(
    decision: Decision, after: PlacedGroup, exchanged: Exchanged
) -> Decision:
    """Return the decision with the shared objects that changed with the other groups that have them."""
    why = SharedObjectsChanged(
        Written(decision.reason, decision.message), exchanged.names
    )
    fresh = {copy.cluster: copy for copy in exchanged.copies}
    copies = []
    for copy in after.copies:
        other = fresh[copy.cluster]
        copies.append(replace(copy, admitted=other.admitted, deployed=other.deployed))
    return replace(
        decision,
        message=why.text,
        after=replace(after, copies=tuple(copies), message=why.text),
    )
