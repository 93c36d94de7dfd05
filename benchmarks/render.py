"""A cluster's directory: rendered, beside writing the bare objects as YAML, and beside what kustomize takes for it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measuring import Table, race, show
from benchmarks.synthetic import config_map, ray_job
from reconciler.manifests.emitter import emit
from reconciler.manifests.loader import load
from reconciler.render.cluster import render_cluster
from reconciler.render.engines import ENGINES
from reconciler.render.model import ClusterDirectory, GroupOverlay

GROUPS = 30


def main() -> list[Table]:
    overlays = []
    for number in range(GROUPS):
        texts = ray_job(f"train-{number}"), config_map(f"train-{number}-code")
        bodies = tuple(load(text.encode(), "f").documents[0].body for text in texts)
        overlays.append(
            GroupOverlay(f"team-{number % 5}", f"train-{number}", "p", bodies)
        )
    directory = ClusterDirectory("cluster-0000", tuple(overlays))

    def render() -> dict[str, bytes]:
        return render_cluster(directory, ENGINES["argocd"], "0" * 40)

    def plain() -> object:
        return [emit(dict(body)) for overlay in overlays for body in overlay.objects]

    with tempfile.TemporaryDirectory() as folder:
        for path, data in render().items():
            file = Path(folder) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        command: list[Path | str] = [
            Path(sys.executable).parent / "kubectl",
            "kustomize",
            Path(folder) / "clusters/cluster-0000",
        ]
        rows = [
            race("all of it", render, "emit the bare objects", plain),
            race(
                "all of it", render, "kubectl kustomize", lambda: _run(command), runs=5
            ),
        ]
    return [
        show(
            f"render: a cluster with {GROUPS} groups of a RayJob and a ConfigMap", rows
        )
    ]


def _run(command: list[Path | str]) -> None:
    subprocess.run(command, capture_output=True, check=True)
