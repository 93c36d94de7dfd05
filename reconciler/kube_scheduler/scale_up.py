"""Which nodes an autoscaler would add for pods that are left over.

An option is one pool and as many of its nodes as one batch needs, judged on the pool's template node; the caller
simulates it, and accepts or rejects it (`kube_scheduler.simulate`). The batch that needs the largest share of a node
goes first, so that smaller pods fill what it leaves. Of several pools the cheapest for a pod is chosen, if all have a
price; else the first of the inventory without devices that the pod does not ask for, which autoscalers avoid as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reconciler.fleet.snapshot import NodePool
from reconciler.kube_scheduler.filters import allowed, ports_clash
from reconciler.kube_scheduler.new_nodes import template_nodes
from reconciler.kube_scheduler.node_table import Ints, Mask
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.kube_scheduler.pod_room import places_of
from reconciler.manifests.podshape import PodShape

NewNodes = tuple[str, int]
"""A pool's name, and how many of its nodes to add."""


@dataclass(frozen=True, slots=True)
class _Option:
    """`count` nodes of `pool`, the `place`-th of the inventory, each of which takes `pods_each` pods of `batch`."""

    batch: int
    pool: NodePool
    place: int
    count: int
    pods_each: int
    wasted_devices: bool

    def cost_of_pod(self, pods: int) -> float:
        """Return the price of the nodes for an hour, for each of at most `pods` pods that they take."""
        price = (self.pool.price_per_hour or 0.0) * self.count
        return price / min(pods, self.count * self.pods_each)


class Expander:
    """The choice of pools for one gang: keeps what each pool may still add, and which options were rejected."""

    def __init__(self, nodes: Nodes) -> None:
        self._pools = nodes.pools
        self._spare = dict(nodes.spare)
        self._templates = template_nodes(nodes)
        self._rejected: set[tuple[int, str]] = set()
        self._last: _Option | None = None

    def next(self, shapes: Sequence[PodShape], left: Sequence[int]) -> NewNodes | None:
        """Return the nodes to add for the hardest batch with pods left that a pool can help; None if none can."""
        waiting = [i for i, count in enumerate(left) if count]
        waiting.sort(key=lambda i: -self._largest_share(shapes[i]))
        for batch in waiting:
            option = self._best_option(batch, shapes[batch], left[batch])
            if option is not None:
                self._last = option
                return option.pool.name, option.count
        return None

    def separate(
        self, shapes: Sequence[PodShape], left: Sequence[int]
    ) -> list[NewNodes]:
        """Return new nodes for each batch alone; an empty list if the pools do not suffice for that."""
        steps: list[NewNodes] = []
        waiting = [*left]
        while any(waiting):
            step = self.next(shapes, waiting)
            if step is None or self._last is None:
                return []
            steps.append(step)
            self.accept()
            taken = self._last.count * self._last.pods_each
            waiting[self._last.batch] = max(waiting[self._last.batch] - taken, 0)
        return steps

    def accept(self) -> None:
        """Count the nodes of the last option as added."""
        if self._last is not None:
            self._spare[self._last.pool.budget] -= self._last.count

    def reject(self) -> None:
        """Never offer the pool of the last option for its batch again: its nodes took no pod."""
        if self._last is not None:
            self._rejected.add((self._last.batch, self._last.pool.name))

    def _largest_share(self, shape: PodShape) -> float:
        """Return the share of the largest template node that the pod takes, by its scarcest resource."""
        largest = self._templates.table.alloc.max(axis=1, initial=1)
        requested = self._templates.requested(shape) or ()
        return max(
            (amount / max(int(largest[row]), 1) for row, amount in requested),
            default=0.0,
        )

    def _best_option(self, batch: int, shape: PodShape, pods: int) -> _Option | None:
        options = self._options(batch, shape, pods)
        if not options:
            return None
        if any(option.pool.price_per_hour is None for option in options):
            return min(
                options, key=lambda option: (option.wasted_devices, option.place)
            )
        return min(
            options,
            key=lambda option: (option.cost_of_pod(pods), option.count, option.place),
        )

    def _options(self, batch: int, shape: PodShape, pods: int) -> list[_Option]:
        pods_each = _room_of_templates(self._templates, shape).tolist()
        options: list[_Option] = []
        for place, (pool, each) in enumerate(zip(self._pools, pods_each, strict=True)):
            spare = self._spare[pool.budget]
            if not each or spare <= 0 or (batch, pool.name) in self._rejected:
                continue
            count = min(-(-pods // each), spare)
            options.append(
                _Option(batch, pool, place, count, each, wastes_devices(pool, shape))
            )
        return options


def wastes_devices(pool: NodePool, shape: PodShape) -> bool:
    """Return whether nodes of the pool have devices, none of which the pod asks for."""
    devices = {
        name for name, amount in pool.allocatable.items() if "/" in name and amount > 0
    }
    return bool(devices) and not any(
        shape.requests.get(name, 0) > 0 for name in devices
    )


def _room_of_templates(templates: Nodes, shape: PodShape) -> Ints:
    """Return how many pods of `shape` a new node of each pool takes, beside its DaemonSets' pods."""
    return _room(templates, shape, templates.free, allowed(templates.table, shape))


def room_when_empty(nodes: Nodes, shape: PodShape, passing: Mask | None = None) -> Ints:
    """Return how many pods of `shape` each node could hold without any other pod; 0 on nodes that are filtered out.

    `passing`: the nodes that are not filtered out, if that is not what their labels and taints say now.
    """
    if passing is None:
        passing = allowed(nodes.table, shape)
    return _room(nodes, shape, nodes.table.whole, passing)


def _room(nodes: Nodes, shape: PodShape, free: Ints, passing: Mask) -> Ints:
    request = nodes.request(shape)
    if request is None:
        return np.zeros(nodes.size, dtype=np.int64)
    places = places_of(free, request)
    if ports_clash(shape.host_ports, shape.host_ports):
        np.minimum(places, 1, out=places)
    return places * passing
