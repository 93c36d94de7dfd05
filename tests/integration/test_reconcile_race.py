"""The whole loop against a real git server, with people pushing workloads and several SkyRays on one branch."""

from __future__ import annotations

import multiprocessing
import stat
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import PushRejected
from reconciler.fleet.snapshot import FleetSnapshot
from reconciler.planning.directories import Directories
from reconciler.planning.files import Files
from reconciler.planning.namespaces import Sources
from reconciler.planning.plan_cache import PlanCache
from reconciler.planning.state import RepoState, read_state
from reconciler.repo.repository import GitRepo
from reconciler.service.capacity import CapacityReader
from reconciler.service.cycle import Reconciler
from reconciler.service.reading import files_of
from tests.fleets import NOW, cluster, fleet_file, nodes, ordered, picture, policy, ray_job
from tests.integration.git_http import GIT, GitServer, commit_files, contents, git, served_fleet

CLUSTERS = ("c1", "c2", "c3")
GPUS = 4
"""Each cluster has so many nodes with one GPU each, and none can be added."""
PEOPLE = ("ada", "grace", "radia")
JOBS = 3
"""Each person commits so many jobs of two GPUs: together more than the fleet holds."""
ROOM = len(CLUSTERS) * GPUS // 2
MAX_CYCLES = 300


def fleet_files() -> dict[str, str]:
    files = {"fleet.yaml": fleet_file().decode()}
    for name in CLUSTERS:
        files[f"inventory/{name}.yaml"] = cluster(name).decode()
        files[f"snapshots/{name}.yaml"] = picture(name, *nodes(GPUS)).decode()
    rule = ordered(*CLUSTERS) + "\nplacement: {require: Fit}"
    return files | {"policies/fill.yaml": policy("fill", rule).decode()}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with served_fleet(tmp_path / "srv", fleet_files()) as running:
        yield running


Capacity = Callable[[RepoState, float], FleetSnapshot]


def robot(url: str, cache: Path, capacity: Capacity | None = None, now: Callable[[], float] = time.time) -> Reconciler:
    repo = GitRepo.open(url, cache_dir=cache)
    return Reconciler(repo, capacity or CapacityReader(environment={}), now=now, sleep=lambda _: None)


def push_job(person: Path, namespace: str, workers: int = 2) -> str:
    """Commit a job as a person does, and push it; when rejected, rebase and push again."""
    path = f"workloads/{namespace}/job.yaml"
    commit_files(person, {path: ray_job("train", workers=workers).decode()}, f"add {namespace}")
    for _ in range(300):
        git(person, "push", "-q", "origin", "HEAD:main", check=False)
        git(person, "pull", "-q", "--rebase", "origin", "main", check=False)
        if not git(person, "rev-list", "origin/main..HEAD"):
            return path
    raise AssertionError(f"{namespace} never got through")


def places(files: dict[str, str]) -> Counter[tuple[str, str]]:
    """Return (namespace, cluster) of every rendered RayJob."""
    jobs = (path.split("/") for path in files if path.startswith("clusters/") and "/rayjob-train.yaml" in path)
    return Counter((parts[2], parts[1]) for parts in jobs)


def no_double_booking(fleet: Path, revision: str) -> None:
    """Check one revision, read by plain git: every job stands once, and no cluster has more than its room."""
    names = git(fleet, "ls-tree", "-r", "--name-only", revision, "clusters/").split("\n")
    found = places(dict.fromkeys(names, ""))
    assert set(found.values()) <= {1}, revision
    by_namespace = Counter(namespace for namespace, _ in found)
    assert set(by_namespace.values()) <= {1}, f"{revision}: placed twice: {by_namespace}"
    by_cluster = Counter(where for _, where in found)
    assert all(2 * jobs <= GPUS for jobs in by_cluster.values()), f"{revision}: double booked: {by_cluster}"


