"""Tenants in whole cycles: what is rejected, what waits, and that `validate` says the same."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.errors import InputError
from reconciler.placement.model import Action, Phase, Verdict
from reconciler.planning.files import Files
from reconciler.service.checks import Findings, check_files
from reconciler.service.report import errors_of
from tests.fleets import (
    NOW,
    Fleet,
    cluster,
    config_map,
    decision,
    ended,
    fleet_file,
    nodes,
    ordered,
    own_policy,
    picture,
    pinned,
    policy,
    ray_job,
    text,
)
from tests.tenants import quota, tenant


def fleet_with(**tenants: str) -> Fleet:
    """Two clusters of eight single-GPU nodes; tenants by name, with their spec."""
    clusters = {
        name: (cluster(name, labels=f"{{cloud: {name}}}"), picture(name, *nodes(8))) for name in ("east", "west")
    }
    fleet = Fleet.of(clusters, {"p": policy("p", ordered("east", "west") + "\nplacement: {require: Fit}")})
    for name, spec in tenants.items():
        fleet.files[f"policies/tenant-{name}.yaml"] = tenant(name, spec)
    return fleet


def checked(fleet: Fleet) -> Findings:
    return check_files(Files(fleet.files, fleet.unusable), lambda _: fleet.files)


def submit(fleet: Fleet, namespace: str, name: str = "train", workers: int = 2) -> None:
    fleet.commit(f"workloads/{namespace}/{name}.yaml", ray_job(name, workers=workers))


def privileged(job: bytes) -> bytes:
    found = job.replace(
        b"name: ray-worker, image: r,", b"name: ray-worker, image: r, securityContext: {privileged: true},"
    )
    assert found != job
    return found


def test_a_fleet_without_tenants_allows_everything() -> None:
    fleet = fleet_with()
    fleet.commit("workloads/team/job.yaml", privileged(ray_job("train")))
    assert decision(fleet.cycle(), "team", "rayjob-train").phase is Phase.PLACED
    assert checked(fleet).errors == ()


def test_what_a_tenant_may_not_have_is_rejected_with_its_line_in_plan_and_validation() -> None:
    fleet = fleet_with(a="namespaces: [team]")
    fleet.commit("workloads/team/job.yaml", b"# a job\n" + privileged(ray_job("train")))
    made = fleet.cycle()
    refused = decision(made, "team", "rayjob-train")
    assert (refused.action, refused.reason) == (Action.REJECT, "TenantDenied")
    assert refused.message.startswith("workloads/team/job.yaml:19:99: ")
    assert "RayJob team/train is privileged" in refused.message
    assert "tenant a" in refused.message
    assert checked(fleet).errors == (refused.message,)
    assert errors_of(made, fleet.state()) == (f"team/rayjob-train: {refused.message}",)
    assert not any(path.startswith("clusters/east/team") for path in fleet.files)


def test_of_several_things_that_are_denied_the_record_names_the_first_and_validation_all() -> None:
    fleet = fleet_with(a="namespaces: [team]")
    fleet.commit("workloads/team/job.yaml", privileged(ray_job("train", workers=1)).replace(
        b"spec: {containers: [{name: ray-head", b"spec: {hostPID: true, containers: [{name: ray-head"
    ))  # fmt: skip
    refused = decision(fleet.cycle(), "team", "rayjob-train")
    said = checked(fleet).errors
    assert len(said) == 2
    assert refused.message == f"{said[0]} (and 1 more)"


def test_a_companion_that_is_denied_keeps_its_group_out() -> None:
    fleet = fleet_with(a="namespaces: [team], kinds: [RayJob]")
    fleet.commit("workloads/team/code.yaml", config_map("code"))
    fleet.commit("workloads/team/job.yaml", ray_job("train", config="code"))
    refused = decision(fleet.cycle(), "team", "rayjob-train")
    assert refused.reason == "TenantDenied"
    assert refused.message.startswith("workloads/team/code.yaml:2:7: kind ConfigMap ")


def test_a_namespace_without_a_tenant_is_rejected_unless_tenancy_is_optional() -> None:
    fleet = fleet_with(a="namespaces: [team]")
    submit(fleet, "stranger")
    refused = decision(fleet.cycle(), "stranger", "rayjob-train")
    assert (refused.action, refused.reason) == (Action.REJECT, "NoTenant")
    [said] = checked(fleet).errors
    assert said.startswith("workloads/stranger/train.yaml:1:1: namespace stranger ")
    fleet.files["fleet.yaml"] = fleet_file("tenancy: Optional")
    assert checked(fleet).errors == ()
    assert decision(fleet.cycle(), "stranger", "rayjob-train").phase is Phase.PLACED


def test_a_tenant_that_cannot_be_read_stops_the_cycle_and_opens_nothing() -> None:
    fleet = fleet_with(a="namespaces: [team], quotas: {}")
    submit(fleet, "stranger")
    with pytest.raises(InputError, match="did you mean 'quota'"):
        fleet.plan()
    assert len(checked(fleet).errors) == 1


def test_a_namespace_of_two_tenants_stops_the_cycle() -> None:
    fleet = fleet_with(a="namespaces: [team]", b="namespaces: [team]")
    with pytest.raises(InputError, match="already"):
        fleet.plan()
    [said] = checked(fleet).errors
    assert "policies/tenant-a.yaml" in said
    assert "policies/tenant-b.yaml" in said


def test_a_tenant_keeps_to_its_clusters() -> None:
    fleet = fleet_with(a="namespaces: [team], clusterSelector: {matchLabels: {cloud: west}}")
    submit(fleet, "team")
    placed = decision(fleet.cycle(), "team", "rayjob-train")
    assert list(placed.clusters) == ["west"]
    [east] = [c for c in placed.candidates if c.cluster == "east"]
    assert (east.verdict, east.reason) == (Verdict.NOT_ELIGIBLE, "TenantCluster")
    assert "cloud=west" in east.message


def test_a_pin_does_not_lead_out_of_a_tenants_clusters() -> None:
    fleet = fleet_with(a="namespaces: [team], clusterSelector: {matchLabels: {cloud: west}}")
    fleet.commit("workloads/team/job.yaml", pinned(ray_job("train"), "east"))
    waits = decision(fleet.cycle(), "team", "rayjob-train")
    assert waits.reason == "NoEligibleCluster"
    assert {c.reason for c in waits.candidates} == {"TenantCluster", "PinnedElsewhere"}


def test_a_group_beyond_the_quota_waits_with_numbers_and_goes_when_quota_is_free() -> None:
    fleet = fleet_with(a=f"namespaces: [one, two], {quota(4)}")
    submit(fleet, "one", workers=3)
    submit(fleet, "two", workers=2)
    waits = decision(fleet.cycle(), "two", "rayjob-train")
    assert (waits.action, waits.phase, waits.reason) == (Action.WAIT, Phase.PENDING, "QuotaExceeded")
    assert waits.message == "tenant a uses 3 of 4 nvidia.com/gpu, group needs 2"
    assert fleet.plan().drafts == ()
    fleet.commit("workloads/one/train.yaml", None)
    assert decision(fleet.cycle(), "two", "rayjob-train").phase is Phase.PLACED


def test_a_group_that_could_never_have_its_quota_is_warned_of() -> None:
    fleet = fleet_with(a=f"namespaces: [team], {quota(4)}")
    submit(fleet, "team", workers=5)
    line = (
        "workloads/team/train.yaml:1:1: group team/rayjob-train needs 5 nvidia.com/gpu, and tenant a may use at most 4"
    )
    submit(fleet, "team", "small", workers=4)
    assert fleet.plan().warnings == checked(fleet).warnings == (line,)


def test_a_finished_job_gives_its_quota_back() -> None:
    fleet = fleet_with(a=f"namespaces: [team], {quota(4)}")
    submit(fleet, "team", "first", workers=4)
    fleet.cycle()
    submit(fleet, "team", "second", workers=4)
    assert decision(fleet.plan(), "team", "rayjob-second").reason == "QuotaExceeded"
    fleet.show("east", *nodes(8), ray=(ended("team", "first", "SUCCEEDED"),))
    assert decision(fleet.cycle(), "team", "rayjob-second").phase is Phase.PLACED


CLUSTER = """
apiVersion: ray.io/v1
kind: RayCluster
metadata: {{name: dev}}
spec:
  headGroupSpec:
    rayStartParams: {{}}
    template: {{spec: {{containers: [{{name: h, image: r, resources: {{requests: {{cpu: "1"}}}}}}]}}}}
  workerGroupSpecs:
    - groupName: g
      replicas: {workers}
      minReplicas: 0
      maxReplicas: 8
      rayStartParams: {{}}
      template: {{spec: {{containers: [{{name: w, image: r, resources: {{limits: {{nvidia.com/gpu: "1"}}}}}}]{more}}}}}
