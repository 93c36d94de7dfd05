"""Pods that have rules about each other: the other rules and scores count for them as well."""

from __future__ import annotations

from reconciler.kube_scheduler.bind import bind_pods
from reconciler.manifests.podshape import PodTerm, SpreadConstraint, Taint
from tests.unit.kube_scheduler.gangmaking import HOST, ZONE, cluster, node, selects, shape

RAY = {"app": "ray"}
EVEN = SpreadConstraint(ZONE, 2, "DoNotSchedule", selects(**RAY))


def test_nodes_with_a_hard_taint_are_left_out() -> None:
    closed = node("closed", labels={ZONE: "x"}, taints=(Taint("gpu", "NoSchedule"),))
    nodes = cluster(closed, node("open", labels={ZONE: "x"}))
    assert bind_pods(nodes, shape(labels=RAY, spread=(EVEN,)), 3) == {1: 3}


def test_nodes_with_a_soft_taint_come_last() -> None:
    soft = node("soft", cpu=64_000, gib=256, labels={ZONE: "x"}, taints=(Taint("spot", "PreferNoSchedule"),))
    nodes = cluster(soft, node("plain", cpu=3000, labels={ZONE: "x"}))
    assert bind_pods(nodes, shape(labels=RAY, spread=(EVEN,)), 5) == {1: 3, 0: 2}


def test_pods_are_bound_until_no_node_passes() -> None:
    nodes = cluster(node("a", cpu=2000, labels={ZONE: "x"}))
    assert bind_pods(nodes, shape(labels=RAY, spread=(EVEN,)), 5) == {0: 2}
    soft = SpreadConstraint(HOST, 1, "ScheduleAnyway", selects(**RAY))
    again = cluster(node("a", cpu=2000))
    assert bind_pods(again, shape(labels=RAY, spread=(soft,)), 5) == {0: 2}


def test_pods_that_share_no_node_and_are_spread_get_one_a_node() -> None:
    apart = (PodTerm(HOST, selects(**RAY)),)
    nodes = cluster(*(node(f"n{i}", labels={ZONE: "xy"[i % 2]}) for i in range(4)))
    found = bind_pods(nodes, shape(labels=RAY, spread=(EVEN,), pod_anti_required=apart), 9)
    assert found == {0: 1, 1: 1, 2: 1, 3: 1}
