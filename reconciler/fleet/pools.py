"""Shapes and labels of node pools, taken from nodes that exist, and several pools merged into one.

Sizes come from the autoscaler (its maxima, its counts), shapes from a node of the same pool that exists or from what
the pool's owner wrote. A pool without a known shape stays in the list, since it may still add nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import msgspec

from reconciler.errors import InvalidObject
from reconciler.fleet.snapshot import Node, NodePool
from reconciler.manifests.podshape import Taint
from reconciler.manifests.quantity import Quantity, scheduler_units

ZONE = "topology.kubernetes.io/zone"
ZONES = (ZONE, "failure-domain.beta.kubernetes.io/zone")
TYPE_LABELS = ("node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type")

_TYPE_PREFIXES = ("karpenter.k8s.aws/", "karpenter.azure.com/", "karpenter.k8s.gcp/")
_OF_ONE_NODE = (
    "kubernetes.io/hostname",
    "topology.ebs.csi.aws.com/zone",
    "topology.gke.io/zone",
)


class PoolMeta(msgspec.Struct):
    """The metadata of an API object that describes a pool."""

    name: str
    namespace: str = ""
    annotations: dict[str, str] | None = None
    deletion_timestamp: str = msgspec.field(name="deletionTimestamp", default="")


def together(pools: Sequence[NodePool]) -> NodePool:
    """Return several pools as one: the sums of their sizes, the least of each amount, the labels that all have."""
    first = pools[0]
    shapes = [pool.allocatable for pool in pools if pool.allocatable]
    counts = [pool.existing for pool in pools if pool.existing is not None]
    # A node may come from any of the pools, so a pod must tolerate the taints of all.
    taints = {
        (taint.key, taint.effect): taint for pool in pools for taint in pool.taints
    }
    return replace(
        first,
        max_nodes=sum(pool.max_nodes for pool in pools),
        existing=sum(counts) if len(counts) == len(pools) else None,
        allocatable=_least_of(shapes),
        labels=_common([pool.labels for pool in pools if pool.allocatable]),
        taints=tuple(taints.values()),
        exact=False,
        held=first.held if all(pool.held for pool in pools) else "",
    )


def is_of_type(label: str) -> bool:
    """Tell whether a label says what kind of machine a node is."""
    return label in TYPE_LABELS or label.startswith(_TYPE_PREFIXES)


def least(nodes: Sequence[Node]) -> dict[str, int]:
    """Return the amounts that each of `nodes` has at least; only resources that all have."""
    return _least_of([node.allocatable for node in nodes])


def _least_of(shapes: Sequence[Mapping[str, int]]) -> dict[str, int]:
    if not shapes:
        return {}
    in_all = [name for name in shapes[0] if all(name in shape for shape in shapes)]
    return {name: min(shape[name] for shape in shapes) for name in in_all}


def shared_labels(nodes: Sequence[Node]) -> dict[str, str]:
    """Return the labels that all of `nodes` have, without those that belong to a single node."""
    common = _common([node.labels for node in nodes])
    return {key: value for key, value in common.items() if key not in _OF_ONE_NODE}


def _common(labels: Sequence[Mapping[str, str]]) -> dict[str, str]:
    if not labels:
        return {}
    first = labels[0]
    return {
        key: value
        for key, value in first.items()
        if all(other.get(key) == value for other in labels)
    }


def lasting(taints: Iterable[Taint]) -> tuple[Taint, ...]:
    """Return the taints without those that state a node's condition, or that it is about to be removed."""
    temporary = (
        "node.kubernetes.io/",
        "ToBeDeletedByClusterAutoscaler",
        "DeletionCandidateOfClusterAutoscaler",
    )
    return tuple(taint for taint in taints if not taint.key.startswith(temporary))


def units(amounts: Mapping[str, str | int | float], what: str) -> dict[str, int]:
    """Return amounts in scheduler units. Raises `InvalidObject` with a message that begins with `what`."""
    try:
        return scheduler_units(
            {name: Quantity.parse(amount) for name, amount in amounts.items()}
        )
    except ValueError as error:
        raise InvalidObject(f"{what}: {error}") from None
