"""Why a gang is not bound: the most telling cause, with the pod, the resource and the numbers.

The order of telling: what the pod itself asks of nodes (a resource that no node has, names, labels); then nodes that
have room but are cordoned or tainted; then the resource that is short on every node; then rules about other pods.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reconciler.kube_scheduler.bind import with_room
from reconciler.kube_scheduler.filters import (
    ever_allowed,
    lasting_untolerated,
    node_affinity,
    ports_free,
    schedulable,
    tolerated,
    untolerated,
)
from reconciler.kube_scheduler.nodes import Mask, Nodes
from reconciler.kube_scheduler.pod_affinity import PodAffinity, can_skip
from reconciler.kube_scheduler.resource_text import amount_text
from reconciler.kube_scheduler.scale_up import room_when_empty
from reconciler.kube_scheduler.topology_spread import TopologySpread, is_spread
from reconciler.manifests.podshape import Taint
from reconciler.ray.demand import PodSet


@dataclass(frozen=True, slots=True)
class Cause:
    """A CamelCase `reason`, and a `text` that goes on from "2 of 3 pods fit; "."""

    reason: str
    text: str


def why_not(nodes: Nodes, pod_set: PodSet) -> Cause:
    """Tell why no node takes one more pod of `pod_set`, on nodes to which the others are bound."""
    if not nodes.size:
        return Cause("NoNodes", "the cluster has no nodes")
    missing = next((r for r, n in pod_set.shape.requests.items() if n > 0 and not _exists(nodes, r)), None)
    if missing is not None:
        return _needs(pod_set, missing, "no node has any")
    asked = node_affinity(nodes.table, pod_set.shape)
    if not asked.any():
        return Cause("NodeAffinity", f"{pod_set.title} {_wish(pod_set)}, and none of {_count(nodes.size)} matches")
    room = with_room(nodes, nodes.requested(pod_set.shape) or [])
    ready, calm = schedulable(nodes.table, pod_set.shape), tolerated(nodes.table, pod_set.shape)
    open_ = asked & ready & calm
    if (room & open_).any():
        return _other_pods(nodes, pod_set, room & open_)
    shut = asked & room & ~open_
    if shut.any() or not open_.any():
        return _shut(nodes, pod_set, shut if shut.any() else asked, ready)
    return _short(nodes, pod_set, open_)


def why_never(nodes: Nodes, pod_sets: Sequence[PodSet]) -> Cause | None:
    """Prove that the pods fit on no state of these nodes and of all that the pools may add; None if there is no proof.

    Every node counts as empty, ready and not cordoned; only what it is (its size, labels and lasting taints) counts.
    A cluster without nodes and pools proves nothing.
    """
    if not nodes.size and not nodes.pools:
        return None
    samples = nodes.samples()
    spare = np.array([max(nodes.spare.get(pool.budget, 0), 0) for pool in nodes.pools], dtype=np.int64)
    totals: Counter[str] = Counter()
    for pod_set in pod_sets:
        if not pod_set.count:
            continue
        shape = pod_set.shape
        here = room_when_empty(nodes, shape, ever_allowed(nodes.table, shape))
        there = room_when_empty(samples, shape) * (spare > 0)
        if not here.any() and not there.any():
            return _never_one(nodes, samples, spare, pod_set)
        held = int(np.minimum(here, pod_set.count).sum()) + _in_all(nodes, np.minimum(there, pod_set.count) * spare)
        if held < pod_set.count:
            text = f"{pod_set.title} asks for {pod_set.count} pods, and all nodes together hold {held} even when empty"
            return Cause(_shortest(nodes, pod_set), text)
        totals.update({name: amount * pod_set.count for name, amount in shape.requests.items()})
    for name, amount in totals.items():
        whole = _whole(nodes, name) + _in_all(nodes, _whole_each(samples, name) * spare)
        if amount > whole:
            needed, there_is = amount_text(name, amount), amount_text(name, whole)
            text = f"the pods need {name} {needed} in all, and the cluster has {there_is}"
            return Cause("InsufficientResource", text)
    return None


def _in_all(nodes: Nodes, by_pool: np.ndarray) -> int:
    """Sum up what all new nodes hold; of pools that share a maximum, the one that holds most could get all of it."""
    most: dict[str, int] = {}
    for pool, held in zip(nodes.pools, by_pool.tolist(), strict=True):
        most[pool.budget] = max(most.get(pool.budget, 0), held)
    return sum(most.values())


def _exists(nodes: Nodes, resource: str) -> bool:
    row = nodes.table.rows.get(resource)
    return row is not None and bool(nodes.table.alloc[row].any())


def _whole(nodes: Nodes, resource: str) -> int:
    row = nodes.table.rows.get(resource)
    return 0 if row is None else int((nodes.table.alloc[row] - nodes.table.kept[row]).clip(0).sum())


def _whole_each(nodes: Nodes, resource: str) -> np.ndarray:
    row = nodes.table.rows.get(resource)
    none = np.zeros(nodes.size, dtype=np.int64)
    return none if row is None else (nodes.table.alloc[row] - nodes.table.kept[row]).clip(0)


def _needs(pod_set: PodSet, resource: str, rest: str) -> Cause:
    return Cause("InsufficientResource", f"{pod_set.title} needs {resource} {_written(pod_set, resource)}, {rest}")


def _short(nodes: Nodes, pod_set: PodSet, usable: Mask) -> Cause:
    """Tell which resource is short: devices before memory before cpu, each on the nodes that have the ones before."""
    requests = pod_set.shape.requests
    enough: list[str] = []
    left = usable
    for resource in sorted((r for r, n in requests.items() if n > 0), key=lambda r: (r == "cpu", r == "memory", r)):
        free = nodes.free[nodes.table.rows[resource]]
        fitting = left & (free >= requests[resource])
        if not fitting.any():
            largest = _free(pod_set, resource, int(free[left].max()))
            return _needs(pod_set, resource, f"largest free {largest}{_where(nodes, usable, left, enough)}")
        left = fitting
        enough.append(f"{resource} {_written(pod_set, resource)}")
    return Cause("TooManyPods", f"{pod_set.title} needs a pod slot, none is free{_where(nodes, usable, left, enough)}")


def _where(nodes: Nodes, usable: Mask, left: Mask, enough: list[str]) -> str:
    """Name the nodes that are meant, unless it is all of them."""
    number = int(left.sum())
    if number < int(usable.sum()):
        return f" on the {_count(number)} with {' and '.join(enough)} free"
    return f" on the {_count(number)} it may use" if number < nodes.size else ""


def _written(pod_set: PodSet, resource: str) -> str:
    written = pod_set.requests.get(resource)
    return str(written) if written else amount_text(resource, pod_set.shape.requests[resource])


def _free(pod_set: PodSet, resource: str, amount: int) -> str:
    return amount_text(resource, max(amount, 0), pod_set.requests.get(resource))


def _shut(nodes: Nodes, pod_set: PodSet, shut: Mask, ready: Mask) -> Cause:
    """Tell what keeps the pod off nodes that would do otherwise."""
    number = int(shut.sum())
    which = f"{_count(number)} with room" if number < nodes.size else f"{_count(number)}"
    cordoned = int((shut & ~ready).sum())
    if cordoned * 2 > number:
        text = f"{pod_set.title} finds room on cordoned or unready nodes only ({cordoned} of {which})"
        return Cause("NodeUnschedulable", text)
    taints = Counter(untolerated(pod_set.shape, nodes.table.nodes[i]) for i in np.flatnonzero(shut & ready))
    taint, times = max(taints.items(), key=lambda item: item[1])
    name = _taint_text(taint) if taint else ""
    return Cause("UntoleratedTaint", f"{pod_set.title} does not tolerate the taint {name} ({times} of {which})")


def _other_pods(nodes: Nodes, pod_set: PodSet, usable: Mask) -> Cause:
    """Tell which rule about other pods leaves none of the nodes that have room."""
    shape, number = pod_set.shape, _count(int(usable.sum()))
    left = usable & ports_free(nodes, shape)
    if not left.any():
        ports = ", ".join(str(port.port) for port in shape.host_ports)
        return Cause("HostPorts", f"{pod_set.title} needs host port {ports}, taken on all of {number} with room")
    if not can_skip(nodes, shape):
        left &= PodAffinity(nodes, shape).feasible()
        if not left.any():
            kind = "pod affinity" if shape.pod_required else "pod anti-affinity"
            return Cause("PodAffinity", f"{pod_set.title} is kept off all of {number} with room by {kind}")
    if is_spread(shape):
        left &= TopologySpread(nodes, shape).feasible()
        keys = ", ".join(c.topology_key for c in shape.spread if c.when_unsatisfiable == "DoNotSchedule")
        return Cause("TopologySpread", f"{pod_set.title} would exceed maxSkew over {keys} on all of {number} with room")
    return Cause("Unschedulable", f"{pod_set.title} was not bound though {number} would take it: please report this")


def _never_one(nodes: Nodes, samples: Nodes, spare: np.ndarray, pod_set: PodSet) -> Cause:
    shape = pod_set.shape
    here, there = ever_allowed(nodes.table, shape), ever_allowed(samples.table, shape) & (spare > 0)
    if not here.any() and not there.any():
        asked = node_affinity(nodes.table, shape)
        if asked.any():
            return _shut(nodes, pod_set, asked, asked)
        return Cause("NodeAffinity", f"{pod_set.title} {_wish(pod_set)}, and no node or pool matches")
    would_do = _would_do(nodes, samples, spare, pod_set)
    for resource in _by_rarity(pod_set):
        most = max(
            int((_whole_each(nodes, resource) * here).max(initial=0)),
            int((_whole_each(samples, resource) * there).max(initial=0)),
        )
        if most < shape.requests[resource]:
            largest = f"the largest node that it may use has {_free(pod_set, resource, most)}"
            return _needs(pod_set, resource, largest + would_do)
    return Cause("InsufficientResource", _nearest(nodes, samples, (here, there), pod_set) + would_do)


def _by_rarity(pod_set: PodSet) -> list[str]:
    """Return the resources that the pod asks for, devices before cpu and memory."""
    asked = (name for name, amount in pod_set.shape.requests.items() if amount > 0)
    return sorted(asked, key=lambda name: (name in {"cpu", "memory"}, name))


def _nearest(nodes: Nodes, samples: Nodes, allowed: tuple[Mask, Mask], pod_set: PodSet) -> str:
    """Tell what the node lacks, of those that the pod may use, that lacks fewest of its devices and resources."""
    requests = pod_set.shape.requests
    lacking: list[tuple[str, list[tuple[str, int]]]] = []
    for where, titles, passing in zip((nodes, samples), _titles(nodes), allowed, strict=True):
        whole = {name: _whole_each(where, name) for name in _by_rarity(pod_set)}
        lacking += [
            (titles[i], [(name, int(has[i])) for name, has in whole.items() if has[i] < requests[name]])
            for i in np.flatnonzero(passing)
        ]
    title, short = min(lacking, key=lambda one: (sum("/" in name for name, _ in one[1]), len(one[1])))
    if not short:
        return f"{pod_set.title} needs a pod slot, and no node that it may use has one"
    *others, last = (f"{name} {_written(pod_set, name)}" for name in sorted(_by_rarity(pod_set)))
    lacks = " and ".join(f"{name} (has {_free(pod_set, name, amount)})" for name, amount in short)
    asks = f"{', '.join(others)} and {last}"
    return f"{pod_set.title} needs {asks}, and no node that it may use has all of it: {title} lacks {lacks}"


def _would_do(nodes: Nodes, samples: Nodes, spare: np.ndarray, pod_set: PodSet) -> str:
    """Name a pool or node that has the room, and what keeps the pod off it; empty if none has."""
    shape = pod_set.shape
    of_nodes, of_pools = _titles(nodes)
    for where, titles, more in ((samples, of_pools, spare), (nodes, of_nodes, np.ones(nodes.size))):
        roomy = room_when_empty(where, shape, node_affinity(where.table, shape)) > 0
        for i in np.flatnonzero(roomy):
            taint = lasting_untolerated(shape, where.table.nodes[i])
            if taint is not None:
                kept = f"but for its taint {_taint_text(taint)}, which the pod does not tolerate"
                return f"; {titles[i]} would do, {kept}"
            if not more[i]:
                return f"; {titles[i]} would do, and may add no node"
    return ""


def _titles(nodes: Nodes) -> tuple[list[str], list[str]]:
    """Return what the nodes and what the pools are called in messages."""
    return [f"node {node.name}" for node in nodes.table.nodes], [f"node pool {pool.name}" for pool in nodes.pools]


def _taint_text(taint: Taint) -> str:
    return f"{taint.key}{f'={taint.value}' if taint.value else ''}:{taint.effect}"


def _shortest(nodes: Nodes, pod_set: PodSet) -> str:
    row = nodes.table.rows.get("pods")
    slots = int(nodes.table.alloc[row].sum()) if row is not None else 0
    return "TooManyPods" if slots < pod_set.count else "InsufficientResource"


def _wish(pod_set: PodSet) -> str:
    shape = pod_set.shape
    if shape.node_name:
        return f"names node {shape.node_name}"
    if shape.node_selector and not shape.node_required:
        return "selects nodes by " + ", ".join(f"{k}={v}" for k, v in sorted(shape.node_selector.items()))
    return "has required node affinity" + (" and a nodeSelector" if shape.node_selector else "")


def _count(number: int) -> str:
    return f"{number} node" if number == 1 else f"{number} nodes"
