"""The harness itself: what the other end-to-end tests rely on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import StartControlPlanes
from tests.e2e.harness.control_plane import ControlPlane
from tests.e2e.harness.gangs import GangTrials
from tests.e2e.harness.parts import PartError, build, module_dir
from tests.e2e.harness.processes import NotReady, Program, wait_until

pytestmark = pytest.mark.e2e

KUBECTL = Path(sys.executable).with_name("kubectl")


def ray_cluster(name: str, workers: int) -> dict[str, Any]:
    sample = module_dir("ray-operator") / "config" / "samples" / "ray-cluster.complete.yaml"
    manifest: dict[str, Any] = next(yaml.safe_load_all(sample.read_text()))
    manifest["metadata"]["name"] = name
    manifest["spec"]["workerGroupSpecs"][0].update(replicas=workers, maxReplicas=workers)
    return manifest


def running(plane: ControlPlane, name: str) -> list[str]:
    """The node types of the RayCluster's running pods, when it is ready; nothing before."""
    found = plane.request("GET", f"/apis/ray.io/v1/namespaces/default/rayclusters/{name}")
    if found.get("status", {}).get("state") != "ready":
        return []
    mine = [pod for pod in plane.pods("default") if pod["metadata"]["labels"].get("ray.io/cluster") == name]
    assert all(pod["spec"]["nodeName"] for pod in mine)
    return sorted(pod["metadata"]["labels"]["ray.io/node-type"] for pod in mine if pod["status"]["phase"] == "Running")


def node(name: str, cpu: int, **labels: str) -> dict[str, Any]:
    room = {"cpu": str(cpu), "memory": "32Gi", "pods": "110"}
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **labels}},
        "status": {"capacity": room, "allocatable": room, "conditions": [{"type": "Ready", "status": "True"}]},
    }


def pod(name: str, cpu: int, status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    container = {"name": "ray", "image": "ray", "resources": {"requests": {"cpu": str(cpu)}}}
    manifest = {
        "metadata": {"name": name, "namespace": "gangs", "labels": {"app": name}},
        "spec": {"containers": [container], **spec},
    }
    return manifest if status is None else {**manifest, "status": status}


@pytest.fixture(scope="module")
def trials(control_planes: StartControlPlanes) -> GangTrials:
    [plane] = control_planes("gangs", controller_manager=(), kwok=False, kuberay=False)
    return GangTrials(plane)


def test_kuberay_turns_a_ray_cluster_into_pods_that_run(control_plane: ControlPlane) -> None:
    for number in range(2):
        control_plane.add_node(f"room-{number}", {"cpu": "8", "memory": "32Gi"})
    control_plane.apply([ray_cluster("three-workers", workers=3)])
    pods = control_plane.wait(lambda: running(control_plane, "three-workers"), what="a ready RayCluster")
    assert pods == ["head", "worker", "worker", "worker"]


def test_a_killed_api_server_comes_back_with_its_data_and_its_clients(control_plane: ControlPlane) -> None:
    control_plane.add_node("survivor", {"cpu": "8", "memory": "32Gi"})
    server = control_plane.server
    control_plane.kill_apiserver()
    with pytest.raises(ConnectionRefusedError):
        control_plane.request("GET", "/readyz")
    control_plane.restart_apiserver()
    assert control_plane.server == server
    assert control_plane.request("GET", "/api/v1/nodes/survivor")["status"]["allocatable"]["pods"] == "110"
    control_plane.apply([ray_cluster("after-the-crash", workers=1)])
    pods = control_plane.wait(lambda: running(control_plane, "after-the-crash"), what="a ready RayCluster")
    assert pods == ["head", "worker"]


def test_the_kubeconfig_serves_kubectl_and_names_the_release(control_plane: ControlPlane) -> None:
    command = [str(KUBECTL), "--kubeconfig", str(control_plane.kubeconfig), "--context", "shared", "version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Server Version: v1.36." in done.stdout


def test_a_namespace_goes_away_with_what_is_in_it(control_plane: ControlPlane) -> None:
    control_plane.add_namespace("passing")
    control_plane.apply(
        [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "code", "namespace": "passing"}}]
    )
    control_plane.request("DELETE", "/api/v1/namespaces/passing")
    namespaces = "/api/v1/namespaces?fieldSelector=metadata.name=passing"
    control_plane.wait(lambda: not control_plane.request("GET", namespaces)["items"], what="the namespace's end")


