"""What belongs together goes together: companions of companions, makers of Secrets, groups whole or not at all."""

from __future__ import annotations

import random as random_
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.placement.model import Action
from reconciler.planning.pipeline import plan
from reconciler.planning.plan_cache import PlanCache
from reconciler.planning.state import Files, read_policy_files
from reconciler.service.checks import check_files
from reconciler.workloads.files import read_workloads
from reconciler.workloads.group import Group
from reconciler.workloads.grouping import group_objects
from tests.fleets import (
    NOW,
    Fleet,
    cluster,
    config_map,
    decision,
    node,
    ordered,
    picture,
    policy,
    ray_job,
    static_and_dynamic,
    text,
)

JOB = "clusters/static/team1/rayjob-train/"
GROUPED = ordered("static") + "\nplacement: {require: Fit}\ngroupBy: {labelKey: app}"


def job_with(pod: str, name: str = "train", labels: str = "{}") -> bytes:
    """A RayJob whose head has `pod` in its spec, as YAML flow."""
    head = b'image: r, resources: {requests: {cpu: "1"}}}]'
    return ray_job(name, workers=1, labels=labels).replace(head, head + b", " + pod.encode())


def from_secret(name: str, more: str = "") -> str:
    return f"volumes: [{{name: s, secret: {{secretName: {name}{more}}}}}]"


