"""What an autoscaler is asked to add, and that what was promised is not promised twice."""

from __future__ import annotations

from reconciler.fleet.snapshot import Node, NodePool, Pod
from reconciler.kube_scheduler.fit import commit, reserve, reserve_pending, try_gang
from reconciler.manifests.podshape import HostPort, NodeRequirement, NodeTerm, Taint, Toleration
from reconciler.placement.model import Verdict, verdict_of
from tests.unit.placement.gangmaking import GPU, ZONE, bound, cluster, gang, head, node, pool, shape, workers

GPU_ONLY = Taint(GPU, "NoSchedule")


def test_pods_that_do_not_fit_now_get_nodes_of_a_pool() -> None:
    nodes = cluster(node("cpu"), pools=[pool("l4", 8, gpu=1)])
    fit = try_gang(nodes, gang(head(), workers(2, gpu=1)))
    assert (verdict_of(fit), fit.reason) == (Verdict.FITS_AFTER_SCALE_UP, "FitsAfterScaleUp")
    assert fit.message == "all 3 pods fit after adding 2 nodes of pool l4"
    assert fit.new_nodes == {"l4": 2}
    assert [dict(one.nodes) for one in fit.bindings] == [{0: 1}, {1: 1, 2: 1}]


def test_what_fits_now_adds_nothing() -> None:
    fit = try_gang(cluster(node("a"), pools=[pool("big", 8, cpu=64000)]), gang(workers(3)))
    assert verdict_of(fit) is Verdict.FITS_NOW
    assert not fit.new_nodes


def test_only_as_many_nodes_as_needed_are_added() -> None:
    nodes = cluster(pools=[pool("big", 8, cpu=16000)])
    assert try_gang(nodes, gang(head(4000), workers(10, 3000))).new_nodes == {"big": 3}


def test_a_pool_has_a_maximum_and_its_existing_nodes_count() -> None:
    owned = node("l4-1", gpu=1, labels={"pool": "l4"})
    labelled = pool("l4", 3, gpu=1, labels={"pool": "l4"})
    full = [bound("l4-1", shape(gpu=1))]
    assert try_gang(cluster(owned, placed=full, pools=[labelled]), gang(workers(2, gpu=1))).new_nodes == {"l4": 2}
    fit = try_gang(cluster(owned, placed=full, pools=[labelled]), gang(workers(3, gpu=1)))
    assert (verdict_of(fit), fit.placed) == (Verdict.NO_FIT, 2)
    assert fit.message.startswith("2 of 3 pods fit; worker group needs nvidia.com/gpu 1, largest free 0, with all that")
    assert verdict_of(try_gang(cluster(owned, pools=[labelled]), gang(workers(4, gpu=1)))) is Verdict.NEVER_FITS


def test_a_pool_without_labels_owns_the_nodes_of_its_size() -> None:
    nodes = cluster(node("l4-1", gpu=1), node("other", cpu=4000, gpu=1), pools=[pool("l4", 3, gpu=1)])
    assert nodes.spare == {"l4": 2}


def test_a_pool_whose_taints_or_labels_do_not_suit_is_passed_over() -> None:
    tainted = pool("tainted", 8, taints=(Taint("team", "NoSchedule", "a"),))
    west, east = pool("west", 8, labels={ZONE: "west"}), pool("east", 8, labels={ZONE: "east"})
    nodes = cluster(pools=[tainted, west, east])
    assert try_gang(nodes, gang(workers(1))).new_nodes == {"west": 1}
    assert try_gang(nodes, gang(workers(1, node_selector={ZONE: "east"}))).new_nodes == {"east": 1}
    tolerant = workers(1, tolerations=(Toleration("team", "Exists"),))
    assert try_gang(nodes, gang(tolerant)).new_nodes == {"tainted": 1}


