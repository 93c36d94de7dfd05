"""Binds equal pods as kube-scheduler does: filter the nodes, score them, bind to the best, repeat.

While equal pods are bound, only the chosen node's score changes, unless the pods have rules about each other. So the
nodes are scored once and k pods are bound from a heap of the k best nodes (`_bind_from_heap`); pods with spread
constraints or affinity terms are bound one by one (`_bind_one_by_one`). Both make the same choices.

Two things differ from the real scheduler, because they cannot be known from outside: the order in which it breaks ties
(here: by `Nodes.ranks`), and which nodes it looks at on clusters of more than 100 (here: all).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace

import numpy as np

from reconciler.kube_scheduler.filters import (
    allowed,
    avoided_taints,
    ports_clash,
    ports_free,
    preferred_weight,
)
from reconciler.kube_scheduler.nodes import MEMORY, Ints, Mask, Nodes, has_pod_terms
from reconciler.kube_scheduler.pod_affinity import PodAffinity, can_skip
from reconciler.kube_scheduler.scores import (
    NODE_AFFINITY_WEIGHT,
    POD_AFFINITY_WEIGHT,
    TAINT_TOLERATION_WEIGHT,
    TOPOLOGY_SPREAD_WEIGHT,
    Normalised,
    RoomScore,
    between_extremes,
    reversed_share,
    share,
)
from reconciler.kube_scheduler.topology_spread import TopologySpread, is_spread
from reconciler.manifests.podshape import PodShape


@dataclass(frozen=True, slots=True)
class _Rules:
    """What holds for pods of one shape on the nodes as they are, apart from free resources.

    `passing`: the nodes that pass the filters about the node alone and host ports. `alone`: two of the pods cannot
    share a node, because of their host ports. `reach`: only the first so many nodes are looked at.
    """

    shape: PodShape
    requested: list[tuple[int, int]]
    room: RoomScore
    passing: Mask
    affinity: PodAffinity | None
    spread: TopologySpread | None
    alone: bool
    reach: int

    @property
    def depend_on_each_other(self) -> bool:
        """Whether binding a pod changes the rules for the next."""
        return self.spread is not None or has_pod_terms(self.shape)


def bind_pods(
    nodes: Nodes, shape: PodShape, count: int, *, reach: int | None = None
) -> Counter[int]:
    """Bind up to `count` pods of `shape`, each where kube-scheduler would, and return node index -> pods bound.

    Changes `nodes`. With `reach`, only the first so many nodes are looked at. Fewer than `count` are bound only if no
    node was left for the next one.
    """
    if count <= 0 or not nodes.size:
        return Counter()
    rules = _rules(nodes, shape, nodes.size if reach is None else reach)
    if rules is None:
        return Counter()
    if rules.depend_on_each_other:
        return _bind_one_by_one(nodes, rules, count)
    return _bind_from_heap(nodes, rules, count)


def with_room(nodes: Nodes, requested: list[tuple[int, int]]) -> Mask:
    """Return the nodes that have all of `requested`, pairs of row and amount, free."""
    enough: Mask = nodes.free[requested[0][0]] >= requested[0][1]
    for row, amount in requested[1:]:
        enough &= nodes.free[row] >= amount
    return enough


def _rules(nodes: Nodes, shape: PodShape, reach: int) -> _Rules | None:
    """Return the rules for pods of a shape; None if no node has a resource that they request."""
    requested = nodes.requested(shape)
    if requested is None:
        return None
    passing = allowed(nodes.table, shape)
    if shape.host_ports:
        passing = passing & ports_free(nodes, shape)
    affinity = None if can_skip(nodes, shape) else PodAffinity(nodes, shape)
    # Terms may exist without selecting any pod at play.
    if affinity is not None and affinity.can_skip:
        affinity = None
    return _Rules(
        shape=shape,
        requested=requested,
        room=RoomScore.of(nodes, shape),
        passing=passing,
        affinity=affinity,
        spread=TopologySpread(nodes, shape) if is_spread(shape) else None,
        alone=ports_clash(shape.host_ports, shape.host_ports),
        reach=reach,
    )


def _feasible(nodes: Nodes, rules: _Rules, passing: Mask) -> Ints:
    """Return the indices of the nodes that pass every filter."""
    found = with_room(nodes, rules.requested)
    found &= passing
    if rules.affinity is not None:
        found &= rules.affinity.feasible()
    if rules.spread is not None:
        found &= rules.spread.feasible()
    return np.flatnonzero(found[: rules.reach])


def _normalised(nodes: Nodes, rules: _Rules, index: Ints) -> list[Normalised]:
    """Return those scores of the feasible nodes `index` that are relative to each other."""
    shape, table = rules.shape, nodes.table
    found = [
        Normalised(
            avoided_taints(table, shape)[index], reversed_share, TAINT_TOLERATION_WEIGHT
        )
    ]
    if shape.node_preferred:
        found.append(
            Normalised(
                preferred_weight(table, shape)[index], share, NODE_AFFINITY_WEIGHT
            )
        )
    if rules.affinity is not None:
        found.append(
            Normalised(
                rules.affinity.raw_scores()[index],
                between_extremes,
                POD_AFFINITY_WEIGHT,
            )
        )
    # A score that is equal on all nodes does not change their order.
    return [scores for scores in found if not scores.uniform]


def _bind_one_by_one(nodes: Nodes, rules: _Rules, count: int) -> Counter[int]:
    chosen: Counter[int] = Counter()
    passing = rules.passing.copy()
    for _ in range(count):
        index = _feasible(nodes, rules, passing)
        if not len(index):
            break
        total = rules.room.many(nodes, index)
        for scores in _normalised(nodes, rules, index):
            total += scores.scores
        if rules.spread is not None and rules.spread.scores:
            total += rules.spread.score(index) * TOPOLOGY_SPREAD_WEIGHT
        # Ranks are below the number of nodes, so they decide between equal scores only.
        order = total * nodes.size - nodes.ranks[index]
        node = int(index[np.argmax(order)])
        chosen[node] += 1
        nodes.take_resources(rules.shape, {node: 1})
        if rules.alone:
            passing[node] = False
        if rules.affinity is not None:
            rules.affinity.placed(node)
        if rules.spread is not None:
            rules.spread.placed(node)
    nodes.add_pods(rules.shape, chosen)
    return chosen


def _bind_from_heap(nodes: Nodes, rules: _Rules, count: int) -> Counter[int]:
    chosen: Counter[int] = Counter()
    passing = rules.passing.copy() if rules.alone else rules.passing
    left = count
    while left:
        index = _feasible(nodes, rules, passing)
        if not len(index):
            break
        # Stops early where relative scores change, so several times where nodes fill up.
        taken = _take_best(nodes, rules, index, left)
        nodes.take_resources(rules.shape, taken)
        for node, given in taken.items():
            chosen[node] += given
            left -= given
        if rules.alone:
            passing[list(taken)] = False
    nodes.add_pods(rules.shape, chosen)
    return chosen


def _take_best(nodes: Nodes, rules: _Rules, index: Ints, count: int) -> dict[int, int]:
    """Choose nodes of `index` for up to `count` pods; stop early when scores relative to other nodes would change.

    Only the `count` best nodes matter: with fewer than `count` pods bound, one of them is still unused, and no node
    outside has a higher score than that one.
    """
    relative = _normalised(nodes, rules, index)
    room = rules.room.many(nodes, index)
    total = room.copy()
    for scores in relative:
        total += scores.scores
    ranks = nodes.ranks[index]
    best = _best(total * nodes.size - ranks, count)
    chosen = _Chosen(nodes, rules, index[best])
    extremes = [_Extremes(scores, best) for scores in relative]
    fixed: list[int] = (total - room)[best].tolist()
    # heapq pops the least, so scores are negated; equal scores go by rank.
    negated: list[int] = (-total[best]).tolist()
    ranks_of_best: list[int] = ranks[best].tolist()
    heap = list(zip(negated, ranks_of_best, range(len(best)), strict=True))
    heapify(heap)
    for _ in range(count):
        if not heap:
            break
        _, rank, slot = heap[0]
        score = chosen.add(slot)
        if score is not None:
            heapreplace(heap, (-score - fixed[slot], rank, slot))
            continue
        heappop(heap)
        changed = False
        for extreme in extremes:
            changed |= extreme.leaves(slot)
        # The other nodes' normalised scores are no longer right, so the caller scores them again.
        if changed:
            break
    return chosen.counted()


def _best(order: Ints, count: int) -> Ints:
    """Return the positions of the `count` highest of `order`."""
    if count >= len(order):
        return np.arange(len(order))
    return np.argpartition(order, len(order) - count)[-count:]


class _Extremes:
    """How many feasible nodes still have the lowest and the highest raw score, by which all are normalised."""

    __slots__ = ("_at_highest", "_at_lowest", "_highest", "_lowest", "_raw")

    def __init__(self, scores: Normalised, best: Ints) -> None:
        self._raw: list[int] = scores.raw[best].tolist()
        self._lowest, self._highest = scores.lowest, scores.highest
        self._at_lowest, self._at_highest = scores.left()

    def leaves(self, slot: int) -> bool:
        """Count the node at `slot` as full; return whether no feasible node is left with its extreme raw score."""
        if self._raw[slot] == self._lowest:
            self._at_lowest -= 1
            return not self._at_lowest
        if self._raw[slot] == self._highest:
            self._at_highest -= 1
            return not self._at_highest
        return False


class _Chosen:
    """How many pods each of the best nodes has been given, and its room score with one more."""

    def __init__(self, nodes: Nodes, rules: _Rules, index: Ints) -> None:
        self._room = rules.room
        self._index: list[int] = index.tolist()
        self._given = [0] * len(self._index)
        self._most = _capacity(nodes, rules, index).tolist()
        self._load: list[list[int]] = nodes.load[:, index].T.tolist()
        # Lists, since single numbers of an array are slow to read.
        cpu_and_memory = nodes.table.alloc[: MEMORY + 1, index]
        self._caps: list[list[int]] = cpu_and_memory.T.tolist()

    def add(self, slot: int) -> int | None:
        """Give the node at `slot` one pod more; return its room score for the next one, None when it is full."""
        self._given[slot] += 1
        given = self._given[slot]
        if given >= self._most[slot]:
            return None
        return self._room.one(self._load[slot], self._caps[slot], given)

    def counted(self) -> dict[int, int]:
        """Return node index -> pods given."""
        pairs = zip(self._index, self._given, strict=True)
        return {node: given for node, given in pairs if given}


def _capacity(nodes: Nodes, rules: _Rules, index: Ints) -> Ints:
    """Return how many of the pods each node could hold."""
    limit = 1 if rules.alone else np.iinfo(np.int64).max
    most = np.full(len(index), limit)
    for row, amount in rules.requested:
        np.minimum(most, nodes.free[row, index] // amount, out=most)
    return most
