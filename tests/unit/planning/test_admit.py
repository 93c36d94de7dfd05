"""The fold over the queue: its order, and which of the refused requests are looked at again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import pytest

from reconciler.placement.assign import Clusters, assign
from reconciler.placement.choose import ClusterChoice, choose_cluster
from reconciler.placement.fleet_state import FleetState
from reconciler.placement.model import Action
from reconciler.placement.request import AdmissionState, Assignment, PlacementRequest
from reconciler.planning.plan import Plan
from reconciler.policy.eligibility import Eligibility
from reconciler.workloads.group import Group
from tests.cycles.regroupings import first_and_second, grouped, label, member
from tests.cycles.spreads import deployment
from tests.fleets import NOW, Fleet, cpu_clusters, decision, fleet_file, ordered, own_policy, text
from tests.tenants import tenant

Looks = Callable[[Fleet], Counter[str]]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    """Returns how often each namespace's group looked for a cluster while a plan was made."""
    found: Counter[str] = Counter()

    def spy(group: Group, eligibility: Eligibility, fleet: FleetState) -> tuple[ClusterChoice, FleetState]:
        found[group.key.namespace] += 1
        return choose_cluster(group, eligibility, fleet)

    monkeypatch.setattr("reconciler.placement.assign.choose_cluster", spy)

    def count(fleet: Fleet) -> Counter[str]:
        found.clear()
        fleet.plan()
        return Counter(found)

    return count


def only_on(namespace: str, name: str, priority: int = 0) -> bytes:
    """The policy of a namespace, whose workloads go to one cluster."""
    return own_policy(namespace, f"priority: {priority}\nplacement: {{require: Fit}}\n{ordered(name)}")


def fleet_of(sizes: Mapping[str, int], **goes: str) -> Fleet:
    """Clusters with one node of so many cores; the workloads of each namespace go to one of them."""
    fleet = Fleet.of(cpu_clusters(**sizes), {})
    for namespace, name in goes.items():
        fleet.files[f"policies/{namespace}.yaml"] = only_on(namespace, name)
    return fleet


def ask(fleet: Fleet, namespace: str, cpu: int, replicas: int = 1) -> None:
    fleet.commit(f"workloads/{namespace}/web.yaml", deployment("web", replicas, str(cpu)))


def reason(made: Plan, namespace: str) -> str:
    return str(decision(made, namespace, "deployment-web").reason)


def test_a_group_that_gets_its_place_looks_once(looks: Looks) -> None:
    fleet = fleet_of({"c0": 4}, a="c0")
    ask(fleet, "a", 1)
    assert looks(fleet) == {"a": 1}


def test_what_is_refused_is_not_looked_at_again_where_nothing_changed(looks: Looks) -> None:
    fleet = fleet_of({"c0": 4}, a="c0", b="c0")
    ask(fleet, "a", 5)
    ask(fleet, "b", 6)
    assert looks(fleet) == {"a": 1, "b": 1}


def test_what_is_refused_is_not_looked_at_again_where_only_another_cluster_changed(looks: Looks) -> None:
    fleet = fleet_of({"c0": 4, "c1": 4}, big="c0", small="c1")
    ask(fleet, "big", 5)
    ask(fleet, "small", 1)
    assert looks(fleet) == {"big": 1, "small": 1}


def test_what_is_refused_is_looked_at_again_where_its_cluster_changed(looks: Looks) -> None:
    fleet = fleet_of({"c0": 4, "c1": 4}, big="c0", small="c0")
    ask(fleet, "big", 5)
    ask(fleet, "small", 1)
    assert looks(fleet) == {"big": 2, "small": 1}


def test_a_placed_group_that_stays_as_it_is_looks_for_nothing_and_makes_nobody_look_again(looks: Looks) -> None:
    fleet = fleet_of({"c0": 4}, big="c0", small="c0")
    ask(fleet, "small", 1)
    fleet.cycle()
    ask(fleet, "big", 5)
    assert looks(fleet) == {"big": 1}


def test_a_group_that_is_retired_makes_nobody_look_again(looks: Looks) -> None:
    fleet = fleet_of({"c0": 4}, big="c0", small="c0")
    ask(fleet, "small", 1)
    fleet.cycle()
    fleet.commit("workloads/small/web.yaml", None)
    ask(fleet, "big", 5)
    assert looks(fleet) == {"big": 1}, "its capacity was not counted from the beginning"


def test_an_update_that_gives_room_back_is_settled_before_anyone_looks(looks: Looks) -> None:
    fleet = fleet_of({"c0": 4}, aaa="c0", zzz="c0")
    ask(fleet, "zzz", 1, replicas=3)
    fleet.cycle()
    ask(fleet, "aaa", 3)
    ask(fleet, "zzz", 1, replicas=1)
    assert looks(fleet) == {"aaa": 1}, "though aaa is older, and would have had to look again"
    assert reason(fleet.plan(), "aaa") == "FitsNow"


