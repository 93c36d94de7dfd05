"""Node groups of Cluster Autoscaler as node pools.

Its status says how large each group is and may become, but not what its nodes are like. So the shape is taken from a
node of the group, which is found by the providers' naming conventions (`fleet.poolnames`), or it stays unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from reconciler.fleet.poolnames import group_name, is_own, pool_name, zone_of
from reconciler.fleet.pools import ZONES, lasting, least, shared_labels, together
from reconciler.fleet.snapshot import Node, NodePool


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """A node group: how many nodes are `registered`, how many it may have, and why it does not grow now (`held`)."""

    name: str
    max_size: int
    registered: int = 0
    held: str = ""


def pools_of_groups(
    groups: Iterable[NodeGroup], nodes: Sequence[Node], owned: Sequence[NodePool] = ()
) -> tuple[NodePool, ...]:
    """Return the pools that `groups` are, then those of `owned` that no group is.

    `owned`: the pools of Cluster API. Where a group is one of them, its shape counts, as its owner may have written it
    down, with the size that the status gives. Groups of one pool, such as a group a zone, become one pool: sizes are
    summed up, and it has the labels that all of them have.
    """
    without_group = {pool.name: pool for pool in owned}
    by_name: dict[str, NodePool] = {}
    for group in groups:
        pool = pool_of_group(group, nodes)
        declared = without_group.pop(group_name(group.name), None)
        if declared is not None:
            held = declared.held or pool.held
            pool = replace(
                declared, max_nodes=pool.max_nodes, existing=pool.existing, held=held
            )
        same_name = by_name.get(pool.name)
        by_name[pool.name] = pool if same_name is None else together([same_name, pool])
    return tuple({**by_name, **without_group}.values())


def pool_of_group(group: NodeGroup, nodes: Sequence[Node]) -> NodePool:
    """Return a group as a pool with the shape, labels and taints of its nodes.

    Of a group in several zones, only a label that all its nodes have counts, and it has no zone.
    """
    own = [node for node in nodes if is_own(group.name, node)]
    pool = NodePool(
        name=_name(group, own),
        max_nodes=group.max_size,
        allocatable={},
        existing=group.registered,
        exact=False,
        held=group.held,
    )
    if not own:
        return pool
    zone = zone_of(group.name)
    # Nodes of a group without a zone can be in one by chance: the next node may be in another.
    labels = {
        key: value
        for key, value in shared_labels(own).items()
        if key not in ZONES or value == zone
    }
    has_zones = any(key in node.labels for node in own for key in ZONES)
    any_zone = has_zones and not zone
    return replace(
        pool,
        allocatable=least(own),
        labels=labels,
        taints=lasting(own[0].taints),
        exact=not any_zone,
    )


def _name(group: NodeGroup, own: Sequence[Node]) -> str:
    """Return the name of the pool: the label of its nodes where they have one, else what the group's name tells."""
    for node in own:
        name = pool_name(node, group.name)
        if name:
            return name
    return group_name(group.name)