def a_clean_render(url: str, cache: Path) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Return what is under `clusters/` at the tip, and what the records and workloads alone make of it.

    Only the sentinels are kept: they name the commit that last changed a directory, and are renewed when it changes.
    """
    repo = GitRepo.open(url, cache_dir=cache)
    files = files_of(repo.tree(repo.head()))
    there = {path: data for path, data in files.contents.items() if path.startswith("clusters/")}
    kept = {p: d for p, d in files.contents.items() if p not in there or p.endswith("/skyray.yaml")}
    state = read_state(repo.head(), Files(kept), Sources(lambda _: {}))
    fresh = {path: data for path, data in state.files.contents.items() if path.startswith("clusters/")}
    for path, data in Directories(state, PlanCache()).repair().items():
        assert data is not None, path
        fresh[path] = data
    return there, fresh


def _person(url: str, home: Path, name: str, faults: list[str]) -> None:
    try:
        git(home, "clone", "-q", url, name)
        for number in range(JOBS):
            push_job(home / name, f"{name}{number}")
    except (OSError, AssertionError) as error:
        faults.append(f"{name}: {error!r}")


def _robot(url: str, cache: Path, done: Callable[[], bool], faults: list[str]) -> None:
    """Reconcile until a whole cycle that began after the people were done had nothing to do."""
    try:
        runner = robot(url, cache)
        for _ in range(MAX_CYCLES):
            last = done()
            try:
                cycle = runner.run()
            except PushRejected:
                continue
            if last and not cycle.published.changed:
                return
        faults.append(f"{cache.name}: no rest after {MAX_CYCLES} cycles")
    except Exception as error:  # noqa: BLE001  (whatever ends a robot fails the test, also in another process)
        faults.append(f"{cache.name}: {error!r}")


def _robot_process(url: str, cache: Path, done: Any, told: Any) -> None:
    faults: list[str] = []
    _robot(url, cache, done.is_set, faults)
    told.put(faults)


def test_people_and_three_robots_lose_nothing_and_book_nothing_twice(
    server: GitServer, fleet: Path, tmp_path: Path
) -> None:
    url, faults = server.url("fleet.git"), list[str]()
    spawn = multiprocessing.get_context("spawn")
    told, done = spawn.Queue(), spawn.Event()
    process = spawn.Process(target=_robot_process, args=(url, tmp_path / "robot-c", done, told))
    robots = [
        threading.Thread(target=_robot, args=(url, tmp_path / name, done.is_set, faults))
        for name in ("robot-a", "robot-b")
    ]
    people = [threading.Thread(target=_person, args=(url, tmp_path, name, faults)) for name in PEOPLE]
    process.start()
    for thread in (*robots, *people):
        thread.start()
    for thread in people:
        thread.join()
    done.set()
    for thread in robots:
        thread.join()
    faults += told.get(timeout=120)
    process.join()
    assert faults == []

    files = contents(fleet)
    job = ray_job("train").decode().strip()
    wanted = {f"workloads/{name}{n}/job.yaml": job for name in PEOPLE for n in range(JOBS)}
    assert {path: data for path, data in files.items() if path.startswith("workloads/")} == wanted
    assert sum(places(files).values()) == ROOM, "the fleet is as full as it can be"
    records = [path for path in files if path.startswith("placements/")]
    assert sorted(records) == sorted(f"placements/{name}{n}/rayjob-train.yaml" for name in PEOPLE for n in range(JOBS))

    commits = git(fleet, "log", "--first-parent", "--format=%H", "main").split("\n")
    for commit in commits:
        no_double_booking(fleet, commit)
    people_wrote = git(fleet, "log", "--format=%H", "--author=Ada", "main", "--", "clusters", "placements")
    assert people_wrote == "", "only SkyRay writes its own folders"
    robots_wrote = git(fleet, "log", "--format=%H", "--author=SkyRay", "main", "--", "workloads", "inventory")
    assert robots_wrote == "", "SkyRay writes its own folders only"
    assert git(fleet, "fsck", "--strict", "--no-dangling") == ""

    last = robot(url, tmp_path / "last").run()
    assert not last.published.changed
    there, fresh = a_clean_render(url, tmp_path / "fresh")
    assert there == fresh
    assert len(there) == 3 * ROOM + 2 * len(CLUSTERS)


def test_a_person_who_pushes_between_read_and_push_is_planned_with(
    server: GitServer, fleet: Path, person: Path, tmp_path: Path
) -> None:
    push_job(person, "first")
    look = CapacityReader(environment={})
    seen: list[str] = []

    def capacity(state: RepoState, now: float) -> FleetSnapshot:
        seen.append(state.revision)
        if len(seen) == 1:
            push_job(person, "second")
        return look(state, now)

    cycle = robot(server.url("fleet.git"), tmp_path / "cache", capacity).run()
    assert cycle.published.attempts == 2
    theirs = git(person, "rev-parse", "HEAD")
    assert seen[1] == theirs == cycle.state.revision == cycle.published.base
    assert {str(d.group) for d in cycle.plan.decisions} == {"first/rayjob-train", "second/rayjob-train"}
    files = contents(fleet)
    assert set(places(files)) == {("first", "c1"), ("second", "c1")}
    assert git(fleet, "merge-base", theirs, "main") == theirs


@pytest.mark.parametrize("later", [0, 60])
def test_the_robot_that_loses_a_race_plans_again_and_finds_it_done(
    later: int, server: GitServer, fleet: Path, person: Path, tmp_path: Path
) -> None:
    """In the same second both make the very same commits, so the loser's push has landed already."""
    push_job(person, "team")
    url, look = server.url("fleet.git"), CapacityReader(environment={})
    winner = robot(url, tmp_path / "winner", now=lambda: NOW)
    wins: list[str] = []

    def capacity(state: RepoState, now: float) -> FleetSnapshot:
        if not wins:
            wins.append(winner.run().published.tip)
        return look(state, now)

    lost = robot(url, tmp_path / "loser", capacity, now=lambda: NOW + later).run().published
    assert (lost.attempts, lost.changed) == ((2, False) if later else (1, True))
    assert git(fleet, "rev-parse", "main") == lost.tip == wins[0]
    assert set(places(contents(fleet))) == {("team", "c1")}
    assert git(fleet, "rev-list", "--count", "--author=SkyRay", "main") == "2", "the directories, and the placement"


