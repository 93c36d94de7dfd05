"""The room that nodes have for a kind of pods is kept from state to state, and is what a fresh look would give."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.fleet.snapshot import Node, Pod
from reconciler.kube_scheduler.fit import commit, reserve, try_gang
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.kube_scheduler.pod_room import PodRequest, PodRoom
from reconciler.manifests.podshape import PodShape
from reconciler.ray.demand import PodSet, Role
from tests.unit.kube_scheduler.gangmaking import GIB, cluster, gang, node, pods, shape, workers
from tests.unit.kube_scheduler.test_bind_properties import gangs, nodes_and_pods, scorings, shapes


def fresh(nodes: Nodes) -> Nodes:
    """The same nodes, for which nothing was computed yet."""
    return Nodes(
        nodes.table, nodes.free, nodes.load, nodes.added, nodes.existing, nodes.autoscaler, nodes.spare,
        nodes.most_allocated,
    )  # fmt: skip


def numbers(room: PodRoom) -> tuple[list[int], list[int]]:
    return room.places.tolist(), room.scores.tolist()


@given(nodes_and_pods(), shapes(rules=False), st.lists(gangs(rules=True), max_size=4), scorings, st.data())
@settings(max_examples=150, deadline=None)
def test_the_room_on_nodes_that_changed_is_that_of_a_fresh_look(
    made: tuple[list[Node], list[Pod]], of: PodShape, gone: list[list[PodSet]], scoring: str, data: st.DataObject
) -> None:
    nodes = cluster(*made[0], placed=made[1], scoring=scoring)
    request = nodes.request(of)
    if request is None:
        return
    for sets in gone:
        if data.draw(st.booleans()):
            nodes.room(request)
        nodes = reserve(nodes, gang(*sets))
        bound = nodes.copy()
        bound.bind(of, {0: 1})
        for state in (nodes, bound):
            assert numbers(state.room(request)) == numbers(fresh(state).room(request))


@given(nodes_and_pods(), gangs(rules=True), scorings)
@settings(max_examples=150, deadline=None)
def test_a_fit_does_not_depend_on_what_was_tried_before(
    made: tuple[list[Node], list[Pod]], sets: list[PodSet], scoring: str
) -> None:
    nodes = cluster(*made[0], placed=made[1], scoring=scoring)
    for _ in range(4):
        fit = try_gang(nodes, gang(*sets))
        assert fit == try_gang(fresh(nodes), gang(*sets))
        if not fit.ok:
            return
        nodes = commit(nodes, gang(*sets), fit)


def test_nodes_from_which_a_fit_was_computed_stay_as_they_are() -> None:
    nodes = cluster(node("a"), node("b"))
    free, load = nodes.free.copy(), nodes.load.copy()
    one = gang(workers(3))
    after = commit(nodes, one, try_gang(nodes, one))
    assert (nodes.free == free).all()
    assert (nodes.load == load).all()
    assert after.free[0].sum() == free[0].sum() - 3000


def test_nodes_that_are_bound_to_directly_leave_earlier_copies_as_they_were() -> None:
    nodes = cluster(node("a"), node("b"))
    copy = nodes.copy()
    nodes.bind(shape(), {0: 1})
    assert copy.free[0].tolist() == [8000, 8000]
    assert nodes.free[0].tolist() == [7000, 8000]
    assert nodes.copy().free[0].tolist() == [7000, 8000]


def test_a_node_with_more_memory_than_a_float_holds_exactly_scores_as_any_other() -> None:
    of = shape(1000, 1)
    nodes = cluster(node("small"), node("absurd", gib=1 << 24))
    request = nodes.request(of)
    assert request == PodRequest(((2, 1), (0, 1000), (1, GIB)), (1000, GIB, 1000, GIB))
    small = cluster(node("small"))
    assert nodes.room(request).scores[0] == small.room(request).scores[0]


def test_more_pods_than_are_scored_at_first_go_to_one_node_if_it_is_the_best() -> None:
    nodes = cluster(node("large", cpu=64_000, gib=256), node("full", cpu=1000, gib=4), scoring="MostAllocated")
    one = gang(pods(Role.WORKER, "g", 40, shape(1000, 4)))
    fit = try_gang(nodes, one)
    assert fit.ok
    assert sum(fit.bindings[0].nodes.values()) == 40
    assert max(fit.bindings[0].nodes.values()) >= 39
