"""Binds pods that have rules about each other: after each, the filters and scores that it changed are worked out anew.

What is free changes on the chosen node only, so the other nodes keep their room score. `PodAffinity` and
`TopologySpread` count the pod in its domains, and look again only at what those change.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from reconciler.kube_scheduler.bind_rules import BindRules
from reconciler.kube_scheduler.node_table import Ints, Mask
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.kube_scheduler.pod_room import CLOSED
from reconciler.kube_scheduler.scores import (
    POD_AFFINITY_WEIGHT,
    TOPOLOGY_SPREAD_WEIGHT,
    RoomScore,
    between_extremes,
)

_NEVER = np.iinfo(np.int64).min
"""The order of nodes that are not feasible, behind every other."""


def bind_one_by_one(nodes: Nodes, rules: BindRules, count: int) -> Counter[int]:
    """Bind up to `count` pods and return node index -> pods bound. Changes `nodes`, but adds no pods to them."""
    chosen: Counter[int] = Counter()
    score = RoomScore(*rules.request.load, nodes.most_allocated)
    room = nodes.room(rules.request)
    scores = room.scores
    feasible = scores != CLOSED
    if rules.passing is not None:
        feasible &= rules.passing
    # Ranks are below the number of nodes, so they decide between equal scores only.
    order = scores * nodes.size - nodes.ranks
    for _ in range(count):
        passing = _passing(rules, feasible)
        node = _best(nodes, rules, order, passing)
        if node is None:
            break
        chosen[node] += 1
        given = chosen[node]
        if rules.alone or given >= room.places[node]:
            feasible[node] = False
        else:
            load: list[int] = nodes.load[:, node].tolist()
            next_score = score.one(load, nodes.table.caps[node], given)
            order[node] = next_score * nodes.size - nodes.ranks[node]
        if rules.affinity is not None:
            rules.affinity.placed(node)
        if rules.spread is not None:
            rules.spread.placed(node)
    nodes.take(rules.request, chosen)
    return chosen


def _passing(rules: BindRules, feasible: Mask) -> Mask:
    """Return the nodes that pass every filter."""
    if rules.affinity is not None:
        feasible = feasible & rules.affinity.feasible()
    if rules.spread is not None and rules.spread.filters:
        feasible = feasible & rules.spread.feasible()
    return feasible


def _best(nodes: Nodes, rules: BindRules, order: Ints, passing: Mask) -> int | None:
    """Return the passing node that is highest in `order`, with the relative scores added; None if none passes."""
    if not _has_relative_scores(rules):
        node = int(np.where(passing, order, _NEVER).argmax())
        return node if passing[node] else None
    index = np.flatnonzero(passing)
    if not len(index):
        return None
    total = order[index] + _relative_scores(rules, index) * nodes.size
    return int(index[total.argmax()])


def _has_relative_scores(rules: BindRules) -> bool:
    """Return whether any score of a node depends on which other nodes are feasible."""
    of_affinity = rules.affinity is not None and rules.affinity.scores
    of_spread = rules.spread is not None and rules.spread.scores
    return bool(rules.raw_scores) or of_affinity or of_spread


def _relative_scores(rules: BindRules, index: Ints) -> Ints:
    """Return the sum of the scores that depend on which nodes are feasible, for the feasible nodes `index`."""
    total = np.zeros(len(index), dtype=np.int64)
    for scores in rules.normalised(index):
        total += scores.scores
    if rules.affinity is not None and rules.affinity.scores:
        raw = rules.affinity.raw_scores()[index]
        total += between_extremes(raw) * POD_AFFINITY_WEIGHT
    if rules.spread is not None and rules.spread.scores:
        total += rules.spread.score(index) * TOPOLOGY_SPREAD_WEIGHT
    return total
