"""Properties of the fit engine on random clusters, and agreement with a plain reading of the scheduler's rules."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.fleet.snapshot import Node, Pod
from reconciler.kube_scheduler.bind import bind_pods
from reconciler.kube_scheduler.filters import tolerates
from reconciler.kube_scheduler.fit import commit, try_gang
from reconciler.kube_scheduler.packing import can_pack
from reconciler.kube_scheduler.scores import RoomScore
from reconciler.manifests.podshape import (
    HostPort,
    NodeRequirement,
    NodeTerm,
    PodShape,
    PodTerm,
    SpreadConstraint,
    Taint,
    Toleration,
)
from reconciler.ray.demand import PodSet, Role
from tests.unit.kube_scheduler.gangmaking import GIB, HOST, ZONE, bound, cluster, gang, node, pods, selects, shape

TAINTS = (
    Taint("gpu", "NoSchedule"),
    Taint("spot", "PreferNoSchedule"),
    Taint("old", "PreferNoSchedule"),
    Taint("x", "NoExecute"),
)
ZONES = ("a", "b", "c")
LIKED = NodeTerm((NodeRequirement("disk", "In", ("ssd",)),))
NEWER = NodeTerm((NodeRequirement("gen", "Gt", ("2",)),))

chances = st.integers(0, 9)


@st.composite
def nodes_and_pods(draw: Any) -> tuple[list[Node], list[Pod]]:
    nodes, placed = [], []
    for i in range(draw(st.integers(1, 7))):
        labels = {"gen": str(draw(st.integers(1, 4)))}
        if draw(chances) < 8:
            labels[ZONE] = draw(st.sampled_from(ZONES))
        if draw(st.booleans()):
            labels["disk"] = "ssd"
        one = node(
            f"n{i}",
            cpu=draw(st.sampled_from([0, 1000, 4000, 7910, 8000, 16000])),
            gib=draw(st.sampled_from([0, 4, 28.3, 32])),
            gpu=draw(st.sampled_from([0, 0, 1, 4])),
            slots=draw(st.sampled_from([1, 2, 5, 110])),
            labels=labels,
            taints=tuple(draw(st.lists(st.sampled_from(TAINTS), max_size=2, unique=True))),
            unschedulable=draw(chances) == 0,
            ready=draw(chances) > 0,
        )
        nodes.append(one)
        for j in range(draw(st.integers(0, 2))):
            placed.append(bound(one.name, draw(shapes(rules=draw(chances) < 4)), f"placed{j}"))
    return nodes, placed


@st.composite
def shapes(draw: Any, *, rules: bool) -> PodShape:
    cpu, gib = draw(st.sampled_from([0, 100, 500, 1000, 3000])), draw(st.sampled_from([0, 0.5, 1, 5.7]))
    label = draw(st.sampled_from(["web", "ray"]))
    rest: dict[str, Any] = {
        "labels": {"app": label},
        "score_cpu": cpu or 100,
        "score_memory": int(gib * GIB) or 200 << 20,
        "tolerations": tuple(
            draw(st.lists(st.sampled_from([Toleration("gpu", "Exists"), Toleration("spot", "Exists")])))
        ),
    }
    if draw(chances) < 3:
        rest["node_preferred"] = ((draw(st.integers(1, 100)), LIKED), (30, NEWER))
    if draw(chances) < 2:
        rest["node_required"] = (draw(st.sampled_from([LIKED, NEWER])),)
    if rules:
        term = PodTerm(draw(st.sampled_from([HOST, ZONE])), selects(app=draw(st.sampled_from(["web", "ray"]))))
        kind = draw(st.integers(0, 6))
        rest |= [
            {"pod_required": (term,)},
            {"pod_anti_required": (term,)},
            {"pod_preferred": ((draw(st.integers(1, 100)), term),)},
            {"pod_anti_preferred": ((draw(st.integers(1, 100)), term),)},
            {"host_ports": (HostPort(80),)},
            {"spread": tuple(draw(st.lists(spreads(), min_size=1, max_size=2)))},
            {"owner_selector": selects(app=label)},
        ][kind]
    return shape(cpu, gib, draw(st.sampled_from([0, 0, 0, 1])), **rest)


@st.composite
def spreads(draw: Any) -> SpreadConstraint:
    return SpreadConstraint(
        draw(st.sampled_from([HOST, ZONE])),
        draw(st.integers(1, 3)),
        draw(st.sampled_from(["DoNotSchedule", "ScheduleAnyway"])),
        selects(app=draw(st.sampled_from(["web", "ray"]))),
        min_domains=draw(st.integers(1, 3)),
        node_affinity_policy=draw(st.sampled_from(["Honor", "Ignore"])),
        node_taints_policy=draw(st.sampled_from(["Honor", "Ignore"])),
    )


@st.composite
def gangs(draw: Any, *, rules: bool) -> list[PodSet]:
    return [
        pods(Role.WORKER, f"g{i}", draw(st.integers(1, 6)), draw(shapes(rules=rules and draw(st.booleans()))))
        for i in range(draw(st.integers(1, 3)))
    ]


scorings = st.sampled_from(["LeastAllocated", "MostAllocated"])


@given(nodes_and_pods(), shapes(rules=True), st.integers(1, 12), scorings)
@settings(max_examples=300, deadline=None)
def test_many_pods_at_once_land_where_one_after_another_would(
    made: tuple[list[Node], list[Pod]], of: PodShape, count: int, scoring: str
) -> None:
    at_once = cluster(*made[0], placed=made[1], scoring=scoring)
    together = bind_pods(at_once, of, count)
    singly = cluster(*made[0], placed=made[1], scoring=scoring)
    separate: Counter[int] = Counter()
    for _ in range(count):
        separate.update(bind_pods(singly, of, 1))
    assert together == separate
    assert (at_once.free == singly.free).all()


@given(nodes_and_pods(), shapes(rules=False), st.integers(1, 12), scorings)
@settings(max_examples=300, deadline=None)
def test_the_choice_is_that_of_a_plain_reading_of_the_rules(
    made: tuple[list[Node], list[Pod]], of: PodShape, count: int, scoring: str
) -> None:
    placed = [pod for pod in made[1] if pod.shape == plain(pod.shape)]
    assert bind_pods(cluster(*made[0], placed=placed, scoring=scoring), of, count) == by_the_book(
        made[0], placed, of, count, scoring
    )


@given(nodes_and_pods(), gangs(rules=True))
@settings(max_examples=200, deadline=None)
def test_no_node_is_given_more_than_it_has_and_a_refused_gang_gets_nothing(
    made: tuple[list[Node], list[Pod]], sets: list[PodSet]
) -> None:
    nodes = cluster(*made[0], placed=made[1])
    fit = try_gang(nodes, gang(*sets))
    if not fit.ok:
        assert not fit.bindings
        assert fit.placed < fit.total
        assert fit.message
        return
    assert fit.placed == fit.total == sum(one.count for one in sets)
    after = commit(nodes, gang(*sets), fit)
    given_away = nodes.free - after.free
    assert (given_away >= 0).all()
    assert (after.free[given_away > 0] >= 0).all()
    for one, where in zip(sets, fit.bindings, strict=True):
        assert sum(where.nodes.values()) == one.count
    assert int(given_away[nodes.table.rows["pods"]].sum()) == fit.total


@given(nodes_and_pods(), gangs(rules=True))
@settings(max_examples=100, deadline=None)
def test_the_same_question_has_the_same_answer(made: tuple[list[Node], list[Pod]], sets: list[PodSet]) -> None:
    nodes = cluster(*made[0], placed=made[1])
    assert try_gang(nodes, gang(*sets)) == try_gang(nodes, gang(*sets)) == try_gang(nodes.copy(), gang(*sets))


@given(nodes_and_pods(), shapes(rules=False), st.integers(1, 8), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_for_equal_pods_the_order_of_nodes_decides_nothing(
    made: tuple[list[Node], list[Pod]], of: PodShape, count: int, random: Any
) -> None:
    shuffled = [*made[0]]
    random.shuffle(shuffled)
    placed = [pod for pod in made[1] if pod.shape == plain(pod.shape)]
    one_set = gang(pods(Role.WORKER, "g", count, of))
    first, second = (
        try_gang(cluster(*made[0], placed=placed), one_set),
        try_gang(cluster(*shuffled, placed=placed), one_set),
    )
    assert (first.ok, first.placed, first.never, first.reason) == (
        second.ok, second.placed, second.never, second.reason
    )  # fmt: skip


@given(nodes_and_pods(), gangs(rules=False))
@settings(max_examples=200, deadline=None)
def test_what_never_fits_does_not_fit_an_empty_cluster_either(
    made: tuple[list[Node], list[Pod]], sets: list[PodSet]
) -> None:
    fit = try_gang(cluster(*made[0], placed=made[1]), gang(*sets))
    if fit.never:
        assert not can_pack(cluster(*made[0]), sets)


@given(nodes_and_pods(), shapes(rules=False), scorings)
@settings(max_examples=200, deadline=None)
def test_a_node_scores_the_same_alone_and_among_others(
    made: tuple[list[Node], list[Pod]], of: PodShape, scoring: str
) -> None:
    nodes = cluster(*made[0], placed=made[1], scoring=scoring)
    score = RoomScore.of(nodes, of)
    among = score.many(nodes)[0]
    loads, caps = nodes.load.T.tolist(), nodes.table.alloc[:2].T.tolist()
    assert among.tolist() == [score.one(load, cap) for load, cap in zip(loads, caps, strict=True)]


def plain(of: PodShape) -> PodShape:
    """The same pod without anything to say about other pods."""
    return PodShape(
        namespace=of.namespace, labels=of.labels, requests=of.requests, score_cpu=of.score_cpu,
        score_memory=of.score_memory, tolerations=of.tolerations, node_preferred=of.node_preferred,
        node_required=of.node_required,
    )  # fmt: skip


def by_the_book(nodes: list[Node], placed: list[Pod], of: PodShape, count: int, scoring: str) -> Counter[int]:
    """kube-scheduler for pods without rules about other pods, one node at a time, written for reading."""
    standing: dict[str, list[PodShape]] = {one.name: [] for one in nodes}
    for pod in placed:
        standing[pod.node].append(pod.shape)
    chosen: Counter[int] = Counter()
    for _ in range(count):
        feasible = [one for one in nodes if book_allows(one, of) and book_has_room(one, standing[one.name], of)]
        if not feasible:
            break
        avoided = [
            sum(t.effect == "PreferNoSchedule" and not tolerates(of.tolerations, t) for t in one.taints)
            for one in feasible
        ]
        liked = [sum(weight for weight, term in of.node_preferred if book_matches(one, term)) for one in feasible]
        totals = [
            3 * (100 - 100 * avoided[i] // max(avoided) if max(avoided) else 100)
            + 2 * (100 * liked[i] // max(liked) if max(liked) else 0)
            + book_room_score(one, standing[one.name], of, scoring)
            for i, one in enumerate(feasible)
        ]
        best = feasible[totals.index(max(totals))]
        standing[best.name].append(of)
        chosen[nodes.index(best)] += 1
    return chosen


def book_allows(one: Node, of: PodShape) -> bool:
    hard = [t for t in one.taints if t.effect != "PreferNoSchedule"]
    if one.unschedulable or not one.ready or any(not tolerates(of.tolerations, t) for t in hard):
        return False
    return not of.node_required or any(book_matches(one, term) for term in of.node_required)


def book_matches(one: Node, term: NodeTerm) -> bool:
    return one.labels.get("disk") == "ssd" if term is LIKED or term == LIKED else int(one.labels["gen"]) > 2


def book_has_room(one: Node, standing: list[PodShape], of: PodShape) -> bool:
    if len(standing) >= one.allocatable["pods"]:
        return False
    return all(
        not amount or amount <= one.allocatable.get(name, 0) - sum(pod.requests.get(name, 0) for pod in standing)
        for name, amount in of.requests.items()
    )


def book_room_score(one: Node, standing: list[PodShape], of: PodShape, scoring: str) -> int:
    scores, before, after = [], [], []
    for name, field in (("cpu", "score_cpu"), ("memory", "score_memory")):
        capacity = one.allocatable[name]
        if not capacity:
            continue
        taken = sum(getattr(pod, field) for pod in standing) + getattr(of, field)
        if scoring == "LeastAllocated":
            scores.append((capacity - taken) * 100 // capacity if taken <= capacity else 0)
        else:
            scores.append(min(taken, capacity) * 100 // capacity)
        requested = sum(pod.requests.get(name, 0) for pod in standing)
        before.append(min(requested / capacity, 1))
        after.append(min((requested + of.requests.get(name, 0)) / capacity, 1))
    fit = sum(scores) // len(scores) if scores else 0
    if not of.requests.get("cpu") and not of.requests.get("memory"):
        return fit
    even = [int((1 - abs(pair[0] - pair[1]) / 2) * 100.0) if len(pair) == 2 else 100 for pair in (before, after)]
    return fit + 50 + (50 + even[1] - even[0]) // 2
