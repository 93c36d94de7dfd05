"""The demo's scenario with live capacity: real API servers, kube-scheduler and KubeRay; see `harness.fleet`."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest
import yaml

from reconciler.cli.demos.play import FILES
from reconciler.cli.demos.stories import JOBS
from reconciler.service.scaffold import data_folder, lay_down
from tests.e2e.conftest import StartControlPlanes
from tests.e2e.harness.control_plane import ControlPlane
from tests.e2e.harness.fleet import Dashboards, Fleet
from tests.e2e.jobs import GPU_NODE, POOL_NODE, RAY_JOB, await_gang, manifest, nothing_left, small_job_on
from tests.integration.git_http import served_fleet

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

STATIC, DYNAMIC = "static-cluster", "dynamic-cluster"
SYSTEM_NODE = {"cpu": "1930m", "memory": "6Gi"}
CLUSTER_TIMEOUT = 8


class StartFleet(Protocol):
    """Start a fleet: a static cluster of single-GPU nodes, and one whose pool `l4` may grow to `max_nodes`."""

    def __call__(self, *, gpu_nodes: int = 4, max_nodes: int = 8) -> Fleet: ...


@pytest.fixture(scope="module")
def dashboards() -> Iterator[Dashboards]:
    with Dashboards() as running:
        yield running


@pytest.fixture
def start_fleet(tmp_path: Path, control_planes: StartControlPlanes, dashboards: Dashboards) -> Iterator[StartFleet]:
    with ExitStack() as stack:

        def start(*, gpu_nodes: int = 4, max_nodes: int = 8) -> Fleet:
            planes = control_planes(STATIC, DYNAMIC, end_job_pods=False, environment=dashboards.environment)
            for plane in planes:
                stack.callback(plane.stop)
            static, dynamic = planes
            for number in range(1, gpu_nodes + 1):
                static.add_node(f"gpu-{number}", GPU_NODE)
            dynamic.add_node("system-1", SYSTEM_NODE)
            files = fleet_files(tmp_path / "template", max_nodes)
            server = stack.enter_context(served_fleet(tmp_path / "srv", files))
            return Fleet(server.url("fleet.git"), planes, tmp_path)

        yield start


def fleet_files(template: Path, max_nodes: int) -> dict[str, str]:
    """A new fleet repo with the demo's inventory, read live, and its policy."""
    lay_down(template, "live", "argocd", "https://git.example.com/fleet.git")
    files = {str(one.relative_to(template)): one.read_text() for one in template.rglob("*") if one.is_file()}
    files["fleet.yaml"] += f"  limits: {{clusterTimeout: {CLUSTER_TIMEOUT}s}}\n"
    for name in (STATIC, DYNAMIC):
        written = yaml.safe_load((FILES / "inventory" / f"{name}.yaml").read_text())
        written["spec"]["access"] = {"kubeconfig": {"context": name}}
        for pool in written["spec"].get("autoscaler", {}).get("nodePools", ()):
            assert pool["allocatable"] == POOL_NODE
            pool["maxNodes"] = max_nodes
        files[f"inventory/{name}.yaml"] = yaml.safe_dump(written)
    files["policies/fill-and-spill.yaml"] = (data_folder("policies") / "fill-and-spill.yaml").read_text()
    return files


def ray_objects(plane: ControlPlane) -> list[Any]:
    return [
        (one["metadata"]["namespace"], one["metadata"]["uid"])
        for one in plane.request("GET", "/apis/ray.io/v1/rayjobs")["items"]
    ]


def add_job(fleet: Fleet, namespace: str) -> None:
    fleet.commit({manifest(namespace): RAY_JOB}, f"train: add {namespace}")


