"""Which objects are companions, of which members, and which references nothing satisfies."""

from __future__ import annotations

import pytest

from reconciler.policy.model import SchedulePolicy
from reconciler.workloads.companions import Companions, companions_of, unresolved_warnings
from reconciler.workloads.group import BrokenFile, WorkloadObject
from tests.unit.workloads.reading import (
    BY_APP,
    config_map,
    deployment,
    keys,
    manifest,
    objects,
    policy,
    uses,
    workloads,
)

ALL = policy("all")
RUNS_AS = "serviceAccountName: runner"
ACCOUNT = manifest("ServiceAccount", "runner", "imagePullSecrets: [{name: pull}]")
PULL = manifest("SealedSecret", "pull", "spec: {}", "bitnami.com/v1alpha1")


def companions(items: tuple[WorkloadObject, ...], selected_by: SchedulePolicy = ALL) -> Companions:
    return Companions(items, {item.key: selected_by for item in items})


def test_companions_follow_along_the_chain_of_references_in_order_of_key() -> None:
    items = objects(deployment("web", RUNS_AS), ACCOUNT, PULL, config_map("other"))
    found = companions(items)
    assert keys(found.of(items[:1])) == ["SealedSecret pull", "ServiceAccount runner"]
    assert found.keys == {items[1].key, items[2].key}


def test_objects_that_no_policy_selects_follow_too() -> None:
    items = objects(deployment("web", uses("code")), config_map("code"))
    found = Companions(items, {items[0].key: ALL})
    assert keys(found.of(items[:1])) == ["ConfigMap code"]


def test_an_object_under_another_policy_is_no_companion() -> None:
    items = objects(deployment("web", uses("code")), config_map("code"))
    found = Companions(items, {items[0].key: ALL, items[1].key: policy("maps")})
    assert found.of(items[:1]) == ()
    assert found.keys == set()


def test_an_object_with_a_group_label_is_no_companion() -> None:
    items = objects(deployment("web", uses("code")), config_map("code", "labels: {app: one}"))
    assert companions(items, BY_APP).of(items[:1]) == ()


def test_an_object_with_pods_is_no_companion() -> None:
    makes_pods = manifest("Job", "code", "spec: {template: {spec: {containers: [{name: c, image: r}]}}}", "batch/v1")
    items = objects(deployment("web", uses("code")), makes_pods)
    assert companions(items).keys == set()


def test_in_a_circle_of_references_the_first_by_key_leads() -> None:
    external = manifest("ExternalSecret", "x", "spec: {secretStoreRef: {name: v}}", "external-secrets.io/v1")
    store = manifest("SecretStore", "v", "spec: {provider: {p: {auth: {name: x, key: k}}}}", "external-secrets.io/v1")
    items = objects(store, external)
    found = companions(items)
    assert [key.kind for key in found.keys] == ["SecretStore"]
    assert keys(found.of(items[1:])) == ["SecretStore v"]


def test_a_name_in_another_namespace_satisfies_nothing() -> None:
    files = {"team/web.yaml": deployment("web", uses("code")), "other/code.yaml": config_map("code")}
    items = workloads(files).objects
    (user,) = (item for item in items if item.demand)
    assert len(items) == 2
    assert companions(items).unresolved(user) == {("ConfigMap", "code")}


@pytest.mark.parametrize(
    ("pod", "unresolved", "required"),
    [
        (uses("code"), {("ConfigMap", "code")}, ["code"]),
        (uses("code", optional=True), {("ConfigMap", "code")}, []),
        (uses("there"), set(), []),
        ("serviceAccountName: default", set(), []),
        (uses("kube-root-ca.crt"), set(), []),
    ],
)
def test_references_that_nothing_satisfies(pod: str, unresolved: set[tuple[str, str]], required: list[str]) -> None:
    items = objects(deployment("web", pod), config_map("there"))
    found = companions(items)
    assert found.unresolved(items[0]) == unresolved
    assert [reference.name for reference in found.unresolved_required(items[0])] == required


def test_companions_of_some_members_are_found_among_candidates_without_pods() -> None:
    items = objects(deployment("web", RUNS_AS), ACCOUNT, PULL, config_map("other"))
    assert keys(companions_of(items[:1], items)) == ["ServiceAccount runner", "SealedSecret pull"]
    assert companions_of([], items) == ()
    assert companions_of(items[:1], items[2:]) == (), "the chain is broken"


def test_one_warning_for_each_target_at_the_first_object_that_requires_it() -> None:
    optional = deployment("a", uses("code", optional=True))
    items = objects(optional, deployment("b", uses("code")), deployment("c", uses("code")))
    (warning,) = unresolved_warnings(items, companions(items), {})
    assert warning.startswith("workloads/team/01.yaml:1:1: Deployment team/b refers in ")
    assert "ConfigMap code" in warning
    assert "2 other objects" in warning
    assert unresolved_warnings(items[:1], companions(items), {}) == (), "its pods start without it"


def test_a_warning_names_the_unreadable_file_that_may_have_the_target() -> None:
    items = objects(deployment("a", uses("code")))
    broken = BrokenFile("workloads/team/bad.yaml", "team", "no YAML")
    (warning,) = unresolved_warnings(items, companions(items), {"team": broken})
    assert "workloads/team/bad.yaml" in warning
