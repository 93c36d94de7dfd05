"""How pods attract and repel each other: kube-scheduler's InterPodAffinity, as masks and sums over nodes.

Rules: pkg/scheduler/framework/plugins/interpodaffinity of Kubernetes 1.36. Both sides speak: the terms of the pod to be
placed about the pods that stand, and the terms of those about it. Everything comes down to "how many pods like this
stand in each domain of that topology key", kept as counts per node.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from reconciler.kube_scheduler.nodes import Ints, Mask, Nodes, NodeTable, PodsOnNodes, has_pod_terms
from reconciler.manifests.podshape import PodShape, PodTerm

REQUIRED_TERM_WEIGHT = 1
"""What a standing pod's required affinity term counts for scoring (`hardPodAffinityWeight`)."""


class PodAffinity:
    """What the pods on `nodes` and the terms of `shape` say about where the next pod of `shape` may and should go.

    `placed` tells it that one more pod of the shape was bound; nothing else may change meanwhile.
    """

    def __init__(self, nodes: Nodes, shape: PodShape) -> None:
        table = nodes.table
        self._table = table
        self._wanted = shape.pod_required
        self._matches_own_terms = bool(shape.pod_required) and all(
            term_selects(table, term, shape, shape) for term in shape.pod_required
        )
        self._matching_pods = _counts(nodes, shape, shape.pod_required)
        self._anti_affinity = [
            _Domains(table, term, _counts(nodes, shape, (term,))) for term in shape.pod_anti_required
        ]
        self._preferences = [
            (sign * weight, _Domains(table, term, _counts(nodes, shape, (term,))))
            for sign, terms in ((1, shape.pod_preferred), (-1, shape.pod_anti_preferred))
            for weight, term in terms
        ]
        self._terms_of_bound_copies = [
            (sign * weight, _Domains(table, term, np.zeros(table.size, dtype=np.int64)))
            for sign, terms in _scoring_terms(shape)
            for weight, term in terms
            if term_selects(table, term, shape, shape)
        ]
        self._matches_own_anti_affinity = [
            term_selects(table, term, shape, shape) for term in shape.pod_anti_required
        ]  # its own terms speak against the next pod like it
        self._matches_own_preferences = [
            term_selects(table, term, shape, shape)
            for terms in (shape.pod_preferred, shape.pod_anti_preferred)
            for _, term in terms
        ]
        self._excluded = np.zeros(table.size, dtype=np.bool_)
        self._raw = np.zeros(table.size, dtype=np.int64)
        for standing in _pods_with_terms(nodes):
            self._add_terms_of_existing_pods(standing, shape)

    @property
    def can_skip(self) -> bool:
        """Tell whether nobody has anything to say: every node passes, none is preferred."""
        return not (
            self._wanted
            or self._anti_affinity
            or self._preferences
            or self._terms_of_bound_copies
            or bool(self._excluded.any())
            or bool(self._raw.any())
        )

    def feasible(self) -> Mask:
        """Return the nodes that pass the filter."""
        passes = ~self._excluded
        for domains in self._anti_affinity:
            passes &= ~domains.here()
        if self._wanted:
            passes &= self._satisfies_required()
        return passes

    def raw_scores(self) -> Ints:
        """Return the sum of weights for each node, before it is normalised over the feasible ones."""
        total = self._raw.copy()
        for weight, domains in (*self._preferences, *self._terms_of_bound_copies):
            total += weight * domains.per_node()
        return total

    def placed(self, node: int) -> None:
        """Count one more pod of the shape on `node`."""
        if self._matches_own_terms:
            self._matching_pods[node] += 1
        for matches, domains in zip(self._matches_own_anti_affinity, self._anti_affinity, strict=True):
            if matches:
                domains.add(node)
        for matches, (_, domains) in zip(self._matches_own_preferences, self._preferences, strict=True):
            if matches:
                domains.add(node)
        for _, domains in self._terms_of_bound_copies:
            domains.add(node)

    def _satisfies_required(self) -> Mask:
        domains = [_Domains(self._table, term, self._matching_pods) for term in self._wanted]
        named = np.logical_and.reduce([d.codes >= 0 for d in domains])
        if self._matches_own_terms and not any(d.any() for d in domains):
            return cast("Mask", named)  # the first of its kind: nobody is there to be near to
        return cast("Mask", named & np.logical_and.reduce([d.here() for d in domains]))

    def _add_terms_of_existing_pods(self, standing: PodsOnNodes, shape: PodShape) -> None:
        """Take in what the terms of pods that stand say about `shape`."""
        table, other = self._table, standing.shape
        counts: Ints | None = None
        for term in other.pod_anti_required:
            if term_selects(table, term, other, shape):
                counts = _where(table, standing) if counts is None else counts
                self._excluded |= _Domains(table, term, counts).here()
        for sign, terms in _scoring_terms(other):
            for weight, term in terms:
                if term_selects(table, term, other, shape):
                    counts = _where(table, standing) if counts is None else counts
                    self._raw += sign * weight * _Domains(table, term, counts).per_node()


