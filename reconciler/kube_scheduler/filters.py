"""Which nodes a pod may stand on, whatever else stands there: kube-scheduler's filters that look at the node alone.

NodeUnschedulable, NodeName, TaintToleration and NodeAffinity, as in pkg/scheduler/framework/plugins of Kubernetes 1.36,
each as a mask over all nodes. A mask depends on the table and on the rule only, so it is computed once for both.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from reconciler.fleet.snapshot import Node
from reconciler.kube_scheduler.node_affinity import matches_node, matches_term
from reconciler.kube_scheduler.nodes import NOT_READY, Ints, Mask, Nodes, NodeTable
from reconciler.manifests.podshape import HostPort, PodShape, Taint, Toleration

UNSCHEDULABLE = Taint("node.kubernetes.io/unschedulable", "NoSchedule")
"""What `kubectl cordon` amounts to; a pod that tolerates it ignores the cordon."""

_CONDITION = "node.kubernetes.io/"  # taints that come and go with the state of a node
_BLOCKING = ("NoSchedule", "NoExecute")
_ANY_ADDRESS = "0.0.0.0"  # noqa: S104  (compared, never bound)


def allowed(table: NodeTable, shape: PodShape) -> Mask:
    """Return the nodes that pass every filter of this module. Not to be changed by the caller."""
    key = ("allowed", frozenset(shape.node_selector.items()), shape.node_required, shape.tolerations, shape.node_name)
    found = table.memo.get(key)
    if found is None:
        found = table.memo[key] = node_affinity(table, shape) & schedulable(table, shape) & tolerated(table, shape)
    return cast("Mask", found)


def node_affinity(table: NodeTable, shape: PodShape) -> Mask:
    """Return the nodes that nodeSelector, required node affinity and nodeName leave."""
    key = ("node affinity", frozenset(shape.node_selector.items()), shape.node_required, shape.node_name)
    found = table.memo.get(key)
    if found is None and not any(key[1:]):
        found = table.memo[key] = np.ones(table.size, dtype=np.bool_)
    elif found is None:
        found = table.memo[key] = np.fromiter(
            (matches_node(shape, node) for node in table.nodes), dtype=np.bool_, count=table.size
        )
    return cast("Mask", found)


def schedulable(table: NodeTable, shape: PodShape) -> Mask:
    """Return the nodes that are ready and not cordoned, or whose state the pod tolerates.

    A pod that names its node is never seen by the scheduler, hence ignores a cordon.
    """
    key = ("schedulable", shape.tolerations, bool(shape.node_name))
    found = table.memo.get(key)
    if found is None:
        cordon = not shape.node_name and not tolerates(shape.tolerations, UNSCHEDULABLE)
        unready = not tolerates(shape.tolerations, NOT_READY)
        found = table.memo[key] = np.fromiter(
            (not (cordon and node.unschedulable) and not (unready and not node.ready) for node in table.nodes),
            dtype=np.bool_,
            count=table.size,
        )
    return cast("Mask", found)


def tolerated(table: NodeTable, shape: PodShape) -> Mask:
    """Return the nodes whose NoSchedule and NoExecute taints the pod tolerates."""
    effects = _BLOCKING if not shape.node_name else ("NoExecute",)
    key = ("tolerated", shape.tolerations, effects)
    found = table.memo.get(key)
    if found is None:
        by_taints: dict[tuple[Taint, ...], bool] = {}
        for node in table.nodes:
            if node.taints not in by_taints:
                by_taints[node.taints] = untolerated(shape, node, effects) is None
        found = table.memo[key] = np.fromiter(
            (by_taints[node.taints] for node in table.nodes), dtype=np.bool_, count=table.size
        )
    return cast("Mask", found)


def ever_allowed(table: NodeTable, shape: PodShape) -> Mask:
    """Return the nodes that could pass one day as they are: a cordon and the taints of a node's condition may go."""
    key = ("ever tolerated", shape.tolerations)
    found = table.memo.get(key)
    if found is None:
        found = table.memo[key] = np.fromiter(
            (lasting_untolerated(shape, node) is None for node in table.nodes), dtype=np.bool_, count=table.size
        )
    return node_affinity(table, shape) & cast("Mask", found)


def lasting_untolerated(shape: PodShape, node: Node) -> Taint | None:
    """Return the first taint that keeps the pod off the node, and does not tell of the node's condition only."""
    lasting = (t for t in node.taints if t.effect in _BLOCKING and not t.key.startswith(_CONDITION))
    return next((taint for taint in lasting if not tolerates(shape.tolerations, taint)), None)


def untolerated(shape: PodShape, node: Node, effects: tuple[str, ...] = _BLOCKING) -> Taint | None:
    """Return the first taint that keeps the pod off the node."""
    return next((t for t in node.taints if t.effect in effects and not tolerates(shape.tolerations, t)), None)


def tolerates(tolerations: tuple[Toleration, ...], taint: Taint) -> bool:
    """Tell whether any of `tolerations` covers `taint`."""
    return any(toleration.tolerates(taint) for toleration in tolerations)


def avoided_taints(table: NodeTable, shape: PodShape) -> Ints:
    """Return for each node how many of its PreferNoSchedule taints the pod does not tolerate."""
    key = ("avoided taints", shape.tolerations)
    found = table.memo.get(key)
    if found is None:
        found = table.memo[key] = np.fromiter(
            (
                sum(t.effect == "PreferNoSchedule" and not tolerates(shape.tolerations, t) for t in node.taints)
                for node in table.nodes
            ),
            dtype=np.int64,
            count=table.size,
        )
    return cast("Ints", found)


def preferred_weight(table: NodeTable, shape: PodShape) -> Ints:
    """Return for each node the summed weights of the preferred node affinity terms that it matches."""
    key = ("preferred", shape.node_preferred)
    found = table.memo.get(key)
    if found is None:
        found = table.memo[key] = np.fromiter(
            (sum(weight for weight, term in shape.node_preferred if matches_term(term, node)) for node in table.nodes),
            dtype=np.int64,
            count=table.size,
        )
    return cast("Ints", found)


def ports_free(nodes: Nodes, shape: PodShape) -> Mask:
    """Return the nodes on which none of the pod's host ports is taken (NodePorts)."""
    free = np.ones(nodes.size, dtype=np.bool_)
    for standing in (*nodes.table.base, *nodes.added):
        if standing.shape.host_ports and ports_clash(shape.host_ports, standing.shape.host_ports):
            free[list(standing.where)] = False
    return free


def ports_clash(wanted: tuple[HostPort, ...], taken: tuple[HostPort, ...]) -> bool:
    """Tell whether two pods cannot share a node because of their host ports."""
    return any(
        a.port == b.port and a.protocol == b.protocol and (_ANY_ADDRESS in {a.ip, b.ip} or a.ip == b.ip)
        for a in wanted
        for b in taken
    )
