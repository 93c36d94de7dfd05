"""Builds rendered files with the real kustomize, offline, as Argo CD and Flux do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


class Reader(yaml.SafeLoader):
    """PyYAML, but for the plain `=` that kustomize writes and that is text to every reader of manifests."""


def _as_text(loader: Reader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


Reader.add_constructor("tag:yaml.org,2002:value", _as_text)

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
    return [body for body in yaml.load_all(done.stdout, Reader) if body is not None]


def title(body: Mapping[str, Any]) -> tuple[str, str, str, str]:
    meta = body["metadata"]
    return body["apiVersion"], body["kind"], meta.get("namespace", ""), meta["name"]