def test_control_planes_side_by_side_know_nothing_of_each_other(control_planes: StartControlPlanes) -> None:
    left, right = control_planes("left", "right", controller_manager=(), kwok=False, kuberay=False)
    left.add_namespace("only-left")
    names = {item["metadata"]["name"] for item in right.request("GET", "/api/v1/namespaces")["items"]}
    assert "default" in names
    assert "only-left" not in names
    for plane in (left, right):
        assert set(plane.resident_bytes()) == {"etcd", "kube-apiserver", "kube-scheduler"}
        plane.stop()
        assert not any(plane.resident_bytes().values())
        with pytest.raises(ConnectionRefusedError):
            plane.request("GET", "/readyz")


def test_a_program_that_crashes_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    wrong = {"kube-apiserver": ["--no-such-flag"]}
    plane = ControlPlane("broken", tmp_path, controller_manager=(), kwok=False, kuberay=False, arguments=wrong)
    with pytest.raises(NotReady, match=r"kube-apiserver crashed while(?s:.*)unknown flag: --no-such-flag"):
        plane.start()
    assert not any(plane.resident_bytes().values())


def test_a_program_is_gone_with_its_children_when_killed(tmp_path: Path) -> None:
    children = tmp_path / "children"
    shell = Program("shell", ["/bin/sh", "-c", f"sleep 600 & echo $! > {children}; wait"], tmp_path / "log")
    shell.start()
    pid = wait_until(lambda: children.exists() and children.read_text().strip(), seconds=10, what="the child's start")
    shell.kill()
    assert not shell.alive
    assert not shell.crashed
    state = Path(f"/proc/{pid}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"


def test_a_gang_is_bound_pod_by_pod_around_what_is_there(trials: GangTrials) -> None:
    placed = [pod("there", 3, nodeName="a"), pod("done", 3, nodeName="b", status={"phase": "Succeeded"})]
    outcome = trials.run([node("a", 4), node("b", 4)], placed, [pod("head", 2), pod("worker", 2)])
    assert outcome.bound
    assert outcome.nodes == ("b", "b")


def test_one_pod_too_many_is_refused_with_the_schedulers_reason(trials: GangTrials) -> None:
    gang = [pod("head", 3), pod("worker-1", 3), pod("worker-2", 3)]
    outcome = trials.run([node("a", 4), node("b", 4)], [], gang, afterwards=[pod("submitter", 1)])
    assert not outcome.bound
    assert {outcome.nodes[0], outcome.nodes[1]} == {"a", "b"}
    assert outcome.nodes[2:] == (None, None)
    assert "2 Insufficient cpu" in outcome.messages[2]
    assert outcome.messages[3] == "", "the submitter must not be created before the others are bound"


def test_a_submitter_is_created_once_the_others_are_bound(trials: GangTrials) -> None:
    outcome = trials.run([node("a", 4)], [], [pod("head", 3)], afterwards=[pod("submitter", 2)])
    assert outcome.nodes == ("a", None)
    assert "Insufficient cpu" in outcome.messages[1]


def test_a_refused_pod_that_a_later_binding_helps_is_waited_for(trials: GangTrials) -> None:
    beside = {"labelSelector": {"matchLabels": {"app": "later"}}, "topologyKey": "zone"}
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [beside]}}
    gang = [pod("first", 2, affinity=affinity), pod("later", 2), pod("never", 9)]
    outcome = trials.run([node("a", 2, zone="east"), node("b", 2, zone="east")], [], gang)
    assert outcome.nodes[0] in {"a", "b"}
    assert outcome.nodes[1] in {"a", "b"}
    assert outcome.nodes[2] is None


def test_cases_do_not_see_each_other(trials: GangTrials) -> None:
    tolerant = [{"operator": "Exists"}]
    full = [pod(f"worker-{number}", 1, tolerations=tolerant) for number in range(4)]
    for cpu in (4, 3, 4, 3):
        outcome = trials.run([node("a", cpu)], [], full)
        assert outcome.bound is (cpu == 4)
        assert set(outcome.nodes) <= {"a", None}


def test_gang_trials_refuse_a_control_plane_with_nodes(control_plane: ControlPlane) -> None:
    control_plane.add_node("in-the-way", {"cpu": "1"})
    with pytest.raises(ValueError, match="has nodes already"):
        GangTrials(control_plane)


def test_a_program_in_kubebuilder_assets_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = tmp_path / "etcd"
    given.write_text("#!/bin/sh\n")
    given.chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    assert build("etcd") == given
    assert build("kube-scheduler").parent != tmp_path


def test_without_go_the_error_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYRAY_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PartError, match=r"install Go .*https://go.dev/dl/"):
        build("etcd")


def test_the_scheduler_knows_the_last_node_before_the_first_pod_comes(trials: GangTrials) -> None:
    nodes = [*(node(f"small-{number}", 4) for number in range(20)), node("roomiest", 64)]
    for _ in range(5):
        assert trials.run(nodes, [], [pod("head", 2)]).nodes == ("roomiest",)
