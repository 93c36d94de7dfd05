"""Cluster API: the MachineDeployments and MachinePools that Cluster Autoscaler may grow.

Their owner wrote the largest size and, to scale from zero, what a machine has into annotations (the README of
cloudprovider/clusterapi in Cluster Autoscaler). They are read where Cluster Autoscaler is: from a cluster that manages
itself. Most clusters do not, and then the API group is not installed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import msgspec

from reconciler.errors import InvalidObject
from reconciler.fleet.autoscalers.node_groups import NodeGroup, pool_of_group
from reconciler.fleet.autoscalers.reader import ObjectPath, ObservedCluster
from reconciler.fleet.pools import PoolMeta, units
from reconciler.fleet.snapshot import Node, NodePool
from reconciler.manifests.podshape import Taint

GROUP = "cluster.x-k8s.io"

_CAPACITY = "capacity.cluster-autoscaler.kubernetes.io/"
_MAX_SIZE = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size"
_RESOURCES = {
    "cpu": "cpu",
    "memory": "memory",
    "ephemeral-disk": "ephemeral-storage",
    "maxPods": "pods",
}
"""The resource of each capacity annotation; devices have annotations of their own."""

_PASSED_ON = (
    "node.cluster.x-k8s.io/",
    "node-restriction.kubernetes.io/",
    "node-role.kubernetes.io/",
)
"""The labels of a machine that Cluster API also sets on its node."""


class _MachineMeta(msgspec.Struct):
    labels: dict[str, str] | None = None


class _MachineTemplate(msgspec.Struct):
    metadata: _MachineMeta = msgspec.field(default_factory=_MachineMeta)


class _MachineSpec(msgspec.Struct, rename="camel"):
    cluster_name: str = ""
    replicas: int | None = None
    template: _MachineTemplate = msgspec.field(default_factory=_MachineTemplate)


class _MachineStatus(msgspec.Struct):
    replicas: int | None = None


class MachineSet(msgspec.Struct):
    """A MachineDeployment or MachinePool of Cluster API."""

    metadata: PoolMeta
    spec: _MachineSpec = msgspec.field(default_factory=_MachineSpec)
    status: _MachineStatus = msgspec.field(default_factory=_MachineStatus)


class ClusterApiReader:
    """Reads the pools of Cluster API in a cluster with Cluster Autoscaler."""

    kind = "ClusterAutoscaler"
    subject = "Cluster API's machine deployments"
    wants = (
        ObjectPath("machinedeployments", group=GROUP),
        ObjectPath("machinepools", group=GROUP),
    )
    decoder = msgspec.json.Decoder(MachineSet)

    def pools(
        self, objects: Sequence[MachineSet], cluster: ObservedCluster
    ) -> tuple[NodePool, ...]:
        """Return the pools of this cluster; of several with one name, in different namespaces, the last."""
        found = machine_pools(objects, cluster.names, cluster.nodes)
        by_name = {pool.name: pool for pool in (*cluster.pools, *found)}
        return tuple(by_name.values())


def machine_pools(
    items: Iterable[MachineSet], clusters: Iterable[str], nodes: Sequence[Node]
) -> tuple[NodePool, ...]:
    """Return the pools that an autoscaler may grow in the cluster that has the names `clusters`.

    Raises `InvalidObject` for an annotation that cannot be read.
    """
    names = set(clusters)
    # A management cluster has the machines of other clusters, too.
    own = [item for item in items if item.spec.cluster_name in names]
    # Without the annotation, Cluster Autoscaler leaves machines alone.
    growing = [item for item in own if _MAX_SIZE in (item.metadata.annotations or {})]
    return tuple(_machine_pool(item, nodes) for item in growing)


def _machine_pool(item: MachineSet, nodes: Sequence[Node]) -> NodePool:
    name = item.metadata.name
    annotations = item.metadata.annotations or {}
    where = f"{item.metadata.namespace}/{name}"
    max_size = annotations[_MAX_SIZE]
    if not max_size.isdecimal():
        raise InvalidObject(
            f"{where}: annotation {_MAX_SIZE} is {max_size!r}; write a number of nodes"
        )
    existing = item.status.replicas
    # Before its controller has seen it, an object has no status, only the size that is asked for.
    if existing is None:
        existing = item.spec.replicas or 0
    machine_labels = item.spec.template.metadata.labels or {}
    node_labels = {
        key: value
        for key, value in machine_labels.items()
        if key.startswith(_PASSED_ON)
    }
    held = "it is being deleted" if item.metadata.deletion_timestamp else ""
    capacity = {
        key.removeprefix(_CAPACITY): value
        for key, value in annotations.items()
        if key.startswith(_CAPACITY)
    }
    # A shape without cpu or memory is no shape: a pod would not fit. Then nodes that exist show what it is.
    if "cpu" not in capacity or "memory" not in capacity:
        pool = pool_of_group(NodeGroup(name, int(max_size), existing, held), nodes)
        return replace(pool, name=name, labels={**pool.labels, **node_labels})
    return NodePool(
        name=name,
        max_nodes=int(max_size),
        allocatable=units(_amounts(capacity), f"{where}: annotations {_CAPACITY}*"),
        labels={**_pairs(capacity.get("labels", "")), **node_labels},
        taints=_taints(capacity.get("taints", "")),
        existing=existing,
        held=held,
    )


def _amounts(capacity: Mapping[str, str]) -> dict[str, str]:
    """Return what a machine has, by resource; Cluster Autoscaler counts it as what pods can have."""
    amounts = {
        _RESOURCES[key]: value for key, value in capacity.items() if key in _RESOURCES
    }
    devices = capacity.get("gpu-count", "0")
    if devices != "0":
        amounts[capacity.get("gpu-type", "nvidia.com/gpu")] = devices
    return amounts


def _pairs(text: str) -> dict[str, str]:
    """Read `key=value,key=value`."""
    pairs = {}
    for pair in text.split(","):
        key, _, value = pair.partition("=")
        if key:
            pairs[key.strip()] = value.strip()
    return pairs


def _taints(text: str) -> tuple[Taint, ...]:
    """Read `key=value:Effect,key:Effect`."""
    taints = []
    for taint in filter(None, text.split(",")):
        pair, _, effect = taint.strip().rpartition(":")
        key, _, value = pair.partition("=")
        taints.append(Taint(key, effect, value))
    return tuple(taints)
