"""`skyray policy list|show|add|test`, on checkouts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from reconciler.service.scaffold import data_folder
from tests.commands import Said, checkout_of, skyray, unchanged
from tests.fleets import policy, ray_job, static_and_dynamic
from tests.integration.git_http import commit_files, git

NAMES = sorted(path.stem for path in data_folder("policies").glob("*.yaml"))
LABELS = "{app.kubernetes.io/instance: train, training.class: production}"
PRODUCTION = """
apiVersion: skyray.dev/v1alpha1
kind: SchedulePolicy
metadata: {name: spill}
spec:
  namespaceSelector: {}
  resourceSelectors: {}
  clusterSelector: {matchLabels: {kubernetes.io/metadata.name: dynamic}}
"""


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A checkout with two clusters, a policy that selects everything, and one job that is not placed yet."""
    fleet = static_and_dynamic()
    fleet.commit("workloads/team/job.yaml", ray_job("train", labels=LABELS))
    return checkout_of(fleet, tmp_path / "fleet")


def policy_command(top: Path, *words: str) -> Said:
    return skyray("policy", *words, cwd=top)


def test_list_names_every_ready_made_policy_with_when_to_use_it(top: Path) -> None:
    said = policy_command(top, "list")
    assert (said.status, said.err) == (0, "")
    lines = said.out.splitlines()
    assert [line.split()[0] for line in lines] == ["NAME", *NAMES]
    assert all("Use it " in line for line in lines[1:])
    rows = json.loads(policy_command(top, "list", "-o", "json").out)
    assert rows == yaml.safe_load(policy_command(top, "list", "-o", "yaml").out)
    assert [sorted(row) for row in rows] == [["name", "title", "use"]] * len(NAMES)


def test_show_prints_the_file_itself_or_what_it_says(top: Path) -> None:
    text = (data_folder("policies") / "right-cluster.yaml").read_text()
    assert policy_command(top, "show", "right-cluster").out == text
    assert json.loads(policy_command(top, "show", "right-cluster", "-o", "json").out) == list(yaml.safe_load_all(text))


def test_an_unknown_name_is_told_with_the_nearest_one(top: Path) -> None:
    with unchanged(top):
        for command in ("show", "add", "test"):
            said = policy_command(top, command, "dvide")
            assert (said.status, said.out) == (2, "")
            assert "there is no ready-made policy 'dvide': did you mean divide?" in said.err


@pytest.mark.parametrize("name", NAMES)
def test_what_add_writes_is_valid_and_only_that_is_written(name: str, top: Path) -> None:
    said = policy_command(top, "add", name)
    assert (said.status, said.err) == (0, "")
    assert f"wrote policies/{name}.yaml" in said.out
    assert f"  {name}" in said.out
    assert git(top, "status", "--porcelain", "-uall") == f"?? policies/{name}.yaml"
    assert (top / f"policies/{name}.yaml").read_bytes() == (data_folder("policies") / f"{name}.yaml").read_bytes()
    assert skyray("validate", cwd=top).status == 0


def test_add_says_what_to_edit(top: Path) -> None:
    said = policy_command(top, "add", "fill-and-spill", "--repo", str(top))
    assert "fill-and-spill applies to all objects with training.class=production" in said.out
    assert "names clusters with kubernetes.io/metadata.name static-cluster and dynamic-cluster" in said.out
    assert "skyray policy test policies/fill-and-spill.yaml" in said.out


def test_add_never_overwrites_nor_doubles_a_policy(top: Path) -> None:
    (top / "policies/cost.yaml").write_text("# mine\n")
    said = policy_command(top, "add", "cost")
    assert (said.status, said.out) == (2, "")
    assert "policies/cost.yaml exists already and stays as it is" in said.err
    assert (top / "policies/cost.yaml").read_text() == "# mine\n"
    (top / "policies/mine.yaml").write_bytes(policy("divide"))
    said = policy_command(top, "add", "divide")
    assert said.status == 2
    assert "policy divide is already defined at policies/mine.yaml:1:1" in said.err
    assert not (top / "policies/divide.yaml").exists()


def test_add_needs_a_checkout(top: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(top), "bare.git")
    said = policy_command(top, "add", "cost", "--repo", str(tmp_path / "bare.git"))
    assert said.status == 2
    assert "has no checkout to write to" in said.err


def test_test_shows_matches_and_what_would_change_and_writes_nothing(top: Path) -> None:
    (top / "policies/spill.yaml").write_text(PRODUCTION)
    with unchanged(top):
        said = policy_command(top, "test", "policies/spill.yaml")
        assert (said.status, said.err) == (0, "")
        assert said.out.startswith(
            "policy spill, instead of policies/spill.yaml:1:1\n"
            "  applies to all objects\n"
            "  selects 1 group: team/rayjob-train\n"
            "  clusters: dynamic\n"
            "  not static: kubernetes.io/metadata.name is static, policy spill wants dynamic\n"
        )
        rows = [line.split(maxsplit=3) for line in said.out.splitlines() if line.startswith("team/")]
        assert [row[:3] for row in rows] == [["team/rayjob-train", "static", "dynamic"]]
        assert rows[0][3].startswith("FitsAfterScaleUp: all 4 pods fit after adding 2 nodes of pool l4")


