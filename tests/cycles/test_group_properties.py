"""Laws of groups, on random small fleets: whole or not at all, together, and with all that they refer to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.lifecycle.transitions import PROBLEM_REASONS
from reconciler.manifests.loader import load
from tests.fleets import Fleet, config_map, node, plain_clusters, policy, ray_job

QUIET = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
POLICY = "placement: {require: Fit}\ngroupBy: {labelKey: app}"


@dataclass(frozen=True)
class Piece:
    """One object: `a` and `b` are ConfigMaps, all others jobs. `app` is its label, `config` what it mounts."""

    app: str
    config: str
    workers: int
    valid: bool

    def manifest(self, name: str) -> bytes:
        labels = f"{{app: {self.app}}}" if self.app else "{}"
        if name in MAPS:
            return config_map(name, str(self.workers), labels=labels)
        more = "" if self.valid else "backoffLimit: -1"
        return ray_job(name, workers=self.workers, labels=labels, config=self.config, more=more)


MAPS = ("a", "b")
PIECES = st.builds(
    Piece,
    st.sampled_from(["", "", "red", "blue"]),
    st.sampled_from(["", "a", "a", "b"]),
    st.integers(1, 2),
    st.sampled_from([True, True, True, True, False]),
)
STEPS = st.lists(
    st.dictionaries(
        st.sampled_from([*MAPS, "c", "d", "e", "f"]), st.one_of(PIECES, PIECES, PIECES, st.none()), min_size=4
    ),
    min_size=1,
    max_size=3,
)


def fleet_of(gpus: list[int]) -> Fleet:
    clusters = plain_clusters(**{f"c{i}": (node("n0", count, "32"),) for i, count in enumerate(gpus)})
    return Fleet.of(clusters, {"p": policy("p", POLICY)})


NOWHERE: dict[str, Any] = {"clusters": []}


def standing(fleet: Fleet) -> dict[tuple[str, str], list[str]]:
    """Kind and name of every object of the team -> the clusters that have it."""
    found: dict[tuple[str, str], list[str]] = {}
    for path, data in sorted(fleet.files.items()):
        parts = path.split("/")
        if parts[0] == "clusters" and len(parts) == 5 and parts[4] != "kustomization.yaml":
            body = load(data, path).documents[0].body
            found.setdefault((body["kind"], body["metadata"]["name"]), []).append(parts[1])
    return found


def records(fleet: Fleet) -> dict[str, dict[str, Any]]:
    """Each group's record: its clusters, and its objects as `Kind name`."""
    found = {}
    for path, data in fleet.files.items():
        if path.startswith("placements/"):
            spec = yaml.safe_load(data)["spec"]
            objects = [f"{one['kind']} {one['name']}" for one in spec.get("objects") or []]
            reason = yaml.safe_load(data)["status"]["reason"]
            found[path] = {
                "reason": reason,
                "clusters": [one["cluster"] for one in spec["copies"]],
                "objects": objects,
            }
    return found


@QUIET
@given(st.lists(st.integers(1, 6), min_size=1, max_size=2), STEPS)
def test_groups_stand_whole_on_one_cluster_with_all_they_refer_to_or_not_at_all(
    gpus: list[int], steps: list[dict[str, Piece | None]]
) -> None:
    fleet, pieces = fleet_of(gpus), dict[str, Piece]()
    for step in steps:
        for name, piece in step.items():
            if piece is not None:
                pieces[name] = piece
                fleet.commit(f"workloads/team/{name}.yaml", piece.manifest(name))
            elif pieces.pop(name, None):
                fleet.commit(f"workloads/team/{name}.yaml", None)
        before = records(fleet)
        fleet.cycle(allow_removals=True)
        there, recorded = standing(fleet), records(fleet)
        for one in recorded.values():
            assert len(one["clusters"]) == bool(one["objects"]), "whole, on one cluster"
        told = {
            (*text.split(), where) for one in recorded.values() for text in one["objects"] for where in one["clusters"]
        }
        assert told == {(*key, where) for key, places in there.items() for where in places}
        assert all(len(places) == len(set(places)) for places in there.values()), "one copy a cluster"
        for group in fleet.state().grouping.groups:
            path = f"placements/{group.key}.yaml"
            if group.problem:
                assert set(recorded.get(path, NOWHERE)["clusters"]) <= set(before.get(path, NOWHERE)["clusters"]), (
                    "none by halves"
                )
            elif recorded.get(path, NOWHERE)["clusters"] and recorded[path]["reason"] not in PROBLEM_REASONS:
                named = {f"ConfigMap {pieces[item.key.name].config}" for item in group.members if item.is_batch}
                exist = {f"ConfigMap {name}" for name in MAPS if name in pieces}
                assert named & exist <= {*recorded[path]["objects"]}, "what members refer to is beside them"
        for _ in "abc":  # what one group frees after another was decided on is that one's in the next cycle
            fleet.cycle(allow_removals=True)
        assert fleet.plan(allow_removals=True).drafts == ()
