"""A live fleet: control planes, a fleet repo behind a real Git server, and stand-ins for what SkyRay works with.

SkyRay itself is the real command line in a process of its own, with the operator's kubeconfig. What is played here: the
user, who clones and pushes; the GitOps engine, unless a real one is given (`StandIn`: it builds a cluster's directory
with the real kustomize, applies it and prunes what left it); the cluster autoscaler (`scale_up`); and Ray itself
(`Dashboards`), which KubeRay's operator asks how its jobs do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import yaml

from tests.e2e.harness.api import ApiError, Object
from tests.e2e.harness.control_plane import ControlPlane
from tests.integration.git_http import commit_files, git
from tests.loopback import LoopbackServer

_BIN = Path(sys.executable).parent
_SECONDS = 60
_KEPT = "Prune=false"
Identity = tuple[str, str, str, str]


class Dashboards(LoopbackServer):
    """Every Ray dashboard of a fleet, in one server: jobs run until `succeed` is called for their namespace.

    The operator asks a dashboard by its Service's name, which only a cluster's DNS knows; as the operator's HTTP proxy
    this server gets those requests, with the name, and answers them itself.
    """

    def __init__(self) -> None:
        self.ended: set[str] = set()
        super().__init__(type("Handler", (_DashboardHandler,), {"dashboards": self}))

    @property
    def environment(self) -> dict[str, dict[str, str]]:
        """What the operator's environment needs; Go never asks a proxy for loopback, so the API server is not in it."""
        return {"ray-operator": {"HTTP_PROXY": f"http://127.0.0.1:{self.port}", "NO_PROXY": ""}}

    def succeed(self, plane: ControlPlane, namespace: str) -> None:
        """Let the job of `namespace` succeed: Ray says so, and its submitter ends, as it would after the job."""
        self.ended.add(namespace)
        for pod in plane.pods(namespace):
            if "job-name" in pod["metadata"]["labels"]:
                path = f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}/status"
                plane.request("PATCH", path, {"status": {"phase": "Succeeded"}})