def secret(name: str, body: str = "stringData: {token: t}") -> bytes:
    return text(f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\n{body}")


def external_secret(name: str, spec: str) -> bytes:
    return text(f"apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {{name: {name}}}\nspec: {spec}")


def sealed_secret(name: str, spec: str = "{encryptedData: {token: AgBy}}") -> bytes:
    return text(f"apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {{name: {name}}}\nspec: {spec}")


def account(name: str, body: str = "") -> bytes:
    return text(f"apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}}}\n{body}")


def companions(fleet: Fleet, folder: str = JOB) -> list[str]:
    files = sorted(p.removeprefix(folder) for p in fleet.files if p.startswith(folder))
    return [name for name in files if name != "kustomization.yaml" and not name.startswith("rayjob-")]


def groups(fleet: Fleet) -> list[str]:
    return sorted(str(key) for key in fleet.state().placements)


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
    only_jobs = policy("spill", ordered("static"), objects="{kinds: [RayJob]}")
    fleet.files["policies/spill.yaml"] = only_jobs
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
    own = policy("maps", f"priority: 5\n{ordered('dynamic')}\ngroupBy: {{labelKey: app}}")
    fleet.files["policies/maps.yaml"] = own.replace(
        b"resourceSelectors: {}", b"resourceSelectors: {kinds: [ConfigMap]}"
    )
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
    selectors = b"{}" if select_all else b"{kinds: [RayJob, ServiceAccount]}"
    rules = policy("spill", ordered("static")).replace(b"resourceSelectors: {}", b"resourceSelectors: " + selectors)
    policies = read_policy_files({"policies/spill.yaml": rules})
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


def test_a_wrong_field_of_a_companion_is_reported_with_its_place_and_keeps_its_group_out() -> None:
    fleet = static_and_dynamic()
    fleet.files["policies/spill.yaml"] = policy("spill", GROUPED)
    fleet.commit("workloads/team1/sa.yaml", account("runner", "imagePullSecrets: pull"))
    fleet.commit("workloads/team1/a.yaml", job_with("serviceAccountName: runner", "a", "{app: pair}"))
    fleet.commit("workloads/team1/b.yaml", ray_job("b", workers=1, labels="{app: pair}"))
    refused = decision(fleet.cycle(), "team1", "pair")
    assert refused.action is Action.REJECT
    assert refused.message.startswith("workloads/team1/sa.yaml:4:19: imagePullSecrets is ")
    assert not any("/pair/" in path for path in fleet.files if path.startswith("clusters/"))
    fleet.commit("workloads/team1/sa.yaml", account("runner"))
    fleet.cycle()
    assert companions(fleet, "clusters/static/team1/pair/") == ["serviceaccount-runner.yaml"]


def test_a_group_with_an_invalid_member_is_not_placed_by_halves() -> None:
    fleet = static_and_dynamic()
    fleet.files["policies/spill.yaml"] = policy("spill", GROUPED)
    fleet.commit("workloads/team1/code.yaml", config_map("code", labels="{app: pair}"))
    fleet.commit("workloads/team1/a.yaml", ray_job("a", workers=1, labels="{app: pair}", config="code"))
    fleet.commit("workloads/team1/b.yaml", ray_job("b", labels="{app: pair}", more="backoffLimit: -1"))
    refused = decision(fleet.cycle(), "team1", "pair")
    assert refused.action is Action.REJECT
    assert refused.message.startswith("workloads/team1/b.yaml:")
    assert not any("team1" in path for path in fleet.files if path.startswith("clusters/"))


def test_a_group_of_which_a_file_cannot_be_read_waits_for_it() -> None:
    fleet = static_and_dynamic()
    fleet.files["policies/spill.yaml"] = policy("spill", GROUPED)
    fleet.commit("workloads/team1/a.yaml", ray_job("a", workers=1, labels="{app: pair}"))
    fleet.commit("workloads/team1/b.yaml", b"kind: RayJob\n  metadata: [\n")
    fleet.commit("workloads/team1/alone.yaml", ray_job("alone", workers=1))
    made = fleet.cycle()
    waits = decision(made, "team1", "pair")
    assert (waits.action, waits.reason) == (Action.WAIT, "SourceUnreadable")
    assert "workloads/team1/b.yaml" in waits.message
    assert decision(made, "team1", "rayjob-alone").action is Action.PLACE, "nothing can be missing of it"
    fleet.commit("workloads/team1/b.yaml", ray_job("b", workers=1, labels="{app: pair}"))
    assert decision(fleet.cycle(), "team1", "pair").action is Action.PLACE


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


def test_an_object_that_two_policies_put_into_two_groups_is_refused_with_all_four_names() -> None:
    fleet = static_and_dynamic()
    fleet.files["policies/spill.yaml"] = policy("by-app", GROUPED)
    fleet.files["policies/team.yaml"] = policy("by-team", ordered("static") + "\ngroupBy: {labelKey: team}")
    fleet.commit("workloads/team1/a.yaml", ray_job("a", workers=1, labels="{app: one, team: red}"))
    fleet.commit("workloads/team1/b.yaml", ray_job("b", workers=1, labels="{app: one}"))
    made = fleet.cycle()
    refused = decision(made, "team1", "one")
    assert refused.action is Action.REJECT
    assert "by-app" in refused.message
    assert "by-team" in refused.message
    assert "team1/one" in refused.message
    assert "team1/red" in refused.message
    rules = fleet.files["policies/team.yaml"]
    fleet.files["policies/team.yaml"] = rules.replace(b"spec:", b"spec:\n  priority: 5")
    made = fleet.cycle()
    settled = [decision(made, "team1", name).action for name in ("red", "rayjob-b")]
    assert settled == [Action.PLACE, Action.PLACE], "a higher priority settles it"


def test_the_other_group_that_an_object_is_claimed_by_is_not_placed_without_it() -> None:
    fleet = static_and_dynamic()
    fleet.files["policies/spill.yaml"] = policy("by-app", GROUPED)
    fleet.files["policies/team.yaml"] = policy(
        "by-team",
        ordered("static") + "\ngroupBy: {labelKey: team}",
        objects="{labelSelectors: [{matchLabels: {team: red}}]}",
    )
    fleet.files["policies/spill.yaml"] = fleet.files["policies/spill.yaml"].replace(
        b"resourceSelectors: {}", b"resourceSelectors: {labelSelectors: [{matchLabels: {app: one}}]}"
    )
    fleet.commit("workloads/team1/a.yaml", ray_job("a", workers=1, labels="{app: one, team: red}"))
    fleet.commit("workloads/team1/c.yaml", ray_job("c", workers=1, labels="{team: red}"))
    made = fleet.cycle()
    assert {(d.group.name, d.action) for d in made.decisions} == {("one", Action.REJECT), ("red", Action.REJECT)}


def test_a_companion_that_another_groups_label_claims_is_refused_with_both_groups() -> None:
    fleet = static_and_dynamic()
    fleet.files["policies/spill.yaml"] = policy("spill", GROUPED)
    fleet.commit("workloads/team1/code.yaml", config_map("code", labels="{app: one}"))
    fleet.commit("workloads/team1/a.yaml", ray_job("a", workers=1, labels="{app: one}", config="code"))
    fleet.commit("workloads/team1/b.yaml", ray_job("b", workers=1, labels="{app: two}", config="code"))
    made = fleet.cycle()
    assert decision(made, "team1", "one").action is Action.PLACE
    refused = decision(made, "team1", "two")
    assert refused.action is Action.REJECT
    assert "ConfigMap team1/code" in refused.message
    assert "group team1/one" in refused.message
    assert "RayJob b" in refused.message
    fleet.commit("workloads/team1/code.yaml", config_map("code"))
    fleet.cycle()
    assert "clusters/static/team1/shared/configmap-code.yaml" in fleet.files


def test_a_new_label_of_a_namespace_reaches_every_cluster_in_the_first_commit_of_the_next_cycle() -> None:
    fleet = static_and_dynamic()
    namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: team1, labels: {tier: %s}}"
    fleet.commit("workloads/team1/ns.yaml", text(namespace % "bronze"))
    pinned = ray_job("there", workers=1).replace(b"labels: {}", b"annotations: {skyray.dev/cluster: dynamic}")
    fleet.commit("workloads/team1/here.yaml", ray_job("here", workers=1))
    fleet.commit("workloads/team1/there.yaml", pinned)
    fleet.cycle()
    cache = PlanCache()
    assert plan(fleet.state(), fleet.snapshot(), NOW, cache=cache).drafts == ()
    paths = [f"clusters/{name}/team1/namespace.yaml" for name in ("dynamic", "static")]
    assert all(b"tier: bronze" in fleet.files[path] for path in paths)
    fleet.commit("workloads/team1/ns.yaml", text(namespace % "gold"))
    fleet.commit("workloads/team2/job.yaml", ray_job("train", workers=1))
    made = plan(fleet.state(), fleet.snapshot(), NOW, cache=cache)
    assert made.drafts == fleet.cycle().drafts, "what is remembered of the old label is no excuse"
    first = made.drafts[0]
    assert first.subject == "render dynamic, static"
    assert [path for path in sorted(first.changes) if path.endswith("namespace.yaml")] == paths
    assert all(b"tier: gold" in fleet.files[path] for path in paths)
    assert b"tier" not in fleet.files["clusters/static/team2/namespace.yaml"]
    assert fleet.plan().drafts == ()


