"""How pods attract and repel each other: kube-scheduler's InterPodAffinity, as masks and sums over nodes.

Rules: pkg/scheduler/framework/plugins/interpodaffinity of Kubernetes 1.36. Two kinds of terms count: those of the pod
to be bound, about existing pods, and those of existing pods, about it. Both come down to the number of pods that a
term selects in each domain of its topology key, kept as counts per node.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from reconciler.kube_scheduler.node_table import (
    Ints,
    Mask,
    NodeTable,
    PodsOnNodes,
)
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.kube_scheduler.shape_rules import has_pod_terms
from reconciler.manifests.podshape import PodShape, PodTerm

REQUIRED_TERM_WEIGHT = 1
"""What an existing pod's required affinity term counts for scoring (`hardPodAffinityWeight`)."""

_SignedTerms = tuple[int, tuple[tuple[int, PodTerm], ...]]
"""1 or -1, and weighted terms: those that attract, or those that repel."""


class _Domains:
    """Counts per node, read per domain of a topology key; nodes without the key belong to no domain."""

    __slots__ = ("codes", "totals")

    def __init__(self, table: NodeTable, term: PodTerm, counts: Ints) -> None:
        self.codes, number = table.domains(term.topology_key)
        named = self.codes >= 0
        # One domain more than there are: it stays empty, for nodes without the key.
        totals = np.bincount(
            self.codes[named], weights=counts[named], minlength=number + 1
        )
        self.totals = totals.astype(np.int64)

    def add(self, node: int) -> int:
        """Count one more pod on `node`; return how many its domain then has, 0 without a domain."""
        domain = self.codes[node]
        if domain < 0:
            return 0
        self.totals[domain] += 1
        return int(self.totals[domain])

    def beside(self, node: int) -> Mask:
        """Return the nodes in the domain of `node`."""
        mask: Mask = self.codes == self.codes[node]
        return mask

    @property
    def are_nodes(self) -> bool:
        """Whether each node has a domain of its own."""
        return len(self.totals) > len(self.codes) and bool((self.codes >= 0).all())

    def any(self) -> bool:
        return bool(self.totals.any())

    def here(self) -> Mask:
        return self.per_node() > 0

    def per_node(self) -> Ints:
        # Nodes without the key have code -1, which is the last total.
        return self.totals[self.codes]


@dataclass(frozen=True, slots=True)
class _Term:
    """The pods that one term selects, by domain. `selects_own`: it also selects pods of the shape that is bound."""

    domains: _Domains
    selects_own: bool
    weight: int = 0


class PodAffinity:
    """Where the next pod of `shape` may and should go, by the pods on `nodes` and by its own terms.

    Call `placed` for each pod of the shape that is bound; nothing else may change on the nodes meanwhile.
    """

    def __init__(self, nodes: Nodes, shape: PodShape) -> None:
        self._nodes = nodes
        self._shape = shape
        self._required = shape.pod_required
        self._required_select_own = bool(self._required) and all(
            map(self._selects_own, self._required)
        )
        self._required_counts = _counts(nodes, shape, self._required)
        self._anti_affinity = [self._term(term) for term in shape.pod_anti_required]
        self._preferred = [
            self._term(term, weight) for weight, term in shape.pod_preferred
        ]
        self._preferred += [
            self._term(term, -weight) for weight, term in shape.pod_anti_preferred
        ]
        self._of_copies = self._terms_of_copies()
        self._excluded = np.zeros(nodes.size, dtype=np.bool_)
        self._raw = np.zeros(nodes.size, dtype=np.int64)
        for pods in _pods_with_terms(nodes):
            self._add_terms_of(pods)
        self.scores = bool(self._preferred or self._of_copies or self._raw.any())
        self._passes = self._passing()
        self._total = self._weighed()

    @property
    def can_skip(self) -> bool:
        """Whether no term applies: every node passes, none is preferred."""
        own_terms = (
            self._required or self._anti_affinity or self._preferred or self._of_copies
        )
        return not own_terms and not self._excluded.any() and not self._raw.any()

    @property
    def one_a_node(self) -> bool:
        """Whether the only change that binding a pod makes is that no other one like it may share its node."""
        if self._required or self._preferred or self._of_copies:
            return False
        own = [term for term in self._anti_affinity if term.selects_own]
        return bool(own) and all(term.domains.are_nodes for term in own)

    def feasible(self) -> Mask:
        """Return the nodes that pass the filter. Not to be changed by the caller."""
        return self._passes

    def raw_scores(self) -> Ints:
        """Return the sum of weights for each node, before it is normalised over feasible ones. Not to be changed."""
        return self._total

    def placed(self, node: int) -> None:
        """Count one more pod of the shape on `node`."""
        for term in self._anti_affinity:
            # The first pod that a term selects closes its domain; the others change nothing.
            if term.selects_own and term.domains.add(node) == 1:
                self._passes[term.domains.beside(node)] = False
        for term in (*self._preferred, *self._of_copies):
            if term.selects_own and term.domains.add(node):
                self._total[term.domains.beside(node)] += term.weight
        if self._required_select_own:
            first = not self._required_counts[node]
            self._required_counts[node] += 1
            if first:
                self._passes = self._passing()

    def _passing(self) -> Mask:
        passes = ~self._excluded
        for term in self._anti_affinity:
            passes &= ~term.domains.here()
        if self._required:
            passes &= self._meets_required()
        return passes

    def _weighed(self) -> Ints:
        total = self._raw.copy()
        for term in (*self._preferred, *self._of_copies):
            total += term.weight * term.domains.per_node()
        return total

    def _term(self, term: PodTerm, weight: int = 0) -> _Term:
        counts = _counts(self._nodes, self._shape, (term,))
        return _Term(
            _Domains(self._nodes.table, term, counts), self._selects_own(term), weight
        )

    def _terms_of_copies(self) -> list[_Term]:
        """Return the terms by which pods of the shape, once bound, attract or repel the next one like them."""
        table = self._nodes.table
        found: list[_Term] = []
        for sign, terms in _scoring_terms(self._shape):
            for weight, term in terms:
                if self._selects_own(term):
                    # No copy is bound yet; `placed` counts them.
                    none = np.zeros(table.size, dtype=np.int64)
                    domains = _Domains(table, term, none)
                    found.append(_Term(domains, selects_own=True, weight=sign * weight))
        return found

    def _selects_own(self, term: PodTerm) -> bool:
        return term_selects(self._nodes.table, term, self._shape, self._shape)

    def _meets_required(self) -> Mask:
        domains = [
            _Domains(self._nodes.table, term, self._required_counts)
            for term in self._required
        ]
        named = np.logical_and.reduce([d.codes >= 0 for d in domains])
        # A pod that its own terms select may be the first of its kind, on any node with the topology keys.
        if self._required_select_own and not any(d.any() for d in domains):
            return cast("Mask", named)
        near = np.logical_and.reduce([d.here() for d in domains])
        return cast("Mask", named & near)

    def _add_terms_of(self, pods: PodsOnNodes) -> None:
        """Apply the terms of existing pods that select the shape."""
        table, owner = self._nodes.table, pods.shape
        counts: Ints | None = None
        for term in owner.pod_anti_required:
            if term_selects(table, term, owner, self._shape):
                counts = _per_node(table, pods) if counts is None else counts
                self._excluded |= _Domains(table, term, counts).here()
        for sign, terms in _scoring_terms(owner):
            for weight, term in terms:
                if term_selects(table, term, owner, self._shape):
                    counts = _per_node(table, pods) if counts is None else counts
                    self._raw += (
                        sign * weight * _Domains(table, term, counts).per_node()
                    )