class _Domains:
    """Counts per node, read per domain of a topology key; nodes without the key belong to no domain."""

    __slots__ = ("codes", "totals")

    def __init__(self, table: NodeTable, term: PodTerm, counts: Ints) -> None:
        self.codes, number = table.domains(term.topology_key)
        named = self.codes >= 0
        self.totals = np.bincount(self.codes[named], weights=counts[named], minlength=number + 1).astype(np.int64)

    def add(self, node: int) -> None:
        if self.codes[node] >= 0:
            self.totals[self.codes[node]] += 1

    def any(self) -> bool:
        return bool(self.totals.any())

    def here(self) -> Mask:
        return self.per_node() > 0

    def per_node(self) -> Ints:
        return self.totals[self.codes]  # without the key: the last total, which is always 0


def term_selects(table: NodeTable, term: PodTerm, owner: PodShape, other: PodShape) -> bool:
    """Tell whether `term`, which stands in a pod like `owner`, means pods like `other`."""
    if term.selector is None or not _selects_namespace(table, term, owner.namespace, other.namespace):
        return False
    return term.selector.matches(other.labels)


def _selects_namespace(table: NodeTable, term: PodTerm, owner: str, other: str) -> bool:
    if not term.namespaces and term.namespace_selector is None:
        return owner == other
    if other in term.namespaces:
        return True
    return term.namespace_selector is not None and term.namespace_selector.matches(table.namespace_labels(other))


def _scoring_terms(shape: PodShape) -> tuple[tuple[int, tuple[tuple[int, PodTerm], ...]], ...]:
    """Return (sign, weighted terms) by which a standing pod of this shape attracts or repels others when scoring."""
    required = tuple((REQUIRED_TERM_WEIGHT, term) for term in shape.pod_required)
    return (1, required), (1, shape.pod_preferred), (-1, shape.pod_anti_preferred)


def _pods_with_terms(nodes: Nodes) -> list[PodsOnNodes]:
    base = nodes.table.memo.get("with terms")
    if base is None:
        base = nodes.table.memo["with terms"] = [s for s in nodes.table.base if s.has_terms]
    return [*base, *(s for s in nodes.added if s.has_terms)]


def _counts(nodes: Nodes, shape: PodShape, terms: tuple[PodTerm, ...]) -> Ints:
    """Count for each node the pods that all of `terms`, standing in a pod like `shape`, mean."""
    table = nodes.table
    if not terms:
        return np.zeros(table.size, dtype=np.int64)
    key = ("pods meant", shape.namespace, terms)
    base = table.memo.get(key)
    if base is None:
        base = table.memo[key] = np.zeros(table.size, dtype=np.int64)
        _add_matching(table, base, table.base, shape, terms)
    counts = cast("Ints", base.copy())
    _add_matching(table, counts, nodes.added, shape, terms)
    return counts


def _add_matching(
    table: NodeTable, counts: Ints, standing: tuple[PodsOnNodes, ...], shape: PodShape, terms: tuple[PodTerm, ...]
) -> None:
    for pods in standing:
        if all(term_selects(table, term, shape, pods.shape) for term in terms):
            for node, count in pods.where.items():
                counts[node] += count


def _where(table: NodeTable, standing: PodsOnNodes) -> Ints:
    counts = np.zeros(table.size, dtype=np.int64)
    for node, count in standing.where.items():
        counts[node] += count
    return counts


def can_skip(nodes: Nodes, shape: PodShape) -> bool:
    """Tell, cheaply, that no pod affinity can be at play for `shape` on `nodes`."""
    return not has_pod_terms(shape) and not _pods_with_terms(nodes)


def namespaces_in_terms(nodes: Nodes) -> frozenset[str] | None:
    """Return the namespaces whose pods the terms of pods on `nodes` may mean; None when those may be any."""
    names: set[str] = set()
    for standing in _pods_with_terms(nodes):
        shape = standing.shape
        weighted = (*shape.pod_preferred, *shape.pod_anti_preferred)
        for term in (*shape.pod_required, *shape.pod_anti_required, *(term for _, term in weighted)):
            if term.namespace_selector is not None:
                return None
            names.update(term.namespaces or (shape.namespace,))
    return frozenset(names)
