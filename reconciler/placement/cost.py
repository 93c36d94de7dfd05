"""Returns what a placement costs: the price of the nodes that an autoscaler must add for it.

Nodes that exist, or that are being added for others, cost a group nothing. A price that the
inventory does not declare is unknown, which is not the same as zero: it comes after every known price.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from reconciler.fleet.snapshot import NodePool
from reconciler.kube_scheduler.gang import Fit
from reconciler.reasons.scores import NewNodes, NodeCost

NO_COST = NodeCost()


def cost_rank(cost: NodeCost) -> tuple[bool, Decimal]:
    """Return what to sort costs by: cheap first, unknown last."""
    is_unknown = cost.per_hour is None
    return (is_unknown, cost.per_hour or Decimal(0))


def cost_of(fit: Fit, pools: Iterable[NodePool]) -> NodeCost:
    """Return what the nodes cost that `fit` needs beside those that exist; `pools` are those of its cluster."""
    if not fit.growth:
        return NO_COST
    known: Mapping[str, NodePool] = {pool.name: pool for pool in pools}
    nodes: list[NewNodes] = []
    unpriced: list[str] = []
    total = Decimal(0)
    for name, count in fit.new_nodes.items():
        pool = known[name]
        nodes.append(NewNodes(name, count, pool.spot))
        if pool.price_per_hour is None:
            unpriced.append(name)
            continue
        # The text of the float is the price as it was written, so that 3 x 0.1 is 0.3.
        price = Decimal(repr(pool.price_per_hour))
        total += price * count
    if unpriced:
        # A sum of the known prices alone would make it look cheaper than it is.
        return NodeCost(tuple(nodes), None, tuple(unpriced))
    return NodeCost(tuple(nodes), total)