class _DashboardHandler(BaseHTTPRequestHandler):
    dashboards: Dashboards
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        service = urlsplit(self.path)
        ended = (service.hostname or "").split(".")[1] in self.dashboards.ended
        state = "SUCCEEDED" if ended else "RUNNING"
        job = {"status": state, "submission_id": service.path.rpartition("/")[2], "start_time": _milliseconds()}
        self._answer({**job, "end_time": _milliseconds()} if ended else job)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._answer({"stopped": True})

    def _answer(self, document: Mapping[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay quiet: the operator's log tells what it was told."""


def _milliseconds() -> int:
    return int(time.time() * 1000)


@dataclass(frozen=True, slots=True)
class Cycle:
    """What one `skyray reconcile` printed: decisions by `namespace/group`, and where the branch stands."""

    decisions: Mapping[str, Object]
    tip: str
    seconds: float

    def told(self, group: str) -> tuple[str, str, str]:
        """Return the decision on a group in three words: action, cluster (empty when none), reason."""
        decision = self.decisions[group]
        return decision["action"], ",".join(one["name"] for one in decision["clusters"]), decision["reason"]


class Fleet:
    """A fleet repo at `url` with its control `planes`, by the names that the inventory gives them.

    A stand-in syncs it unless there is a real `engine`.
    """

    def __init__(
        self, url: str, planes: Sequence[ControlPlane], directory: Path, engine: GitOpsEngine | None = None
    ) -> None:
        self.url = url
        self.planes = {plane.name: plane for plane in planes}
        self._user = directory / "user"
        self._engine = engine or StandIn(url, directory / "engine")
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "KUBECONFIG": ":".join(str(plane.kubeconfig) for plane in planes),
            "XDG_CACHE_HOME": str(directory / "cache"),
        }
        git(directory, "clone", "-q", url, str(self._user))

    def commit(self, files: Mapping[str, str | None], message: str) -> str:
        """Commit files (None deletes) and push, as a user would after pulling; return the commit's id."""
        git(self._user, "pull", "-q", "--rebase")
        commit = commit_files(self._user, files, message)
        git(self._user, "push", "-q", "origin", "HEAD")
        return commit

    def skyray(self, *arguments: str) -> Any:
        """Run a command on the remote and return the JSON that it printed. It has to succeed."""
        done = subprocess.run(
            [_BIN / "skyray", *arguments, "--repo", self.url, "-o", "json"],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        said = f"{done.stderr}{done.stdout}"
        assert done.returncode == 0, f"skyray {' '.join(arguments)} ended with {done.returncode}: {said}"
        return json.loads(done.stdout)

    def reconcile(self) -> Cycle:
        """Run one cycle."""
        started = time.monotonic()
        document = self.skyray("reconcile")
        decisions = {f"{one['group']['namespace']}/{one['group']['name']}": one for one in document["decisions"]}
        return Cycle(decisions, document["published"], time.monotonic() - started)

    def free_gpus(self) -> dict[str, int | None]:
        """Return what `skyray get clusters` says is free; None for a cluster that does not tell."""
        return {row["name"]: row["gpusFree"] for row in self.skyray("get", "clusters")}

    def placement(self, group: str) -> Object:
        """Return the Placement that is committed for `namespace/group`."""
        document: Object = yaml.safe_load(self.read(f"placements/{group}.yaml"))
        return document

    def read(self, path: str) -> str:
        """Return a file at the branch's tip."""
        git(self._user, "fetch", "-q")
        return git(self._user, "show", f"origin/main:{path}")

    def files(self, folder: str) -> dict[str, str]:
        """Return the files under `folder/` at the branch's tip, and the ids of their contents."""
        git(self._user, "fetch", "-q")
        lines = git(self._user, "ls-tree", "-r", "origin/main", folder).splitlines()
        return {path: entry for entry, _, path in (line.partition("\t") for line in lines)}

    def sync(self, name: str) -> None:
        """Let the GitOps engine bring one cluster to what the branch says now."""
        self._engine.sync(self.planes[name])


class GitOpsEngine(Protocol):
    """What brings clusters to their directory in the fleet repo."""

    def sync(self, plane: ControlPlane) -> None:
        """Return when the cluster has what its directory says at the branch's tip."""


class StandIn:
    """Brings clusters to their directory in the fleet repo, as Argo CD and Flux do."""

    def __init__(self, url: str, clone: Path) -> None:
        self._url = url
        self._clone = clone
        self._applied: dict[str, dict[Identity, Object]] = {}

    def sync(self, plane: ControlPlane) -> None:
        """Apply the directory of the cluster at the branch's tip, and delete what is no longer in it."""
        if not self._clone.exists():
            git(self._clone.parent, "clone", "-q", self._url, str(self._clone))
        git(self._clone, "pull", "-q", "--ff-only")
        command = [str(_BIN / "kubectl"), "kustomize", f"clusters/{plane.name}"]
        built = subprocess.run(command, cwd=self._clone, capture_output=True, text=True, check=True)
        objects = {_identity(one): one for one in yaml.load_all(built.stdout, yaml.CSafeLoader)}
        plane.apply(objects.values())
        before = self._applied.get(plane.name, {})
        for identity, gone in before.items():
            options = gone["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-options", "")
            if identity not in objects and _KEPT not in options:
                _delete(plane, gone)
        self._applied[plane.name] = objects


def _identity(one: Object) -> Identity:
    return one["apiVersion"], one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]


def _delete(plane: ControlPlane, one: Object) -> None:
    try:
        plane.request("DELETE", f"{plane.api.path(one)}?propagationPolicy=Background")
    except ApiError as error:
        if error.status != 404:
            raise


def scale_up(plane: ControlPlane, pool: str, allocatable: Mapping[str, str], most: int) -> None:
    """Look once, as a cluster autoscaler would: add a node of `pool` if a pod waits in vain for the nodes there are."""
    nodes = [node["metadata"]["name"] for node in plane.request("GET", "/api/v1/nodes")["items"]]
    own = [name for name in nodes if name.startswith(f"{pool}-")]
    in_vain = f"0/{len(nodes)} nodes are available"
    conditions = [one for pod in plane.pods() for one in pod["status"].get("conditions") or ()]
    if len(own) < most and any(one.get("message", "").startswith(in_vain) for one in conditions):
        plane.add_node(f"{pool}-{len(own) + 1}", allocatable)
