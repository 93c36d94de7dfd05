"""The node arrays of one cluster: its nodes, its pods, and the pods of placed copies that do not exist yet."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from reconciler.fleet.addable import addable
from reconciler.fleet.inventory import Cluster, Headroom
from reconciler.fleet.snapshot import ClusterSnapshot
from reconciler.kube_scheduler.fit import reserve, reserve_pending
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.placement.assumed_pods import AssumedCopy, PodIndex, unmade_pods


def nodes_with(
    cluster: Cluster,
    snapshot: ClusterSnapshot,
    pods: PodIndex,
    assumed: Iterable[AssumedCopy],
) -> Nodes:
    """Return a cluster's nodes with its pods, those that wait, and those of `assumed` copies that do not exist yet."""
    more = addable(cluster, snapshot)
    nodes = Nodes.of(
        snapshot,
        headroom=_headroom(cluster.headroom),
        pools=more.pools,
        spare=more.spare,
        scoring=cluster.scoring,
        unknown=more.unknown,
    )
    # Pods that wait get their capacity before any that do not exist yet.
    pending = [pod for pod in snapshot.pods if not pod.node and not pod.deleting]
    nodes = reserve_pending(nodes, tuple(pending))
    for copy in assumed:
        # What has ended makes no more pods.
        if copy.ended:
            continue
        unmade = unmade_pods(copy.objects, pods)
        nodes = reserve(nodes, unmade)
    return nodes


def _headroom(headroom: Headroom) -> dict[str, Fraction | int]:
    """Return what is kept free on each node, by resource: a share of the node, or an amount."""
    # Shares are in hundredths of a percent.
    shares: dict[str, Fraction | int] = {
        name: Fraction(part, 10_000) for name, part in headroom.shares.items()
    }
    return {**shares, **headroom.amounts}
