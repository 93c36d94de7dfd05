"""In whole cycles: a warning while an object and what it refers to are placed on different clusters."""

from __future__ import annotations

import pytest

from tests.fleets import Fleet, config_map, ordered, policy, ray_job, static_and_dynamic, text

FIELD = "spec.rayClusterSpec.headGroupSpec.template.spec.volumes[0].configMap.name"


def fleet(rest: str) -> Fleet:
    """RayJobs go to static; all other objects by the policy `rest`."""
    made = static_and_dynamic()
    del made.files["policies/spill.yaml"]
    made.files["policies/jobs.yaml"] = policy("jobs", ordered("static"), objects="{kinds: [RayJob]}")
    made.files["policies/rest.yaml"] = policy("rest", f"priority: -100\n{rest}")
    made.commit("workloads/team1/job.yaml", ray_job("train", workers=1, config="code"))
    made.commit("workloads/team1/code.yaml", config_map("code"))
    return made


@pytest.mark.parametrize(
    ("rest", "where"),
    [
        (ordered("dynamic"), "is on dynamic"),
        ("clusterSelector: {matchLabels: {a: b}}", "is not placed"),
        (ordered("static"), None),
        ("spreadConstraints: {spreadMode: Duplicate}", None),
    ],
)
def test_a_job_whose_config_map_another_policy_places_elsewhere_is_warned_about(rest: str, where: str | None) -> None:
    made = fleet(rest)
    warnings = made.cycle().warnings
    assert len(warnings) == (where is not None)
    for warning in warnings:
        assert warning.startswith("workloads/team1/job.yaml:1:1: RayJob team1/train is on static")
        assert all(words in warning for words in ("ConfigMap team1/code", FIELD, f"{where} by policy rest"))
    assert made.plan().warnings == warnings, "as long as it is so"


def test_what_makes_a_secret_elsewhere_is_warned_about_unless_another_one_follows() -> None:
    made = fleet(ordered("dynamic"))
    del made.files["workloads/team1/code.yaml"]
    job = ray_job("train", workers=1, config="code").replace(b"configMap: {name: code}", b"secret: {secretName: token}")
    made.commit("workloads/team1/job.yaml", job)
    maker = "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: token}\nspec: {encryptedData: {}}"
    made.commit("workloads/team1/sealed.yaml", text(maker))
    (warning,) = made.cycle().warnings
    assert "and SealedSecret team1/token, to which it refers" in warning
    made.commit("workloads/team1/job.yaml", job.replace(b"secretName: token", b"secretName: token, optional: true"))
    assert made.plan().warnings == (), "its pods start without it"