def can_skip(nodes: Nodes, shape: PodShape) -> bool:
    """Return True, cheaply, if neither `shape` nor any pod on `nodes` has a pod affinity term."""
    return not has_pod_terms(shape) and not _pods_with_terms(nodes)


def term_selects(
    table: NodeTable, term: PodTerm, owner: PodShape, other: PodShape
) -> bool:
    """Return whether `term` of a pod like `owner` selects pods like `other`."""
    if term.selector is None or not _selects_namespace(
        table, term, owner.namespace, other.namespace
    ):
        return False
    return term.selector.matches(other.labels)


def namespaces_in_terms(nodes: Nodes) -> frozenset[str] | None:
    """Return the namespaces whose pods the terms of pods on `nodes` may select; None when those may be any."""
    names: set[str] = set()
    for pods in _pods_with_terms(nodes):
        shape = pods.shape
        weighted = (*shape.pod_preferred, *shape.pod_anti_preferred)
        preferred = [term for _, term in weighted]
        for term in (*shape.pod_required, *shape.pod_anti_required, *preferred):
            if term.namespace_selector is not None:
                return None
            names.update(term.namespaces or (shape.namespace,))
    return frozenset(names)


def _selects_namespace(table: NodeTable, term: PodTerm, owner: str, other: str) -> bool:
    if not term.namespaces and term.namespace_selector is None:
        return owner == other
    if other in term.namespaces:
        return True
    return term.namespace_selector is not None and term.namespace_selector.matches(
        table.namespace_labels(other)
    )


def _scoring_terms(shape: PodShape) -> tuple[_SignedTerms, ...]:
    """Return the terms by which an existing pod of this shape attracts or repels others when scoring."""
    required = tuple((REQUIRED_TERM_WEIGHT, term) for term in shape.pod_required)
    return (1, required), (1, shape.pod_preferred), (-1, shape.pod_anti_preferred)


def _pods_with_terms(nodes: Nodes) -> list[PodsOnNodes]:
    table = nodes.table
    base = table.memo.get("with terms")
    if base is None:
        base = table.memo["with terms"] = [
            pods for pods in table.base if pods.has_terms
        ]
    return [*base, *nodes.added_with_terms]


def _counts(nodes: Nodes, shape: PodShape, terms: tuple[PodTerm, ...]) -> Ints:
    """Count for each node the pods that all of `terms` of a pod like `shape` select."""
    table = nodes.table
    if not terms:
        return np.zeros(table.size, dtype=np.int64)
    key = ("selected pods", shape.namespace, terms)
    base = table.memo.get(key)
    if base is None:
        base = table.memo[key] = np.zeros(table.size, dtype=np.int64)
        _add_selected(table, base, table.base, shape, terms)
    counts = cast("Ints", base.copy())
    _add_selected(table, counts, nodes.added, shape, terms)
    return counts


def _add_selected(
    table: NodeTable,
    counts: Ints,
    existing: tuple[PodsOnNodes, ...],
    shape: PodShape,
    terms: tuple[PodTerm, ...],
) -> None:
    for pods in existing:
        if all(term_selects(table, term, shape, pods.shape) for term in terms):
            for node, count in pods.where.items():
                counts[node] += count


def _per_node(table: NodeTable, pods: PodsOnNodes) -> Ints:
    counts = np.zeros(table.size, dtype=np.int64)
    for node, count in pods.where.items():
        counts[node] += count
    return counts
