"""Whether some arrangement has room for pods that kube-scheduler's own choices do not find room for.

A cheap, greedy search (largest pods first, each on the tightest node): what it finds exists, what it does not find may
still exist. It looks at room and at the rules about nodes, hence not at pods that have rules about other pods.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reconciler.placement.affinity import is_silent
from reconciler.placement.filters import allowed
from reconciler.placement.nodes import Nodes
from reconciler.placement.topology import is_spread
from reconciler.ray.demand import PodSet


def can_pack(nodes: Nodes, pod_sets: Sequence[PodSet]) -> bool:
    """Tell whether the greedy search binds every pod of `pod_sets` to `nodes`, which it leaves as they are."""
    wanted = [(pod_set, nodes.requested(pod_set.shape)) for pod_set in pod_sets if pod_set.count]
    free = nodes.free.copy()
    total = np.maximum(nodes.table.alloc.max(axis=1, initial=0), 1)
    sized = []
    for pod_set, requested in wanted:
        if requested is None or not _plain(nodes, pod_set):
            return False
        size = max(amount / int(total[row]) for row, amount in requested)
        sized.append((-size, pod_set, requested))
    for _, pod_set, requested in sorted(sized, key=lambda item: item[0]):
        each = np.full(nodes.size, pod_set.count, dtype=np.int64)
        for row, amount in requested:
            np.minimum(each, np.maximum(free[row], 0) // amount, out=each)
        each *= allowed(nodes.table, pod_set.shape)
        tightness = (free / total[:, None]).sum(axis=0)
        left = pod_set.count
        for node in np.argsort(tightness, kind="stable"):
            taken = min(left, int(each[node]))
            for row, amount in requested:
                free[row, node] -= amount * taken
            left -= taken
            if not left:
                break
        if left:
            return False
    return True


def _plain(nodes: Nodes, pod_set: PodSet) -> bool:
    shape = pod_set.shape
    return is_silent(nodes, shape) and not is_spread(shape) and not shape.host_ports
