"""Pod affinity: which pods a term selects, in which namespaces, and what the terms of standing pods do to others."""

from __future__ import annotations

from typing import Any

from reconciler.fleet.snapshot import Node
from reconciler.kube_scheduler.bind import bind_pods
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.kube_scheduler.pod_affinity import namespaces_in_terms
from reconciler.manifests.podshape import PodShape, PodTerm, Taint
from tests.unit.kube_scheduler.gangmaking import HOST, ZONE, bound, cluster, node, selects, shape

RAY = {"app": "ray"}
OWN = selects(**RAY)


def in_zone(name: str, zone: str, **rest: Any) -> Node:
    return node(name, labels={ZONE: zone}, **rest)


def where(nodes: Nodes, of: PodShape, count: int) -> dict[str, int]:
    """The pods that are bound by the name of their node."""
    return {nodes.table.nodes[i].name: given for i, given in bind_pods(nodes, of, count).items()}


def test_pods_that_want_to_be_together_stay_in_the_zone_of_the_first() -> None:
    nodes = cluster(in_zone("a", "x"), in_zone("b", "x", cpu=2000), in_zone("c", "y", cpu=64_000, gib=64))
    assert where(nodes, shape(labels=RAY, pod_required=(PodTerm(ZONE, OWN),)), 40) == {"c": 40}
    full = cluster(in_zone("a", "x", cpu=3000), in_zone("b", "x", cpu=2000), in_zone("c", "y", cpu=1000))
    found = where(full, shape(labels=RAY, pod_required=(PodTerm(ZONE, OWN),)), 40)
    assert found == {"a": 3, "b": 2}, "zone y has room, but not beside the first"


def test_pods_that_keep_out_of_each_others_zone_get_one_a_zone() -> None:
    nodes = cluster(in_zone("a", "x"), in_zone("b", "x"), in_zone("c", "y"), node("nowhere"))
    found = where(nodes, shape(labels=RAY, pod_anti_required=(PodTerm(ZONE, OWN),)), 4)
    assert found["c"] == 1
    assert found.get("a", 0) + found.get("b", 0) == 1
    assert found["nowhere"] == 2, "without a zone there is nothing to keep out of"


def test_pods_that_like_each_other_gather_though_the_node_fills_up() -> None:
    near = ((100, PodTerm(HOST, OWN)),)
    nodes = cluster(node("a"), node("b"))
    assert list(where(nodes, shape(labels=RAY, pod_preferred=near), 4).values()) == [4]


def test_a_preferred_term_about_pods_that_are_elsewhere_decides_nothing() -> None:
    away = ((100, PodTerm(ZONE, selects(app="web"))),)
    nodes = cluster(node("a"), node("b"))
    assert where(nodes, shape(labels=RAY, pod_preferred=away), 2) == {"a": 1, "b": 1}


def test_standing_pods_attract_and_repel_those_that_their_terms_select() -> None:
    term = PodTerm(HOST, OWN)
    for terms, chosen in (
        ({"pod_preferred": ((100, term),)}, "b"),
        ({"pod_required": (term,)}, "b"),
        ({"pod_anti_preferred": ((100, term),)}, "a"),
    ):
        standing = bound("b", shape(100, 0.1, labels=RAY, **terms))
        nodes = cluster(node("a"), node("b"), placed=[standing])
        assert where(nodes, shape(labels=RAY), 1) == {chosen: 1}


def test_terms_of_standing_pods_about_others_change_nothing() -> None:
    web = PodTerm(HOST, selects(app="web"))
    busy = shape(1000, 1, labels=RAY, pod_anti_required=(web,), pod_preferred=((100, web),))
    nodes = cluster(node("a"), node("b"), placed=[bound("b", busy)])
    assert where(nodes, shape(labels=RAY), 1) == {"a": 1}, "the emptier one"


def test_two_terms_of_one_standing_pod_keep_off_its_host_and_its_zone() -> None:
    apart = (PodTerm(HOST, OWN), PodTerm(ZONE, OWN))
    nodes = cluster(
        in_zone("a", "x"), in_zone("b", "x"), in_zone("c", "y"), placed=[bound("a", shape(pod_anti_required=apart))]
    )
    assert where(nodes, shape(labels=RAY), 2) == {"c": 2}


def test_a_term_without_selector_selects_no_pod() -> None:
    nodes = cluster(node("a"))
    assert where(nodes, shape(labels=RAY, pod_anti_required=(PodTerm(HOST),)), 2) == {"a": 2}
    assert where(nodes, shape(labels=RAY, pod_required=(PodTerm(HOST),)), 1) == {}


def test_a_term_selects_in_the_namespaces_that_it_names() -> None:
    there = bound("a", shape(labels=RAY, namespace="other"))
    for names, allowed in (((), "a"), (("other",), "b"), (("third",), "a")):
        term = PodTerm(HOST, OWN, namespaces=names)
        nodes = cluster(node("a", cpu=64_000, gib=256), node("b"), placed=[there])
        assert where(nodes, shape(pod_anti_required=(term,)), 1) == {allowed: 1}


def test_taints_count_for_pods_that_keep_out_of_each_others_zone() -> None:
    apart = (PodTerm(ZONE, OWN),)
    soft = in_zone("a", "x", cpu=64_000, gib=256, taints=(Taint("spot", "PreferNoSchedule"),))
    nodes = cluster(soft, in_zone("b", "y"), in_zone("c", "z", taints=(Taint("gpu", "NoSchedule"),)))
    assert where(nodes, shape(labels=RAY, pod_anti_required=apart), 1) == {"b": 1}


def test_pods_with_rules_are_bound_as_far_as_nodes_pass() -> None:
    near = (PodTerm(ZONE, selects(app="web")),)
    nodes = cluster(
        in_zone("a", "x", cpu=2000), in_zone("b", "y"), placed=[bound("a", shape(100, labels={"app": "web"}))]
    )
    soft = ((1, PodTerm(HOST, OWN)),)
    assert where(nodes, shape(labels=RAY, pod_required=near, pod_preferred=soft), 5) == {"a": 1}


def test_the_namespaces_that_terms_of_standing_pods_may_select_are_known() -> None:
    plain = shape(pod_anti_required=(PodTerm(HOST, OWN),))
    named = shape(pod_preferred=((1, PodTerm(HOST, OWN, namespaces=("other",))),))
    anywhere = shape(pod_required=(PodTerm(HOST, OWN, namespace_selector=selects(team="x")),))
    assert namespaces_in_terms(cluster(node("a"))) == frozenset()
    assert namespaces_in_terms(cluster(node("a"), placed=[bound("a", plain), bound("a", named, "n")])) == frozenset(
        {"team", "other"}
    )
    assert namespaces_in_terms(cluster(node("a"), placed=[bound("a", anywhere)])) is None
