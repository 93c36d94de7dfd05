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
    admitted: Admitted,
    clock: Clock,
    exchanged: Exchanged | None = None,
) -> Decision:
    """Return the decision on a group; `exchanged` are its copies with the shared objects that changed for all users."""
    found = _decision(admitted, clock)
    if admitted.why is not None:
        found = _regrouped(found, admitted, admitted.why)
    if exchanged is not None and found.after is not None:
        found = _with_shared(found, found.after, exchanged)
    # Roles follow from the snapshot and are no change by themselves, so they are noted only with one.
    if found.changed and found.after is not None:
        after = _with_roles(found.after, admitted, clock)
        found = replace(found, after=after)
    return found


def decide_file(
    file: BrokenFile,
    key: GroupKey,
    before: PlacedGroup | None,
    clock: Clock,
) -> Decision:
    """Return the decision on a file that cannot be read and that no group speaks for."""
    why = file.beyond or UnreadableFile(file.problem)
    after = PlacedGroup(
        key=key,
        # What the file asks for is not known, so neither is the policy.
        policy="",
        copies=(),
        phase=Phase.REJECTED,
        reason=why.code,
        message=why.text,
        sources=(file.path,),
        snapshot=clock.snapshot,
        decided_at=int(clock.now),
    )
    return Decision(
        group=key,
        action=Action.REJECT,
        transition=TransitionKind.REJECT,
        phase=after.phase,
        policy=after.policy,
        reason=after.reason,
        message=after.message,
        candidates=(),
        before=before,
        after=after,
    )


def _decision(admitted: Admitted, clock: Clock) -> Decision:
    placed = admitted.placed
    group = admitted.group
    assignment = admitted.assignment
    transition = admitted.transition
    if transition.kind is TransitionKind.RETIRE:
        return _retired(admitted)
    # A group that waits and is not asked for any more may be kept as well: its file may be unreadable.
    if placed is not None and (placed.placed or group is None):
        if assignment is None or group is None:
            why = _given(transition.why, admitted.key)
            return decide_kept(admitted, clock, why)
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
        group=admitted.key,
        action=Action.RETIRE,
        transition=TransitionKind.RETIRE,
        phase=Phase.RETIRED,
        policy=placed.policy,
        reason=why.code,
        message=why.text,
        candidates=(),
        before=admitted.before,
        after=None,
    )


def _given(why: Reason | None, key: GroupKey) -> Reason:
    """Return the reason of a transition that asks for nothing, which always has one."""
    if why is None:
        raise AssertionError(
            f"group {key} asks for nothing, and its transition gives no reason"
        )
    return why


def _regrouped(
    decision: Decision,
    admitted: Admitted,
    regrouped: Regrouped,
) -> Decision:
    """Return the decision with what changed of the group's objects, besides what else there is to say."""
    after = decision.after
    # A group that has nothing left because another one took it was not removed by its user.
    if after is None:
        return replace(decision, reason=regrouped.code, message=regrouped.text)
    said = Written(decision.reason, decision.message)
    why: Reason = AlsoRegrouped(said, regrouped)
    action = decision.action
    transition = decision.transition
    if action is Action.KEEP:
        # Its copies stay, but it is another group now, which its Placement must say.
        action = Action.PLACE
        transition = TransitionKind.UPDATE
        if _says_nothing_new(why, admitted.placed):
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


def _says_nothing_new(why: Reason, placed: PlacedGroup | None) -> bool:
    """Tell whether a kept group has no problem, and the reason that it had before."""
    if why.code in PROBLEM_REASONS:
        return False
    before = placed.reason if placed else ""
    return why.code in {before, Undisturbed.code}


def _with_roles(
    after: PlacedGroup,
    admitted: Admitted,
    clock: Clock,
) -> PlacedGroup:
    """Return a group's new state with the roles that its copies have by what is observed."""
    before = admitted.placed.copies if admitted.placed else ()
    copies = with_roles(after.copies, before, admitted.statuses, clock.now)
    return replace(after, copies=copies)


def _with_shared(
    decision: Decision,
    after: PlacedGroup,
    exchanged: Exchanged,
) -> Decision:
    """Return the decision with the shared objects that changed with the other groups that have them."""
    said = Written(decision.reason, decision.message)
    why = SharedObjectsChanged(said, exchanged.names)
    message = why.text
    fresh = {copy.cluster: copy for copy in exchanged.copies}
    copies = []
    for copy in after.copies:
        other = fresh[copy.cluster]
        # Only objects are exchanged: share, role and result are those of the decision.
        copies.append(replace(copy, admitted=other.admitted, deployed=other.deployed))
    after = replace(after, copies=tuple(copies), message=message)
    return replace(decision, message=message, after=after)
