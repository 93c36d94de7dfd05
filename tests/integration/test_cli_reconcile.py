"""`skyray reconcile` as a user meets it: in a checkout, with a remote behind it, on an address, and watching."""

from __future__ import annotations

import json
import os
import pstats
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.errors import SkyRayError
from reconciler.repo.repository import GitRepo
from reconciler.service.capacity import CapacityReader
from reconciler.service.cycle import Cycle, Reconciler
from tests.commands import PROGRAM, checkout_of, environment, fleet_with_job, program, skyray, unchanged, write
from tests.fleets import ray_job, static_and_dynamic
from tests.integration.git_http import GitServer, commit_files, contents, git

PLACED = "place team1/rayjob-train on static"


@pytest.fixture
def top(tmp_path: Path) -> Path:
    return checkout_of(fleet_with_job(), tmp_path / "fleet")


@pytest.fixture
def server(top: Path, tmp_path: Path) -> Iterator[GitServer]:
    """A server whose `fleet.git` is what the checkout `top` comes from."""
    (tmp_path / "srv").mkdir()
    git(tmp_path / "srv", "clone", "-q", "--bare", str(top), "fleet.git")
    with GitServer(tmp_path / "srv") as running:
        git(top, "remote", "add", "origin", running.url("fleet.git"))
        git(top, "fetch", "-q")
        git(top, "branch", "-q", "--set-upstream-to", "origin/main")
        yield running


def test_a_checkout_gets_commits_and_its_files_follow(top: Path) -> None:
    said = skyray("reconcile", cwd=top)
    assert (said.status, said.err) == (0, "")
    assert "team1/rayjob-train  place   static" in said.out
    assert said.out.splitlines()[-1] == f"2 commits, now at {git(top, 'rev-parse', 'HEAD')[:10]}; 0 groups as before"
    assert git(top, "log", "--format=%s").split("\n") == [PLACED, "render dynamic, static", "a fleet"]
    assert (top / "clusters/static/team1/rayjob-train/rayjob-train.yaml").is_file()
    assert git(top, "status", "--porcelain") == ""
    again = skyray("reconcile", cwd=top)
    assert (again.status, again.out) == (0, "nothing to do: 1 group as before\n")


def test_more_new_groups_than_a_cycle_holds_are_placed_in_several_cycles_of_one_run(top: Path) -> None:
    settings = (
        (top / "fleet.yaml")
        .read_bytes()
        .replace(b"{engine: argocd", b"{engine: argocd, limits: {decisionsPerCycle: 1}")
    )
    write(top, {"fleet.yaml": settings, "workloads/team2/job.yaml": ray_job("train", workers=1)})
    git(top, "add", "-A")
    git(top, "commit", "-q", "-m", "more")
    said = skyray("plan", cwd=top)
    assert said.out.splitlines()[-1] == "1 group is left for the next cycle (limits.decisionsPerCycle)."
    assert json.loads(skyray("plan", "-o", "json", cwd=top).out)["leftForNextCycle"] == 1
    said = skyray("reconcile", "-o", "json", cwd=top)
    document = json.loads(said.out)
    assert document["leftForNextCycle"] == 0
    assert document["published"] == git(top, "rev-parse", "HEAD")
    assert [one["action"] for one in document["decisions"]] == ["place", "place"]
    subjects = git(top, "log", "--format=%s").split("\n")
    assert sorted(subjects[:2]) == [PLACED, "place team2/rayjob-train on static"]
    again = skyray("reconcile", cwd=top)
    assert again.out == "nothing to do: 2 groups as before\n"


def test_a_profile_tells_where_the_time_of_a_run_went(top: Path, tmp_path: Path) -> None:
    file = tmp_path / "cycle.pstats"
    assert skyray("reconcile", "--profile", str(file), cwd=top).status == 0
    functions = pstats.Stats(str(file)).get_stats_profile().func_profiles.keys()
    assert {"plan", "read_revision", "publish_loop"} <= functions


def test_a_profile_that_cannot_be_written_is_an_error_before_anything_is_done(top: Path, tmp_path: Path) -> None:
    before = git(top, "rev-parse", "HEAD")
    said = skyray("reconcile", "--profile", str(tmp_path / "none/cycle.pstats"), cwd=top)
    assert said.status == 2
    assert "none/cycle.pstats: cannot be written: No such file or directory" in said.err
    assert git(top, "rev-parse", "HEAD") == before


def test_uncommitted_files_are_neither_read_nor_touched(top: Path) -> None:
    write(top, {"workloads/team2/job.yaml": ray_job("train"), "policies/spill.yaml": b"kind: [", "notes.txt": b"mine"})
    git(top, "add", "notes.txt")
    before = git(top, "status", "--porcelain", "-uall")
    assert skyray("reconcile", cwd=top).status == 0
    assert git(top, "status", "--porcelain", "-uall") == before
    assert (top / "policies/spill.yaml").read_bytes() == b"kind: ["
    assert not (top / "placements/team2").exists()
    assert (top / "placements/team1").exists()


