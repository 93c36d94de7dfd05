"""A group that a policy spreads, and of which nothing stands yet."""

from __future__ import annotations

from dataclasses import replace

from reconciler.placement.group import Group
from reconciler.placement.model import Action, Decision, Phase, Verdict
from reconciler.placement.outcome import Part, placement
from reconciler.placement.spread import Arrangement, Sites, arrange

PARTLY = "PartlyPlaced"
"""Some clusters have their part of the group, and others wait for room."""

_ORDER = {str(verdict): rank for rank, verdict in enumerate(Verdict)}


def enter(group: Group, sites: Sites) -> tuple[Decision, tuple[Part, ...]]:
    """Decide where a spread group goes, and take the room. Raises `InvalidObject` as `spread.arrange` does."""
    made = arrange(group, group.objects, (), sites)
    if not made.parts:
        return _waiting(group, made), ()
    lines = [f"{choice.cluster}: {choice.message}" for choice in made.chosen if choice.cluster]
    lines += [f"{one.where} waits: {one.message}" for one in made.waits]
    reason = PARTLY
    if not made.waits:
        # The reason of the part that has it hardest stands for all.
        reason = max((choice.reason for choice in made.chosen), key=lambda word: _ORDER.get(word, len(_ORDER)))
    many = f"{len(made.parts)} of {made.wanted} clusters; " if made.wanted > 1 else ""
    decision = placement(group, made.parts, reason, many + "; ".join(lines))
    return replace(decision, candidates=made.candidates), made.parts


def _waiting(group: Group, made: Arrangement) -> Decision:
    reason, message = "NoEligibleCluster", f"policy {group.policy.name} leaves no cluster eligible"
    refused = [f"{one.cluster}: {one.message}" for one in made.candidates]
    if made.waits:
        reason = min((one.reason for one in made.waits), key=lambda word: _ORDER.get(word, -1))
        many = f"0 of {made.wanted} clusters; " if made.wanted > 1 else ""
        message = many + "; ".join(f"{one.where} waits: {one.message}" for one in made.waits)
    elif refused:
        message += f": {'; '.join(refused[:3])}" + (f" (and {len(refused) - 3} more)" if len(refused) > 3 else "")
    return Decision(group.key, Action.WAIT, Phase.PENDING, group.policy.name, (), reason, message, made.candidates)
