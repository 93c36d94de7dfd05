"""What an object refers to goes with it: companions of companions, makers of Secrets, and what is missing."""

from __future__ import annotations

import random as random_
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.placement.model import Action
from reconciler.planning.files import Files
from reconciler.planning.state import read_policy_files
from reconciler.service.checks import check_files
from reconciler.workloads.group import Group
from reconciler.workloads.grouping import group_objects
from reconciler.workloads.workloads import read_workloads
from tests.cycles.companions import account, companions, external_secret, from_secret, job_with, sealed_secret, secret
from tests.fleets import Fleet, config_map, decision, ordered, policy, ray_job, static_and_dynamic, text, where


def groups(fleet: Fleet) -> list[str]:
    return sorted(str(key) for key in fleet.state().placements)


def test_a_companion_follows_its_job_and_its_edit_is_rolled_out() -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team1/code.yaml", config_map("code"))
    fleet.commit("workloads/team1/job.yaml", ray_job("train", config="code"))
    fleet.cycle()
    path = "clusters/static/team1/rayjob-train/configmap-code.yaml"
    assert b"print(1)" in fleet.files[path]
    assert where(fleet) == {"team1/rayjob-train": "static"}, "the ConfigMap is no group of its own"
    fleet.commit("workloads/team1/code.yaml", config_map("code", "print(2)"))
    assert decision(fleet.cycle(), "team1", "rayjob-train").reason == "UpdatedInPlace"
    assert b"print(2)" in fleet.files[path]


@pytest.mark.parametrize(
    ("maker", "file"),
    [
        (secret("token"), "secret-token.yaml"),
        (external_secret("token", "{data: []}"), "externalsecret-token.yaml"),
        (external_secret("vault", "{target: {name: token}}"), "externalsecret-vault.yaml"),
        (sealed_secret("token"), "sealedsecret-token.yaml"),
    ],
)
def test_a_reference_to_a_secret_is_satisfied_by_whatever_makes_it(maker: bytes, file: str) -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team1/secret.yaml", maker)
    fleet.commit("workloads/team1/job.yaml", job_with(from_secret("token")))
    made = fleet.cycle()
    assert companions(fleet) == [file]
    assert groups(fleet) == ["team1/rayjob-train"], "it follows, and is no group of its own"
    assert not any("to Secret token, " in warning for warning in made.warnings)
    assert fleet.plan().drafts == ()


@pytest.mark.parametrize(
    "maker",
    [
        external_secret("token", "{target: {name: other}}"),
        external_secret("token", "{target: {creationPolicy: None}}"),
        sealed_secret("sealed", "{template: {metadata: {name: token}}}"),
    ],
)
def test_what_makes_no_secret_of_that_name_satisfies_nothing(maker: bytes) -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team1/secret.yaml", maker)
    fleet.commit("workloads/team1/job.yaml", job_with(from_secret("token")))
    made = fleet.cycle()
    assert companions(fleet) == []
    assert any("to Secret token, " in warning for warning in made.warnings)


@pytest.mark.parametrize("contents", ["stringData: {token: t}", "data: {token: dA==}"])
def test_a_plain_secret_in_git_is_warned_about_with_its_place(contents: str) -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team1/secret.yaml", secret("token", contents))
    fleet.commit("workloads/team1/empty.yaml", secret("issued", "type: kubernetes.io/service-account-token"))
    fleet.commit("workloads/team1/job.yaml", job_with(from_secret("token")))
    plain = [warning for warning in fleet.plan().warnings if "plain Secret" in warning]
    (warning,) = plain
    assert warning.startswith("workloads/team1/secret.yaml:1:1: Secret team1/token: ")


def test_validate_warns_of_plain_secrets_and_of_what_is_nowhere() -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team1/secret.yaml", secret("token"))
    fleet.commit("workloads/team1/job.yaml", ray_job("train", config="code"))
    found = check_files(Files(fleet.files), lambda _: fleet.files)
    assert found.errors == ()
    assert [warning.split(": ")[0] for warning in found.warnings] == [
        "workloads/team1/secret.yaml:1:1",
        "workloads/team1/job.yaml:1:1",
    ]
    assert "to ConfigMap code, " in found.warnings[1]


