"""The directory of a group: its files, and what SkyRay adds to its objects in the kustomization."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from reconciler.manifests.identity import is_dns_label
from reconciler.render.engines import ENGINES
from reconciler.render.model import Patch
from tests.unit.render.building import body, config, group, job, kustomize, render, write_files


def test_what_only_a_server_may_write_is_left_out() -> None:
    exported = job(
        namespace="team",
        uid="1",
        resourceVersion="2",
        generation=3,
        creationTimestamp=None,
        managedFields=[],
        ownerReferences=[],
        labels={},
        annotations={"kubectl.kubernetes.io/last-applied-configuration": "{}"},
    )
    exported["status"] = {"jobStatus": "RUNNING"}
    files = render(group(exported))
    assert body(files, "clusters/c1/team/rayjob/rayjob-train.yaml") == {
        **job(),
        "metadata": {"name": "train", "namespace": "team"},
    }


def test_rendering_leaves_its_input_as_it_was() -> None:
    one = job(uid="1", annotations={"kubectl.kubernetes.io/last-applied-configuration": "{}", "a": "b"})
    before = copy.deepcopy(one)
    render(group(one))
    assert one == before


def test_namesakes_of_different_api_groups_get_files_of_their_own(tmp_path: Path) -> None:
    mine = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}
    knative = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "s"}}
    files = render(group(mine, knative))
    names = [path.rpartition("/")[2] for path in files if "/rayjob/service-s" in path]
    assert len(names) == 2
    assert render(group(knative, mine)) == files
    write_files(tmp_path, files)
    assert {one["apiVersion"] for one in kustomize(tmp_path / "clusters/c1") if one["kind"] == "Service"} == {
        "v1",
        "serving.knative.dev/v1",
    }


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", ".git", "A", "system:node", "x" * 200, "é\n", "-"])
def test_no_name_of_an_object_reaches_a_path_unchecked(name: str) -> None:
    for path in render(group(config(name))):
        *folders, file = path.removeprefix("clusters/c1/").split("/")
        assert all(map(is_dns_label, [*folders, file.removesuffix(".yaml")]))


def test_flux_applies_a_job_once_and_substitutes_nothing(tmp_path: Path) -> None:
    write_files(tmp_path, render(group(job(), config()), engine="flux"))
    built = {one["kind"]: one["metadata"].get("annotations", {}) for one in kustomize(tmp_path / "clusters/c1")}
    assert built["RayJob"]["kustomize.toolkit.fluxcd.io/ssa"] == "IfNotPresent"
    assert "kustomize.toolkit.fluxcd.io/ssa" not in built["ConfigMap"]
    assert all(one["kustomize.toolkit.fluxcd.io/substitute"] == "disabled" for one in built.values())


@pytest.mark.parametrize("labels", [{}, {"labels": {"mine": "too"}}])
def test_flux_can_tell_the_ray_clusters_whose_replicas_the_autoscaler_owns(
    tmp_path: Path, labels: dict[str, Any]
) -> None:
    def ray_cluster(name: str, spec: dict[str, Any]) -> dict[str, Any]:
        return {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": name, **labels}, "spec": spec}

    objects = [ray_cluster("auto", {"enableInTreeAutoscaling": True}), ray_cluster("fixed", {})]
    write_files(tmp_path, render(group(*objects), engine="flux"))
    built = {one["metadata"]["name"]: one["metadata"]["labels"] for one in kustomize(tmp_path / "clusters/c1")}
    assert built["auto"]["skyray.dev/autoscaled"] == "true"
    assert "skyray.dev/autoscaled" not in built["fixed"]
    assert all(built[name].get("mine") == labels.get("labels", {}).get("mine") for name in ("auto", "fixed"))


def deployment() -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


@pytest.mark.parametrize("engine", ENGINES)
def test_skyrays_labels_and_annotations_never_reach_selectors_or_pod_templates(tmp_path: Path, engine: str) -> None:
    write_files(tmp_path, render(group(deployment()), engine=engine))
    (built,) = [one for one in kustomize(tmp_path / "clusters/c1") if one["kind"] == "Deployment"]
    assert built["spec"] == deployment()["spec"]
    assert built["metadata"]["labels"] == {"skyray.dev/cluster": "c1", "skyray.dev/group": "rayjob"}
    assert built["metadata"]["annotations"]["skyray.dev/policy"] == "p"


def patch(value: str) -> Patch:
    path = "/spec/rayClusterSpec/workerGroupSpecs/0"
    test = {"op": "test", "path": f"{path}/groupName", "value": value}
    return Patch("ray.io", "RayJob", "train", (test, {"op": "add", "path": f"{path}/replicas", "value": 2}))


def test_a_patch_for_this_cluster_is_applied_and_is_in_the_kustomization(tmp_path: Path) -> None:
    files = render(group(patches=(patch("gpu"),)))
    assert b"op: test" in files["clusters/c1/team/rayjob/kustomization.yaml"]
    write_files(tmp_path, files)
    (built,) = [one for one in kustomize(tmp_path / "clusters/c1") if one["kind"] == "RayJob"]
    assert built["spec"]["rayClusterSpec"]["workerGroupSpecs"] == [{"groupName": "gpu", "replicas": 2}]


def test_a_stale_patch_fails_the_build(tmp_path: Path) -> None:
    write_files(tmp_path, render(group(patches=(patch("renamed"),))))
    with pytest.raises(AssertionError, match="test"):
        kustomize(tmp_path / "clusters/c1")
