"""Binds equal pods that have no rules about each other: k pods go to the k best nodes at most.

With fewer than k pods bound, one of the k best nodes is still unused, and no node outside has a higher score than that
one. Of the nodes, those that have changed since their room was computed are looked at again, whatever their score was.
"""

from __future__ import annotations

from collections import Counter
from heapq import heapify, heappop, heapreplace

import numpy as np

from reconciler.kube_scheduler.bind_rules import BindRules
from reconciler.kube_scheduler.node_table import Ints, Mask
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.kube_scheduler.pod_room import (
    CLOSED,
    places_of,
    places_on_node,
    room_on_node,
)
from reconciler.kube_scheduler.scores import Normalised, RoomScore

_FEW = 8
"""Up to so many pods, and changed nodes, a heap of numbers is cheaper than arrays."""

_MORE_LEVELS = 3
"""For how many pods more than its share of them a node is scored, to begin with."""

_NEVER = np.iinfo(np.int64).min
"""The order of places that do not exist, behind every other."""


def bind_best(nodes: Nodes, rules: BindRules, count: int) -> Counter[int]:
    """Bind up to `count` pods and return node index -> pods bound. Changes `nodes`, but adds no pods to them."""
    # Only relative scores make a choice end early, as they change when nodes fill up.
    if rules.raw_scores:
        return _bind_with_relative_scores(nodes, rules, count)
    taken = _take_best(nodes, rules, count)
    nodes.take(rules.request, taken)
    return Counter(taken)


def _bind_with_relative_scores(
    nodes: Nodes, rules: BindRules, count: int
) -> Counter[int]:
    chosen: Counter[int] = Counter()
    passing = rules.passing
    left = count
    while left:
        taken = _take_with_relative_scores(nodes, rules, passing, left)
        if not taken:
            break
        nodes.take(rules.request, taken)
        for node, given in taken.items():
            chosen[node] += given
            left -= given
        if rules.alone:
            passing = np.ones(nodes.size, np.bool_) if passing is None else passing
            passing = passing.copy()
            passing[list(taken)] = False
    return chosen


def _take_best(nodes: Nodes, rules: BindRules, count: int) -> dict[int, int]:
    """Choose nodes for up to `count` pods, whose scores do not depend on other nodes."""
    passing = rules.passing
    room, changed = nodes.room_before(rules.request)
    scores = room.scores
    if passing is not None:
        scores = np.where(passing, scores, CLOSED)
    best: list[int] = _best(
        scores, nodes.ranks, nodes.size, count + len(changed)
    ).tolist()
    if not changed and count == 1:
        return dict.fromkeys(best, 1)
    again: list[int] = []
    if changed:
        best = [node for node in best if node not in changed]
        again = [node for node in changed if passing is None or passing[node]]
    if count > _FEW or len(again) > _FEW:
        return _fill_at_once(nodes, rules, [*best, *again], count)
    filling = _Filling(nodes, rules)
    for node in best:
        filling.offer(node, int(scores[node]))
    for node in again:
        _, score = room_on_node(nodes, rules.request, filling.score, node)
        if score != CLOSED:
            filling.offer(node, score)
    return filling.fill(count, [])


def _take_with_relative_scores(
    nodes: Nodes, rules: BindRules, passing: Mask | None, count: int
) -> dict[int, int]:
    """Choose nodes for up to `count` pods; stop early when scores relative to other nodes would change."""
    room = nodes.room(rules.request).scores
    feasible = room != CLOSED
    if passing is not None:
        feasible &= passing
    index = np.flatnonzero(feasible)
    if not len(index):
        return {}
    relative = rules.normalised(index)
    total = room[index]
    for scores in relative:
        total += scores.scores
    best = _best(total, nodes.ranks[index], nodes.size, count)
    filling = _Filling(nodes, rules)
    for node, score, own in zip(
        index[best].tolist(),
        total[best].tolist(),
        room[index[best]].tolist(),
        strict=True,
    ):
        filling.offer(node, score, fixed=score - own)
    return filling.fill(count, [_Extremes(scores, index) for scores in relative])


def _best(total: Ints, ranks: Ints, size: int, count: int) -> Ints:
    """Return the `count` nodes of highest score that are not closed, in no order; of equal ones the lowest ranks."""
    if count >= len(total):
        return np.flatnonzero(total != CLOSED)
    order = _by_score_and_rank(total, ranks, size)
    best: Ints = order.argpartition(-count)[-count:]
    not_closed: Ints = best[total[best] != CLOSED]
    return not_closed


def _by_score_and_rank(scores: Ints, ranks: Ints, size: int) -> Ints:
    """Return numbers in the order of `scores`; where these are equal, the lowest of `ranks`, below `size`, is last."""
    order = scores * size
    order -= ranks
    return order