def test_companions_of_companions_follow() -> None:
    fleet = static_and_dynamic()
    fleet.commit(
        "workloads/team1/sa.yaml", account("runner", "imagePullSecrets: [{name: pull}]\nsecrets: [{name: s3}]")
    )
    fleet.commit("workloads/team1/pull.yaml", sealed_secret("pull"))
    fleet.commit("workloads/team1/s3.yaml", external_secret("s3", "{secretStoreRef: {name: vault, kind: SecretStore}}"))
    store = """
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: vault}
spec:
  provider:
    vault:
      caProvider: {type: ConfigMap, name: ca, key: ca.crt}
      auth:
        kubernetes: {role: r, serviceAccountRef: {name: reader}}
        appRole: {path: p, roleId: r, secretRef: {name: approle, key: id}}
"""
    fleet.commit("workloads/team1/store.yaml", text(store))
    fleet.commit("workloads/team1/reader.yaml", account("reader"))
    fleet.commit("workloads/team1/ca.yaml", config_map("ca"))
    fleet.commit("workloads/team1/approle.yaml", sealed_secret("approle"))
    fleet.commit("workloads/team1/job.yaml", job_with("serviceAccountName: runner"))
    made = fleet.cycle()
    assert companions(fleet) == [
        "configmap-ca.yaml",
        "externalsecret-s3.yaml",
        "sealedsecret-approle.yaml",
        "sealedsecret-pull.yaml",
        "secretstore-vault.yaml",
        "serviceaccount-reader.yaml",
        "serviceaccount-runner.yaml",
    ]
    assert groups(fleet) == ["team1/rayjob-train"]
    assert made.warnings == ()


GENERATOR = "apiVersion: generators.external-secrets.io/v1alpha1\nkind: Password\nmetadata: {name: random}\nspec: {}"


def test_what_generates_a_secret_follows_and_so_does_the_account_that_a_store_signs_in_as() -> None:
    fleet = static_and_dynamic()
    generated = "{name: random, kind: Password, apiVersion: generators.external-secrets.io/v1alpha1}"
    cluster_wide = "{name: shared, kind: ClusterGenerator}"
    origins = f"[{{sourceRef: {{generatorRef: {generated}}}}}, {{sourceRef: {{generatorRef: {cluster_wide}}}}}]"
    fleet.commit(
        "workloads/team1/s.yaml", external_secret("s", f"{{secretStoreRef: {{name: k}}, dataFrom: {origins}}}")
    )
    store = "apiVersion: external-secrets.io/v1\nkind: SecretStore\nmetadata: {name: k}\n"
    auth = "{auth: {serviceAccount: {name: reader}}, server: {caProvider: {name: no-key}}, other: {key: no-name}}"
    fleet.commit("workloads/team1/store.yaml", text(f"{store}spec: {{provider: {{kubernetes: {auth}}}}}"))
    fleet.commit("workloads/team1/reader.yaml", account("reader"))
    fleet.commit("workloads/team1/random.yaml", text(GENERATOR))
    fleet.commit("workloads/team1/job.yaml", job_with(from_secret("s")))
    made = fleet.cycle()
    assert companions(fleet) == [
        "externalsecret-s.yaml",
        "password-random.yaml",
        "secretstore-k.yaml",
        "serviceaccount-reader.yaml",
    ]
    assert made.warnings == ()


def test_companions_that_no_policy_selects_follow_along_the_whole_chain() -> None:
    fleet = static_and_dynamic()
    fleet.files["policies/spill.yaml"] = policy("spill", ordered("static"), objects="{kinds: [RayJob]}")
    fleet.commit("workloads/team1/sa.yaml", account("runner", "imagePullSecrets: [{name: pull}]"))
    fleet.commit("workloads/team1/pull.yaml", sealed_secret("pull"))
    fleet.commit("workloads/team1/job.yaml", job_with("serviceAccountName: runner"))
    made = fleet.cycle()
    assert companions(fleet) == ["sealedsecret-pull.yaml", "serviceaccount-runner.yaml"]
    assert made.warnings == ()
    fleet.commit("workloads/team1/job.yaml", None)
    made = fleet.cycle(allow_removals=True)
    assert sorted(warning.split(":")[0] for warning in made.warnings) == [
        "workloads/team1/pull.yaml",
        "workloads/team1/sa.yaml",
    ], "an object without a reference is reported"


@pytest.mark.parametrize("labels", ["{}", "{app: maps}"])
def test_a_companion_with_a_policy_of_its_own_goes_its_own_way(labels: str) -> None:
    fleet = static_and_dynamic()
    own = f"priority: 5\n{ordered('dynamic')}\ngroupBy: {{labelKey: app}}"
    fleet.files["policies/maps.yaml"] = policy("maps", own, objects="{kinds: [ConfigMap]}")
    fleet.commit("workloads/team1/code.yaml", config_map("code", labels=labels))
    fleet.commit("workloads/team1/job.yaml", ray_job("train", config="code"))
    made = fleet.cycle()
    assert companions(fleet) == []
    assert {d.clusters[0] for d in made.decisions} == {"static", "dynamic"}
    assert {d.action for d in made.decisions} == {Action.PLACE}


def test_companions_that_need_one_another_in_a_circle_are_not_lost() -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team1/x.yaml", external_secret("x", "{secretStoreRef: {name: vault}}"))
    store = "apiVersion: external-secrets.io/v1\nkind: SecretStore\nmetadata: {name: vault}\n"
    fleet.commit("workloads/team1/store.yaml", text(store + "spec: {provider: {p: {auth: {name: x, key: k}}}}"))
    fleet.cycle()
    assert groups(fleet) == ["team1/externalsecret-x"]
    assert companions(fleet, "clusters/static/team1/externalsecret-x/") == [
        "externalsecret-x.yaml",
        "secretstore-vault.yaml",
    ]


