"""What kube-scheduler does with equal pods, one after another: filter, score, take the best node, repeat.

The one idea: while equal pods are bound, only the chosen node's score changes, unless the pods have a say about each
other. So the nodes are scored once and the k pods are taken from a heap of the k best (`_bind_from_heap`); pods with
spread constraints or affinity terms are placed one by one (`_bind_one_by_one`). Both make the same choices.

Two things differ from the real scheduler, because nobody can know them: it breaks ties in an order of its own (here:
by `Nodes.ranks`), and on clusters of more than 100 nodes it looks at a rotating part of them only (here: at all).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace

import numpy as np

from reconciler.kube_scheduler.filters import allowed, avoided_taints, ports_clash, ports_free, preferred_weight
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
    """What holds for pods of one shape on the nodes as they stand, apart from room."""

    shape: PodShape
    requested: list[tuple[int, int]]
    room: RoomScore
    passing: Mask
    affinity: PodAffinity | None
    spread: TopologySpread | None
    alone: bool  # two of them clash over host ports
    reach: int  # only the first so many nodes are looked at

    @property
    def depend_on_each_other(self) -> bool:
        """Tell whether placing one pod changes the rules for the next."""
        return self.spread is not None or has_pod_terms(self.shape)


def bind_pods(nodes: Nodes, shape: PodShape, count: int, *, reach: int | None = None) -> Counter[int]:
    """Bind up to `count` pods of `shape`, each where kube-scheduler would, and return node index -> pods bound.

    Changes `nodes`. With `reach`, only the first so many nodes are looked at. Fewer than `count` are bound only if no
    node was left for the next one.
    """
    rules = _rules(nodes, shape, nodes.size if reach is None else reach) if count > 0 and nodes.size else None
    if rules is None:
        return Counter()
    if rules.depend_on_each_other:
        return _bind_one_by_one(nodes, rules, count)
    return _bind_from_heap(nodes, rules, count)


def with_room(nodes: Nodes, requested: list[tuple[int, int]]) -> Mask:
    """Return the nodes that have all of `requested` free."""
    enough: Mask = nodes.free[requested[0][0]] >= requested[0][1]
    for row, amount in requested[1:]:
        enough &= nodes.free[row] >= amount
    return enough


def _rules(nodes: Nodes, shape: PodShape, reach: int) -> _Rules | None:
    requested = nodes.requested(shape)
    if requested is None:
        return None
    passing = allowed(nodes.table, shape)
    if shape.host_ports:
        passing = passing & ports_free(nodes, shape)
    affinity = None if can_skip(nodes, shape) else PodAffinity(nodes, shape)
    return _Rules(
        shape=shape,
        requested=requested,
        room=RoomScore.of(nodes, shape),
        passing=passing,
        affinity=None if affinity is None or affinity.can_skip else affinity,
        spread=TopologySpread(nodes, shape) if is_spread(shape) else None,
        alone=ports_clash(shape.host_ports, shape.host_ports),
        reach=reach,
    )


def _feasible(nodes: Nodes, rules: _Rules, passing: Mask) -> Ints:
    found = with_room(nodes, rules.requested)
    found &= passing
    if rules.affinity is not None:
        found &= rules.affinity.feasible()
    if rules.spread is not None:
        found &= rules.spread.feasible()
    return np.flatnonzero(found[: rules.reach])


def _normalised(nodes: Nodes, rules: _Rules, index: Ints) -> list[Normalised]:
    """Return the scores of the feasible nodes that are relative to each other."""
    shape, table = rules.shape, nodes.table
    found = [Normalised(avoided_taints(table, shape)[index], reversed_share, TAINT_TOLERATION_WEIGHT)]
    if shape.node_preferred:
        found.append(Normalised(preferred_weight(table, shape)[index], share, NODE_AFFINITY_WEIGHT))
    if rules.affinity is not None:
        found.append(Normalised(rules.affinity.raw_scores()[index], between_extremes, POD_AFFINITY_WEIGHT))
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
        node = int(index[np.argmax(total * nodes.size - nodes.ranks[index])])
        chosen[node] += 1
        nodes.take(rules.shape, {node: 1})
        passing[node] &= not rules.alone
        if rules.affinity is not None:
            rules.affinity.placed(node)
        if rules.spread is not None:
            rules.spread.placed(node)
    nodes.note(rules.shape, chosen)
    return chosen


def _bind_from_heap(nodes: Nodes, rules: _Rules, count: int) -> Counter[int]:
    chosen: Counter[int] = Counter()
    passing = rules.passing.copy() if rules.alone else rules.passing
    left = count
    while left:
        index = _feasible(nodes, rules, passing)
        if not len(index):
            break
        taken = _take_best(nodes, rules, index, left)
        nodes.take(rules.shape, taken)
        for node, given in taken.items():
            chosen[node] += given
            left -= given
        if rules.alone:
            passing[list(taken)] = False
    nodes.note(rules.shape, chosen)
    return chosen


def _take_best(nodes: Nodes, rules: _Rules, index: Ints, count: int) -> dict[int, int]:
    """Choose nodes of `index` for up to `count` pods; stop early when scores relative to other nodes would change.

    Only the `count` best nodes matter: with fewer than `count` pods placed, one of them is still untouched, and no node
    outside can beat that one.
    """
    relative = _normalised(nodes, rules, index)
    room = rules.room.many(nodes, index)
    total = room.copy()
    for scores in relative:
        total += scores.scores
    ranks = nodes.ranks[index]
    best = _best(total * nodes.size - ranks, count)
    chosen = _Chosen(nodes, rules, index[best])
    extremes = [(scores.raw[best].tolist(), scores.lowest, scores.highest, [*scores.left()]) for scores in relative]
    fixed: list[int] = (total - room)[best].tolist()
    heap = list(zip((-total[best]).tolist(), ranks[best].tolist(), range(len(best)), strict=True))
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
        if _last_of_its_kind(extremes, slot):
            break
    return chosen.counted()


def _best(order: Ints, count: int) -> Ints:
    """Return the positions of the `count` highest of `order`."""
    if count >= len(order):
        return np.arange(len(order))
    return np.argpartition(order, len(order) - count)[-count:]


def _last_of_its_kind(extremes: list[tuple[list[int], int, int, list[int]]], slot: int) -> bool:
    """Note that the node at `slot` is full; tell whether no other feasible node has its extreme raw score."""
    last = False
    for raw, lowest, highest, left in extremes:
        if raw[slot] == lowest:
            left[0] -= 1
            last |= not left[0]
        elif raw[slot] == highest:
            left[1] -= 1
            last |= not left[1]
    return last


class _Chosen:
    """How many pods the best nodes have been given, and what each would score with one more."""

    def __init__(self, nodes: Nodes, rules: _Rules, index: Ints) -> None:
        self._room = rules.room
        self._index: list[int] = index.tolist()
        self._given = [0] * len(self._index)
        self._most = _capacity(nodes, rules, index).tolist()
        self._load: list[list[int]] = nodes.load[:, index].T.tolist()
        self._caps: list[list[int]] = nodes.table.alloc[: MEMORY + 1, index].T.tolist()

    def add(self, slot: int) -> int | None:
        """Give the node at `slot` one pod more; return its room score for the next one, None when it is full."""
        given = self._given[slot] = self._given[slot] + 1
        if given >= self._most[slot]:
            return None
        return self._room.one(self._load[slot], self._caps[slot], given)

    def counted(self) -> dict[int, int]:
        """Return node index -> pods given."""
        return {node: given for node, given in zip(self._index, self._given, strict=True) if given}


def _capacity(nodes: Nodes, rules: _Rules, index: Ints) -> Ints:
    """Return how many of the pods each node could hold."""
    most = np.full(len(index), 1 if rules.alone else np.iinfo(np.int64).max)
    for row, amount in rules.requested:
        np.minimum(most, nodes.free[row, index] // amount, out=most)
    return most
