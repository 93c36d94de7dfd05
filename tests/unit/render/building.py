"""Fleet repo files for the tests of rendering, and the real kustomize, which builds them as Argo CD and Flux do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from reconciler.manifests.loader import load
from reconciler.policy.addon import AddOn
from reconciler.policy.addon_kind import read_addons
from reconciler.render.addons import folder_of, render_addons
from reconciler.render.cluster import render_cluster
from reconciler.render.engines import ENGINES
from reconciler.render.model import ClusterDirectory, GroupOverlay, NamespaceMeta

ROOT = Path(__file__).parents[3]
URL = "https://git.example.com/team/fleet.git"


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


def stored(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder by their path in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def golden_tree(folder: Path, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the expected tree that is stored in a folder; `SKYRAY_UPDATE_GOLDEN` stores these files in it first."""
    if os.environ.get("SKYRAY_UPDATE_GOLDEN"):
        shutil.rmtree(folder, ignore_errors=True)
        write_files(folder, files)
    return stored(folder)


def bodies(files: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    """Return the one object of each file."""
    return {path: load(data, path).documents[0].body for path, data in files.items()}


def own_objects(engine: str, *clusters: str) -> dict[str, dict[str, Any]]:
    """Return the engine's own objects for a fleet of `clusters`, by path."""
    return bodies(ENGINES[engine].own_files(clusters, URL, "main"))


def golden_addons(*names: str) -> tuple[AddOn, ...]:
    """Return the add-ons of the golden input, and the ready-made KubeRay of the template; all, or those named."""
    files = stored(ROOT / "tests/golden/addons/input") | stored(ROOT / "fleet-repo-template")
    in_folders = {path: data for path, data in files.items() if path.startswith("addons/") and path.count("/") > 1}
    return tuple(addon for addon in read_addons(in_folders) if not names or addon.name in names)


def addon_objects(cluster: str, engine: str, *names: str) -> dict[str, dict[str, Any]]:
    """Return the rendered objects of the golden add-ons, by their path inside the cluster's folder of add-ons."""
    rendered = bodies(render_addons(cluster, ENGINES[engine], golden_addons(*names)))
    return {path.removeprefix(folder_of(cluster)): body for path, body in rendered.items()}


def job(name: str = "train", **metadata: Any) -> dict[str, Any]:
    spec = {"entrypoint": "python ${SCRIPT}", "rayClusterSpec": {"workerGroupSpecs": [{"groupName": "gpu"}]}}
    return {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": {"name": name, **metadata}, "spec": spec}


def config(name: str = "code", **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": {"a": "b"}}


def group(*objects: dict[str, Any], namespace: str = "team", name: str = "rayjob", **more: Any) -> GroupOverlay:
    return GroupOverlay(namespace, name, "p", objects or (job(),), **more)


def render(
    *groups: GroupOverlay,
    engine: str = "argocd",
    revision: str = "r1",
    previous: bytes | None = None,
    namespaces: dict[str, NamespaceMeta] | None = None,
) -> dict[str, bytes]:
    directory = ClusterDirectory("c1", groups, namespaces or {})
    return render_cluster(directory, ENGINES[engine], revision, previous)


def body(files: dict[str, bytes], path: str) -> dict[str, Any]:
    (document,) = load(files[path], path).documents
    return document.body
