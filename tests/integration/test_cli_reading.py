"""The commands that only read, as a user meets them: on a checkout, a bare repository and an address."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.commands import checkout_of, fleet_with_job, program, skyray, unchanged, write
from tests.cycles.spreads import deployment, fleet_of, split
from tests.fleets import cluster, ordered, policy, ray_job, static_and_dynamic
from tests.integration.git_http import GitServer, commit_files, git

LISTS = ("clusters", "groups", "placements", "policies")
COLUMNS = {
    "clusters": "NAME K8S-VERSION K8S-CLUSTER REGION ZONE READY IDLE STANDBY GPUS-FREE GPUS",
    "groups": "NAMESPACE GROUP PHASE CLUSTER POLICY PODS REASON",
    "placements": "NAMESPACE GROUP PHASE CLUSTER REASON SOURCE DECIDED",
    "policies": "NAME PRIORITY GROUPS CLUSTERS REQUIRE GROUP-BY",
}
PLAN_KEYS = [
    "apiVersion",
    "kind",
    "revision",
    "snapshot",
    "decisions",
    "changes",
    "leftForNextCycle",
    "warnings",
    "errors",
]
DECISION_KEYS = ["group", "action", "phase", "policy", "clusters", "reason", "message", "candidates"]


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A checkout with one placed group (team1) and one that nobody has placed yet (team2)."""
    made = checkout_of(fleet_with_job(), tmp_path / "fleet")
    assert skyray("reconcile", cwd=made).status == 0
    write(made, {"workloads/team2/job.yaml": ray_job("train", workers=3)})
    commit_files(made, {}, "team2")
    return made


def data(output: str, text: str) -> Any:
    return json.loads(text) if output == "json" else yaml.safe_load(text)


@pytest.mark.parametrize("what", LISTS)
def test_get_prints_its_columns_and_the_same_rows_as_json_and_yaml(what: str, top: Path) -> None:
    table = skyray("get", what, cwd=top)
    assert (table.status, table.err) == (0, "")
    lines = table.out.splitlines()
    assert lines[0].split() == COLUMNS[what].split()
    answers = [data(o, skyray("get", what, "-o", o, cwd=top).out) for o in ("json", "yaml")]
    assert answers[0] == answers[1]
    assert len(answers[0]) == len(lines) - 1
    for row, line in zip(answers[0], lines[1:], strict=True):
        assert row["name"] in line.split()


def test_get_clusters_shows_what_is_free_after_promises(top: Path) -> None:
    rows = {row["name"]: row for row in data("json", skyray("get", "clusters", "-o", "json", cwd=top).out)}
    assert (rows["static"]["gpusFree"], rows["static"]["gpus"], rows["static"]["idle"]) == (2, 4, False)
    assert (rows["dynamic"]["gpusFree"], rows["dynamic"]["gpus"], rows["dynamic"]["idle"]) == (0, 0, True)
    assert all(row["ready"] is True for row in rows.values())


def test_an_unreadable_cluster_is_listed_as_not_ready_with_the_reason(top: Path) -> None:
    (top / "snapshots/static.yaml").write_text("kind: [")
    commit_files(top, {}, "spoil")
    said = skyray("get", "clusters", cwd=top)
    static = next(line.split() for line in said.out.splitlines() if line.startswith("static "))
    assert static[5:] == ["False", "False", "-", "?", "?"]
    assert "static: snapshots/static.yaml:" in said.out


