"""Overrides of both dialects: visible patches, sized as they are deployed, refused where they do not apply."""

from __future__ import annotations

import pytest

from reconciler.errors import InvalidObject
from reconciler.placement.model import Action
from tests.cycles.overrides import ENV_AND_LABEL, nova, override, two
from tests.cycles.spreads import DUPLICATE, deployed, deployment, fleet_of, kustomization, replicas, standing
from tests.fleets import Fleet, config_map, decision, ordered, policy, ray_job

NOVA_OVERRIDES = """
spreadConstraints:
  overrides:
    - topologyValue: a
      resources: [{kind: A, apiVersion: v1, name: b, override: [{fieldPath: 'PATH', value: {staticValue: 1}}]}]
"""


def test_novas_overrides_differ_by_domain_and_begin_with_a_test() -> None:
    fleet = fleet_of({"a": 2, "b": 2}, "", labels={"a": "{region: east}", "b": "{region: west}"})
    fleet.files["policies/spread.yaml"] = nova(ENV_AND_LABEL, named="name: web, namespace: team")
    fleet.commit("workloads/team/web.yaml", deployment("web"))
    fleet.cycle()
    assert fleet.plan().drafts == ()
    bodies = {name: deployed(part, "Deployment") for name, part in standing(fleet, "team", "deployment-web").items()}
    values = {n: b["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] for n, b in bodies.items()}
    assert values == {"a": "us-east", "b": "none"}
    assert bodies["a"]["metadata"]["labels"] == {"app": "web", "a.b/c": "east"}
    patches = kustomization(fleet, "a", "team/deployment-web")
    assert [patch[0]["op"] for patch in patches] == ["test", "test"]
    assert patches[0][0] == {
        "op": "test",
        "path": "/spec/template/spec/containers/0/env/0/value",
        "value": "none",
    }
    assert b"patches" not in fleet.files["clusters/b/team/deployment-web/kustomization.yaml"]


def two_replicas_on_a() -> Fleet:
    """A Deployment of 5 replicas is on both clusters, and an override leaves 2 of them on a."""
    fleet = two(DUPLICATE + "\n" + override("[{op: replace, path: /spec/replicas, value: 2}]"))
    fleet.commit("workloads/team/web.yaml", deployment("web", 5))
    fleet.cycle()
    return fleet


def test_our_overrides_reach_the_clusters_that_are_selected() -> None:
    fleet = two_replicas_on_a()
    assert fleet.plan().drafts == ()
    assert replicas(fleet, "team", "deployment-web") == {"a": 2, "b": 5}


def test_what_is_sized_is_what_is_deployed() -> None:
    smaller = "[{op: replace, path: /spec/rayClusterSpec/workerGroupSpecs/0/replicas, value: 2},"
    smaller += " {op: replace, path: /spec/rayClusterSpec/workerGroupSpecs/0/minReplicas, value: 2}]"
    spec = ordered("b", "a") + "\nplacement: {require: Fit}\n"
    fleet = two(spec)
    fleet.commit("workloads/team/job.yaml", ray_job("train", workers=3))
    assert decision(fleet.plan(), "team", "rayjob-train").action is Action.WAIT
    fleet.files["policies/spread.yaml"] = policy("spread", spec + override(smaller, "{kind: RayJob}"))
    fleet.cycle()
    assert set(standing(fleet, "team", "rayjob-train")) == {"a"}, "the two workers that it has there fit"
    fleet.commit("workloads/team/more.yaml", ray_job("more", workers=2))
    placed = decision(fleet.plan(), "team", "rayjob-more")
    assert list(placed.clusters) == ["b"], "two GPUs of a are promised, not three, and not none"


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ("[{op: replace, path: /spec/nothing, value: 2}]", "the object has no /spec/nothing"),
        ("[{op: test, path: /spec/replicas, value: 4}]", "op test fails: /spec/replicas is 5, not 4"),
        ("[{op: replace, path: /metadata/name, value: other}]", "cannot be overridden"),
        ("[{op: add, path: /metadata/uid, value: x}]", "cannot be overridden"),
        ("[{op: replace, path: /spec/replicas, value: many}]", "spec.replicas"),
        ("[{op: add, path: /spec/big, value: 9007199254740993}]", "rounds whole numbers"),
        ("[{op: remove, path: /kind/0}]", "the object has no /kind/0"),
        ("[{op: copy, path: /spec/a, from: /spec/b}]", "the object has no /spec/b"),
    ],
)
def test_an_override_that_cannot_be_rejects_the_group_with_policy_line_and_object(patch: str, words: str) -> None:
    fleet = two(DUPLICATE + "\n" + override(patch))
    fleet.commit("workloads/team/web.yaml", deployment("web", 5))
    rejected = decision(fleet.plan(), "team", "deployment-web")
    assert (rejected.action, rejected.reason) == (Action.REJECT, "InvalidObject")
    assert rejected.message.startswith("policies/spread.yaml:9:")
    assert "Deployment team/web (workloads/team/web.yaml:1:1)" in rejected.message
    assert words in rejected.message


def test_a_patched_ray_object_is_validated_again() -> None:
    patch = "[{op: replace, path: /spec/rayClusterSpec/workerGroupSpecs/0/minReplicas, value: 9}]"
    fleet = two(DUPLICATE + "\n" + override(patch, "{kind: RayJob}"))
    fleet.commit("workloads/team/job.yaml", ray_job("train"))
    rejected = decision(fleet.plan(), "team", "rayjob-train")
    assert rejected.action is Action.REJECT
    assert "minReplicas" in rejected.message