class _Filling:
    """Nodes that pods are bound to one after another, with the score of each for the next pod."""

    __slots__ = ("_fixed", "_given", "_heap", "_nodes", "_rules", "score")

    def __init__(self, nodes: Nodes, rules: BindRules) -> None:
        self.score = RoomScore(*rules.request.load, nodes.most_allocated)
        self._nodes = nodes
        self._rules = rules
        # heapq pops the least, so scores are negated; equal scores go by rank.
        self._heap: list[tuple[int, int, int]] = []
        self._fixed: dict[int, int] = {}
        self._given: dict[int, int] = {}

    def offer(self, node: int, score: int, *, fixed: int = 0) -> None:
        """Add a node; `fixed` is the part of its score that binding the pods does not change."""
        self._heap.append((-score, int(self._nodes.ranks[node]), node))
        self._fixed[node] = fixed

    def fill(self, count: int, extremes: list[_Extremes]) -> dict[int, int]:
        """Bind up to `count` pods; stop early when one of the `extremes` changes. Return node index -> pods bound."""
        heap, given = self._heap, self._given
        heapify(heap)
        left = count
        while heap:
            _, rank, node = heap[0]
            given[node] = given.get(node, 0) + 1
            left -= 1
            if not left:
                break
            score = self._next_score(node)
            if score is not None:
                heapreplace(heap, (-score - self._fixed[node], rank, node))
                continue
            heappop(heap)
            changed = False
            for extreme in extremes:
                changed |= extreme.leaves(node)
            # The other nodes' normalised scores are no longer right, so the caller scores them again.
            if changed:
                break
        return given

    def _next_score(self, node: int) -> int | None:
        """Return the room score of a node for one pod more than it was given; None when it is full."""
        given = self._given[node]
        free: list[int] = self._nodes.free[:, node].tolist()
        request = self._rules.request
        if self._rules.alone or places_on_node(free, request.taken) <= given:
            return None
        load: list[int] = self._nodes.load[:, node].tolist()
        return self.score.one(load, self._nodes.table.caps[node], given)


class _Extremes:
    """How many feasible nodes still have the lowest and the highest raw score, by which all are normalised."""

    __slots__ = ("_at_highest", "_at_lowest", "_highest", "_index", "_lowest", "_raw")

    def __init__(self, scores: Normalised, index: Ints) -> None:
        self._raw = scores.raw
        self._index = index
        self._lowest, self._highest = scores.lowest, scores.highest
        self._at_lowest, self._at_highest = scores.left()

    def leaves(self, node: int) -> bool:
        """Count `node` as full; return whether no feasible node is left with its extreme raw score."""
        raw = self._raw[self._index.searchsorted(node)]
        if raw == self._lowest:
            self._at_lowest -= 1
            return not self._at_lowest
        if raw == self._highest:
            self._at_highest -= 1
            return not self._at_highest
        return False


def _fill_at_once(
    nodes: Nodes, rules: BindRules, candidates: list[int], count: int
) -> dict[int, int]:
    """Bind up to `count` pods to `candidates` as `_Filling` does, with arrays; return node index -> pods bound.

    Each time the node with the highest score is chosen, which changes its own score alone. A node that is chosen at
    one score is chosen again at once as long as its score does not fall below that. So its next pods count with the
    lowest of its scores so far, and all pods of all nodes, sorted by that, are in the order of the choices.
    """
    index = np.array(candidates, dtype=np.int64)
    score = RoomScore(*rules.request.load, nodes.most_allocated)
    places = places_of(nodes.free.take(index, axis=1), rules.request)
    if rules.alone:
        np.minimum(places, 1, out=places)
    ranks = nodes.ranks[index]
    deepest = min(count, int(places.max(initial=0)))
    levels = min(count // max(len(candidates), 1) + _MORE_LEVELS, deepest)
    while levels:
        scores = score.many(nodes, index, levels)
        np.minimum.accumulate(scores, axis=0, out=scores)
        order = _by_score_and_rank(scores, ranks, nodes.size)
        order[np.arange(levels)[:, None] >= places] = _NEVER
        flat = order.ravel()
        # Equal are only the pods of one node, and it does not matter which of those come first.
        first = (
            flat.argpartition(-count)[-count:] if count < len(flat) else flat.argsort()
        )
        given = np.bincount(
            first[flat[first] != _NEVER] % len(index), minlength=len(index)
        )
        # A node that was given all pods it was scored for may take more.
        if levels == deepest or not ((given == levels) & (places > levels)).any():
            used = given.nonzero()[0]
            return dict(zip(index[used].tolist(), given[used].tolist(), strict=True))
        levels = min(levels * 4, deepest)
    return {}
