"""MachineDeployments and MachinePools of Cluster API that Cluster Autoscaler may grow, as node pools.

The one idea: their owner wrote the maximum and, to scale from zero, the machine's capacity into annotations
(cloudprovider/clusterapi/README.md of Cluster Autoscaler), which it counts as what pods can have. They are read where
Cluster Autoscaler is read: a cluster that manages itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import msgspec

from reconciler.errors import InvalidObject
from reconciler.fleet.nodegroups import NodeGroup, pool_of_group
from reconciler.fleet.pools import PoolMeta, units
from reconciler.fleet.snapshot import Node, NodePool
from reconciler.manifests.podshape import Taint

_CAPACITY = "capacity.cluster-autoscaler.kubernetes.io/"
_MAX_SIZE = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size"
_PASSED_ON = ("node.cluster.x-k8s.io/", "node-restriction.kubernetes.io/", "node-role.kubernetes.io/")


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


def machine_pools(items: Iterable[MachineSet], clusters: Iterable[str], nodes: Sequence[Node]) -> tuple[NodePool, ...]:
    """Return the pools of Cluster API that an autoscaler may grow; `clusters`: names of the one they are asked for.

    Raises `InvalidObject` for an annotation that cannot be read.
    """
    asked = set(clusters)
    return tuple(
        _machine_pool(item, nodes)
        for item in items
        if item.spec.cluster_name in asked and _MAX_SIZE in (item.metadata.annotations or {})
    )


def _machine_pool(item: MachineSet, nodes: Sequence[Node]) -> NodePool:
    name, annotations = item.metadata.name, item.metadata.annotations or {}
    where = f"{item.metadata.namespace}/{name}"
    if not annotations[_MAX_SIZE].isdecimal():
        raise InvalidObject(f"{where}: annotation {_MAX_SIZE} is {annotations[_MAX_SIZE]!r}; write a number of nodes")
    has = item.status.replicas if item.status.replicas is not None else item.spec.replicas or 0
    passed = {k: v for k, v in (item.spec.template.metadata.labels or {}).items() if k.startswith(_PASSED_ON)}
    held = "it is being deleted" if item.metadata.deletion_timestamp else ""
    pool = NodePool(name, int(annotations[_MAX_SIZE]), {}, labels=passed, existing=has, exact=False, held=held)
    told = {key.removeprefix(_CAPACITY): value for key, value in annotations.items() if key.startswith(_CAPACITY)}
    if "cpu" not in told or "memory" not in told:
        like = pool_of_group(NodeGroup(name, pool.max_nodes, has, held), nodes)
        return replace(like, name=name, labels={**like.labels, **passed})
    names = {"cpu": "cpu", "memory": "memory", "ephemeral-disk": "ephemeral-storage", "maxPods": "pods"}
    amounts = {names[key]: value for key, value in told.items() if key in names}
    if told.get("gpu-count", "0") != "0":
        amounts[told.get("gpu-type", "nvidia.com/gpu")] = told["gpu-count"]
    return replace(
        pool,
        allocatable=units(amounts, f"{where}: annotations {_CAPACITY}*"),
        labels={**_pairs(told.get("labels", "")), **passed},
        taints=_taints(told.get("taints", "")),
        exact=True,
    )


def _pairs(text: str) -> dict[str, str]:
    return {key.strip(): value.strip() for key, _, value in (one.partition("=") for one in text.split(",")) if key}


def _taints(text: str) -> tuple[Taint, ...]:
    """Read `key=value:Effect,key:Effect`."""
    found = []
    for one in filter(None, text.split(",")):
        pair, _, effect = one.strip().rpartition(":")
        key, _, value = pair.partition("=")
        found.append(Taint(key, effect, value))
    return tuple(found)
