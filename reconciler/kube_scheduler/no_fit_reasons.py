"""Why no node takes one more pod of a pod set, on the nodes as they are used now (`reasons.no_fit`).

The first cause that holds is returned, in this order: what the pod asks of nodes (a resource that no node has, names,
labels); nodes that have room but are cordoned or tainted; the resource that is short on every node; rules about other
pods. `never_fits_reasons` has the proofs that hold for every state of the nodes.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from reconciler.kube_scheduler.filters import (
    node_affinity,
    ports_free,
    schedulable,
    tolerated,
    untolerated,
)
from reconciler.kube_scheduler.node_table import Mask
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.kube_scheduler.pod_affinity import PodAffinity, can_skip
from reconciler.kube_scheduler.shape_rules import is_spread
from reconciler.manifests.podshape import Taint
from reconciler.ray.demand import PodSet
from reconciler.reasons.no_fit import (
    HostPortsTaken,
    LargestFree,
    NodeChoice,
    NodesUnschedulable,
    NoNodeHasResource,
    NoNodeMatches,
    NoNodes,
    NoPodSlot,
    PodAffinityUnmet,
    SpreadExceeded,
    Unexplained,
    UntoleratedTaint,
)
from reconciler.reasons.reason import Reason
from reconciler.reasons.resource_text import Request


def why_not(nodes: Nodes, pod_set: PodSet) -> Reason:
    """Return why no node takes one more pod of `pod_set`, on nodes to which the other pods are bound."""
    shape = pod_set.shape
    if not nodes.size:
        return NoNodes()
    for resource, amount in shape.requests.items():
        if amount > 0 and not _exists(nodes, resource):
            return NoNodeHasResource(pod_set.title, request_of(pod_set, resource))
    matching = node_affinity(nodes.table, shape)
    if not matching.any():
        return NoNodeMatches(pod_set.title, choice_of(pod_set), nodes.size)
    room = with_room(nodes, nodes.requested(shape) or [])
    ready = schedulable(nodes.table, shape)
    usable = matching & ready & tolerated(nodes.table, shape)
    # A node that the pod may use and that has room is excluded by a rule about other pods.
    if (room & usable).any():
        return _other_pods(nodes, pod_set, room & usable)
    closed = matching & room & ~usable
    if closed.any():
        return closed_nodes(nodes, pod_set, closed, ready)
    if not usable.any():
        return closed_nodes(nodes, pod_set, matching, ready)
    return _short(nodes, pod_set, usable)


def closed_nodes(nodes: Nodes, pod_set: PodSet, closed: Mask, ready: Mask) -> Reason:
    """Return whether it is mostly cordons or a taint that keeps the pod off the nodes `closed`."""
    number = int(closed.sum())
    cordoned = int((closed & ~ready).sum())
    if cordoned * 2 > number:
        return NodesUnschedulable(pod_set.title, cordoned, number, nodes.size)
    taints: Counter[Taint | None] = Counter()
    for i in np.flatnonzero(closed & ready):
        taints[untolerated(pod_set.shape, nodes.table.nodes[i])] += 1
    taint, times = max(taints.items(), key=lambda item: item[1])
    return UntoleratedTaint(
        pod_set.title, taint_text(taint) if taint else "", times, number, nodes.size
    )


def request_of(pod_set: PodSet, resource: str) -> Request:
    """Return what one pod of the set requests of a resource."""
    return Request(
        resource, pod_set.shape.requests[resource], pod_set.requests.get(resource)
    )


def choice_of(pod_set: PodSet) -> NodeChoice:
    """Return which nodes the pods of a set ask for."""
    shape = pod_set.shape
    selector = tuple(sorted(shape.node_selector.items()))
    return NodeChoice(shape.node_name, selector, affinity=bool(shape.node_required))


def taint_text(taint: Taint) -> str:
    """Return a taint as kubectl writes it: `key=value:effect`."""
    value = f"={taint.value}" if taint.value else ""
    return f"{taint.key}{value}:{taint.effect}"


def with_room(nodes: Nodes, requested: list[tuple[int, int]]) -> Mask:
    """Return the nodes that have all of `requested`, pairs of row and amount, free."""
    enough: Mask = nodes.free[requested[0][0]] >= requested[0][1]
    for row, amount in requested[1:]:
        enough &= nodes.free[row] >= amount
    return enough


def _exists(nodes: Nodes, resource: str) -> bool:
    row = nodes.table.rows.get(resource)
    return row is not None and bool(nodes.table.alloc[row].any())


def _short(nodes: Nodes, pod_set: PodSet, usable: Mask) -> Reason:
    """Return which resource is short: devices before memory before cpu, each on the nodes that have the ones before."""
    requests = pod_set.shape.requests
    asked = [name for name, amount in requests.items() if amount > 0]
    asked.sort(key=lambda name: (name == "cpu", name == "memory", name))
    beside: list[Request] = []
    left = usable
    for resource in asked:
        free = nodes.free[nodes.table.rows[resource]]
        fitting = left & (free >= requests[resource])
        if not fitting.any():
            number, named = _narrowed(usable, left, beside)
            largest = int(free[left].max())
            return LargestFree(
                pod_set.title,
                request_of(pod_set, resource),
                max(largest, 0),
                number,
                nodes.size,
                named,
            )
        left = fitting
        beside.append(request_of(pod_set, resource))
    number, named = _narrowed(usable, left, beside)
    return NoPodSlot(pod_set.title, number, nodes.size, named)


def _narrowed(
    usable: Mask, left: Mask, beside: list[Request]
) -> tuple[int, tuple[Request, ...]]:
    """Return how many nodes are left, and the requests that they meet, if that leaves out any usable node."""
    number = int(left.sum())
    return number, tuple(beside) if number < int(usable.sum()) else ()


def _other_pods(nodes: Nodes, pod_set: PodSet, usable: Mask) -> Reason:
    """Return which rule about other pods leaves none of the nodes that have room."""
    shape, number = pod_set.shape, int(usable.sum())
    left = usable & ports_free(nodes, shape)
    if not left.any():
        return HostPortsTaken(
            pod_set.title, tuple(port.port for port in shape.host_ports), number
        )
    if not can_skip(nodes, shape):
        left &= PodAffinity(nodes, shape).feasible()
        if not left.any():
            return PodAffinityUnmet(pod_set.title, not shape.pod_required, number)
    if is_spread(shape):
        hard = [c for c in shape.spread if c.when_unsatisfiable == "DoNotSchedule"]
        return SpreadExceeded(
            pod_set.title, tuple(c.topology_key for c in hard), number
        )
    return Unexplained(pod_set.title, number)
