"""Which of several clusters that can hold a gang gets it, and what the decision says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import Place
from reconciler.fleet.inventory import Cluster, SnapshotAccess
from reconciler.fleet.snapshot import ClusterSnapshot, FleetSnapshot, Node, Pod, Unreadable
from reconciler.kube_scheduler import fit
from reconciler.manifests.identity import ObjectKey
from reconciler.placement.assumed_pods import AssumedCopy
from reconciler.placement.choose import ClusterChoice, choose_cluster
from reconciler.placement.filters import ClusterFilters
from reconciler.placement.fleet_state import FleetState
from reconciler.placement.model import Verdict
from reconciler.policy.eligibility import ClusterFacts
from reconciler.policy.model import NAME_LABEL, OrderedKey, Preference, Require, SchedulePolicy
from reconciler.ray.demand import Demand, PodSet
from reconciler.reasons.choice import Chosen, FitsAtCost, NoCapacity, NoClusters, NoEligibleCluster, Unreachable
from reconciler.reasons.gang import FitsAfterScaleUp, FitsNow, NeverFits, PodsUnbound
from reconciler.reasons.scores import (
    CapacityLeft,
    FirstByName,
    NewNodes,
    NodeCost,
    NodesAdded,
    NodesPaid,
    NodesRemovable,
    Packing,
    Utilization,
)
from reconciler.workloads.group import Group, GroupKey, Source, WorkloadObject
from tests.unit.kube_scheduler.gangmaking import GPU, bound, head, node, pool, shape, workers

HERE = Place("test.yaml")
AVAILABLE, COST, PACK, BALANCE = Preference.AVAILABLE, Preference.COST, Preference.PACK, Preference.BALANCE


@dataclass(frozen=True)
class Site:
    """One cluster of a test's fleet."""

    cluster: Cluster
    picture: ClusterSnapshot


def site(name: str, *nodes: Node, placed: Sequence[Pod] = (), pools: Sequence[Any] = (), grows: bool = False) -> Site:
    kind = "ClusterAutoscaler" if pools or grows else "None"
    made = Cluster(name, HERE, SnapshotAccess(""), {NAME_LABEL: name}, autoscaler=kind, pools=tuple(pools))
    return Site(made, ClusterSnapshot(name, 0.0, nodes, tuple(placed)))


def job(*sets: PodSet, prefer: Sequence[Preference] = (), ordered: Sequence[str] = ()) -> Group:
    keys = (OrderedKey(NAME_LABEL, tuple(ordered)),) if ordered else ()
    rules = SchedulePolicy("p", HERE, require=Require.FIT, prefer=tuple(prefer), ordered=keys)
    key = ObjectKey("ray.io/v1", "RayJob", "team", "train")
    item = WorkloadObject(key, {}, "", HERE, Demand(key, sets))
    return Group(GroupKey("team", "rayjob-train"), rules, (item,), (), Source("", 0))


def ended(*sets: PodSet) -> AssumedCopy:
    """A job that ran before: it needs no capacity, and shows what gangs are like."""
    group = job(*sets)
    return AssumedCopy(group.key, group.members, ended=True, since=0)


def chosen(group: Group, *sites: Site, known: Sequence[AssumedCopy] = ()) -> ClusterChoice:
    clusters = [one.cluster for one in sites]
    snapshot = FleetSnapshot({one.cluster.name: one.picture for one in sites}, "")
    fleet = FleetState.of(clusters, snapshot, {"z": known}, 0.0, 0.0)
    filters = ClusterFilters([ClusterFacts(one.name, one.labels) for one in clusters])
    return choose_cluster(group, filters.eligible(group), fleet)[0]


def in_turn(group: Group, times: int, *sites: Site) -> list[str]:
    """The clusters that equal groups get one after another."""
    clusters = [one.cluster for one in sites]
    fleet = FleetState.of(clusters, FleetSnapshot({s.cluster.name: s.picture for s in sites}, ""), {}, 0.0, 0.0)
    filters = ClusterFilters([ClusterFacts(one.name, one.labels) for one in clusters])
    found = []
    for _ in range(times):
        choice, fleet = choose_cluster(group, filters.eligible(group), fleet)
        found.append(choice.cluster)
    return found


