"""Files of `workloads/`: what is read, what is refused with its place, and that the rest is read all the same."""

from __future__ import annotations

import pytest

from reconciler.errors import InvalidObject
from reconciler.workloads.files import is_workload_file, read_admitted, read_file
from reconciler.workloads.workloads import read_workloads
from tests.unit.workloads.reading import config_map, deployment, keys, manifest, uses, workloads

GOOD = {"other/good.yaml": config_map("good")}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("workloads/team/a.yaml", True),
        ("workloads/team/deep/a.json", True),
        ("workloads/a.yaml", False),
        ("workloads/team/a.txt", False),
        ("policies/team/a.yaml", False),
    ],
)
def test_manifests_are_in_a_namespaces_folder(path: str, expected: bool) -> None:
    assert is_workload_file(path) is expected


def test_an_object_gets_its_namespace_its_place_and_its_references() -> None:
    (item,) = workloads({"web.yaml": "# comment\n" + deployment("web", uses("code"))}).objects
    assert item.key.namespace == item.body["metadata"]["namespace"] == "team"
    assert (item.place.file, item.place.line) == ("workloads/team/web.yaml", 2)
    assert item.references == {("ConfigMap", "code")}
    assert item.demand is not None
    assert item.problem == ""


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (config_map("a", "labels: {app: 3}"), 3, "metadata.labels.app"),
        (config_map("a", "labels: {a b: c}"), 3, "metadata.labels['a b']"),
        (config_map("a", "labels: {app: a b}"), 3, "metadata.labels.app"),
        (config_map("a", "annotations: {a b: c}"), 3, "metadata.annotations['a b']"),
        (config_map("a", "namespace: other"), 3, "names namespace other"),
        (config_map("A_b"), 3, "no DNS name"),
        (manifest("ClusterRole", "a", api="rbac.authorization.k8s.io/v1"), 1, "cluster-scoped"),
        (manifest("ServiceAccount", "a", "imagePullSecrets: pull"), 4, "imagePullSecrets"),
        (manifest("RayCluster", "a", "spec: {}", "ray.io/v1"), 4, "headGroupSpec"),
    ],
)
def test_an_object_that_must_not_be_deployed_keeps_its_identity_and_gets_a_problem(
    text: str, line: int, said: str
) -> None:
    found = workloads({"bad.yaml": text, **GOOD})
    good, bad = sorted(found.objects, key=lambda item: item.place.file)
    assert bad.problem.startswith(f"workloads/team/bad.yaml:{line}:")
    assert said in bad.problem
    assert (good.problem, found.broken) == ("", ())


def test_a_refused_object_keeps_its_labels_as_text() -> None:
    (item,) = workloads({"a.yaml": config_map("a", "labels: {app: 3, live: true, list: [x]}")}).objects
    assert item.labels == {"app": "3", "live": "true"}


@pytest.mark.parametrize("text", ["kind: [\n", "a: 1\n", "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n"])
def test_a_file_that_cannot_be_read_is_broken_and_its_objects_are_unknown(text: str) -> None:
    found = workloads({"bad.yaml": text, **GOOD})
    assert [(file.path, file.namespace) for file in found.broken] == [("workloads/team/bad.yaml", "team")]
    assert found.broken[0].problem.startswith("workloads/team/bad.yaml")
    assert keys(found.objects) == ["ConfigMap good"]


def test_paths_that_are_no_ordinary_files_are_broken_with_the_reason() -> None:
    found = read_workloads({}, {"workloads/team/a.yaml": "is a link", "docs/b.yaml": "is a link"})
    assert [file.path for file in found.broken] == ["workloads/team/a.yaml"]
    assert "is a link" in found.broken[0].problem


def test_a_manifest_outside_of_all_folders_is_a_warning() -> None:
    found = read_workloads({"workloads/a.yaml": config_map("a").encode(), "workloads/README.md": b""}, {})
    assert found.objects == ()
    (warning,) = found.warnings
    assert warning.startswith("workloads/a.yaml: ")


def test_an_object_that_is_defined_twice_is_kept_once_with_both_places() -> None:
    found = workloads({"a.yaml": deployment("web"), "b.yaml": deployment("web"), "c.yaml": config_map("web")})
    assert keys(found.objects) == ["Deployment web", "ConfigMap web"]
    assert found.objects[0].problem.startswith("workloads/team/b.yaml:1:1: ")
    assert "workloads/team/a.yaml:1:1" in found.objects[0].problem
    assert found.objects[1].problem == ""


@pytest.mark.parametrize(
    ("files", "usable", "broken"),
    [
        ({"ns.yaml": manifest("Namespace", "team", metadata="labels: {tier: gold}")}, ["team"], []),
        ({"ns.yaml": manifest("Namespace", "other")}, [], ["workloads/team/ns.yaml"]),
        ({"ns.yaml": manifest("Namespace", "team", api="v2")}, [], ["workloads/team/ns.yaml"]),
        ({"ns.yaml": manifest("Namespace", "team", metadata="labels: {tier: 3}")}, [], ["workloads/team/ns.yaml"]),
        ({"a.yaml": manifest("Namespace", "team"), "b.yaml": manifest("Namespace", "team")},
         [], ["workloads/team/b.yaml"]),
    ],
)  # fmt: skip
def test_a_namespace_that_cannot_be_used_counts_as_unreadable(
    files: dict[str, str], usable: list[str], broken: list[str]
) -> None:
    found = workloads(files)
    assert list(found.namespaces) == usable
    assert [file.path for file in found.broken] == broken
    assert found.objects == ()


def test_a_plain_secret_is_a_warning_with_its_place() -> None:
    _, warnings = read_file("workloads/team/s.yaml", manifest("Secret", "s", "stringData: {a: b}").encode())
    (warning,) = warnings
    assert warning.startswith("workloads/team/s.yaml:1:1: Secret team/s: plain Secret")


def test_warnings_about_a_refused_object_are_kept() -> None:
    head = "rayStartParams: {}, template: {spec: {containers: [{name: h, image: r}]}}"
    spec = f"spec: {{unknownField: 1, headGroupSpec: {{{head}}}, workerGroupSpecs: [{{groupName: g}}]}}"
    (item,), warnings = read_file("workloads/team/r.yaml", manifest("RayCluster", "r", spec, "ray.io/v1").encode())
    assert "workerGroupSpecs[0].template" in item.problem
    (warning,) = warnings
    assert warning.startswith("workloads/team/r.yaml:4:22: spec.unknownField")


@pytest.mark.parametrize("folder", ["Team", "a.b", "x" * 64])
def test_a_folder_must_be_able_to_be_a_namespace(folder: str) -> None:
    with pytest.raises(InvalidObject, match="cannot be a namespace"):
        read_file(f"workloads/{folder}/a.yaml", config_map("a").encode())


def test_an_admitted_copy_is_one_object_of_its_namespace() -> None:
    path = "clusters/a/team/web/deployment-web.yaml"
    item = read_admitted(path, deployment("web", uses("code")).encode(), "team")
    assert str(item.key) == "Deployment team/web"
    assert item.references == {("ConfigMap", "code")}
    with pytest.raises(InvalidObject, match="2 documents"):
        read_admitted(path, f"{config_map('a')}---\n{config_map('b')}".encode(), "team")
