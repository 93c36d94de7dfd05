"""What Flux gets: its source and Kustomizations, its marks on objects, and the objects of each step of an add-on."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.errors import InvalidObject
from reconciler.render.addons import folder_of
from reconciler.render.flux import WORKER_GROUPS, Flux
from tests.unit.render.building import URL, addon_objects, own_objects


def test_flux_gets_one_kustomization_for_each_cluster_in_any_order() -> None:
    files = Flux().own_files(["b", "a"], URL, "main")
    clusters = [path for path in files if not path.startswith("flux/addons/")]
    assert clusters == ["flux/git-repository.yaml", "flux/clusters/a.yaml", "flux/clusters/b.yaml"]
    assert files == Flux().own_files(["a", "b", "a"], URL, "main")
    spec = own_objects("flux", "a")["flux/clusters/a.yaml"]["spec"]
    assert spec["path"] == "./clusters/a"
    assert spec["kubeConfig"] == {"secretRef": {"name": "a-kubeconfig"}}
    assert (spec["prune"], spec["deletionPolicy"], spec["wait"]) == (True, "Orphan", False)


def test_flux_ignores_replicas_of_marked_ray_clusters_only() -> None:
    rules = own_objects("flux", "a")["flux/clusters/a.yaml"]["spec"]["ignore"]
    (rule,) = [rule for rule in rules if any(path.endswith("/replicas") for path in rule["paths"])]
    assert rule["target"] == {"group": "ray.io", "kind": "RayCluster", "labelSelector": "skyray.dev/autoscaled=true"}
    assert f"/spec/workerGroupSpecs/{WORKER_GROUPS - 1}/replicas" in rule["paths"]
    assert all("labelSelector" in rule["target"] for rule in rules)


def test_a_cluster_name_that_is_no_label_makes_no_file() -> None:
    with pytest.raises(InvalidObject):
        Flux().own_files(["../x"], URL, "main")


def test_flux_gets_kuberay_by_pinned_reference_with_its_crds_first() -> None:
    files = addon_objects("gpu-1", "flux", "kuberay")
    crds, operator = files["kuberay/crds.yaml"], files["kuberay/operator.yaml"]
    source, release = files["kuberay/crds/source.yaml"], files["kuberay/operator/release.yaml"]
    assert source["spec"]["ref"] == {"tag": "v1.7.0"}
    assert crds["spec"]["sourceRef"] == {"kind": "GitRepository", "name": source["metadata"]["name"]}
    assert (crds["spec"]["prune"], crds["spec"]["deletionPolicy"]) == (False, "Orphan")
    assert operator["spec"]["dependsOn"] == [{"name": crds["metadata"]["name"]}]
    assert crds["spec"]["wait"] is True, "or what depends on it would not wait for it"
    assert operator["spec"]["path"] == "./clusters/gpu-1/_addons/kuberay/operator"
    assert "kubeConfig" not in operator["spec"], "a HelmRelease stands on the management cluster"
    secret = {"secretRef": {"name": "gpu-1-kubeconfig"}}
    assert crds["spec"]["kubeConfig"] == release["spec"]["kubeConfig"] == secret
    assert release["spec"]["chart"]["spec"]["version"] == "1.7.0"
    assert release["spec"]["install"]["crds"] == release["spec"]["upgrade"]["crds"] == "Skip"


def test_flux_finds_the_folder_of_a_clusters_addons() -> None:
    kustomization = own_objects("flux", "c")["flux/addons/c.yaml"]
    assert kustomization["spec"]["path"] == f"./{folder_of('c')}".rstrip("/")
    assert "kubeConfig" not in kustomization["spec"]


def test_a_step_depends_on_the_last_step_of_the_addon_before_it() -> None:
    files = addon_objects("c", "flux")
    name = files["priorities/classes.yaml"]["metadata"]["name"]
    assert files["queues/chart.yaml"]["spec"]["dependsOn"] == [{"name": name}]


@pytest.mark.parametrize(
    ("kind", "spec", "marked"),
    [
        ("RayCluster", {"enableInTreeAutoscaling": True}, True),
        ("RayCluster", {"enableInTreeAutoscaling": False}, False),
        ("RayCluster", {"enableInTreeAutoscaling": "true"}, False),
        ("RayCluster", {}, False),
        ("RayJob", {"rayClusterSpec": {"enableInTreeAutoscaling": True}}, False),
    ],
)
def test_only_a_bare_ray_cluster_that_autoscales_is_marked(kind: str, spec: dict[str, Any], *, marked: bool) -> None:
    body = {"apiVersion": "ray.io/v1", "kind": kind, "metadata": {"name": "x"}, "spec": spec}
    assert bool(Flux().group_patches([body])) is marked