def test_an_uncommitted_change_in_skyrays_way_is_kept_and_nothing_is_committed(top: Path) -> None:
    write(top, {"clusters/static/skyray.yaml": b"mine"})
    with unchanged(top):
        said = skyray("reconcile", cwd=top)
        assert (said.status, said.out) == (3, "")
        assert "clusters/static/skyray.yaml" in said.err
        assert "commit or stash" in said.err
    assert (top / "clusters/static/skyray.yaml").read_bytes() == b"mine"


def test_commits_land_on_the_branch_that_is_checked_out(top: Path) -> None:
    main = git(top, "rev-parse", "main")
    git(top, "checkout", "-q", "-b", "try-it")
    assert skyray("reconcile", cwd=top).status == 0
    assert git(top, "rev-parse", "main") == main
    assert git(top, "log", "-1", "--format=%s", "try-it") == PLACED


def test_a_detached_head_can_be_planned_but_not_committed_to(top: Path) -> None:
    git(top, "checkout", "-q", "--detach")
    with unchanged(top):
        assert skyray("plan", cwd=top).status == 0
        said = skyray("reconcile", cwd=top)
        assert said.status == 3
        assert "detached HEAD" in said.err


@pytest.mark.usefixtures("server")
def test_push_takes_the_branch_and_the_snapshots_to_where_it_comes_from(top: Path, tmp_path: Path) -> None:
    assert skyray("reconcile", "--push", cwd=top).status == 0
    fleet = tmp_path / "srv/fleet.git"
    assert git(fleet, "rev-parse", "main") == git(top, "rev-parse", "HEAD")
    assert git(fleet, "log", "-1", "--format=%s", "main") == PLACED
    kept = git(fleet, "log", "-1", "--format=%(trailers:key=SkyRay-Snapshot,valueonly)", "main").strip()
    assert list(contents(fleet, "refs/skyray/snapshots")) == [f"{kept.removeprefix('sha256:')}.json"]
    assert skyray("reconcile", "--push", cwd=top).out.startswith("nothing to do")


def test_push_onto_work_that_the_checkout_lacks_is_refused_with_the_remedy(
    top: Path, server: GitServer, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "-q", server.url("fleet.git"), "other")
    commit_files(tmp_path / "other", {"workloads/team2/job.yaml": "{}"}, "theirs")
    git(tmp_path / "other", "push", "-q")
    said = skyray("reconcile", "--push", cwd=top)
    assert said.status == 3
    assert "pull first" in said.err
    assert git(tmp_path / "srv/fleet.git", "log", "-1", "--format=%s", "main") == "theirs"


def test_push_without_an_upstream_is_refused_before_anything_is_written(top: Path) -> None:
    with unchanged(top):
        said = skyray("reconcile", "--push", cwd=top)
        assert (said.status, said.out) == (3, "")
        assert "git push -u origin main" in said.err


def test_push_is_meant_for_checkouts_only(top: Path, server: GitServer) -> None:
    said = skyray("reconcile", "--push", "--repo", server.url("fleet.git"), cwd=top)
    assert (said.status, said.out) == (2, "")
    assert "--push is for a checkout" in said.err


@pytest.mark.parametrize("kind", ["bare", "file", "http"])
def test_a_repository_without_files_is_written_directly(
    kind: str, top: Path, server: GitServer, tmp_path: Path
) -> None:
    fleet = tmp_path / "srv/fleet.git"
    where = {"bare": str(fleet), "file": fleet.as_uri(), "http": server.url("fleet.git")}[kind]
    said = skyray("reconcile", "--repo", where, "-o", "json", cwd=tmp_path / "fleet")
    assert (said.status, said.err) == (0, "")
    assert json.loads(said.out)["published"] == git(fleet, "rev-parse", "main")
    assert git(fleet, "log", "-1", "--format=%s", "main") == PLACED
    assert git(top, "log", "-1", "--format=%s") == "a fleet", "a checkout elsewhere stays as it is"


def test_credentials_in_an_address_are_never_printed(top: Path, tmp_path: Path) -> None:
    with GitServer(tmp_path, login=("ada", "s3cret-token")) as server:
        address = server.url("fleet/.git", login="ada:wrong-token")
        said = program("reconcile", "--repo", address, cwd=top)
        assert (said.status, said.out) == (3, "")
        assert "wrong-token" not in said.err
        assert "check the credentials" in said.err


