"""A group that a policy spreads, and of which nothing stands yet."""

from __future__ import annotations

from dataclasses import replace

from reconciler.placement.model import PARTLY, Action, Decision, Phase, Verdict
from reconciler.placement.outcome import placement
from reconciler.placement.quota import EXCEEDED
from reconciler.placement.spread import Arrangement, Sites, arrange
from reconciler.policy.model import SpreadMode
from reconciler.workloads.group import Group

_ORDER = {str(verdict): rank for rank, verdict in enumerate(Verdict)}

_HARDEST = ("NoEligibleCluster", EXCEEDED, str(Verdict.NEVER_FITS), str(Verdict.UNREACHABLE), str(Verdict.NO_FIT))
"""Why a division waits: the first of these that is the reason of one of its shares, as it needs all of them."""


def enter(group: Group, sites: Sites) -> tuple[Decision, Arrangement]:
    """Decide where a spread group goes, and take the room. Raises `InvalidObject` as `spread.arrange` does."""
    made = arrange(group, group.objects, (), sites)
    if not made.parts:
        return _waiting(group, made), made
    lines = [f"{choice.cluster}: {choice.message}" for choice in made.chosen if choice.cluster]
    lines += [f"{one.where} waits: {one.message}" for one in made.waits]
    reason = PARTLY
    if not made.waits:
        # The reason of the part that has it hardest stands for all.
        reason = max((choice.reason for choice in made.chosen), key=lambda word: _ORDER.get(word, len(_ORDER)))
    many = f"{len(made.parts)} of {made.wanted} clusters; " if made.wanted > 1 else ""
    decision = placement(group, made.parts, reason, many + "; ".join(lines))
    return replace(decision, candidates=made.candidates), made


def _waiting(group: Group, made: Arrangement) -> Decision:
    spread = group.policy.spreading
    reason, message = "NoEligibleCluster", f"policy {group.policy.name} leaves no cluster eligible"
    refused = [f"{one.cluster}: {one.message}" for one in made.candidates]
    if made.waits:
        reasons = [one.reason for one in made.waits]
        reason = min(reasons, key=lambda word: _ORDER.get(word, -1))
        if spread is not None and spread.mode is SpreadMode.DIVIDE:
            reason = next((word for word in _HARDEST if word in reasons), reason)
        many = f"0 of {made.wanted} clusters; " if made.wanted > 1 else ""
        message = many + "; ".join(f"{one.where} waits: {one.message}" for one in made.waits)
    elif refused:
        message += f": {'; '.join(refused[:3])}" + (f" (and {len(refused) - 3} more)" if len(refused) > 3 else "")
    return Decision(group.key, Action.WAIT, Phase.PENDING, group.policy.name, (), reason, message, made.candidates)