def place_on_static(fleet: Fleet, namespace: str) -> None:
    """Add a job and see it placed and run on the static cluster; its room is held from the decision on."""
    add_job(fleet, namespace)
    cycle = fleet.reconcile()
    assert cycle.told(f"{namespace}/rayjob") == ("place", STATIC, "FitsNow")
    held = fleet.free_gpus()
    assert fleet.reconcile().tip == cycle.tip, "nothing changed, so nothing is committed"
    fleet.sync(STATIC)
    fleet.sync(DYNAMIC)
    assert fleet.free_gpus() == held, "while pods appear"
    await_gang(fleet.planes[STATIC], namespace)
    assert fleet.free_gpus() == held, "when all pods run"
    assert fleet.reconcile().tip == cycle.tip, "running pods are no news for Git"


def test_the_demo_comes_true_on_live_clusters_also_while_one_is_away(start_fleet: StartFleet) -> None:
    fleet = start_fleet()
    static, dynamic = fleet.planes[STATIC], fleet.planes[DYNAMIC]
    assert fleet.free_gpus() == {STATIC: 4, DYNAMIC: 0}
    place_on_static(fleet, JOBS[0])
    assert fleet.free_gpus() == {STATIC: 2, DYNAMIC: 0}
    place_on_static(fleet, JOBS[1])
    assert fleet.free_gpus() == {STATIC: 0, DYNAMIC: 0}
    before, overlays = ray_objects(static), fleet.files(f"clusters/{STATIC}/")

    static.kill_apiserver()
    fleet.commit(
        {manifest("only-static"): small_job_on(STATIC), manifest("only-dynamic"): small_job_on(DYNAMIC)},
        "two jobs that know where to go",
    )
    cycle = fleet.reconcile()
    assert cycle.told("only-static/rayjob") == ("wait", "", "Unreachable")
    assert "refuses the connection" in cycle.decisions["only-static/rayjob"]["message"]
    assert cycle.told("only-dynamic/rayjob") == ("place", DYNAMIC, "FitsNow")
    for job in JOBS[:2]:
        assert cycle.told(f"{job}/rayjob") == ("keep", STATIC, "FitsNow")
    assert fleet.free_gpus() == {STATIC: None, DYNAMIC: 0}
    fleet.sync(DYNAMIC)
    await_gang(dynamic, "only-dynamic", ["head", "submitter"])

    fleet.commit({manifest("also-dynamic"): small_job_on(DYNAMIC)}, "a third one")
    with socket.create_server(("127.0.0.1", int(static.server.rpartition(":")[2]))):  # connects, and never answers
        cycle = fleet.reconcile()
    assert CLUSTER_TIMEOUT <= cycle.seconds < CLUSTER_TIMEOUT + 15
    assert cycle.told("only-static/rayjob") == ("wait", "", "Unreachable")
    assert f"did not answer within {CLUSTER_TIMEOUT} s" in cycle.decisions["only-static/rayjob"]["message"]
    assert cycle.told("also-dynamic/rayjob") == ("place", DYNAMIC, "FitsNow")
    assert cycle.told("only-dynamic/rayjob") == ("keep", DYNAMIC, "FitsNow")
    assert fleet.files(f"clusters/{STATIC}/") == overlays, "what stands on the dead cluster stays in Git, byte by byte"

    static.restart_apiserver()
    cycle = fleet.reconcile()
    assert cycle.told("only-static/rayjob") == ("place", STATIC, "FitsNow")
    for job in JOBS[:2]:
        assert cycle.told(f"{job}/rayjob") == ("keep", STATIC, "FitsNow")
    fleet.sync(STATIC)
    await_gang(static, "only-static", ["head", "submitter"])
    assert set(before) <= set(ray_objects(static)), "no job was deleted or made anew"
    for job in JOBS[:2]:
        await_gang(static, job)

    add_job(fleet, JOBS[2])
    cycle = fleet.reconcile()
    assert cycle.told(f"{JOBS[2]}/rayjob") == ("place", DYNAMIC, "FitsAfterScaleUp")
    decision = cycle.decisions[f"{JOBS[2]}/rayjob"]
    assert {one["cluster"]: one["verdict"] for one in decision["candidates"]} == {
        DYNAMIC: "FitsAfterScaleUp",
        STATIC: "NoFit",
    }
    assert "after adding 2 nodes of pool l4" in decision["message"]
    fleet.sync(STATIC)
    fleet.sync(DYNAMIC)
    await_gang(dynamic, JOBS[2], most_nodes=2)
    assert fleet.free_gpus() == {STATIC: 0, DYNAMIC: 0}
    assert fleet.reconcile().tip == cycle.tip
    assert {namespace for namespace, _ in ray_objects(static)} == {*JOBS[:2], "only-static"}
    assert {namespace for namespace, _ in ray_objects(dynamic)} == {JOBS[2], "only-dynamic", "also-dynamic"}


