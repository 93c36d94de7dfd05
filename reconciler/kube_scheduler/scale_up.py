"""Which nodes an autoscaler would add for pods that wait.

The one idea: one step is one pool and as many of its nodes as one waiting batch needs, judged on a new node of the
pool; the scheduler's mirror then says what that was good for (`kube_scheduler.simulate`). The batch that is hardest to
please goes first, so that easier pods fill what is left of its nodes. Of the pools that would do, the cheapest for a
pod is asked, where all of them have a price; else the first of the inventory that has no devices which the pod does not
ask for, as autoscalers spare those. What DaemonSets take of a new node is what they take of the others
(`kube_scheduler.daemonsets`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reconciler.fleet.snapshot import NodePool
from reconciler.kube_scheduler.filters import allowed, ports_clash
from reconciler.kube_scheduler.nodes import Ints, Mask, Nodes
from reconciler.manifests.podshape import PodShape


class Expander:
    """The choice of pools for one gang: what is spare, and what was tried in vain."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._pools = nodes.pools
        self._spare = dict(nodes.spare)
        self._samples = nodes.samples()
        self._refused: set[tuple[int, str]] = set()
        self._asked: tuple[int, NodePool, int, int] | None = None

    def next(self, shapes: Sequence[PodShape], left: Sequence[int]) -> tuple[str, int] | None:
        """Return (pool, nodes) to add for the hardest batch with pods left that a pool can help; None when none can."""
        for batch in sorted((i for i, count in enumerate(left) if count), key=lambda i: -self._hardness(shapes[i])):
            step = self._step(batch, shapes[batch], left[batch])
            if step is not None:
                self._asked = (batch, *step)
                return step[0].name, step[1]
        return None

    def apart(self, shapes: Sequence[PodShape], left: Sequence[int]) -> list[tuple[str, int]]:
        """Return the steps that give each batch new nodes of its own; none where the pools do not suffice for that."""
        steps: list[tuple[str, int]] = []
        waiting = [*left]
        while any(waiting):
            step = self.next(shapes, waiting)
            if step is None or self._asked is None:
                return []
            steps.append(step)
            self.accept()
            batch, _, count, room = self._asked
            waiting[batch] = max(waiting[batch] - count * room, 0)
        return steps

    def accept(self) -> None:
        """Keep the nodes of the last step."""
        if self._asked is not None:
            _, pool, count, _ = self._asked
            self._spare[pool.budget] -= count

    def refuse(self) -> None:
        """Take the nodes of the last step back: they helped nobody."""
        if self._asked is not None:
            self._refused.add((self._asked[0], self._asked[1].name))

    def _hardness(self, shape: PodShape) -> float:
        """Return the share of the largest new node that the pod takes, by its scarcest resource."""
        largest = self._samples.table.alloc.max(axis=1, initial=1)
        requested = self._samples.requested(shape) or ()
        return max((amount / max(int(largest[row]), 1) for row, amount in requested), default=0.0)

    def _step(self, batch: int, shape: PodShape, count: int) -> tuple[NodePool, int, int] | None:
        each = _room_when_new(self._samples, shape)
        options = [
            (pool, min(-(-count // int(room)), self._spare[pool.budget]), int(room), needless(pool, shape), place)
            for place, (pool, room) in enumerate(zip(self._pools, each, strict=True))
            if room and self._spare[pool.budget] > 0 and (batch, pool.name) not in self._refused
        ]
        if not options:
            return None
        prices = [pool.price_per_hour for pool, *_ in options]
        if None in prices:
            best = min(options, key=lambda option: option[3:])
        else:
            best = min(
                options,
                key=lambda option: (
                    (option[0].price_per_hour or 0.0) * option[1] / min(count, option[1] * option[2]),
                    option[1],
                    option[4],
                ),
            )
        return best[0], best[1], best[2]


def needless(pool: NodePool, shape: PodShape) -> bool:
    """Tell whether nodes of the pool have devices, none of which the pod asks for."""
    devices = {name for name, amount in pool.allocatable.items() if "/" in name and amount > 0}
    return bool(devices) and not any(shape.requests.get(name, 0) > 0 for name in devices)


def _room_when_new(samples: Nodes, shape: PodShape) -> Ints:
    """Return how many pods of `shape` a new node of each pool takes beside its DaemonSets' pods; 0 if it is filtered."""
    return _room(samples, shape, samples.free, allowed(samples.table, shape))


def room_when_empty(nodes: Nodes, shape: PodShape, passing: Mask | None = None) -> Ints:
    """Return how many pods of `shape` each node could hold if nothing stood on it; 0 where it may not stand.

    `passing`: where it may stand, when that is not what the nodes' labels and taints say now.
    """
    whole = nodes.table.alloc - nodes.table.kept
    return _room(nodes, shape, whole, allowed(nodes.table, shape) if passing is None else passing)


def _room(nodes: Nodes, shape: PodShape, room: Ints, passing: Mask) -> Ints:
    requested = nodes.requested(shape)
    if requested is None:
        return np.zeros(nodes.size, dtype=np.int64)
    most = np.full(nodes.size, 1 if ports_clash(shape.host_ports, shape.host_ports) else np.iinfo(np.int64).max)
    for row, amount in requested:
        np.minimum(most, room[row] // amount, out=most)
    return np.where(passing, np.maximum(most, 0), 0)
