"""What one request gets, and the state in which it has that: whole groups, updates, duplicates, divisions, quotas."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import InvalidObject, Place
from reconciler.fleet.snapshot import FleetSnapshot, Unreadable
from reconciler.manifests.quantity import Quantity
from reconciler.placement.assign import Clusters, assign, usage_of
from reconciler.placement.assumed_pods import AssumedCopy
from reconciler.placement.cluster_state import ClusterState
from reconciler.placement.filters import ClusterFilters
from reconciler.placement.fleet_state import FleetState
from reconciler.placement.placing import update_copy
from reconciler.placement.quota import QuotaUsage
from reconciler.placement.ray_clusters import RayClusters
from reconciler.placement.request import AdmissionState, Assignment, PlacementRequest
from reconciler.policy.eligibility import ClusterFacts
from reconciler.policy.model import NAME_LABEL, SchedulePolicy
from reconciler.policy.tenant import Tenant
from reconciler.reasons.copies import UpdateUnknown
from reconciler.reasons.quota import EXCEEDED
from reconciler.workloads.cluster_copy import ClusterCopy, JobResult
from reconciler.workloads.group import WorkloadObject
from reconciler.workloads.workloads import read_workloads
from tests.capacity import NOW, fleet_state, free_cpu, seen
from tests.copies import app, copy_on, group, job, key
from tests.unit.workloads.reading import policy

FIT = policy("p", "placement: {require: Fit}")
DUPLICATE = policy("p", "placement: {require: Fit}\nspreadConstraints: {spreadMode: Duplicate}")
DIVIDE = policy("p", "placement: {require: Fit}\nspreadConstraints: {spreadMode: Divide}")
ON_C1 = f"clusterSelector: {{matchLabels: {{{NAME_LABEL}: c1}}}}"


@dataclass
class World:
    """Clusters with one node of so many cores, copies of groups on them, and a tenant with a quota of cores."""

    sizes: dict[str, int]
    copies: tuple[ClusterCopy, ...] = ()
    quota: int | None = None
    used: int = 0

    @property
    def tenant(self) -> Tenant | None:
        if self.quota is None:
            return None
        return Tenant("t", Place("policies/t.yaml"), quota={"cpu": Quantity(self.quota * 10**9)})

    @property
    def fleet(self) -> FleetState:
        assumed = {copy.cluster: [AssumedCopy(key("g"), copy.deployed, False, 0)] for copy in self.copies}
        return fleet_state(*(seen(name, size) for name, size in self.sizes.items()), assumed=assumed)

    def ask(
        self, *items: WorkloadObject, rules: SchedulePolicy = FIT
    ) -> tuple[Assignment, AdmissionState, AdmissionState]:
        """Return what the group gets, the state before, and the state after."""
        made = replace(group("g", *items, rules=rules), tenant=self.tenant)
        request = PlacementRequest(made, items, self.copies, update=bool(self.copies))
        charged = [(key("g"), self.tenant, usage_of(self.copies))]
        charged.append((key("others"), self.tenant, {"cpu": self.used * 10**9}))
        usage = QuotaUsage.of([self.tenant] if self.tenant else [], charged)
        ray_clusters = RayClusters.of([made], read_workloads({}, {}), [], FleetSnapshot({}, ""))
        before = AdmissionState(self.fleet, usage, ray_clusters)
        labels = {name: {NAME_LABEL: name} for name in self.sizes}
        facts = [ClusterFacts(name, each) for name, each in labels.items()]
        assignment, after = assign(request, Clusters(ClusterFilters(facts), labels), before)
        return assignment, before, after


def free(state: AdmissionState, *names: str) -> list[int]:
    """Return the free millicores of clusters."""
    found = []
    for name in names:
        cluster = state.fleet.cluster(name)
        assert isinstance(cluster, ClusterState)
        found += free_cpu(cluster)
    return found


def on(made: Assignment) -> list[str]:
    return [copy.cluster for copy in made.copies]


def reasons(made: Assignment) -> list[tuple[str, str]]:
    return [(one.where, one.reason) for one in (*made.refused, *made.unplaced)]


# -- a group that goes whole to one cluster


def test_a_new_group_gets_one_copy_and_its_capacity_is_used() -> None:
    made, before, after = World({"c0": 4}).ask(app(cpu=3))
    assert (on(made), made.satisfied) == (["c0"], True)
    assert (free(before, "c0"), free(after, "c0")) == ([4000], [1000])


def test_a_group_that_fits_nowhere_gets_nothing_and_says_what_it_waits_for() -> None:
    made, before, after = World({"c0": 4, "c1": 4}).ask(app(cpu=5))
    assert (made.copies, made.satisfied) == ((), False)
    assert reasons(made) == [("", "NeverFits")]
    assert made.waits_for.clusters == {"c0", "c1"}
    assert [len(one) for one in made.pending] == [1]
    assert free(after, "c0", "c1") == free(before, "c0", "c1")


def test_only_the_clusters_that_it_may_go_to_are_waited_for() -> None:
    made, _, _ = World({"c0": 4, "c1": 4}).ask(app(cpu=5), rules=policy("p", f"placement: {{require: Fit}}\n{ON_C1}"))
    assert made.waits_for.clusters == {"c1"}


def test_a_group_whose_pods_may_queue_gets_a_full_cluster() -> None:
    full = World({"c0": 4}).ask(app(cpu=5), rules=policy("p", "placement: {require: Any}"))[0]
    assert on(full) == ["c0"]
    assert full.chosen[0].reason == "Queued"


def test_the_fit_is_that_of_the_group_as_its_cluster_patches_it() -> None:
    smaller = f"""placement: {{require: Fit}}