RAY_CLUSTER = """
apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: NAME, labels: {}}
spec:
  headGroupSpec:
    rayStartParams: {}
    template: {spec: {containers: [{name: ray-head, image: r, resources: {requests: {cpu: "1"}}}]}}
"""


def ray_cluster(name: str = "big", labels: str = "{}") -> bytes:
    return text(RAY_CLUSTER.replace("NAME", name).replace("labels: {}", f"labels: {labels}"))


def attached(name: str = "task", to: str = "big", metadata: str = "") -> bytes:
    return text(f"""
apiVersion: ray.io/v1
kind: RayJob
metadata: {{name: {name}{metadata}}}
spec:
  entrypoint: python task.py
  clusterSelector: {{ray.io/cluster: {to}}}
""")


def where(fleet: Fleet, name: str) -> list[str]:
    return next(list(placed.clusters) for key, placed in fleet.state().placements.items() if str(key) == name)


def test_a_job_with_a_cluster_selector_goes_where_its_ray_cluster_stands() -> None:
    fleet = static_and_dynamic()
    pinned = ray_cluster().replace(b"labels: {}", b"annotations: {skyray.dev/cluster: dynamic}")
    fleet.commit("workloads/team1/cluster.yaml", pinned)
    fleet.cycle()
    fleet.commit("workloads/team1/job.yaml", attached())
    made = fleet.cycle()
    placed = decision(made, "team1", "rayjob-task")
    assert where(fleet, "team1/rayjob-task") == ["dynamic"], "though the policy prefers static"
    elsewhere = next(c for c in placed.candidates if c.cluster == "static")
    assert elsewhere.reason == "RayClusterElsewhere"
    assert elsewhere.message == "RayCluster big, which it runs on, is on dynamic"


