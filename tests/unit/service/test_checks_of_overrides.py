"""`skyray validate` finds what a plan would refuse of policies and workloads that are each valid by themselves."""

from __future__ import annotations

from reconciler.planning.files import Files
from reconciler.service.checks import check_files
from tests.cycles.overrides import nova, two
from tests.cycles.spreads import DUPLICATE, deployment
from tests.fleets import Fleet, config_map, decision, ordered, policy, ray_job

MISSING = '[{fieldPath: "spec.template.spec.containers[3].image", value: {staticValue: us-east}}]'

STALE = """
overrides:
  - clusterSelector: {matchLabels: {class: gpu}}
    target: {kind: Deployment}
    patch: [{op: test, path: /spec/replicas, value: 4}, {op: replace, path: /spec/replicas, value: 8}]
"""


def errors_of(fleet: Fleet) -> tuple[str, ...]:
    return check_files(Files(fleet.files), lambda _: fleet.files).errors


def test_an_override_that_does_not_apply_is_found_with_place_object_and_remedy() -> None:
    fleet = two(ordered("b", "a") + STALE)
    fleet.commit("workloads/team/web.yaml", deployment("web", 5))
    [error] = errors_of(fleet)
    assert error == (
        "policies/spread.yaml:9:7: the override of Deployment team/web (workloads/team/web.yaml:1:1) does not apply: "
        "op test fails: /spec/replicas is 5, not 4; mend it, or narrow its target"
    )
    assert decision(fleet.plan(), "team", "deployment-web").message == error, "the plan says the same"


def test_an_override_of_novas_dialect_that_does_not_apply_is_found_in_every_mode() -> None:
    for mode in ("Duplicate", "Divide"):
        fleet = two("")
        fleet.files["policies/spread.yaml"] = nova(MISSING, mode=mode)
        fleet.commit("workloads/team/web.yaml", deployment("web", 5))
        [error] = errors_of(fleet)
        assert error.startswith("policies/spread.yaml:"), mode
        assert "Deployment team/web" in error
        assert "the object has no /spec/template/spec/containers/3" in error


def test_overrides_for_clusters_that_are_not_eligible_are_no_finding() -> None:
    fleet = two(ordered("b") + STALE)
    fleet.commit("workloads/team/web.yaml", deployment("web", 5))
    assert errors_of(fleet) == ()
    fleet.files["policies/spread.yaml"] = nova(MISSING, cluster_selector="{matchLabels: {region: west}}")
    assert errors_of(fleet) == ()
    fleet.files["policies/spread.yaml"] = policy("spread", ordered("b", "a") + STALE)
    pinned = deployment("web", 5).replace(b"labels: {app: web}}", b"annotations: {skyray.dev/cluster: b}}", 1)
    fleet.commit("workloads/team/web.yaml", pinned)
    assert errors_of(fleet) == ()


def test_an_object_that_an_override_makes_invalid_is_found() -> None:
    patch = "[{op: replace, path: /spec/rayClusterSpec/workerGroupSpecs/0/minReplicas, value: 9}]"
    fleet = two(ordered("a") + STALE.replace("Deployment", "RayJob").split("    patch")[0] + f"    patch: {patch}")
    fleet.commit("workloads/team/train.yaml", ray_job("train"))
    [error] = errors_of(fleet)
    assert error.startswith("policies/spread.yaml:9:7: RayJob team/train (workloads/team/train.yaml:1:1)")
    assert "minReplicas" in error


def test_a_companion_that_an_override_does_not_fit_is_found() -> None:
    fleet = two(ordered("a") + STALE.replace("Deployment", "ConfigMap"))
    fleet.commit("workloads/team/code.yaml", config_map("code"))
    fleet.commit("workloads/team/train.yaml", ray_job("train", config="code"))
    [error] = errors_of(fleet)
    assert "ConfigMap team/code" in error


def test_a_job_that_cannot_be_divided_is_found() -> None:
    fleet = two("spreadConstraints: {spreadMode: Divide}")
    job = deployment("count").replace(b"apps/v1", b"batch/v1").replace(b"Deployment", b"Job")
    job = job.replace(b"  replicas: 5\n", b"  completionMode: Indexed\n  completions: 5\n")
    job = job.replace(b"  selector: {matchLabels: {app: count}}\n", b"")
    job = job.replace(b"    spec:\n", b"    spec:\n      restartPolicy: Never\n")
    fleet.commit("workloads/team/count.yaml", job)
    [error] = errors_of(fleet)
    assert "Job team/count has completionMode: Indexed" in error


def test_what_stands_elsewhere_is_judged_where_it_stands() -> None:
    fleet = two(ordered("b", "a"))
    fleet.commit("workloads/team/web.yaml", deployment("web", 5))
    fleet.cycle()
    fleet.files["policies/spread.yaml"] = policy("spread", ordered("b", "a") + STALE)
    assert errors_of(fleet) == (), "it stands on b, and an override for a changes nothing there"
    fleet.commit("workloads/team/new.yaml", deployment("new", 5))
    [error] = errors_of(fleet)
    assert "Deployment team/new" in error


def test_each_error_is_told_once() -> None:
    fleet = two(DUPLICATE + STALE)
    fleet.commit("workloads/team/web.yaml", deployment("web", 4))
    fleet.cycle()
    assert errors_of(fleet) == ()
    fleet.files["placements/team/deployment-web.yaml"] += b"bogus: 1\n"
    [error] = errors_of(fleet)
    assert error.startswith("placements/team/deployment-web.yaml:")


def warnings_of(fleet: Fleet) -> tuple[str, ...]:
    found = check_files(Files(fleet.files), lambda _: fleet.files)
    assert found.errors == ()
    assert fleet.plan().warnings == found.warnings, "the plan warns of the same"
    return found.warnings


def test_an_override_for_clusters_that_there_are_not_is_warned_of() -> None:
    fleet = two(ordered("b", "a") + STALE.replace("class: gpu", "class: gqu"))
    [warning] = warnings_of(fleet)
    assert warning == (
        "policies/spread.yaml:9:7: this override is for clusters with class=gqu, and the inventory has none"
    )
    fleet.files["policies/spread.yaml"] = nova(MISSING, value="esat")
    [warning] = warnings_of(fleet)
    assert warning.endswith("this override is for clusters with region=esat, and the inventory has none")


def test_an_override_of_an_object_that_there_is_not_is_warned_of_once_there_are_others() -> None:
    fleet = two("")
    fleet.files["policies/spread.yaml"] = nova(MISSING)
    assert warnings_of(fleet) == (), "the policy is there before what it is for"
    fleet.commit("workloads/team/wbe.yaml", deployment("wbe"))
    [warning] = warnings_of(fleet)
    assert warning.endswith("this override is for apps/v1 Deployment web, and no group of policy nova has it")
    fleet.commit("workloads/team/web.yaml", deployment("web"))
    fleet.files["policies/spread.yaml"] = nova()
    assert warnings_of(fleet) == ()


def test_an_override_of_a_kind_that_comes_later_is_not_warned_of() -> None:
    fleet = two(ordered("b", "a") + STALE.replace("Deployment", "RayService"))
    fleet.commit("workloads/team/web.yaml", deployment("web"))
    assert warnings_of(fleet) == ()
