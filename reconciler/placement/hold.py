"""Capacity of one cluster that is reserved for a gang that has waited long: a backfill reservation, as in EASY.

A hold must not delay the gang, and need not stop anyone else. So it keeps a second state of the cluster, in which all
that was placed before the hold began has ended: the gang fits there. A later group gets capacity if it fits now, and
the gang would still fit in that second state beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from reconciler.kube_scheduler.equivalence import GangRequest
from reconciler.kube_scheduler.fit import commit, try_gang
from reconciler.kube_scheduler.gang import Fit, Gang
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.placement.placed_group import HeldCapacity
from reconciler.reasons.hold import HELD_FOR_OLDER, FitsButHeld, RoomHeld
from reconciler.reasons.wording import utc_text
from reconciler.workloads.group import GroupKey

__all__ = ["HELD_FOR_OLDER", "Hold", "hold_message"]


@dataclass(frozen=True, slots=True)
class Hold:
    """`gang` of `group` has waited since `since`; the room is held until `until` (both in unix seconds).

    `emptied` are the cluster's nodes once what stood there before has ended; the gang fits on them.
    """

    group: GroupKey
    gang: Gang
    since: float
    until: float
    emptied: Nodes

    @property
    def message(self) -> str:
        """Say for whom the room is held, and until when."""
        return self._why.text

    @property
    def _why(self) -> RoomHeld:
        return RoomHeld(str(self.group), self.since, self.until)

    def judge(self, wanted: GangRequest, fit: Fit) -> Fit:
        """Return `fit`, what the cluster offers a younger group now, unless taking it would delay the gang."""
        if not fit.ok or try_gang(self._beside(wanted.gang, fit), self.gang).ok:
            return fit
        return replace(
            fit,
            ok=False,
            placed=0,
            why=FitsButHeld(fit.why, self._why),
            bindings=(),
            growth=(),
            waits=False,
        )

    def beside(self, gang: Gang, fit: Fit) -> Hold:
        """Return the hold once a later group uses the capacity that `fit` found for it."""
        return replace(self, emptied=self._beside(gang, fit))

    def _beside(self, gang: Gang, fit: Fit) -> Nodes:
        """Return the emptied nodes with a younger group on the very nodes that it gets, else where it would land."""
        if fit.growth or any(node >= self.emptied.existing for bound in fit.bindings for node in bound.nodes):
            fit = try_gang(self.emptied, gang)
        return commit(self.emptied, gang, fit) if fit.ok else self.emptied


def hold_message(held: HeldCapacity) -> str:
    """Say to a group that waits what is reserved for it, and until when."""
    return (
        f"on {', '.join(held.clusters)} its turn is held until {utc_text(held.until)}, since it has waited from "
        f"{utc_text(held.since)} on: until then no younger group gets room that it needs"
    )
