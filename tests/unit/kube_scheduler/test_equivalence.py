"""Gangs that a cluster cannot tell apart get one answer; those that it can, their own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.kube_scheduler.equivalence import GangRequest
from reconciler.kube_scheduler.fit import try_gang
from reconciler.kube_scheduler.gang import Gang
from reconciler.manifests.podshape import PodTerm, SpreadConstraint
from reconciler.placement.fit_cache import FitCache
from tests.unit.kube_scheduler.gangmaking import HOST, bound, cluster, gang, head, node, selects, shape, workers

APART = (PodTerm(HOST, selects(app="ray")),)


def of_team(wanted: Gang, namespace: str, **labels: str) -> Gang:
    sets = [replace(s, shape=replace(s.shape, namespace=namespace, labels=labels)) for s in wanted.pod_sets]
    return replace(wanted, pod_sets=tuple(sets))


def test_names_and_labels_do_not_tell_plain_gangs_apart() -> None:
    wanted = gang(head(), workers(3))
    one, other = GangRequest.of(of_team(wanted, "a", job="x")), GangRequest.of(of_team(wanted, "b", job="y"))
    assert one.unnamed == other.unnamed
    assert one.exact != other.exact


@pytest.mark.parametrize(
    "other",
    [
        gang(head(), workers(4)),
        gang(head(), workers(3, cpu=1001)),
        gang(head(), workers(3, group="gpus")),
        gang(head(), workers(3, scheduler_name="volcano")),
        gang(head(), workers(3, node_selector={"disk": "fast"})),
        gang(workers(3), head()),
    ],
)
def test_whatever_counts_on_a_node_or_in_a_message_tells_gangs_apart(other: Gang) -> None:
    assert GangRequest.of(gang(head(), workers(3))).unnamed != GangRequest.of(other).unnamed


@pytest.mark.parametrize(
    "rule",
    [
        {"pod_anti_required": APART},
        {"pod_preferred": ((1, APART[0]),)},
        {"spread": (SpreadConstraint(HOST, 1, "DoNotSchedule", selects(app="ray")),)},
        {"owner_selector": selects(app="ray")},
    ],
)
def test_labels_count_where_a_gang_has_rules_about_other_pods(rule: dict[str, Any]) -> None:
    wanted = gang(workers(2, **rule))
    assert (
        GangRequest.of(of_team(wanted, "a", app="ray")).unnamed
        != GangRequest.of(of_team(wanted, "a", app="web")).unnamed
    )


def test_labels_count_where_a_pod_that_stands_has_rules_about_other_pods() -> None:
    hermit = bound("n0", shape(labels={"app": "hermit"}, pod_anti_required=APART))
    ground = FitCache("c", cluster(node("n0"), placed=[hermit]))
    wanted = gang(head())
    assert ground.fit(GangRequest.of(of_team(wanted, "team", app="web")))[0].ok
    assert not ground.fit(GangRequest.of(of_team(wanted, "team", app="ray")))[0].ok


def test_a_gang_like_one_that_was_asked_about_is_not_tried_again() -> None:
    ground = FitCache("c", cluster(node("n0")))
    wanted = gang(head(), workers(2))
    assert ground.fit(GangRequest.of(of_team(wanted, "a"))) is ground.fit(GangRequest.of(of_team(wanted, "b")))


def test_terms_that_mean_pods_of_other_namespaces_do_not_tell_gangs_apart() -> None:
    dns = shape(labels={"app": "dns"}, namespace="kube-system", pod_anti_required=APART)
    ground = FitCache("c", cluster(node("n0"), placed=[bound("n0", dns)]))
    wanted = gang(head())
    assert ground.fit(GangRequest.of(of_team(wanted, "a", app="ray"))) is ground.fit(
        GangRequest.of(of_team(wanted, "b", app="x"))
    )
    everywhere = replace(dns, pod_anti_required=(replace(APART[0], namespace_selector=selects()),))
    ground = FitCache("c", cluster(node("n0"), placed=[bound("n0", everywhere)]))
    assert not ground.fit(GangRequest.of(of_team(wanted, "a", app="ray")))[0].ok
    assert ground.fit(GangRequest.of(of_team(wanted, "b", app="x")))[0].ok


PodsAsked = tuple[int, int, int, bool]  # how many, millicores, GPUs, whether of Ray
SHAPES = st.tuples(st.integers(1, 3), st.sampled_from([500, 2000, 9000]), st.integers(0, 2), st.booleans())
GANGS = st.lists(SHAPES, min_size=1, max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=4), st.lists(GANGS, min_size=1, max_size=6), st.booleans())
def test_an_answer_from_memory_is_the_answer(gpus: list[int], asked: list[list[PodsAsked]], hermit: bool) -> None:
    hates = shape(labels={"app": "hermit"}, namespace="team1", pod_anti_required=APART)
    standing = [bound("n0", hates)] if hermit else []
    nodes = cluster(*(node(f"n{i}", gpu=count) for i, count in enumerate(gpus)), placed=standing)
    ground = FitCache("c", nodes)
    for number, sets in enumerate(asked):
        made = gang(*(workers(n, cpu, gpu=gpu, labels={"app": "ray" if ray else "web"}) for n, cpu, gpu, ray in sets))
        made = replace(
            made,
            pod_sets=tuple(replace(s, shape=replace(s.shape, namespace=f"team{number % 2}")) for s in made.pod_sets),
        )
        assert ground.fit(GangRequest.of(made))[0] == try_gang(nodes, made)
