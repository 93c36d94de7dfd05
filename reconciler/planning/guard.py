"""The guard: a plan that would remove much stops and asks (DESIGN, promise 5).

The one idea: groups and add-ons are counted apart. One slip in a cluster's labels can take an operator off every idle
cluster at once; and the more add-ons a fleet has, the more groups could go unasked if both were one sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reconciler.errors import GuardTripped
from reconciler.fleet.settings import Guards
from reconciler.lifecycle.ownership import REGROUPED
from reconciler.placement.outcome import Outcome, Standing
from reconciler.planning.addons import AddOnPlan


def check(guards: Guards, standing: Iterable[Standing], outcomes: Iterable[Outcome], addons: AddOnPlan) -> None:
    """Raise `GuardTripped` where more groups or more add-ons would leave their clusters than `guards` allow."""
    gone = [str(outcome.decision.group) for outcome in outcomes for _ in _left(outcome)]
    _check(guards, "placements", gone, sum(len(one.record.clusters) for one in standing))
    _check(guards, "placed add-ons", addons.left, len(addons.placed))


def _check(guards: Guards, what: str, gone: Sequence[str], placed: int) -> None:
    if guards.allows(len(gone), placed):
        return
    named = list(dict.fromkeys(gone))
    names = ", ".join(named[:3]) + (", ..." if len(named) > 3 else "")
    raise GuardTripped(
        f"this would remove {len(gone)} of {placed} {what} ({names}), more than guards in fleet.yaml allow: "
        "if it is meant, run `skyray reconcile --allow-removals` once"
    )


def _left(outcome: Outcome) -> list[str]:
    """Return the clusters that had a part of the group, and have none afterwards; what others took over stays."""
    if outcome.decision.reason == REGROUPED:
        return []
    before = outcome.before.record.clusters if outcome.before else ()
    after = {share.name for share in outcome.record.clusters} if outcome.record else set()
    return [share.name for share in before if share.name not in after]