def test_a_plan_as_json_has_exactly_the_documented_shape(top: Path) -> None:
    said = skyray("plan", "-o", "json", cwd=top)
    assert (said.status, said.err) == (0, "")
    plan = data("json", said.out)
    assert list(plan) == PLAN_KEYS
    assert (plan["apiVersion"], plan["kind"]) == ("skyray.dev/v1alpha1", "Plan")
    assert plan["revision"] == git(top, "rev-parse", "HEAD")
    assert plan["snapshot"].startswith("sha256:")
    kept, placed = plan["decisions"]
    assert list(kept) == list(placed) == DECISION_KEYS
    assert (kept["action"], kept["phase"], kept["clusters"]) == ("keep", "Placed", [{"name": "static", "share": 100}])
    assert placed["group"] == {"namespace": "team2", "name": "rayjob-train"}
    assert (placed["action"], placed["policy"], placed["reason"]) == ("place", "spill", "FitsAfterScaleUp")
    assert placed["clusters"] == [{"name": "dynamic", "share": 100}]
    verdicts = {candidate["cluster"]: candidate for candidate in placed["candidates"]}
    assert list(verdicts["static"]) == ["cluster", "verdict", "reason", "message"]
    assert (verdicts["static"]["verdict"], verdicts["static"]["reason"]) == ("NoFit", "InsufficientResource")
    assert all(list(change) == ["path", "action"] for change in plan["changes"])
    assert {"path": "placements/team2/rayjob-train.yaml", "action": "add"} in plan["changes"]
    assert {change["action"] for change in plan["changes"]} <= {"add", "modify", "delete"}
    assert plan == data("yaml", skyray("plan", "-o", "yaml", cwd=top).out)


def test_a_plan_is_what_reconcile_then_does_and_writes_nothing_itself(top: Path) -> None:
    with unchanged(top):
        plan = data("json", skyray("plan", "-o", "json", cwd=top).out)
    done = data("json", skyray("reconcile", "-o", "json", cwd=top).out)
    assert {key: done[key] for key in PLAN_KEYS} == plan
    assert done["published"] == git(top, "rev-parse", "HEAD") != plan["revision"]
    names = {"A": "add", "M": "modify", "D": "delete"}
    changed = git(top, "diff", "--name-status", "--no-renames", plan["revision"], done["published"]).splitlines()
    assert [{"path": p, "action": names[a]} for a, p in (line.split("\t") for line in changed)] == plan["changes"]


@pytest.mark.parametrize("command", ["plan", "validate", "explain"])
def test_uncommitted_files_count_in_a_checkout_and_that_is_said(command: str, top: Path) -> None:
    write(top, {"workloads/team3/job.yaml": ray_job("new", workers=9).replace(b"rayClusterSpec", b"rayClusterSpek")})
    arguments = (command, "team3/rayjob-new") if command == "explain" else (command,)
    said = skyray(*arguments, cwd=top)
    assert "uncommitted files too" in said.err
    assert "--rev HEAD leaves them out" in said.err
    assert "workloads/team3/job.yaml" in said.out + said.err
    committed = skyray(*arguments, "--rev", "HEAD", cwd=top)
    assert "uncommitted" not in committed.err
    assert "workloads/team3/job.yaml" not in committed.out + committed.err
    assert committed.status == (1 if command == "explain" else 0)


def test_a_plan_without_groups_still_tells_of_files(tmp_path: Path) -> None:
    top = checkout_of(static_and_dynamic(), tmp_path / "fleet")
    said = skyray("plan", cwd=top).out.splitlines()
    assert said[0] == "nothing to place: workloads/ has no object that a policy matches"
    assert said[-1] == "4 files would change, in 1 commit."
    assert skyray("reconcile", cwd=top).status == 0
    assert skyray("plan", cwd=top).out.splitlines() == said[:1]


def test_a_clean_checkout_is_not_said_to_have_uncommitted_files(top: Path) -> None:
    assert skyray("plan", cwd=top).err == ""
    (top / ".gitignore").write_text("junk\n")
    commit_files(top, {}, "ignore")
    (top / "junk").write_text("ignored")
    assert skyray("plan", cwd=top).err == ""


def test_a_revision_is_planned_as_it_was(top: Path) -> None:
    old = git(top, "rev-list", "--max-parents=0", "HEAD")
    plan = data("json", skyray("plan", "--rev", old, "-o", "json", cwd=top).out)
    assert plan["revision"] == old
    assert [(d["group"]["namespace"], d["action"]) for d in plan["decisions"]] == [("team1", "place")]
    git(top, "branch", "side", old)
    git(top, "tag", "-a", "v1", "-m", "v1", old)
    for name in ("side", "v1", old[:10], "HEAD~3"):
        assert data("json", skyray("plan", "--rev", name, "-o", "json", cwd=top).out) == plan


