"""What the real GitOps engines have in common: a management cluster, their programs, and a fleet repo to follow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from tests.integration.git_http import git

from .api import ApiError, Object
from .control_plane import ControlPlane
from .parts import module_dir
from .processes import Program, wait_until
from .upstream import Upstream

_BIN = Path(sys.executable).parent
_SECONDS = 300


class RealEngine(ABC):
    """An engine that runs against `management` and follows the fleet repo of `upstream`; `directory` has its state."""

    name: ClassVar[str]
    """As in fleet.yaml."""
    namespace: ClassVar[str]
    goes_around_refusals: ClassVar[bool]
    """Whether it applies what a cluster accepts while the cluster refuses something else."""

    def __init__(self, management: ControlPlane, upstream: Upstream, directory: Path) -> None:
        self.management = management
        self.upstream = upstream
        self.directory = directory
        directory.mkdir()
        self.programs: list[Program] = []

    @abstractmethod
    def start(self) -> None:
        """Install what the engine needs, and start its programs."""

    @abstractmethod
    def register(self, plane: ControlPlane) -> None:
        """Make a workload cluster known to the engine, as its administrator does."""

    @abstractmethod
    def connect(self, checkout: Path) -> None:
        """Apply the engine's own objects from a checkout of the fleet repo, as the template's README says."""

    @abstractmethod
    def look_again(self) -> None:
        """Ask for a look at the branch now, as a webhook would."""

    @abstractmethod
    def is_synced(self, plane: ControlPlane, tip: str) -> bool:
        """Tell whether the cluster has what its directory says at the commit `tip`."""

    @abstractmethod
    def are_add_ons_synced(self, plane: ControlPlane, tip: str) -> bool:
        """Tell whether every step of the cluster's add-ons, as they stand at the commit `tip`, is on the cluster."""

    @abstractmethod
    def complaints(self) -> list[str]:
        """Return what the engine says is wrong now, an entry for each of its objects."""

    def stop(self) -> None:
        """Stop its programs."""
        for program in self.programs:
            program.kill()

    def sync(self, plane: ControlPlane) -> None:
        """Return when the cluster has what its directory says at the branch's tip."""
        self._await(plane, self.is_synced, "synced")

    def sync_add_ons(self, plane: ControlPlane) -> None:
        """Return when the cluster has its add-ons as they stand at the branch's tip."""
        self._await(plane, self.are_add_ons_synced, "add-ons synced")

    def wait(self, condition: Callable[[], Any], what: str, seconds: float = _SECONDS) -> None:
        """Wait for a condition; `NotReady` says what the engine complains of."""
        try:
            wait_until(condition, seconds=seconds, what=what, programs=self.programs)
        except Exception as error:
            error.add_note("\n".join(self.complaints()))
            raise

    def kubectl(self, *arguments: str) -> None:
        """Run kubectl on the management cluster."""
        command = [str(_BIN / "kubectl"), f"--kubeconfig={self.management.kubeconfig}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(arguments)}: {done.stderr}"

    def objects(self, api_version: str, kind: str) -> list[Object]:
        """Return the engine's objects of a kind on the management cluster."""
        path = self.management.api.collection(api_version, kind, self.namespace)
        found: list[Object] = self.management.request("GET", path)["items"]
        return found

    def annotate(self, api_version: str, kind: str, name: str, annotations: Mapping[str, str]) -> None:
        """Annotate one of the engine's objects; one that is not there yet needs no word."""
        path = f"{self.management.api.collection(api_version, kind, self.namespace)}/{name}"
        try:
            self.management.request("PATCH", path, {"metadata": {"annotations": dict(annotations)}})
        except ApiError as error:
            if error.status != 404:
                raise

    def run(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a program that lives as long as the engine."""
        program = Program(name, command, self.directory / f"{name}.log", environment)
        self.programs.append(program)
        program.start()

    def add_definitions(self, parts: Iterable[tuple[str, str]]) -> None:
        """Install definitions of kinds from upstream modules, each (part, pattern of files in its module)."""
        files = [file for part, pattern in parts for file in sorted(module_dir(part).glob(pattern))]
        self.management.add_definitions(files)

    def tip(self) -> str:
        """Return the commit at the branch's tip."""
        return git(self.directory, "ls-remote", self.upstream.fleet_url, "refs/heads/main").split()[0]

    def _await(self, plane: ControlPlane, done: Callable[[ControlPlane, str], bool], what: str) -> None:
        tip = self.tip()
        self.look_again()
        self.wait(lambda: done(plane, tip), f"{plane.name} {what} at {tip[:7]} by {self.name}")


def kubeconfig_of(plane: ControlPlane) -> Any:
    """Return the kubeconfig of a cluster as a document."""
    return json.loads(plane.kubeconfig.read_text())


def path_with(programs: Iterable[Path]) -> str:
    """Return a PATH that has the programs first."""
    return os.pathsep.join([*(str(program.parent) for program in programs), os.environ["PATH"]])
