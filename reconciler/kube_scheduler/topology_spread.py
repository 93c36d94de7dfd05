"""How evenly pods are spread over domains: kube-scheduler's PodTopologySpread, as a mask and a score.

Rules: pkg/scheduler/framework/plugins/podtopologyspread of Kubernetes 1.36. `DoNotSchedule` constraints filter: a
domain may not have more than `max_skew` matching pods more than the emptiest domain. `ScheduleAnyway` constraints only
score, and their score depends on the feasible nodes. Pods of a Service or controller without constraints get the
scheduler's default ones.
"""

from __future__ import annotations

from functools import reduce
from math import log
from typing import cast

import numpy as np

from reconciler.kube_scheduler.filters import node_affinity, tolerated
from reconciler.kube_scheduler.node_table import (
    Floats,
    Ints,
    Mask,
    PodsOnNodes,
)
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.kube_scheduler.scores import MAX
from reconciler.kube_scheduler.shape_rules import ANYWAY, HOSTNAME, default_constraints
from reconciler.manifests.podshape import PodShape, SpreadConstraint
from reconciler.manifests.selector import LabelSelector


class TopologySpread:
    """The spread constraints of `shape` on `nodes`. Call `placed` for each pod of the shape that is bound."""

    def __init__(self, nodes: Nodes, shape: PodShape) -> None:
        self._own = bool(shape.spread)
        self._soft: list[_Constraint] = []
        self._hard: list[_Constraint] = []
        for constraint in shape.spread or default_constraints(shape):
            group = (
                self._soft if constraint.when_unsatisfiable == ANYWAY else self._hard
            )
            group.append(_Constraint(nodes, shape, constraint))
        _require_all_keys(self._hard)
        # The default constraints also score nodes that lack one of their topology keys.
        if self._own:
            _require_all_keys(self._soft)
        for counted in (*self._hard, *self._soft):
            counted.count_by_domain()
        self._all_have_domains = all(bool((c.codes >= 0).all()) for c in self._soft)

    @property
    def scores(self) -> bool:
        """Whether any constraint scores."""
        return bool(self._soft)

    @property
    def filters(self) -> bool:
        """Whether any constraint filters."""
        return bool(self._hard)

    def feasible(self) -> Mask:
        """Return the nodes that pass the filter, where there is one. Not to be changed by the caller."""
        passes = [constraint.within_skew() for constraint in self._hard]
        return reduce(np.logical_and, passes)

    def score(self, index: Ints) -> Ints:
        """Return 0 to 100 for each of the feasible nodes `index`: the fewer matching pods in its domains, the more."""
        size = len(index)
        if self._all_have_domains:
            every = np.ones(size, dtype=np.bool_)
            crowded = [c.crowding(index, every) for c in self._soft]
            return _fewest_first(_rounded(sum(crowded[1:], start=crowded[0])))
        has_domain = [constraint.codes[index] >= 0 for constraint in self._soft]
        scored = (
            np.logical_and.reduce(has_domain)
            if self._own
            else np.ones(size, dtype=np.bool_)
        )
        if not scored.any():
            return np.zeros(size, dtype=np.int64)
        total = np.zeros(size)
        for constraint, named in zip(self._soft, has_domain, strict=True):
            total += np.where(named, constraint.crowding(index, scored), 0.0)
        spread = np.zeros(size, dtype=np.int64)
        spread[scored] = _fewest_first(_rounded(total)[scored])
        return spread

    def placed(self, node: int) -> None:
        """Count one more pod of the shape on `node`."""
        for constraint in (*self._hard, *self._soft):
            constraint.add(node)