def test_a_burst_in_one_push_is_not_booked_twice_before_any_pod_exists(start_fleet: StartFleet) -> None:
    fleet = start_fleet(gpu_nodes=2, max_nodes=2)
    burst = ("burst1", "burst2", "burst3")
    fleet.commit({manifest(job): RAY_JOB for job in burst}, "three jobs, room for two")
    cycle = fleet.reconcile()
    assert [cycle.told(f"{job}/rayjob") for job in burst] == [
        ("place", STATIC, "FitsNow"),
        ("place", DYNAMIC, "FitsAfterScaleUp"),
        ("wait", "", "NoFit"),
    ]
    assert fleet.reconcile().tip == cycle.tip, "no pod exists yet, and still nothing is free"
    fleet.commit({manifest("late"): RAY_JOB}, "a fourth job before the first has pods")
    late = fleet.reconcile()
    assert late.told("late/rayjob") == ("wait", "", "NoFit")
    fleet.sync(STATIC)
    fleet.sync(DYNAMIC)
    await_gang(fleet.planes[STATIC], "burst1")
    await_gang(fleet.planes[DYNAMIC], "burst2", most_nodes=2)
    cycle = fleet.reconcile()
    assert cycle.tip == late.tip
    assert cycle.told("burst3/rayjob") == ("wait", "", "NoFit")


def ended(pod: dict[str, Any]) -> bool:
    """Tell whether a pod holds no room any more."""
    return pod["status"].get("phase") in {"Succeeded", "Failed"}


def test_a_job_that_ended_or_was_taken_out_makes_room_for_the_next(
    start_fleet: StartFleet, dashboards: Dashboards
) -> None:
    fleet = start_fleet(gpu_nodes=2, max_nodes=0)
    static = fleet.planes[STATIC]
    place_on_static(fleet, "first")
    add_job(fleet, "second")
    assert fleet.reconcile().told("second/rayjob") == ("wait", "", "NoFit")

    dashboards.succeed(static, "first")
    job = "/apis/ray.io/v1/namespaces/first/rayjobs/rayjob-train"
    static.wait(lambda: static.request("GET", job)["status"]["jobDeploymentStatus"] == "Complete", what="the job's end")
    static.wait(lambda: not static.request("GET", "/apis/ray.io/v1/rayclusters")["items"], what="its cluster's end")
    static.wait(lambda: all(ended(pod) for pod in static.pods("first")), what="its pods' end")
    assert fleet.free_gpus()[STATIC] == 2, "the room is free also before the end is recorded"
    cycle = fleet.reconcile()
    status = fleet.placement("first/rayjob")["status"]
    assert (status["phase"], status["reason"]) == ("Succeeded", "JobSucceeded")
    assert cycle.told("second/rayjob") == ("place", STATIC, "FitsNow")
    fleet.sync(STATIC)
    await_gang(static, "second")
    assert static.request("GET", job)["status"]["jobStatus"] == "SUCCEEDED", "it is kept, and not run again"

    add_job(fleet, "third")
    assert fleet.reconcile().told("third/rayjob") == ("wait", "", "NoFit")
    fleet.commit({manifest("second"): None}, "stop the second job")
    assert fleet.reconcile().told("second/rayjob") == ("retire", STATIC, "ManifestRemoved")
    fleet.sync(STATIC)
    static.wait(nothing_left(static, "second"), what="the second job's end")
    assert fleet.reconcile().told("third/rayjob") == ("place", STATIC, "FitsNow")
    fleet.sync(STATIC)
    await_gang(static, "third")