def test_a_ray_cluster_is_placed_before_the_job_that_selects_it_whatever_their_age() -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team1/first.yaml", ray_job("first", workers=1))
    fleet.commit("workloads/team1/job.yaml", attached())
    pinned = ray_cluster().replace(b"labels: {}", b"annotations: {skyray.dev/cluster: dynamic}")
    fleet.commit("workloads/team1/cluster.yaml", pinned)
    made = fleet.cycle()
    assert [d.group.name for d in made.decisions] == ["rayjob-first", "raycluster-big", "rayjob-task"]
    assert where(fleet, "team1/rayjob-task") == ["dynamic"]
    assert fleet.plan().drafts == ()


def test_a_job_whose_ray_cluster_has_no_place_waits_and_names_it() -> None:
    fleet = static_and_dynamic()
    seen = "{kind: RayCluster, namespace: team1, name: big, state: ready}"
    fleet.files["snapshots/dynamic.yaml"] = picture("dynamic", node("sys", gpus=0, cpu="4"), ray=(seen,))
    huge = ray_cluster().replace(b'cpu: "1"', b'cpu: "999"')
    fleet.commit("workloads/team1/cluster.yaml", huge)
    fleet.commit("workloads/team1/job.yaml", attached())
    waits = decision(fleet.cycle(), "team1", "rayjob-task")
    assert (waits.action, waits.reason) == (Action.WAIT, "RayClusterNotPlaced")
    assert "RayCluster big" in waits.message
    assert "team1/raycluster-big" in waits.message
    fleet.commit("workloads/team1/cluster.yaml", ray_cluster())
    fleet.cycle()
    assert where(fleet, "team1/rayjob-task") == ["static"]


def test_a_selected_ray_cluster_that_is_nowhere_is_an_error_that_names_the_job() -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team1/job.yaml", attached(to="bigg"))
    fleet.commit("workloads/team2/cluster.yaml", ray_cluster("bigg"))
    refused = decision(fleet.cycle(), "team1", "rayjob-task")
    assert (refused.action, refused.reason) == (Action.REJECT, "NoSuchRayCluster")
    assert refused.message.startswith("workloads/team1/job.yaml:1:1: RayJob team1/task selects RayCluster bigg")


@pytest.mark.parametrize("told", ["status", "pod"])
def test_a_ray_cluster_outside_git_is_found_where_the_snapshot_shows_it(told: str) -> None:
    fleet = static_and_dynamic()
    ray = ("{kind: RayCluster, namespace: team1, name: big, state: ready}",) if told == "status" else ()
    pods = ("{namespace: team1, name: big-head, node: sys, requests: {cpu: 1}, owner: big, nodeType: head}",)
    shown = picture("dynamic", node("sys", gpus=0, cpu="4"), ray=ray, pods=pods if told == "pod" else ())
    fleet.files["snapshots/dynamic.yaml"] = shown
    fleet.commit("workloads/team1/job.yaml", attached())
    fleet.cycle()
    assert where(fleet, "team1/rayjob-task") == ["dynamic"]


