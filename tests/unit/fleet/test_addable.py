"""What the inventory declares and what the autoscaler tells, as one: who wins, what is spare, what stays unknown."""

from __future__ import annotations

from typing import Any

from reconciler.errors import Place
from reconciler.fleet.addable import addable, spare_of
from reconciler.fleet.inventory import Cluster, KubeconfigAccess
from reconciler.fleet.snapshot import ClusterSnapshot, Node, NodePool
from reconciler.manifests.podshape import Taint
from reconciler.reasons.node_pools import (
    OtherNodeShapes,
    PoolOnHold,
    UndeclaredPools,
    UnknownNodeShape,
    UnknownPools,
)

ZONE = "topology.kubernetes.io/zone"
BIG, SMALL = {"cpu": 16_000, "memory": 64 << 30}, {"cpu": 4_000, "memory": 16 << 30}


def cluster(*pools: NodePool, kind: str = "ClusterAutoscaler", **rest: Any) -> Cluster:
    place, access = Place("inventory/east.yaml"), KubeconfigAccess(context="east")
    return Cluster("east", place, access, autoscaler=kind, pools=pools, **rest)


def picture(*pools: NodePool, nodes: tuple[Node, ...] = (), note: str = "") -> ClusterSnapshot:
    return ClusterSnapshot("east", 0.0, nodes, (), pools=pools, pools_note=note)


def test_declared_pools_alone_count_as_they_are() -> None:
    declared = NodePool("l4", 8, BIG, price_per_hour=0.7)
    found = addable(cluster(declared), picture())
    (pool,) = found.pools
    assert (pool.name, pool.max_nodes, pool.allocatable, pool.price_per_hour) == ("l4", 8, BIG, 0.7)
    assert found.unknown == ()


def test_without_an_autoscaler_nothing_is_added_whatever_a_picture_tells() -> None:
    found = addable(cluster(kind="None"), picture(NodePool("l4", 8, BIG)))
    assert (found.pools, found.unknown) == ((), ())


def test_of_one_pool_the_declared_shape_counts_and_the_smaller_maximum() -> None:
    declared = NodePool("l4", 8, BIG, {"team": "ml"}, price_per_hour=0.7)
    live = NodePool(
        "l4", 5, SMALL, {"team": "web", "disk": "ssd"}, (Taint("gpu", "NoSchedule"),), existing=2, exact=False
    )
    (pool,) = addable(cluster(declared), picture(live)).pools
    assert (pool.allocatable, pool.price_per_hour, pool.exact) == (BIG, 0.7, True)
    assert (pool.max_nodes, pool.existing, pool.taints) == (5, 2, live.taints)
    assert pool.labels == {"team": "ml", "disk": "ssd"}
    fewer = NodePool("l4", 3, BIG)
    assert addable(cluster(fewer), picture(live)).pools[0].max_nodes == 3


def test_a_limit_counts_in_nodes_of_the_declared_size_where_none_exists_yet() -> None:
    def most(existing: int = 0, **left: int) -> int:
        live = NodePool("l4", 100_000, {}, existing=existing, exact=False, left=left)
        return addable(cluster(NodePool("l4", 8, BIG), kind="Karpenter"), picture(live)).pools[0].max_nodes

    assert (most(), most(cpu=40_000), most(existing=1, cpu=40_000), most(cpu=40_000, memory=1 << 30)) == (8, 2, 3, 0)
    assert (most(nodes=3), most(**{"nvidia.com/gpu": 0}), most(cpu=0)) == (3, 8, 0)


def test_a_declared_pool_is_found_under_the_clouds_name_for_it() -> None:
    live = NodePool("gke-c-prod-l4-1a2b3c4d-grp", 5, {}, existing=0, exact=False)
    found = addable(cluster(NodePool("l4", 8, BIG), NodePool("prod-l4", 8, SMALL)), picture(live))
    assert [(pool.name, pool.max_nodes) for pool in found.pools] == [("l4", 8), ("prod-l4", 5)]
    assert found.unknown == ()


