"""A Kubernetes control plane on loopback: etcd, kube-apiserver and what decides about pods, in about three seconds.

There is no kubelet: nodes are objects, and kwok plays their part where pods have to run. Everything listens on
127.0.0.1, keeps its state in one folder, and ends with the test.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import yaml

from tests.certificates import write_key

from .api import Api, ApiError, Object
from .parts import build, module_dir
from .processes import Program, free_port, wait_until

T = TypeVar("T")

CONTROLLERS = ("namespace-controller", "job-controller", "garbage-collector-controller")
_FAKE_NODE = "kwok.x-k8s.io/node"
_CONTENT_TYPES = {"PATCH": "application/merge-patch+json"}
_START_SECONDS = 90


class ControlPlane:
    """One cluster, named `name`, with its state and logs in `directory`.

    `controller_manager` names the controllers to run, none when empty. `arguments` adds arguments to a program by name,
    `environment` sets variables for one. Pods of Jobs end by themselves at once; without `end_job_pods` they run until
    the test writes their status. Without `kuberay` its definitions are missing; `start_kuberay` is for later then. Use
    it as a context manager, or call `start` and `stop`.
    """

    def __init__(
        self,
        name: str,
        directory: Path,
        *,
        scheduler: bool = True,
        controller_manager: Sequence[str] = CONTROLLERS,
        kwok: bool = True,
        kuberay: bool = True,
        end_job_pods: bool = True,
        arguments: Mapping[str, Sequence[str]] | None = None,
        environment: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.name = name
        self.directory = directory
        self.kubeconfig = directory / "kubeconfig"
        self._kuberay = kuberay
        self._end_job_pods = end_job_pods
        self._port, self._scheduler_port = free_port(), free_port()
        self._token = secrets.token_hex(16)
        self._arguments = arguments or {}
        self._environment = environment or {}
        self.api = Api(self._port, self._token, directory / "apiserver" / "apiserver.crt")
        self._scheduler = Api(self._scheduler_port, "", directory / "kube-scheduler" / "kube-scheduler.crt")
        self._etcd_port = free_port()
        self._etcd = self._program("etcd", self._etcd_arguments())
        self._apiserver = self._program("kube-apiserver", self._apiserver_arguments())
        self._others: dict[str, Program] = {}
        if scheduler:
            self._others["kube-scheduler"] = self._program("kube-scheduler", self._scheduler_arguments())
        if controller_manager:
            self._others["kube-controller-manager"] = self._program(
                "kube-controller-manager", self._controller_arguments(controller_manager)
            )
        if kwok:
            self._others["kwok"] = self._program("kwok", self._kwok_arguments())
        self._probe_port = free_port()

    def start(self) -> None:
        """Start every program and return when all of them are ready. Raises `NotReady` with the logs' ends."""
        (self.directory / "apiserver").mkdir(parents=True, exist_ok=True)
        self._write_secrets()
        try:
            self._etcd.start()
            self._apiserver.start()
            self._await_certificate()
            self._write_kubeconfig()
            self._await_apiserver()
            for program in self._others.values():
                program.start()
            self._await_scheduler()
            if self._kuberay:
                self.add_definitions(sorted((module_dir("ray-operator") / "config" / "crd" / "bases").glob("*.yaml")))
                self.start_kuberay()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop every program and drop the state; the logs stay."""
        self.api.close()
        self._scheduler.close()
        for program in self._programs:
            program.kill()
        shutil.rmtree(self.directory / "etcd", ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://127.0.0.1:{self._port}"

    def start_kuberay(self) -> None:
        """Start KubeRay's operator, which needs its definitions, and return when it works."""
        operator = self._others["ray-operator"] = self._program("ray-operator", self._operator_arguments())
        operator.start()
        self.wait(
            lambda: operator.log.read_text(errors="replace").count('"Starting workers"') >= 3,
            _START_SECONDS,
            "a ready KubeRay operator",
        )

    def kill_apiserver(self) -> None:
        """Kill the API server alone, as a crash would; its clients keep running and retry."""
        self._apiserver.kill()
        self.api.close()

    def restart_apiserver(self) -> None:
        """Start the API server again, on the same port and data, and return when it is ready."""
        self._apiserver.start()
        self._await_apiserver()

    def apply(self, objects: Iterable[Mapping[str, Any]]) -> list[Object]:
        """Apply the objects server-side, in order; their namespaces must exist."""
        return self.api.apply(objects)

    def request(self, method: str, path: str, body: Object | None = None) -> Any:
        """Send one request and return the decoded answer; a PATCH merges. Raises `ApiError` when refused."""
        return self.api.request(method, path, body, _CONTENT_TYPES.get(method, "application/json"))

    def add_definitions(self, files: Iterable[Path]) -> None:
        """Apply files of one CustomResourceDefinition each, and return when the server serves all of them."""
        paths = []
        for file in files:
            name = yaml.safe_load(file.read_bytes())["metadata"]["name"]
            path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
            query = "?fieldManager=skyray-e2e&force=true"
            self.api.request("PATCH", path + query, file.read_bytes(), "application/apply-patch+yaml")
            paths.append(path)
        self.wait(lambda: all(_established(self.request("GET", path)) for path in paths), what="the definitions")

    def add_namespace(self, name: str) -> None:
        """Create the namespace unless it exists."""
        self.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}])

    def add_node(
        self,
        name: str,
        allocatable: Mapping[str, str],
        labels: Mapping[str, str] | None = None,
        taints: Sequence[Mapping[str, str]] = (),
        *,
        unschedulable: bool = False,
    ) -> Object:
        """Create a ready node whose pods kwok runs; `allocatable` gets 110 pods unless it says otherwise."""
        room = {"pods": "110", **allocatable}
        created: Object = self.request("POST", "/api/v1/nodes", {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name,
                "labels": {"kubernetes.io/hostname": name, **(labels or {})},
                "annotations": {_FAKE_NODE: "fake"},
            },
            "spec": {"taints": [dict(taint) for taint in taints], "unschedulable": unschedulable},
            "status": {
                "capacity": room,
                "allocatable": room,
                "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ready"}],
            },
        })  # fmt: skip
        return created

    def pods(self, namespace: str | None = None) -> list[Object]:
        """Return the pods of the namespace, or of all."""
        path = "/api/v1/pods" if namespace is None else f"/api/v1/namespaces/{namespace}/pods"
        found: list[Object] = self.request("GET", path)["items"]
        return found

    def wait(self, predicate: Callable[[], T], timeout: float = 60, what: str = "the awaited state") -> T:
        """Return `predicate()` as soon as it is true; `NotReady` after `timeout` seconds or when a program crashes."""
        return wait_until(predicate, seconds=timeout, what=f"{what} in {self.name}", programs=self._programs)

    def queued_pods(self) -> dict[str, int]:
        """Return how many pods wait in each of kube-scheduler's queues: active, backoff, unschedulable, gated."""
        metrics = self._scheduler.request("GET", "/metrics")
        found = re.findall(r'^scheduler_pending_pods\{queue="(\w+)"\} (\S+)$', metrics, re.MULTILINE)
        return {queue: int(float(count)) for queue, count in found}

    def resident_bytes(self) -> dict[str, int]:
        """Return the resident memory of each program, in bytes."""
        return {one.name: one.resident_bytes for one in self._programs}

    @property
    def _programs(self) -> list[Program]:
        return [*self._others.values(), self._apiserver, self._etcd]

    def _program(self, name: str, arguments: Sequence[str]) -> Program:
        command = [str(build(name)), *arguments, *self._arguments.get(name, ())]
        environment = {"KUBECONFIG": str(self.kubeconfig), **self._environment.get(name, {})}
        return Program(name, command, self.directory / f"{name}.log", environment)

    def _etcd_arguments(self) -> list[str]:
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{free_port()}"
        return [
            f"--data-dir={self.directory / 'etcd'}",
            "--unsafe-no-fsync",
            "--log-level=warn",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        ]

    def _apiserver_arguments(self) -> list[str]:
        state = self.directory / "apiserver"
        return [
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self._port}",
            f"--cert-dir={state}",
            f"--token-auth-file={state / 'tokens.csv'}",
            f"--service-account-key-file={state / 'accounts.key'}",
            f"--service-account-signing-key-file={state / 'accounts.key'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=RBAC",
            # No controller makes service accounts here, and none would remove the not-ready taint of a new node.
            "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
            "--endpoint-reconciler-type=none",
        ]

    def _scheduler_arguments(self) -> list[str]:
        return [
            f"--kubeconfig={self.kubeconfig}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._scheduler_port}",
            f"--cert-dir={self.directory / 'kube-scheduler'}",
            "--authorization-always-allow-paths=/healthz,/livez,/readyz,/metrics",
            "--kube-api-qps=1000",
            "--kube-api-burst=2000",
        ]

    def _controller_arguments(self, controllers: Sequence[str]) -> list[str]:
        return [
            f"--kubeconfig={self.kubeconfig}",
            f"--controllers={','.join(controllers)}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            "--secure-port=0",
            "--kube-api-qps=1000",
            "--kube-api-burst=2000",
        ]

    def _kwok_arguments(self) -> list[str]:
        stages = module_dir("kwok") / "kustomize" / "stage"
        left_out = {"kustomization.yaml"} if self._end_job_pods else {"kustomization.yaml", "pod-complete.yaml"}
        files = [*stages.glob("node/fast/*.yaml"), *stages.glob("pod/fast/*.yaml")]
        return [
            f"--kubeconfig={self.kubeconfig}",
            f"--manage-nodes-with-annotation-selector={_FAKE_NODE}=fake",
            "--manage-all-nodes=false",
            "--node-lease-duration-seconds=0",
            *(f"--config={file}" for file in sorted(files) if file.name not in left_out),
        ]

    def _operator_arguments(self) -> list[str]:
        return [
            "--enable-leader-election=false",
            "--metrics-addr=127.0.0.1:0",
            f"--health-probe-bind-address=127.0.0.1:{self._probe_port}",
        ]

    def _write_secrets(self) -> None:
        state = self.directory / "apiserver"
        (state / "tokens.csv").write_text(f"{self._token},admin,admin,system:masters\n")
        key = state / "accounts.key"
        if not key.exists():
            write_key(key)

    def _await_certificate(self) -> None:
        """The API server makes its own certificate, and writes its key last."""
        state = self.directory / "apiserver"
        key = state / "apiserver.key"
        self.wait(lambda: key.exists() and key.stat().st_size, _START_SECONDS, "the API server's certificate")

    def _write_kubeconfig(self) -> None:
        authority = base64.b64encode((self.directory / "apiserver" / "apiserver.crt").read_bytes()).decode()
        cluster = {"server": self.server, "certificate-authority-data": authority}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": self.name, "cluster": cluster}],
            "users": [{"name": self.name, "user": {"token": self._token}}],
            "contexts": [{"name": self.name, "context": {"cluster": self.name, "user": self.name}}],
            "current-context": self.name,
        }
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(json.dumps(config, indent=2))

    def _await_apiserver(self) -> None:
        self.wait(lambda: _answers_ok(self.api, "/readyz"), _START_SECONDS, "a ready API server")

    def _await_scheduler(self) -> None:
        if "kube-scheduler" in self._others:
            key = self.directory / "kube-scheduler" / "kube-scheduler.key"
            self.wait(
                lambda: key.exists() and _answers_ok(self._scheduler, "/readyz"),
                _START_SECONDS,
                "a ready kube-scheduler",
            )


def _answers_ok(api: Api, path: str) -> bool:
    try:
        return bool(api.request("GET", path) == "ok")
    except (OSError, ApiError):
        return False


def _established(definition: Object) -> bool:
    conditions = definition.get("status", {}).get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)
