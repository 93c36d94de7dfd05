"""What is fetched before a first plan, in one go."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from reconciler.planning import read_ahead
from reconciler.planning.files import Files
from tests.reading import NotedContents

LOOKED_AT = {
    "fleet.yaml",
    "inventory/a.yaml",
    "policies/any.yaml",
    "addons/kuberay/addon.yaml",
    "placements/team/rayjob-train.yaml",
    "clusters/a/skyray.yaml",
    "clusters/a/_addons/kuberay/operator.yaml",
    "clusters/b/skyray.yaml",
}
RENDERED = "clusters/a/team/rayjob-train/rayjob-train.yaml"


def fetched(paths: Iterable[str]) -> list[list[str]]:
    """What is fetched of files at `paths`, fetch by fetch."""
    made: list[list[str]] = []
    contents = dict.fromkeys(paths, b"")
    files = Files.lazy(Files(contents).root, {}, NotedContents(contents, made.append))
    read_ahead.read_ahead(files)
    return made


def test_all_but_workloads_and_the_files_of_rendered_groups_is_fetched_at_once() -> None:
    (together,) = fetched({*LOOKED_AT, RENDERED, "workloads/team/train.yaml"})
    assert set(together) == LOOKED_AT


def test_no_more_is_fetched_than_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "_MOST_FILES", 2)
    assert fetched(LOOKED_AT) == [["fleet.yaml", "inventory/a.yaml"]]
