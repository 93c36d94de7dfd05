"""Which nodes the filters about a node alone leave, and what soft rules about nodes change."""

from __future__ import annotations

from typing import Any

from reconciler.kube_scheduler.bind import bind_pods
from reconciler.kube_scheduler.fit import commit, try_gang
from reconciler.manifests.podshape import HostPort, NodeRequirement, NodeTerm, Taint, Toleration
from reconciler.reasons.gang import NeverFits, PodsUnbound
from reconciler.reasons.never_fits import NothingMatches
from reconciler.reasons.no_fit import HostPortsTaken, NodeChoice, NodesUnschedulable
from tests.unit.kube_scheduler.gangmaking import GPU, bound, cluster, gang, gpu_nodes, head, node, shape, used, workers


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
    assert bind_pods(nodes.copy(), liking.shape, 2) == {0: 1, 1: 1}


def test_cordoned_and_unready_nodes_do_not_count() -> None:
    for shut in (node("a", unschedulable=True), node("a", ready=False)):
        fit = try_gang(cluster(shut, node("b", cpu=100)), gang(workers(1)))
        assert (fit.ok, fit.reason, fit.never) == (False, "NodeUnschedulable", False)
        assert fit.why.amounts["cause"] == NodesUnschedulable("worker group", cordoned=1, nodes=1, all_nodes=2)
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
    assert fit.why == NeverFits(NothingMatches("worker group", NodeChoice(selector=(("disk", "nvme"),))))


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


def test_two_pods_with_one_host_port_need_two_nodes() -> None:
    port: dict[str, Any] = {"host_ports": (HostPort(8265),)}
    assert used(try_gang(cluster(node("a"), node("b")), gang(workers(2, **port)))) == [{0: 1, 1: 1}]
    fit = try_gang(cluster(node("a"), placed=[bound("a", shape(**port))]), gang(workers(1, **port)))
    assert fit.reason == "HostPorts"
    assert fit.why == PodsUnbound(0, 1, HostPortsTaken("worker group", (8265,), nodes=1))
    other_address: dict[str, Any] = {"host_ports": (HostPort(8265, ip="10.0.0.1"),)}
    shared = cluster(node("a"), placed=[bound("a", shape(**other_address))])
    assert try_gang(shared, gang(workers(1, host_ports=(HostPort(8265, ip="10.0.0.2"),)))).ok
    assert not try_gang(shared, gang(workers(1, **port))).ok
