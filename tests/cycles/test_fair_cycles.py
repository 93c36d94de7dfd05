"""Namespaces share the decisions of a cycle, priorities stay in order, and further cycles decide on the rest."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.planning.pipeline import plan
from reconciler.planning.plan import Plan, joined
from reconciler.planning.plan_cache import PlanCache
from tests.cycles.remembering import remember
from tests.cycles.test_jobs_on_ray_clusters import attached
from tests.fleets import (
    NOW,
    Fleet,
    cluster,
    config_map,
    cpu_clusters,
    fleet_file,
    node,
    ordered,
    own_policy,
    picture,
    policy,
    ray_cluster,
    static_and_dynamic,
    where,
)

MAPS = policy("maps", ordered("static"), objects="{kinds: [ConfigMap]}")


def sharing(limit: int) -> Fleet:
    fleet = static_and_dynamic()
    fleet.files["policies/maps.yaml"] = MAPS
    fleet.files["fleet.yaml"] = fleet_file(f"limits: {{decisionsPerCycle: {limit}}}")
    return fleet


def add(fleet: Fleet, namespace: str, count: int, labels: str = "{}") -> None:
    for number in range(count):
        fleet.commit(f"workloads/{namespace}/m{number:02}.yaml", config_map(f"m{number:02}", labels=labels))


def decided(made: Plan) -> Counter[str]:
    """How many new groups of each namespace a plan decides on."""
    return Counter(one.group.namespace for one in made.decisions if one.before is None)


def cycles(fleet: Fleet) -> list[Plan]:
    """Run cycles until nothing is left over."""
    done = [fleet.cycle()]
    while done[-1].left:
        assert done[-1].drafts, "a cycle that leaves groups over decides on others"
        done.append(fleet.cycle())
    return done


def test_one_namespace_with_very_many_new_groups_keeps_no_other_waiting() -> None:
    fleet = sharing(6)
    add(fleet, "crowd", 20)
    add(fleet, "one", 1)
    add(fleet, "two", 2)
    first = fleet.cycle()
    assert decided(first) == {"crowd": 3, "one": 1, "two": 2}
    assert first.left == 17
    assert not [path for path in fleet.rendered() if "crowd" in path and "m03" in path]
    assert [decided(made) for made in cycles(fleet)] == [{"crowd": 6}, {"crowd": 6}, {"crowd": 5}]
    assert len(where(fleet)) == 23
    assert all(where(fleet).values())
    assert fleet.plan().drafts == ()


def test_as_many_as_a_cycle_holds_are_decided_on_as_if_there_were_no_limit() -> None:
    fleet = sharing(7)
    add(fleet, "crowd", 5)
    add(fleet, "one", 2)
    made = fleet.plan()
    fleet.files["fleet.yaml"] = fleet_file()
    free = fleet.plan()
    assert (made.decisions, made.drafts, made.left) == (free.decisions, free.drafts, 0)


def test_a_higher_priority_comes_first_whatever_its_namespace() -> None:
    fleet = sharing(4)
    high = f"priority: 5\n{ordered('static')}"
    fleet.files["policies/high.yaml"] = policy("high", high, objects="{labelSelectors: [{matchLabels: {rank: high}}]}")
    add(fleet, "low", 3)
    add(fleet, "high", 6, labels="{rank: high}")
    assert [decided(made) for made in cycles(fleet)] == [{"high": 4}, {"high": 2, "low": 2}, {"low": 1}]


def cores() -> Fleet:
    """A cluster of four cores, where a group of the namespace urgent comes before all others."""
    policies = {
        "urgent": own_policy("urgent", f"priority: 5\nplacement: {{require: Fit}}\n{ordered('c0')}"),
        "calm": own_policy("calm", f"placement: {{require: Fit}}\n{ordered('c0')}"),
    }
    return Fleet.of(cpu_clusters(c0=4), policies)


def test_what_waits_with_a_lower_priority_gets_nothing_before_those_that_are_left_over() -> None:
    fleet = cores()
    fleet.commit("workloads/calm/big.yaml", ray_cluster("big", cpu="4"))
    fleet.show("c0", node("n0", gpus=0, cpu="1"))
    fleet.cycle()
    assert where(fleet)["calm/raycluster-big"] == ""
    fleet.show("c0", node("n0", gpus=0, cpu="5"))
    fleet.files["fleet.yaml"] = fleet_file("limits: {decisionsPerCycle: 1}")
    for name in "abc":
        fleet.commit(f"workloads/urgent/{name}.yaml", ray_cluster(name, cpu="1"))
    first = fleet.cycle()
    assert first.left == 3
    assert "calm/raycluster-big" not in {str(one.group) for one in first.decisions}
    cycles(fleet)
    places = where(fleet)
    assert all(places[f"urgent/raycluster-{name}"] for name in "abc")
    assert places["calm/raycluster-big"] == ""


def test_an_update_of_a_lower_priority_waits_for_those_that_are_left_over() -> None:
    fleet = cores()
    fleet.commit("workloads/calm/web.yaml", ray_cluster("web", cpu="1"))
    fleet.cycle()
    rendered = dict(fleet.rendered())
    fleet.files["fleet.yaml"] = fleet_file("limits: {decisionsPerCycle: 1}")
    fleet.commit("workloads/calm/web.yaml", ray_cluster("web", cpu="2"))
    for name in "abc":
        fleet.commit(f"workloads/urgent/{name}.yaml", ray_cluster(name, cpu="1"))
    cache = PlanCache()
    first = remember(fleet, cache)
    assert first.left == 2
    assert {path: fleet.files[path] for path in rendered if "calm" in path} == {
        path: data for path, data in rendered.items() if "calm" in path
    }
    remember(fleet, cache)
    last = remember(fleet, cache)
    assert last.left == 0
    assert all(where(fleet)[f"urgent/raycluster-{name}"] for name in "abc")
    assert fleet.state().placements
    assert "UpdateDoesNotFit" in {group.reason for group in fleet.state().placements.values()}


def test_a_job_comes_with_the_raycluster_that_it_runs_on() -> None:
    fleet = sharing(1)
    fleet.files["policies/first.yaml"] = policy(
        "first", f"priority: 9\n{ordered('static')}", objects="{kinds: [RayJob]}"
    )
    fleet.commit("workloads/team/job.yaml", attached("shared"))
    fleet.commit("workloads/team/shared.yaml", ray_cluster("shared"))
    add(fleet, "crowd", 3)
    first = fleet.cycle()
    assert {str(one.group) for one in first.decisions} >= {"team/rayjob-task", "team/raycluster-shared"}
    cycles(fleet)
    assert fleet.plan().drafts == ()


def test_files_that_cannot_be_read_are_reported_in_turns_as_well() -> None:
    fleet = sharing(3)
    for namespace, count in (("crowd", 9), ("one", 1)):
        for number in range(count):
            fleet.commit(f"workloads/{namespace}/bad-{number}.yaml", b"kind: [")
    assert decided(fleet.cycle()) == {"crowd": 2, "one": 1}
    assert [decided(made) for made in cycles(fleet)] == [{"crowd": 3}, {"crowd": 3}, {"crowd": 1}]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(1, 8))
def test_nobody_waits_longer_than_for_a_fair_share(counts: list[int], limit: int) -> None:
    fleet = sharing(limit)
    for number, count in enumerate(counts):
        add(fleet, f"team{number}", count)
    first = decided(fleet.plan())
    assert sum(first.values()) == min(limit, sum(counts))
    share = limit // len(counts)
    for number, count in enumerate(counts):
        assert first[f"team{number}"] >= min(count, share)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(1, 3)), max_size=9), st.integers(1, 4))
def test_with_a_cache_and_without_the_cycles_are_the_same_and_come_to_rest(
    commits: list[tuple[str, int]], limit: int
) -> None:
    fleet = cores()
    fleet.files |= {
        "policies/any.yaml": policy("any", ordered("c0")),
        "fleet.yaml": fleet_file(f"limits: {{decisionsPerCycle: {limit}}}"),
    }
    fleet.files["inventory/c1.yaml"], fleet.files["snapshots/c1.yaml"] = (
        cluster("c1"),
        picture("c1", node("n0", gpus=0)),
    )
    for number, (namespace, cpu) in enumerate(commits):
        fleet.commit(f"workloads/{namespace}/{number}.yaml", ray_cluster(f"r{number}", cpu=str(cpu)))
    cache = PlanCache()
    while remember(fleet, cache).left:
        continue
    assert remember(fleet, cache).drafts == ()
    assert len(where(fleet)) == len(commits)


def test_two_plans_together_say_what_both_did() -> None:
    fleet = sharing(2)
    add(fleet, "crowd", 3)
    first, second = cycles(fleet)
    both = joined(first, second)
    assert [one.changed for one in both.decisions] == [True, True, True]
    assert both.drafts == (*first.drafts, *second.drafts)
    assert (both.revision, both.left) == (first.revision, 0)
    assert set(both.changes.values()) == {"add"}
    assert both.changes.keys() == first.changes.keys() | second.changes.keys()


def test_the_groups_that_are_left_are_not_decided_on_when_all_are_asked_for() -> None:
    fleet = sharing(1)
    add(fleet, "crowd", 3)
    made = plan(fleet.state(), fleet.snapshot(), NOW, all_groups=True)
    assert (made.left, decided(made)) == (0, {"crowd": 3})
