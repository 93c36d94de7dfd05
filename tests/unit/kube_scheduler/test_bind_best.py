"""Pods that have no rules about each other are bound at once, where binding them one after another would bind them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.kube_scheduler.bind import bind_pods
from reconciler.manifests.podshape import PodTerm, Taint
from tests.unit.kube_scheduler.gangmaking import HOST, bound, cluster, node, selects, shape
from tests.unit.kube_scheduler.test_bind_properties import scorings

SPOT = Taint("spot", "PreferNoSchedule")


@st.composite
def clusters(draw: Any) -> dict[str, Any]:
    """Many nodes of few sizes, so that equal scores are frequent."""
    nodes, placed = [], []
    for i in range(draw(st.integers(1, 25))):
        cpu, gib = draw(st.sampled_from([(4000, 16), (8000, 32), (16_000, 32), (64_000, 256)]))
        taints = (SPOT,) if draw(st.integers(0, 9)) == 0 else ()
        nodes.append(node(f"n{i}", cpu, gib, taints=taints))
        if draw(st.booleans()):
            placed.append(bound(f"n{i}", shape(draw(st.sampled_from([500, 3000])), 2, labels={"app": "web"})))
    return {"nodes": nodes, "placed": placed, "scoring": draw(scorings)}


cores = st.sampled_from([0, 500, 1000, 3000])
sizes = st.sampled_from([0.0, 0.5, 4.0])


@given(clusters(), cores, sizes, st.integers(1, 80), st.integers(0, 12))
@settings(max_examples=200, deadline=None)
def test_many_pods_go_where_one_after_another_would(
    made: dict[str, Any], cpu: int, gib: float, count: int, before: int
) -> None:
    of = shape(cpu, gib)
    at_once, singly = (cluster(*made["nodes"], placed=made["placed"], scoring=made["scoring"]) for _ in range(2))
    for nodes in (at_once, singly):
        bind_pods(nodes.copy(), of, 1)
        bind_pods(nodes, shape(1500, 3), before)
    together = bind_pods(at_once, of, count)
    separate: Counter[int] = Counter()
    for _ in range(count):
        separate.update(bind_pods(singly, of, 1))
    assert together == separate
    assert (at_once.free == singly.free).all()
    assert (at_once.load == singly.load).all()


@given(clusters(), st.sampled_from(["web", "ray"]), st.integers(1, 30))
@settings(max_examples=200, deadline=None)
def test_pods_that_keep_off_each_other_go_where_one_after_another_would(
    made: dict[str, Any], app: str, count: int
) -> None:
    of = shape(labels={"app": "ray"}, pod_anti_required=(PodTerm(HOST, selects(app=app)),))
    at_once, singly = (cluster(*made["nodes"], placed=made["placed"], scoring=made["scoring"]) for _ in range(2))
    together = bind_pods(at_once, of, count)
    separate: Counter[int] = Counter()
    for _ in range(count):
        separate.update(bind_pods(singly, of, 1))
    assert together == separate
    if app == "ray":
        assert set(together.values()) <= {1}


def test_with_relative_scores_pods_are_bound_as_far_as_there_is_room() -> None:
    soft = node("soft", cpu=2000, taints=(SPOT,))
    assert bind_pods(cluster(soft, node("plain", cpu=3000)), shape(), 9) == {1: 3, 0: 2}


def test_with_relative_scores_pods_that_share_no_node_get_one_each() -> None:
    apart = shape(labels={"app": "ray"}, pod_anti_required=(PodTerm(HOST, selects(app="ray")),))
    nodes = cluster(node("soft", taints=(SPOT,)), node("a"), node("b"))
    assert bind_pods(nodes, apart, 9) == {0: 1, 1: 1, 2: 1}


def test_a_full_node_at_neither_extreme_leaves_the_scores_of_the_others() -> None:
    """The three have two, one and no soft taint; the middle one fills up while the best has room."""
    twice = (SPOT, Taint("old", "PreferNoSchedule"))
    nodes = cluster(
        node("twice", cpu=64_000, gib=256, taints=twice), node("once", cpu=1000, taints=(SPOT,)), node("best")
    )
    found = bind_pods(nodes, shape(), 12)
    assert found == {2: 8, 1: 1, 0: 3}


def test_many_pods_that_share_no_node_get_one_each_at_once() -> None:
    apart = shape(labels={"app": "ray"}, pod_anti_required=(PodTerm(HOST, selects(app="ray")),))
    nodes = cluster(*(node(f"n{i}") for i in range(12)))
    assert bind_pods(nodes, apart, 30) == dict.fromkeys(range(12), 1)


def test_on_full_nodes_nothing_is_bound_however_many_are_asked_for() -> None:
    nodes = cluster(node("a", cpu=500), node("b", cpu=500))
    for count in (1, 30):
        assert not bind_pods(nodes, shape(), count)