def l4(price: float | None, spot: bool = False) -> Any:
    return pool("l4", 8, gpu=1, price_per_hour=price, spot=spot)


# -- the default


def test_nodes_that_are_paid_for_anyway_come_before_those_that_could_go() -> None:
    choice = chosen(job(workers(1)), site("a", node("n"), grows=True), site("b", node("n")))
    assert choice.cluster == "b"
    assert choice.why == Chosen(FitsNow(1), NodesPaid(), "a", NodesRemovable())


def test_nodes_that_are_being_added_for_others_come_before_new_ones_that_cost_nothing() -> None:
    busy = Pod("team", "waits", shape(1000, 1, 1))
    choice = chosen(
        job(workers(1, gpu=1)),
        site("a", pools=[l4(0.0)]),
        site("b", placed=[busy], pools=[pool("l4", 8, gpu=2, price_per_hour=5.0)]),
    )
    assert choice.cluster == "b"
    assert choice.why == Chosen(FitsAfterScaleUp(1, ()), NodesRemovable(), "a", NodesAdded())


def test_of_new_nodes_the_cheapest_are_taken_and_the_message_says_at_what_cost() -> None:
    choice = chosen(job(workers(2, gpu=1)), site("a", pools=[l4(1.1)]), site("b", pools=[l4(0.71, spot=True)]))
    assert choice.cluster == "b"
    cost = NodeCost((NewNodes("l4", 2, spot=True),), Decimal("1.42"))
    fit = FitsAtCost(FitsAfterScaleUp(2, (("l4", 2),)), cost)
    assert choice.why == Chosen(fit, cost, "a", NodeCost((NewNodes("l4", 2),), Decimal("2.2")))
    assert [one.cluster for one in choice.candidates] == ["b", "a"]


def test_what_counts_is_the_price_of_the_placement_not_of_a_node() -> None:
    big = pool("big", 8, cpu=64000, gib=256, gpu=8, price_per_hour=4.0)
    choice = chosen(job(workers(8, gpu=1)), site("a", pools=[l4(0.7)]), site("b", pools=[big]))
    assert choice.cluster == "b"


def test_an_unknown_price_comes_last_and_is_told() -> None:
    choice = chosen(job(workers(1, gpu=1)), site("a", pools=[l4(None)]), site("b", pools=[l4(99.0)]))
    assert choice.cluster == "b"
    unknown = NodeCost((NewNodes("l4", 1),), None, ("l4",))
    assert isinstance(choice.why, Chosen)
    assert (choice.why.runner_up, choice.why.second) == ("a", unknown)
    assert choice.candidates[1].why == FitsAtCost(FitsAfterScaleUp(1, (("l4", 1),)), unknown)


def test_small_gangs_leave_wide_nodes_to_those_that_need_them() -> None:
    wide, narrow = site("a", node("n", gpu=8)), site("b", *(node(f"n{i}", gpu=1) for i in range(8)))
    choice = chosen(job(workers(1, gpu=1)), wide, narrow)
    assert choice.cluster == "b"
    assert isinstance(choice.why, Chosen)
    assert isinstance(choice.why.best, Packing)


def test_cpu_gangs_leave_the_cpu_beside_gpus_alone() -> None:
    gpus, plain = site("a", node("n", cpu=16000, gpu=4)), site("b", node("n", cpu=64000))
    assert chosen(job(workers(3, 4000)), gpus, plain).cluster == "b"


def test_where_nothing_is_wasted_the_fuller_cluster_is_filled_up() -> None:
    half = site("b", node("n"), placed=[bound("n", shape(4000, 1))])
    choice = chosen(job(workers(1)), site("a", node("n")), half)
    assert choice.cluster == "b"
    assert isinstance(choice.why, Chosen)
    assert (choice.why.runner_up, choice.why.second) == ("a", Packing(free_share=1.0, wasted=0.0))


