"""What the real kustomize makes of the patches that SkyRay writes is what SkyRay sized."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

from reconciler.manifests.identity import object_key
from reconciler.render.engines import ENGINES
from reconciler.render.group import render_group
from reconciler.render.model import GroupOverlay
from reconciler.workloads.patch import apply, patch_of
from tests.cycles.overrides import ENV_AND_LABEL, nova, override
from tests.cycles.spreads import DUPLICATE, deployment, fleet_of, split, standing
from tests.fleets import Fleet, policy, ray_job
from tests.unit.render.building import kustomize, write_files

BASE = """
apiVersion: ray.io/v1
kind: RayCluster
metadata:
  name: base
  namespace: team
  labels: {app: "yes", "a.b/c": "1"}
spec:
  rayVersion: "2.50"
  odd: {float: 1.5, big: 9007199254740992, small: 0.001, zero: 0, down: false, empty: ""}
  text: "<a> & \\"b\\" \\u2028 ü\\n"
  list: [one, {name: two, value: "2"}, [3, 4]]
  "key/with~signs": {x: "on"}
"""

PATCHES: tuple[list[dict[str, Any]], ...] = (
    [{"op": "replace", "path": "/spec/rayVersion", "value": "2.51"}],
    [{"op": "add", "path": "/spec/new", "value": {"deep": [1, {"a": "null"}, True, 2.5]}}],
    [{"op": "replace", "path": "/spec/text", "value": "<b> & 'c'\n\tü"}],
    [{"op": "remove", "path": "/spec/text"}],
    [{"op": "replace", "path": "/spec/odd/float", "value": 2}],
    [{"op": "replace", "path": "/spec/odd/big", "value": -9007199254740992}],
    [{"op": "remove", "path": "/spec/odd"}],
    [{"op": "add", "path": "/spec/list/-", "value": "last"}],
    [{"op": "add", "path": "/spec/list/0", "value": {"name": "first"}}],
    [{"op": "add", "path": "/spec/list/1/more", "value": "x"}],
    [{"op": "remove", "path": "/spec/list/1"}],
    [{"op": "replace", "path": "/spec/list/2/1", "value": 5}],
    [{"op": "replace", "path": "/spec/key~1with~0signs/x", "value": "off"}],
    [{"op": "add", "path": "/metadata/labels/d.e~1f", "value": "true"}],
    [{"op": "move", "from": "/spec/list/1/value", "path": "/spec/moved"}],
    [{"op": "copy", "from": "/spec/list", "path": "/spec/copied"}, {"op": "remove", "path": "/spec/copied/0"}],
    [{"op": "test", "path": "/spec/odd/zero", "value": 0}, {"op": "replace", "path": "/spec/odd/zero", "value": 1}],
    [{"op": "test", "path": "/metadata/labels/app", "value": "yes"}, {"op": "remove", "path": "/metadata/labels/app"}],
    [
        {"op": "replace", "path": "/spec/odd/down", "value": True},
        {"op": "add", "path": "/spec/odd/down", "value": "no"},
    ],
)


def without_own_marks(body: dict[str, Any]) -> dict[str, Any]:
    """The object without what SkyRay adds to every one."""
    bare = copy.deepcopy(body)
    for part in ("labels", "annotations"):
        written = bare["metadata"].pop(part, {})
        kept = {key: text for key, text in written.items() if not key.startswith(("skyray.dev/", "kustomize."))}
        if kept:
            bare["metadata"][part] = kept
    return bare


def test_kustomize_applies_every_operation_as_skyray_does(tmp_path: Path) -> None:
    base = yaml.safe_load(BASE)
    bodies, patches, expected = [], [], {}
    for number, operations in enumerate(PATCHES):
        body = copy.deepcopy(base)
        body["metadata"]["name"] = f"r{number}"
        bodies.append(body)
        patches.append(patch_of(object_key(body), body, operations))
        expected[f"r{number}"] = apply(body, patches[-1].operations)
    for name, engine in ENGINES.items():
        root = tmp_path / name
        write_files(root, render_group(GroupOverlay("team", "g", "p", tuple(bodies), tuple(patches)), engine))
        built = {body["metadata"]["name"]: without_own_marks(body) for body in kustomize(root)}
        assert built == expected


def rendered_as_sized(fleet: Fleet, root: Path, group: str) -> int:
    """Build each cluster's directory; return on how many the objects of the group are those that were sized."""
    write_files(root, fleet.rendered())
    parts = standing(fleet, *group.split("/"))
    for name, part in parts.items():
        built = [without_own_marks(body) for body in kustomize(root / "clusters" / name)]
        for item in part.deployed:
            assert item.body in built
    return len(parts)


def test_a_divided_group_is_built_as_it_was_sized(tmp_path: Path) -> None:
    fleet = fleet_of({"a": 4, "b": 4}, split(a=70, b=30) + "\ngroupBy: {labelKey: app}")
    fleet.commit("workloads/team/web.yaml", deployment("web", None))
    fleet.commit("workloads/team/job.yaml", ray_job("train", workers=3, labels="{app: web}"))
    fleet.cycle()
    assert rendered_as_sized(fleet, tmp_path, "team/web") == 2


def test_overrides_of_both_dialects_are_built_as_they_were_sized(tmp_path: Path) -> None:
    fleet = fleet_of({"a": 4, "b": 4}, "", labels={"a": "{region: east, class: gpu}", "b": "{region: west}"})
    fleet.files["policies/spread.yaml"] = nova(ENV_AND_LABEL)
    fleet.files["policies/own.yaml"] = policy(
        "own",
        DUPLICATE
        + "\npriority: 1\n"
        + override("[{op: add, path: /spec/entrypoint, value: 'python <x> && y'}]", "{kind: RayJob}"),
        objects="{kinds: [RayJob]}",
    )
    fleet.commit("workloads/team/web.yaml", deployment("web"))
    fleet.commit("workloads/team/job.yaml", ray_job("train"))
    fleet.cycle()
    assert rendered_as_sized(fleet, tmp_path, "team/deployment-web") == 2
    assert rendered_as_sized(fleet, tmp_path, "team/rayjob-train") == 2


def test_a_label_by_override_stays_beside_the_one_for_flux(tmp_path: Path) -> None:
    body = yaml.safe_load(BASE)
    del body["metadata"]["labels"]
    body["spec"] = {"enableInTreeAutoscaling": True}
    patch = patch_of(object_key(body), body, [{"op": "add", "path": "/metadata/labels", "value": {"own": "x"}}])
    write_files(tmp_path, render_group(GroupOverlay("team", "g", "p", (body,), (patch,)), ENGINES["flux"]))
    (built,) = kustomize(tmp_path)
    assert built["metadata"]["labels"] == {"own": "x", "skyray.dev/autoscaled": "true", "skyray.dev/group": "g"}
