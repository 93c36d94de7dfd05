"""Build the real Kubernetes programs that the end-to-end tests run, once per machine.

Each part is a small Go module under `tests/e2e/parts/` that pins one upstream release with its checksums and names the
programs to build on `tool` lines. A program is built on first use into a cache outside the repository, keyed by the
module's pins, so a changed pin builds anew and nothing else ever does.

    python -m tests.e2e.harness.parts     builds whatever is missing, a line of progress for each
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_MODULES = Path(__file__).resolve().parent.parent / "parts"
_KUBERNETES = "k8s.io/kubernetes"
_FLUX = "github.com/fluxcd"
_ARGO_CD = "github.com/argoproj/argo-cd/v3"


class PartError(RuntimeError):
    """A part cannot be had; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Part:
    """One program: the folder under `tests/e2e/parts/` that pins it, the upstream module, and its main package.

    The package is one of our own where upstream has only a library.
    """

    name: str
    folder: str
    module: str
    package: str

    @property
    def pins(self) -> Path:
        """The folder with the `go.mod` and `go.sum` that pin this part."""
        return _MODULES / self.folder

    @property
    def version(self) -> str:
        """The pinned upstream release, such as `v1.36.3`."""
        pins = (self.pins / "go.mod").read_text()
        found = re.search(rf"^(?:require)?\s+{re.escape(self.module)} (v\S+)", pins, re.MULTILINE)
        if found is None:
            raise PartError(f"{self.pins / 'go.mod'} does not require {self.module}: add it")
        return found[1]

    @property
    def digest(self) -> str:
        """What the cache is keyed by: the content of the pins, and of our own package where there is one."""
        files = [self.pins / "go.mod", self.pins / "go.sum", *sorted(self.pins.glob("*.go"))]
        return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]

    @property
    def link_flags(self) -> str:
        """Flags that make Kubernetes programs report the release they are, as its own build does."""
        if self.module != _KUBERNETES:
            return ""
        major, minor, _ = self.version.removeprefix("v").split(".", 2)
        stamps = {"gitVersion": self.version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
        return " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in stamps.items())


PARTS = {
    part.name: part
    for part in (
        Part("etcd", "etcd", "go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3"),
        Part("kube-apiserver", "kubernetes", _KUBERNETES, f"{_KUBERNETES}/cmd/kube-apiserver"),
        Part("kube-scheduler", "kubernetes", _KUBERNETES, f"{_KUBERNETES}/cmd/kube-scheduler"),
        Part("kube-controller-manager", "kubernetes", _KUBERNETES, f"{_KUBERNETES}/cmd/kube-controller-manager"),
        Part("kwok", "kwok", "sigs.k8s.io/kwok", "sigs.k8s.io/kwok/cmd/kwok"),
        Part(
            "ray-operator",
            "kuberay",
            "github.com/ray-project/kuberay/ray-operator",
            "github.com/ray-project/kuberay/ray-operator",
        ),
        Part("argocd", "argocd", _ARGO_CD, f"{_ARGO_CD}/cmd"),
        Part("redis", "redis", "github.com/alicebob/miniredis/v2", "skyray.dev/e2e/redis"),
        Part("kustomize", "kustomize", "sigs.k8s.io/kustomize/kustomize/v5", "sigs.k8s.io/kustomize/kustomize/v5"),
        Part("helm", "helm", "helm.sh/helm/v3", "helm.sh/helm/v3/cmd/helm"),
        Part("source-controller", "flux-source", f"{_FLUX}/source-controller", f"{_FLUX}/source-controller"),
        Part(
            "kustomize-controller",
            "flux-kustomize",
            f"{_FLUX}/kustomize-controller",
            f"{_FLUX}/kustomize-controller",
        ),
        Part("helm-controller", "flux-helm", f"{_FLUX}/helm-controller", f"{_FLUX}/helm-controller"),
    )
}


def build(name: str) -> Path:
    """Return the program `name`, building it when it is not in the cache.

    A program in `$KUBEBUILDER_ASSETS` is used as it is. Raises `PartError` when Go is missing or the build fails.
    """
    part = PARTS[name]
    given = os.environ.get("KUBEBUILDER_ASSETS")
    if given and os.access(Path(given) / name, os.X_OK):
        return Path(given) / name
    program = _cache() / f"{name}-{part.digest}" / name
    if program.exists():
        return program
    go = _go()
    with _alone():
        if not program.exists():  # another process may have built it while this one waited
            _compile(go, part, program)
    return program


def module_dir(name: str) -> Path:
    """Return the read-only folder of the upstream module that `name` is built from (CRDs, samples, stages)."""
    part = PARTS[name]
    _run([_go(), "mod", "download", part.module], part)
    return Path(_run([_go(), "list", "-m", "-f", "{{.Dir}}", part.module], part).strip())


def _cache() -> Path:
    return Path(os.environ.get("SKYRAY_CACHE") or Path.home() / ".cache" / "skyray") / "parts"


def _go() -> str:
    go = shutil.which("go")
    if go is None:
        raise PartError(
            "`make e2e` runs real Kubernetes programs and builds them with Go, which is not on the PATH: "
            "install Go 1.26 or later (https://go.dev/dl/) and run it again"
        )
    return go


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the machine-wide build lock: one build uses every core, and its packages serve the next one."""
    _cache().mkdir(parents=True, exist_ok=True)
    with (_cache() / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _compile(go: str, part: Part, program: Path) -> None:
    started = time.monotonic()
    _progress(f"building {part.name} {part.version} ...")
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=program.parent) as folder:
        fresh = Path(folder) / part.name
        flags = ["-trimpath", "-buildvcs=false", f"-ldflags={part.link_flags}"]
        _run([go, "build", *flags, "-o", str(fresh), part.package], part)
        fresh.replace(program)
    _progress(f"built {part.name} {part.version} in {time.monotonic() - started:.0f} s")


def _run(command: list[str], part: Part) -> str:
    """Run a go command in the part's module and return what it printed; its last lines explain a failure."""
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
    done = subprocess.run(command, cwd=part.pins, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        tail = "\n".join(done.stderr.strip().splitlines()[-15:])
        raise PartError(f"{' '.join(command)} failed in {part.pins} (status {done.returncode}):\n{tail}")
    return done.stdout


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Build every part that is missing; return the exit status."""
    try:
        for name in PARTS:
            print(f"{name}: {build(name)}", flush=True)
    except PartError as error:
        print(error, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
