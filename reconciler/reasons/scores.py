"""What one cluster has by one of the scores that compare clusters (`placement.scoring`).

Each text follows the name of a cluster: `a has CPU for 3 more workloads of this size`. Its code is the name of the
preference in a policy (`prefer`), or of the default order.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from reconciler.reasons.reason import Reason
from reconciler.reasons.resource_text import resource_name
from reconciler.reasons.wording import nodes_text


class CapacityLeft(Reason, frozen=True):
    """The scarcest `resource` suffices for `workloads` more gangs of the same requests; empty: they request nothing."""

    code = "Available"
    resource: str
    workloads: float

    def _words(self) -> str:
        if not self.resource:
            return "has capacity for any number of workloads that request nothing"
        # Whole numbers without a point: most clusters hold a whole number of equal gangs.
        number = f"{self.workloads:.1f}".removesuffix(".0")
        noun = "workload" if number == "1" else "workloads"
        return (
            f"has {resource_name(self.resource)} for {number} more {noun} of this size"
        )


class NewNodes(Struct, frozen=True):
    """`count` nodes of `pool` that an autoscaler must add; `spot`: at a price for which they may be reclaimed."""

    pool: str
    count: int
    spot: bool = False

    def __str__(self) -> str:
        """Return for example `2 nodes of pool l4 (spot)`."""
        return f"{nodes_text(self.count)} of pool {self.pool}{' (spot)' if self.spot else ''}"


class NodeCost(Reason, frozen=True):
    """The price of new `nodes` an hour, in the fleet's currency; None where the `unpriced` pools have no price."""

    code = "Cost"
    nodes: tuple[NewNodes, ...] = ()
    per_hour: Decimal | None = Decimal(0)
    unpriced: tuple[str, ...] = ()

    def _words(self) -> str:
        if not self.nodes:
            return "needs no new nodes"
        if self.per_hour is None:
            return f"has no known price for {' and '.join(f'pool {name}' for name in self.unpriced)}"
        return f"costs {_price(self.per_hour)} per hour for {' and '.join(map(str, self.nodes))}"


class Packing(Reason, frozen=True):
    """The free share of the cluster's scarcest devices (0 to 1), and how many GPUs become useless to typical gangs."""

    code = "Pack"
    free_share: float
    wasted: float

    def _words(self) -> str:
        number = "no more"
        if round(self.wasted, 2):
            number = f"{abs(self.wasted):.2f} {'more' if self.wasted > 0 else 'fewer'}"
        return f"is {self.free_share:.0%} free and leaves {number} GPUs unusable for typical gangs"


class Utilization(Reason, frozen=True):
    """The share (0 to 1) of `resource`, the most used one, that is used with the gang; empty: it requests nothing."""

    code = "Balance"
    resource: str
    used: float

    def _words(self) -> str:
        if not self.resource:
            return "has no capacity used by it"
        return f"has {self.used:.0%} of its {resource_name(self.resource)} used with it"


class NodesPaid(Reason, frozen=True):
    """The gang runs on nodes that stay whether or not it is placed there, so they cost the same either way."""

    code = "NodesPaid"

    def _words(self) -> str:
        return "has nodes that are paid for anyway"


class NodesRemovable(Reason, frozen=True):
    """The gang runs on nodes that exist, and that an autoscaler would remove if they were empty."""

    code = "NodesRemovable"

    def _words(self) -> str:
        return "has nodes that its autoscaler may remove"


class NodesAdded(Reason, frozen=True):
    """The gang needs nodes that an autoscaler must add."""

    code = "NodesAdded"

    def _words(self) -> str:
        return "needs new nodes"


class FirstByName(Reason, frozen=True):
    """All scores of `clusters` clusters are equal, and this is the first of them by name."""

    code = "FirstByName"
    clusters: int

    def _words(self) -> str:
        return f"is the first by name of {self.clusters} equally suitable clusters"


def _price(price: Decimal) -> str:
    """Return a price with two digits after the point, and as many more as it was written with."""
    digits = price.normalize().as_tuple().exponent
    return f"{price:.{max(2, -digits if isinstance(digits, int) else 0)}f}"