def test_live_pools_that_nobody_declared_count_too() -> None:
    found = addable(cluster(NodePool("a", 1, BIG)), picture(NodePool("b", 2, SMALL, existing=0)))
    assert [(pool.name, pool.max_nodes) for pool in found.pools] == [("a", 1), ("b", 2)]


def test_a_pool_of_unknown_shape_adds_nothing_and_is_named() -> None:
    found = addable(cluster(), picture(NodePool("l4", 5, {}, existing=1, exact=False)))
    assert found.pools == ()
    assert found.unknown == (UnknownNodeShape(("l4",), "inventory/east.yaml"),)
    assert addable(cluster(), picture(NodePool("l4", 5, {}, existing=5, exact=False))).unknown == ()


def test_a_pool_in_backoff_adds_nothing_now_and_is_named() -> None:
    found = addable(
        cluster(NodePool("l4", 8, BIG)), picture(NodePool("l4", 5, {}, existing=0, exact=False, held="no GPUs"))
    )
    assert (found.pools, found.unknown) == ((), (PoolOnHold("l4", "no GPUs"),))


def test_an_autoscaler_that_tells_nothing_leaves_all_open_and_says_why() -> None:
    note = "its account may not get nodepools (403)"
    found = addable(cluster(kind="Karpenter"), picture(note=note))
    assert found.unknown == (UnknownPools("Karpenter", note, "inventory/east.yaml"),)
    assert addable(cluster(kind="Luna"), picture()).unknown == (UndeclaredPools("inventory/east.yaml"),)


def test_a_family_takes_the_declared_shape_and_keeps_its_choice_of_zones() -> None:
    def way(kind: str, zone: str) -> NodePool:
        labels = {ZONE: zone, "node.kubernetes.io/instance-type": kind, "karpenter.sh/nodepool": "gpu"}
        return NodePool(f"gpu/{kind}/{zone}", 4, SMALL, labels, existing=1, family="gpu", exact=False)

    live = [way(kind, zone) for kind in ("m7", "g6") for zone in ("a", "b")]
    found = addable(cluster(NodePool("gpu", 9, BIG), kind="Karpenter"), picture(*live))
    assert [(pool.labels[ZONE], pool.allocatable, pool.budget) for pool in found.pools] == [
        ("a", BIG, "gpu"), ("b", BIG, "gpu")
    ]  # fmt: skip
    assert not any("node.kubernetes.io/instance-type" in pool.labels for pool in found.pools)
    assert spare_of(found.pools, ()) == {"gpu": 3}


def test_new_nodes_get_the_labels_that_their_autoscaler_gives() -> None:
    (pool,) = addable(cluster(NodePool("gpu", 1, BIG, spot=True), kind="Karpenter", region="r1"), picture()).pools
    assert pool.implied == {
        "kubernetes.io/os": "linux", "topology.kubernetes.io/region": "r1",
        "karpenter.sh/nodepool": "gpu", "karpenter.sh/capacity-type": "spot",
    }  # fmt: skip


def test_a_providers_labels_are_expected_only_where_its_nodes_have_them() -> None:
    declared, key = NodePool("l4", 1, BIG, spot=True), "cloud.google.com/gke-nodepool"
    (pool,) = addable(cluster(declared, provider="gcp"), picture()).pools
    assert key not in pool.implied
    (pool,) = addable(cluster(declared, provider="gcp"), picture(nodes=(Node("n", SMALL, {key: "sys"}),))).pools
    assert (pool.implied[key], pool.implied["cloud.google.com/gke-spot"]) == ("l4", "true")


def test_spare_is_the_maximum_less_what_the_autoscaler_counts_else_what_the_labels_show() -> None:
    nodes = (Node("a", BIG, {"karpenter.sh/nodepool": "gpu", "team": "ml"}), Node("b", SMALL, {"team": "ml"}))
    counted, named = NodePool("counted", 4, BIG, {"team": "ml"}, existing=3), NodePool("gpu", 4, BIG, {"x": "y"})
    labelled = NodePool("labelled", 4, BIG, {"team": "ml"})
    assert spare_of([counted], nodes) == {"counted": 1}
    assert spare_of([named, labelled], nodes) == {"gpu": 3, "labelled": 3}
    assert spare_of([NodePool("full", 1, BIG, existing=3)], ()) == {"full": 0}