"""


def ray_cluster(workers: int, more: str = "") -> bytes:
    return text(CLUSTER.format(workers=workers, more=more))


def test_an_update_beyond_the_quota_is_not_rolled_out() -> None:
    fleet = fleet_with(a=f"namespaces: [team], {quota(3)}")
    fleet.commit("workloads/team/dev.yaml", ray_cluster(2))
    fleet.cycle()
    fleet.commit("workloads/team/dev.yaml", ray_cluster(4))
    kept = decision(fleet.cycle(), "team", "raycluster-dev")
    assert (kept.action, kept.reason) == (Action.KEEP, "QuotaExceeded")
    assert "tenant a uses 2 of 3 nvidia.com/gpu, group needs 4 instead of 2" in kept.message
    assert b"replicas: 2" in fleet.files["clusters/east/team/raycluster-dev/raycluster-dev.yaml"]
    fleet.commit("workloads/team/dev.yaml", ray_cluster(3))
    assert decision(fleet.cycle(), "team", "raycluster-dev").reason == "UpdatedInPlace"


def test_groups_count_for_the_tenant_that_their_namespace_is_labelled_for() -> None:
    fleet = fleet_with(a=f"namespaceSelector: {{matchLabels: {{team: a}}}}, {quota(4)}")
    for name in ("one", "two"):
        space = f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{team: a}}}}\n"
        fleet.commit(f"workloads/{name}/namespace.yaml", space.encode())
        fleet.commit(f"workloads/{name}/dev.yaml", ray_cluster(2))
    fleet.cycle()
    fleet.commit("workloads/one/dev.yaml", ray_cluster(3))
    kept = decision(fleet.cycle(), "one", "raycluster-dev")
    assert (kept.action, kept.reason) == (Action.KEEP, "QuotaExceeded")
    assert "tenant a uses 4 of 4 nvidia.com/gpu, group needs 3 instead of 2" in kept.message


def test_an_update_with_something_denied_leaves_what_was_admitted() -> None:
    fleet = fleet_with(a="namespaces: [team]")
    fleet.commit("workloads/team/dev.yaml", ray_cluster(1))
    fleet.cycle()
    before = dict(fleet.rendered())
    fleet.commit("workloads/team/dev.yaml", ray_cluster(1, ", hostNetwork: true"))
    kept = decision(fleet.cycle(), "team", "raycluster-dev")
    assert (kept.action, kept.reason) == (Action.KEEP, "TenantDenied")
    changed = {path for path, data in fleet.rendered().items() if before.get(path) != data}
    assert changed == {"placements/team/raycluster-dev.yaml"}
    fleet.commit("workloads/team/dev.yaml", ray_cluster(1))
    assert decision(fleet.cycle(), "team", "raycluster-dev").reason == "Undisturbed"


def test_a_tenant_borrows_what_others_leave_and_the_owner_comes_first() -> None:
    fleet = fleet_with(a=f"namespaces: [a], {quota(2, 'borrowing: {from: [b], limit: {nvidia.com/gpu: 3}}')}",
                       b=f"namespaces: [b], {quota(4)}")  # fmt: skip
    submit(fleet, "a", workers=5)
    submit(fleet, "b", workers=2)
    made = fleet.plan()
    assert decision(made, "b", "rayjob-train").phase is Phase.PLACED, "though its commit is younger"
    assert decision(made, "a", "rayjob-train").message == (
        "tenant a uses 0 of 2 nvidia.com/gpu, group needs 5; b can lend it 2 more, and it may borrow 3 in all"
    )
    submit(fleet, "b", workers=1)
    assert decision(fleet.cycle(), "a", "rayjob-train").phase is Phase.PLACED


def test_what_a_lender_waits_for_is_not_lent_on() -> None:
    fleet = fleet_with(a=f"namespaces: [a], {quota(0, 'borrowing: {from: any}')}", b=f"namespaces: [b], {quota(4)}")
    submit(fleet, "a", "first", workers=1)
    submit(fleet, "a", "second", workers=1)
    fleet.cycle()
    submit(fleet, "b", workers=4)
    submit(fleet, "a", "third", workers=1)
    made = fleet.cycle()
    waits = decision(made, "b", "rayjob-train")
    assert waits.reason == "QuotaExceeded"
    assert "2 of it is lent to others" in waits.message
    assert decision(made, "a", "rayjob-third").reason == "QuotaExceeded", "or the lender would wait for ever"
    fleet.commit("workloads/a/first.yaml", None)
    fleet.commit("workloads/a/second.yaml", None)
    fleet.cycle()
    assert decision(fleet.cycle(), "b", "rayjob-train").phase is Phase.PLACED


JOBS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3), st.integers(0, 2)), min_size=1, max_size=8)
QUOTAS = st.fixed_dictionaries({name: st.integers(0, 4) for name in "abc"})


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(JOBS, QUOTAS, st.booleans(), st.randoms(use_true_random=False))
def test_no_quota_is_exceeded_at_any_prefix_of_the_queue_and_files_have_no_order(
    jobs: list[tuple[str, int, int]], quotas: Mapping[str, int], lends: bool, dice: Random
) -> None:
    borrowing = "borrowing: {from: any}" if lends else ""
    fleet = fleet_with(**{name: f"namespaces: [{name}], {quota(gpus, borrowing)}" for name, gpus in quotas.items()})
    used = dict.fromkeys(quotas, 0)
    wanted = {f"{who}/rayjob-j{i}": workers for i, (who, workers, _) in enumerate(jobs)}
    for i, (who, workers, batch) in enumerate(jobs):
        submit(fleet, who, f"j{i}", workers=workers)
        if batch:
            continue
        assert fleet.shuffled(dice).plan(now=NOW) == fleet.plan(now=NOW)
        for made in fleet.cycle().decisions:
            if made.action is Action.PLACE:
                used[made.group.namespace] += wanted[str(made.group)]
            assert sum(used.values()) <= sum(quotas.values())
            assert lends or all(used[name] <= quotas[name] for name in quotas)


def spread_fleet(spread: str, gpus: int) -> Fleet:
    fleet = fleet_with(a=f"namespaces: [team], {quota(gpus)}")
    fleet.files["policies/p.yaml"] = policy("p", f"spreadConstraints: {{{spread}}}")
    return fleet


@pytest.mark.parametrize(("gpus", "phase"), [(3, Phase.PENDING), (4, Phase.PLACED)])
def test_a_duplicated_group_counts_once_a_cluster(gpus: int, phase: Phase) -> None:
    fleet = spread_fleet("spreadMode: Duplicate", gpus)
    fleet.commit("workloads/team/dev.yaml", ray_cluster(2))
    made = decision(fleet.cycle(), "team", "raycluster-dev")
    assert made.phase is phase
    if phase is Phase.PENDING:
        assert made.reason == "QuotaExceeded"
        assert "tenant a uses 0 of 3 nvidia.com/gpu, group needs 4" in made.message
        assert not any(path.startswith("clusters/east/team") for path in fleet.files)
        submit(fleet, "team", workers=3)
        assert decision(fleet.plan(), "team", "raycluster-dev").reason == "QuotaExceeded", "it has taken nothing"


def test_a_divided_group_counts_once_in_all() -> None:
    fleet = spread_fleet("spreadMode: Divide", 4)
    fleet.commit("workloads/team/dev.yaml", ray_cluster(4))
    made = decision(fleet.cycle(), "team", "raycluster-dev")
    assert made.phase is Phase.PLACED
    assert len(made.clusters) == 2


def test_a_duplicated_group_does_not_follow_a_new_cluster_beyond_its_quota() -> None:
    fleet = spread_fleet("spreadMode: Duplicate", 2)
    west = {path: fleet.files.pop(path) for path in ("inventory/west.yaml", "snapshots/west.yaml")}
    fleet.commit("workloads/team/dev.yaml", ray_cluster(2))
    assert decision(fleet.cycle(), "team", "raycluster-dev").phase is Phase.PLACED
    fleet.files |= west
    kept = decision(fleet.cycle(), "team", "raycluster-dev")
    assert (kept.action, kept.reason, list(kept.clusters)) == (Action.KEEP, "QuotaExceeded", ["east"])
    assert "tenant a uses 2 of 2 nvidia.com/gpu, group needs 4 instead of 2" in kept.message
    assert fleet.plan().drafts == ()


def test_an_override_that_enlarges_a_group_counts() -> None:
    fleet = fleet_with(a=f"namespaces: [team], {quota(3)}")
    bigger = (
        "\noverrides: [{clusterSelector: {}, target: {kind: RayCluster}, "
        "patch: [{op: replace, path: /spec/workerGroupSpecs/0/replicas, value: 4}]}]"
    )
    fleet.files["policies/p.yaml"] = policy("p", "placement: {require: Fit}" + bigger)
    fleet.commit("workloads/team/dev.yaml", ray_cluster(2))
    waits = decision(fleet.cycle(), "team", "raycluster-dev")
    assert waits.message == "tenant a uses 0 of 3 nvidia.com/gpu, group needs 4"


def test_a_lender_that_could_never_have_all_copies_of_a_group_keeps_nothing_from_borrowers() -> None:
    fleet = fleet_with(a=f"namespaces: [a], {quota(0, 'borrowing: {from: any}')}", b=f"namespaces: [b], {quota(3)}")
    fleet.files["policies/b.yaml"] = own_policy("b", "priority: 1\nspreadConstraints: {spreadMode: Duplicate}")
    submit(fleet, "b", workers=2)
    submit(fleet, "a", workers=1)
    made = fleet.plan()
    assert decision(made, "b", "rayjob-train").message.endswith("tenant b uses 0 of 3 nvidia.com/gpu, group needs 4")
    assert decision(made, "a", "rayjob-train").phase is Phase.PLACED, "two copies on two clusters need 4 of 3"
