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
"""What tells spot nodes: label, its value on them, its value on others (none where it is empty)."""

_NAME_LABELS = {
    "Karpenter": KARPENTER_POOL,
    "aws": "eks.amazonaws.com/nodegroup",
    "gcp": "cloud.google.com/gke-nodepool",
    "azure": "kubernetes.azure.com/agentpool",
}


@dataclass(frozen=True, slots=True)
class Addable:
    """The pools that can add nodes; `unknown` names what else may come, of which too little is known.

    `spare`: how many nodes each pool may still add, by its budget's name (`NodePool.budget`).
    """

    pools: tuple[NodePool, ...] = ()
    spare: Mapping[str, int] = field(default_factory=dict)
    unknown: tuple[Reason, ...] = ()


def addable(cluster: Cluster, picture: ClusterSnapshot) -> Addable:
    """Return what the autoscaler of `cluster` may add; nothing where the inventory names none."""
    if cluster.autoscaler == "None":
        return Addable()
    merged = [_named(pool, cluster, picture.nodes) for pool in _merged(cluster.pools, picture.pools)]
    usable = tuple(pool for pool in merged if pool.allocatable and not pool.held)
    unknown = _unknown(cluster, picture, merged, spare_of(merged, picture.nodes))
    return Addable(usable, spare_of(usable, picture.nodes), unknown)


def spare_of(pools: Iterable[NodePool], nodes: Sequence[Node]) -> dict[str, int]:
    """Return how many nodes each pool (by its budget's name) may still add: its maximum less the nodes that it has.

    Where the autoscaler does not count them, a node belongs to the pool that it names in a label; else to that of which
    it has all labels (the most specific one, then the first); else to the first pool without labels, not full yet,
    whose nodes are about as large: a declared size is a round figure. Where nodes name their pools, size tells nothing.
    """
    pools = tuple(pools)
    spare = {pool.budget: max(pool.max_nodes - (pool.existing or 0), 0) for pool in pools}
    counted = tuple(pool for pool in pools if pool.existing is None)
    labelled = sorted((pool for pool in counted if pool.labels), key=lambda pool: -len(pool.labels))
    plain = [pool for pool in counted if not pool.labels and not pool.implied.keys() & {*_NAME_LABELS.values()}]
    named = {pool.budget: pool for pool in pools}
    for node in nodes:
        owner = named.get(pool_name(node))
        owner = owner or next((p for p in labelled if p.labels.items() <= node.labels.items()), None)
        owner = owner or next((p for p in plain if spare[p.budget] and _alike(p.allocatable, node.allocatable)), None)
        if owner is not None and owner.existing is None:
            spare[owner.budget] = max(spare[owner.budget] - 1, 0)
    return spare


def _alike(declared: Mapping[str, int], real: Mapping[str, int]) -> bool:
    """Tell whether two sizes can be of one kind of node: the same devices, and cpu and memory within a fifth."""
    for name in ("cpu", "memory"):
        has = real.get(name, 0)
        if 5 * abs(declared.get(name, 0) - has) > has:
            return False
    return all(declared.get(name, 0) == real.get(name, 0) for name in (*declared, *real) if "/" in name)


def _merged(declared: Sequence[NodePool], live: Sequence[NodePool]) -> list[NodePool]:
    """Return the declared pools, in their order, then the live ones that were not declared."""
    matched: dict[str, list[NodePool]] = {pool.name: [] for pool in declared}
    rest: list[NodePool] = []
    for pool in live:
        name = _declared_name(pool, matched)
        (matched[name] if name is not None else rest).append(pool)
    return [one for pool in declared for one in _as_declared(pool, matched[pool.name])] + rest


def _declared_name(live: NodePool, names: Iterable[str]) -> str | None:
    if live.budget in names:
        return live.budget
    return max((name for name in names if answers_to(live.budget, name)), key=len, default=None)


def _as_declared(declared: NodePool, live: Sequence[NodePool]) -> list[NodePool]:
    """Return the ways in which a declared pool can grow, after what its autoscaler tells of it."""
    if not live:
        return [declared]
    ways = list(live) if len({pool.budget for pool in live}) == 1 else [together(live)]
    found: dict[tuple[tuple[str, str], ...], NodePool] = {}
    for way in ways:
        seen = {key: value for key, value in way.labels.items() if not is_of_type(key)}
        labels = {**seen, **declared.labels}
        found.setdefault(tuple(sorted(labels.items())), replace(way, labels=labels, spot=way.spot or declared.spot))
    return [
        replace(
            declared,
            name=way.name if len(found) > 1 else declared.name,
            family=declared.name if len(found) > 1 else "",
            max_nodes=min(declared.max_nodes, way.max_nodes, _within(way, declared.allocatable)),
            labels=way.labels,
            taints=declared.taints or way.taints,
            spot=way.spot,
            existing=way.existing,
            held=way.held,
        )
        for way in found.values()
    ]


def _within(pool: NodePool, allocatable: Mapping[str, int]) -> int:
    """Return how many nodes of the declared size a pool's limits allow, those that it has included."""
    sizes = ((left, 1 if name == "nodes" else allocatable.get(name, 0)) for name, left in pool.left.items())
    more = min((left // each for left, each in sizes if each), default=pool.max_nodes)
    return (pool.existing or 0) + more


def _named(pool: NodePool, cluster: Cluster, nodes: Sequence[Node]) -> NodePool:
    """Return the pool with the labels that its nodes get from whoever makes them.

    A provider's own labels count only where a node has them: not every cluster on AWS is an EKS.
    """
    implied = {"kubernetes.io/os": "linux"}
    if cluster.region:
        implied["topology.kubernetes.io/region"] = cluster.region
    if cluster.zone:
        implied["topology.kubernetes.io/zone"] = cluster.zone
    convention = cluster.provider if cluster.autoscaler == "ClusterAutoscaler" else cluster.autoscaler
    name_label = _NAME_LABELS.get(convention, "")
    if convention == "Karpenter" or any(name_label in node.labels for node in nodes):
        key, spot, other = _SPOT_LABELS[convention]
        implied[name_label] = pool.budget
        implied |= {key: value} if (value := spot if pool.spot else other) else {}
    return replace(pool, implied={**implied, **pool.implied})


def _unknown(
    cluster: Cluster, picture: ClusterSnapshot, pools: Sequence[NodePool], spare: Mapping[str, int]
) -> tuple[Reason, ...]:
    """Return what may be added beside what is known."""
    file = cluster.place.file
    if not pools and cluster.autoscaler == "Luna":
        return (UndeclaredPools(file),)
    if not pools:
        return (UnknownPools(cluster.autoscaler, picture.pools_note, file),)
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
