"""Objects that change their group: what runs goes on, on the cluster where it is, whatever becomes of the groups."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.placement.model import Action
from reconciler.planning.plan import Plan
from tests.cycles.regroupings import FIT, first_and_second, grouped, label, member
from tests.fleets import Fleet, config_map, decision, node, ordered, plain_clusters, policy, ray_job
from tests.tenants import tenant


def run(fleet: Fleet, name: str, cpu: int, *running: tuple[str, int]) -> None:
    """Let pods be on a cluster: RayClusters by name, with the cpu of their heads."""
    pods = tuple(
        f"{{namespace: team, name: {one}-head, node: n0, requests: {{cpu: {cpus}}}, owner: {one}, nodeType: head}}"
        for one, cpus in running
    )
    ray = tuple(f"{{kind: RayCluster, namespace: team, name: {one}, state: ready}}" for one, _ in running)
    fleet.show(name, node("n0", gpus=0, cpu=str(cpu)), pods=pods, ray=ray)


def stands(fleet: Fleet, name: str) -> list[str]:
    paths = (path.split("/") for path in sorted(fleet.files) if path.endswith(f"-{name}.yaml"))
    return [f"{parts[1]}/{parts[3]}" for parts in paths if parts[0] == "clusters"]


def changed(made: Plan, name: str) -> list[str]:
    return [draft.subject for draft in made.drafts if name in draft.subject]


def test_a_service_whose_group_is_renamed_stays_where_it_is_also_on_a_full_cluster() -> None:
    fleet = grouped(one=4, two=4)
    fleet.commit("workloads/team/code.yaml", config_map("code"))
    fleet.commit("workloads/team/big.yaml", member("big", "old", config="code"))
    fleet.cycle()
    run(fleet, "one", 4, ("big", 3))
    fleet.commit("workloads/team/big.yaml", member("big", "new", config="code"))
    made = fleet.cycle()
    assert stands(fleet, "big") == ["one/new"]
    assert stands(fleet, "code") == ["one/new"]
    assert [draft.subject for draft in made.drafts] == ["place team/new on one", "retire team/old from one"]
    left, taken = decision(made, "team", "old"), decision(made, "team", "new")
    assert (left.reason, left.message) == ("Regrouped", "RayCluster big belongs to group team/new now")
    assert taken.reason == "UpdatedInPlace"
    assert taken.message == (
        "RayCluster big belonged to group team/old until now, and stays where it is; "
        "updated on one: changed RayCluster big"
    )
    assert fleet.plan().drafts == ()


def test_a_policy_that_groups_otherwise_renames_all_groups_and_moves_none() -> None:
    fleet = grouped(one=16)
    label(fleet, a="app-a", b="app-b", c="app-c")
    fleet.cycle()
    fleet.files["policies/p.yaml"] = policy("p", ordered("one") + "\nplacement: {require: Fit}")
    made = fleet.cycle()
    assert [stands(fleet, name) for name in "abc"] == [[f"one/raycluster-{name}"] for name in "abc"]
    assert {d.reason for d in made.decisions} == {"Regrouped"}, "and no guard stops it, since nothing is removed"
    told = yaml.safe_load(fleet.files["placements/team/raycluster-a.yaml"])["status"]["message"]
    assert told == "RayCluster a belonged to group team/app-a until now, and stays where it is"
    assert fleet.plan().drafts == ()


def test_what_is_split_from_a_group_stays_beside_it() -> None:
    fleet = grouped(one=8, two=8)
    label(fleet, big="both", small="both")
    fleet.cycle()
    run(fleet, "one", 8, ("big", 3), ("small", 3))
    label(fleet, small="alone")
    made = fleet.cycle()
    assert (stands(fleet, "big"), stands(fleet, "small")) == (["one/both"], ["one/alone"])
    assert decision(made, "team", "both").message == "RayCluster small belongs to group team/alone now"
    assert changed(made, "both") == ["update team/both on one"]
    assert fleet.plan().drafts == ()


def test_what_the_new_group_asks_for_besides_waits_while_what_runs_goes_on() -> None:
    fleet = grouped(one=4, two=16)
    label(fleet, big="old")
    fleet.cycle()
    run(fleet, "one", 4, ("big", 3))
    label(fleet, big="new", more="new")
    taken = decision(fleet.cycle(), "team", "new")
    assert (stands(fleet, "big"), stands(fleet, "more")) == (["one/new"], [])
    assert (taken.action, taken.reason) == (Action.PLACE, "UpdateDoesNotFit")
    assert "; the update does not fit on one" in taken.message
    assert fleet.plan().drafts == ()


def test_what_a_group_on_another_cluster_cannot_take_stays_with_the_first_which_says_why() -> None:
    fleet = first_and_second(one=4, two=4)
    assert (stands(fleet, "a"), stands(fleet, "b")) == (["one/first"], ["two/second"])
    label(fleet, a="second")
    made = fleet.cycle()
    assert (stands(fleet, "a"), stands(fleet, "b")) == (["one/first"], ["two/second"])
    kept = decision(made, "team", "first")
    assert (kept.action, kept.reason) == (Action.KEEP, "ObjectHeldHere")
    assert "group team/second, which cannot take it over (UpdateDoesNotFit: the update does not fit" in kept.message
    assert fleet.plan().drafts == ()
    fleet.show("two", node("n0", gpus=0, cpu="8"))
    fleet.cycle(allow_removals=True)
    assert (stands(fleet, "a"), stands(fleet, "b")) == (["two/second"], ["two/second"]), "as soon as there is room"


def test_what_stays_with_a_group_that_has_more_moves_as_soon_as_there_is_room() -> None:
    fleet = grouped(one=7, two=4)
    label(fleet, a="first", d="first", b="second")
    fleet.cycle()
    label(fleet, a="second")
    for _ in range(2):
        made = fleet.cycle()
        assert (stands(fleet, "a"), stands(fleet, "d"), stands(fleet, "b")) == (
            ["one/first"],
            ["one/first"],
            ["two/second"],
        )
    assert decision(made, "team", "first").reason == "ObjectHeldHere"
    fleet.show("two", node("n0", gpus=0, cpu="8"))
    fleet.cycle(allow_removals=True)
    assert (stands(fleet, "a"), stands(fleet, "d")) == (["two/second"], ["one/first"])


def test_what_two_groups_have_stays_until_one_cluster_has_room_for_both() -> None:
    fleet = grouped(one=4, two=4)
    label(fleet, a="first", b="second")
    label(fleet, c="second", cpu=1)
    fleet.cycle()
    label(fleet, a="merged", b="merged")
    made = fleet.cycle()
    assert [stands(fleet, name) for name in "abc"] == [["one/first"], ["two/second"], ["two/second"]]
    assert decision(made, "team", "merged").reason == "HeldByAnotherGroup"
    assert {decision(made, "team", name).reason for name in ("first", "second")} == {"ObjectHeldHere"}
    assert fleet.plan().drafts == ()


@pytest.mark.parametrize("app", ["UPPER", "3"])
def test_a_label_that_is_no_group_takes_nothing_away(app: str) -> None:
    fleet = grouped(one=16)
    label(fleet, a="first")
    fleet.cycle()
    label(fleet, a=app)
    made = fleet.cycle()
    assert stands(fleet, "a") == ["one/first"]
    assert any(d.action is Action.REJECT for d in made.decisions)
    assert decision(made, "team", "first").reason == "ObjectHeldHere"


def test_an_object_that_another_group_took_is_not_kept_by_an_update_that_is_refused() -> None:
    fleet = grouped(one=8)
    label(fleet, a="two", cpu=1)
    label(fleet, b="one", c="one", cpu=2)
    fleet.cycle()
    label(fleet, b="two", cpu=2)
    label(fleet, d="one", cpu=7)
    made = fleet.cycle()
    assert [stands(fleet, name) for name in "abcd"] == [["one/two"], ["one/two"], ["one/one"], []]
    assert decision(made, "team", "one").reason == "UpdateDoesNotFit"
    assert fleet.plan().drafts == ()


def test_an_object_whose_file_cannot_be_read_stays_when_the_rest_of_its_group_goes() -> None:
    fleet = grouped(one=16)
    label(fleet, a="both", b="both")
    fleet.cycle()
    fleet.commit("workloads/team/a.yaml", b"kind: [\n")
    label(fleet, b="both", cpu=2)
    fleet.cycle()
    fleet.commit("workloads/team/b.yaml", None)
    made = fleet.cycle(allow_removals=True)
    assert stands(fleet, "a") == ["one/both"]
    assert decision(made, "team", "both").reason == "SourceUnreadable"


def test_a_job_that_is_labelled_into_a_group_that_stands_runs_once_and_stops_nobody() -> None:
    for nodes in (("one",), ("one", "two")):
        clusters = plain_clusters(**{name: (node("n0", gpus=3, cpu="16"),) for name in nodes})
        fleet = Fleet.of(clusters, {"p": policy("p", ordered(*nodes) + "\n" + FIT)})
        fleet.commit("workloads/team/a.yaml", ray_job("a", workers=1, labels="{app: blue}"))
        fleet.commit("workloads/team/b.yaml", ray_job("b", workers=1))
        fleet.cycle()
        fleet.commit("workloads/team/b.yaml", ray_job("b", workers=1, labels="{app: blue}"))
        made = fleet.cycle()
        assert stands(fleet, "b") == ["one/rayjob-b"]
        assert decision(made, "team", "rayjob-b").reason == "JobHeldHere"
        assert fleet.plan().drafts == ()


def test_a_job_that_stays_with_its_first_group_keeps_what_it_refers_to() -> None:
    fleet = Fleet.of(plain_clusters(one=(node("n0", gpus=4, cpu="16"),)), {"p": policy("p", FIT)})
    fleet.commit("workloads/team/code.yaml", config_map("code"))
    fleet.commit("workloads/team/a.yaml", ray_job("a", workers=1, labels="{app: one}", config="code"))
    fleet.commit("workloads/team/b.yaml", ray_job("b", workers=1, labels="{app: one}"))
    fleet.cycle()
    fleet.commit("workloads/team/a.yaml", ray_job("a", workers=1, labels="{app: two}", config="code"))
    fleet.cycle()
    assert (stands(fleet, "a"), stands(fleet, "code")) == (["one/one"], ["one/one"])


LABELS = st.sampled_from(["one", "two", "three", "UPPER", "''", "[", None])
"""An empty one makes a group of its own; one cannot name a group, one makes the file unreadable; None removes it."""


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from("abcd"), LABELS), min_size=1, max_size=10), st.booleans())
def test_whatever_is_relabelled_nothing_that_is_asked_for_stops_and_the_plans_come_to_rest(
    steps: list[tuple[str, str | None]], one_cluster: bool
) -> None:
    fleet = grouped(one=8) if one_cluster else grouped(one=8, two=6)
    for name, app in steps:
        before = [one for one in "abcd" if stands(fleet, one)]
        path, cpu = f"workloads/team/{name}.yaml", 1 + "abcd".index(name)
        if app is not None or path in fleet.files:
            fleet.commit(path, None if app is None else member(name, app, cpu))
        fleet.cycle(allow_removals=True)
        assert all(len(stands(fleet, one)) == 1 for one in before if f"workloads/team/{one}.yaml" in fleet.files)
        assert len(stands(fleet, name)) <= 1
    # What one group frees after another was decided on is that one's in the next cycle.
    for _ in "abc":
        fleet.cycle(allow_removals=True)
    assert fleet.plan(allow_removals=True).drafts == ()


def test_a_service_whose_group_is_renamed_stays_also_where_its_cluster_cannot_be_read() -> None:
    fleet = grouped(one=4, two=4)
    label(fleet, big="old")
    fleet.cycle()
    label(fleet, big="new")
    fleet.cycle(unreadable=("one",))
    assert stands(fleet, "big") == ["one/new"]


def test_an_object_moves_to_its_new_group_also_from_a_cluster_that_cannot_be_read() -> None:
    fleet = first_and_second(one=4, two=8)
    assert (stands(fleet, "a"), stands(fleet, "b")) == (["one/first"], ["two/second"])
    label(fleet, a="second")
    fleet.cycle(unreadable=("one",))
    assert stands(fleet, "a") == ["two/second"]


def test_what_a_tenant_uses_stays_the_same_when_a_group_of_it_is_renamed() -> None:
    fleet = grouped(one=16)
    fleet.files["policies/t.yaml"] = tenant("t", "namespaces: [team], quota: {requests: {cpu: 6}}")
    label(fleet, a="app-a", b="app-b")
    fleet.cycle()
    label(fleet, a="renamed", c="app-c")
    made = fleet.cycle()
    assert stands(fleet, "a") == ["one/renamed"]
    assert decision(made, "team", "app-c").reason == "QuotaExceeded"
    assert fleet.plan().drafts == ()
