"""Spread constraints: which domains count, which pods count in them, and what is left of nodes without a domain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reconciler.fleet.snapshot import Node
from reconciler.kube_scheduler.bind import bind_pods
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.manifests.podshape import NodeRequirement, NodeTerm, PodShape, SpreadConstraint, Taint
from reconciler.manifests.selector import LabelSelector
from tests.unit.kube_scheduler.gangmaking import HOST, ZONE, bound, cluster, node, selects, shape

RAY = {"app": "ray"}
HARD, SOFT = "DoNotSchedule", "ScheduleAnyway"


def in_zone(name: str, zone: str, **rest: Any) -> Node:
    return node(name, labels={ZONE: zone}, **rest)


def spread_pods(*constraints: SpreadConstraint, **rest: Any) -> PodShape:
    return shape(labels=RAY, spread=constraints, **rest)


def where(nodes: Nodes, of: PodShape, count: int) -> dict[str, int]:
    """The pods that are bound by the name of their node."""
    return {nodes.table.nodes[i].name: given for i, given in bind_pods(nodes, of, count).items()}


def test_a_hard_spread_fills_its_domains_alternately() -> None:
    nodes = cluster(in_zone("a", "x", cpu=64_000, gib=256), in_zone("b", "y"), in_zone("c", "y"))
    found = where(nodes, spread_pods(SpreadConstraint(ZONE, 1, HARD, selects(**RAY))), 6)
    assert found["a"] == 3
    assert found["b"] + found["c"] == 3


def test_nodes_without_the_topology_key_get_no_pod_of_a_hard_spread() -> None:
    nodes = cluster(node("nowhere"), in_zone("a", "x"))
    assert where(nodes, spread_pods(SpreadConstraint(ZONE, 1, HARD, selects(**RAY))), 3) == {"a": 3}


def test_a_domain_of_tainted_nodes_limits_the_others_unless_taints_are_honoured() -> None:
    tainted = in_zone("b", "y", taints=(Taint("gpu", "NoSchedule"),))
    for policy, most in (("Ignore", 1), ("Honor", 4)):
        nodes = cluster(in_zone("a", "x"), tainted)
        constraint = SpreadConstraint(ZONE, 1, HARD, selects(**RAY), node_taints_policy=policy)
        assert where(nodes, spread_pods(constraint), 4) == {"a": most}


def test_a_domain_that_the_pods_do_not_select_limits_the_others_if_affinity_is_ignored() -> None:
    only_x = (NodeTerm((NodeRequirement(ZONE, "In", ("x",)),)),)
    for policy, most in (("Ignore", 1), ("Honor", 4)):
        nodes = cluster(in_zone("a", "x"), in_zone("b", "y"))
        constraint = SpreadConstraint(ZONE, 1, HARD, selects(**RAY), node_affinity_policy=policy)
        assert where(nodes, spread_pods(constraint, node_required=only_x), 4) == {"a": most}


def test_pods_that_do_not_count_themselves_are_limited_by_those_that_do() -> None:
    others = SpreadConstraint(ZONE, 1, HARD, selects(app="web"))
    web = shape(labels={"app": "web"})
    nodes = cluster(in_zone("a", "x"), in_zone("b", "y"), placed=[bound("a", web), bound("a", web, "more")])
    assert where(nodes, spread_pods(others), 5) == {"b": 5}, "zone x has two more than y, whatever comes"


def test_a_spread_without_selector_limits_nothing() -> None:
    nodes = cluster(in_zone("a", "x"), in_zone("b", "y", cpu=500))
    assert where(nodes, spread_pods(SpreadConstraint(ZONE, 1, HARD)), 4) == {"a": 4}


def test_an_empty_selector_counts_no_pod() -> None:
    nodes = cluster(in_zone("a", "x"), in_zone("b", "y", cpu=500), placed=[bound("a", shape(labels=RAY))])
    assert where(nodes, spread_pods(SpreadConstraint(ZONE, 1, HARD, LabelSelector(()))), 3) == {"a": 3}


def test_pods_of_other_namespaces_and_pods_that_go_do_not_count() -> None:
    placed = []
    for name in ("one", "two"):
        placed.append(bound("b", shape(100, 0.1, labels=RAY, namespace="other"), f"other-{name}"))
        placed.append(replace(bound("b", shape(100, 0.1, labels=RAY), f"leaving-{name}"), deleting=True))
    nodes = cluster(in_zone("a", "x", cpu=64_000, gib=256), in_zone("b", "y"), placed=placed)
    constraint = SpreadConstraint(ZONE, 1, HARD, selects(**RAY))
    assert where(nodes, spread_pods(constraint), 2) == {"a": 1, "b": 1}


def test_with_too_few_domains_the_emptiest_counts_as_one_without_pods() -> None:
    for least, most in ((1, 4), (2, 1)):
        nodes = cluster(in_zone("a", "x"))
        constraint = SpreadConstraint(ZONE, 1, HARD, selects(**RAY), min_domains=least)
        assert where(nodes, spread_pods(constraint), 4) == {"a": most}


def test_a_soft_spread_prefers_the_emptier_domain() -> None:
    nodes = cluster(in_zone("a", "x", cpu=64_000, gib=256), in_zone("b", "y"))
    assert where(nodes, spread_pods(SpreadConstraint(ZONE, 1, SOFT, selects(**RAY))), 2) == {"a": 1, "b": 1}


def test_a_soft_spread_over_hosts_prefers_the_emptier_host() -> None:
    nodes = cluster(node("a", cpu=64_000, gib=256), node("b"), placed=[bound("a", shape(labels=RAY))])
    assert where(nodes, spread_pods(SpreadConstraint(HOST, 1, SOFT, selects(**RAY))), 1) == {"b": 1}


def test_a_soft_spread_over_a_key_that_no_node_has_decides_nothing() -> None:
    nodes = cluster(node("a"), node("b"))
    assert sum(where(nodes, spread_pods(SpreadConstraint("rack", 1, SOFT, selects(**RAY))), 4).values()) == 4


def test_a_node_without_a_domain_scores_nothing_beside_those_that_have_one() -> None:
    nodes = cluster(node("nowhere", cpu=64_000, gib=256), in_zone("a", "x", cpu=64_000, gib=256))
    assert where(nodes, spread_pods(SpreadConstraint(ZONE, 1, SOFT, selects(**RAY))), 1) == {"a": 1}


def test_the_schedulers_own_spread_scores_nodes_without_a_zone_too() -> None:
    liked = shape(labels=RAY, owner_selector=selects(**RAY))
    nodes = cluster(node("nowhere"), in_zone("a", "x"), placed=[bound("a", shape(labels=RAY))])
    assert where(nodes, liked, 1) == {"nowhere": 1}


def test_a_node_without_one_of_two_keys_takes_pods_that_count_nowhere() -> None:
    both = (SpreadConstraint(HOST, 1, SOFT, selects(**RAY)), SpreadConstraint(ZONE, 1, SOFT, selects(**RAY)))
    nodes = cluster(node("nowhere"))
    assert where(nodes, spread_pods(*both), 3) == {"nowhere": 3}