def test_a_pull_request_cannot_bring_its_own_policies_and_inventory(top: Path) -> None:
    git(top, "checkout", "-q", "-b", "proposal")
    write(
        top,
        {
            "policies/spill.yaml": policy("spill", ordered("mine")),
            "inventory/mine.yaml": cluster("mine"),
            "workloads/team3/job.yaml": ray_job("train", workers=1),
        },
    )
    commit_files(top, {}, "propose")
    proposed = data("json", skyray("plan", "--rev", "proposal", "--base", "main", "-o", "json", cwd=top).out)
    assert proposed["revision"] == git(top, "rev-parse", "proposal")
    places = {d["group"]["namespace"]: [c["name"] for c in d["clusters"]] for d in proposed["decisions"]}
    assert places == {"team1": ["static"], "team2": ["dynamic"], "team3": ["static"]}
    assert not any("mine" in change["path"] for change in proposed["changes"])


def test_a_saved_snapshot_plans_the_same_with_the_same_digest(top: Path, tmp_path: Path) -> None:
    (tmp_path / "fleet.json").write_text(skyray("snapshot", cwd=top).out)
    now = data("json", skyray("plan", "-o", "json", cwd=top).out)
    saved = data("json", skyray("plan", "--snapshot", str(tmp_path / "fleet.json"), "-o", "json", cwd=top).out)
    assert saved == now
    for command in (("get", "clusters"), ("get", "groups"), ("explain", "team2/rayjob-train")):
        assert skyray(*command, "--snapshot", "../fleet.json", cwd=top) == skyray(*command, cwd=top)


def test_a_snapshot_of_one_cluster_can_stand_in_the_inventory(top: Path) -> None:
    before = skyray("get", "clusters", "-o", "json", cwd=top).out
    (top / "snapshots/static.yaml").write_text(skyray("snapshot", "--cluster", "static", cwd=top).out)
    commit_files(top, {}, "a picture that skyray took")
    assert skyray("get", "clusters", "-o", "json", cwd=top).out == before


def test_an_unreadable_cluster_gives_no_snapshot_file(top: Path) -> None:
    (top / "snapshots/static.yaml").write_text("kind: [")
    commit_files(top, {}, "spoil")
    said = skyray("snapshot", "--cluster", "static", cwd=top)
    assert (said.status, said.out) == (3, "")
    assert "error: static cannot be read: snapshots/static.yaml:" in said.err


def test_explain_tells_place_reason_and_numbers(top: Path) -> None:
    said = skyray("explain", "team2/rayjob-train", cwd=top)
    assert (said.status, said.err) == (0, "")
    lines = said.out.splitlines()
    assert max(map(len, lines)) <= 90
    assert lines[:2] == ["group    team2/rayjob-train", "phase    Placed"]
    assert "reason   FitsAfterScaleUp" in lines
    below = lines.index("   static   NoFit             InsufficientResource")
    assert lines[below + 1].startswith("     "), "the numbers are below the row of their cluster"
    assert "largest free" in "".join(lines[below + 1 :])
    assert any(line.startswith("*  dynamic  FitsAfterScaleUp") for line in lines)
    as_data = data("json", skyray("explain", "team2/rayjob-train", "-o", "json", cwd=top).out)
    assert list(as_data) == [*DECISION_KEYS, "sourceCommit", "sources", "snapshot"]
    assert as_data["sourceCommit"] == git(top, "log", "-1", "--format=%H", "--", "workloads/team2")
    assert as_data == data("yaml", skyray("explain", "team2/rayjob-train", "-o", "yaml", cwd=top).out)


def test_log_shows_decisions_newest_first(top: Path) -> None:
    skyray("reconcile", cwd=top)
    rows = data("json", skyray("log", "-o", "json", cwd=top).out)
    assert [(row["group"], row["action"]) for row in rows] == [
        ("team2/rayjob-train", "place"),
        ("team1/rayjob-train", "place"),
    ]
    assert rows[0]["commit"] == git(top, "rev-parse", "HEAD")
    assert rows == data("yaml", skyray("log", "-o", "yaml", cwd=top).out)
    assert [r["group"] for r in data("json", skyray("log", "-n", "1", "-o", "json", cwd=top).out)] == [rows[0]["group"]]
    one = skyray("log", "team1/rayjob-train", cwd=top).out.splitlines()
    assert one[0].split() == ["COMMIT", "TIME", "GROUP", "ACTION", "CLUSTER", "REASON", "SOURCE"]
    assert len(one) == 2
    assert skyray("log", "team1/other", cwd=top).out == "no decisions on team1/other\n"
    assert data("json", skyray("log", "team1/other", "-o", "json", cwd=top).out) == []


