"""Makes the decision on a group that has no place: it gets its first copies, waits, or is rejected."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.placement.decision import Decision, TransitionKind
from reconciler.placement.model import Action, Candidate, Phase, Verdict
from reconciler.placement.placed_group import PlacedGroup, dated
from reconciler.placement.request import Assignment
from reconciler.planning.admitted import Admitted, Clock, with_hold
from reconciler.policy.model import SpreadMode
from reconciler.reasons.choice import NO_ELIGIBLE_CLUSTER, NoEligibleCluster
from reconciler.reasons.copies import Copies
from reconciler.reasons.quota import EXCEEDED
from reconciler.reasons.reason import Reason
from reconciler.workloads.group import Group

_VERDICT_ORDER = {str(verdict): rank for rank, verdict in enumerate(Verdict)}

_HARDEST_FIRST = (
    NO_ELIGIBLE_CLUSTER,
    EXCEEDED,
    str(Verdict.NEVER_FITS),
    str(Verdict.UNREACHABLE),
    str(Verdict.NO_FIT),
)
"""Why a division waits: the first of these that is the reason of one of its shares, as it needs all of them."""

_OUTCOMES = {
    Action.PLACE: (Phase.PLACED, TransitionKind.PLACE),
    Action.WAIT: (Phase.PENDING, TransitionKind.HOLD),
    Action.REJECT: (Phase.REJECTED, TransitionKind.REJECT),
}


def decide_unassigned(
    admitted: Admitted,
    group: Group,
    clock: Clock,
) -> Decision:
    """Decide on a group that must not be placed now, whatever capacity there is: it waits or is rejected."""
    transition = admitted.transition
    if transition.why is None:
        raise AssertionError(
            f"group {admitted.key} asks for nothing, and its transition gives no reason"
        )
    action = Action.REJECT if transition.kind is TransitionKind.REJECT else Action.WAIT
    return _decision(admitted, group, action, transition.why, (), clock)


def decide_first_copies(
    admitted: Admitted,
    group: Group,
    made: Assignment,
    clock: Clock,
) -> Decision:
    """Decide on a group that asked for its first copies."""
    candidates = made.candidates
    if not made.copies:
        why = _why_it_waits(group, made)
        return _decision(admitted, group, Action.WAIT, why, candidates, clock)
    why = _why_it_is_placed(group, made)
    return _decision(admitted, group, Action.PLACE, why, candidates, clock)


def _why_it_is_placed(group: Group, made: Assignment) -> Reason:
    """Return why a new group got what it got."""
    # Without a spread there is one choice of a cluster, and its reason says all.
    if group.policy.spreading is None:
        return made.chosen[0].why
    granted = tuple(
        (choice.cluster, choice.why) for choice in made.chosen if choice.cluster
    )
    waiting = tuple((one.where, one.why) for one in made.unplaced)
    decisive: Reason | None = None
    # A group with a copy that waits is partly placed, whatever the reasons of the others.
    if not waiting:
        # The reason of the copy that had it hardest is that of the group.
        last = len(_VERDICT_ORDER)
        reasons = [choice.why for choice in made.chosen]
        decisive = max(reasons, key=lambda why: _rank(why, last))
    return Copies(
        made.count,
        len(made.copies),
        granted,
        waiting=waiting,
        decisive=decisive,
    )


def _why_it_waits(group: Group, made: Assignment) -> Reason:
    """Return why a new group gets nothing."""
    spread = group.policy.spreading
    if spread is None:
        return made.unplaced[0].why
    # Where no cluster is eligible there is no domain, and so nothing that could lack a place.
    if not made.unplaced:
        refusals = tuple((one.cluster, one.why) for one in made.candidates)
        return NoEligibleCluster(group.policy.name, refusals)
    reasons = [one.why for one in made.unplaced]
    # A duplicate gets its first copy where there is least in its way.
    decisive = min(reasons, key=lambda why: _rank(why, -1))
    # A division needs all of its shares, so the one that is hardest to place decides.
    if spread.mode is SpreadMode.DIVIDE:
        decisive = _hardest(reasons) or decisive
    waiting = tuple((one.where, one.why) for one in made.unplaced)
    return Copies(made.count, 0, waiting=waiting, decisive=decisive)


def _rank(why: Reason, unknown: int) -> int:
    """Return how hard it was to get a place, by the code; `unknown` for codes that are no verdict."""
    return _VERDICT_ORDER.get(why.code, unknown)


def _hardest(reasons: Sequence[Reason]) -> Reason | None:
    for code in _HARDEST_FIRST:
        for why in reasons:
            if why.code == code:
                return why
    return None


def _decision(
    admitted: Admitted,
    group: Group,
    action: Action,
    why: Reason,
    candidates: tuple[Candidate, ...],
    clock: Clock,
) -> Decision:
    made = admitted.assignment
    phase, kind = _OUTCOMES[action]
    copies = made.copies if made and action is Action.PLACE else ()
    sources = {item.place.file for item in group.objects}
    after = PlacedGroup(
        key=group.key,
        policy=group.policy.name,
        copies=copies,
        phase=phase,
        reason=why.code,
        message=why.text,
        candidates=candidates,
        sources=tuple(sorted(sources)),
        source_commit=group.source.commit,
        snapshot=clock.snapshot,
        decided_at=int(clock.now),
    )
    # A group that waited before counts from when it began to.
    after = dated(after, admitted.placed, clock.now)
    after = with_hold(after, made)
    return Decision(
        group=group.key,
        action=action,
        transition=kind,
        phase=phase,
        policy=after.policy,
        reason=after.reason,
        message=after.message,
        candidates=candidates,
        before=admitted.before,
        after=after,
    )
