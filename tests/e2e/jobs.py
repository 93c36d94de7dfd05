"""The demo's RayJob as the end-to-end tests commit it, and what they wait for on a cluster."""

from __future__ import annotations

from collections.abc import Callable

import yaml

from reconciler.cli.demos.play import FILES
from tests.e2e.harness.control_plane import ControlPlane
from tests.e2e.harness.fleet import scale_up

GPU_NODE = {"cpu": "7910m", "memory": "30Gi", "nvidia.com/gpu": "1", "pods": "58"}
POOL_NODE = {"cpu": "15", "memory": "58Gi", "nvidia.com/gpu": "1", "pods": "110"}
GANG = ["head", "submitter", "worker", "worker"]
RAY_JOB = (FILES / "rayjob.yaml").read_text()


def manifest(namespace: str) -> str:
    return f"workloads/{namespace}/rayjob.yaml"


def small_job_on(cluster: str) -> str:
    """A RayJob without workers that its owner pins to a cluster."""
    job, code = yaml.safe_load_all(RAY_JOB)
    job["metadata"]["annotations"] = {"skyray.dev/cluster": cluster}
    job["spec"]["rayClusterSpec"].pop("workerGroupSpecs")
    [head] = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"]
    head["resources"] = {"requests": {"cpu": "200m", "memory": "1Gi"}}
    return yaml.safe_dump_all([job, code])


def running(plane: ControlPlane, namespace: str) -> list[str]:
    """The roles of the namespace's pods once its job runs and all of them stand on nodes; nothing before."""
    jobs = plane.request("GET", f"/apis/ray.io/v1/namespaces/{namespace}/rayjobs")["items"]
    pods = plane.pods(namespace)
    if not jobs or any(job.get("status", {}).get("jobStatus") != "RUNNING" for job in jobs):
        return []
    if any(pod["status"]["phase"] != "Running" or "nodeName" not in pod["spec"] for pod in pods):
        return []
    return sorted(pod["metadata"]["labels"].get("ray.io/node-type", "submitter") for pod in pods)


def await_gang(plane: ControlPlane, namespace: str, pods: list[str] = GANG, *, most_nodes: int = 0) -> None:
    """Wait until the job of `namespace` runs with all its `pods`; up to `most_nodes` are added for what waits."""

    def look() -> list[str]:
        if most_nodes:
            scale_up(plane, "l4", POOL_NODE, most_nodes)
        return running(plane, namespace)

    assert plane.wait(look, timeout=90, what=f"a running job in {namespace}") == pods


def nothing_left(plane: ControlPlane, namespace: str) -> Callable[[], bool]:
    path = f"/apis/ray.io/v1/namespaces/{namespace}"
    return lambda: (
        not (
            plane.pods(namespace)
            or plane.request("GET", f"{path}/rayjobs")["items"]
            or plane.request("GET", f"{path}/rayclusters")["items"]
        )
    )
