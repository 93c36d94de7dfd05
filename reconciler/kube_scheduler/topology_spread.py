"""How evenly pods are spread over domains: kube-scheduler's PodTopologySpread, as a mask and a score.

Rules: pkg/scheduler/framework/plugins/podtopologyspread of Kubernetes 1.36. `DoNotSchedule` constraints filter: a
domain may not have more than `max_skew` matching pods more than the emptiest one. `ScheduleAnyway` constraints only
score, and their score depends on the feasible nodes; pods of a Service or controller that name no constraint of their
own get the scheduler's default ones.
"""

from __future__ import annotations

from math import log
from typing import cast

import numpy as np

from reconciler.kube_scheduler.filters import node_affinity, tolerated
from reconciler.kube_scheduler.nodes import HOSTNAME, Floats, Ints, Mask, Nodes, PodsOnNodes
from reconciler.kube_scheduler.scores import MAX
from reconciler.manifests.podshape import PodShape, SpreadConstraint
from reconciler.manifests.selector import LabelSelector

ZONE = "topology.kubernetes.io/zone"
_ANYWAY = "ScheduleAnyway"


class TopologySpread:
    """The spread constraints of `shape` on `nodes`. `placed` tells that one more pod of the shape was bound."""

    def __init__(self, nodes: Nodes, shape: PodShape) -> None:
        self._size = nodes.size
        self._own = bool(shape.spread)
        constraints = shape.spread or default_constraints(shape)
        self._soft = [_Constraint(nodes, shape, c) for c in constraints if c.when_unsatisfiable == _ANYWAY]
        self._hard = [_Constraint(nodes, shape, c) for c in constraints if c.when_unsatisfiable != _ANYWAY]
        _only_where_all_are_named(self._hard)
        if self._own:
            _only_where_all_are_named(self._soft)

    @property
    def scores(self) -> bool:
        """Tell whether there is anything to score."""
        return bool(self._soft)

    def feasible(self) -> Mask:
        """Return the nodes that pass the filter."""
        passes = np.ones(self._size, dtype=np.bool_)
        for constraint in self._hard:
            passes &= constraint.within_skew()
        return passes

    def score(self, index: Ints) -> Ints:
        """Return 0 to 100 for each of the feasible nodes `index`: the fewer matching pods in its domains, the more."""
        named = [constraint.codes[index] >= 0 for constraint in self._soft]
        scored = np.logical_and.reduce(named) if self._own else np.ones(len(index), dtype=np.bool_)
        total = np.zeros(len(index))
        for constraint, has_domain in zip(self._soft, named, strict=True):
            total += np.where(has_domain, constraint.crowding(index, scored), 0.0)
        crowding = np.floor(total + 0.5).astype(np.int64)
        if not scored.any():
            return np.zeros(len(index), dtype=np.int64)
        most, least = int(crowding[scored].max()), int(crowding[scored].min())
        spread = MAX * (most + least - crowding) // most if most else np.full(len(index), MAX, dtype=np.int64)
        return np.where(scored, spread, 0)

    def placed(self, node: int) -> None:
        """Count one more pod of the shape on `node`."""
        for constraint in (*self._hard, *self._soft):
            if constraint.selects_own_pods and constraint.countable:
                constraint.counts[node] += 1


class _Constraint:
    """One constraint: the domain of each node, the matching pods on each node, and the nodes that count."""

    def __init__(self, nodes: Nodes, shape: PodShape, constraint: SpreadConstraint) -> None:
        table = nodes.table
        self.per_node = constraint.topology_key == HOSTNAME
        self.codes, self.domains = table.domains(constraint.topology_key)
        self.max_skew, self.min_domains = constraint.max_skew, constraint.min_domains
        selector = constraint.selector
        self.selects_own_pods = selector is not None and selector.matches(shape.labels)
        self.countable = bool(selector and selector.requirements)  # an empty selector matches, yet is never counted
        self.counts = _matching(nodes, shape.namespace, selector)
        self.included = np.ones(table.size, dtype=np.bool_)
        if constraint.node_affinity_policy == "Honor":
            self.included &= node_affinity(table, shape)
        if constraint.node_taints_policy == "Honor":
            self.included &= tolerated(table, shape)

    def within_skew(self) -> Mask:
        """Return the nodes whose domain may take one more pod."""
        members = self.included & (self.codes >= 0)
        totals = self._totals(members)
        exists = np.bincount(self.codes[members], minlength=self.domains + 1) > 0
        domains = int(exists.sum())
        emptiest = int(totals[exists].min()) if domains and domains >= self.min_domains else 0
        skew = totals[self.codes] + self.selects_own_pods - emptiest
        return (self.codes >= 0) & (skew <= self.max_skew)

    def crowding(self, index: Ints, scored: Mask) -> Floats:
        """Return how crowded the domain of each feasible node is, weighted by how many domains there are."""
        if self.per_node:
            return _crowded(self.counts[index], int(scored.sum()), self.max_skew)
        feasible = np.unique(self.codes[index[scored]])
        members = self.included & np.isin(self.codes, feasible)
        totals = self._totals(members & (self.codes >= 0))
        return _crowded(totals[self.codes[index]], len(feasible), self.max_skew)

    def _totals(self, members: Mask) -> Ints:
        found = np.bincount(self.codes[members], weights=self.counts[members], minlength=self.domains + 1)
        return found.astype(np.int64)


def _crowded(pods: Ints, domains: int, max_skew: int) -> Floats:
    """Weigh counts by the logarithm of the number of domains; `max_skew` waters the differences down."""
    return pods.astype(np.float64) * log(domains + 2) + (max_skew - 1)


def default_constraints(shape: PodShape) -> tuple[SpreadConstraint, ...]:
    """Return the scheduler's own constraints, for pods that a Service, ReplicaSet or StatefulSet selects."""
    selector = shape.owner_selector
    if selector is None or not selector.requirements:
        return ()
    return SpreadConstraint(HOSTNAME, 3, _ANYWAY, selector), SpreadConstraint(ZONE, 5, _ANYWAY, selector)


def is_spread(shape: PodShape) -> bool:
    """Tell whether any spread constraint term_selects to pods of this shape."""
    return bool(shape.spread or default_constraints(shape))


def _only_where_all_are_named(constraints: list[_Constraint]) -> None:
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


def _add(counts: Ints, standing: tuple[PodsOnNodes, ...], namespace: str, selector: LabelSelector) -> None:
    for pods in standing:
        if not pods.deleting and pods.shape.namespace == namespace and selector.matches(pods.shape.labels):
            for node, count in pods.where.items():
                counts[node] += count