def test_the_cheapest_pool_that_does_is_asked_first() -> None:
    large, small = pool("large", 8, cpu=32000, price_per_hour=1.6), pool("small", 8, price_per_hour=0.4)
    assert try_gang(cluster(pools=[large, small]), gang(workers(1))).new_nodes == {"small": 1}
    assert try_gang(cluster(pools=[large, small]), gang(workers(5, 6000))).new_nodes == {"large": 1}


def test_pods_that_take_the_same_port_get_a_node_each() -> None:
    listening = workers(3, host_ports=(HostPort(80),))
    assert try_gang(cluster(pools=[pool("p", 4)]), gang(listening)).new_nodes == {"p": 3}
    fit = try_gang(cluster(pools=[pool("p", 2)]), gang(listening))
    assert fit.message == "never fits: worker group asks for 3 pods, and all nodes together hold 2 even when empty"


def test_several_pools_work_together() -> None:
    nodes = cluster(pools=[pool("first", 1), pool("second", 4), pool("gpu", 2, gpu=1)])
    fit = try_gang(nodes, gang(head(6000), workers(2, 6000), workers(1, gpu=1, group="g")))
    assert fit.new_nodes == {"gpu": 1, "first": 1, "second": 1}


def test_the_room_of_promised_nodes_is_not_promised_twice() -> None:
    nodes = cluster(pools=[pool("l4", 2, cpu=8000, gpu=1)])
    train = gang(workers(1, 1000, gpu=1))
    fit = try_gang(nodes, train)
    nodes = commit(nodes, train, fit)
    assert (nodes.size, nodes.existing, nodes.spare) == (1, 0, {"l4": 1})
    assert int(nodes.free[nodes.table.rows[GPU]].sum()) == 0
    second = try_gang(nodes, train)
    nodes = commit(nodes, train, second)
    assert verdict_of(try_gang(nodes, train)) is Verdict.NO_FIT


def test_room_left_on_promised_nodes_is_room_after_a_scale_up_without_further_nodes() -> None:
    nodes = cluster(node("a", cpu=1000), pools=[pool("l4", 1)])
    first = gang(workers(1, 2000))
    nodes = commit(nodes, first, try_gang(nodes, first))
    fit = try_gang(nodes, first)
    assert (verdict_of(fit), fit.new_nodes) == (Verdict.FITS_AFTER_SCALE_UP, {})
    assert fit.message == "the pod fits with nodes that are being added"
    assert verdict_of(try_gang(nodes, gang(workers(1, 500)))) is Verdict.FITS_NOW


def test_waiting_and_promised_pods_use_up_the_pools() -> None:
    nodes = cluster(pools=[pool("l4", 3, gpu=1)])
    waiting = reserve_pending(nodes, [Pod("team", "p", shape(gpu=1))])
    promised = reserve(waiting, gang(workers(1, gpu=1)))
    assert try_gang(promised, gang(workers(1, gpu=1))).ok
    assert not try_gang(promised, gang(workers(2, gpu=1))).ok


def test_headroom_is_kept_on_new_nodes_too() -> None:
    nodes = cluster(pools=[pool("p", 4)], headroom={"cpu": 1000})
    assert try_gang(nodes, gang(workers(2, 7000))).new_nodes == {"p": 2}
    assert verdict_of(try_gang(nodes, gang(workers(1, 7001)))) is Verdict.NEVER_FITS


def test_pods_without_devices_leave_the_nodes_with_devices_to_others() -> None:
    nodes = cluster(pools=[pool("gpu", 2, gpu=1, taints=(GPU_ONLY,)), pool("cpu", 2)])
    easy = (Toleration(GPU, "Exists"),)
    assert try_gang(nodes, gang(head(6000, tolerations=easy))).new_nodes == {"cpu": 1}
    apart = gang(head(6000), workers(2, 6000, gpu=1, tolerations=easy))
    assert try_gang(nodes, apart).new_nodes == {"gpu": 2, "cpu": 1}


