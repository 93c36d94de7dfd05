"""What the autoscaler of a live cluster tells of its pools: asked after everything else, and never needed.

The one idea: the inventory says which autoscaler there is, hence what to ask: Cluster Autoscaler's status ConfigMap and
the objects of Cluster API where the cluster manages itself, or Karpenter's NodePools. Luna has no such objects.
Whatever cannot be read (a 404, a 403, a late answer) becomes a note beside the pools that can; the cluster's nodes and
pods are known all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from reconciler.errors import InvalidObject, Unreachable
from reconciler.fleet.inventory import Cluster
from reconciler.fleet.karpenter import KarpenterPool, karpenter_pools
from reconciler.fleet.machinepools import MachineSet, machine_pools
from reconciler.fleet.nodegroups import NodeGroup, node_groups, pools_of_groups
from reconciler.fleet.pools import units
from reconciler.fleet.snapshot import Node, NodePool

STATUS = "/api/v1/namespaces/kube-system/configmaps/cluster-autoscaler-status"
NODE_POOLS = "/apis/karpenter.sh/v1/nodepools"
CLUSTER_API = "/apis/cluster.x-k8s.io"

_MAX_OBJECTS = 2000

T = TypeVar("T")


class Asked(Protocol):
    """The part of `live.ApiServer` that is needed here."""

    def get(self, path: str, query: dict[str, str] | None = None) -> tuple[int, bytes]:
        """Return the HTTP status and the body. Raises `Unreachable` where none comes in time."""


class _Listed(msgspec.Struct):
    items: list[msgspec.Raw] | None = None


class _ConfigMap(msgspec.Struct):
    data: dict[str, str] | None = None


class _Version(msgspec.Struct, rename="camel"):
    group_version: str


class _Group(msgspec.Struct, rename="camel"):
    preferred_version: _Version


# Made while the module is imported: clusters are read side by side, and msgspec must not learn a type on two threads.
_LIST = msgspec.json.Decoder(_Listed)
_CONFIG_MAP = msgspec.json.Decoder(_ConfigMap)
_GROUP = msgspec.json.Decoder(_Group)
_NODE_POOL = msgspec.json.Decoder(KarpenterPool)
_MACHINE = msgspec.json.Decoder(MachineSet)


def read_pools(
    server: Asked, cluster: Cluster, nodes: Sequence[Node], capacities: Mapping[str, Mapping[str, Any]], now: float
) -> tuple[tuple[NodePool, ...], str]:
    """Return the pools that the autoscaler of `cluster` tells, and why these may not be all; empty if they are.

    `nodes` and `capacities` (what nodes have in all, by name) are those of its picture, taken at `now`, unix seconds.
    """
    notes: list[str] = []
    pools: tuple[NodePool, ...] = ()
    if cluster.autoscaler == "Karpenter":
        pools = _karpenter(server, nodes, capacities, notes)
    elif cluster.autoscaler == "ClusterAutoscaler":
        owned = _machines(server, cluster, nodes, notes)
        pools = pools_of_groups(_groups(server, now, notes), nodes, owned)
    return pools, "; ".join(notes)


def _karpenter(
    server: Asked, nodes: Sequence[Node], capacities: Mapping[str, Mapping[str, Any]], notes: list[str]
) -> tuple[NodePool, ...]:
    try:
        listed = _list(server, NODE_POOLS, _NODE_POOL)
        wholes = {name: units(amounts, f"Node {name}: status.capacity") for name, amounts in capacities.items()}
        return karpenter_pools(listed, nodes, wholes)
    except (Unreachable, InvalidObject) as error:
        notes.append(f"Karpenter's node pools cannot be read: {error}")
        return ()


def _groups(server: Asked, now: float, notes: list[str]) -> tuple[NodeGroup, ...]:
    try:
        status = _decoded(*server.get(STATUS), _CONFIG_MAP, STATUS)
        return node_groups((status.data or {}).get("status", ""), now)
    except (Unreachable, InvalidObject) as error:
        notes.append(f"the status of Cluster Autoscaler cannot be read: {error}")
        return ()


def _machines(server: Asked, cluster: Cluster, nodes: Sequence[Node], notes: list[str]) -> tuple[NodePool, ...]:
    """Return the pools of Cluster API; most clusters do not manage themselves and have none."""
    try:
        status, body = server.get(CLUSTER_API)
        if status == 404:
            return ()
        version = _decoded(status, body, _GROUP, CLUSTER_API).preferred_version.group_version
        listed = [
            item for plural in _MACHINES for item in _list(server, f"/apis/{version}/{plural}", _MACHINE, absent=True)
        ]
        return machine_pools(listed, (cluster.name, cluster.kubernetes_cluster), nodes)
    except (Unreachable, InvalidObject) as error:
        notes.append(f"Cluster API's machine deployments cannot be read: {error}")
        return ()


_MACHINES = ("machinedeployments", "machinepools")


def _list(server: Asked, path: str, decoder: msgspec.json.Decoder[T], *, absent: bool = False) -> Iterator[T]:
    """Return the objects of a list; one that cannot be read makes all of them unreadable."""
    status, body = server.get(path, {"limit": str(_MAX_OBJECTS)})
    if absent and status == 404:
        return iter(())
    listed = _decoded(status, body, _LIST, path).items or []
    return iter([_item(raw, decoder, path) for raw in listed])


def _item(raw: msgspec.Raw, decoder: msgspec.json.Decoder[T], path: str) -> T:
    try:
        return decoder.decode(raw)
    except msgspec.DecodeError as error:
        raise InvalidObject(f"{path}: {error}") from None


def _decoded(status: int, body: bytes, decoder: msgspec.json.Decoder[T], path: str) -> T:
    if status == 403:
        raise Unreachable(f"its account may not get {path} (403); kustomize/workload-cluster-rbac has what it takes")
    if status != 200:
        raise Unreachable(f"its API server answered {path} with {status}")
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreachable(f"its API server answered {path} with what cannot be read: {error}") from None
