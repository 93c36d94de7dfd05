"""Capacity read live from real API servers: the same as kubectl shows, with the least of rights, through a crash."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import Place
from reconciler.fleet.inventory import Cluster, KubeconfigAccess
from reconciler.fleet.observers.kubeconfig import Mounts
from reconciler.fleet.observers.live import LiveSource
from reconciler.fleet.observers.observer import Observer
from reconciler.fleet.observers.snapshot_source import RepoFiles
from reconciler.fleet.snapshot import ClusterSnapshot, FleetSnapshot, Unreadable
from reconciler.fleet.snapshot_file import read_capacity, read_fleet_snapshot, write_fleet_snapshot
from tests.e2e.conftest import StartControlPlanes
from tests.e2e.harness.control_plane import ControlPlane
from tests.e2e.harness.parts import module_dir

pytestmark = pytest.mark.e2e

KUBECTL = Path(sys.executable).with_name("kubectl")
NO_FILES = RepoFiles(lambda _: None, 0.0)
RAY = ("rayjobs", "rayclusters", "rayservices")
READ_RULES = [
    {"apiGroups": [""], "resources": ["nodes", "pods"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["ray.io"], "resources": list(RAY), "verbs": ["get", "list", "watch"]},
]


def pod(name: str, cpu: str, **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": "ray", "resources": {"requests": {"cpu": cpu}, "limits": {"memory": "1Gi"}}}
    metadata = {"name": name, "namespace": "capacity", "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container], **spec}}


@pytest.fixture(scope="module")
def planes(control_planes: StartControlPlanes) -> list[ControlPlane]:
    return control_planes("busy", "quiet", controller_manager=(), kwok=False)


@pytest.fixture(scope="module")
def busy(planes: list[ControlPlane]) -> ControlPlane:
    """A cluster with nodes of several kinds, pods that run, wait, end and go, and a RayCluster of its own."""
    plane = planes[0]
    plane.add_namespace("capacity")
    plane.add_node("gpu-1", {"cpu": "7910m", "memory": "30Gi", "nvidia.com/gpu": "1"}, {"zone": "a"})
    plane.add_node("tainted", {"cpu": "4", "memory": "16Gi"}, taints=[{"key": "spot", "effect": "NoSchedule"}])
    plane.add_node("cordoned", {"cpu": "4", "memory": "16Gi"}, unschedulable=True)
    anti = {"labelSelector": {"matchLabels": {"app": "spread"}}, "topologyKey": "zone"}
    plane.apply(
        [
            pod("runs", "1500m", nodeName="gpu-1"),
            pod("too-big", "64"),
            pod("tolerant", "1", tolerations=[{"key": "spot", "operator": "Exists"}]),
            pod(
                "spread", "1", affinity={"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [anti]}}
            ),
            pod("ended", "1", nodeName="gpu-1"),
            pod("going", "1", nodeName="gpu-1"),
        ]
    )
    plane.request("PATCH", "/api/v1/namespaces/capacity/pods/ended/status", {"status": {"phase": "Succeeded"}})
    plane.request("PATCH", "/api/v1/namespaces/capacity/pods/going", {"metadata": {"finalizers": ["test/hold"]}})
    plane.request("DELETE", "/api/v1/namespaces/capacity/pods/going")
    sample = module_dir("ray-operator") / "config" / "samples" / "ray-cluster.sample.yaml"
    kubectl(plane, "apply", "--filename", str(sample))
    plane.wait(lambda: len(plane.pods("default")) == 2, what="the RayCluster's pods")
    plane.wait(lambda: not plane.queued_pods().get("active"), what="a quiet scheduler")
    return plane


def kubectl(plane: ControlPlane, *arguments: str) -> bytes:
    command = [str(KUBECTL), "--kubeconfig", str(plane.kubeconfig), *arguments]
    return subprocess.run(command, capture_output=True, check=True).stdout


def cluster(plane: ControlPlane) -> Cluster:
    return Cluster(plane.name, Place(f"inventory/{plane.name}.yaml"), KubeconfigAccess(secret=plane.name))


def mounts(folder: Path, *planes: ControlPlane) -> Mounts:
    for plane in planes:
        (folder / plane.name).mkdir()
        (folder / plane.name / "kubeconfig").symlink_to(folder / plane.name / "data")
        (folder / plane.name / "data").write_bytes(plane.kubeconfig.read_bytes())
    return Mounts(secrets=folder)


def without_version(picture: ClusterSnapshot) -> tuple[Any, ...]:
    return picture.nodes, picture.pods, picture.ray


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_live_capacity_is_what_kubectl_prints(busy: ControlPlane, tmp_path: Path, form: str) -> None:
    source = LiveSource(mounts(tmp_path, busy), timeout=60)
    what = ",".join(("nodes", "pods", *RAY))

    def same() -> tuple[ClusterSnapshot, ClusterSnapshot] | None:
        """Take both, until nothing changed in between: the operator still writes status."""
        live = source.read(cluster(busy), 1.0)
        printed = read_capacity(kubectl(busy, "get", what, "-A", "-o", form), f"k.{form}", busy.name, 1.0)
        return (live, printed) if without_version(live) == without_version(printed) else None

    live, _ = busy.wait(same, what="live capacity equal to what kubectl prints") or pytest.fail("never equal")
    assert live.version.startswith("v1.36.")
    assert [(one.name, one.ready, one.unschedulable, len(one.taints)) for one in live.nodes] == [
        ("cordoned", True, True, 0),
        ("gpu-1", True, False, 0),
        ("tainted", True, False, 1),
    ]
    assert live.nodes[1].allocatable == {"cpu": 7910, "memory": 30 << 30, "nvidia.com/gpu": 1, "pods": 110}
    pods = {one.name: one for one in live.pods if one.namespace == "capacity"}
    assert set(pods) == {"runs", "too-big", "tolerant", "spread", "going"}
    assert pods["runs"].shape.requests == {"cpu": 1500, "memory": 1 << 30}
    assert (pods["runs"].node, pods["too-big"].node, pods["going"].deleting) == ("gpu-1", "", True)
    assert pods["spread"].shape.pod_anti_required[0].topology_key == "zone"
    ray_pods = [one for one in live.pods if one.namespace == "default"]
    assert sorted(one.node_type for one in ray_pods) == ["head", "worker"]
    [status] = live.ray
    assert status.kind == "RayCluster"
    assert {one.owner for one in ray_pods} == {status.name}


@pytest.mark.usefixtures("busy")
def test_a_live_fleet_is_stored_and_read_back_exactly(planes: list[ControlPlane], tmp_path: Path) -> None:
    observer = observing(tmp_path, *planes)
    taken = observer.observe([cluster(plane) for plane in planes], 1.0, NO_FILES)
    assert len(taken.clusters) == 2
    assert read_fleet_snapshot(write_fleet_snapshot(taken), "fleet.json") == taken


def observing(folder: Path, *planes: ControlPlane, timeout: float = 60.0) -> Observer:
    return Observer(LiveSource(mounts(folder, *planes), timeout).read, timeout=timeout, max_age=600)


def test_reading_needs_these_rights_and_no_others(busy: ControlPlane, tmp_path: Path) -> None:
    account = {"metadata": {"name": "reader", "namespace": "capacity"}}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "reader"}}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", **account["metadata"]}],
    }
    busy.apply([{"apiVersion": "v1", "kind": "ServiceAccount", **account}, {**role, "rules": READ_RULES[:1]}, binding])
    path = "/api/v1/namespaces/capacity/serviceaccounts/reader/token"
    token = busy.request("POST", path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})
    config = json.loads(busy.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token["status"]["token"]}
    (tmp_path / "reader").write_text(json.dumps(config))
    reader = Cluster("busy", Place("inventory/busy.yaml"), KubeconfigAccess(file="reader"))
    observer = Observer(LiveSource(Mounts(files=tmp_path), 60).read, timeout=60, max_age=600)

    def now() -> ClusterSnapshot | Unreadable:
        return observer.observe([reader], 1.0, NO_FILES).clusters["busy"]

    def refused() -> bool:
        picture = now()
        return isinstance(picture, Unreadable) and "its account may not list rayjobs (403)" in picture.reason

    busy.wait(refused, what="a refusal that names what is missing")
    busy.apply([{**role, "rules": READ_RULES}])
    busy.wait(lambda: isinstance(now(), ClusterSnapshot), what="a picture with the read-only role")


@pytest.mark.usefixtures("busy")
def test_a_killed_api_server_hurts_no_other_cluster_and_comes_back(planes: list[ControlPlane], tmp_path: Path) -> None:
    quiet = planes[1]
    clusters = [cluster(plane) for plane in planes]
    observer = observing(tmp_path, *planes)
    moment = 1000.0

    def take(after: float = 1.0) -> FleetSnapshot:
        nonlocal moment
        moment += after
        return observer.observe(clusters, moment, NO_FILES)

    before = take()
    assert all(isinstance(picture, ClusterSnapshot) for picture in before.clusters.values())
    quiet.kill_apiserver()
    try:
        during = take()
        assert during.clusters["quiet"] is before.clusters["quiet"], "the last picture still counts"
        assert taken_at(during, "busy") == moment
        assert "refuses the connection" in observer.failing["quiet"].reason
        later = take(after=601)
        assert isinstance(later.clusters["quiet"], Unreadable)
        assert taken_at(later, "busy") == moment
    finally:
        quiet.restart_apiserver()

    def asked_again() -> bool:
        take()
        return "quiet" not in observer.failing

    quiet.wait(asked_again, what="a fresh picture")
    assert taken_at(take(), "quiet") == moment


def taken_at(fleet: FleetSnapshot, name: str) -> float:
    picture = fleet.clusters[name]
    assert isinstance(picture, ClusterSnapshot)
    return picture.taken_at
