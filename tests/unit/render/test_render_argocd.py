"""What Argo CD gets: its applications and projects, and the Application of each step of an add-on."""

from __future__ import annotations

from pathlib import Path

from reconciler.manifests.emitter import emit
from reconciler.manifests.loader import load
from reconciler.render.addons import folder_of, render_addons
from reconciler.render.engines import ENGINES
from tests.unit.render.building import URL, addon_objects, golden_addons, kustomize, own_objects, write_files


def test_argo_cd_gets_one_application_for_each_cluster_directory() -> None:
    spec = own_objects("argocd")["argocd/applicationset.yaml"]["spec"]
    git, clusters = spec["generators"][0]["matrix"]["generators"]
    assert git["git"] == {"repoURL": URL, "revision": "main", "directories": [{"path": "clusters/*"}]}
    assert clusters["clusters"]["selector"]["matchLabels"] == {"skyray.dev/cluster": "{{.path.basename}}"}
    application = spec["template"]["spec"]
    assert "{{" not in application["project"]
    assert application["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}
    assert "FailOnSharedResource=true" in application["syncPolicy"]["syncOptions"]
    assert spec["syncPolicy"]["preserveResourcesOnDeletion"] is True


def test_the_project_allows_namespaces_and_no_other_cluster_scoped_kind() -> None:
    spec = own_objects("argocd")["argocd/project.yaml"]["spec"]
    assert spec["clusterResourceWhitelist"] == [{"group": "", "kind": "Namespace"}]
    assert {"group": "ray.io", "kind": "RayJob"} in spec["namespaceResourceWhitelist"]
    assert {"server": "*", "namespace": "!kube-*"} in spec["destinations"]
    assert spec["sourceRepos"] == [URL]


def test_argo_cd_ignores_replicas_of_autoscaled_ray_clusters_only() -> None:
    rules = own_objects("argocd")["argocd/applicationset.yaml"]["spec"]["template"]["spec"]["ignoreDifferences"]
    replicas = [(rule["kind"], one) for rule in rules for one in rule["jqPathExpressions"] if "replicas" in one]
    assert replicas == [
        ("RayCluster", "select(.spec.enableInTreeAutoscaling == true) | .spec.workerGroupSpecs[]?.replicas")
    ]
    assert all("select(" in one for rule in rules for one in rule["jqPathExpressions"])


def test_argo_cd_gets_kuberay_by_pinned_reference_with_its_crds_first() -> None:
    files = addon_objects("gpu-1", "argocd", "kuberay")
    assert sorted(files) == [
        "kuberay/crds.yaml", "kuberay/operator.yaml", "kustomization.yaml", "skyray.yaml"
    ]  # fmt: skip
    crds, operator = files["kuberay/crds.yaml"], files["kuberay/operator.yaml"]
    assert crds["spec"]["source"] == {
        "repoURL": "https://github.com/ray-project/kuberay",
        "targetRevision": "v1.7.0",
        "path": "ray-operator/config/crd",
    }
    assert operator["spec"]["source"] == {
        "repoURL": "https://ray-project.github.io/kuberay-helm/",
        "chart": "kuberay-operator",
        "targetRevision": "1.7.0",
        "helm": {"releaseName": "kuberay-operator", "skipCrds": True},
    }
    waves = [one["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"] for one in (crds, operator)]
    assert waves == ["1", "2"]
    assert all("ServerSideApply=true" in one["spec"]["syncPolicy"]["syncOptions"] for one in (crds, operator))
    assert operator["metadata"]["finalizers"] == ["resources-finalizer.argocd.argoproj.io"]
    assert "finalizers" not in crds["metadata"], "CRDs stay: with them would go all Ray resources"
    assert crds["spec"]["syncPolicy"]["automated"]["prune"] is False


def test_argo_cd_fills_in_the_clusters_own_name_and_the_fleets_address(tmp_path: Path) -> None:
    """What the ApplicationSet adds is run through the real kustomize, as Argo CD does."""
    made = own_objects("argocd")["argocd/addons.yaml"]
    source = made["spec"]["template"]["spec"]["source"]
    patches = [
        {**one, "patch": one["patch"].replace("{{.name}}", "eks-prod-7")} for one in source["kustomize"]["patches"]
    ]
    write_files(tmp_path, render_addons("gpu-1", ENGINES["argocd"], golden_addons()))
    folder = tmp_path / folder_of("gpu-1")
    listing = load((folder / "kustomization.yaml").read_bytes(), "k").documents[0].body
    (folder / "kustomization.yaml").write_bytes(emit({**listing, "patches": patches}))
    specs = {b["metadata"]["labels"]["skyray.dev/addon"]: b["spec"] for b in kustomize(folder) if "spec" in b}
    assert {spec["destination"]["name"] for spec in specs.values()} == {"eks-prod-7"}
    assert specs["priorities"]["source"] == {
        "repoURL": URL, "targetRevision": "main", "path": "clusters/gpu-1/_addons/priorities/classes"
    }  # fmt: skip
    assert specs["queues"]["source"]["repoURL"] == "charts.example.com/platform"


def test_argo_cd_finds_the_folder_of_each_clusters_addons() -> None:
    git = own_objects("argocd")["argocd/addons.yaml"]
    (first, second) = git["spec"]["generators"][0]["matrix"]["generators"]
    assert first["git"]["directories"] == [{"path": "clusters/*/_addons"}]
    assert second["clusters"]["selector"]["matchLabels"] == {"skyray.dev/cluster": "{{index .path.segments 1}}"}


def test_a_step_comes_in_a_later_wave_than_those_that_it_depends_on() -> None:
    files = addon_objects("c", "argocd")
    before, after = (files[path]["metadata"] for path in ("priorities/classes.yaml", "queues/chart.yaml"))
    wave = "argocd.argoproj.io/sync-wave"
    assert int(before["annotations"][wave]) < int(after["annotations"][wave])