def test_a_placed_job_whose_ray_cluster_is_taken_away_is_warned_about_until_one_of_them_is_back_or_gone() -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team1/cluster.yaml", ray_cluster())
    fleet.commit("workloads/team1/job.yaml", attached())
    assert fleet.cycle().warnings == ()
    fleet.commit("workloads/team1/cluster.yaml", None)
    words = (
        "workloads/team1/job.yaml:1:1: RayJob team1/task is on static, and RayCluster big, which it runs on, is gone "
        "from there: bring that back, or remove the job"
    )
    assert fleet.cycle(allow_removals=True).warnings == (words,)
    assert fleet.plan().warnings == (words,)
    assert fleet.plan(unreadable=("static",)).warnings == (), "it may be there"
    nodes = [node(f"n{i}") for i in range(4)]
    seen = "{kind: RayCluster, namespace: team1, name: big, state: ready}"
    fleet.files["snapshots/static.yaml"] = picture("static", *nodes, ray=(seen,))
    assert fleet.plan().warnings == (), "it is still there"
    ended = "{kind: RayJob, namespace: team1, name: task, jobStatus: SUCCEEDED, jobDeploymentStatus: Complete}"
    fleet.files["snapshots/static.yaml"] = picture("static", *nodes, ray=(ended,))
    assert fleet.plan().warnings == (), "it needs it no more"


def test_an_unreadable_cluster_may_have_the_ray_cluster_so_the_job_waits() -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team1/job.yaml", attached())
    waits = decision(fleet.plan(unreadable=("dynamic",)), "team1", "rayjob-task")
    assert (waits.action, waits.reason) == (Action.WAIT, "RayClusterNotPlaced")
    assert "dynamic" in waits.message


def test_a_job_and_its_ray_cluster_in_one_group_go_together() -> None:
    fleet = static_and_dynamic()
    fleet.files["policies/spill.yaml"] = policy("spill", GROUPED)
    fleet.commit("workloads/team1/cluster.yaml", ray_cluster(labels="{app: one}"))
    fleet.commit("workloads/team1/job.yaml", attached(metadata=", labels: {app: one}"))
    fleet.cycle()
    assert where(fleet, "team1/one") == ["static"]


def test_a_job_that_is_pinned_away_from_its_ray_cluster_is_told_so() -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team1/cluster.yaml", ray_cluster())
    pin = ", annotations: {skyray.dev/cluster: dynamic}"
    fleet.commit("workloads/team1/job.yaml", attached(metadata=pin))
    waits = decision(fleet.cycle(), "team1", "rayjob-task")
    assert (waits.action, waits.reason) == (Action.WAIT, "NoEligibleCluster")
    assert {c.cluster: c.reason for c in waits.candidates} == {
        "static": "PinnedElsewhere",
        "dynamic": "RayClusterElsewhere",
    }


def test_a_duplicated_job_stands_only_where_its_ray_cluster_does() -> None:
    fleet = static_and_dynamic()
    fleet.files["policies/spill.yaml"] = policy("spill", ordered("static"), objects="{kinds: [RayCluster]}")
    fleet.files["policies/copies.yaml"] = policy(
        "copies", "spreadConstraints: {spreadMode: Duplicate}", objects="{kinds: [RayJob]}"
    )
    fleet.commit("workloads/team1/cluster.yaml", ray_cluster())
    fleet.commit("workloads/team1/job.yaml", attached())
    fleet.cycle()
    assert where(fleet, "team1/rayjob-task") == ["static"]
    assert fleet.plan().drafts == (), "no copy follows to a cluster without its RayCluster"


def test_a_full_cluster_queues_a_job_whose_ray_cluster_is_only_there() -> None:
    fleet = Fleet.of(
        {name: (cluster(name), picture(name, node("n0", gpus=0, cpu="1"))) for name in ("static", "other")},
        {"spill": policy("spill", ordered("static", "other"))},
    )
    fleet.commit("workloads/team1/cluster.yaml", ray_cluster())
    fleet.commit("workloads/team1/job.yaml", attached())
    made = fleet.cycle()
    assert decision(made, "team1", "rayjob-task").reason == "Queued", "there is one cluster that it may go to"