def test_an_override_that_turns_wrong_keeps_what_stands() -> None:
    fleet = two(DUPLICATE)
    fleet.commit("workloads/team/web.yaml", deployment("web", 5))
    fleet.cycle()
    fleet.files["policies/spread.yaml"] = policy("spread", DUPLICATE + "\n" + override("[{op: remove, path: /spec/x}]"))
    kept = decision(fleet.plan(), "team", "deployment-web")
    assert (kept.action, kept.reason) == (Action.KEEP, "InvalidObject")
    assert "What was admitted stays as it is" in kept.message


def test_a_changed_override_is_rolled_out_in_place_but_not_to_a_running_job() -> None:
    image = "[{op: replace, path: /spec/template/spec/containers/0/image, value: new}]"
    entry = "[{op: replace, path: /spec/entrypoint, value: other}]"
    both = override(image) + override(entry, "{kind: RayJob}").removeprefix("overrides:\n")
    fleet = two(ordered("a"))
    fleet.commit("workloads/team/web.yaml", deployment("web"))
    fleet.commit("workloads/team/job.yaml", ray_job("train"))
    fleet.cycle()
    fleet.files["policies/spread.yaml"] = policy("spread", ordered("a") + "\n" + both)
    made = fleet.cycle()
    assert fleet.plan().drafts == ()
    updated = decision(made, "team", "deployment-web")
    assert (updated.reason, updated.message) == ("UpdatedInPlace", "updated on a: changed Deployment web")
    assert decision(made, "team", "rayjob-train").action is Action.KEEP
    assert kustomization(fleet, "a", "team/rayjob-train") == []


def test_a_companion_is_patched_where_its_group_is() -> None:
    patch = "[{op: add, path: /data/extra, value: here}]"
    fleet = two(ordered("a") + "\n" + override(patch, "{kind: ConfigMap, name: code}"))
    fleet.commit("workloads/team/code.yaml", config_map("code"))
    fleet.commit("workloads/team/job.yaml", ray_job("train", config="code"))
    fleet.cycle()
    part = standing(fleet, "team", "rayjob-train")["a"]
    assert deployed(part, "ConfigMap")["data"] == {"code.py": "print(1)", "extra": "here"}


def test_a_hand_made_change_of_a_patch_is_undone() -> None:
    fleet = two_replicas_on_a()
    clean = fleet.rendered()
    path = "clusters/a/team/deployment-web/kustomization.yaml"
    assert b"value: 2" in clean[path]
    fleet.files[path] = clean[path].replace(b"value: 2", b"value: 200")
    fleet.cycle()
    assert fleet.rendered() == clean


def test_a_record_whose_patches_do_not_apply_stops_the_cycle_with_its_place() -> None:
    fleet = two_replicas_on_a()
    path = "placements/team/deployment-web.yaml"
    fleet.files[path] = fleet.files[path].replace(b"/spec/replicas", b"/spec/nothing")
    with pytest.raises(InvalidObject, match=r"placements/team/deployment-web.yaml: the patches for a do not apply"):
        fleet.state()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (override("[{op: add, path: spec/replicas, value: 1}]"), "not a JSON pointer"),
        (override("[{op: add, path: /spec/replicas}]"), "op add needs a value"),
        (override("[{op: move, path: /spec/replicas}]"), "op move needs from"),
        (
            NOVA_OVERRIDES.replace("PATH", "a[b"),
            "is not a field path",
        ),
        ("spreadConstraints: {spreadMode: Duplicate, percentageSplit: {a: 100}}", "is for spreadMode Divide"),
    ],
)
def test_what_no_override_can_be_is_refused_when_the_policy_is_read(spec: str, words: str) -> None:
    with pytest.raises(InvalidObject, match=r"policies/spread.yaml:\d+:\d+") as caught:
        two(spec).state()
    assert words in str(caught.value)


def test_an_override_that_turns_wrong_does_not_concern_a_job_that_was_placed() -> None:
    wrong = ordered("a") + "\n" + override("[{op: test, path: /spec/entrypoint, value: x}]", "{kind: RayJob}")
    fleet = two(ordered("a"))
    fleet.commit("workloads/team/code.yaml", config_map("code"))
    fleet.commit("workloads/team/job.yaml", ray_job("train", config="code"))
    fleet.cycle()
    fleet.files["policies/spread.yaml"] = policy("spread", wrong)
    assert fleet.plan().drafts == ()
    fleet.commit("workloads/team/code.yaml", config_map("code", "print(2)"))
    made = fleet.cycle()
    assert decision(made, "team", "rayjob-train").message == "updated on a: changed ConfigMap code"
    assert fleet.plan().drafts == ()
    fleet.commit("workloads/team/next.yaml", ray_job("next"))
    assert decision(fleet.plan(), "team", "rayjob-next").reason == "InvalidObject"


def test_an_operation_that_cannot_be_is_not_said_to_lack_what_is_there() -> None:
    fleet = two(ordered("a") + "\n" + override("[{op: move, from: /spec, path: /spec/inner}]"))
    fleet.commit("workloads/team/web.yaml", deployment("web"))
    said = decision(fleet.plan(), "team", "deployment-web").message
    assert "op move does not apply at /spec/inner; mend it" in said
