"""The real Argo CD: its repo server, application controller and ApplicationSet controller, on a management cluster."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import yaml

from .api import Object
from .control_plane import ControlPlane
from .engine import RealEngine, kubeconfig_of, path_with
from .parts import build, module_dir
from .processes import free_port

_API = "argoproj.io/v1alpha1"
_RESYNC_SECONDS = 10


class ArgoCD(RealEngine):
    """Argo CD as its manifests install it, but for programs that run outside of the cluster."""

    name = "argocd"
    namespace = "argocd"
    goes_around_refusals = True

    def start(self) -> None:
        self.add_definitions([("argocd", "manifests/crds/*-crd.yaml")])
        self.management.add_namespace(self.namespace)
        for file in sorted((module_dir("argocd") / "manifests" / "base" / "config").glob("argocd-*.yaml")):
            one = yaml.safe_load(file.read_bytes())
            one["metadata"]["namespace"] = self.namespace
            if one["kind"] == "Secret":  # what its API server, which is not needed here, would fill in
                one["stringData"] = {"server.secretkey": secrets.token_hex(16)}
            self.management.apply([one])
        redis, repo_server = f"127.0.0.1:{free_port()}", free_port()
        self.run("redis", [str(build("redis")), redis], {})
        self._run("repo-server", [
            "--disable-tls",
            f"--redis={redis}",
            "--address=127.0.0.1",
            f"--port={repo_server}",
            "--metrics-address=127.0.0.1",
            f"--metrics-port={free_port()}",
        ])  # fmt: skip
        kubernetes = [f"--kubeconfig={self.management.kubeconfig}", f"--namespace={self.namespace}"]
        self._run("application-controller", [
            *kubernetes,
            f"--repo-server=127.0.0.1:{repo_server}",
            "--repo-server-plaintext",
            f"--redis={redis}",
            f"--app-resync={_RESYNC_SECONDS}",
            "--app-resync-jitter=0",
            f"--metrics-port={free_port()}",
        ])  # fmt: skip
        self._run("applicationset-controller", [
            *kubernetes,
            f"--argocd-repo-server=127.0.0.1:{repo_server}",
            "--repo-server-plaintext",
            f"--metrics-addr=127.0.0.1:{free_port()}",
            f"--probe-addr=127.0.0.1:{free_port()}",
            f"--webhook-addr=127.0.0.1:{free_port()}",
        ])  # fmt: skip

    def register(self, plane: ControlPlane) -> None:
        config = kubeconfig_of(plane)
        cluster = config["clusters"][0]["cluster"]
        access = {
            "bearerToken": config["users"][0]["user"]["token"],
            "tlsClientConfig": {"caData": cluster["certificate-authority-data"]},
        }
        self.management.apply([{
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": f"cluster-{plane.name}",
                "namespace": self.namespace,
                "labels": {"argocd.argoproj.io/secret-type": "cluster", "skyray.dev/cluster": plane.name},
            },
            "stringData": {"name": f"the {plane.name}", "server": cluster["server"], "config": json.dumps(access)},
        }])  # fmt: skip

    def connect(self, checkout: Path) -> None:
        self.kubectl("apply", "-f", f"{checkout}/argocd/")
        health = f"{checkout}/argocd/health-checks/"
        self.kubectl("apply", "--server-side", "--field-manager=skyray", "-f", health)

    def look_again(self) -> None:
        for one in self.objects(_API, "ApplicationSet"):
            name = one["metadata"]["name"]
            self.annotate(_API, "ApplicationSet", name, {"argocd.argoproj.io/application-set-refresh": "true"})
        for name in self._applications():
            self.annotate(_API, "Application", name, {"argocd.argoproj.io/refresh": "normal"})

    def is_synced(self, plane: ControlPlane, tip: str) -> bool:
        return self._is_synced(self._applications().get(f"skyray-{plane.name}"), tip)

    def are_add_ons_synced(self, plane: ControlPlane, tip: str) -> bool:
        applications = self._applications()
        root = applications.get(f"skyray-addons-{plane.name}")
        if root is None or not self._is_synced(root, tip):
            return False
        steps = [one["name"] for one in root["status"].get("resources", []) if one["kind"] == "Application"]
        done = [applications[name] for name in steps if self._is_synced(applications.get(name))]
        return len(done) == len(steps) and all(one["status"]["health"]["status"] == "Healthy" for one in done)

    def complaints(self) -> list[str]:
        found = []
        for name, one in self._applications().items():
            status = one.get("status", {})
            operation = status.get("operationState", {})
            conditions = [condition["message"] for condition in status.get("conditions", [])]
            sync = {key: value for key, value in status.get("sync", {}).items() if key != "comparedTo"}
            said = [sync, status.get("health"), operation.get("phase"), operation.get("message")]
            found.append(f"{name}: {said} {conditions}")
        sets = self.objects(_API, "ApplicationSet")
        return found + [f"{one['metadata']['name']}: {one.get('status', {}).get('conditions')}" for one in sets]

    def health(self, application: str) -> str:
        """Return the health of an application: the worst among its objects."""
        health: str = self._applications()[application]["status"]["health"]["status"]
        return health

    @staticmethod
    def _is_synced(application: Object | None, tip: str | None = None) -> bool:
        """Tell whether an application is synced (at a commit of its repo), and no operation is under way."""
        status = (application or {}).get("status", {})
        sync, operation = status.get("sync", {}), status.get("operationState", {})
        if application is None or "operation" in application or operation.get("phase") not in {None, "Succeeded"}:
            return False
        return sync.get("status") == "Synced" and tip in {None, sync.get("revision")}

    def _applications(self) -> dict[str, Object]:
        return {one["metadata"]["name"]: one for one in self.objects(_API, "Application")}

    def _run(self, controller: str, arguments: list[str]) -> None:
        """Start one of the programs that `argocd` can be."""
        program = build("argocd")
        folder = self.directory / controller
        folder.mkdir()
        self.run(controller, [str(program), *arguments, "--loglevel=warn"], {
            **self.upstream.internet.environment,
            "ARGOCD_BINARY_NAME": f"argocd-{controller}",
            "ARGOCD_FAKE_IN_CLUSTER": "true",
            "ARGOCD_GPG_ENABLED": "false",
            "ARGOCD_TLS_DATA_PATH": str(folder),
            "ARGOCD_SSH_DATA_PATH": str(folder),
            "KUBECONFIG": str(self.management.kubeconfig),
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "PATH": path_with([build("kustomize"), build("helm")]),
        })  # fmt: skip
