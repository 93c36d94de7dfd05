"""Whether a gang fits however kube-scheduler breaks ties between nodes with equal scores.

Most releases choose at random; 1.36 goes by the order in which its threads happened to look at the nodes. That cannot
be known from outside, so "fits" has to hold for every order. For most gangs a bound proves it; for the others some
orders are tried: the nodes in reverse, and shuffles that are the same each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

from reconciler.kube_scheduler.filters import allowed, allowed_anywhere
from reconciler.kube_scheduler.node_table import Ints
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.kube_scheduler.pod_affinity import can_skip
from reconciler.kube_scheduler.shape_rules import is_spread
from reconciler.kube_scheduler.simulate import PodBatch, SimulationResult, simulate

SHUFFLES = 10
SHUFFLES_OF_MANY = 2
"""The shuffles that are tried on clusters of more than `MANY_NODES` nodes."""

MANY_NODES = 100


def worst_tie_break(
    nodes: Nodes, batches: Sequence[PodBatch]
) -> SimulationResult | None:
    """Return the result for an order of equal nodes in which `batches` do not fit; None if no such order is found.

    The batches must fit in the order of `nodes`.
    """
    if has_slack(nodes, batches):
        return None
    for ranks in _orders(nodes.size):
        result = simulate(nodes.with_ranks(ranks), batches, grow=False)
        if not result.ok:
            return result
    return None


def has_slack(nodes: Nodes, batches: Sequence[PodBatch]) -> bool:
    """Return True if a bound proves that the existing nodes hold the batches, whichever feasible nodes are chosen.

    A place is what one pod of a batch requests. A pod bound earlier takes away at most as many places of a later pod as
    its largest request, measured in requests of the later pod. If more places than that are left, the later pod fits.
    """
    earlier: list[tuple[dict[int, int], int]] = []
    for batch in sorted(batches, key=lambda batch: batch.after):
        shape = batch.shape
        request = nodes.request(shape)
        # Rules about other pods depend on where those are, so the bound does not hold with them.
        if (
            request is None
            or shape.host_ports
            or is_spread(shape)
            or not can_skip(nodes, shape)
        ):
            return False
        places = nodes.room(request).places
        if not allowed_anywhere(nodes.table, shape):
            places = places * allowed(nodes.table, shape)
        left = int(places[: nodes.existing].sum())
        for taken, count in earlier:
            left -= count * _most_places(taken, request.taken)
        if left < batch.count:
            return False
        earlier.append((dict(request.taken), batch.count))
    return True


def _most_places(taken: dict[int, int], requested: Iterable[tuple[int, int]]) -> int:
    """Return how many places of a later pod an earlier one, which takes `taken`, uses up at most."""
    most = 0
    for row, amount in requested:
        most = max(most, -(-taken.get(row, 0) // amount))
    return most


@lru_cache(maxsize=64)
def _orders(size: int) -> tuple[Ints, ...]:
    """Return ranks of nodes: the reverse order, then shuffles from a fixed seed. Not to be changed by the caller."""
    shuffler = np.random.default_rng(size)
    orders = [np.arange(size)[::-1]]
    for _ in range(SHUFFLES if size <= MANY_NODES else SHUFFLES_OF_MANY):
        orders.append(shuffler.permutation(size))
    return tuple(orders)
