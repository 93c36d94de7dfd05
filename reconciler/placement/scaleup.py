"""Which nodes an autoscaler would add for pods that wait.

The one idea: one step is one pool and as many of its nodes as the first waiting batch needs, judged on an empty node
of the pool; the scheduler's mirror then says what that was good for (`placement.sequence`). Pools are tried cheapest
first when all that would do have a price, else in the order of the inventory. What DaemonSets take of a new node is not
known.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reconciler.manifests.podshape import PodShape
from reconciler.placement.filters import allowed, ports_clash
from reconciler.placement.nodes import Ints, Mask, Nodes


class Growth:
    """The choice of pools for one gang: what is spare, and what was tried in vain."""

    def __init__(self, nodes: Nodes) -> None:
        self._pools = nodes.pools
        self._spare = dict(nodes.spare)
        self._samples = nodes.samples()
        self._refused: set[tuple[int, str]] = set()
        self._asked: tuple[int, str, int] = (0, "", 0)

    def next(self, shapes: Sequence[PodShape], left: Sequence[int]) -> tuple[str, int] | None:
        """Return (pool, nodes) to add for the first batch with pods left that any pool can help; None when none can."""
        for batch, (shape, count) in enumerate(zip(shapes, left, strict=True)):
            if count:
                step = self._step(batch, shape, count)
                if step is not None:
                    self._asked = (batch, *step)
                    return step
        return None

    def accept(self) -> None:
        """Keep the nodes of the last step."""
        _, pool, count = self._asked
        self._spare[pool] -= count

    def refuse(self, pool: str) -> None:
        """Take the nodes of the last step back: they helped nobody."""
        self._refused.add((self._asked[0], pool))

    def _step(self, batch: int, shape: PodShape, count: int) -> tuple[str, int] | None:
        each = room_when_empty(self._samples, shape)
        options = [
            (pool, min(-(-count // int(room)), self._spare[pool.name]))
            for pool, room in zip(self._pools, each, strict=True)
            if room and self._spare[pool.name] > 0 and (batch, pool.name) not in self._refused
        ]
        if not options:
            return None
        if all(pool.price_per_hour is not None for pool, _ in options):
            pool, number = min(options, key=lambda option: (option[0].price_per_hour or 0.0) * option[1])
        else:
            pool, number = options[0]
        return pool.name, number


def room_when_empty(nodes: Nodes, shape: PodShape, passing: Mask | None = None) -> Ints:
    """Return how many pods of `shape` each node could hold if nothing stood on it; 0 where it may not stand.

    `passing`: where it may stand, when that is not what the nodes' labels and taints say now.
    """
    requested = nodes.requested(shape)
    if requested is None:
        return np.zeros(nodes.size, dtype=np.int64)
    whole = nodes.table.alloc - nodes.table.kept
    most = np.full(nodes.size, 1 if ports_clash(shape.host_ports, shape.host_ports) else np.iinfo(np.int64).max)
    for row, amount in requested:
        np.minimum(most, whole[row] // amount, out=most)
    return np.where(allowed(nodes.table, shape) if passing is None else passing, np.maximum(most, 0), 0)