def test_a_branch_that_never_rests_is_given_up_with_a_reason_and_nothing_is_overwritten(
    server: GitServer, fleet: Path, person: Path, tmp_path: Path
) -> None:
    look, pushed = CapacityReader(environment={}), list[str]()

    def capacity(state: RepoState, now: float) -> FleetSnapshot:
        pushed.append(push_job(person, f"team{len(pushed)}"))
        return look(state, now)

    with pytest.raises(PushRejected, match="lost the race for main 20 times"):
        robot(server.url("fleet.git"), tmp_path / "cache", capacity).run()
    assert len(pushed) == 20
    assert set(pushed) <= set(contents(fleet))
    assert not places(contents(fleet))


def test_own_commits_start_no_new_work(server: GitServer, fleet: Path, person: Path, tmp_path: Path) -> None:
    push_job(person, "team")
    push_job(person, "big", workers=9)
    runner = robot(server.url("fleet.git"), tmp_path / "cache")
    assert runner.run().published.changed
    tip, kept = git(fleet, "rev-parse", "main"), git(fleet, "for-each-ref", "refs/skyray")
    assert kept
    for fresh in (False, True, False, True):
        again = robot(server.url("fleet.git"), tmp_path / "other") if fresh else runner
        assert not again.run().published.changed
    assert git(fleet, "rev-parse", "main") == tip
    assert git(fleet, "for-each-ref", "refs/skyray") == kept


def test_a_push_whose_answer_is_lost_is_not_done_twice(
    server: GitServer, fleet: Path, person: Path, tmp_path: Path
) -> None:
    push_job(person, "team")
    server.lose_answer = "drop"
    runner = robot(server.url("fleet.git"), tmp_path / "cache")
    assert runner.run().published.changed
    subjects = git(fleet, "log", "--format=%s", "--author=SkyRay", "main").split("\n")
    assert subjects.count("place team/rayjob-train on c1") == 1
    assert not runner.run().published.changed


@pytest.fixture
def ssh_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A program in ssh's place that runs what it is asked to run here, with git's own server."""
    script = tmp_path / "ssh-stand-in"
    script.write_text(
        f"#!{sys.executable}\nimport os, shlex, sys\n"
        'if "-G" in sys.argv:\n    sys.exit(1)\n'
        "command = shlex.split(sys.argv[-1])\n"
        f"os.execv({GIT!r}, [{GIT!r}, command[0].removeprefix('git-'), *command[1:]])\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(script))
    monkeypatch.setenv("GIT_SSH_VARIANT", "ssh")
    return "ssh://git@fleet.example"


@pytest.mark.parametrize("scheme", ["http", "file", "ssh"])
def test_a_cycle_runs_over_every_transport(
    scheme: str, server: GitServer, fleet: Path, person: Path, tmp_path: Path, ssh_stand_in: str
) -> None:
    push_job(person, "team")
    url = {"http": server.url("fleet.git"), "file": fleet.as_uri(), "ssh": f"{ssh_stand_in}{fleet}"}[scheme]
    assert robot(url, tmp_path / "cache").run().published.changed
    assert set(places(contents(fleet))) == {("team", "c1")}
