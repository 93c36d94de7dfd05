"""What `try_gang` returns, with its reasons and amounts; what `commit` and `reserve` leave."""

from __future__ import annotations

from fractions import Fraction

import pytest

from reconciler.fleet.snapshot import Pod
from reconciler.kube_scheduler.fit import commit, reserve, reserve_pending, try_gang
from reconciler.placement.model import Verdict, verdict_of
from reconciler.reasons.gang import FitsNow, PackingNotChosen, PodsUnbound, TieBreak
from reconciler.reasons.no_fit import LargestFree
from tests.unit.kube_scheduler.gangmaking import (
    GIB,
    GPU,
    bound,
    cluster,
    gang,
    gpu_nodes,
    head,
    node,
    request,
    shape,
    submitter,
    used,
    workers,
)


def test_a_gang_takes_room_until_the_next_one_no_longer_fits() -> None:
    nodes = cluster(*gpu_nodes(4))
    train = gang(head(2000, 4), workers(2, 4000, 8, gpu=1, group="gpu-group"))
    for _ in range(2):
        fit = try_gang(nodes, train)
        assert (verdict_of(fit), fit.reason, fit.placed, fit.total) == (Verdict.FITS_NOW, "FitsNow", 3, 3)
        assert fit.why == FitsNow(3)
        nodes = commit(nodes, train, fit)
    fit = try_gang(nodes, train)
    assert verdict_of(fit) is Verdict.NO_FIT
    assert fit.reason == "InsufficientResource"
    assert fit.why == PodsUnbound(1, 3, LargestFree("worker gpu-group", request(GPU, 1), 0, nodes=4, all_nodes=4))
    assert not fit.bindings


def test_asking_changes_nothing() -> None:
    nodes = cluster(*gpu_nodes(3))
    before = nodes.free.copy(), nodes.load.copy(), nodes.added
    fit = try_gang(nodes, gang(head(), workers(2, gpu=1)))
    commit(nodes, gang(head(), workers(2, gpu=1)), fit)
    assert (nodes.free == before[0]).all()
    assert (nodes.load == before[1]).all()
    assert nodes.added == before[2]


def test_only_a_gang_that_fits_can_take_room() -> None:
    nodes = cluster(node("a"))
    with pytest.raises(ValueError, match="only a gang that fits"):
        commit(nodes, gang(workers(1, gpu=1)), try_gang(nodes, gang(workers(1, gpu=1))))


def test_the_scheduler_spreads_pods_over_the_emptiest_nodes() -> None:
    assert used(try_gang(cluster(node("a"), node("b")), gang(workers(2)))) == [{0: 1, 1: 1}]


def test_a_cluster_that_packs_takes_the_fullest_node() -> None:
    nodes = cluster(node("a"), node("b"), placed=[bound("b", shape(2000, 8))], scoring="MostAllocated")
    assert used(try_gang(nodes, gang(workers(2)))) == [{1: 2}]


def test_an_arrangement_that_the_scheduler_would_not_choose_is_no_fit_and_is_said() -> None:
    nodes = cluster(node("a", cpu=4000), node("b", cpu=4000))
    fit = try_gang(nodes, gang(workers(2, cpu=2000), workers(1, cpu=4000, group="big")))
    assert (fit.ok, fit.reason) == (False, "Fragmentation")
    short = LargestFree("worker big", request("cpu", 4000), 2000, nodes=2, all_nodes=2)
    assert fit.why == PackingNotChosen(2, 3, short)


def test_what_hangs_on_a_tie_is_not_promised() -> None:
    nodes = cluster(node("cpu", cpu=8000, gib=32), node("gpu", cpu=8000, gib=32, gpu=1))
    fit = try_gang(nodes, gang(head(4000, 8), workers(1, cpu=6000, gib=8, gpu=1)))
    assert (fit.ok, fit.reason, fit.placed) == (False, "TieBreak", 1)
    beside = (request(GPU, 1), request("memory", 8))
    short = LargestFree("worker group", request("cpu", 6000), 4000, nodes=1, all_nodes=2, beside=beside)
    assert fit.why == TieBreak(1, 2, (), short)


def test_headroom_is_kept_free_as_a_share_or_an_amount() -> None:
    share = cluster(node("a"), headroom={"cpu": Fraction(5, 100)})
    assert try_gang(share, gang(workers(1, cpu=7600))).ok
    assert not try_gang(share, gang(workers(1, cpu=7601))).ok
    amount = cluster(node("a"), headroom={"memory": 2 * GIB, "example.com/unknown": 1})
    assert try_gang(amount, gang(workers(1, gib=30))).ok
    assert not try_gang(amount, gang(workers(1, gib=31))).ok


def test_the_submitter_comes_last_and_needs_room_beside_the_others() -> None:
    order = gang(submitter(), head(3000), workers(1, 4000))
    assert try_gang(cluster(node("a")), order).ok
    nodes = cluster(node("a"), placed=[bound("a", shape(1000))])
    fit = try_gang(nodes, order)
    assert (fit.ok, fit.placed) == (False, 2)
    assert fit.why == PodsUnbound(2, 3, LargestFree("submitter", request("cpu", 500), 0, nodes=1, all_nodes=1))


def test_pods_of_another_scheduler_are_judged_with_a_note() -> None:
    fit = try_gang(cluster(node("a")), gang(workers(1, scheduler_name="volcano")))
    assert fit.ok
    assert fit.why == FitsNow(1, schedulers=("volcano",))


def test_an_empty_gang_fits_everywhere() -> None:
    assert try_gang(cluster(), gang()).ok
    assert try_gang(cluster(node("a")), gang(workers(0))).ok


def test_reservations_hold_room_for_as_many_pods_as_would_be_bound() -> None:
    nodes = cluster(*gpu_nodes(3))
    held = reserve(nodes, gang(workers(5, gpu=1)))
    assert int(held.free[held.table.rows[GPU]].sum()) == 0
    assert not try_gang(held, gang(workers(1, gpu=1))).ok
    assert try_gang(nodes, gang(workers(1, gpu=1))).ok


def test_pending_pods_come_first() -> None:
    waiting = [Pod("team", f"p{i}", shape(gpu=1)) for i in range(2)]
    held_back = Pod("team", "gated", shape(gpu=1, scheduling_gates=("quota",)))
    too_big = Pod("team", "big", shape(gpu=4))
    nodes = reserve_pending(cluster(*gpu_nodes(3)), [*waiting, held_back, too_big])
    assert try_gang(nodes, gang(workers(1, gpu=1))).ok
    assert not try_gang(nodes, gang(workers(2, gpu=1))).ok


def test_free_room_is_told_by_the_scarcest_devices() -> None:
    nodes = cluster(node("a", gpu=2), node("b", gpu=2), placed=[bound("a", shape(gpu=1))])
    assert nodes.free_share == 0.75
    assert nodes.free_of(lambda name: name == GPU) == 3
    assert cluster(node("a"), placed=[bound("a", shape(2000))]).free_share == 0.75
    assert cluster(node("a", gpu=2, unschedulable=True)).free_of(lambda name: name == GPU) == 0
