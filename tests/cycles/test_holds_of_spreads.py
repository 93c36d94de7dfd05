"""Holds of groups that go to several clusters, in whole cycles."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.placement.model import Action, Phase, Verdict
from reconciler.workloads.cluster_copy import ClusterCopy
from tests.cycles.queues import (
    HOUR,
    MINUTE,
    end,
    fleet_of,
    gang_behind,
    minutes_until_placed,
    of,
    placed,
    reserved_for,
    submit,
)
from tests.cycles.spreads import DUPLICATE, deployed, deployment, split, standing
from tests.fleets import NOW, Fleet, cluster, decision, fleet_file, named, own_policy, ray_job
from tests.tenants import quota, tenant


def spread_over(fleet: Fleet, spec: str) -> None:
    """Groups of the namespace `big` are spread as `spec` says."""
    fleet.files["policies/big.yaml"] = own_policy("big", f"placement: {{require: Fit}}\n{spec}")


def divided(*sizes: int, spec: str = "spreadConstraints: {spreadMode: Divide}", fairness: str = "") -> Fleet:
    """Clusters as in `fleet_of`; what comes from the namespace `big` is divided."""
    fleet = fleet_of(*sizes, fairness=fairness)
    spread_over(fleet, spec)
    return fleet


def waiting_division(fleet: Fleet, workers: int = 8) -> None:
    """Two small jobs stand on c0, nothing on c1, and a divided gang that needs nearly all of both waits since NOW."""
    made = gang_behind(fleet, "small-a", "small-b", workers=workers)
    assert of(made, "big") == (Phase.PENDING, Verdict.NO_FIT)
    assert set(standing(fleet, "small-a", "rayjob-train")) == set(standing(fleet, "small-b", "rayjob-train")) == {"c0"}


def test_without_a_hold_small_jobs_starve_a_divided_gang() -> None:
    fleet = divided(2, 2, fairness="{holdAfter: 1000h}")
    assert minutes_until_placed(fleet, room=4, workers=4, limit=40) is None


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 3), st.integers(1, 3))
def test_a_divided_gang_is_placed_though_small_jobs_keep_coming(one: int, other: int) -> None:
    fleet = divided(one, other, fairness="{holdAfter: 10m, holdFor: 1h}")
    room, workers = one + other, 2 * min(one, other)
    assert minutes_until_placed(fleet, room=room, workers=workers, limit=15 + 2 * room) is not None


def test_the_shares_of_a_division_are_held_on_all_their_clusters_and_all_are_told() -> None:
    fleet = divided(4, 4)
    waiting_division(fleet)
    submit(fleet, "late")
    made = fleet.cycle(now=NOW + 10 * MINUTE)
    big, late = decision(made, "big", "rayjob-train"), decision(made, "late", "rayjob-train")
    assert reserved_for(made, "big") == ("c0", "c1")
    assert "Capacity is reserved for it until 2027-01-15 10:10 UTC on c0, c1" in big.message
    assert (late.phase, late.reason) == (Phase.PENDING, "HeldForOlder")
    assert {c.cluster: c.reason for c in late.candidates} == {"c0": "HeldForOlder", "c1": "HeldForOlder"}
    end(fleet, "small-a")
    assert placed(fleet.cycle(now=NOW + 11 * MINUTE)) == []
    end(fleet, "small-b")
    made = fleet.cycle(now=NOW + 12 * MINUTE)
    assert placed(made) == ["big"]
    assert set(standing(fleet, "big", "rayjob-train")) == {"c0", "c1"}


def test_a_share_that_fits_now_keeps_just_the_room_that_it_fits_in() -> None:
    fleet = divided(4, 5)
    waiting_division(fleet)
    for number in range(2):
        submit(fleet, f"late{number}")
    made = fleet.cycle(now=NOW + 10 * MINUTE)
    assert placed(made) == ["late0"], "c1 has one node more than the share needs"
    assert set(standing(fleet, "late0", "rayjob-train")) == {"c1"}
    assert of(made, "late1")[1] == "HeldForOlder"


def test_the_hold_of_a_division_lapses_for_as_long_as_it_lasted() -> None:
    fleet = divided(4, 4, fairness="{holdAfter: 10m, holdFor: 30m}")
    waiting_division(fleet)
    submit(fleet, "late")
    assert of(fleet.cycle(now=NOW + 39 * MINUTE), "late")[1] == "HeldForOlder"
    assert of(fleet.cycle(now=NOW + 40 * MINUTE), "late")[0] is Phase.PLACED
    submit(fleet, "later")
    assert of(fleet.cycle(now=NOW + 70 * MINUTE), "later")[1] == "HeldForOlder"


@pytest.mark.parametrize(
    ("sizes", "spec", "reason"),
    [
        ((4, 3), "spreadConstraints: {spreadMode: Divide}", "NeverFits"),
        ((4, 4), split(c0=50, c1=25, elsewhere=25), "NoEligibleCluster"),
    ],
)
def test_nothing_is_held_for_a_division_that_more_room_would_not_help(
    sizes: tuple[int, ...], spec: str, reason: str
) -> None:
    fleet = divided(*sizes, spec=spec)
    assert of(gang_behind(fleet, "small-a", workers=8), "big") == (Phase.PENDING, reason)
    submit(fleet, "late")
    made = fleet.cycle(now=NOW + 10 * MINUTE)
    assert reserved_for(made, "big") == ()
    assert of(made, "late")[0] is Phase.PLACED


def test_nothing_is_held_while_one_share_has_a_cluster_that_does_not_answer() -> None:
    fleet = divided(4, 4)
    waiting_division(fleet)
    submit(fleet, "late")
    made = fleet.cycle(now=NOW + 10 * MINUTE, unreadable=("c1",))
    assert reserved_for(made, "big") == ()
    assert of(made, "late")[0] is Phase.PLACED


def test_a_share_whose_cluster_is_held_for_an_older_gang_waits_for_its_own_turn() -> None:
    fleet = divided(4, 4)
    waiting_division(fleet)
    older = f"priority: 1\nplacement: {{require: Fit}}\nclusterSelector: {named('c0')}"
    fleet.files["policies/older.yaml"] = own_policy("older", older)
    submit(fleet, "older", workers=4)
    fleet.cycle(now=NOW)
    made = fleet.plan(now=NOW + 10 * MINUTE)
    assert reserved_for(made, "older") == ("c0",)
    assert reserved_for(made, "big") == ()


def test_a_share_takes_another_cluster_of_its_domain_in_each_hold() -> None:
    fleet = fleet_of(4, 4, 4)
    for name, zone in {"c0": "north", "c1": "south", "c2": "south"}.items():
        fleet.files[f"inventory/{name}.yaml"] = cluster(name, labels=f"{{zone: {zone}}}")
    spread_over(fleet, "spreadConstraints: {spreadMode: Divide, topologyKey: zone}")
    gang_behind(fleet, *(f"s{number}" for number in range(9)), workers=8)
    first = fleet.plan(now=NOW + 10 * MINUTE)
    assert reserved_for(first, "big") == ("c0", "c1")
    second = fleet.plan(now=NOW + 10 * MINUTE + 4 * HOUR)
    assert reserved_for(second, "big") == ("c0", "c2")


FEWER_ON_C0 = """
overrides:
  - clusterSelector: {{matchLabels: {{kubernetes.io/metadata.name: c0}}}}
    target: {{kind: RayJob}}
    patch: [{{op: replace, path: /spec/rayClusterSpec/workerGroupSpecs/0/replicas, value: {0}}},
            {{op: replace, path: /spec/rayClusterSpec/workerGroupSpecs/0/minReplicas, value: {0}}},
            {{op: replace, path: /spec/rayClusterSpec/workerGroupSpecs/0/maxReplicas, value: {0}}}]
