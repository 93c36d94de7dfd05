"""JSON 6902 patches: the test that guards each, what applies, and what kustomize would read otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.errors import InvalidObject
from reconciler.manifests.fields import Path
from reconciler.manifests.identity import ObjectKey
from reconciler.workloads.patch import apply, find, guard, patch_of, steps_to

KEY = ObjectKey("apps/v1", "Deployment", "team", "web")
BODY: dict[str, Any] = {
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 2,
        "paused": True,
        "image": "r:1",
        "odd": 'quote "',
        "containers": [{"name": "c", "env": [{"name": "A", "value": "x"}]}, {"args": ["a"]}],
    },
}


@pytest.mark.parametrize(
    ("path", "tested", "value"),
    [
        (("spec", "replicas"), "/spec/replicas", 2),
        (("spec", "image"), "/spec/image", "r:1"),
        (("spec", "missing"), "/metadata/name", "web"),
        (("spec", "odd"), "/metadata/name", "web"),
        (("spec", "containers", 0, "image"), "/spec/containers/0/name", "c"),
        (("spec", "containers", 0, "env", 0, "more"), "/spec/containers/0/env/0/name", "A"),
        (("spec", "containers", 1, "args"), "/metadata/name", "web"),
        (("spec", "containers", 7, "image"), "/metadata/name", "web"),
    ],
)
def test_a_guard_tests_the_field_or_what_contains_it(path: Path, tested: str, value: object) -> None:
    assert guard(BODY, path) == {"op": "test", "path": tested, "value": value}


def test_a_patch_begins_with_a_test_of_what_it_reads() -> None:
    replace = {"op": "replace", "path": "/spec/replicas", "value": 3}
    move = {"op": "move", "from": "/spec/image", "path": "/spec/other"}
    own_test = {"op": "test", "path": "/spec/replicas", "value": 2}
    assert patch_of(KEY, BODY, [replace]).operations[0]["path"] == "/spec/replicas"
    assert patch_of(KEY, BODY, [move]).operations[0]["path"] == "/spec/image"
    assert patch_of(KEY, BODY, [own_test, replace]).operations == (own_test, replace)


def test_a_patch_is_for_one_object_in_every_version_of_its_api() -> None:
    patch = patch_of(KEY, BODY, [{"op": "remove", "path": "/spec/image"}])
    assert patch.is_for(KEY)
    assert patch.is_for(ObjectKey("apps/v2", "Deployment", "team", "web"))
    assert not patch.is_for(ObjectKey("apps/v1", "Deployment", "team", "other"))


def test_applying_leaves_the_body_as_it_was() -> None:
    patched = apply(BODY, [{"op": "replace", "path": "/spec/replicas", "value": 3}])
    assert (patched["spec"]["replicas"], BODY["spec"]["replicas"]) == (3, 2)


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ({"op": "test", "path": "/spec/paused", "value": 1}, "/spec/paused is True, not 1"),
        ({"op": "test", "path": "/spec/replicas", "value": 2.0}, "/spec/replicas is 2, not 2.0"),
        ({"op": "test", "path": "/spec/gone", "value": 1}, "is absent"),
        ({"op": "replace", "path": "/spec/image/0", "value": "x"}, "the object has no /spec/image/0"),
        ({"op": "replace", "path": "/spec/a/b", "value": 1}, "the object has no /spec/a"),
        ({"op": "remove", "path": "/spec/containers/-"}, "/spec/containers/-"),
        ({"op": "add", "path": "/spec/containers/01", "value": {}}, "/spec/containers/01"),
        ({"op": "move", "from": "/spec/gone", "path": "/spec/x"}, "the object has no /spec/gone"),
    ],
)
def test_an_operation_that_kustomize_refuses_is_refused(operation: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidObject) as caught:
        apply(BODY, [operation])
    assert said in caught.value.message


def test_a_list_can_be_appended_to() -> None:
    patched = apply(BODY, [{"op": "add", "path": "/spec/containers/-", "value": {"name": "d"}}])
    assert patched["spec"]["containers"][-1] == {"name": "d"}


@pytest.mark.parametrize(
    ("path", "op", "at", "value"),
    [
        (("spec", "replicas"), "replace", "/spec/replicas", 7),
        (("spec", "minReady"), "add", "/spec/minReady", 7),
        (("metadata", "labels", "a.b/c"), "add", "/metadata/labels", {"a.b/c": 7}),
        (("metadata", "annotations", "k"), "add", "/metadata/annotations", {"k": 7}),
        (("spec", "containers", 9), "replace", "/spec/containers/9", 7),
    ],
)
def test_the_operation_that_sets_a_field(path: Path, op: str, at: str, value: object) -> None:
    assert steps_to(BODY, path, 7) == ({"op": op, "path": at, "value": value},)


def test_a_value_is_found_by_its_path() -> None:
    assert find(BODY, ("spec", "containers", 0, "name")) == "c"
    assert find(BODY, ("spec", "containers", "0", "name")) == "c"
    assert find(BODY, ("spec", "image", 0)) is None
