"""Karpenter's NodePools become pools: shapes of their nodes, labels of their rules, sizes by their limits."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from reconciler.errors import InvalidObject
from reconciler.fleet.autoscalers.karpenter import UNLIMITED, KarpenterPool, KarpenterReader, karpenter_pools
from reconciler.fleet.autoscalers.reader import ObservedCluster
from reconciler.manifests.podshape import Taint
from tests.unit.fleet.pool_nodes import L4, TYPE, ZONE, node


def karpenter(name: str = "gpu", **spec: Any) -> KarpenterPool:
    status, deleted = spec.pop("status", {}), spec.pop("deleted", "")
    metadata = {"name": name, "deletionTimestamp": deleted}
    return msgspec.convert({"metadata": metadata, "spec": spec, "status": status}, KarpenterPool)


def template(*requirements: tuple[str, str, list[str]], taints: Any = (), labels: Any = None) -> dict[str, Any]:
    listed = [{"key": key, "operator": operator, "values": values} for key, operator, values in requirements]
    return {"metadata": {"labels": labels}, "spec": {"requirements": listed, "taints": list(taints)}}


def test_karpenters_pool_has_the_shape_of_its_nodes_the_labels_of_its_rules_and_the_room_of_its_limits() -> None:
    own = node("ip-1", {"karpenter.sh/nodepool": "gpu", TYPE: "g6.4xlarge", ZONE: "a"})
    pool = karpenter(
        limits={"cpu": "100", "nvidia.com/gpu": 9},
        template=template(
            ("kubernetes.io/arch", "In", ["amd64"]), ("karpenter.sh/capacity-type", "In", ["on-demand"]),
            taints=[{"key": "nvidia.com/gpu", "effect": "NoSchedule"}], labels={"team": "ml"},
        ),
        status={"resources": {"cpu": "16", "nvidia.com/gpu": "1", "nodes": "1"}},
    )  # fmt: skip
    (read,) = karpenter_pools([pool], [own], {"ip-1": {"cpu": 16_000, "nvidia.com/gpu": 1}})
    assert (read.name, read.allocatable, read.taints) == ("gpu", L4, (Taint("nvidia.com/gpu", "NoSchedule"),))
    assert (read.max_nodes, read.existing) == (1 + 5, 1)  # (100 - 16) / 16 cores; the GPUs would allow 8 more
    assert read.labels == {
        "karpenter.sh/nodepool": "gpu", TYPE: "g6.4xlarge", "kubernetes.io/arch": "amd64",
        "karpenter.sh/capacity-type": "on-demand", "team": "ml",
    }  # fmt: skip
    assert not read.exact


def test_what_karpenter_may_choose_becomes_a_family_that_shares_its_limit() -> None:
    nodes = [
        node("a", {"karpenter.sh/nodepool": "gpu", TYPE: "g6"}),
        node("b", {"karpenter.sh/nodepool": "gpu", TYPE: "m7"}),
    ]
    pool = karpenter(
        limits={"nodes": "5"},
        template=template((ZONE, "In", ["a", "b"]), ("karpenter.sh/capacity-type", "In", ["spot", "on-demand"])),
    )
    read = karpenter_pools([pool], nodes, {})
    assert len(read) == 8
    assert {pool.budget for pool in read} == {"gpu"}
    assert {pool.max_nodes for pool in read} == {5}
    spot = next(pool for pool in read if pool.name == "gpu/g6/spot/b")
    assert (spot.spot, spot.labels[ZONE], spot.labels["karpenter.sh/capacity-type"]) == (True, "b", "spot")


def test_a_pool_of_karpenter_without_nodes_has_no_shape_and_without_limits_no_end() -> None:
    (read,) = karpenter_pools([karpenter(limits=None)], [], {})
    assert (read.allocatable, read.max_nodes, read.exact) == ({}, UNLIMITED, False)


def test_karpenters_pools_come_in_the_order_of_their_weights() -> None:
    names = [pool.name for pool in karpenter_pools([karpenter("b"), karpenter("a"), karpenter("z", weight=10)], [], {})]
    assert names == ["z", "a", "b"]


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        (("node.kubernetes.io/instance-type", "In", ["g6"]), [4]),
        (("node.kubernetes.io/instance-type", "NotIn", ["g6", "c7"]), [2]),
        (("node.kubernetes.io/instance-type", "DoesNotExist", []), []),
        (("node.kubernetes.io/instance-type", "Exists", []), [4, 2]),
        (("karpenter.k8s.aws/instance-gpu-count", "Gt", ["3"]), [4]),
        (("karpenter.k8s.aws/instance-gpu-count", "Lt", ["4"]), [2]),
        (("karpenter.k8s.aws/instance-gpu-count", "Gt", ["0"]), [4, 2]),
        (("example.com/unseen", "In", ["x"]), [4, 2]),
        ((ZONE, "In", ["z"]), [4, 2]),
        (("karpenter.sh/capacity-type", "NotIn", ["spot"]), [4, 2]),
    ],
)
def test_karpenter_adds_no_more_of_what_its_rules_have_come_to_forbid(
    rule: tuple[str, str, list[str]], allowed: list[int]
) -> None:
    nodes = [
        node(kind, {"karpenter.sh/nodepool": "gpu", TYPE: kind, "karpenter.k8s.aws/instance-gpu-count": gpus, ZONE: "a",
                    "karpenter.sh/capacity-type": "spot"}, allocatable={"nvidia.com/gpu": int(gpus)})
        for kind, gpus in (("g6", "4"), ("m7", "2"))
    ]  # fmt: skip
    read = karpenter_pools([karpenter(template=template(rule))], nodes, {})
    assert [pool.allocatable["nvidia.com/gpu"] for pool in read if pool.allocatable] == allowed
    assert {pool.existing for pool in read} == {2}, "what it has counts all the same"
    promised = [pool.labels.get(rule[0]) for pool in read]
    assert rule[1] == "In" or not set(promised) & {*rule[2]}, "a rule that shuts out promises nothing"


@pytest.mark.parametrize(
    ("pool", "held"),
    [
        ({"replicas": 3}, "its size is fixed at 3"),
        ({"deleted": "2026-10-02T14:29:22Z"}, "it is being deleted"),
        (
            {"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "NodeClassNotReady"}]}},
            "Karpenter reports it as not ready (NodeClassNotReady)",
        ),
        ({"status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "X", "status": "False"}]}}, ""),
    ],
)
def test_a_pool_that_karpenter_does_not_grow_is_held(pool: dict[str, Any], held: str) -> None:
    (read,) = karpenter_pools([karpenter(**pool)], [], {})
    assert read.held == held


def test_a_pool_has_its_own_nodes_only_and_counts_them_by_the_largest() -> None:
    own = [node(name, {"karpenter.sh/nodepool": "gpu"}, allocatable={"cpu": cpu}) for name, cpu in (("a", 8), ("b", 2))]
    other = node("c", {"karpenter.sh/nodepool": "cpu"}, allocatable={"cpu": 1})
    (read,) = karpenter_pools([karpenter(limits={"cpu": "26m"})], [*own, other], {})
    assert (read.existing, read.max_nodes, read.allocatable) == (2, 2 + 2, {"cpu": 2})


def test_limits_without_nodes_say_nothing_unless_they_allow_nothing() -> None:
    (open_,) = karpenter_pools([karpenter(limits={"cpu": "10"})], [], {})
    (shut,) = karpenter_pools([karpenter(limits={"cpu": "0", "memory": "1Ti"})], [], {})
    assert (open_.max_nodes, shut.max_nodes) == (UNLIMITED, 0)
    assert open_.left == {"cpu": 10_000}
    started = karpenter(limits={"cpu": "10", "nodes": 3}, status={"resources": {"cpu": "4", "nodes": "1"}})
    (read,) = karpenter_pools([started], [], {})
    assert (read.left, read.max_nodes) == ({"cpu": 6_000, "nodes": 3}, 3)
    own = node("ip-1", {"karpenter.sh/nodepool": "gpu"}, allocatable={"cpu": 2_000})
    (read,) = karpenter_pools([started], [own], {})
    assert (read.left, read.max_nodes) == ({}, 1 + 2)


def test_a_rule_that_leaves_a_choice_promises_none_of_it() -> None:
    rules = (("kubernetes.io/arch", "In", ["amd64", "arm64"]), ("team", "In", ["a"]), ("team", "In", ["b"]))
    (read,) = karpenter_pools([karpenter(template=template(*rules))], [], {})
    assert read.labels == {"karpenter.sh/nodepool": "gpu"}


def test_a_limit_of_what_its_nodes_have_not_is_not_spent() -> None:
    own = node("ip-1", {"karpenter.sh/nodepool": "gpu"}, allocatable={"cpu": 2_000})
    (read,) = karpenter_pools([karpenter(limits={"cpu": "6", "nvidia.com/gpu": 1})], [own], {})
    assert read.max_nodes == 1 + 2


def test_a_spent_limit_leaves_nothing_to_add() -> None:
    own = node("ip-1", {"karpenter.sh/nodepool": "gpu"})
    (read,) = karpenter_pools([karpenter(limits={"cpu": "10"})], [own], {})
    assert read.max_nodes == read.existing == 1


def test_the_reader_counts_limits_in_what_nodes_have_in_all() -> None:
    own = node("ip-1", {"karpenter.sh/nodepool": "gpu"}, allocatable={"cpu": 3_900})
    cluster = ObservedCluster(nodes=[own], capacities={"ip-1": {"cpu": "4"}})
    (pool,) = KarpenterReader().pools([karpenter(limits={"cpu": "12"})], cluster)
    assert pool.max_nodes == 1 + 2
    broken = ObservedCluster(nodes=[own], capacities={"ip-1": {"cpu": "four"}})
    with pytest.raises(InvalidObject, match=r"Node ip-1: status\.capacity"):
        KarpenterReader().pools([karpenter()], broken)