def test_a_subfolder_a_bare_repository_and_an_address_read_the_same(top: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(top), "bare.git")
    wanted = skyray("plan", "-o", "json", cwd=top)
    assert wanted.status == 0
    assert skyray("plan", "-o", "json", cwd=top / "workloads/team1").out == wanted.out
    with GitServer(tmp_path) as server:
        places = (str(top), "../bare.git", (tmp_path / "bare.git").as_uri(), server.url("bare.git"))
        for place in places:
            said = skyray("plan", "--repo", place, "-o", "json", cwd=tmp_path / "fleet")
            assert (said.status, said.out, said.err) == (0, wanted.out, ""), place
            assert skyray("validate", "--repo", place, cwd=top).status == 0
            assert skyray("get", "placements", "--repo", place, cwd=top).out == skyray("get", "placements", cwd=top).out


def test_validate_counts_files_and_finds_everything_at_once(top: Path) -> None:
    assert skyray("validate", "--rev", "HEAD", cwd=top).out == "6 files: all valid\n"
    write(
        top,
        {
            "policies/bad.yaml": policy("bad", "prioriti: 1"),
            "policies/worse.yaml": b"kind: [",
            "inventory/static.yaml": cluster("static", spec="regoin: x"),
            "workloads/team1/job.yaml": b"kind: [",
            "workloads/lost.yaml": ray_job("lost"),
            "snapshots/dynamic.yaml": b"",
            "placements/team1/rayjob-train.yaml": b"kind: Placement\n",
        },
    )
    said = skyray("validate", "-o", "json", cwd=top)
    assert said.status == 1
    found = data("json", said.out)
    assert list(found) == ["errors", "warnings", "files"]
    places = {line.split(":")[0] for line in found["errors"]}
    wanted = "policies/bad.yaml policies/worse.yaml inventory/static.yaml workloads/team1/job.yaml"
    assert places == {*wanted.split(), "placements/team1/rayjob-train.yaml"}
    assert any("did you mean 'priority'" in line for line in found["errors"])
    assert any(line.startswith("workloads/lost.yaml: ") for line in found["warnings"])
    (top / "inventory/static.yaml").write_bytes(cluster("static"))
    assert any(
        line.startswith("snapshots/dynamic.yaml: ")
        for line in data("json", skyray("validate", "-o", "json", cwd=top).out)["errors"]
    )


def test_the_program_keeps_data_and_notes_apart_and_tells_by_its_status(top: Path) -> None:
    write(top, {"workloads/team3/job.yaml": b"kind: ["})
    planned = program("plan", "-o", "json", cwd=top)
    assert planned.status == 1
    assert json.loads(planned.out)["errors"][0].startswith("workloads/team3/job.yaml:")
    assert "uncommitted" in planned.err
    assert program("plan", "--rev", "HEAD", cwd=top).status == 0
    assert program("plan", "--nope", cwd=top).status == 2
    nowhere = program("plan", "--repo", "/", cwd=top)
    assert (nowhere.status, nowhere.out) == (3, "")
    assert nowhere.err.startswith("error: / is not in a git repository")
    assert len(nowhere.err.splitlines()) == 1


def test_explain_shows_the_share_of_each_cluster_of_a_divided_group(tmp_path: Path) -> None:
    fleet = fleet_of({"a": 4, "b": 4}, split(a=70, b=30))
    fleet.files["workloads/team/web.yaml"] = deployment("web")
    top = checkout_of(fleet, tmp_path / "fleet")
    assert skyray("reconcile", cwd=top).status == 0
    lines = skyray("explain", "team/deployment-web", cwd=top).out.splitlines()
    assert "cluster  a 70%, b 30%" in lines
    assert [line.split()[1] for line in lines if line.startswith("*")] == ["a", "b"]
