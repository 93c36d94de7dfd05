"""The real Flux: its source, kustomize and helm controllers, on a management cluster."""

from __future__ import annotations

import time
from pathlib import Path

from .api import Object
from .control_plane import ControlPlane
from .engine import RealEngine
from .parts import build
from .processes import free_port

_KUSTOMIZE = "kustomize.toolkit.fluxcd.io/v1"
_SOURCE = "source.toolkit.fluxcd.io/v1"
_HELM = "helm.toolkit.fluxcd.io/v2"
_KINDS = (
    (_SOURCE, "GitRepository"),
    (_SOURCE, "HelmRepository"),
    (_KUSTOMIZE, "Kustomization"),
    (_HELM, "HelmRelease"),
)


class Flux(RealEngine):
    """Flux as its manifests install it, but for programs that run outside of the cluster."""

    name = "flux"
    namespace = "flux-system"
    goes_around_refusals = False

    def start(self) -> None:
        parts = ("source-controller", "kustomize-controller", "helm-controller")
        self.add_definitions([(part, "config/crd/bases/*.yaml") for part in parts])
        self.management.add_namespace(self.namespace)
        storage = f"127.0.0.1:{free_port()}"
        sources = [
            f"--storage-addr={storage}",
            f"--storage-adv-addr={storage}",
            f"--storage-path={self.directory / 'storage'}",
        ]
        (self.directory / "storage").mkdir()
        self._run("source-controller", sources)
        self._run("kustomize-controller", [])
        self._run("helm-controller", [])

    def register(self, plane: ControlPlane) -> None:
        self._secret(f"{plane.name}-kubeconfig", {"value": plane.kubeconfig.read_text()})

    def connect(self, checkout: Path) -> None:
        self._secret("skyray-git", {"username": "flux", "password": "not-asked-for"})
        self.kubectl("apply", "-R", "-f", f"{checkout}/flux/")

    def look_again(self) -> None:
        now = {"reconcile.fluxcd.io/requestedAt": str(time.time_ns())}
        self.annotate(_SOURCE, "GitRepository", "skyray", now)

    def is_synced(self, plane: ControlPlane, tip: str) -> bool:
        return self._is_ready(self._all(_KUSTOMIZE, "Kustomization").get(f"skyray-{plane.name}"), tip)

    def are_add_ons_synced(self, plane: ControlPlane, tip: str) -> bool:
        kustomizations = self._all(_KUSTOMIZE, "Kustomization")
        root = kustomizations.get(f"skyray-addons-{plane.name}")
        if root is None or not self._is_ready(root, tip):
            return False
        steps = [
            one["id"].split("_")[1] for one in root["status"]["inventory"]["entries"] if "_Kustomization" in one["id"]
        ]
        return all(self._is_ready(kustomizations.get(name)) for name in steps)

    def complaints(self) -> list[str]:
        return [
            f"{kind}/{name}: {one.get('status', {}).get('conditions')}"
            for api_version, kind in _KINDS
            for name, one in self._all(api_version, kind).items()
        ]

    @staticmethod
    def _is_ready(one: Object | None, tip: str | None = None) -> bool:
        """Tell whether a Kustomization is ready (at a commit of the fleet repo) and has seen its own last change."""
        if one is None:
            return False
        status = one.get("status", {})
        ready = [each["status"] for each in status.get("conditions", []) if each["type"] == "Ready"]
        if ready != ["True"] or status.get("observedGeneration") != one["metadata"]["generation"]:
            return False
        return tip is None or status.get("lastAppliedRevision", "").endswith(tip)

    def _all(self, api_version: str, kind: str) -> dict[str, Object]:
        return {one["metadata"]["name"]: one for one in self.objects(api_version, kind)}

    def _secret(self, name: str, data: dict[str, str]) -> None:
        metadata = {"name": name, "namespace": self.namespace}
        self.management.apply([{"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}])

    def _run(self, part: str, arguments: list[str]) -> None:
        common = [
            "--enable-leader-election=false",
            "--events-addr=",
            f"--metrics-addr=127.0.0.1:{free_port()}",
            f"--health-addr=127.0.0.1:{free_port()}",
            "--requeue-dependency=2s",
        ]
        self.run(part, [str(build(part)), *common, *arguments], {
            **self.upstream.internet.environment,
            "KUBECONFIG": str(self.management.kubeconfig),
            "RUNTIME_NAMESPACE": self.namespace,
            "TMPDIR": str(self.directory),
        })  # fmt: skip
