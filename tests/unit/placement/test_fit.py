"""What `try_gang` says, and in which words; what `commit` and `reserve` leave."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from reconciler.fleet.snapshot import Node, Pod
from reconciler.kube_scheduler.bind import place
from reconciler.kube_scheduler.fit import commit, reserve, reserve_pending, try_gang
from reconciler.kube_scheduler.gang import Fit, Gang
from reconciler.manifests.podshape import (
    HostPort,
    NodeRequirement,
    NodeTerm,
    PodTerm,
    SpreadConstraint,
    Taint,
    Toleration,
)
from reconciler.placement.model import Verdict, verdict_of
from reconciler.ray.demand import Role
from tests.unit.placement.gangmaking import (
    GIB,
    GPU,
    HOST,
    ZONE,
    bound,
    cluster,
    gang,
    head,
    node,
    pods,
    selects,
    shape,
    submitter,
    workers,
)


def gpu_nodes(count: int, **rest: Any) -> list[Node]:
    return [node(f"gpu-{i}", gpu=1, **rest) for i in range(count)]


def used(fit: Fit) -> list[dict[int, int]]:
    return [dict(one.nodes) for one in fit.bindings]


def test_a_gang_takes_room_until_the_next_one_no_longer_fits() -> None:
    nodes = cluster(*gpu_nodes(4))
    train = gang(head(2000, 4), workers(2, 4000, 8, gpu=1, group="gpu-group"))
    for _ in range(2):
        fit = try_gang(nodes, train)
        assert (verdict_of(fit), fit.reason, fit.placed, fit.total) == (Verdict.FITS_NOW, "FitsNow", 3, 3)
        assert fit.message == "all 3 pods fit"
        nodes = commit(nodes, train, fit)
    fit = try_gang(nodes, train)
    assert verdict_of(fit) is Verdict.NO_FIT
    assert fit.reason == "InsufficientResource"
    assert fit.message == "1 of 3 pods fit; worker gpu-group needs nvidia.com/gpu 1, largest free 0"
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


def test_sums_are_not_room() -> None:
    nodes = cluster(*(node(f"n{i}", cpu=4000) for i in range(4)))
    fit = try_gang(nodes, gang(workers(4, cpu=3000), head(cpu=2000)))
    assert not fit.ok
    assert fit.message == "4 of 5 pods fit; head needs cpu 2, largest free 1"


def test_the_scheduler_spreads_pods_over_the_emptiest_nodes() -> None:
    assert used(try_gang(cluster(node("a"), node("b")), gang(workers(2)))) == [{0: 1, 1: 1}]


def test_a_cluster_that_packs_takes_the_fullest_node() -> None:
    nodes = cluster(node("a"), node("b"), placed=[bound("b", shape(2000, 8))], scoring="MostAllocated")
    assert used(try_gang(nodes, gang(workers(2)))) == [{1: 2}]


def test_an_arrangement_that_the_scheduler_would_not_choose_is_no_fit_and_is_said() -> None:
    nodes = cluster(node("a", cpu=4000), node("b", cpu=4000))
    fit = try_gang(nodes, gang(workers(2, cpu=2000), workers(1, cpu=4000, group="big")))
    assert (fit.ok, fit.reason) == (False, "Fragmentation")
    assert fit.message.startswith("2 of 3 pods fit; worker big needs cpu 4, largest free 2; all would fit in an arr")
    assert "retry" in fit.message


def test_what_hangs_on_a_tie_is_not_promised() -> None:
    nodes = cluster(node("cpu", cpu=8000, gib=32), node("gpu", cpu=8000, gib=32, gpu=1))
    fit = try_gang(nodes, gang(head(4000, 8), workers(1, cpu=6000, gib=8, gpu=1)))
    assert (fit.ok, fit.reason, fit.placed) == (False, "TieBreak", 1)
    assert fit.message == (
        "1 of 2 pods fit if kube-scheduler breaks a tie between equally good nodes the wrong way; "
        "worker group needs cpu 6, largest free 4 on the 1 node with nvidia.com/gpu 1 and memory 8Gi free"
    )


def test_a_pod_needs_a_slot() -> None:
    fit = try_gang(cluster(node("a", slots=2), placed=[bound("a", shape())]), gang(workers(2)))
    assert (fit.reason, fit.never) == ("TooManyPods", False)
    assert fit.message == "1 of 2 pods fit; worker group needs a pod slot, none is free"


def test_headroom_is_kept_free_as_a_share_or_an_amount() -> None:
    share = cluster(node("a"), headroom={"cpu": Fraction(5, 100)})
    assert try_gang(share, gang(workers(1, cpu=7600))).ok
    assert not try_gang(share, gang(workers(1, cpu=7601))).ok
    amount = cluster(node("a"), headroom={"memory": 2 * GIB, "example.com/unknown": 1})
    assert try_gang(amount, gang(workers(1, gib=30))).ok
    assert not try_gang(amount, gang(workers(1, gib=31))).ok


def test_a_taint_that_is_not_tolerated_is_named_where_the_room_is() -> None:
    taint = Taint(GPU, "NoSchedule", "present")
    nodes = cluster(node("cpu"), *gpu_nodes(2, taints=(taint,)))
    fit = try_gang(nodes, gang(head(), workers(1, gpu=1)))
    assert fit.never
    assert fit.reason == "InsufficientResource"
    for effect in ("NoSchedule", "NoExecute"):
        nodes = cluster(node("a", taints=(Taint("maintenance", effect),)), node("b", cpu=500))
        fit = try_gang(nodes, gang(workers(1)))
        assert not fit.ok
    tolerant = workers(1, gpu=1, tolerations=(Toleration(GPU, "Exists", effect="NoSchedule"),))
    assert try_gang(cluster(*gpu_nodes(1, taints=(taint,))), gang(tolerant)).ok


def test_a_soft_taint_only_repels() -> None:
    avoided = node("a", taints=(Taint("spot", "PreferNoSchedule"),))
    assert used(try_gang(cluster(avoided, node("b")), gang(workers(1)))) == [{1: 1}]
    assert try_gang(cluster(avoided), gang(workers(1))).ok


def test_one_soft_taint_of_two_weighs_more_than_an_empty_node() -> None:
    spot, old = Taint("spot", "PreferNoSchedule"), Taint("old", "PreferNoSchedule")
    nodes = cluster(node("a", taints=(spot,)), node("b"), node("c", taints=(spot, old)))
    nodes = commit(nodes, filling := gang(workers(1, 6900, 30, node_name="b")), try_gang(nodes, filling))
    assert used(try_gang(nodes, gang(workers(1)))) == [{1: 1}]


def test_when_the_best_liked_node_is_full_the_next_best_counts_in_full() -> None:
    best, good = (NodeTerm((NodeRequirement("disk", "In", (kind,)),)) for kind in ("nvme", "ssd"))
    nodes = cluster(
        node("nvme", slots=1, labels={"disk": "nvme"}),
        node("ssd", labels={"disk": "ssd"}),
        node("plain"),
        placed=[bound("ssd", shape(6500, 20))],
    )
    liking = workers(2, node_preferred=((100, best), (30, good)))
    assert place(nodes.copy(), liking.shape, 2) == {0: 1, 1: 1}


def test_pods_that_repel_each_other_count_twice() -> None:
    loving = shape(100, 0.1, pod_preferred=((100, PodTerm(HOST, selects(app="ray"))),))
    nodes = cluster(node("a"), node("b"), placed=[bound("b", loving)])
    repelled = ((60, PodTerm(HOST, selects(app="ray"))),)
    assert used(try_gang(nodes, gang(workers(2, labels={"app": "ray"})))) == [{1: 2}]
    assert used(try_gang(nodes, gang(workers(2, labels={"app": "ray"}, pod_anti_preferred=repelled)))) == [{1: 1, 0: 1}]


def test_cordoned_and_unready_nodes_do_not_count() -> None:
    for shut in (node("a", unschedulable=True), node("a", ready=False)):
        fit = try_gang(cluster(shut, node("b", cpu=100)), gang(workers(1)))
        assert (fit.ok, fit.reason, fit.never) == (False, "NodeUnschedulable", False)
        assert (
            fit.message
            == "0 of 1 pods fit; worker group finds room on cordoned or unready nodes only (1 of 1 node with room)"
        )
    tolerant = workers(1, tolerations=(Toleration("node.kubernetes.io/unschedulable", "Exists"),))
    assert try_gang(cluster(node("a", unschedulable=True)), gang(tolerant)).ok


def test_node_selectors_and_affinity_choose_nodes() -> None:
    nodes = cluster(node("a", labels={"disk": "ssd", "gen": "3"}), node("b"))
    assert used(try_gang(nodes, gang(workers(1, node_selector={"disk": "ssd"})))) == [{0: 1}]
    newer = NodeTerm((NodeRequirement("gen", "Gt", ("2",)),))
    assert used(try_gang(nodes, gang(workers(1, node_required=(newer,))))) == [{0: 1}]
    named = NodeTerm(fields=(NodeRequirement("metadata.name", "In", ("b",)),))
    assert used(try_gang(nodes, gang(workers(1, node_required=(named,))))) == [{1: 1}]
    fit = try_gang(nodes, gang(workers(1, node_selector={"disk": "nvme"})))
    assert fit.reason == "NodeAffinity"
    assert fit.message == "never fits: worker group selects nodes by disk=nvme, and no node or pool matches"


def test_an_empty_affinity_term_matches_no_node() -> None:
    assert not try_gang(cluster(node("a")), gang(workers(1, node_required=(NodeTerm(),)))).ok


def test_a_preferred_node_wins_over_an_emptier_one() -> None:
    nodes = cluster(node("a"), node("b", labels={"disk": "ssd"}), placed=[bound("b", shape(2000, 8))])
    liking = ((50, NodeTerm((NodeRequirement("disk", "In", ("ssd",)),))),)
    assert used(try_gang(nodes, gang(workers(1)))) == [{0: 1}]
    assert used(try_gang(nodes, gang(workers(1, node_preferred=liking)))) == [{1: 1}]


def test_a_pod_that_names_its_node_needs_room_there_only() -> None:
    nodes = cluster(node("a"), node("b", unschedulable=True))
    assert used(try_gang(nodes, gang(workers(1, node_name="b")))) == [{1: 1}]
    assert not try_gang(nodes, gang(workers(1, cpu=9000, node_name="b"))).ok


def test_anti_affinity_keeps_workers_on_different_hosts() -> None:
    apart: dict[str, Any] = {"labels": {"app": "ray"}, "pod_anti_required": (PodTerm(HOST, selects(app="ray")),)}
    nodes = cluster(node("a"), node("b"), node("c"))
    assert used(try_gang(nodes, gang(workers(3, **apart)))) == [{0: 1, 1: 1, 2: 1}]
    fit = try_gang(nodes, gang(workers(4, **apart)))
    assert fit.reason == "PodAffinity"
    assert fit.message == "3 of 4 pods fit; worker group is kept off all of 3 nodes with room by pod anti-affinity"


def test_anti_affinity_of_standing_pods_keeps_others_off() -> None:
    jealous = shape(pod_anti_required=(PodTerm(HOST, selects(app="ray")),))
    nodes = cluster(node("a"), placed=[bound("a", jealous)])
    assert try_gang(nodes, gang(workers(1))).ok
    assert not try_gang(nodes, gang(workers(1, labels={"app": "ray"}))).ok


def test_workers_that_want_to_be_near_the_head_follow_it_even_when_they_come_first() -> None:
    near = (PodTerm(ZONE, selects(role="head")),)
    nodes = cluster(node("a", labels={ZONE: "x"}), node("b", cpu=4000, labels={ZONE: "y"}))
    late_head = head(6000, labels={"role": "head"})
    for order in (
        gang(late_head, workers(2, 500, pod_required=near)),
        gang(workers(2, 500, pod_required=near), late_head),
    ):
        fit = try_gang(nodes, order)
        assert fit.ok
        assert all(set(where) == {0} for where in used(fit))


def test_hard_spread_counts_domains() -> None:
    spread = SpreadConstraint(ZONE, 1, "DoNotSchedule", selects(app="ray"))
    nodes = cluster(node("a", labels={ZONE: "x"}), node("b", cpu=1000, labels={ZONE: "y"}))
    two: dict[str, Any] = {"labels": {"app": "ray"}, "spread": (spread,)}
    assert try_gang(nodes, gang(workers(3, **two))).ok
    fit = try_gang(nodes, gang(workers(4, **two)))
    assert fit.reason == "TopologySpread"
    assert fit.message == f"3 of 4 pods fit; worker group would exceed maxSkew over {ZONE} on all of 1 node with room"


def test_pods_of_a_service_are_spread_by_default() -> None:
    nodes = cluster(node("a", cpu=64000, gib=256), node("b"))
    liked: dict[str, Any] = {"labels": {"app": "serve"}, "owner_selector": selects(app="serve")}
    assert used(try_gang(nodes, gang(workers(2)))) == [{0: 2}]
    assert used(try_gang(nodes, gang(workers(2, **liked)))) == [{0: 1, 1: 1}]


def test_two_pods_with_one_host_port_need_two_nodes() -> None:
    port: dict[str, Any] = {"host_ports": (HostPort(8265),)}
    assert used(try_gang(cluster(node("a"), node("b")), gang(workers(2, **port)))) == [{0: 1, 1: 1}]
    fit = try_gang(cluster(node("a"), placed=[bound("a", shape(**port))]), gang(workers(1, **port)))
    assert fit.reason == "HostPorts"
    assert "host port 8265" in fit.message
    other_address: dict[str, Any] = {"host_ports": (HostPort(8265, ip="10.0.0.1"),)}
    shared = cluster(node("a"), placed=[bound("a", shape(**other_address))])
    assert try_gang(shared, gang(workers(1, host_ports=(HostPort(8265, ip="10.0.0.2"),)))).ok
    assert not try_gang(shared, gang(workers(1, **port))).ok


def test_the_submitter_comes_last_and_needs_room_beside_the_others() -> None:
    order = gang(submitter(), head(3000), workers(1, 4000))
    assert try_gang(cluster(node("a")), order).ok
    nodes = cluster(node("a"), placed=[bound("a", shape(1000))])
    fit = try_gang(nodes, order)
    assert (fit.ok, fit.placed) == (False, 2)
    assert fit.message == "2 of 3 pods fit; submitter needs cpu 500m, largest free 0"


def test_resource_claims_and_gates_are_never_promised() -> None:
    nodes = cluster(node("a"))
    fit = try_gang(nodes, gang(workers(1, claims=True)))
    assert (fit.ok, fit.reason) == (False, "ResourceClaims")
    assert try_gang(nodes, Gang((workers(1),), unsized=("worker group asks for a TPU",))).reason == "ResourceClaims"
    gated = try_gang(nodes, gang(workers(1, scheduling_gates=("kueue",))))
    assert (gated.reason, gated.message) == ("SchedulingGated", "worker group is held back by scheduling gates (kueue)")


def test_pods_of_another_scheduler_are_judged_with_a_note() -> None:
    fit = try_gang(cluster(node("a")), gang(workers(1, scheduler_name="volcano")))
    assert fit.ok
    assert fit.message == "the pod fits (judged by the default scheduler's rules; the pods use volcano)"


def test_what_no_node_could_ever_hold_is_never() -> None:
    nodes = cluster(*gpu_nodes(2), placed=[bound("gpu-0", shape(7000, 8))])
    fit = try_gang(nodes, gang(workers(1, gpu=8)))
    assert verdict_of(fit) is Verdict.NEVER_FITS
    assert fit.message == ("never fits: worker group needs nvidia.com/gpu 8, the largest node that it may use has 1")
    assert verdict_of(try_gang(nodes, gang(workers(3, gpu=1)))) is Verdict.NEVER_FITS
    assert verdict_of(try_gang(nodes, gang(workers(2, 8000)))) is Verdict.NO_FIT
    assert verdict_of(try_gang(cluster(node("a", unschedulable=True)), gang(workers(1)))) is Verdict.NO_FIT


def test_two_groups_together_can_be_too_much_for_ever() -> None:
    fit = try_gang(cluster(*gpu_nodes(2)), gang(workers(2, gpu=1), workers(1, gpu=1, group="more")))
    assert fit.message == "never fits: the pods need nvidia.com/gpu 3 in all, and the cluster has 2"


def test_a_cluster_without_nodes_fits_nothing_but_may_some_day() -> None:
    fit = try_gang(cluster(), gang(workers(1)))
    assert (verdict_of(fit), fit.reason, fit.message) == (
        Verdict.NO_FIT, "NoNodes", "0 of 1 pods fit; the cluster has no nodes"
    )  # fmt: skip


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


def test_bytes_are_told_in_the_notation_of_the_request() -> None:
    nodes = cluster(node("a", gib=12), node("b", cpu=100, gib=64), placed=[bound("a", shape(100, 0.5))])
    fit = try_gang(nodes, gang(pods(Role.POD, "web", 1, shape(500, 12))))
    assert fit.message == (
        "0 of 1 pods fit; pod web needs cpu 500m, largest free 100m on the 1 node with memory 12Gi free"
    )
    nodes = cluster(node("a", gib=12), placed=[bound("a", shape(100, 0.5))])
    assert "needs memory 12Gi, largest free 11.5Gi" in try_gang(nodes, gang(workers(1, gib=12))).message


def test_free_room_is_told_by_the_scarcest_devices() -> None:
    nodes = cluster(node("a", gpu=2), node("b", gpu=2), placed=[bound("a", shape(gpu=1))])
    assert nodes.free_share == 0.75
    assert nodes.free_of(lambda name: name == GPU) == 3
    assert cluster(node("a"), placed=[bound("a", shape(2000))]).free_share == 0.75
    assert cluster(node("a", gpu=2, unschedulable=True)).free_of(lambda name: name == GPU) == 0
