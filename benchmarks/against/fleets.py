"""The users' part of a fleet repo, as files: settings, inventory, and workloads of a number of shapes.

A shape is a set of requests: groups of one shape are alike to the planner.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from benchmarks.synthetic import Fleet, config_map, git, ray_job, stream
from reconciler.fleet.snapshot_file import write_fleet_snapshot

BASE_SHAPES = 12
"""So many shapes differ in pods and GPUs; more of them differ in cpu as well."""

_SMALL_JOB = """\
apiVersion: ray.io/v1
kind: RayJob
metadata:
  name: {name}
spec:
  entrypoint: python train.py
  submissionMode: HTTPMode
  rayClusterSpec:
    rayVersion: "2.46.0"
    headGroupSpec:
      rayStartParams: {{}}
      template:
        spec:
          containers:
            - name: ray-head
              image: rayproject/ray:2.46.0
              resources:
                requests: {{cpu: "1", memory: 2Gi}}
                limits: {{cpu: "1", memory: 2Gi}}
"""

_CONFIG_MAP_POLICY = """\
apiVersion: skyray.dev/v1alpha1
kind: SchedulePolicy
metadata: {name: config-maps}
spec:
  namespaceSelector: {}
  resourceSelectors: {kinds: [ConfigMap]}
  placement: {require: Fit}
"""


def settings(clusters: int, nodes: int) -> dict[str, bytes]:
    """Return fleet.yaml, a policy for RayJobs, and the inventory."""
    return Fleet(clusters, nodes, 0).files()


def jobs(
    first: int, count: int, shapes: int = BASE_SHAPES, namespaces: int = 50
) -> dict[str, bytes]:
    """Return RayJobs that are numbered from `first`, each with a ConfigMap for its code."""
    files = {}
    for number in range(first, first + count):
        name = f"train-{number:06}"
        folder = f"workloads/team-{number % namespaces:04}"
        shape = number % shapes
        job = ray_job(
            name,
            workers=1 + shape % 4,
            gpus=(1, 2, 4)[shape % 3],
            cpu=f"{8000 - 5 * (shape // BASE_SHAPES)}m",
        )
        files[f"{folder}/{name}.yaml"] = job.encode()
        files[f"{folder}/{name}-code.yaml"] = config_map(f"{name}-code").encode()
    return files


def small_jobs(first: int, count: int, namespaces: int) -> dict[str, bytes]:
    """Return RayJobs of one pod and one core, numbered from `first`, so that very many find room."""
    files = {}
    for number in range(first, first + count):
        name = f"job-{number:06}"
        path = f"workloads/team-{number % namespaces:04}/{name}.yaml"
        files[path] = _SMALL_JOB.format(name=name).encode()
    return files


def config_maps(count: int) -> dict[str, bytes]:
    """Return ConfigMaps in one namespace, and the policy that makes each a group of its own."""
    files = {"policies/available.yaml": _CONFIG_MAP_POLICY.encode()}
    for number in range(count):
        name = f"settings-{number:06}"
        files[f"workloads/team/{name}.yaml"] = config_map(name).encode()
    return files


def write_snapshot(path: Path, clusters: int, nodes: int) -> Path:
    """Write the capacity of all clusters as a FleetSnapshot file, which both sides read."""
    path.write_bytes(write_fleet_snapshot(Fleet(clusters, nodes, 0).snapshot()))
    return path


def make_bare(path: Path, files: Mapping[str, bytes]) -> Path:
    """Make a bare repository with one commit of `files`."""
    path.mkdir(parents=True)
    git(path, "init", "--quiet", "--bare", "--initial-branch=main", ".")
    # Housekeeping at a random moment would count as somebody's time.
    git(path, "config", "gc.auto", "0")
    git(path, "config", "receive.autogc", "false")
    git(path, "fast-import", "--quiet", stdin=stream(files))
    return path


def add_commit(path: Path, files: Mapping[str, bytes]) -> None:
    """Commit more files on the branch main of a bare repository."""
    git(path, "fast-import", "--quiet", stdin=stream(files, parent="refs/heads/main^0"))


def placed(path: Path) -> int:
    """Return how many groups of the branch main are placed."""
    if not git(path, "ls-tree", "main", "placements"):
        return 0
    try:
        found = git(path, "grep", "-l", "phase: Placed", "main", "--", "placements/")
    except subprocess.CalledProcessError as none:
        if none.returncode == 1:
            return 0  # Every group waits.
        raise
    return len(found.splitlines())