overrides:
  - {ON_C1}
    target: {{kind: Deployment}}
    patch: [{{op: replace, path: /spec/replicas, value: 1}}]"""
    made, _, after = World({"c0": 4, "c1": 4}).ask(app(replicas=3, cpu=3), rules=policy("p", smaller))
    assert on(made) == ["c1"]
    assert made.copies[0].deployed[0].body["spec"]["replicas"] == 1
    assert free(after, "c0", "c1") == [4000, 1000]


def test_an_override_that_does_not_apply_is_an_error_and_not_an_assignment() -> None:
    wrong = """overrides:
  - clusterSelector: {}
    target: {kind: Deployment}
    patch: [{op: remove, path: /spec/nothing}]"""
    with pytest.raises(InvalidObject):
        World({"c0": 4}).ask(app(cpu=1), rules=policy("p", wrong))


# -- updates


def test_an_update_that_fits_changes_the_copy_where_it_is() -> None:
    made, _, after = World({"c0": 4, "c1": 9}, (copy_on("c0", app(cpu=1)),)).ask(app(cpu=4))
    assert (on(made), made.satisfied) == (["c0"], True)
    assert made.copies[0].deployed == (app(cpu=4),)
    assert free(after, "c0", "c1") == [0, 9000]


def test_an_update_that_does_not_fit_leaves_the_copy_and_the_capacity() -> None:
    old = copy_on("c0", app(cpu=1))
    made, before, after = World({"c0": 4, "c1": 9}, (old,)).ask(app(cpu=5))
    assert made.copies == (old,)
    assert reasons(made) == [("c0", "UpdateDoesNotFit")]
    assert free(after, "c0") == free(before, "c0") == [3000]


def test_an_update_on_a_cluster_that_does_not_tell_its_capacity_waits() -> None:
    before, after = copy_on("c0", app(cpu=1)), copy_on("c0", app(cpu=2))
    fleet = fleet_state(Unreadable("c0", "refused", NOW))
    refusal, left = update_copy(key("g"), before, after, fleet)
    assert refusal == UpdateUnknown("c0", "refused")
    assert left is fleet


def test_an_update_that_needs_the_same_pods_needs_no_capacity() -> None:
    edited = replace(app(cpu=1), digest="sha256:other")
    fleet = fleet_state(Unreadable("c0", "refused", NOW))
    assert update_copy(key("g"), copy_on("c0", app(cpu=1)), copy_on("c0", edited), fleet) == (None, fleet)


# -- duplicates: each where it fits


def test_duplicates_are_placed_where_they_fit_and_the_others_wait() -> None:
    made, _, after = World({"c0": 4, "c1": 1}).ask(app(cpu=3), rules=DUPLICATE)
    assert (on(made), made.count) == (["c0"], 2)
    assert reasons(made) == [("c1", "NeverFits")]
    assert free(after, "c0", "c1") == [1000, 1000]
    assert [len(one) for one in made.pending] == [1], "the copies that wait get room one after another"


def test_an_update_that_does_not_fit_on_one_cluster_is_made_on_the_others() -> None:
    copies = (copy_on("c0", app(cpu=1)), copy_on("c1", app(cpu=1)))
    made, _, _ = World({"c0": 4, "c1": 1}, copies).ask(app(cpu=3), rules=DUPLICATE)
    assert [copy.deployed for copy in made.copies] == [(app(cpu=3),), (app(cpu=1),)]
    assert reasons(made) == [("c1", "UpdateDoesNotFit")]


def test_a_copy_leaves_a_cluster_that_is_not_chosen_any_more() -> None:
    copies = (copy_on("c0", app(cpu=1)), copy_on("c1", app(cpu=1)))
    rules = replace(DUPLICATE, cluster_selector=policy("p", ON_C1).cluster_selector)
    made, _, after = World({"c0": 4, "c1": 4}, copies).ask(app(cpu=1), rules=rules)
    assert (on(made), [copy.cluster for copy in made.released]) == (["c1"], ["c0"])
    assert free(after, "c0", "c1") == [4000, 3000]


def test_the_last_copy_does_not_go_before_another_one_has_a_place() -> None:
    rules = replace(DUPLICATE, cluster_selector=policy("p", ON_C1).cluster_selector)
    old = copy_on("c0", app(cpu=3))
    made, before, after = World({"c0": 4, "c1": 1}, (old,)).ask(app(cpu=3), rules=rules)
    assert (made.copies, made.released, made.satisfied) == ((old,), (), False)
    assert free(after, "c0", "c1") == free(before, "c0", "c1")
    moved, _, _ = World({"c0": 4, "c1": 4}, (old,)).ask(app(cpu=3), rules=rules)
    assert (on(moved), [copy.cluster for copy in moved.released]) == (["c1"], ["c0"])


# -- divisions: all or nothing


@pytest.mark.parametrize("size", [4, 2])
def test_a_division_is_placed_whole_or_not_at_all(size: int) -> None:
    made, before, after = World({"c0": 4, "c1": size}).ask(app(replicas=6, cpu=1), rules=DIVIDE)
    if size == 4:
        assert {copy.cluster: copy.share for copy in made.copies} == {"c0": 50, "c1": 50}
        assert free(after, "c0", "c1") == [1000, 1000]
    else:
        assert (made.copies, made.satisfied) == ((), False)
        assert free(after, "c0", "c1") == free(before, "c0", "c1")
        assert len(made.pending) == 2, "it needs room for all shares at once"


def test_a_division_whose_update_does_not_fit_stays_as_it_is_everywhere() -> None:
    copies = (copy_on("c0", app(replicas=1, cpu=1), share=50), copy_on("c1", app(replicas=1, cpu=1), share=50))
    made, before, after = World({"c0": 9, "c1": 1}, copies).ask(app(replicas=6, cpu=1), rules=DIVIDE)
    assert made.copies == copies
    assert [reason for _, reason in reasons(made)] == ["UpdateDoesNotFit"]
    assert free(after, "c0", "c1") == free(before, "c0", "c1")


def test_nothing_is_reserved_for_a_division_that_is_placed_already() -> None:
    copies = (copy_on("c0", app(replicas=2, cpu=1)),)
    made, _, _ = World({"c0": 4, "c1": 1}, copies).ask(app(replicas=6, cpu=1), rules=DIVIDE)
    assert (made.copies, made.satisfied, made.pending) == (copies, False, ())


# -- quotas


def test_a_group_beyond_its_quota_gets_nothing_though_there_is_room() -> None:
    made, before, after = World({"c0": 9}, quota=4, used=2).ask(app(cpu=3))
    assert (made.copies, reasons(made)) == ((), [("", EXCEEDED)])
    assert made.pending == (), "capacity would not help it"
    assert made.waits_for.tenants == {"t"}
    assert free(after, "c0") == free(before, "c0")


def test_what_is_placed_is_charged_to_the_tenant() -> None:
    _, before, after = World({"c0": 9}, quota=4).ask(app(cpu=3))
    assert (before.usage.used["t"].get("cpu"), after.usage.used["t"]["cpu"]) == (0, 3 * 10**9)


def test_an_update_beyond_the_quota_is_refused_before_anyone_looks_for_room() -> None:
    old = copy_on("c0", app(cpu=1))
    made, _, _ = World({"c0": 9}, (old,), quota=4, used=2).ask(app(cpu=3))
    assert (made.copies, reasons(made)) == ((old,), [("the group", EXCEEDED)])
    fits, _, _ = World({"c0": 9}, (old,), quota=4, used=1).ask(app(cpu=3))
    assert fits.satisfied


def test_duplicates_beyond_the_quota_are_refused_together() -> None:
    made, _, _ = World({"c0": 9, "c1": 9}, quota=4).ask(app(cpu=3), rules=DUPLICATE)
    assert (made.copies, [reason for _, reason in reasons(made)]) == ((), [EXCEEDED])


def test_a_copy_whose_jobs_have_ended_uses_nothing() -> None:
    copy = copy_on("c0", job(cpu=3))
    assert usage_of([copy])["cpu"] == 3 * 10**9
    assert usage_of([replace(copy, job_result=JobResult("SUCCEEDED"))])["pods"] == 0


# -- values


@given(
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, 4),
    st.integers(1, 4),
    st.sampled_from([FIT, DUPLICATE, DIVIDE]),
    st.booleans(),
    st.sampled_from([None, 3, 8]),
)
def test_an_assignment_changes_no_state_and_what_is_refused_uses_nothing(
    one: int, other: int, cpu: int, replicas: int, rules: SchedulePolicy, is_placed: bool, quota: int | None
) -> None:
    copies = (copy_on("c0", app(cpu=1)),) if is_placed else ()
    world = World({"c0": one, "c1": other}, copies, quota)
    made, before, after = world.ask(app(cpu=cpu, replicas=replicas), rules=rules)
    untouched = World({"c0": one, "c1": other}, copies, quota).fleet
    for name in ("c0", "c1"):
        fresh = untouched.cluster(name)
        assert isinstance(fresh, ClusterState)
        assert free(before, name) == free_cpu(fresh)
    assert before.usage.used.get("t") == ({"pods": len(copies) * 10**9, "cpu": len(copies) * 10**9} if quota else None)
    if made.copies == copies and not made.chosen:
        assert free(after, "c0", "c1") == free(before, "c0", "c1")
    assert all(amount >= 0 for amount in free(after, "c0", "c1"))
