"""The nodes that a pod may be bound to, whatever other pods there are: kube-scheduler's filters about the node alone.

NodeUnschedulable, NodeName, TaintToleration and NodeAffinity, as in pkg/scheduler/framework/plugins of Kubernetes 1.36,
each as a mask over all nodes. A mask depends on the table and on the rule only, so it is kept in the table's memo.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np

from reconciler.fleet.snapshot import Node
from reconciler.kube_scheduler.node_affinity import matches_node, matches_term
from reconciler.kube_scheduler.node_table import NOT_READY, Ints, Mask, NodeTable
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.manifests.podshape import HostPort, PodShape, Taint, Toleration

UNSCHEDULABLE = Taint("node.kubernetes.io/unschedulable", "NoSchedule")
"""The taint that `kubectl cordon` sets; a pod that tolerates it ignores the cordon."""

_CONDITION = (
    "node.kubernetes.io/"  # begins the keys of taints that follow the state of a node
)
_BLOCKING = ("NoSchedule", "NoExecute")
_ANY_ADDRESS = "0.0.0.0"  # noqa: S104  (compared, never bound)


def allowed(table: NodeTable, shape: PodShape) -> Mask:
    """Return the nodes that pass every filter of this module. Not to be changed by the caller."""
    return _allowed(table, shape)[0]


def allowed_anywhere(table: NodeTable, shape: PodShape) -> bool:
    """Return whether every node passes every filter of this module."""
    return _allowed(table, shape)[1]


def _allowed(table: NodeTable, shape: PodShape) -> tuple[Mask, bool]:
    """Return the nodes that pass, and whether all do."""
    key = (
        "allowed",
        frozenset(shape.node_selector.items()),
        shape.node_required,
        shape.tolerations,
        shape.node_name,
    )
    found = table.memo.get(key)
    if found is None:
        open_ = schedulable(table, shape) & tolerated(table, shape)
        passing = node_affinity(table, shape) & open_
        found = table.memo[key] = (passing, bool(passing.all()))
    return cast("tuple[Mask, bool]", found)


def node_affinity(table: NodeTable, shape: PodShape) -> Mask:
    """Return the nodes that nodeSelector, required node affinity and nodeName leave."""
    key = (
        "node affinity",
        frozenset(shape.node_selector.items()),
        shape.node_required,
        shape.node_name,
    )
    found = table.memo.get(key)
    if found is None:
        # Most pods ask for no particular nodes.
        asks = any(key[1:])
        every = np.ones(table.size, dtype=np.bool_)
        found = _mask(table, lambda node: matches_node(shape, node)) if asks else every
        table.memo[key] = found
    return cast("Mask", found)


def schedulable(table: NodeTable, shape: PodShape) -> Mask:
    """Return the nodes that are ready and not cordoned, or whose state the pod tolerates.

    A pod that names its node is never seen by the scheduler, hence ignores a cordon.
    """
    key = ("schedulable", shape.tolerations, bool(shape.node_name))
    found = table.memo.get(key)
    if found is None:
        any_cordon = bool(shape.node_name) or tolerates(
            shape.tolerations, UNSCHEDULABLE
        )
        any_state = tolerates(shape.tolerations, NOT_READY)
        found = table.memo[key] = _mask(
            table,
            lambda node: (
                (any_cordon or not node.unschedulable) and (any_state or node.ready)
            ),
        )
    return cast("Mask", found)


def tolerated(table: NodeTable, shape: PodShape) -> Mask:
    """Return the nodes whose NoSchedule and NoExecute taints the pod tolerates."""
    # A pod that names its node passes by the scheduler; only the kubelet's NoExecute concerns it.
    effects = _BLOCKING if not shape.node_name else ("NoExecute",)
    key = ("tolerated", shape.tolerations, effects)
    found = table.memo.get(key)
    if found is None:
        # Thousands of nodes have a handful of different taints.
        by_taints: dict[tuple[Taint, ...], bool] = {}
        for node in table.nodes:
            if node.taints not in by_taints:
                by_taints[node.taints] = untolerated(shape, node, effects) is None
        found = table.memo[key] = _mask(table, lambda node: by_taints[node.taints])
    return cast("Mask", found)


def ever_allowed(table: NodeTable, shape: PodShape) -> Mask:
    """Return the nodes that could pass one day as they are: a cordon and the taints of a node's condition may go."""
    key = ("ever tolerated", shape.tolerations)
    found = table.memo.get(key)
    if found is None:
        found = table.memo[key] = _mask(
            table, lambda node: lasting_untolerated(shape, node) is None
        )
    return node_affinity(table, shape) & cast("Mask", found)


def lasting_untolerated(shape: PodShape, node: Node) -> Taint | None:
    """Return the first taint that keeps the pod off the node, leaving out taints that follow the node's state."""
    for taint in node.taints:
        lasting = taint.effect in _BLOCKING and not taint.key.startswith(_CONDITION)
        if lasting and not tolerates(shape.tolerations, taint):
            return taint
    return None


def untolerated(
    shape: PodShape, node: Node, effects: tuple[str, ...] = _BLOCKING
) -> Taint | None:
    """Return the first taint that keeps the pod off the node."""
    for taint in node.taints:
        if taint.effect in effects and not tolerates(shape.tolerations, taint):
            return taint
    return None


def tolerates(tolerations: tuple[Toleration, ...], taint: Taint) -> bool:
    """Return whether any of `tolerations` covers `taint`."""
    return any(toleration.tolerates(taint) for toleration in tolerations)


def avoided_taints(table: NodeTable, shape: PodShape) -> Ints:
    """Return for each node how many of its PreferNoSchedule taints the pod does not tolerate."""
    key = ("avoided taints", shape.tolerations)
    found = table.memo.get(key)
    if found is None:
        counts = np.zeros(table.size, dtype=np.int64)
        for i, node in enumerate(table.nodes):
            for taint in node.taints:
                if taint.effect == "PreferNoSchedule" and not tolerates(
                    shape.tolerations, taint
                ):
                    counts[i] += 1
        found = table.memo[key] = counts
    return cast("Ints", found)


def preferred_weight(table: NodeTable, shape: PodShape) -> Ints:
    """Return for each node the summed weights of the preferred node affinity terms that it matches."""
    key = ("preferred", shape.node_preferred)
    found = table.memo.get(key)
    if found is None:
        weights = np.zeros(table.size, dtype=np.int64)
        for i, node in enumerate(table.nodes):
            for weight, term in shape.node_preferred:
                if matches_term(term, node):
                    weights[i] += weight
        found = table.memo[key] = weights
    return cast("Ints", found)


def ports_free(nodes: Nodes, shape: PodShape) -> Mask:
    """Return the nodes on which none of the pod's host ports is taken (NodePorts)."""
    free = np.ones(nodes.size, dtype=np.bool_)
    for pods in (*nodes.table.base, *nodes.added):
        taken = pods.shape.host_ports
        if taken and ports_clash(shape.host_ports, taken):
            free[list(pods.where)] = False
    return free


def ports_clash(wanted: tuple[HostPort, ...], taken: tuple[HostPort, ...]) -> bool:
    """Return whether two pods cannot share a node because of their host ports."""
    for a in wanted:
        for b in taken:
            same_address = a.ip == b.ip or _ANY_ADDRESS in {a.ip, b.ip}
            if same_address and a.port == b.port and a.protocol == b.protocol:
                return True
    return False


def _mask(table: NodeTable, passes: Callable[[Node], bool]) -> Mask:
    return np.fromiter(map(passes, table.nodes), dtype=np.bool_, count=table.size)
