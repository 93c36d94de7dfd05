"""Scale-ups on small random clusters: within the maxima, sure to do, and never called impossible where they are not."""

from __future__ import annotations

from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.fleet.snapshot import Node, NodePool, Pod
from reconciler.kube_scheduler.fit import commit, try_gang
from reconciler.kube_scheduler.gang import Fit
from reconciler.kube_scheduler.never_fits_reasons import why_never
from reconciler.kube_scheduler.new_nodes import with_new_nodes
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.kube_scheduler.simulate import PodBatch, bind_after
from reconciler.manifests.podshape import PodShape, Taint, Toleration
from reconciler.placement.model import Verdict, verdict_of
from reconciler.ray.demand import PodSet, Role
from tests.unit.kube_scheduler.gangmaking import GPU, ZONE, bound, cluster, gang, node, pods, pool, shape

SPOT, TEAM = Taint("spot", "NoSchedule"), Taint("team", "NoExecute", "a")
SIZES = [(2000, 8, 0), (4000, 16, 0), (8000, 32, 1), (8000, 16, 2)]


class Case(NamedTuple):
    """A cluster with what an autoscaler may add to it, and a gang."""

    nodes: list[Node]
    placed: list[Pod]
    pools: list[NodePool]
    sets: list[PodSet]

    def tried(self) -> tuple[Nodes, Fit]:
        """The cluster as it is, and what the gang gets of it."""
        before = cluster(*self.nodes, placed=self.placed, pools=self.pools)
        return before, try_gang(before, gang(*self.sets))


@st.composite
def shapes(draw: Any) -> PodShape:
    zone = draw(st.sampled_from([None, None, None, "a", "b"]))
    return shape(
        draw(st.sampled_from([500, 1000, 2000, 3000, 6000])),
        draw(st.sampled_from([1, 4, 10])),
        draw(st.sampled_from([0, 0, 1, 2])),
        tolerations=draw(st.sampled_from([(), (), (Toleration("spot", "Exists"),), (Toleration("", "Exists"),)])),
        node_selector={ZONE: zone} if zone else {},
    )


@st.composite
def cases(draw: Any) -> Case:
    nodes, placed = [], []
    for i in range(draw(st.integers(0, 2))):
        cpu, gib, gpu = draw(st.sampled_from(SIZES))
        labels = {ZONE: draw(st.sampled_from("ab"))}
        taints = draw(st.sampled_from([(), (SPOT,)]))
        nodes.append(
            node(f"n{i}", cpu, gib, gpu, labels=labels, taints=taints, unschedulable=draw(st.integers(0, 5)) == 0)
        )
        if draw(st.booleans()):
            placed.append(bound(f"n{i}", shape(draw(st.sampled_from([500, 1500])), 1)))
    prices = st.none() if draw(st.booleans()) else st.sampled_from([0.5, 1.0, 2.0])
    pools = []
    for i in range(draw(st.integers(1, 3))):
        cpu, gib, gpu = draw(st.sampled_from(SIZES))
        rest = {
            "labels": {ZONE: draw(st.sampled_from("ab")), "pool": f"p{i}"},
            "taints": draw(st.sampled_from([(), (), (SPOT,), (TEAM,)])),
            "price_per_hour": draw(prices),
            "family": draw(st.sampled_from(["", "", "shared"])),
        }
        pools.append(pool(f"p{i}", 2 if rest["family"] else draw(st.integers(0, 3)), cpu, gib, gpu, **rest))
    sets = [pods(Role.WORKER, f"g{i}", draw(st.integers(1, 3)), draw(shapes())) for i in range(draw(st.integers(1, 2)))]
    return Case(nodes, placed, pools, sets)


@st.composite
def contended(draw: Any) -> Case:
    """Heads that could take the nodes that workers need: nodes with and without devices, all about as large."""
    sizes = st.sampled_from([4000, 6000, 8000])
    labels = {"nodes": "new"}
    prices = st.none() if draw(st.booleans()) else st.sampled_from([0.5, 1.0, 2.0])
    pools = [
        pool("gpu", draw(st.integers(1, 4)), draw(sizes), gpu=draw(st.sampled_from([1, 2])), labels=labels,
             price_per_hour=draw(prices)),
        pool("cpu", draw(st.integers(0, 3)), draw(sizes), labels=labels, price_per_hour=draw(prices)),
    ]  # fmt: skip
    nodes = [node("old", draw(sizes), gpu=draw(st.sampled_from([0, 1])))] if draw(st.booleans()) else []
    cores = st.sampled_from([1000, 2000, 3000, 4000, 5000, 6000])
    sets = [
        pods(Role.HEAD, "headgroup", draw(st.integers(1, 2)), shape(draw(cores), 1)),
        pods(Role.WORKER, "gpu", draw(st.integers(1, 3)), shape(draw(cores), 1, 1)),
    ]
    return Case(nodes, [], pools if draw(st.booleans()) else pools[::-1], sets)


