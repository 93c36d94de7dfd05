"""A made-up fleet of any size, drawn with a fixed seed: the same numbers give the same fleet.

Clusters have 8-GPU nodes that are mostly taken, so that a new gang finds room on some and must be refused on others.
Groups are RayJobs with a ConfigMap for their code, one folder a namespace.
"""

from __future__ import annotations

import random
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reconciler.fleet.snapshot import ClusterSnapshot, FleetSnapshot, Node, Pod
from reconciler.fleet.snapshot_file import fleet_snapshot
from reconciler.manifests.podshape import PodShape

NOW = 1_790_000_000.0
GIB = 1 << 30
GPU = "nvidia.com/gpu"
EMAIL = "bench@example.com"

_FLEET = """\
apiVersion: skyray.dev/v1alpha1
kind: Fleet
metadata: {name: bench}
spec:
  engine: argocd
"""

_POLICY = """\
apiVersion: skyray.dev/v1alpha1
kind: SchedulePolicy
metadata: {name: available-capacity}
spec:
  namespaceSelector: {}
  resourceSelectors: {kinds: [RayJob]}
  placement: {require: Fit}
"""

_CLUSTER = """\
apiVersion: skyray.dev/v1alpha1
kind: Cluster
metadata:
  name: %s
  labels: {cluster.class: %s}
spec:
  provider: aws
  region: us-west-2
  kubernetesVersion: "1.34"
  access:
    snapshot: {file: snapshots/%s.json}
"""

_TEMPLATE = """\
        spec:
          serviceAccountName: trainer
          containers:
            - name: ray-worker
              image: rayproject/ray:2.46.0-gpu
              imagePullPolicy: IfNotPresent
              env:
                - name: NCCL_DEBUG
                  value: INFO
                - name: OMP_NUM_THREADS
                  value: "8"
                - name: RUN
                  valueFrom:
                    fieldRef:
                      fieldPath: metadata.labels['run']
              ports:
                - containerPort: 6379
                  name: gcs-server
                - containerPort: 8265
                  name: dashboard
              resources:
                limits:
                  cpu: "{cpu}"
                  memory: {memory}Gi
                  nvidia.com/gpu: "{gpu}"
                requests:
                  cpu: "{cpu}"
                  memory: {memory}Gi
                  nvidia.com/gpu: "{gpu}"
              volumeMounts:
                - mountPath: /home/ray/code
                  name: code
              readinessProbe:
                exec:
                  command: [bash, -c, "ray health-check"]
                initialDelaySeconds: 10
                periodSeconds: 5
              lifecycle:
                preStop:
                  exec:
                    command: [/bin/sh, -c, ray stop]
          volumes:
            - name: code
              configMap:
                name: {name}-code
                items:
                  - key: train.py
                    path: train.py
"""


def ray_job(
    name: str, workers: int = 2, gpus: int = 1, groups: int = 2, cpu: str = "8"
) -> str:
    """Return a RayJob as users write them; `groups` counts the head, too, and three make 179 lines.

    `cpu` is what a worker requests.
    """
    head = f"""\
apiVersion: ray.io/v1
kind: RayJob
metadata:
  name: {name}
  labels:
    app.kubernetes.io/instance: {name}
    app.kubernetes.io/part-of: training
spec:
  entrypoint: python /home/ray/code/train.py --steps 1000
  shutdownAfterJobFinishes: true
  ttlSecondsAfterFinished: 600
  submissionMode: HTTPMode
  runtimeEnvYAML: |
    env_vars:
      SEED: "1"
  rayClusterSpec:
    rayVersion: "2.46.0"
    headGroupSpec:
      rayStartParams:
        dashboard-host: 0.0.0.0
        num-cpus: "0"
      template:
"""
    text = (
        head
        + _TEMPLATE.format(cpu=4, memory=16, gpu=0, name=name)
        + "    workerGroupSpecs:\n"
    )
    for number in range(groups - 1):
        text += f"""\
    - groupName: gpu-{number}
      replicas: {workers}
      minReplicas: {workers}
      maxReplicas: {workers}
      rayStartParams: {{}}
      template:
"""
        text += _TEMPLATE.format(cpu=cpu, memory=32, gpu=gpus, name=name)
    return text


def config_map(name: str) -> str:
    """Return a ConfigMap with forty lines of code."""
    code = "".join(f"    print({n}, 'of the epochs are done')\n" for n in range(40))
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  train.py: |\n{code}"