class _Constraint:
    """One constraint: the domain of each node, the matching pods on each node, and the nodes that count."""

    def __init__(
        self, nodes: Nodes, shape: PodShape, constraint: SpreadConstraint
    ) -> None:
        table = nodes.table
        self.per_node = constraint.topology_key == HOSTNAME
        self.codes, self.domains = table.domains(constraint.topology_key)
        self.max_skew, self.min_domains = constraint.max_skew, constraint.min_domains
        selector = constraint.selector
        self.selects_own = selector is not None and selector.matches(shape.labels)
        # An empty selector matches every pod for the skew, but kube-scheduler counts no pod for it.
        self.countable = bool(selector and selector.requirements)
        self.counts = _matching(nodes, shape.namespace, selector)
        self.included = np.ones(table.size, dtype=np.bool_)
        if constraint.node_affinity_policy == "Honor":
            self.included &= node_affinity(table, shape)
        if constraint.node_taints_policy == "Honor":
            self.included &= tolerated(table, shape)

    def count_by_domain(self) -> None:
        """Count the matching pods of each domain on the nodes that are included. Call it once `included` is final."""
        self._members = self.included & (self.codes >= 0)
        codes = self.codes[self._members]
        # One domain more than there are: it stays empty, for nodes without the key.
        counted = np.bincount(
            codes, weights=self.counts[self._members], minlength=self.domains + 1
        )
        self._totals = counted.astype(np.int64)
        self._exists = np.bincount(codes, minlength=self.domains + 1) > 0
        # The nodes that pass; None where that must be worked out anew.
        self._within: Mask | None = None

    def add(self, node: int) -> None:
        """Count one more pod of the shape on `node`."""
        if not (self.selects_own and self.countable):
            return
        self.counts[node] += 1
        if not self._members[node]:
            return
        domain = self.codes[node]
        before = int(self._totals[domain])
        self._totals[domain] = before + 1
        if self._within is None:
            return
        if before == self._lowest:
            self._at_lowest -= 1
        # Only the emptiest domain limits others; else the pod limits its own domain alone.
        if not self._at_lowest:
            self._within = None
        elif before + 2 - self._emptiest > self.max_skew:
            self._within[self.codes == domain] = False

    def within_skew(self) -> Mask:
        """Return the nodes whose domain may take one more pod. Not to be changed by the caller."""
        if self._within is not None:
            return self._within
        totals = self._totals[self._exists]
        self._lowest = int(totals.min()) if len(totals) else 0
        self._at_lowest = int((totals == self._lowest).sum())
        # With fewer domains than `minDomains`, the emptiest domain counts as one without pods.
        enough = len(totals) >= self.min_domains
        self._emptiest = self._lowest if enough else 0
        fits = self._totals + (self.selects_own - self._emptiest) <= self.max_skew
        # The last one is for nodes without the key, which never pass.
        fits[-1] = False
        self._within = fits[self.codes]
        return self._within

    def crowding(self, index: Ints, scored: Mask) -> Floats:
        """Return the matching pods in the domain of each feasible node, weighted by the number of domains."""
        if self.per_node:
            return _crowded(self.counts[index], int(scored.sum()), self.max_skew)
        codes = self.codes[index]
        feasible = np.zeros(self.domains + 1, dtype=np.bool_)
        feasible[codes[scored]] = True
        return _crowded(self._totals[codes], int(feasible.sum()), self.max_skew)


def _crowded(pods: Ints, domains: int, max_skew: int) -> Floats:
    """Weigh counts by the logarithm of the number of domains; a larger `max_skew` makes the differences smaller."""
    return pods.astype(np.float64) * log(domains + 2) + (max_skew - 1)


def _rounded(crowding: Floats) -> Ints:
    return np.floor(crowding + 0.5).astype(np.int64)


def _fewest_first(crowding: Ints) -> Ints:
    """Turn how crowded the domains of nodes are into 0 to 100, the least crowded highest."""
    most, least = int(crowding.max()), int(crowding.min())
    # Without a matching pod anywhere all nodes are equally good.
    if not most:
        return np.full_like(crowding, MAX)
    return MAX * (most + least - crowding) // most


def _require_all_keys(constraints: list[_Constraint]) -> None:
    """Leave out nodes that lack the topology key of any of the constraints."""
    for constraint in constraints:
        for other in constraints:
            constraint.included &= other.codes >= 0


def _matching(nodes: Nodes, namespace: str, selector: LabelSelector | None) -> Ints:
    """Count for each node the pods of `namespace` that `selector` matches; pods that are being deleted do not count."""
    table = nodes.table
    if selector is None or not selector.requirements:
        return np.zeros(table.size, dtype=np.int64)
    key = ("matching", namespace, selector)
    base = table.memo.get(key)
    if base is None:
        base = table.memo[key] = np.zeros(table.size, dtype=np.int64)
        _add(base, nodes.table.base, namespace, selector)
    counts = cast("Ints", base.copy())
    _add(counts, nodes.added, namespace, selector)
    return counts


def _add(
    counts: Ints,
    existing: tuple[PodsOnNodes, ...],
    namespace: str,
    selector: LabelSelector,
) -> None:
    for pods in existing:
        if pods.deleting or pods.shape.namespace != namespace:
            continue
        if selector.matches(pods.shape.labels):
            for node, count in pods.where.items():
                counts[node] += count
