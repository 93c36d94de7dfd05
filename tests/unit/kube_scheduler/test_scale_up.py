"""What an autoscaler is asked to add, and that what was promised is not promised twice."""

from __future__ import annotations

from reconciler.fleet.snapshot import Pod
from reconciler.kube_scheduler.fit import commit, reserve, reserve_pending, try_gang
from reconciler.manifests.podshape import HostPort, NodeRequirement, NodeTerm, Taint, Toleration
from reconciler.placement.model import Verdict, verdict_of
from reconciler.reasons.gang import FitsAfterScaleUp, NeverFits, NewNodesTaken, PodsUnbound
from reconciler.reasons.never_fits import TooManyForAllNodes
from reconciler.reasons.no_fit import LargestFree
from tests.unit.kube_scheduler.gangmaking import (
    GPU,
    ZONE,
    bound,
    cluster,
    gang,
    head,
    node,
    pool,
    request,
    shape,
    used,
    workers,
)

GPU_ONLY = Taint(GPU, "NoSchedule")


def test_pods_that_do_not_fit_now_get_nodes_of_a_pool() -> None:
    nodes = cluster(node("cpu"), pools=[pool("l4", 8, gpu=1)])
    fit = try_gang(nodes, gang(head(), workers(2, gpu=1)))
    assert (verdict_of(fit), fit.reason) == (Verdict.FITS_AFTER_SCALE_UP, "FitsAfterScaleUp")
    assert fit.why == FitsAfterScaleUp(3, (("l4", 2),))
    assert fit.new_nodes == {"l4": 2}
    assert used(fit) == [{0: 1}, {1: 1, 2: 1}]


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
    short = LargestFree("worker group", request(GPU, 1), 0, nodes=3, all_nodes=3)
    assert fit.why == PodsUnbound(2, 3, short, pools_used_up=True)
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
    assert fit.why == NeverFits(TooManyForAllNodes("worker group", pods=3, held=2, slots_short=True))


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
    assert fit.why == FitsAfterScaleUp(1, ())
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
    beside = (request(GPU, 1), request("memory", 1))
    short = LargestFree("worker group", request("cpu", 6000), 2000, nodes=1, all_nodes=2, beside=beside)
    assert fit.why == NewNodesTaken(1, 2, (("gpu", 1), ("cpu", 1)), short)
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


def test_a_dearer_pool_is_taken_when_the_cheaper_one_is_used_up() -> None:
    nodes = cluster(pools=[pool("dear", 4, price_per_hour=2.0), pool("cheap", 1, price_per_hour=1.0)])
    assert try_gang(nodes, gang(workers(3, 6000))).new_nodes == {"cheap": 1, "dear": 2}


def test_without_all_prices_the_order_of_the_inventory_decides() -> None:
    nodes = cluster(pools=[pool("first", 4), pool("cheap", 4, price_per_hour=0.1)])
    assert try_gang(nodes, gang(workers(1))).new_nodes == {"first": 1}
