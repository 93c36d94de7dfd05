"""What a placement costs: the price of the nodes that an autoscaler must add for it.

The one idea: a group pays for what is not paid for yet. Nodes that exist, or that are being added for others, cost it
nothing, whoever owns them. A price that nobody declared is unknown, which is not the same as nothing: it comes after
every known one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from reconciler.fleet.snapshot import NodePool
from reconciler.kube_scheduler.gang import Fit


@dataclass(frozen=True, slots=True)
class Cost:
    """The price of `nodes` (pool, count), an hour, in the fleet's currency; None when it is not known.

    `unpriced` names the pools without a price.
    """

    nodes: tuple[tuple[NodePool, int], ...] = ()
    per_hour: Decimal | None = Decimal(0)
    unpriced: tuple[str, ...] = ()

    @property
    def rank(self) -> tuple[bool, Decimal]:
        """Return what to sort by: cheap first, unknown last."""
        return (self.per_hour is None, self.per_hour or Decimal(0))

    @property
    def text(self) -> str:
        """Return the words that messages use, such as `costs 1.42 per hour for 2 nodes of pool l4 (spot)`."""
        if not self.nodes:
            return "needs no new nodes"
        if self.per_hour is None:
            return f"has no known price for {' and '.join(f'pool {name}' for name in self.unpriced)}"
        return f"costs {_amount(self.per_hour)} per hour for {' and '.join(_nodes(*some) for some in self.nodes)}"


def cost_of(fit: Fit, pools: Iterable[NodePool]) -> Cost:
    """Return what the nodes cost that `fit` needs beside those that exist; `pools` are those of its cluster."""
    if not fit.growth:
        return Cost()
    known: Mapping[str, NodePool] = {pool.name: pool for pool in pools}
    nodes = tuple((known[name], count) for name, count in fit.new_nodes.items())
    unpriced = tuple(pool.name for pool, _ in nodes if pool.price_per_hour is None)
    if unpriced:
        return Cost(nodes, None, unpriced)
    # repr: the price as it was written, so that 3 x 0.1 is 0.3
    prices = [Decimal(repr(pool.price_per_hour)) * count for pool, count in nodes]
    return Cost(nodes, sum(prices, Decimal(0)))


def _nodes(pool: NodePool, count: int) -> str:
    return f"{count} {'node' if count == 1 else 'nodes'} of pool {pool.name}{' (spot)' if pool.spot else ''}"


def _amount(price: Decimal) -> str:
    """Return a price with two digits after the point, and as many more as it was written with."""
    digits = price.normalize().as_tuple().exponent
    return f"{price:.{max(2, -digits if isinstance(digits, int) else 0)}f}"
