"""Builds rendered files with the real kustomize, offline, as Argo CD and Flux do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

KUBECTL = Path(sys.executable).parent / "kubectl"


def write_files(root: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def kustomize(directory: Path) -> list[dict[str, Any]]:
    """Return the objects that `kubectl kustomize` makes of a directory; fail with its words where it refuses."""
    done = subprocess.run(
        [KUBECTL, "kustomize", directory], capture_output=True, timeout=60, check=False, env={"PATH": "", "HOME": "/"}
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    return [body for body in yaml.safe_load_all(done.stdout) if body is not None]


def title(body: Mapping[str, Any]) -> tuple[str, str, str, str]:
    meta = body["metadata"]
    return body["apiVersion"], body["kind"], meta.get("namespace", ""), meta["name"]
