"""What a group should have on which clusters, by its policy, before anyone looks at capacity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from reconciler.placement.division import UNDIVIDED
from reconciler.placement.filters import ClusterFilters
from reconciler.placement.targets import Targets, cluster_variants, rebuild_copy, targets_of
from reconciler.policy.eligibility import ClusterFacts, ClusterFilter, GroupFacts, Refusal
from reconciler.policy.model import NAME_LABEL, SchedulePolicy
from reconciler.reasons.written import Written
from reconciler.workloads.cluster_copy import ClusterCopy, JobResult
from reconciler.workloads.group import WorkloadObject
from reconciler.workloads.overrides import OverrideApplier
from tests.copies import app, config_map, copy_on, group, job
from tests.unit.workloads.reading import manifest, objects, policy

OLD, WEB, MORE, TRAIN = app(cpu=1), app(cpu=1), app(replicas=3, cpu=1), job()
ONE = policy("p")
DUPLICATE = policy("p", "spreadConstraints: {spreadMode: Duplicate}")
ZONES = policy("p", "spreadConstraints: {spreadMode: Duplicate, topologyKey: zone}")
SIXTY = policy("p", "spreadConstraints: {spreadMode: Divide, percentageSplit: {c0: 60, c1: 40}}")
HALVES = policy("p", "spreadConstraints: {spreadMode: Divide}")
FIVE = app(replicas=5, cpu=1)


class Refuses:
    """Refuses some clusters; what is there already may stay or not."""

    name = "Refuses"
    transient = False

    def __init__(self, *clusters: str, stays: bool = False) -> None:
        self._clusters, self._stays = clusters, stays

    def refuse(self, group: GroupFacts, cluster: ClusterFacts) -> Refusal | None:  # noqa: ARG002  (the same for all)
        return Refusal(cluster.name, Written("Refused", ""), self._stays) if cluster.name in self._clusters else None


def labels_of(*names: str, **more: Mapping[str, str]) -> dict[str, dict[str, str]]:
    return {name: {NAME_LABEL: name, **more.get(name, {})} for name in names}


TWO = labels_of("c0", "c1")


def targets(
    *items: WorkloadObject,
    rules: SchedulePolicy = ONE,
    copies: tuple[ClusterCopy, ...] = (),
    labels: Mapping[str, Mapping[str, str]] = TWO,
    filters: Sequence[ClusterFilter] = (),
) -> Targets:
    made = group("g", *items, rules=rules)
    facts = [ClusterFacts(name, each) for name, each in labels.items()]
    eligibility = ClusterFilters(facts).eligible(made, filters)
    return targets_of(made, items, copies, eligibility, OverrideApplier(rules.changes, labels), labels)


def shares(found: Targets) -> dict[str, int]:
    return {target.value: target.share for target in found.domains}


def test_a_group_with_one_copy_stays_where_it_is_whatever_the_policy_says_now() -> None:
    found = targets(MORE, copies=(copy_on("c1", OLD),), filters=[Refuses("c0", "c1")])
    (target,) = found.domains
    assert target.wanted is not None
    assert (target.wanted.cluster, target.wanted.deployed) == ("c1", (MORE,))
    assert (found.staying, found.leaving, found.count) == ((), (), 1)


def test_what_is_as_it_should_be_does_not_change_and_needs_nothing() -> None:
    found = targets(WEB, copies=(copy_on("c0", OLD),))
    assert not found.domains[0].changes
    assert not found.needs_capacity


@pytest.mark.parametrize(
    ("after", "needs"),
    [(MORE, True), (app(replicas=1, cpu=2), True), (app(replicas=0, cpu=1), False), (config_map(), False)],
    ids=["more pods", "larger pods", "fewer pods", "no pods"],
)
def test_more_or_larger_pods_need_capacity_and_fewer_do_not(after: WorkloadObject, needs: bool) -> None:
    found = targets(after, copies=(copy_on("c0", OLD),))
    assert found.domains[0].changes
    assert found.needs_capacity is needs


def test_a_new_copy_needs_capacity_and_may_go_to_any_cluster_of_its_domain() -> None:
    labels = labels_of("c0", "c1", "c2", c0={"zone": "a"}, c1={"zone": "b"}, c2={"zone": "a"})
    found = targets(WEB, rules=ZONES, labels=labels)
    assert [(target.value, target.clusters) for target in found.domains] == [("a", ("c0", "c2")), ("b", ("c1",))]
    assert found.needs_capacity
    assert all(target.changes and target.current is None for target in found.domains)


def test_a_cluster_without_the_topology_label_is_in_no_domain() -> None:
    found = targets(WEB, rules=ZONES, labels=labels_of("c0", "c1", c0={"zone": "a"}))
    assert [one.reason for one in found.excluded] == ["NoTopologyLabel"]
    assert [one.cluster for one in found.excluded] == ["c1"]


def test_a_domain_keeps_one_copy_and_the_others_leave() -> None:
    same = labels_of("c0", "c1", c0={"zone": "a"}, c1={"zone": "a"})
    found = targets(WEB, rules=ZONES, labels=same, copies=(copy_on("c0", OLD), copy_on("c1", OLD)))
    assert [target.current.cluster for target in found.domains if target.current] == ["c0"]
    assert [copy.cluster for copy in found.leaving] == ["c1"]


def test_a_copy_on_a_cluster_that_is_not_eligible_any_more_leaves_unless_it_may_stay() -> None:
    copies = (copy_on("c0", OLD), copy_on("c1", OLD))
    gone = targets(WEB, rules=DUPLICATE, copies=copies, filters=[Refuses("c1")])
    assert [copy.cluster for copy in gone.leaving] == ["c1"]
    kept = targets(WEB, rules=DUPLICATE, copies=copies, filters=[Refuses("c1", stays=True)])
    assert kept.leaving == ()
    assert [(target.value, target.clusters) for target in kept.domains] == [("c0", ("c0",)), ("c1", ())]


def test_a_copy_with_a_job_stays_where_it_runs() -> None:
    copies = (copy_on("c0", TRAIN), copy_on("c1", TRAIN))
    found = targets(TRAIN, rules=DUPLICATE, copies=copies, labels=labels_of("c0"))
    assert found.leaving == ()
    assert found.count == 2


def test_copies_of_a_policy_that_spreads_no_more_become_one_and_the_others_leave() -> None:
    found = targets(WEB, copies=(copy_on("c0", OLD), copy_on("c1", OLD)))
    assert [target.current.cluster for target in found.domains if target.current] == ["c0"]
    assert [copy.cluster for copy in found.leaving] == ["c1"]


def test_replicas_are_divided_by_the_percentages_and_each_domain_has_its_share() -> None:
    found = targets(FIVE, rules=SIXTY)
    assert shares(found) == {"c0": 60, "c1": 40}
    assert found.count == 2


def test_without_percentages_the_shares_are_equal_and_make_a_hundred() -> None:
    found = targets(app(replicas=3, cpu=1), rules=HALVES, labels=labels_of("c0", "c1", "c2"))
    assert sum(shares(found).values()) == 100
    assert sorted(shares(found).values()) == [33, 33, 34]


def test_a_domain_that_would_get_no_pods_gets_no_copy() -> None:
    spec = "spec: {parallelism: 1, template: {spec: {restartPolicy: Never, containers: [{name: c, image: r}]}}}"
    (once,) = objects(manifest("Job", "once", spec, "batch/v1"))
    assert list(shares(targets(once, rules=HALVES)).values()) == [100]
    nova = targets(app(replicas=1, cpu=1), rules=HALVES)
    assert list(shares(nova).values()) == [50, 50], "but a Deployment goes there with 0 replicas, as with Nova"


def test_a_value_that_is_to_get_a_share_and_that_no_cluster_has_is_missing() -> None:
    found = targets(FIVE, rules=SIXTY, labels=labels_of("c0", "c2"))
    assert [(one.where, one.reason) for one in found.missing] == [("c1", "NoEligibleCluster")]
    assert [one.reason for one in found.excluded] == ["NoPercentage"]
    assert found.count == 2


def test_a_value_that_is_to_get_nothing_is_not_missing() -> None:
    rules = policy("p", "spreadConstraints: {spreadMode: Divide, percentageSplit: {c0: 100, c9: 0}}")
    assert targets(FIVE, rules=rules).missing == ()


def test_a_copy_on_a_cluster_that_is_to_get_nothing_leaves() -> None:
    rules = policy("p", "spreadConstraints: {spreadMode: Divide, percentageSplit: {c0: 100, c1: 0}}")
    found = targets(FIVE, rules=rules, copies=(copy_on("c0", FIVE), copy_on("c1", FIVE)))
    assert [copy.cluster for copy in found.leaving] == ["c1"]


def test_without_eligible_clusters_there_is_nothing_to_have() -> None:
    found = targets(FIVE, rules=HALVES, filters=[Refuses("c0", "c1")])
    assert (found.domains, found.count) == ((), 0)


# -- copies as they should be

REPLICAS = """overrides:
  - clusterSelector: {}
    target: {kind: Deployment}
    patch: [{op: replace, path: /spec/replicas, value: 7}]"""
APPLIER = OverrideApplier(policy("p", REPLICAS).changes, TWO)


def test_a_copy_is_rebuilt_with_the_overrides_of_its_cluster() -> None:
    found = rebuild_copy(copy_on("c0", OLD), (WEB,), APPLIER, UNDIVIDED, 100)
    assert found.admitted == (WEB,)
    assert found.deployed[0].body["spec"]["replicas"] == 7
    assert len(found.patches) == 1


def test_a_job_that_runs_gets_no_new_overrides_and_keeps_its_share() -> None:
    jobs = """overrides:
  - clusterSelector: {}
    target: {kind: RayJob}
    patch: [{op: replace, path: /spec/entrypoint, value: other}]"""
    applier = OverrideApplier(policy("p", jobs).changes, TWO)
    running = copy_on("c0", TRAIN, share=30)
    assert rebuild_copy(running, (TRAIN,), applier, UNDIVIDED, 60) == running
    beside = rebuild_copy(running, (TRAIN, WEB), applier, UNDIVIDED, 60)
    assert (beside.share, beside.deployed) == (60, (TRAIN, WEB))
    fresh = rebuild_copy(copy_on("c0", WEB), (WEB, TRAIN), applier, UNDIVIDED, 100)
    assert [item.body["spec"].get("entrypoint") for item in fresh.deployed] == [None, "other"]


def test_a_copy_to_which_pods_are_added_has_not_ended() -> None:
    ended = replace(copy_on("c0", TRAIN), job_result=JobResult("SUCCEEDED"))
    plain = OverrideApplier((), TWO)
    assert rebuild_copy(ended, (TRAIN, job("tune")), plain, UNDIVIDED, 100).job_result is None
    assert rebuild_copy(ended, (TRAIN, config_map()), plain, UNDIVIDED, 100).job_result is not None


def test_a_copy_with_patches_on_a_cluster_that_left_the_inventory_stays_as_it_is() -> None:
    patched = rebuild_copy(copy_on("c0", OLD), (OLD,), APPLIER, UNDIVIDED, 100)
    found = targets(MORE, copies=(patched,), labels=labels_of("c1"))
    assert not found.domains[0].changes
    assert found.domains[0].wanted == patched


def test_variants_are_the_clusters_on_which_something_is_deployed_otherwise() -> None:
    only_c1 = REPLICAS.replace("clusterSelector: {}", f"clusterSelector: {{matchLabels: {{{NAME_LABEL}: c1}}}}")
    applier = OverrideApplier(policy("p", only_c1).changes, TWO)
    assert cluster_variants(applier, (WEB,), ["c0", "c1"], UNDIVIDED).keys() == {"c1"}
