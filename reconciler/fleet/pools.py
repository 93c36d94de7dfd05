"""What node pools of several sources have in common: their nodes' shape and labels, taken from nodes that exist.

The one idea: sizes come from the autoscaler (its maxima, its counts), shapes from a node of the same pool that exists,
or from what the pool's owner wrote. A pool whose shape nobody tells stays in the list without one: it is known to be
there, and nothing more is said of it.
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
_OF_ONE_NODE = ("kubernetes.io/hostname", "topology.ebs.csi.aws.com/zone", "topology.gke.io/zone")


class PoolMeta(msgspec.Struct):
    """The metadata of an object that stands for a pool."""

    name: str
    namespace: str = ""
    annotations: dict[str, str] | None = None
    deletion_timestamp: str = msgspec.field(name="deletionTimestamp", default="")


def together(pools: Sequence[NodePool]) -> NodePool:
    """Return one pool that stands for several: sums of sizes, the least of each amount, what labels are in common."""
    first = pools[0]
    shapes = [pool.allocatable for pool in pools if pool.allocatable]
    counts = [pool.existing for pool in pools if pool.existing is not None]
    return replace(
        first,
        max_nodes=sum(pool.max_nodes for pool in pools),
        existing=sum(counts) if len(counts) == len(pools) else None,
        allocatable=_least_of(shapes),
        labels=_common([pool.labels for pool in pools if pool.allocatable]),
        taints=tuple({(t.key, t.effect): t for pool in pools for t in pool.taints}.values()),
        exact=False,
        held=first.held if all(pool.held for pool in pools) else "",
    )


def is_of_type(label: str) -> bool:
    """Tell whether a label says what kind of machine a node is."""
    return label in TYPE_LABELS or label.startswith(_TYPE_PREFIXES)


def least(nodes: Sequence[Node]) -> dict[str, int]:
    """Return what every one of `nodes` has at least."""
    return _least_of([node.allocatable for node in nodes])


def _least_of(shapes: Sequence[Mapping[str, int]]) -> dict[str, int]:
    if not shapes:
        return {}
    return {name: min(one[name] for one in shapes) for name in shapes[0] if all(name in one for one in shapes)}


def shared_labels(nodes: Sequence[Node]) -> dict[str, str]:
    """Return the labels that all of `nodes` have, but those that can only be one node's."""
    return {k: v for k, v in _common([node.labels for node in nodes]).items() if k not in _OF_ONE_NODE}


def _common(labels: Sequence[Mapping[str, str]]) -> dict[str, str]:
    if not labels:
        return {}
    return {k: v for k, v in labels[0].items() if all(other.get(k) == v for other in labels)}


def lasting(taints: Iterable[Taint]) -> tuple[Taint, ...]:
    """Leave out the taints that say how a node is doing, or that it is about to go."""
    passing = ("node.kubernetes.io/", "ToBeDeletedByClusterAutoscaler", "DeletionCandidateOfClusterAutoscaler")
    return tuple(taint for taint in taints if not taint.key.startswith(passing))


def units(amounts: Mapping[str, str | int | float], what: str) -> dict[str, int]:
    """Return amounts in scheduler units; raises `InvalidObject`, which begins with `what`."""
    try:
        return scheduler_units({name: Quantity.parse(amount) for name, amount in amounts.items()})
    except ValueError as error:
        raise InvalidObject(f"{what}: {error}") from None