@dataclass(frozen=True, slots=True)
class Fleet:
    """Sizes of a fleet. `groups` RayJobs ask for places; `extra` further ConfigMaps stand beside them."""

    clusters: int
    nodes: int
    groups: int
    extra: int = 0

    def files(self, first: int = 0) -> dict[str, bytes]:
        """Return the repo's files; groups are numbered from `first`."""
        files = {"fleet.yaml": _FLEET, "policies/available.yaml": _POLICY}
        for number in range(self.clusters):
            name = cluster_name(number)
            kind = "production" if number % 2 else "development"
            files[f"inventory/{name}.yaml"] = _CLUSTER % (name, kind, name)
        files |= workloads(first, self.groups)
        files |= {
            f"workloads/team-{n % 50:02}/extra-{n}.yaml": config_map(f"extra-{n}")
            for n in range(self.extra)
        }
        return {path: text.encode() for path, text in files.items()}

    def snapshot(self) -> FleetSnapshot:
        """Return the capacity of all clusters, `nodes` nodes each."""
        return fleet_snapshot(
            cluster(cluster_name(number), self.nodes, number)
            for number in range(self.clusters)
        )


def workloads(first: int, count: int) -> dict[str, str]:
    """Return the files of `count` groups of a few sizes, two files each."""
    files = {}
    for number in range(first, first + count):
        name, folder = f"train-{number:04}", f"workloads/team-{number % 50:02}"
        workers = 1 + number % 4
        files[f"{folder}/{name}.yaml"] = ray_job(name, workers, (1, 2, 8)[number % 3])
        files[f"{folder}/{name}-code.yaml"] = config_map(f"{name}-code")
    return files


def cluster_name(number: int) -> str:
    return f"cluster-{number:04}"


def cluster(name: str, nodes: int, seed: int) -> ClusterSnapshot:
    """Return a cluster whose nodes are taken by three quarters or so."""
    rng = random.Random(seed)
    made, pods = [], []
    for number in range(nodes):
        node = f"node-{number:04}"
        labels = {
            "kubernetes.io/hostname": node,
            "topology.kubernetes.io/zone": f"zone-{number % 3}",
        }
        made.append(
            Node(
                node, {"cpu": 96_000, "memory": 768 * GIB, GPU: 8, "pods": 110}, labels
            )
        )
        for index in range(rng.randint(0, 4)):
            gpus, cpu = rng.randint(1, 2), rng.randint(4, 24) * 1000
            memory = cpu // 1000 * 4 * GIB
            shape = PodShape(
                "busy",
                {"app": "other"},
                {"cpu": cpu, "memory": memory, GPU: gpus},
                cpu,
                memory,
                node_name=node,
            )
            pods.append(Pod("busy", f"pod-{number:04}-{index}", shape, node))
    return ClusterSnapshot(name, NOW, tuple(made), tuple(pods), version="v1.34.1")


def git(directory: Path, *arguments: str, stdin: bytes | None = None) -> bytes:
    """Run plain git in `directory`, as a person would, without anybody's settings."""
    who = {
        f"GIT_{role}_{what}": "bench" if what == "NAME" else EMAIL
        for role in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(directory),
        "GIT_CONFIG_NOSYSTEM": "1",
        **who,
    }
    command = ["git", *arguments]
    done = subprocess.run(
        command,
        cwd=directory,
        env=environment,
        input=stdin,
        capture_output=True,
        check=True,
    )
    return done.stdout


def read_all(path: Path) -> None:
    """List and read every file of the branch main with plain git, which is the least that reading a repo takes."""
    listing = git(path, "ls-tree", "-r", "main")
    blobs = b"".join(
        line.split(b"\t")[0].split(b" ")[2] + b"\n" for line in listing.splitlines()
    )
    git(path, "cat-file", "--batch", stdin=blobs)


def stream(
    files: Mapping[str, bytes],
    ref: str = "refs/heads/main",
    parent: str = "",
    message: str = "bench",
) -> bytes:
    """Return what `git fast-import` reads to make one commit with `files`."""
    text = message.encode()
    parts = [
        f"commit {ref}\ncommitter bench <{EMAIL}> {int(NOW)} +0000\n".encode(),
        b"data %d\n%s\n" % (len(text), text),
    ]
    if parent:
        parts.append(f"from {parent}\n".encode())
    parts += [
        b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(data), data)
        for path, data in files.items()
    ]
    return b"".join(parts)


@contextmanager
def bare_repo(files: Mapping[str, bytes]) -> Iterator[Path]:
    """Make a bare repository with `files` on its branch main, for as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="skyray-bench-") as directory:
        path = Path(directory) / "fleet.git"
        path.mkdir()
        git(path, "init", "--quiet", "--bare", "--initial-branch=main", ".")
        git(path, "fast-import", "--quiet", stdin=stream(files))
        yield path
