from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.unit.render.building import kustomize, write_files

GIT = shutil.which("git") or "git"
BASES = Path(__file__).parents[3] / "kustomize"


def built(base: str) -> dict[str, dict[str, Any]]:
    return {one["kind"]: one for one in kustomize(BASES / base)}


def test_skyray_runs_hardened_and_needs_nothing_of_its_own_cluster() -> None:
    objects = built("skyray")
    assert not {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"} & set(objects)
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert container["args"][:2] == ["reconcile", "--watch"]


def test_credentials_come_from_read_only_mounts() -> None:
    pod = built("skyray")["Deployment"]["spec"]["template"]["spec"]
    secrets = {one["name"] for one in pod["volumes"] if "secret" in one}
    mounts = {one["name"]: one for one in pod["containers"][0]["volumeMounts"]}
    assert secrets == {"git", "kubeconfigs"}
    assert all(mounts[name]["readOnly"] is True for name in secrets)
    environment = {one["name"]: one["value"] for one in pod["containers"][0]["env"]}
    assert environment["KUBECONFIG"].startswith(mounts["kubeconfigs"]["mountPath"])
    assert environment["SKYRAY_GIT_DIR"] == mounts["git"]["mountPath"]


def test_an_overlay_sets_image_and_repo(tmp_path: Path) -> None:
    overlay = f"""\
resources: [{os.path.relpath(BASES / "skyray", tmp_path.resolve() / "overlay")}]
namespace: skyray-system
images: [{{name: skyray, newName: example.com/skyray, newTag: "1"}}]
configMapGenerator:
- name: skyray-settings
  behavior: merge
  literals: [SKYRAY_REPO=https://git.example.com/mine.git]
"""
    write_files(tmp_path.resolve(), {"overlay/kustomization.yaml": overlay.encode()})
    objects = kustomize(tmp_path.resolve() / "overlay")
    (deployment,) = [one for one in objects if one["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    settings = container["envFrom"][0]["configMapRef"]["name"]
    (named,) = [one for one in objects if one["metadata"]["name"] == settings]
    assert container["image"] == "example.com/skyray:1"
    assert named["data"] == {"SKYRAY_REPO": "https://git.example.com/mine.git"}


def test_git_finds_the_mounted_https_credentials(tmp_path: Path) -> None:
    write_files(tmp_path, {"git/username": b"skyray\n", "git/password": b"t$o k'en\n"})
    write_files(tmp_path, {"home/.gitconfig": (BASES / "skyray" / "gitconfig").read_bytes()})
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), "SKYRAY_GIT_DIR": str(tmp_path / "git")}
    asked = subprocess.run(
        [GIT, "credential", "fill"],
        input=b"protocol=https\nhost=git.example.com\n\n",
        env={**environment, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"},
        capture_output=True,
        timeout=30,
        check=True,
    )
    answer = dict(line.split("=", 1) for line in asked.stdout.decode().splitlines())
    assert (answer["username"], answer["password"]) == ("skyray", "t$o k'en")


def test_on_a_workload_cluster_skyray_only_reads_and_never_secrets() -> None:
    objects = built("workload-cluster-rbac")
    role, binding = objects["ClusterRole"], objects["ClusterRoleBinding"]
    granted = {(group, one) for rule in role["rules"] for group in rule["apiGroups"] for one in rule["resources"]}
    assert granted == {
        *(("", one) for one in ("nodes", "pods", "namespaces")),
        *(("ray.io", one) for one in ("rayclusters", "rayjobs", "rayservices", "raycronjobs")),
        ("karpenter.sh", "nodepools"),
        *(("cluster.x-k8s.io", one) for one in ("machinedeployments", "machinepools")),
    }
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"get", "list", "watch"}
    (status,) = objects["Role"]["rules"]
    assert (status["resources"], status["resourceNames"]) == (["configmaps"], ["cluster-autoscaler-status"])
    assert (objects["Role"]["metadata"]["namespace"], status["verbs"]) == ("kube-system", ["get"])
    assert objects["RoleBinding"]["subjects"] == binding["subjects"]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    account = objects["ServiceAccount"]["metadata"]
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
    ]
