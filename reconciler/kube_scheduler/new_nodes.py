"""Nodes that an autoscaler adds: one template of each pool, and nodes with new ones among them.

A new node has its pool's allocatable, labels and taints, and the pods that DaemonSets start on it
(`kube_scheduler.daemonsets`). The cluster autoscaler judges pools by such template nodes as well.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from reconciler.fleet.snapshot import Node, NodePool
from reconciler.kube_scheduler.daemonsets import DaemonSets
from reconciler.kube_scheduler.node_table import NodeTable
from reconciler.kube_scheduler.nodes import NO_AUTOSCALER, Nodes
from reconciler.kube_scheduler.shape_rules import HOSTNAME


def template_nodes(nodes: Nodes) -> Nodes:
    """Return one new node of each pool of `nodes`, in the order of the pools."""
    found = nodes.table.memo.get("template nodes")
    if found is None:
        templates = [_new_node(pool, 0) for pool in nodes.pools]
        table = NodeTable(templates, (), {}, nodes.table.headroom)
        found = Nodes(
            table=table,
            free=table.whole,
            load=np.zeros((4, table.size), dtype=np.int64),
            added=(),
            existing=0,
            autoscaler=NO_AUTOSCALER,
            spare={},
            most_allocated=nodes.most_allocated,
        )
        _start_daemon_pods(found, nodes.autoscaler.daemonsets, first=0)
        nodes.table.memo["template nodes"] = found
    return cast("Nodes", found)


def with_new_nodes(nodes: Nodes, pool_name: str, count: int) -> Nodes:
    """Return `nodes` and, after them, `count` new ones of a pool, which do not exist yet."""
    pool = next(pool for pool in nodes.pools if pool.name == pool_name)
    old, size = nodes.table, nodes.size
    fresh = [_new_node(pool, size + i) for i in range(count)]
    table = NodeTable((*old.nodes, *fresh), old.base, old.namespaces, old.headroom)
    # The pool may have resources that no node had before, so rows are matched by name.
    free = table.whole.copy()
    for resource, row in old.rows.items():
        free[table.rows[resource], :size] = nodes.free[row]
    no_load = np.zeros((4, count), dtype=np.int64)
    grown = Nodes(
        table=table,
        free=free,
        load=np.hstack([nodes.load, no_load]),
        added=nodes.added,
        existing=nodes.existing,
        autoscaler=nodes.autoscaler,
        spare={**nodes.spare, pool.budget: nodes.spare[pool.budget] - count},
        most_allocated=nodes.most_allocated,
        ranks=np.concatenate([nodes.ranks, np.arange(size, table.size)]),
    )
    _start_daemon_pods(grown, nodes.autoscaler.daemonsets, first=size)
    return grown


def _start_daemon_pods(nodes: Nodes, daemonsets: DaemonSets, first: int) -> None:
    """Take the resources of the DaemonSets' pods on every node from number `first` on. Changes `nodes`."""
    for shape in daemonsets.shapes:
        request = nodes.request(shape)
        if request is None:
            continue
        fresh = range(first, nodes.size)
        where = {i: 1 for i in fresh if daemonsets.comes(shape, nodes.table.nodes[i])}
        nodes.take(request, where)


def _new_node(pool: NodePool, number: int) -> Node:
    name = f"{pool.name}+{number}"
    labels = {HOSTNAME: name, **pool.implied, **pool.labels}
    return Node(name, pool.allocatable, labels, pool.taints)