"""


@pytest.mark.parametrize("mode", [DUPLICATE, "spreadConstraints: {spreadMode: Divide}"])
def test_what_is_held_is_what_the_overrides_of_that_cluster_leave(mode: str) -> None:
    fleet = fleet_of(4)
    spread_over(fleet, mode + FEWER_ON_C0.format(3))
    assert of(gang_behind(fleet, "a", "b", workers=5), "big") == (Phase.PENDING, Verdict.NO_FIT)
    submit(fleet, "late")
    submit(fleet, "later")
    made = fleet.cycle(now=NOW + 10 * MINUTE)
    assert reserved_for(made, "big") == ("c0",), "5 workers would never fit"
    assert placed(made) == ["late"], "3 of 4 nodes are held"
    assert of(made, "later")[1] == "HeldForOlder"


def partly_placed(fairness: str = "") -> Fleet:
    """A gang that is duplicated stands on c0 since NOW; c1, where its other copy waits, is full of small jobs."""
    fleet = fleet_of(3, 3, fairness=fairness)
    spread_over(fleet, DUPLICATE)
    fleet.files["policies/p.yaml"] = fleet.files["policies/p.yaml"].replace(b"values: [c0, c1]", b"values: [c1]")
    assert of(gang_behind(fleet, "s0", "s1", "s2", workers=3), "big") == (Phase.PLACED, "PartlyPlaced")
    return fleet


def minutes_until_whole(fleet: Fleet, limit: int) -> int | None:
    """Small jobs come as fast as they are placed on c1, and one ends a minute; return when both copies stand."""
    for minute in range(1, limit):
        end(fleet, f"s{minute - 1}")
        submit(fleet, f"s{minute + 2}")
        fleet.cycle(now=NOW + minute * MINUTE, allow_removals=True)
        assert fleet.plan(now=NOW + minute * MINUTE, allow_removals=True).drafts == ()
        if len(standing(fleet, "big", "rayjob-train")) == 2:
            return minute
    return None


def test_without_a_hold_small_jobs_starve_the_second_copy_of_a_gang() -> None:
    assert minutes_until_whole(partly_placed("{holdAfter: 1000h}"), 30) is None


def test_the_second_copy_of_a_gang_gets_its_turn() -> None:
    assert minutes_until_whole(partly_placed(), 15) is not None


def test_a_copy_that_waits_counts_from_when_it_began_and_forgets_once_it_stands() -> None:
    fleet = partly_placed()
    key = decision(fleet.plan(now=NOW), "big", "rayjob-train").group
    assert fleet.state().placements[key].waiting_since == int(NOW)
    submit(fleet, "late")
    end(fleet, "s0")
    made = fleet.cycle(now=NOW + 10 * MINUTE)
    big, late = decision(made, "big", "rayjob-train"), decision(made, "late", "rayjob-train")
    assert (big.action, big.reason) == (Action.KEEP, "PartlyPlaced")
    assert reserved_for(made, "big") == ("c1",)
    assert late.reason == "HeldForOlder"
    assert reserved_for(fleet.plan(now=NOW + 3 * HOUR), "big") == (), "the hold has lapsed"
    for team in ("s1", "s2"):
        end(fleet, team)
    fleet.cycle(now=NOW + 20 * MINUTE, allow_removals=True)
    record = fleet.state().placements[key]
    assert (len(record.clusters), record.waiting_since) == (2, None)


def test_who_comes_before_a_gang_in_the_queue_passes_the_hold_of_its_second_copy() -> None:
    fleet = partly_placed()
    fleet.files["policies/vip.yaml"] = own_policy("vip", "priority: 1\nplacement: {require: Fit}")
    submit(fleet, "vip")
    end(fleet, "s0")
    assert placed(fleet.cycle(now=NOW + 10 * MINUTE, allow_removals=True)) == ["vip"]


def with_quota(fleet: Fleet, gpus: int) -> None:
    fleet.files["policies/tenants.yaml"] = tenant("big", f"namespaces: [big], {quota(gpus)}")
    fleet.files["fleet.yaml"] = fleet_file("tenancy: Optional")


def test_a_division_is_held_against_its_tenants_quota_as_a_whole() -> None:
    fleet = divided(4, 4)
    with_quota(fleet, 7)
    for made in (gang_behind(fleet, "small-a", workers=8), fleet.cycle(now=NOW + 10 * MINUTE)):
        assert of(made, "big") == (Phase.PENDING, "QuotaExceeded")
        assert decision(made, "big", "rayjob-train").message.endswith(
            "tenant big uses 0 of 7 nvidia.com/gpu, group needs 8"
        )


def test_nothing_is_held_for_a_copy_that_its_tenants_quota_would_not_allow() -> None:
    fleet = partly_placed()
    with_quota(fleet, 5)
    submit(fleet, "late")
    end(fleet, "s0")
    made = fleet.cycle(now=NOW + 10 * MINUTE)
    assert reserved_for(made, "big") == ()
    assert of(made, "late")[0] is Phase.PLACED


def test_a_copy_that_waits_takes_no_room_from_those_who_come_first_in_the_queue() -> None:
    fleet = partly_placed()
    fleet.files["policies/vip.yaml"] = own_policy("vip", "priority: 1\nplacement: {require: Fit}")
    fleet.files["inventory/c0.yaml"] = cluster("c0", spec="cordoned: true")
    submit(fleet, "vip", workers=2)
    for team in ("s0", "s1", "s2"):
        end(fleet, team)
    made = fleet.cycle(now=NOW + MINUTE, allow_removals=True)
    assert placed(made) == ["vip"]
    assert of(made, "big") == (Phase.PLACED, "PartlyPlaced")
    assert fleet.plan(now=NOW + MINUTE).drafts == ()


def test_what_a_partly_placed_group_leaves_goes_to_who_comes_first_at_once() -> None:
    fleet = fleet_of(3, 3, 3)
    spread_over(fleet, f"{DUPLICATE}\nclusterSelector: {{matchLabels: {{spread: 'yes'}}}}")
    for name in ("c0", "c1", "c2"):
        fleet.files[f"inventory/{name}.yaml"] = cluster(name, labels="{spread: 'yes'}")
    fleet.files["policies/p.yaml"] = fleet.files["policies/p.yaml"].replace(b"values: [c0, c1, c2]", b"values: [c1]")
    fleet.files["policies/vip.yaml"] = own_policy("vip", "priority: 1\nplacement: {require: Fit}")
    submit(fleet, "s0")
    fleet.cycle()
    web = deployment("web", 3).replace(b'cpu: "1"', b'cpu: "1", nvidia.com/gpu: "1"')
    fleet.commit("workloads/big/web.yaml", web.replace(b"requests:", b"limits: {nvidia.com/gpu: '1'}, requests:"))
    assert decision(fleet.cycle(), "big", "deployment-web").reason == "PartlyPlaced"
    submit(fleet, "vip", workers=3)
    assert of(fleet.cycle(), "vip")[0] is Phase.PENDING
    fleet.files["inventory/c2.yaml"] = cluster("c2")
    made = fleet.cycle(allow_removals=True)
    assert fleet.plan(allow_removals=True).drafts == ()
    assert list(decision(made, "vip", "rayjob-train").clusters) == ["c2"]


SPREADS = {"one": "", "dup": DUPLICATE, "div": "spreadConstraints: {spreadMode: Divide}"}
EVENTS = st.lists(st.tuples(st.sampled_from(sorted(SPREADS)), st.integers(0, 5)), min_size=6, max_size=14)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(1, 4), min_size=2, max_size=3), EVENTS)
def test_whatever_is_held_nothing_is_over_committed_divided_by_halves_or_placed_late(
    sizes: list[int], events: list[tuple[str, int]]
) -> None:
    fleet = fleet_of(*sizes, fairness="{holdAfter: 2m, holdFor: 4m}")
    for name, spec in SPREADS.items():
        fleet.files[f"policies/{name}.yaml"] = own_policy(name, f"placement: {{require: Fit}}\n{spec}")
    wishes: dict[tuple[str, str], int] = {}
    for minute, (namespace, workers) in enumerate(events):
        if workers:
            fleet.commit(f"workloads/{namespace}/j{minute}.yaml", ray_job(f"j{minute}", workers=workers))
            wishes[namespace, f"rayjob-j{minute}"] = workers
        elif wishes:
            gone, name = min(wishes)
            fleet.commit(f"workloads/{gone}/{name.removeprefix('rayjob-')}.yaml", None)
            del wishes[gone, name]
        now = NOW + minute * MINUTE
        fleet.cycle(now=now, allow_removals=True)
        assert placed(fleet.plan(now=now, allow_removals=True)) == []
        used = dict.fromkeys((f"c{i}" for i in range(len(sizes))), 0)
        for (where, name), wish in wishes.items():
            got = {cluster_: workers_of(part) for cluster_, part in standing(fleet, where, name).items()}
            whole = set(got.values()) == {wish} if where == "dup" else sum(got.values()) == wish
            assert not got or whole, (where, name, got)
            for cluster_, count in got.items():
                used[cluster_] += count
        assert all(used[f"c{i}"] <= size for i, size in enumerate(sizes)), used


def workers_of(part: ClusterCopy) -> int:
    [group] = deployed(part, "RayJob")["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    return int(group["replicas"])