def test_easy_pods_fill_what_hard_ones_leave() -> None:
    nodes = cluster(pools=[pool("cpu", 4, price_per_hour=0.2), pool("gpu", 4, gpu=1, price_per_hour=0.9)])
    assert try_gang(nodes, gang(head(), workers(2, gpu=1))).new_nodes == {"gpu": 2}


def test_a_scale_up_counts_only_if_no_pod_can_take_anothers_new_node() -> None:
    small = [pool("gpu", 1, gpu=1), pool("cpu", 1)]
    fit = try_gang(cluster(pools=small), gang(head(6000), workers(1, 6000, gpu=1)))
    assert (verdict_of(fit), fit.reason) == (Verdict.NO_FIT, "Fragmentation")
    assert fit.message == (
        "1 of 2 pods fit even after adding 1 node of pool gpu and 1 node of pool cpu, as kube-scheduler may bind "
        "others to nodes that are meant for them; worker group needs cpu 6, largest free 2 on the 1 node with "
        "nvidia.com/gpu 1 and memory 1Gi free"
    )
    more = [pool("gpu", 2, gpu=1), pool("cpu", 1)]
    assert try_gang(cluster(pools=more), gang(head(6000), workers(1, 6000, gpu=1))).ok


def test_spot_nodes_are_for_pods_that_tolerate_their_taint() -> None:
    spot = pool("spot", 8, spot=True, price_per_hour=0.1, taints=(Taint("spot", "NoSchedule"),))
    nodes = cluster(pools=[spot, pool("owned", 8, price_per_hour=1.0)])
    assert try_gang(nodes, gang(workers(1))).new_nodes == {"owned": 1}
    assert try_gang(nodes, gang(workers(1, tolerations=(Toleration("spot", "Exists"),)))).new_nodes == {"spot": 1}


def test_labels_that_the_autoscaler_gives_count_for_selectors() -> None:
    nodes = cluster(pools=[pool("gpu", 2, implied={"karpenter.sh/nodepool": "gpu"}, labels={"team": "ml"})])
    asking = {"karpenter.sh/nodepool": "gpu", "team": "ml"}
    assert try_gang(nodes, gang(workers(1, node_selector=asking))).new_nodes == {"gpu": 1}
    assert try_gang(nodes, gang(workers(1, node_selector={"karpenter.sh/nodepool": "cpu"}))).never


def test_pools_of_one_family_share_their_maximum() -> None:
    ways = [pool(f"gpu/{zone}", 3, labels={ZONE: zone}, family="gpu") for zone in "ab"]
    nodes = cluster(pools=ways)
    both = gang(workers(2, 6000, node_selector={ZONE: "a"}, group="a"), workers(1, 6000, node_selector={ZONE: "b"}))
    fit = try_gang(nodes, both)
    assert fit.new_nodes == {"gpu/a": 2, "gpu/b": 1}
    assert commit(nodes, both, fit).spare == {"gpu": 0}
    assert try_gang(nodes, gang(workers(4, 6000))).never


def test_daemons_take_their_room_on_new_nodes_too() -> None:
    tied = NodeTerm(fields=(NodeRequirement("metadata.name", "In", ("old",)),))
    proxy = Pod("kube-system", "proxy", shape(500, node_required=(tied,)), "old", owner="proxy")
    gpu_only = NodeTerm((NodeRequirement("gpu", "Exists"),), tied.fields)
    driver = Pod("kube-system", "driver", shape(3000, node_required=(gpu_only,)), "old", owner="driver")
    nodes = cluster(node("old", cpu=4000), placed=[proxy, driver], pools=[pool("p", 4)])
    assert try_gang(nodes, gang(workers(2, 7500))).new_nodes == {"p": 2}
    one = gang(workers(1, 7000))
    assert int(commit(nodes, one, try_gang(nodes, one)).free[0, 1]) == 8000 - 7000 - 500
    fit = try_gang(nodes, gang(workers(1, 7501)))
    assert (verdict_of(fit), fit.reason) == (Verdict.NO_FIT, "InsufficientResource")
    labelled = cluster(node("old", cpu=4000), placed=[proxy, driver], pools=[pool("p", 4, labels={"gpu": "l4"})])
    assert try_gang(labelled, gang(workers(1, 4500))).ok
    assert not try_gang(labelled, gang(workers(1, 4501))).ok


