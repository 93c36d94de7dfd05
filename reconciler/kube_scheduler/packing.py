"""Whether some arrangement has room for pods that kube-scheduler's own choices do not find room for.

A greedy search first (largest pods first, each on the tightest node), then an exact one that gives up after
`MOST_STEPS`: what they find exists; what they do not find may still exist on larger clusters. Both look at room and at
the rules about nodes, hence not at pods that have rules about other pods.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reconciler.kube_scheduler.filters import allowed
from reconciler.kube_scheduler.nodes import Ints, Mask, Nodes
from reconciler.kube_scheduler.pod_affinity import can_skip
from reconciler.kube_scheduler.topology_spread import is_spread
from reconciler.ray.demand import PodSet

MOST_STEPS = 2_000
"""Steps of the exact search: a millisecond or two, spent only on gangs whose sums would fit."""


MOST_DEPTH = 500
"""Nodes times pod sets up to which the exact search, which goes that deep, is tried."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """`count` equal pods: what each takes, as (row, amount), the nodes it may stand on, and its `size`, 0 to 1."""

    count: int
    requested: list[tuple[int, int]]
    passing: Mask
    size: float


def can_pack(nodes: Nodes, pod_sets: Sequence[PodSet]) -> bool:
    """Tell whether a search finds room on `nodes`, which it leaves as they are, for every pod of `pod_sets`."""
    total = np.maximum(nodes.table.alloc.max(axis=1, initial=0), 1)
    wanted = []
    for pod_set in pod_sets:
        if not pod_set.count:
            continue
        requested = nodes.requested(pod_set.shape)
        if requested is None or not _plain(nodes, pod_set):
            return False
        size = max(amount / int(total[row]) for row, amount in requested)
        wanted.append(_Wanted(pod_set.count, requested, allowed(nodes.table, pod_set.shape), size))
    wanted.sort(key=lambda one: -one.size)
    free = np.maximum(nodes.free, 0)
    if not _sums_suffice(free, wanted):
        return False
    if _greedy(free.copy(), wanted, total):
        return True
    return nodes.size * len(wanted) <= MOST_DEPTH and _Exact(free, wanted).found()


def _sums_suffice(free: Ints, wanted: Sequence[_Wanted]) -> bool:
    needed: dict[int, int] = {}
    for one in wanted:
        for row, amount in one.requested:
            needed[row] = needed.get(row, 0) + amount * one.count
    return all(int(free[row].sum()) >= amount for row, amount in needed.items())


def _greedy(free: Ints, wanted: Sequence[_Wanted], total: Ints) -> bool:
    """Put the largest pods first, each on the tightest node that holds it. Changes `free`."""
    for one in wanted:
        each = np.full(free.shape[1], one.count, dtype=np.int64)
        for row, amount in one.requested:
            np.minimum(each, free[row] // amount, out=each)
        each *= one.passing
        tightness = (free / total[:, None]).sum(axis=0)
        left = one.count
        for node in np.argsort(tightness, kind="stable"):
            taken = min(left, int(each[node]))
            for row, amount in one.requested:
                free[row, node] -= amount * taken
            left -= taken
            if not left:
                break
        if left:
            return False
    return True


class _Exact:
    """Tries every way to share out each set over the nodes, set by set, node by node, for `MOST_STEPS` steps."""

    def __init__(self, free: Ints, wanted: Sequence[_Wanted]) -> None:
        self._free: list[list[int]] = free.T.tolist()
        self._wanted = wanted
        self._passing: list[list[bool]] = [one.passing.tolist() for one in wanted]
        self._steps = 0

    def found(self) -> bool:
        """Tell whether a way was found."""
        return not self._wanted or self._share_out(0, 0, self._wanted[0].count)

    def _share_out(self, which: int, node: int, left: int) -> bool:
        self._steps += 1
        if not left:
            which, node = which + 1, 0
            if which == len(self._wanted):
                return True
            left = self._wanted[which].count
        if node == len(self._free) or self._steps > MOST_STEPS:
            return False
        room, requested = self._free[node], self._wanted[which].requested
        most = min([left, *(room[row] // amount for row, amount in requested)]) if self._passing[which][node] else 0
        for taken in range(most, -1, -1):
            for row, amount in requested:
                room[row] -= amount * taken
            done = self._share_out(which, node + 1, left - taken)
            for row, amount in requested:
                room[row] += amount * taken
            if done:
                return True
        return False


def _plain(nodes: Nodes, pod_set: PodSet) -> bool:
    shape = pod_set.shape
    return can_skip(nodes, shape) and not is_spread(shape) and not shape.host_ports
