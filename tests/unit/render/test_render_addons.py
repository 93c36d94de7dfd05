"""Add-ons as files: from the folders of a fleet repo to what each engine syncs, and back to what was there."""

from __future__ import annotations

import pytest

from reconciler.render.addons import KeptAddOn, folder_of, provided_groups, render_addons
from reconciler.render.engines import ENGINES
from tests.unit.render.building import ROOT, bodies, golden_addons, golden_tree, kustomize, title

GOLDEN = ROOT / "tests" / "golden" / "addons"


@pytest.mark.parametrize("engine", ENGINES)
def test_addons_become_the_expected_tree(engine: str) -> None:
    files = render_addons("gpu-1", ENGINES[engine], golden_addons())
    assert files == golden_tree(GOLDEN / engine / "expected", files)


@pytest.mark.parametrize("engine", ENGINES)
def test_kustomize_builds_every_folder_of_the_expected_tree_offline(engine: str) -> None:
    expected = GOLDEN / engine / "expected"
    built = {
        str(path.parent.relative_to(expected)): kustomize(path.parent) for path in expected.rglob("kustomization.yaml")
    }
    kinds = {body["kind"] for body in built["clusters/gpu-1/_addons"]}
    own_kinds = {"argocd": {"Application"}, "flux": {"Kustomization", "GitRepository"}}
    assert kinds == {"ConfigMap", *own_kinds[engine]}
    plain = built["clusters/gpu-1/_addons/priorities/classes"]
    assert {title(body)[1:] for body in plain} == {
        ("PriorityClass", "", "training"),
        ("Namespace", "", "platform"),
        ("ConfigMap", "platform", "notes"),
    }
    annotated = {body["kind"] for body in plain if body["metadata"].get("annotations")}
    assert annotated == {"Namespace"}, "a namespace stays when the add-on goes; the rest goes with it"


@pytest.mark.parametrize("engine", ENGINES)
def test_the_sentinel_tells_later_what_each_addon_provides(engine: str) -> None:
    sentinel = render_addons("c", ENGINES[engine], golden_addons())[f"{folder_of('c')}skyray.yaml"]
    assert provided_groups(sentinel) == {
        "kuberay": frozenset({"ray.io"}),
        "priorities": frozenset(),
        "queues": frozenset(),
    }
    assert provided_groups(b"data: [") == {}
    assert provided_groups(None) == {}


@pytest.mark.parametrize("engine", ENGINES)
def test_an_addon_that_must_stay_keeps_its_bytes_and_stays_listed(engine: str) -> None:
    before = render_addons("c", ENGINES[engine], golden_addons("kuberay"))
    own = {path: data for path, data in before.items() if "/kuberay/" in path}
    after = render_addons("c", ENGINES[engine], (), [KeptAddOn("kuberay", frozenset({"ray.io"}), own)])
    assert after == before
    empty = bodies(render_addons("c", ENGINES[engine], ()))
    assert empty["clusters/c/_addons/kustomization.yaml"]["resources"] == ["skyray.yaml"]
