from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import InvalidObject
from reconciler.manifests.loader import load
from reconciler.render.argocd import APPLICATION_HEALTH, HEALTH
from reconciler.render.engine import engine_files
from reconciler.render.flux import WORKER_GROUPS
from reconciler.render.model import Engine
from tests.unit.render.building import kustomize, write_files

URL = "https://git.example.com/team/fleet.git"


def objects(engine: Engine, *clusters: str) -> dict[str, dict[str, Any]]:
    files = engine_files(engine, clusters, URL, "main")
    return {path: load(data, path).documents[0].body for path, data in files.items()}


def test_argo_cd_gets_one_application_for_each_cluster_directory() -> None:
    spec = objects(Engine.ARGOCD)["argocd/applicationset.yaml"]["spec"]
    git, clusters = spec["generators"][0]["matrix"]["generators"]
    assert git["git"] == {"repoURL": URL, "revision": "main", "directories": [{"path": "clusters/*"}]}
    assert clusters["clusters"]["selector"]["matchLabels"] == {"skyray.dev/cluster": "{{.path.basename}}"}
    application = spec["template"]["spec"]
    assert "{{" not in application["project"]
    assert application["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}
    assert "FailOnSharedResource=true" in application["syncPolicy"]["syncOptions"]
    assert spec["syncPolicy"]["preserveResourcesOnDeletion"] is True


def test_the_project_allows_namespaces_and_no_other_cluster_scoped_kind() -> None:
    spec = objects(Engine.ARGOCD)["argocd/project.yaml"]["spec"]
    assert spec["clusterResourceWhitelist"] == [{"group": "", "kind": "Namespace"}]
    assert {"group": "ray.io", "kind": "RayJob"} in spec["namespaceResourceWhitelist"]
    assert {"server": "*", "namespace": "!kube-*"} in spec["destinations"]
    assert spec["sourceRepos"] == [URL]


def test_argo_cd_ignores_replicas_of_autoscaled_ray_clusters_only() -> None:
    rules = objects(Engine.ARGOCD)["argocd/applicationset.yaml"]["spec"]["template"]["spec"]["ignoreDifferences"]
    replicas = [(rule["kind"], one) for rule in rules for one in rule["jqPathExpressions"] if "replicas" in one]
    assert replicas == [
        ("RayCluster", "select(.spec.enableInTreeAutoscaling == true) | .spec.workerGroupSpecs[]?.replicas")
    ]
    assert all("select(" in one for rule in rules for one in rule["jqPathExpressions"])


def test_flux_gets_one_kustomization_for_each_cluster_in_any_order() -> None:
    files = engine_files(Engine.FLUX, ["b", "a"], URL, "main")
    clusters = [path for path in files if not path.startswith("flux/addons/")]
    assert clusters == ["flux/git-repository.yaml", "flux/clusters/a.yaml", "flux/clusters/b.yaml"]
    assert files == engine_files(Engine.FLUX, ["a", "b", "a"], URL, "main")
    spec = objects(Engine.FLUX, "a")["flux/clusters/a.yaml"]["spec"]
    assert spec["path"] == "./clusters/a"
    assert spec["kubeConfig"] == {"secretRef": {"name": "a-kubeconfig"}}
    assert (spec["prune"], spec["deletionPolicy"], spec["wait"]) == (True, "Orphan", False)


def test_flux_ignores_replicas_of_marked_ray_clusters_only() -> None:
    rules = objects(Engine.FLUX, "a")["flux/clusters/a.yaml"]["spec"]["ignore"]
    (rule,) = [rule for rule in rules if any(path.endswith("/replicas") for path in rule["paths"])]
    assert rule["target"] == {"group": "ray.io", "kind": "RayCluster", "labelSelector": "skyray.dev/autoscaled=true"}
    assert f"/spec/workerGroupSpecs/{WORKER_GROUPS - 1}/replicas" in rule["paths"]
    assert all("labelSelector" in rule["target"] for rule in rules)


def test_a_cluster_name_that_is_no_label_makes_no_file() -> None:
    with pytest.raises(InvalidObject):
        engine_files(Engine.FLUX, ["../x"], URL, "main")


@pytest.mark.parametrize("engine", list(Engine))
def test_every_engine_file_is_an_object_that_kustomize_reads(tmp_path: Path, engine: Engine) -> None:
    files = engine_files(engine, ["a", "b"], URL, "main")
    listed = "".join(f"- {path}\n" for path in files)
    write_files(tmp_path, {**files, "kustomization.yaml": f"resources:\n{listed}".encode()})
    assert len(kustomize(tmp_path)) == len(files)


CHECKS = {**HEALTH, "Application": APPLICATION_HEALTH}


def health(kind: str, status: dict[str, Any] | None) -> tuple[str, str]:
    """Run a health check as Argo CD does: a Lua chunk that sees `obj` and returns status and message."""
    lupa = pytest.importorskip("lupa", reason="needs a Lua interpreter")
    lua = lupa.LuaRuntime()
    for library in ("string", "math", "io", "debug", "coroutine", "utf8"):  # Argo CD has none of these
        lua.globals()[library] = None
    obj = {} if status is None else {"status": status}
    lua.globals().obj = lua.table_from(obj, recursive=True)
    result = lua.execute(CHECKS[kind])
    assert result["message"]
    return result["status"], result["message"]


@pytest.mark.parametrize(
    ("kind", "status", "expected"),
    [
        ("RayJob", None, "Progressing"),
        ("RayJob", {"jobDeploymentStatus": "Initializing"}, "Progressing"),
        ("RayJob", {"jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED"}, "Healthy"),
        ("RayJob", {"jobDeploymentStatus": "Failed", "reason": "AppFailed", "message": "x"}, "Degraded"),
        ("RayJob", {"jobDeploymentStatus": "ValidationFailed"}, "Degraded"),
        ("RayJob", {"jobDeploymentStatus": "Suspended"}, "Suspended"),
        ("RayCluster", None, "Progressing"),
        ("RayCluster", {"state": "ready", "readyWorkerReplicas": 2, "desiredWorkerReplicas": 2}, "Healthy"),
        ("RayCluster", {"state": "ready", "readyWorkerReplicas": 1, "desiredWorkerReplicas": 2}, "Progressing"),
        ("RayCluster", {"state": "ready"}, "Healthy"),
        ("RayCluster", {"state": "suspended"}, "Suspended"),
        (
            "RayCluster",
            {"state": "ready", "conditions": [{"type": "HeadPodReady", "status": "False", "message": "gone"}]},
            "Progressing",
        ),
        (
            "RayCluster",
            {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": "quota"}]},
            "Degraded",
        ),
        ("RayService", None, "Progressing"),
        ("RayService", {"conditions": [{"type": "Ready", "status": "True"}]}, "Healthy"),
        (
            "RayService",
            {"conditions": [{"type": "Ready", "status": "False", "reason": "InitializingTimeout"}]},
            "Degraded",
        ),
        ("RayService", {"conditions": [{"type": "Suspended", "status": "True"}]}, "Suspended"),
        ("Application", None, "Progressing"),
        ("Application", {"sync": {"status": "OutOfSync"}, "health": {"status": "Healthy"}}, "Progressing"),
        ("Application", {"sync": {"status": "OutOfSync"}, "operationState": {"phase": "Running"}}, "Progressing"),
        ("Application", {"sync": {"status": "OutOfSync"}, "operationState": {"phase": "Failed"}}, "Degraded"),
        ("Application", {"operationState": {"phase": "Running", "retryCount": 1, "message": "refused"}}, "Degraded"),
        ("Application", {"sync": {"status": "Unknown"}, "conditions": [{"type": "ComparisonError"}]}, "Degraded"),
        (
            "Application",
            {"sync": {"status": "OutOfSync"}, "conditions": [{"type": "OrphanedResourceWarning"}]},
            "Progressing",
        ),
        ("Application", {"sync": {"status": "Synced"}, "health": {"status": "Degraded"}}, "Degraded"),
        ("Application", {"sync": {"status": "Synced"}, "health": {"status": "Healthy"}}, "Healthy"),
    ],
)
def test_argo_cd_is_told_how_ray_does(kind: str, status: dict[str, Any] | None, expected: str) -> None:
    assert health(kind, status)[0] == expected