def test_nothing_is_ruled_out_while_something_unknown_may_be_added() -> None:
    huge = gang(workers(1, 64000))
    assert try_gang(cluster(node("a"), pools=[pool("p", 4)]), huge).never
    fit = try_gang(cluster(node("a"), pools=[pool("p", 4)], unsure="node pool x is not known"), huge)
    assert (verdict_of(fit), fit.reason) == (Verdict.NO_FIT, "InsufficientResource")
    assert fit.message.endswith("with all that the node pools may still add; node pool x is not known")
    blind = try_gang(cluster(node("a"), unsure="Luna may add nodes"), huge)
    assert (verdict_of(blind), blind.reason) == (Verdict.NO_FIT, "UnknownPools")
    assert blind.message == "0 of 1 pods fit; worker group needs cpu 64, largest free 8; Luna may add nodes"


def test_a_dearer_pool_is_taken_when_the_cheaper_one_is_used_up() -> None:
    nodes = cluster(pools=[pool("dear", 4, price_per_hour=2.0), pool("cheap", 1, price_per_hour=1.0)])
    assert try_gang(nodes, gang(workers(3, 6000))).new_nodes == {"cheap": 1, "dear": 2}


def test_without_all_prices_the_order_of_the_inventory_decides() -> None:
    nodes = cluster(pools=[pool("first", 4), pool("cheap", 4, price_per_hour=0.1)])
    assert try_gang(nodes, gang(workers(1))).new_nodes == {"first": 1}


def test_a_pool_that_has_the_room_and_is_not_for_the_pod_is_named() -> None:
    gpu = gang(workers(1, gpu=1))
    needs = "never fits: worker group needs nvidia.com/gpu 1, the largest node that it may use has 0; "

    def why(*pools: NodePool, existing: tuple[Node, ...] = ()) -> str:
        fit = try_gang(cluster(node("cpu"), *existing, pools=pools), gpu)
        assert verdict_of(fit) is Verdict.NEVER_FITS
        return fit.message

    tainted = Taint("team", "NoSchedule", "a")
    assert why(pool("l4", 4, gpu=1, taints=(tainted,))) == (
        f"{needs}node pool l4 would do, but for its taint team=a:NoSchedule, which the pod does not tolerate"
    )
    assert why(pool("l4", 0, gpu=1)) == f"{needs}node pool l4 would do, and may add no node"
    broken = node("old", gpu=1, taints=(Taint("node.kubernetes.io/not-ready", "NoExecute"), tainted))
    assert "node old would do, but for its taint team=a:NoSchedule" in why(existing=(broken,))
    assert why(pool("small", 4, cpu=500, gpu=1, taints=(tainted,))) == needs[:-2]


def test_a_pod_that_finds_each_of_its_resources_on_another_node_is_told_the_nearest_one() -> None:
    pools = [pool("l4", 4, cpu=500, gib=0.5, gpu=1), pool("cpu", 4), pool("thin", 4, cpu=800, gpu=1)]
    fit = try_gang(cluster(pools=pools), gang(workers(1, gpu=1)))
    assert verdict_of(fit) is Verdict.NEVER_FITS
    assert fit.message == (
        "never fits: worker group needs cpu 1, memory 1Gi and nvidia.com/gpu 1, and no node that it may use has all "
        "of it: node pool thin lacks cpu (has 800m)"
    )
    few = try_gang(cluster(node("a", slots=2)), gang(workers(3)))
    assert (verdict_of(few), few.reason) == (Verdict.NEVER_FITS, "TooManyPods")
    slots = try_gang(cluster(node("a", slots=0)), gang(workers(1)))
    assert slots.message == "never fits: worker group needs a pod slot, and no node that it may use has one"
