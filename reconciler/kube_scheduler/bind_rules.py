"""What holds for pods of one shape on the nodes of a cluster, apart from free resources: filters and raw scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reconciler.kube_scheduler.filters import (
    allowed,
    allowed_anywhere,
    avoided_taints,
    ports_clash,
    ports_free,
    preferred_weight,
)
from reconciler.kube_scheduler.node_table import (
    Ints,
    Mask,
    NodeTable,
)
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.kube_scheduler.pod_affinity import PodAffinity, can_skip
from reconciler.kube_scheduler.pod_room import PodRequest
from reconciler.kube_scheduler.scores import (
    NODE_AFFINITY_WEIGHT,
    POD_AFFINITY_WEIGHT,
    TAINT_TOLERATION_WEIGHT,
    Normalised,
    between_extremes,
    reversed_share,
    share,
)
from reconciler.kube_scheduler.shape_rules import has_pod_terms, is_spread
from reconciler.kube_scheduler.topology_spread import TopologySpread
from reconciler.manifests.podshape import PodShape


@dataclass(frozen=True, slots=True)
class RawScores:
    """A raw score per node, and how it is normalised over the feasible ones."""

    raw: Ints
    formula: Callable[[Ints], Ints]
    weight: int


@dataclass(frozen=True, slots=True)
class BindRules:
    """The rules for pods of `shape`, which request `request`.

    `passing`: the nodes that pass the filters about the node alone and about existing pods, within reach; None: all.
    `raw_scores`: the scores that are relative to other nodes and follow from the node and existing pods alone.
    `affinity` and `spread`: the rules that binding a pod of the shape changes. `alone`: two of the pods cannot share a
    node, because of their host ports or anti-affinity.
    """

    shape: PodShape
    request: PodRequest
    passing: Mask | None
    raw_scores: tuple[RawScores, ...]
    affinity: PodAffinity | None
    spread: TopologySpread | None
    alone: bool

    @classmethod
    def of(cls, nodes: Nodes, shape: PodShape, reach: int) -> BindRules | None:
        """Return the rules for the first `reach` nodes; None if no node has a resource that the pods request."""
        request = nodes.request(shape)
        if request is None:
            return None
        passing, raw = _on_nodes_alone(nodes, shape, reach)
        affinity = None if can_skip(nodes, shape) else PodAffinity(nodes, shape)
        # Terms may exist without selecting any pod at play.
        if affinity is not None and affinity.can_skip:
            affinity = None
        # Then binding the pods does not change where the next one may and should go, but for the node itself.
        one_a_node = affinity is not None and affinity.one_a_node
        if (
            affinity is not None
            and (one_a_node or not has_pod_terms(shape))
            and not is_spread(shape)
        ):
            around = affinity.feasible()
            passing = around if passing is None else passing & around
            if affinity.scores:
                weights = affinity.raw_scores()
                raw.append(RawScores(weights, between_extremes, POD_AFFINITY_WEIGHT))
            affinity = None
        return cls(
            shape=shape,
            request=request,
            passing=passing,
            raw_scores=tuple(raw),
            affinity=affinity,
            spread=TopologySpread(nodes, shape) if is_spread(shape) else None,
            alone=one_a_node or ports_clash(shape.host_ports, shape.host_ports),
        )

    @property
    def depend_on_each_other(self) -> bool:
        """Whether binding a pod changes the rules for the next."""
        return self.spread is not None or self.affinity is not None

    def normalised(self, index: Ints) -> list[Normalised]:
        """Return the relative scores of the feasible nodes `index`, apart from pod affinity's and spread's."""
        found: list[Normalised] = []
        for scores in self.raw_scores:
            raw = scores.raw[index]
            # A score that is equal on all nodes does not change their order.
            if raw.max() != raw.min():
                found.append(Normalised(raw, scores.formula, scores.weight))
        return found


def _on_nodes_alone(
    nodes: Nodes, shape: PodShape, reach: int
) -> tuple[Mask | None, list[RawScores]]:
    """Return the nodes that pass the filters about the node alone (None: all), and what nodes score by themselves."""
    passing, raw = nodes.table.of_shape("rules", shape, _on_table)
    if shape.host_ports:
        free = ports_free(nodes, shape)
        passing = free if passing is None else passing & free
    if reach < nodes.size:
        within = np.arange(nodes.size) < reach
        passing = within if passing is None else passing & within
    return passing, list(raw)


def _on_table(
    table: NodeTable, shape: PodShape
) -> tuple[Mask | None, tuple[RawScores, ...]]:
    """Return the same as far as it follows from the table alone."""
    passing = None if allowed_anywhere(table, shape) else allowed(table, shape)
    raw: list[RawScores] = []
    avoided = avoided_taints(table, shape)
    if avoided.any():
        raw.append(RawScores(avoided, reversed_share, TAINT_TOLERATION_WEIGHT))
    if shape.node_preferred:
        weights = preferred_weight(table, shape)
        raw.append(RawScores(weights, share, NODE_AFFINITY_WEIGHT))
    return passing, tuple(raw)
