"""Proofs that pods fit on no state of a cluster's nodes and of all that its pools may add (`reasons.never_fits`).

Every node counts as empty, ready and not cordoned; only its size, labels and lasting taints count. Each proof is a
bound that is cheap to work out, so gangs that never fit may remain without one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reconciler.kube_scheduler.filters import (
    ever_allowed,
    lasting_untolerated,
    node_affinity,
)
from reconciler.kube_scheduler.new_nodes import template_nodes
from reconciler.kube_scheduler.no_fit_reasons import (
    choice_of,
    closed_nodes,
    request_of,
    taint_text,
)
from reconciler.kube_scheduler.node_table import Ints, Mask
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.kube_scheduler.scale_up import room_when_empty
from reconciler.ray.demand import PodSet
from reconciler.reasons.never_fits import (
    ExcludedNode,
    LargestNode,
    NoNodeHasAll,
    NoNodeHasSlots,
    NothingMatches,
    TooManyForAllNodes,
    TotalTooLarge,
)
from reconciler.reasons.reason import Reason
from reconciler.reasons.resource_text import Request


@dataclass(frozen=True, slots=True)
class _Cluster:
    """The nodes that exist, one template node of each pool, and how many nodes each pool may still add."""

    nodes: Nodes
    templates: Nodes
    spare: Ints


def why_never(nodes: Nodes, pod_sets: Sequence[PodSet]) -> Reason | None:
    """Return a proof that the pods never fit; None if there is none, as for a cluster without nodes and pools."""
    if not nodes.size and not nodes.pools:
        return None
    spare = [max(nodes.spare[pool.budget], 0) for pool in nodes.pools]
    cluster = _Cluster(nodes, template_nodes(nodes), np.array(spare, dtype=np.int64))
    for pod_set in pod_sets:
        why = _one_set(cluster, pod_set) if pod_set.count else None
        if why is not None:
            return why
    return _all_sets(cluster, pod_sets)


def _one_set(cluster: _Cluster, pod_set: PodSet) -> Reason | None:
    """Prove that the pods of one set do not fit, were they alone on the cluster."""
    nodes, shape, count = cluster.nodes, pod_set.shape, pod_set.count
    on_nodes = room_when_empty(nodes, shape, ever_allowed(nodes.table, shape))
    on_templates = cluster.spare
    if nodes.pools:
        on_templates = room_when_empty(cluster.templates, shape) * (cluster.spare > 0)
    if not on_nodes.any() and not on_templates.any():
        return _one_pod(cluster, pod_set)
    # Capped by the count, the products stay far from the limits of int64.
    held = int(np.minimum(on_nodes, count).sum())
    held += _in_all(nodes, np.minimum(on_templates, count) * cluster.spare)
    if held >= count:
        return None
    row = nodes.table.rows.get("pods")
    slots = int(nodes.table.alloc[row].sum()) if row is not None else 0
    return TooManyForAllNodes(pod_set.title, count, held, slots_short=slots < count)


def _all_sets(cluster: _Cluster, pod_sets: Sequence[PodSet]) -> Reason | None:
    """Prove that the requests of all sets exceed what the cluster has of a resource."""
    totals: Counter[str] = Counter()
    for pod_set in pod_sets:
        for resource, amount in pod_set.shape.requests.items():
            totals[resource] += amount * pod_set.count
    for resource, requested in totals.items():
        available = int(_capacity(cluster.nodes, resource).sum())
        if cluster.nodes.pools:
            of_templates = _capacity(cluster.templates, resource) * cluster.spare
            available += _in_all(cluster.nodes, of_templates)
        if requested > available:
            return TotalTooLarge(resource, requested, available)
    return None


def _in_all(nodes: Nodes, by_pool: Ints) -> int:
    """Return what all new nodes hold; of pools with a common maximum, the one that holds most could get all of it."""
    most: dict[str, int] = {}
    for pool, held in zip(nodes.pools, by_pool.tolist(), strict=True):
        most[pool.budget] = max(most.get(pool.budget, 0), held)
    return sum(most.values())


def _capacity(nodes: Nodes, resource: str) -> Ints:
    """Return how much of a resource pods may use on each node."""
    row = nodes.table.rows.get(resource)
    if row is None:
        return np.zeros(nodes.size, dtype=np.int64)
    capacity: Ints = np.maximum(nodes.table.whole[row], 0)
    return capacity


def _one_pod(cluster: _Cluster, pod_set: PodSet) -> Reason:
    """Return why not even one pod of the set fits on an empty node."""
    nodes, templates, shape = cluster.nodes, cluster.templates, pod_set.shape
    on_nodes = ever_allowed(nodes.table, shape)
    on_templates = ever_allowed(templates.table, shape) & (cluster.spare > 0)
    if not on_nodes.any() and not on_templates.any():
        matching = node_affinity(nodes.table, shape)
        # Cordons do not last, so every matching node counts as ready, and its taints are the cause.
        if matching.any():
            return closed_nodes(nodes, pod_set, matching, ready=matching)
        return NothingMatches(pod_set.title, choice_of(pod_set))
    excluded = _excluded(cluster, pod_set)
    for resource in _by_rarity(pod_set):
        largest = max(
            int((_capacity(nodes, resource) * on_nodes).max(initial=0)),
            int((_capacity(templates, resource) * on_templates).max(initial=0)),
        )
        if largest < shape.requests[resource]:
            return LargestNode(
                pod_set.title, request_of(pod_set, resource), largest, excluded
            )
    return _nearest(cluster, (on_nodes, on_templates), pod_set, excluded)


def _by_rarity(pod_set: PodSet) -> list[str]:
    """Return the resources that the pod asks for, devices before cpu and memory."""
    asked = [name for name, amount in pod_set.shape.requests.items() if amount > 0]
    return sorted(asked, key=lambda name: (name in {"cpu", "memory"}, name))


def _nearest(
    cluster: _Cluster,
    allowed: tuple[Mask, Mask],
    pod_set: PodSet,
    excluded: ExcludedNode | None,
) -> Reason:
    """Return what the node lacks, of those that the pod may use, that lacks fewest of its devices and resources."""
    requests = [request_of(pod_set, name) for name in _by_rarity(pod_set)]
    short: list[_ShortNode] = []
    for nodes, titles, passing in zip(
        (cluster.nodes, cluster.templates), _titles(cluster), allowed, strict=True
    ):
        capacities = [
            (request, _capacity(nodes, request.resource)) for request in requests
        ]
        short += [
            _ShortNode(titles[i], _lacks(capacities, i))
            for i in np.flatnonzero(passing).tolist()
        ]
    nearest = min(short, key=_ShortNode.order)
    if not nearest.lacks:
        return NoNodeHasSlots(pod_set.title, excluded)
    in_order = sorted(requests, key=lambda request: request.resource)
    return NoNodeHasAll(
        pod_set.title, tuple(in_order), nearest.title, nearest.lacks, excluded
    )


@dataclass(frozen=True, slots=True)
class _ShortNode:
    """A node or pool, and each request that it cannot meet, with what it has of that resource."""

    title: str
    lacks: tuple[tuple[Request, int], ...]

    def order(self) -> tuple[int, int]:
        """Return how many devices it lacks, then how many resources."""
        devices = [request for request, _ in self.lacks if "/" in request.resource]
        return len(devices), len(self.lacks)


def _lacks(
    capacities: Sequence[tuple[Request, Ints]], node: int
) -> tuple[tuple[Request, int], ...]:
    found: list[tuple[Request, int]] = []
    for request, capacity in capacities:
        has = int(capacity[node])
        if has < request.amount:
            found.append((request, has))
    return tuple(found)


def _excluded(cluster: _Cluster, pod_set: PodSet) -> ExcludedNode | None:
    """Return a pool or node that is large enough for the pod, and what keeps the pod off it; None without one."""
    shape = pod_set.shape
    of_nodes, of_pools = _titles(cluster)
    for nodes, titles, more in (
        (cluster.templates, of_pools, cluster.spare),
        (cluster.nodes, of_nodes, np.ones(cluster.nodes.size)),
    ):
        large_enough = (
            room_when_empty(nodes, shape, node_affinity(nodes.table, shape)) > 0
        )
        for i in np.flatnonzero(large_enough):
            taint = lasting_untolerated(shape, nodes.table.nodes[i])
            if taint is not None:
                return ExcludedNode(titles[i], taint_text(taint))
            if not more[i]:
                return ExcludedNode(titles[i])
    return None


def _titles(cluster: _Cluster) -> tuple[list[str], list[str]]:
    """Return what the nodes and what the pools are called in messages."""
    nodes, pools = cluster.nodes.table.nodes, cluster.nodes.pools
    return [f"node {node.name}" for node in nodes], [
        f"node pool {pool.name}" for pool in pools
    ]
