"""`skyray demo`: the fill-and-spill story, as a newcomer sees it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.commands import program, skyray
from tests.integration.git_http import commit_files, git
from tests.unit.render.building import kustomize


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    said = program("demo", cwd=home)
    assert (said.status, said.err) == (0, "")
    (home / "said").write_text(said.out)
    return home


@pytest.fixture
def demo(played: Path, tmp_path: Path) -> Path:
    """The demo's fleet repo, to be changed freely."""
    return Path(shutil.copytree(played / "demo", tmp_path / "demo"))


def test_the_table_tells_one_line_a_job_where_it_went_and_why(played: Path) -> None:
    lines = (played / "said").read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.split() == ["JOB", "CLUSTER", "VERDICT", "WHY"])
    rows = [line.split(maxsplit=3) for line in lines[start + 1 : start + 4]]
    assert [row[:3] for row in rows] == [
        ["rayjob1/rayjob", "static-cluster", "FitsNow"],
        ["rayjob2/rayjob", "static-cluster", "FitsNow"],
        ["rayjob3/rayjob", "dynamic-cluster", "FitsAfterScaleUp"],
    ]
    assert "adding 2 nodes" in rows[2][3]
    assert "worker gpu-group needs nvidia.com/gpu 1, largest free 0" in rows[2][3]


def test_the_commits_it_lists_are_those_in_the_repo(played: Path) -> None:
    listed = git(played / "demo", "log", "--reverse", "--format=%h %s", "--abbrev=10").split("\n")
    said = [" ".join(line.split()) for line in (played / "said").read_text().splitlines()]
    assert [line for line in said if line in listed] == listed
    authors = git(played / "demo", "log", "--format=%an %s")
    assert authors.count("SkyRay place") == 3
    assert authors.count("you train: add") == 3
    assert git(played / "demo", "status", "--porcelain") == ""


def test_every_command_that_it_suggests_works(demo: Path) -> None:
    for command in (
        ("get", "clusters"),
        ("explain", "rayjob3/rayjob"),
        ("log", "rayjob3/rayjob"),
        ("validate",),
        ("plan",),
    ):
        said = skyray(*command, cwd=demo)
        assert said.status == 0, command
    assert skyray("plan", cwd=demo).out.endswith("Nothing would change.\n")
    assert skyray("reconcile", cwd=demo).out == "nothing to do: 3 groups as before\n"


def test_kustomize_builds_what_each_cluster_gets(demo: Path) -> None:
    static, dynamic = (kustomize(demo / f"clusters/{name}") for name in ("static-cluster", "dynamic-cluster"))

    def jobs(objects: list[dict[str, Any]]) -> list[str]:
        return [one["metadata"]["namespace"] for one in objects if one["kind"] == "RayJob"]

    assert jobs(static) == ["rayjob1", "rayjob2"]
    assert jobs(dynamic) == ["rayjob3"]
    for objects, count in ((static, 2), (dynamic, 1)):
        kinds = [one["kind"] for one in objects]
        assert kinds.count("ConfigMap") == count + 1, "each job's code, and the sentinel"
        assert kinds.count("Namespace") == count


def test_removing_a_job_retires_it_and_frees_its_room(demo: Path) -> None:
    git(demo, "rm", "-rq", "workloads/rayjob1")
    git(demo, "commit", "-q", "-m", "stop job 1")
    said = skyray("reconcile", cwd=demo)
    assert said.status == 0
    assert "rayjob1/rayjob  retire  static-cluster" in said.out
    assert not (demo / "clusters/static-cluster/rayjob1").exists()
    assert not (demo / "placements/rayjob1").exists()
    assert [one["kind"] for one in kustomize(demo / "clusters/static-cluster")].count("RayJob") == 1
    text = (demo / "workloads/rayjob2/rayjob.yaml").read_text()
    commit_files(demo, {"workloads/rayjob4/rayjob.yaml": text}, "a fourth job")
    assert "rayjob4/rayjob  place   static-cluster" in skyray("reconcile", cwd=demo).out
    assert skyray("reconcile", cwd=demo).out == "nothing to do: 3 groups as before\n"


def test_it_plays_again_beside_the_first_and_leaves_that_alone(tmp_path: Path) -> None:
    said = [skyray("demo", cwd=tmp_path) for _ in range(2)]
    first = git(tmp_path / "demo", "rev-parse", "HEAD")
    assert [one.status for one in said] == [0, 0]
    assert "in demo-2/" in said[1].out
    assert "cd demo-2" in said[1].out
    assert git(tmp_path / "demo", "rev-parse", "HEAD") == first
    assert len(git(tmp_path / "demo-2", "log", "--format=%H").split()) == 8


def test_inside_another_checkout_it_commits_to_a_repo_of_its_own(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main", "project")
    head = commit_files(tmp_path / "project", {".gitignore": "/demo/\n"}, "first")
    said = skyray("demo", cwd=tmp_path / "project")
    assert said.status == 0
    assert git(tmp_path / "project", "rev-parse", "HEAD") == head
    assert git(tmp_path / "project", "status", "--porcelain") == ""
    assert git(tmp_path / "project/demo", "rev-parse", "--show-toplevel") == str(tmp_path / "project/demo")


def test_the_readme_shows_what_explain_prints_of_the_third_job(played: Path) -> None:
    said = program("explain", "rayjob3/rayjob", cwd=played / "demo")
    assert said.status == 0
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    shown = readme.split("$ skyray explain rayjob3/rayjob\n")[1].split("```")[0]
    commit = re.compile(r"(?<=^source   )[0-9a-f]{10}$", re.MULTILINE)
    assert commit.sub("COMMIT", shown) == commit.sub("COMMIT", said.out)