def test_equal_clusters_are_taken_by_name() -> None:
    choice = chosen(job(workers(1)), site("b", node("n")), site("a", node("n")), site("c", node("n")))
    assert choice.cluster == "a"
    assert choice.why == Chosen(FitsNow(1), FirstByName(3))
    assert [one.cluster for one in choice.candidates] == ["a", "b", "c"]


# -- verdict and order come first


def test_a_cluster_that_fits_now_beats_a_cheaper_one_that_must_grow() -> None:
    group = job(workers(1, gpu=1), prefer=[COST])
    assert chosen(group, site("a", pools=[l4(0.0)]), site("b", node("n", gpu=1), grows=True)).cluster == "b"


def test_the_order_of_a_policy_beats_what_it_prefers() -> None:
    group = job(workers(1, gpu=1), prefer=[COST], ordered=["dear", "cheap"])
    choice = chosen(group, site("cheap", pools=[l4(0.1)]), site("dear", pools=[l4(9.0)]))
    assert choice.cluster == "dear"
    assert choice.candidates[1].why.amounts["cost"].per_hour == Decimal("0.1")


# -- what a policy prefers


def test_available_takes_the_cluster_with_room_left_for_most_gangs_like_it() -> None:
    roomy = site("b", node("n", cpu=32000, gib=128, gpu=4))
    many_cpus = site("a", *(node(f"n{i}", cpu=64000, gpu=1) for i in range(3)))
    choice = chosen(job(head(), workers(1, gpu=1), prefer=[AVAILABLE]), many_cpus, roomy)
    assert choice.cluster == "b"
    assert choice.why == Chosen(FitsNow(2), CapacityLeft(GPU, 3.0), "a", CapacityLeft(GPU, 2.0))


def test_available_counts_only_nodes_where_the_pods_may_stand() -> None:
    fast = node("n", gpu=2, labels={"gpu": "fast"})
    elsewhere = site("a", fast, node("m", gpu=8))
    group = job(workers(1, gpu=1, node_selector={"gpu": "fast"}), prefer=[AVAILABLE])
    several = site("b", fast, node("m", gpu=1, labels={"gpu": "fast"}))
    assert chosen(group, elsewhere, several).cluster == "b"


def test_balance_takes_the_cluster_that_is_used_least_afterwards_however_small_it_is() -> None:
    large = site("a", *(node(f"n{i}") for i in range(4)), placed=[bound(f"n{i}", shape(4000, 1)) for i in range(4)])
    small = site("b", node("n"))
    assert chosen(job(workers(1), prefer=[BALANCE]), large, small).cluster == "b"
    choice = chosen(job(workers(1), prefer=[AVAILABLE]), large, small)
    assert choice.cluster == "a", "there is more room left in all, though a larger share is used"


def test_balance_looks_at_the_most_used_resource_that_the_gang_asks_for() -> None:
    no_memory = site("a", node("n", cpu=64000, gib=4))
    even = site("b", node("n", cpu=8000, gib=32))
    choice = chosen(job(workers(1, 1000, 2), prefer=[BALANCE]), no_memory, even)
    assert choice.cluster == "b"
    assert choice.why == Chosen(FitsNow(1), Utilization("cpu", 0.125), "a", Utilization("memory", 0.5))


def test_pack_learns_from_the_gangs_that_ran_before_what_room_to_keep() -> None:
    six, four = site("a", node("n", gpu=6)), site("b", node("n", gpu=4))
    group = job(workers(2, gpu=1), prefer=[PACK])
    fours = [ended(workers(1, gpu=4))] * 50
    sixes = [ended(workers(1, gpu=6))] * 50
    assert chosen(group, six, four, known=fours).cluster == "a"
    assert chosen(group, six, four, known=sixes).cluster == "b"


