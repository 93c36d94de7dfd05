"""What holds for every engine of the registry."""

from __future__ import annotations

from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from reconciler.errors import UsageError
from reconciler.fleet.settings import FleetSpec
from reconciler.render.engines import DEFAULT_ENGINE, ENGINES, engine_renderer
from tests.unit.render.building import URL, addon_objects, kustomize, title, write_files


def test_fleet_yaml_accepts_exactly_the_engines_of_the_registry() -> None:
    assert get_args(get_type_hints(FleetSpec)["engine"]) == tuple(ENGINES)
    assert DEFAULT_ENGINE in ENGINES


def test_an_unknown_engine_is_refused_with_the_known_ones() -> None:
    assert engine_renderer("flux") is ENGINES["flux"]
    with pytest.raises(UsageError, match="engine 'helm': use argocd or flux"):
        engine_renderer("helm")


@pytest.mark.parametrize("engine", ENGINES)
def test_every_own_object_is_one_that_kustomize_reads(tmp_path: Path, engine: str) -> None:
    files = ENGINES[engine].own_files(["a", "b"], URL, "main")
    listed = "".join(f"- {path}\n" for path in files)
    write_files(tmp_path, {**files, "kustomization.yaml": f"resources:\n{listed}".encode()})
    assert len(kustomize(tmp_path)) == len(files)


@pytest.mark.parametrize("engine", ENGINES)
def test_objects_without_a_need_for_marks_get_none(engine: str) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}
    assert ENGINES[engine].group_patches([body]) == []
    assert ENGINES[engine].group_transformers([body]) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_no_two_clusters_share_a_name_on_the_management_cluster(engine: str) -> None:
    seen: set[tuple[str, str, str, str]] = set()
    for cluster in ("a", "a-kuberay", "a" * 63):
        for path, body in addon_objects(cluster, engine, "kuberay").items():
            if "metadata" in body:
                assert title(body) not in seen, path
                assert len(body["metadata"]["name"]) <= 63
                seen.add(title(body))
