"""What a cluster's autoscaler may add: the pools that the inventory declares, merged with those that it reports.

The inventory knows what a node of a pool is like and costs, the autoscaler how many it may still add. So for pools of
one name the declared shape, price, spot and taints count, declared labels replace live ones, and the smaller maximum
counts; whether a live pool may choose among zones or capacity types is kept. Pools of one side only count as they are.
A live pool of unknown shape adds nothing; it is listed in `unknown`, and then no gang is said never to fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reconciler.fleet.inventory import Cluster
from reconciler.fleet.poolnames import KARPENTER_POOL, answers_to, pool_name
from reconciler.fleet.pools import is_of_type, together
from reconciler.fleet.snapshot import ClusterSnapshot, Node, NodePool
from reconciler.reasons.node_pools import (
    OtherNodeShapes,
    PoolOnHold,
    UndeclaredPools,
    UnknownNodeShape,
    UnknownPools,
)
from reconciler.reasons.reason import Reason

_SPOT_LABELS = {
    "Karpenter": ("karpenter.sh/capacity-type", "spot", "on-demand"),
    "aws": ("eks.amazonaws.com/capacityType", "SPOT", "ON_DEMAND"),
    "gcp": ("cloud.google.com/gke-spot", "true", ""),
    "azure": ("kubernetes.azure.com/scalesetpriority", "spot", ""),
}
"""How spot nodes are labelled: label, its value on them, its value on others (no label if it is empty)."""

_NAME_LABELS = {
    "Karpenter": KARPENTER_POOL,
    "aws": "eks.amazonaws.com/nodegroup",
    "gcp": "cloud.google.com/gke-nodepool",
    "azure": "kubernetes.azure.com/agentpool",
}
_NAMING_LABELS = frozenset(_NAME_LABELS.values())


@dataclass(frozen=True, slots=True)
class Addable:
    """The pools that can add nodes; `unknown` names what else may come, of which too little is known.

    `spare`: how many nodes each pool may still add, by its budget's name (`NodePool.budget`).
    """

    pools: tuple[NodePool, ...] = ()
    spare: Mapping[str, int] = field(default_factory=dict)
    unknown: tuple[Reason, ...] = ()


def addable(cluster: Cluster, snapshot: ClusterSnapshot) -> Addable:
    """Return what the autoscaler of `cluster` may add; nothing where the inventory names none."""
    if cluster.autoscaler == "None":
        return Addable()
    merged: list[NodePool] = []
    for pool in _merged(cluster.pools, snapshot.pools):
        implied = {**_implied_labels(pool, cluster, snapshot.nodes), **pool.implied}
        merged.append(replace(pool, implied=implied))
    usable = tuple(pool for pool in merged if pool.allocatable and not pool.held)
    unknown = _unknown(cluster, snapshot, merged, spare_of(merged, snapshot.nodes))
    return Addable(usable, spare_of(usable, snapshot.nodes), unknown)


def spare_of(pools: Iterable[NodePool], nodes: Sequence[Node]) -> dict[str, int]:
    """Return how many nodes each pool (by its budget's name) may still add: its maximum less the nodes that it has.

    Where the autoscaler does not count them, a node belongs to the pool that it names in a label; else to that of which
    it has all labels (the most specific one, then the first); else to the first pool without labels, not full yet,
    whose nodes are about as large: a declared size is a round figure. Size does not count where nodes name their pools.
    """
    pools = tuple(pools)
    spare = {
        pool.budget: max(pool.max_nodes - (pool.existing or 0), 0) for pool in pools
    }
    named = {pool.budget: pool for pool in pools}
    labelled: list[NodePool] = []
    by_size: list[NodePool] = []
    for pool in pools:
        # Its autoscaler counts its nodes, so `existing` has them already.
        if pool.existing is not None:
            continue
        if pool.labels:
            labelled.append(pool)
        elif not pool.implied.keys() & _NAMING_LABELS:
            by_size.append(pool)
    labelled.sort(key=lambda pool: -len(pool.labels))
    for node in nodes:
        roomy = [pool for pool in by_size if spare[pool.budget]]
        owner = named.get(pool_name(node)) or _owner(node, labelled, roomy)
        if owner is not None and owner.existing is None:
            spare[owner.budget] = max(spare[owner.budget] - 1, 0)
    return spare


def _owner(
    node: Node, labelled: Iterable[NodePool], by_size: Iterable[NodePool]
) -> NodePool | None:
    """Return the first pool all of whose labels the node has, else the first about as large."""
    for pool in labelled:
        if pool.labels.items() <= node.labels.items():
            return pool
    for pool in by_size:
        if _similar(pool.allocatable, node.allocatable):
            return pool
    return None


def _similar(declared: Mapping[str, int], real: Mapping[str, int]) -> bool:
    """Return whether two sizes can be of one kind of node: the same devices, and cpu and memory within a fifth."""
    for name in ("cpu", "memory"):
        has = real.get(name, 0)
        if 5 * abs(declared.get(name, 0) - has) > has:
            return False
    devices = {name for name in (*declared, *real) if "/" in name}
    return all(declared.get(name, 0) == real.get(name, 0) for name in devices)


def _merged(declared: Sequence[NodePool], live: Sequence[NodePool]) -> list[NodePool]:
    """Return the declared pools, in their order, then the live pools that were not declared."""
    matched: dict[str, list[NodePool]] = {pool.name: [] for pool in declared}
    undeclared: list[NodePool] = []
    for pool in live:
        name = _declared_name(pool, matched)
        group = undeclared if name is None else matched[name]
        group.append(pool)
    merged: list[NodePool] = []
    for pool in declared:
        merged += _as_declared(pool, matched[pool.name])
    return merged + undeclared


def _declared_name(live: NodePool, names: Iterable[str]) -> str | None:
    if live.budget in names:
        return live.budget
    # Of `l4` and `prod-l4`, both of which the cloud's name may contain, the longer name is meant.
    answered = [name for name in names if answers_to(live.budget, name)]
    return max(answered, key=len, default=None)


def _as_declared(declared: NodePool, live: Sequence[NodePool]) -> list[NodePool]:
    """Return the ways in which a declared pool can grow, by what its autoscaler reports: one for each set of labels."""
    if not live:
        return [declared]
    # Several node groups of the cloud can answer to one declared pool; then they are one way to grow.
    one_pool = len({pool.budget for pool in live}) == 1
    ways = list(live) if one_pool else [together(live)]
    by_labels: dict[tuple[tuple[str, str], ...], tuple[NodePool, dict[str, str]]] = {}
    for way in ways:
        labels = {
            key: value for key, value in way.labels.items() if not is_of_type(key)
        }
        labels.update(declared.labels)
        by_labels.setdefault(tuple(sorted(labels.items())), (way, labels))
    several = len(by_labels) > 1
    return [
        _as_way(declared, way, labels, several=several)
        for way, labels in by_labels.values()
    ]


def _as_way(
    declared: NodePool, way: NodePool, labels: Mapping[str, str], *, several: bool
) -> NodePool:
    """Return the declared pool with the state of a live pool; with `several`, as a member of a family."""
    return replace(
        declared,
        name=way.name if several else declared.name,
        family=declared.name if several else "",
        max_nodes=min(
            declared.max_nodes, way.max_nodes, _within_limits(way, declared.allocatable)
        ),
        labels=labels,
        taints=declared.taints or way.taints,
        spot=way.spot or declared.spot,
        existing=way.existing,
        held=way.held,
    )


def _within_limits(pool: NodePool, allocatable: Mapping[str, int]) -> int:
    """Return how many nodes of the declared size a pool's limits allow, those that it has included."""
    more = pool.max_nodes
    limits: list[int] = []
    for name, left in pool.left.items():
        each = 1 if name == "nodes" else allocatable.get(name, 0)
        if each:
            limits.append(left // each)
    if limits:
        more = min(limits)
    return (pool.existing or 0) + more


def _implied_labels(
    pool: NodePool, cluster: Cluster, nodes: Sequence[Node]
) -> dict[str, str]:
    """Return the labels that the pool's nodes get from the kubelet, the cloud and the autoscaler.

    A provider's own labels count only where a node has them: not every cluster on AWS is an EKS.
    """
    implied = {"kubernetes.io/os": "linux"}
    if cluster.region:
        implied["topology.kubernetes.io/region"] = cluster.region
    if cluster.zone:
        implied["topology.kubernetes.io/zone"] = cluster.zone
    convention = (
        cluster.provider
        if cluster.autoscaler == "ClusterAutoscaler"
        else cluster.autoscaler
    )
    name_label = _NAME_LABELS.get(convention, "")
    if convention == "Karpenter" or any(name_label in node.labels for node in nodes):
        key, spot, other = _SPOT_LABELS[convention]
        value = spot if pool.spot else other
        implied[name_label] = pool.budget
        if value:
            implied[key] = value
    return implied


def _unknown(
    cluster: Cluster,
    snapshot: ClusterSnapshot,
    pools: Sequence[NodePool],
    spare: Mapping[str, int],
) -> tuple[Reason, ...]:
    """Return what may be added beside what is known."""
    file = cluster.place.file
    if not pools and cluster.autoscaler == "Luna":
        return (UndeclaredPools(file),)
    if not pools:
        return (UnknownPools(cluster.autoscaler, snapshot.pools_note, file),)
    reasons: list[Reason] = []
    shapeless: list[str] = []
    inexact: list[str] = []
    for pool in pools:
        # A pool that has all its nodes adds none, so nothing about it is open.
        if not spare[pool.budget]:
            continue
        if pool.held:
            reasons.append(PoolOnHold(pool.name, pool.held))
        elif not pool.allocatable:
            shapeless.append(pool.budget)
        elif not pool.exact:
            inexact.append(pool.budget)
    if shapeless:
        reasons.append(UnknownNodeShape(tuple(dict.fromkeys(shapeless)), file))
    if inexact:
        reasons.append(OtherNodeShapes(tuple(dict.fromkeys(inexact))))
    return tuple(reasons)