def test_the_list_is_tried_in_its_order_and_ties_go_on_to_the_next() -> None:
    def grows(name: str, gpus: int, price: float) -> Site:
        return site(name, pools=[pool("gpus", 8, gpu=gpus, price_per_hour=price)])

    sites = grows("a", 1, 1.0), grows("b", 2, 1.0), grows("c", 4, 2.0)
    assert chosen(job(workers(1, gpu=1), prefer=[COST, AVAILABLE]), *sites).cluster == "b"
    choice = chosen(job(workers(1, gpu=1), prefer=[AVAILABLE, COST]), *sites)
    assert [one.cluster for one in choice.candidates] == ["c", "b", "a"]


def test_what_the_list_leaves_tied_goes_by_the_default() -> None:
    owned, rented = site("b", node("n")), site("a", node("n"), grows=True)
    assert chosen(job(workers(1), prefer=[COST]), owned, rented).cluster == "b"


def test_a_gang_that_asks_for_nothing_can_be_placed_by_any_preference() -> None:
    for preference in Preference:
        choice = chosen(job(prefer=[preference]), site("a", node("n")), site("b", node("n")))
        assert choice.cluster == "a"


def test_what_comes_first_and_was_passed_over_is_counted() -> None:
    full = [site(name, node(f"{name}0", cpu=500)) for name in "abc"]
    made = chosen(job(workers(1), ordered=["a", "b", "c", "z"]), *full, site("z", node("z0")))
    assert made.cluster == "z"
    passed_over = made.why.amounts["passed_over"]
    assert (passed_over.cluster, passed_over.more) == ("a", 2)
    assert isinstance(passed_over.cause, NeverFits)
    made = chosen(job(workers(1), ordered=["a", "z"]), full[0], site("z", node("z0")))
    passed_over = made.why.amounts["passed_over"]
    assert (passed_over.cluster, passed_over.more) == ("a", 0)


def test_available_counts_the_room_of_all_that_a_gang_asks_for() -> None:
    """The head's nodes have cpu too, even where the workers may not stand on them."""
    heads = {"for": "heads"}
    sets = (head(1000, node_selector=heads), workers(1, 1000, gpu=1))

    def made(name: str, heads_cpu: int, cpu: int) -> Site:
        return site(name, node("h", heads_cpu, labels=heads), node("w", cpu, gpu=8))

    sites = made("a", 8000, 4000), made("b", 3000, 16000)
    assert chosen(job(*sets, prefer=[AVAILABLE]), *sites).cluster == "b"
    assert chosen(job(*reversed(sets), prefer=[AVAILABLE]), *sites).cluster == "b"


def test_where_nothing_can_be_placed_the_message_says_how_much_was_looked_at() -> None:
    assert chosen(job(workers(1))).why == NoClusters()
    small = [site(name, node(f"{name}0", cpu=500)) for name in "abcde"]
    waits = chosen(job(workers(1)), *small[:2])
    assert isinstance(waits.why, NoCapacity)
    assert (waits.why.code, waits.why.cluster, waits.why.clusters) == ("NeverFits", "a", 2)
    assert not waits.why.waiting_helps
    assert isinstance(waits.why.cause, NeverFits)
    assert chosen(job(workers(1)), small[0]).why.amounts["clusters"] == 1
    waits = chosen(job(workers(1), ordered=["z"]), *small[:3])
    assert isinstance(waits.why, NoEligibleCluster)
    assert [cluster for cluster, _ in waits.why.refused] == ["a", "b", "c"]


def test_clusters_that_nobody_can_read_are_not_said_to_be_full() -> None:
    sites = [site(name, node(name)) for name in ("a", "b")]
    clusters = [one.cluster for one in sites]
    snapshot = FleetSnapshot({n: Unreadable(n, "no answer", 0.0) for n in "ab"}, "")
    filters = ClusterFilters([ClusterFacts(one.name, one.labels) for one in clusters])
    group = job(workers(1))
    made, _ = choose_cluster(group, filters.eligible(group), FleetState.of(clusters, snapshot, {}, 0.0, 0.0))
    assert made.why == NoCapacity("Unreachable", "a", 2, Unreachable("no answer"))


