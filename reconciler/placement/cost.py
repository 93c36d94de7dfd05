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
    return (cost.per_hour is None, cost.per_hour or Decimal(0))


def cost_of(fit: Fit, pools: Iterable[NodePool]) -> NodeCost:
    """Return what the nodes cost that `fit` needs beside those that exist; `pools` are those of its cluster."""
    if not fit.growth:
        return NO_COST
    known: Mapping[str, NodePool] = {pool.name: pool for pool in pools}
    added = [(known[name], count) for name, count in fit.new_nodes.items()]
    nodes = tuple(NewNodes(pool.name, count, pool.spot) for pool, count in added)
    unpriced = tuple(pool.name for pool, _ in added if pool.price_per_hour is None)
    if unpriced:
        return NodeCost(nodes, None, unpriced)
    # repr: the price as it was written, so that 3 x 0.1 is 0.3
    prices = [Decimal(repr(pool.price_per_hour)) * count for pool, count in added]
    return NodeCost(nodes, sum(prices, Decimal(0)))
