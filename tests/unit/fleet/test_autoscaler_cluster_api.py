"""Cluster API's MachineDeployments and MachinePools become pools, from the annotations of their owner."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from reconciler.errors import InvalidObject
from reconciler.fleet.autoscalers.cluster_api import ClusterApiReader, MachineSet, machine_pools
from reconciler.fleet.autoscalers.node_groups import NodeGroup, pools_of_groups
from reconciler.fleet.autoscalers.reader import ObservedCluster
from reconciler.manifests.podshape import Taint

MAX = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size"
CAPACITY = "capacity.cluster-autoscaler.kubernetes.io/"


def machines(name: str = "md-0", cluster: str = "prod", replicas: int = 1, **capacity: str) -> MachineSet:
    annotations = {MAX: "6", **{CAPACITY + key.replace("_", "-"): value for key, value in capacity.items()}}
    body = {
        "metadata": {"name": name, "namespace": "default", "annotations": annotations},
        "spec": {
            "clusterName": cluster,
            "template": {"metadata": {"labels": {"node.cluster.x-k8s.io/pool": name, "machine-only": "x"}}},
        },
        "status": {"replicas": replicas},
    }
    return msgspec.convert(body, MachineSet)


def test_the_annotations_of_cluster_api_give_shape_labels_and_taints() -> None:
    capacity: dict[str, Any] = {
        "gpu_count": "2",
        "gpu_type": "nvidia.com/gpu",
        "labels": "disk=ssd,team=ml",
        "taints": "gpu=yes:NoSchedule,x:NoExecute",
    }
    (pool,) = machine_pools([machines(cpu="16", memory="128G", **capacity)], ["prod"], [])
    assert pool.allocatable == {"cpu": 16_000, "memory": 128 * 10**9, "nvidia.com/gpu": 2}
    assert pool.labels == {"disk": "ssd", "team": "ml", "node.cluster.x-k8s.io/pool": "md-0"}
    assert pool.taints == (Taint("gpu", "NoSchedule", "yes"), Taint("x", "NoExecute"))
    assert (pool.max_nodes, pool.existing, pool.exact) == (6, 1, True)


def test_only_what_may_grow_in_the_asked_cluster_is_a_pool() -> None:
    fixed = msgspec.convert({"metadata": {"name": "fixed"}, "spec": {"clusterName": "prod"}}, MachineSet)
    pools = machine_pools([machines(), machines("other", cluster="dev"), fixed], ["prod", ""], [])
    assert [(pool.name, pool.allocatable, pool.exact) for pool in pools] == [("md-0", {}, False)]


def test_half_a_shape_is_none() -> None:
    (pool,) = machine_pools([machines(cpu="16")], ["prod"], [])
    assert (pool.allocatable, pool.exact) == ({}, False)


def test_machines_that_are_being_deleted_are_held() -> None:
    for item in (machines(cpu="16", memory="128G"), machines()):
        (whole,) = machine_pools([item], ["prod"], [])
        metadata = msgspec.structs.replace(item.metadata, deletion_timestamp="2026-10-02T14:29:22Z")
        (gone,) = machine_pools([msgspec.structs.replace(item, metadata=metadata)], ["prod"], [])
        (grown,) = pools_of_groups([NodeGroup("md-0", 6, 1)], [], [gone])
        assert grown.held == gone.held
        (waits,) = pools_of_groups([NodeGroup("md-0", 6, 1, "no room")], [], [whole])
        assert waits.held == "no room"
        assert (whole.held, gone.held) == ("", "it is being deleted")


def test_an_annotation_that_is_no_number_is_an_error() -> None:
    broken = machines(cpu="many", memory="1G")
    with pytest.raises(InvalidObject, match="default/md-0"):
        machine_pools([broken], ["prod"], [])
    words = machines()
    (words.metadata.annotations or {})[MAX] = "six"
    with pytest.raises(InvalidObject, match="max-size is 'six'; write a number of nodes"):
        machine_pools([words], ["prod"], [])


def test_machines_are_counted_as_they_are_and_before_that_as_they_are_asked_for() -> None:
    def count(status: int | None, asked: int | None) -> int | None:
        item = machines(cpu="16", memory="128G")
        item.status.replicas, item.spec.replicas = status, asked
        return machine_pools([item], ["prod"], [])[0].existing

    assert (count(2, 5), count(0, 5), count(None, 5), count(None, None)) == (2, 0, 5, 0)


def test_cluster_autoscalers_sizes_go_with_cluster_apis_shapes() -> None:
    owned = machine_pools([machines(cpu="16", memory="64G"), machines("md-1", cpu="4", memory="8G")], ["prod"], [])
    first, second = pools_of_groups([NodeGroup("MachineDeployment/default/md-0", 10, 3)], [], owned)
    assert (first.name, first.max_nodes, first.existing, first.allocatable["cpu"]) == ("md-0", 10, 3, 16_000)
    assert (second.name, second.max_nodes, second.existing) == ("md-1", 6, 1)


def test_the_reader_takes_machines_of_this_cluster_and_one_pool_a_name() -> None:
    objects = [machines(replicas=1), machines("elsewhere", cluster="dev"), machines(replicas=2)]
    pools = ClusterApiReader().pools(objects, ObservedCluster(names=("east", "prod")))
    assert [(pool.name, pool.existing) for pool in pools] == [("md-0", 2)]
