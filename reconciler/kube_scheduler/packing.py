"""Whether some arrangement has room for pods that kube-scheduler's own choices do not find room for.

A greedy search first (largest pods first, each on the tightest node), then an exact search that gives up after
`MOST_STEPS`: what they find exists; what they do not find may still exist on larger clusters. Both look at resources
and at the filters about nodes, hence not at pods that have rules about other pods.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reconciler.kube_scheduler.filters import allowed
from reconciler.kube_scheduler.node_table import Ints, Mask
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.kube_scheduler.pod_affinity import can_skip
from reconciler.kube_scheduler.shape_rules import is_spread
from reconciler.manifests.podshape import PodShape
from reconciler.ray.demand import PodSet

MOST_STEPS = 2_000
"""Steps of the exact search: a millisecond or two, spent only on gangs whose sums would fit."""


MOST_DEPTH = 500
"""Nodes times pod sets up to which the exact search, which goes that deep, is tried."""


@dataclass(frozen=True, slots=True)
class _Pods:
    """`count` equal pods: what each takes, as (row, amount), the nodes it may be bound to, and its `size`, 0 to 1."""

    count: int
    requested: list[tuple[int, int]]
    passing: Mask
    size: float


def can_pack(nodes: Nodes, pod_sets: Sequence[PodSet]) -> bool:
    """Return whether a search finds room on `nodes`, which it leaves as they are, for every pod of `pod_sets`."""
    free = np.maximum(nodes.free, 0)
    # Cheap, and enough for most gangs that do not fit.
    if not _sums_suffice(nodes, free, pod_sets):
        return False
    largest = np.maximum(nodes.table.alloc.max(axis=1, initial=0), 1)
    packed: list[_Pods] = []
    for pod_set in pod_sets:
        if not pod_set.count:
            continue
        request = nodes.request(pod_set.shape)
        if request is None or not _resources_only(nodes, pod_set.shape):
            return False
        passing = allowed(nodes.table, pod_set.shape)
        # Without places for the set alone, no search can find an arrangement.
        if int((nodes.room(request).places * passing).sum()) < pod_set.count:
            return False
        requested = list(request.taken)
        size = max(amount / int(largest[row]) for row, amount in requested)
        packed.append(_Pods(pod_set.count, requested, passing, size))
    packed.sort(key=lambda pods: -pods.size)
    if _greedy(free.copy(), packed, largest):
        return True
    return nodes.size * len(packed) <= MOST_DEPTH and _ExactSearch(free, packed).found()


def _sums_suffice(nodes: Nodes, free: Ints, pod_sets: Sequence[PodSet]) -> bool:
    """Return whether no more is requested of any resource than is free on all nodes together."""
    needed: dict[int, int] = {}
    for pod_set in pod_sets:
        if not pod_set.count:
            continue
        for row, amount in nodes.requested(pod_set.shape) or ():
            needed[row] = needed.get(row, 0) + amount * pod_set.count
    return all(int(free[row].sum()) >= amount for row, amount in needed.items())


def _greedy(free: Ints, packed: Sequence[_Pods], largest: Ints) -> bool:
    """Put the largest pods first, each on the tightest node that holds it. Changes `free`."""
    for pods in packed:
        each = np.full(free.shape[1], pods.count, dtype=np.int64)
        for row, amount in pods.requested:
            np.minimum(each, free[row] // amount, out=each)
        each *= pods.passing
        tightness = (free / largest[:, None]).sum(axis=0)
        order = np.argsort(tightness, kind="stable")
        in_order = each[order]
        before = np.cumsum(in_order) - in_order
        taken = np.minimum(in_order, np.maximum(pods.count - before, 0))
        if int(taken.sum()) < pods.count:
            return False
        for row, amount in pods.requested:
            free[row, order] -= amount * taken
    return True


class _ExactSearch:
    """Tries every way to distribute each set over the nodes, set by set, node by node, for `MOST_STEPS` steps."""

    def __init__(self, free: Ints, packed: Sequence[_Pods]) -> None:
        self._free: list[list[int]] = free.T.tolist()
        self._packed = packed
        self._passing: list[list[bool]] = [pods.passing.tolist() for pods in packed]
        self._steps = 0

    def found(self) -> bool:
        """Return whether a way was found."""
        return not self._packed or self._distribute(0, 0, self._packed[0].count)

    def _distribute(self, which: int, node: int, left: int) -> bool:
        """Return whether `left` pods of a set fit on the nodes from `node` on, and all pods of the later sets too."""
        self._steps += 1
        if not left:
            which, node = which + 1, 0
            if which == len(self._packed):
                return True
            left = self._packed[which].count
        if node == len(self._free) or self._steps > MOST_STEPS:
            return False
        free, requested = self._free[node], self._packed[which].requested
        most = 0
        if self._passing[which][node]:
            most = min(left, *(free[row] // amount for row, amount in requested))
        # As many as possible first: that leaves the other nodes whole.
        for taken in range(most, -1, -1):
            for row, amount in requested:
                free[row] -= amount * taken
            done = self._distribute(which, node + 1, left - taken)
            for row, amount in requested:
                free[row] += amount * taken
            if done:
                return True
        return False


def _resources_only(nodes: Nodes, shape: PodShape) -> bool:
    """Return whether no rule about other pods applies."""
    return can_skip(nodes, shape) and not is_spread(shape) and not shape.host_ports
