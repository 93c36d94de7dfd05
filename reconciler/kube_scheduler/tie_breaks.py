"""Whether a gang fits however kube-scheduler breaks ties between nodes with equal scores.

Most releases draw lots; 1.36 goes by the order in which its threads happened to look at the nodes. Nobody can know
that, so "fits" has to hold for every order. Most gangs are far from the edge, which a bound shows at once; near the
edge some orders are tried: the first and the last node, and shuffled ones that are the same each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from reconciler.kube_scheduler.filters import allowed
from reconciler.kube_scheduler.nodes import Ints, Nodes
from reconciler.kube_scheduler.pod_affinity import can_skip
from reconciler.kube_scheduler.simulate import PodBatch, SimulationResult, simulate
from reconciler.kube_scheduler.topology_spread import is_spread

SHUFFLES = 10
SHUFFLES_OF_MANY = 2
MANY_NODES = 100
_MANY_PLACES = 1 << 30


def worst_tie_break(nodes: Nodes, batches: Sequence[PodBatch]) -> SimulationResult | None:
    """Return what happens when ties are broken badly, to batches that fit in the order of `nodes`; None if they fit."""
    if has_slack(nodes, batches):
        return None
    tries = (simulate(nodes.ranked(ranks), batches, grow=False) for ranks in _orders(nodes.size))
    return next((tried for tried in tries if not tried.ok), None)


def has_slack(nodes: Nodes, batches: Sequence[PodBatch]) -> bool:
    """Prove, where it is easy, that the existing nodes hold the batches whichever of the feasible nodes are chosen.

    A pod bound earlier takes away at most so many places of a later pod as its largest request, measured in requests of
    the later one. If more places than that are left over, the later pod finds one.
    """
    earlier: list[tuple[dict[int, int], int]] = []
    for batch in sorted(batches, key=lambda batch: batch.after):
        shape = batch.shape
        requested = nodes.requested(shape)
        if requested is None or shape.host_ports or is_spread(shape) or not can_skip(nodes, shape):
            return False
        places = np.full(nodes.existing, _MANY_PLACES, dtype=np.int64)
        for row, amount in requested:
            np.minimum(places, np.maximum(nodes.free[row, : nodes.existing], 0) // amount, out=places)
        left = int((places * allowed(nodes.table, shape)[: nodes.existing]).sum())
        for taken, count in earlier:
            left -= count * max(-(-taken.get(row, 0) // amount) for row, amount in requested)
        if left < batch.count:
            return False
        earlier.append((dict(requested), batch.count))
    return True


def _orders(size: int) -> Iterator[Ints]:
    yield np.arange(size)[::-1]
    shuffler = np.random.default_rng(size)
    for _ in range(SHUFFLES if size <= MANY_NODES else SHUFFLES_OF_MANY):
        yield shuffler.permutation(size)
