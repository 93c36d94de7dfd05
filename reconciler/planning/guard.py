"""The guard: tells when a plan would remove more than fleet.yaml allows, so that it stops and asks.

Groups and add-ons are counted apart. One slip in a cluster's labels can take an operator off every idle cluster at
once; and the more add-ons a fleet has, the more groups could leave unnoticed if both were one sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reconciler.errors import GuardTripped
from reconciler.fleet.settings import Guards
from reconciler.placement.decision import Decision
from reconciler.planning.addons import AddOnPlan
from reconciler.reasons.changes import Regrouped

_NAMED = 3
"""How many of the groups or add-ons that would go the objection names."""


@dataclass(frozen=True, slots=True)
class GuardReport:
    """What a plan removes. `objection` says why it must be asked for first; empty where the guards allow it."""

    objection: str = ""

    def check(self) -> None:
        """Raise `GuardTripped` where the plan removes more than the guards allow."""
        if self.objection:
            raise GuardTripped(self.objection)


def guard_report(
    guards: Guards,
    placed: int,
    decisions: Iterable[Decision],
    addons: AddOnPlan,
) -> GuardReport:
    """Return what `guards` say to the groups and the add-ons that would leave their clusters.

    `placed` is how many copies there are. Of `decisions` those that change nothing may be left out.
    """
    gone: list[str] = []
    for decision in decisions:
        # A group counts once for each cluster that it leaves.
        gone += [str(decision.group)] * len(_left(decision))
    objection = _objection(guards, "placements", gone, placed)
    if not objection:
        standing = len(addons.placed)
        objection = _objection(guards, "placed add-ons", addons.left, standing)
    return GuardReport(objection)


def _objection(
    guards: Guards,
    what: str,
    gone: Sequence[str],
    placed: int,
) -> str:
    if guards.allows(len(gone), placed):
        return ""
    # A group that leaves several clusters is named once.
    named = list(dict.fromkeys(gone))
    names = ", ".join(named[:_NAMED])
    if len(named) > _NAMED:
        names += ", ..."
    return (
        f"this would remove {len(gone)} of {placed} {what} ({names}), more than guards in fleet.yaml allow: "
        "if it is meant, run `skyray reconcile --allow-removals` once"
    )


def _left(decision: Decision) -> list[str]:
    """Return the clusters that had a copy and have none afterwards; what other groups took over stays there."""
    if decision.reason == Regrouped.code:
        return []
    before = decision.before.clusters if decision.before else ()
    # What counts is what the Placement says afterwards, not a decision that is not committed.
    placement = decision.placement
    after = set(placement.clusters) if placement else set()
    return [cluster for cluster in before if cluster not in after]
