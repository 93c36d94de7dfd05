"""Capacity of one cluster that is reserved for a gang that has waited long: a backfill reservation, as in EASY.

A hold must not delay the gang, and need not stop other groups. So it keeps a second state of the cluster, in which all
that was placed before the hold began has ended: the gang fits there. A later group gets capacity if it fits now, and
the gang would still fit in that second state beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from reconciler.kube_scheduler.equivalence import GangRequest
from reconciler.kube_scheduler.fit import commit, try_gang
from reconciler.kube_scheduler.gang import Fit, Gang
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.reasons.hold import CapacityReserved, FitsButReserved
from reconciler.workloads.group import GroupKey


@dataclass(frozen=True, slots=True)
class Hold:
    """`gang` of `group` has waited since `since`; capacity is reserved until `until` (both in unix seconds).

    `emptied` are the cluster's nodes once what was placed there before has ended; the gang fits on them.
    """

    group: GroupKey
    gang: Gang
    since: float
    until: float
    emptied: Nodes

    @property
    def why(self) -> CapacityReserved:
        """Return for which group capacity is reserved, and until when."""
        return CapacityReserved(str(self.group), self.since, self.until)

    def judge(self, wanted: GangRequest, fit: Fit) -> Fit:
        """Return `fit`, what the cluster offers a later group now, unless taking it would delay the gang."""
        if not fit.ok:
            return fit
        beside = self._beside(wanted.gang, fit)
        if try_gang(beside, self.gang).ok:
            return fit
        why = FitsButReserved(fit.why, self.why)
        return replace(
            fit,
            ok=False,
            placed=0,
            why=why,
            bindings=(),
            growth=(),
            waits=False,
        )

    def beside(self, gang: Gang, fit: Fit) -> Hold:
        """Return the hold once a later group uses the capacity that `fit` found for it."""
        nodes = self._beside(gang, fit)
        return replace(self, emptied=nodes)

    def _beside(self, gang: Gang, fit: Fit) -> Nodes:
        """Return the emptied nodes with a later group on the very nodes that it gets, else where it would be bound."""
        if fit.growth or self._uses_new_nodes(fit):
            # Nodes that are to be added have no fixed place among the emptied nodes.
            fit = try_gang(self.emptied, gang)
        return commit(self.emptied, gang, fit) if fit.ok else self.emptied

    def _uses_new_nodes(self, fit: Fit) -> bool:
        """Tell whether pods are bound to nodes that do not exist yet, whichever group these were added for."""
        existing = self.emptied.existing
        last_nodes = [max(bound.nodes, default=-1) for bound in fit.bindings]
        return any(node >= existing for node in last_nodes)