NAMES = st.sampled_from("abcd")
CHAIN = st.one_of(
    st.builds(
        lambda name, secrets: account(name, f"secrets: [{', '.join(f'{{name: {s}}}' for s in sorted(secrets))}]"),
        NAMES,
        st.sets(NAMES, max_size=2),
    ),
    st.builds(lambda name, store: external_secret(name, f"{{secretStoreRef: {{name: {store}}}}}"), NAMES, NAMES),
    st.builds(
        lambda name, account_, used: text(
            f"apiVersion: external-secrets.io/v1\nkind: SecretStore\nmetadata: {{name: {name}}}\n"
            f"spec: {{provider: {{p: {{serviceAccountRef: {{name: {account_}}}, token: {{name: {used}, key: k}}}}}}}}"
        ),
        NAMES,
        NAMES,
        NAMES,
    ),
    st.builds(lambda name, runs_as: job_with(f"serviceAccountName: {runs_as}", name), NAMES, NAMES),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(CHAIN, max_size=8), st.booleans(), st.randoms())
def test_whatever_refers_to_whatever_each_object_is_in_a_group_once(
    manifests: list[bytes], select_all: bool, random: random_.Random
) -> None:
    selected = "{}" if select_all else "{kinds: [RayJob, ServiceAccount]}"
    policies = read_policy_files({"policies/spill.yaml": policy("spill", ordered("static"), objects=selected)})
    files = {f"workloads/team1/{number}.yaml": data for number, data in enumerate(manifests)}
    workloads = read_workloads(files, {})
    made = group_objects(workloads, policies, {})
    members = [item.key for group in made.groups for item in group.members]
    following = {item.key for group in made.groups for item in group.companions}
    unplaced = [item.key for item in made.unplaced]
    assert sorted([*members, *following, *unplaced]) == sorted(item.key for item in workloads.objects)
    assert not (select_all and unplaced), "what a policy selects is placed, also in a circle of references"
    shuffled = list(workloads.objects)
    random.shuffle(shuffled)
    again = group_objects(replace(workloads, objects=tuple(shuffled)), policies, {})
    assert [_parts(group) for group in again.groups] == [_parts(group) for group in made.groups]
    assert again.warnings == made.warnings


def _parts(group: Group) -> tuple[object, ...]:
    return (group.key, {item.key for item in group.members}, {item.key for item in group.companions}, group.problem)


def test_a_missing_object_is_a_warning_with_field_and_remedy_and_stops_nothing() -> None:
    fleet = static_and_dynamic()
    pod = "serviceAccountName: runner, volumes: [{name: s, secret: {secretName: token}}]"
    fleet.commit("workloads/team1/a.yaml", job_with(pod))
    fleet.commit("workloads/team1/b.yaml", job_with(pod, "other"))
    made = fleet.cycle()
    assert decision(made, "team1", "rayjob-train").action is Action.PLACE
    head = "spec.rayClusterSpec.headGroupSpec.template.spec"
    where = "workloads/team1/a.yaml:1:1: RayJob team1/train refers in"
    secret_, account_ = made.warnings
    assert secret_.startswith(f"{where} {head}.volumes[0].secret.secretName to Secret token, ")
    assert "add an ExternalSecret or SealedSecret" in secret_
    assert account_.startswith(f"{where} {head}.serviceAccountName to ServiceAccount runner, ")
    assert "add its manifest" in account_
    assert all("1 other object" in warning for warning in made.warnings)


@pytest.mark.parametrize(
    "pod",
    [
        from_secret("token", ", optional: true"),
        "serviceAccountName: default",
        "volumes: [{name: ca, configMap: {name: kube-root-ca.crt}}]",
    ],
)
def test_what_is_optional_or_always_there_is_not_missed(pod: str) -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team1/job.yaml", job_with(pod))
    assert fleet.plan().warnings == ()


def test_a_job_whose_companion_may_be_in_an_unreadable_file_waits_for_it() -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team1/code.yaml", b"kind: ConfigMap\n  metadata: [\n")
    fleet.commit("workloads/team1/job.yaml", ray_job("train", config="code"))
    waits = decision(fleet.cycle(), "team1", "rayjob-train")
    assert (waits.action, waits.reason) == (Action.WAIT, "SourceUnreadable")
    assert "ConfigMap code" in waits.message
    (warning,) = fleet.plan().warnings
    assert "ConfigMap code" in warning
    assert "workloads/team1/code.yaml" in warning
    fleet.commit("workloads/team1/code.yaml", config_map("code"))
    assert decision(fleet.cycle(), "team1", "rayjob-train").action is Action.PLACE