def test_test_tells_programs_the_same(top: Path) -> None:
    (top / "policies/spill.yaml").write_text(PRODUCTION)
    made = json.loads(policy_command(top, "test", "policies/spill.yaml", "-o", "json").out)
    assert made == yaml.safe_load(policy_command(top, "test", "policies/spill.yaml", "-o", "yaml").out)
    (one,) = made["policies"]
    assert (one["name"], one["require"], one["clusters"]) == ("spill", "Any", [{"name": "dynamic", "tier": 1}])
    assert one["groups"] == [{"namespace": "team", "name": "rayjob-train"}]
    (change,) = made["changes"]
    assert [c["name"] for c in change["before"]["clusters"]] == ["static"]
    assert [c["name"] for c in change["after"]["clusters"]] == ["dynamic"]
    assert {"path": "clusters/dynamic/team/rayjob-train/kustomization.yaml", "action": "add"} in made["files"]
    assert made["unplaced"] == []


def test_test_says_who_comes_first_where_another_policy_outranks_it(top: Path) -> None:
    said = policy_command(top, "test", "available-capacity")
    assert said.status == 0
    assert "selects 0 groups" in said.out
    assert "would select, but policy spill comes first: RayJob team/train" in said.out
    assert said.out.endswith("If it were committed, nothing would change.\n")


def test_test_exits_with_1_where_a_workload_would_not_be_placed(top: Path, tmp_path: Path) -> None:
    data = policy("first", "priority: 5\nclusterSelector: {matchLabels: {cluster.class: none}}")
    (tmp_path / "mine.yaml").write_bytes(data)
    said = policy_command(top, "test", str(tmp_path / "mine.yaml"))
    assert said.status == 1
    assert "  clusters: none\n" in said.out
    assert "Without a place: team/rayjob-train" in said.out


def test_test_reads_what_is_committed_also_in_a_bare_repository(top: Path, tmp_path: Path) -> None:
    commit_files(top, {}, "same")
    git(tmp_path, "clone", "-q", "--bare", str(top), "bare.git")
    (top / "workloads/team/job.yaml").unlink()
    for repo in (top, tmp_path / "bare.git"):
        said = policy_command(top, "test", "fill-no-spill", "--repo", str(repo))
        applies = "  applies to all objects with training.class=experimental\n"
        assert f"policy fill-no-spill, new\n{applies}  selects 0 groups\n" in said.out
        assert "policy spill comes first" not in said.out, "fill-no-spill wants another label"
    first = policy_command(top, "test", "available-capacity", "--rev", "HEAD~1")
    assert "RayJob team/train" in first.out


def test_test_says_that_uncommitted_workloads_are_left_out(top: Path) -> None:
    (top / "workloads/team/more.yaml").write_bytes(ray_job("more", labels=LABELS))
    said = policy_command(top, "test", "fill-and-spill", "-o", "json")
    head = git(top, "rev-parse", "HEAD")[:10]
    assert said.err == f"comparing with what is committed ({head}); uncommitted files are left out\n"
    assert "more" not in said.out
    assert policy_command(top, "test", "fill-and-spill", "--rev", "HEAD").err == ""


def test_test_works_before_the_first_commit_on_the_files_as_they_are(top: Path, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    git(tmp_path, "init", "-q", "-b", "main", "fresh")
    for path in git(top, "ls-files").split("\n"):
        (fresh / path).parent.mkdir(parents=True, exist_ok=True)
        (fresh / path).write_bytes((top / path).read_bytes())
    said = policy_command(fresh, "test", "policies/spill.yaml")
    assert (said.status, said.err) == (0, "reading uncommitted files; nothing is committed yet\n")
    assert said.out.startswith("policy spill, new\n  applies to all objects\n  selects 1 group: team/rayjob-train\n")
    rows = [line.split(maxsplit=3) for line in said.out.splitlines() if line.startswith("team/")]
    assert [row[:3] for row in rows] == [["team/rayjob-train", "-", "static"]], "without the file, nothing selects it"


def test_a_file_that_is_wrong_or_missing_is_told(top: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(PRODUCTION.replace("clusterSelector", "clusters"))
    said = policy_command(top, "test", str(tmp_path / "bad.yaml"))
    assert (said.status, said.out) == (1, "")
    assert f"{tmp_path}/bad.yaml:8:" in said.err
    said = policy_command(top, "test", "policies/none.yaml")
    assert (said.status, said.out) == (2, "")
    assert "there is no file policies/none.yaml" in said.err
