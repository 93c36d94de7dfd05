"""What one round of decisions leaves to the next one, and what both come to.

The one idea: a plan is finished when another plan, made of what it leaves, would change nothing. So decisions are taken
in rounds, each on the outcomes of the ones before as if these were committed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from reconciler.placement.model import Action
from reconciler.placement.outcome import Outcome, Standing, settled
from reconciler.placement.quota import EXCEEDED
from reconciler.workloads.group import GroupKey

_REFUSED = ("UpdateDoesNotFit", EXCEEDED)
"""Reasons of groups that stand otherwise than they should, for want of room or quota."""


def unsettled(outcomes: Iterable[Outcome]) -> bool:
    """Tell whether another round could find anything else: somebody moved, and somebody lacks something."""
    left = [(one, one.record) for one in outcomes if one.record is not None]
    moved = any(one.changed and (record.placed or (one.before and one.before.record.placed)) for one, record in left)
    return moved and any(record.waits or record.reason in _REFUSED for _, record in left)


def standing_after(outcomes: Iterable[Outcome]) -> dict[GroupKey, Standing]:
    """Return the groups as they will stand once `outcomes` are carried out."""
    left = ((one, one.record) for one in outcomes if one.record is not None)
    return {
        record.group: one.before if one.before and not one.changed else Standing(record, one.objects, one.parts)
        for one, record in left
    }


def combined(outcomes: Iterable[Outcome], later: Iterable[Outcome]) -> tuple[Outcome, ...]:
    """Return what `outcomes` and, decided on what they leave, `later` ones come to."""
    found = {one.decision.group: one for one in later if one.changed}
    return tuple(_onto(one, found.get(one.decision.group)) for one in outcomes)


def _onto(first: Outcome, later: Outcome | None) -> Outcome:
    """Return the outcome of both, told as a change of what stood before the first; none `later` changes nothing."""
    if later is None:
        return first
    decision = later.decision
    if first.decision.action is Action.PLACE and decision.action is Action.KEEP:
        decision = replace(decision, action=Action.PLACE)  # it keeps what it was given just now
    return settled(replace(later, decision=decision, before=first.before))