def test_words_are_made_only_for_what_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    worded: list[int] = []

    def words(self: PodsUnbound) -> str:
        worded.append(self.bound)
        return "full"

    monkeypatch.setattr(PodsUnbound, "_words", words)
    busy = [bound("n", shape(8000, 1))]
    full = [site(name, node("n"), placed=busy) for name in "abcde"]
    made = chosen(job(workers(1)), *full, site("z", node("n")))
    assert (made.cluster, {one.verdict for one in made.candidates[1:]}) == ("z", {Verdict.NO_FIT})
    assert made.message == "the pod fits"
    assert worded == []
    assert made.candidates[1].message == "full"
    assert worded == [0]


def test_the_room_of_the_choice_is_taken() -> None:
    sites = site("a", node("n", gpu=1)), site("b", node("n", gpu=1))
    assert in_turn(job(workers(1, gpu=1), prefer=[BALANCE]), 3, *sites) == ["a", "b", ""]


# -- promises


def test_preferences_are_worked_out_only_where_there_is_a_choice_to_make(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    original = fit.commit

    def noted(nodes: Any, *rest: Any) -> Any:
        looked.append(nodes.table.nodes[0].labels["of"])
        return original(nodes, *rest)

    monkeypatch.setattr("reconciler.placement.scoring.commit", noted)
    fitting = [site(name, node("n", gpu=2, labels={"of": name})) for name in ("a", "b")]
    other_verdict = site("c", node("n", labels={"of": "c"}), pools=[l4(1.0)])
    chosen(job(workers(1, gpu=1), prefer=[PACK]), *fitting, other_verdict)
    assert looked == ["a", "b"]
    looked.clear()
    chosen(job(workers(1, gpu=1), prefer=[PACK]), fitting[0], other_verdict)
    assert looked == []


def test_gangs_that_look_the_same_are_worked_out_once_for_each_state_of_a_cluster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    count = 0
    original = fit.commit

    def counted(*given: Any) -> Any:
        nonlocal count
        count += 1
        return original(*given)

    monkeypatch.setattr("reconciler.placement.scoring.commit", counted)
    sites = [site(f"c{i}", node("n", cpu=64000, gib=256, gpu=8)) for i in range(10)]
    assert all(in_turn(job(workers(1, gpu=1), prefer=[PACK]), 5, *sites))
    assert count == 10 + 4, "all once, then only the cluster that was changed"


sizes = st.tuples(st.integers(1, 4), st.sampled_from([0, 1, 4, 8]), st.integers(0, 3), st.booleans())


@given(
    fleet=st.lists(sizes, min_size=1, max_size=5),
    prefer=st.lists(st.sampled_from(Preference), max_size=4, unique=True),
    gpus=st.sampled_from([0, 1, 2, 4]),
    shuffled=st.randoms(use_true_random=False),
)
def test_the_order_of_clusters_changes_nothing_and_the_best_verdict_always_wins(
    fleet: list[tuple[int, int, int, bool]], prefer: list[Preference], gpus: int, shuffled: Any
) -> None:
    sites = []
    for i, (count, has, busy, grows) in enumerate(fleet):
        nodes = [node(f"n{k}", gpu=has) for k in range(count)]
        placed = [bound("n0", shape(2000 * busy, 1, min(busy, has)))] if busy else []
        sites.append(site(f"c{i}", *nodes, placed=placed, pools=[l4(float(i % 2))] if grows else []))
    group = job(workers(2, gpu=gpus), prefer=prefer)
    choice = chosen(group, *sites)
    shuffled.shuffle(sites)
    assert chosen(group, *sites) == choice
    verdicts = [list(Verdict).index(one.verdict) for one in choice.candidates]
    assert verdicts == sorted(verdicts)
    assert len(verdicts) == len(fleet)
    if choice.cluster:
        assert choice.cluster == choice.candidates[0].cluster
