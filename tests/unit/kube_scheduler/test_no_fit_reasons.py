"""Why a gang does not fit, now or ever: codes and amounts."""

from __future__ import annotations

from reconciler.kube_scheduler.fit import try_gang
from reconciler.kube_scheduler.gang import Gang
from reconciler.placement.model import Verdict, verdict_of
from reconciler.ray.demand import Role
from reconciler.reasons.gang import DeviceClaims, NeverFits, PodsUnbound, SchedulingGated, UnsizedClaims
from reconciler.reasons.never_fits import LargestNode, TotalTooLarge
from reconciler.reasons.no_fit import LargestFree, NoNodes, NoPodSlot
from tests.unit.kube_scheduler.gangmaking import (
    GPU,
    bound,
    cluster,
    gang,
    gpu_nodes,
    head,
    node,
    pods,
    request,
    shape,
    submitter,
    workers,
)


def test_sums_are_not_room() -> None:
    nodes = cluster(*(node(f"n{i}", cpu=4000) for i in range(4)))
    fit = try_gang(nodes, gang(workers(4, cpu=3000), head(cpu=2000)))
    assert not fit.ok
    assert fit.why == PodsUnbound(4, 5, LargestFree("head", request("cpu", 2000), 1000, nodes=4, all_nodes=4))


def test_a_pod_needs_a_slot() -> None:
    fit = try_gang(cluster(node("a", slots=2), placed=[bound("a", shape())]), gang(workers(2)))
    assert (fit.reason, fit.never) == ("TooManyPods", False)
    assert fit.why == PodsUnbound(1, 2, NoPodSlot("worker group", nodes=1, all_nodes=1))


def test_a_submitter_that_was_not_tried_is_not_the_cause() -> None:
    nodes = cluster(node("a"), placed=[bound("a", shape(4000))])
    fit = try_gang(nodes, gang(submitter(), workers(1, cpu=6000)))
    assert fit.why == PodsUnbound(0, 2, LargestFree("worker group", request("cpu", 6000), 4000, nodes=1, all_nodes=1))


def test_resource_claims_and_gates_are_never_promised() -> None:
    nodes = cluster(node("a"))
    fit = try_gang(nodes, gang(workers(1, claims=True)))
    assert (fit.ok, fit.why) == (False, DeviceClaims("worker group"))
    unsized = try_gang(nodes, Gang((workers(1),), unsized=("worker group asks for a TPU",)))
    assert unsized.why == UnsizedClaims(("worker group asks for a TPU",))
    gated = try_gang(nodes, gang(workers(1, scheduling_gates=("kueue",))))
    assert gated.why == SchedulingGated("worker group", ("kueue",))
    assert not any(one.why.waiting_helps for one in (fit, unsized, gated))


def test_what_no_node_could_ever_hold_is_never() -> None:
    nodes = cluster(*gpu_nodes(2), placed=[bound("gpu-0", shape(7000, 8))])
    fit = try_gang(nodes, gang(workers(1, gpu=8)))
    assert verdict_of(fit) is Verdict.NEVER_FITS
    assert fit.why == NeverFits(LargestNode("worker group", request(GPU, 8), largest=1))
    assert verdict_of(try_gang(nodes, gang(workers(3, gpu=1)))) is Verdict.NEVER_FITS
    assert verdict_of(try_gang(nodes, gang(workers(2, 8000)))) is Verdict.NO_FIT
    assert verdict_of(try_gang(cluster(node("a", unschedulable=True)), gang(workers(1)))) is Verdict.NO_FIT


def test_two_groups_together_can_be_too_much_for_ever() -> None:
    fit = try_gang(cluster(*gpu_nodes(2)), gang(workers(2, gpu=1), workers(1, gpu=1, group="more")))
    assert fit.why == NeverFits(TotalTooLarge(GPU, requested=3, available=2))


def test_a_cluster_without_nodes_fits_nothing_but_may_some_day() -> None:
    fit = try_gang(cluster(), gang(workers(1)))
    assert (verdict_of(fit), fit.why) == (Verdict.NO_FIT, PodsUnbound(0, 1, NoNodes()))
    assert fit.why.waiting_helps


def test_bytes_are_told_in_the_notation_of_the_request() -> None:
    nodes = cluster(node("a", gib=12), node("b", cpu=100, gib=64), placed=[bound("a", shape(100, 0.5))])
    fit = try_gang(nodes, gang(pods(Role.POD, "web", 1, shape(500, 12))))
    assert fit.message == (
        "0 of 1 pods fit; pod web needs cpu 500m, largest free 100m on the 1 node with memory 12Gi free"
    )
    nodes = cluster(node("a", gib=12), placed=[bound("a", shape(100, 0.5))])
    assert "needs memory 12Gi, largest free 11.5Gi" in try_gang(nodes, gang(workers(1, gib=12))).message
