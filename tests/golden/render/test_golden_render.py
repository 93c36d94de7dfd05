"""Each folder here is a case: `input.yaml` says what is placed on a cluster, `expected/` is the tree that Git gets.

To accept a wanted change: `SKYRAY_UPDATE_GOLDEN=1 pytest tests/golden/render`, then review the diff.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.manifests.loader import load
from reconciler.render.cluster import render_cluster
from reconciler.render.engines import ENGINES
from reconciler.render.model import ClusterDirectory, GroupOverlay, NamespaceMeta, Patch
from tests.unit.render.building import golden_tree, kustomize

CASES = sorted(path.parent for path in Path(__file__).parent.glob("*/input.yaml"))


def rendered(case: Path) -> dict[str, bytes]:
    (document,) = load((case / "input.yaml").read_bytes(), "input.yaml").documents
    given = document.body
    groups = tuple(
        GroupOverlay(
            one["namespace"],
            one["group"],
            one["policy"],
            tuple(one["objects"]),
            tuple(Patch(p["api_group"], p["kind"], p["name"], tuple(p["operations"])) for p in one.get("patches", [])),
        )
        for one in given["groups"]
    )
    namespaces = {name: NamespaceMeta(**meta) for name, meta in given.get("namespaces", {}).items()}
    directory = ClusterDirectory(given["cluster"], groups, namespaces)
    return render_cluster(directory, ENGINES[given["engine"]], given["revision"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_placed_becomes_the_expected_tree(case: Path) -> None:
    files = rendered(case)
    assert files == golden_tree(case / "expected", files)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_kustomize_builds_every_directory_of_the_expected_tree(case: Path) -> None:
    built: dict[Path, list[Any]] = {}
    for kustomization in (case / "expected").rglob("kustomization.yaml"):
        built[kustomization.parent] = kustomize(kustomization.parent)
    assert built
    assert all(built.values())