def after(nodes: Nodes, growth: tuple[tuple[str, int], ...]) -> Nodes:
    for name, count in growth:
        nodes = with_new_nodes(nodes, name, count)
    return nodes


@given(cases() | contended())
@settings(max_examples=500, deadline=None)
def test_no_pool_is_grown_beyond_its_maximum(made: Case) -> None:
    before, fit = made.tried()
    by_budget: dict[str, int] = {}
    for one in made.pools:
        by_budget[one.budget] = by_budget.get(one.budget, 0) + fit.new_nodes.get(one.name, 0)
    most = {one.budget: one.max_nodes for one in made.pools}
    assert all(count <= most[budget] for budget, count in by_budget.items())
    if fit.ok:
        left = commit(before, gang(*made.sets), fit)
        assert (left.free >= 0).all()
        assert left.spare == {budget: most[budget] - count for budget, count in by_budget.items()}


@given(cases() | contended())
@settings(max_examples=500, deadline=None)
def test_a_gang_that_fits_after_a_scale_up_fits_once_its_nodes_are_there(made: Case) -> None:
    before, fit = made.tried()
    if verdict_of(fit) is not Verdict.FITS_AFTER_SCALE_UP:
        return
    there = after(before, fit.growth).table.nodes
    assert verdict_of(try_gang(cluster(*there, placed=made.placed), gang(*made.sets))) is Verdict.FITS_NOW


@given(cases() | contended())
@settings(max_examples=500, deadline=None)
def test_no_node_is_added_in_vain(made: Case) -> None:
    before, fit = made.tried()
    batches = [PodBatch(one.shape, one.count) for one in made.sets]
    for name in fit.new_nodes:
        fewer = [(one, count - (one == name)) for one, count in fit.new_nodes.items() if count > (one == name)]
        there = after(before, tuple(fewer)).table.nodes
        surely = verdict_of(try_gang(cluster(*there, placed=made.placed), gang(*made.sets))) is Verdict.FITS_NOW
        assert not (surely and bind_after(before, batches, fewer).ok)


@given(cases())
@settings(max_examples=500, deadline=None)
def test_what_never_fits_has_no_arrangement_on_all_that_there_could_be(made: Case) -> None:
    nodes, placed, pools, sets = made
    if why_never(cluster(*nodes, placed=placed, pools=pools), sets) is not None:
        assert not any(arranged(sets, [*nodes, *new]) for new in all_growths(pools))


def all_growths(pools: list[NodePool]) -> list[list[Node]]:
    """Every largest set of nodes that the pools may add."""
    budgets: dict[str, list[NodePool]] = {}
    for one in pools:
        budgets.setdefault(one.budget, []).append(one)
    growths: list[list[Node]] = [[]]
    for sharing in budgets.values():
        ways: list[list[Node]] = [[]]
        for number in range(sharing[0].max_nodes):
            ways = [[*way, new_node(one, number)] for way in ways for one in sharing]
        growths = [[*growth, *way] for growth in growths for way in ways]
    return growths


def new_node(one: NodePool, number: int) -> Node:
    return Node(f"{one.name}+{number}", one.allocatable, one.labels, one.taints)


def arranged(sets: list[PodSet], nodes: list[Node]) -> bool:
    """Search, by trying everything, for a way to put all pods on empty nodes."""
    waiting = sorted((one.shape for one in sets for _ in range(one.count)), key=lambda of: -of.requests.get(GPU, 0))
    room = [dict(one.allocatable) for one in nodes]

    def place(index: int) -> bool:
        if index == len(waiting):
            return True
        of = waiting[index]
        tried = set()
        for one, free in zip(nodes, room, strict=True):
            state = (tuple(sorted(free.items())), one.labels.get(ZONE), one.taints)
            if state in tried or not may_stand(of, one):
                continue
            tried.add(state)
            if all(amount <= free.get(name, 0) for name, amount in of.requests.items()) and free["pods"]:
                for name, amount in (*of.requests.items(), ("pods", 1)):
                    free[name] -= amount
                if place(index + 1):
                    return True
                for name, amount in (*of.requests.items(), ("pods", 1)):
                    free[name] += amount
        return False

    return place(0)


def may_stand(of: PodShape, one: Node) -> bool:
    hard = [t for t in one.taints if t.effect in {"NoSchedule", "NoExecute"}]
    if any(not any(toleration.tolerates(taint) for toleration in of.tolerations) for taint in hard):
        return False
    return all(one.labels.get(key) == value for key, value in of.node_selector.items())
