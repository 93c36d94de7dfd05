"""A fleet repo whose Placement files have the older form is read, and brought to the new one in one commit."""

from __future__ import annotations

import yaml

from tests.cycles.spreads import deployment, fleet_of, split
from tests.fleets import NOW, Fleet, config_map, ray_job, static_and_dynamic


def older(data: bytes) -> bytes:
    """A Placement file as it was before copies: `clusters` with name and share, and one run for all of them."""
    body = yaml.safe_load(data)
    spec = body["spec"]
    clusters = []
    for copy in spec.pop("copies"):
        cluster = {"name": copy["cluster"], "share": copy["share"]}
        cluster |= {field: copy[field] for field in ("objects", "patches") if field in copy}
        clusters.append(cluster)
    spec["clusters"], spec["run"] = clusters, 1
    return yaml.safe_dump(body, sort_keys=False).encode()


def aged(fleet: Fleet) -> Fleet:
    """The fleet with all its Placement files in the older form."""
    for path in [path for path in fleet.files if path.startswith("placements/")]:
        fleet.files[path] = older(fleet.files[path])
    return fleet


def placed_jobs() -> Fleet:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team1/code.yaml", config_map("code"))
    for team in ("team1", "team2", "team3"):
        fleet.commit(f"workloads/{team}/job.yaml", ray_job("train", config="code" if team == "team1" else ""))
    fleet.cycle()
    return fleet


def test_all_placements_of_an_older_repo_are_written_anew_in_one_commit_that_moves_nothing() -> None:
    new, old = placed_jobs(), aged(placed_jobs())
    (migration,) = old.cycle(now=NOW + 60).drafts
    assert migration.subject == "render placements"
    assert sorted(migration.changes) == [f"placements/team{number}/rayjob-train.yaml" for number in (1, 2, 3)]
    assert not any(path.startswith("clusters/") for path in migration.changes)
    for path in migration.changes:
        spec, was = yaml.safe_load(old.files[path])["spec"], yaml.safe_load(new.files[path])["spec"]
        assert "clusters" not in spec
        assert "run" not in spec
        assert [one | {"role": "Serving"} for one in was["copies"]] == spec["copies"], "what ran counts as seen"
        assert spec["objects"] == was["objects"]
    assert old.plan(now=NOW + 120).drafts == ()


def test_a_divided_group_of_an_older_repo_keeps_its_shares_and_patches() -> None:
    fleet = fleet_of({"a": 1, "b": 1}, split(a=60, b=40))
    fleet.commit("workloads/team/web.yaml", deployment("web", 5))
    fleet.cycle()
    path = "placements/team/deployment-web.yaml"
    before = yaml.safe_load(fleet.files[path])["spec"]["copies"]
    (migration,) = aged(fleet).cycle(now=NOW + 60).drafts
    assert list(migration.changes) == [path]
    after = yaml.safe_load(fleet.files[path])["spec"]["copies"]
    for one, other in zip(before, after, strict=True):
        assert {**one, "role": ""} == {**other, "role": ""}


def test_a_decision_on_an_older_repo_comes_after_the_migration_in_the_same_plan() -> None:
    fleet = aged(placed_jobs())
    fleet.commit("workloads/team3/job.yaml", None)
    migration, retirement = fleet.cycle(now=NOW + 60).drafts
    assert migration.subject == "render placements"
    assert retirement.subject == "retire team3/rayjob-train from dynamic"
    assert fleet.plan(now=NOW + 120).drafts == ()
