"""Rules about other pods: affinity, anti-affinity and spread."""

from __future__ import annotations

from typing import Any

from reconciler.kube_scheduler.fit import try_gang
from reconciler.manifests.podshape import PodTerm, SpreadConstraint
from reconciler.reasons.gang import PodsUnbound
from reconciler.reasons.no_fit import PodAffinityUnmet, SpreadExceeded
from tests.unit.kube_scheduler.gangmaking import (
    HOST,
    ZONE,
    bound,
    cluster,
    gang,
    head,
    node,
    selects,
    shape,
    used,
    workers,
)


def test_pods_that_repel_each_other_count_twice() -> None:
    loving = shape(100, 0.1, pod_preferred=((100, PodTerm(HOST, selects(app="ray"))),))
    nodes = cluster(node("a"), node("b"), placed=[bound("b", loving)])
    repelled = ((60, PodTerm(HOST, selects(app="ray"))),)
    assert used(try_gang(nodes, gang(workers(2, labels={"app": "ray"})))) == [{1: 2}]
    assert used(try_gang(nodes, gang(workers(2, labels={"app": "ray"}, pod_anti_preferred=repelled)))) == [{1: 1, 0: 1}]


def test_anti_affinity_keeps_workers_on_different_hosts() -> None:
    apart: dict[str, Any] = {"labels": {"app": "ray"}, "pod_anti_required": (PodTerm(HOST, selects(app="ray")),)}
    nodes = cluster(node("a"), node("b"), node("c"))
    assert used(try_gang(nodes, gang(workers(3, **apart)))) == [{0: 1, 1: 1, 2: 1}]
    fit = try_gang(nodes, gang(workers(4, **apart)))
    assert fit.reason == "PodAffinity"
    assert fit.why == PodsUnbound(3, 4, PodAffinityUnmet("worker group", anti=True, nodes=3))


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
    assert fit.why == PodsUnbound(3, 4, SpreadExceeded("worker group", (ZONE,), nodes=1))


def test_pods_of_a_service_are_spread_by_default() -> None:
    nodes = cluster(node("a", cpu=64000, gib=256), node("b"))
    liked: dict[str, Any] = {"labels": {"app": "serve"}, "owner_selector": selects(app="serve")}
    assert used(try_gang(nodes, gang(workers(2)))) == [{0: 2}]
    assert used(try_gang(nodes, gang(workers(2, **liked)))) == [{0: 1, 1: 1}]