def test_a_node_counts_for_the_pool_that_it_fits_most_closely() -> None:
    wide, close = NodePool("wide", 4, BIG, {"team": "ml"}), NodePool("close", 4, BIG, {"team": "ml", "disk": "ssd"})
    node = Node("a", SMALL, {"team": "ml", "disk": "ssd", "zone": "a"})
    assert spare_of([wide, close], [node]) == {"wide": 4, "close": 3}
    plain = NodePool("plain", 4, SMALL)
    assert spare_of([plain, wide], [node]) == {"plain": 4, "wide": 3}, "labels tell more than a size"
    assert spare_of([NodePool("other", 4, BIG), plain], [Node("b", SMALL)]) == {"other": 4, "plain": 3}


def test_a_node_that_names_no_pool_counts_for_one_of_about_its_size() -> None:
    declared = {"cpu": 15_000, "memory": 58 << 30, "nvidia.com/gpu": 1, "pods": 110}
    real = {"cpu": 15_890, "memory": 60 << 30, "nvidia.com/gpu": 1, "pods": 58, "ephemeral-storage": 9}
    first, second = NodePool("first", 2, declared), NodePool("second", 4, declared)
    nodes = [Node(f"n{i}", real) for i in range(3)]
    assert spare_of([first], nodes) == {"first": 0}
    assert spare_of([first, second], nodes) == {"first": 0, "second": 3}, "what the first cannot have is the second's"
    for other in ({"nvidia.com/gpu": 2}, {"cpu": 32_000}, {"memory": 32 << 30}, {"nvidia.com/gpu": 0}):
        assert spare_of([second], [Node("n", {**real, **other})]) == {"second": 4}
    (named,) = addable(cluster(second, kind="Karpenter"), picture(nodes=tuple(nodes))).pools
    assert spare_of([named], nodes) == {"second": 4}, "Karpenter's nodes say that they are its"


def test_what_is_not_written_of_a_cluster_is_no_label_of_its_nodes() -> None:
    (pool,) = addable(cluster(NodePool("l4", 1, BIG)), picture()).pools
    assert pool.implied == {"kubernetes.io/os": "linux"}
    (pool,) = addable(cluster(NodePool("l4", 1, BIG, {ZONE: "b"}), zone="a", region="r"), picture()).pools
    assert (pool.implied[ZONE], pool.labels[ZONE]) == ("a", "b")
    assert pool.implied["topology.kubernetes.io/region"] == "r"


def test_a_pool_that_is_held_is_told_once_whatever_else_is_not_known_of_it() -> None:
    held = NodePool("l4", 5, {}, existing=0, exact=False, held="no GPUs")
    assert addable(cluster(), picture(held)).unknown == (PoolOnHold("l4", "no GPUs"),)
    shaped = NodePool("l4", 5, BIG, existing=0, exact=False, held="no GPUs")
    assert addable(cluster(), picture(shaped)).unknown == (PoolOnHold("l4", "no GPUs"),)
    loose = NodePool("l4", 5, BIG, existing=0, exact=False)
    assert addable(cluster(), picture(loose)).unknown == (OtherNodeShapes(("l4",)),)


def test_a_declared_pool_with_one_live_form_keeps_its_name_and_no_family() -> None:
    live = NodePool("gpu/on-demand", 4, SMALL, {"karpenter.sh/nodepool": "gpu"}, existing=1, family="gpu", exact=False)
    (pool,) = addable(cluster(NodePool("gpu", 9, BIG), kind="Karpenter"), picture(live)).pools
    assert (pool.name, pool.family, pool.budget) == ("gpu", "", "gpu")