def test_the_guard_stops_a_mass_removal_until_it_is_allowed_once(top: Path) -> None:
    for i in range(2, 5):
        write(top, {f"workloads/team{i}/job.yaml": ray_job("train", workers=1)})
    commit_files(top, {}, "more")
    assert skyray("reconcile", cwd=top).status == 0
    git(top, "rm", "-rq", "workloads")
    git(top, "commit", "-q", "-m", "oops")
    with unchanged(top):
        said = skyray("reconcile", cwd=top)
        assert (said.status, said.out) == (3, "")
        assert "4 of 4 placements" in said.err
        assert "--allow-removals" in said.err
    planned = json.loads(skyray("plan", "-o", "json", cwd=top).out)
    assert {d["action"] for d in planned["decisions"]} == {"retire"}
    assert planned["warnings"][0].startswith("a cycle would stop here: this would remove 4 of 4 placements")
    assert "a cycle would stop here" in skyray("plan", cwd=top).err
    assert skyray("reconcile", "--allow-removals", cwd=top).status == 0
    assert not (top / "placements").exists()
    assert (top / "clusters/static/kustomization.yaml").is_file(), "a cluster's directory is never empty"
    said = skyray("reconcile", "--allow-removals", "--watch", cwd=top)
    assert said.status == 2


def test_an_invalid_workload_is_rejected_alone_and_the_status_tells(top: Path) -> None:
    write(top, {"workloads/team2/job.yaml": b"kind: [\n"})
    commit_files(top, {}, "a bad one")
    said = skyray("reconcile", cwd=top)
    assert said.status == 1
    assert "workloads/team2/job.yaml:2:1: " in said.err
    assert "Rejected" in (top / "placements/team2/file-job.yaml").read_text()
    assert (top / "clusters/static/team1/rayjob-train").is_dir()
    write(top, {"workloads/team2/job.yaml": ray_job("train", workers=1)})
    commit_files(top, {}, "mended")
    assert skyray("reconcile", cwd=top).status == 0
    assert not (top / "placements/team2/file-job.yaml").exists()
    assert (top / "clusters/static/team2/rayjob-train").is_dir()


class Stop(Exception):
    """Ends a watch from its sleep."""


def test_watching_goes_on_over_errors_and_commits_what_arrives(top: Path) -> None:
    reports: list[str] = []
    steps = iter(
        [
            {"workloads/team2/job.yaml": ray_job("train", workers=1)},
            {"policies/spill.yaml": b"kind: ["},
            {"policies/spill.yaml": static_and_dynamic().files["policies/spill.yaml"]},
            {},
        ]
    )

    def sleep(seconds: float) -> None:
        assert seconds == 15
        files = next(steps, None)
        if files is None:
            raise Stop
        write(top, files)
        commit_files(top, {}, "by hand")

    def report(result: Cycle | SkyRayError) -> None:
        reports.append(str(result) if isinstance(result, SkyRayError) else str(len(result.plan.drafts)))

    watcher = Reconciler(GitRepo.open(top), CapacityReader(environment={}), sleep=sleep)
    with pytest.raises(Stop):
        watcher.watch(15, report)
    assert reports[0] == "2"
    assert reports[1] == "1"
    assert reports[2].startswith("policies/spill.yaml:2:1:")
    assert reports[3:] == ["0", "0"]


def watching(top: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [PROGRAM, "reconcile", "--watch", "--interval", "1", *more],
        cwd=top,
        env=environment(top.parent) | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_watching_program_tells_errors_goes_on_and_ends_on_an_interrupt(top: Path, tmp_path: Path) -> None:
    good = (top / "policies/spill.yaml").read_bytes()
    write(top, {"policies/spill.yaml": b"kind: ["})
    commit_files(top, {}, "spoil")
    profile = tmp_path / "cycles.pstats"
    process = watching(top, "--profile", str(profile))
    stuck = threading.Timer(60, process.kill)
    stuck.start()
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stderr.readline().startswith("error: policies/spill.yaml:2:1: ")
    write(top, {"policies/spill.yaml": good})
    commit_files(top, {}, "mend")
    lines = [process.stdout.readline() for _ in range(3)]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    stuck.cancel()
    assert lines[2].startswith("2 commits, now at ")
    assert process.returncode == 130
    assert err.strip().splitlines()[-1] == "interrupted"
    assert "watch" in pstats.Stats(str(profile)).get_stats_profile().func_profiles
    assert git(top, "log", "-1", "--format=%s") == PLACED


def test_a_pipe_that_closes_early_is_no_error_with_a_traceback(top: Path) -> None:
    read, written = os.pipe()
    os.close(read)
    done = subprocess.run(
        [PROGRAM, "plan", "-o", "json"],
        cwd=top,
        env=environment(top.parent),
        stdout=written,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(written)
    assert done.stderr == ""
    assert done.returncode == 1


def test_a_bare_repo_is_read_and_written_on_the_branch_that_its_settings_name(top: Path, tmp_path: Path) -> None:
    git(top, "branch", "-q", "live")
    write(top, {"fleet.yaml": (top / "fleet.yaml").read_bytes().replace(b"argocd}", b"argocd, branch: live}")})
    git(top, "commit", "-qam", "work on live")
    bare = tmp_path / "bare.git"
    git(tmp_path, "clone", "-q", "--bare", str(top), str(bare))
    before = git(bare, "rev-parse", "main")
    assert skyray("reconcile", "--repo", str(bare), cwd=tmp_path).status == 0
    assert git(bare, "rev-parse", "main") == before
    assert PLACED in git(bare, "log", "--format=%s", "live")