def test_an_update_to_pods_of_another_shape_has_its_turn_and_what_it_gives_back_is_found_later(looks: Looks) -> None:
    fleet = fleet_of({"c0": 4}, aaa="c0", zzz="c0")
    ask(fleet, "zzz", 3)
    fleet.cycle()
    ask(fleet, "aaa", 3)
    ask(fleet, "zzz", 1)
    assert looks(fleet) == {"aaa": 2}
    assert reason(fleet.plan(), "aaa") == "FitsNow"


def test_a_group_beyond_its_quota_looks_for_no_cluster(looks: Looks) -> None:
    fleet = fleet_of({"c0": 9}, a="c0", b="c0")
    fleet.files["fleet.yaml"] = fleet_file("tenancy: Optional")
    fleet.files["policies/t.yaml"] = tenant("t", 'namespaces: [a, b], quota: {requests: {cpu: "4"}}')
    ask(fleet, "a", 3)
    ask(fleet, "b", 3)
    assert looks(fleet) == {"a": 1}
    assert reason(fleet.plan(), "b") == "QuotaExceeded"


def test_decisions_come_known_groups_first_and_new_ones_in_queue_order() -> None:
    fleet = fleet_of({"c0": 9}, b="c0", d="c0")
    for namespace in ("d", "b"):
        ask(fleet, namespace, 1)
    fleet.cycle()
    for namespace, priority in (("a", 0), ("c", 5), ("e", 9)):
        fleet.files[f"policies/{namespace}.yaml"] = only_on(namespace, "c0", priority)
        ask(fleet, namespace, 1)
    assert [one.group.namespace for one in fleet.plan().decisions] == ["b", "d", "e", "c", "a"]


ON_SHARED = """
apiVersion: ray.io/v1
kind: RayJob
metadata: {name: query}
spec: {entrypoint: python q.py, submissionMode: HTTPMode, clusterSelector: {ray.io/cluster: shared}}
"""


def test_a_job_asks_after_the_group_of_its_raycluster_though_it_is_older() -> None:
    fleet = grouped(c0=2, c1=4)
    fleet.commit("workloads/team/query.yaml", text(ON_SHARED))
    label(fleet, shared="ray")
    made = fleet.cycle()
    assert [one.group.name for one in made.decisions] == ["ray", "rayjob-query"]
    assert decision(made, "team", "rayjob-query").clusters == ("c1",)
    assert fleet.plan().drafts == ()


def test_a_group_that_gives_objects_away_asks_after_the_group_that_takes_them() -> None:
    fleet = first_and_second(c0=4, c1=8)
    label(fleet, a="second")
    label(fleet, c="first", cpu=4)
    made = fleet.cycle()
    assert decision(made, "team", "second").clusters == ("c1",)
    assert decision(made, "team", "first").clusters == ("c0",), "what it gives away is room for what it asks for"
    assert fleet.plan().drafts == ()


def test_that_group_then_asks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def spy(request: PlacementRequest, clusters: Clusters, state: AdmissionState) -> tuple[Assignment, AdmissionState]:
        asked.append(request.key.name)
        return assign(request, clusters, state)

    fleet = first_and_second(c0=4, c1=8)
    label(fleet, c="first", cpu=4)
    label(fleet, a="second")
    monkeypatch.setattr("reconciler.planning.fold.assign", spy)
    fleet.plan()
    assert asked == ["second", "first"]


def names_on(fleet: Fleet) -> set[str]:
    """Return the RayClusters that are on any cluster."""
    paths = [path for path in fleet.files if path.startswith("clusters/") and "/raycluster-" in path]
    return {path.rsplit("-", 1)[1].removesuffix(".yaml") for path in paths}


def test_groups_that_swap_their_objects_wait_for_one_another_in_a_circle_and_lose_nothing() -> None:
    fleet = first_and_second(c0=4, c1=4)
    label(fleet, a="second", b="first")
    made = fleet.cycle(allow_removals=True)
    assert Counter(str(one.group) for one in made.decisions) == {"team/first": 1, "team/second": 1}
    assert names_on(fleet) == {"a", "b"}
    assert fleet.plan(allow_removals=True).drafts == ()


@pytest.mark.parametrize("count", [3, 4])
def test_a_longer_circle_loses_nothing_either(count: int) -> None:
    fleet = grouped(**{f"c{number}": 4 for number in range(count)})
    for number in range(count):
        fleet.commit(f"workloads/team/w{number}.yaml", member(f"w{number}", f"g{number}"))
    fleet.cycle()
    for number in range(count):
        fleet.commit(f"workloads/team/w{number}.yaml", member(f"w{number}", f"g{(number + 1) % count}"))
    made = fleet.cycle(allow_removals=True)
    assert len({one.group for one in made.decisions}) == len(made.decisions) == count
    assert names_on(fleet) == {f"w{number}" for number in range(count)}
    assert fleet.plan(allow_removals=True).drafts == ()


def test_the_capacity_that_a_transfer_leaves_is_there_for_a_group_that_waits() -> None:
    fleet = first_and_second(c0=4, c1=8)
    label(fleet, a="second")
    label(fleet, new="new", cpu=4)
    made = fleet.cycle(now=NOW, allow_removals=True)
    new = decision(made, "team", "new")
    assert (new.action, new.clusters) == (Action.PLACE, ("c0",))
    assert fleet.plan(allow_removals=True).drafts == ()
