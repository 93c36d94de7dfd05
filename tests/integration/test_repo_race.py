"""Many writers on one branch: people with plain git, robots with the publish loop, over a real http server."""

import multiprocessing
import threading
from pathlib import Path
from typing import Any

from reconciler.errors import RepoError
from reconciler.repo.publish import Proposal, RetryPolicy, publish_loop
from reconciler.repo.repository import GitRepo
from reconciler.repo.writer import Author, CommitDraft
from tests.integration.git_http import commit_files, contents, git, served_fleet

ROUNDS = 4
PATIENT = RetryPolicy(attempts=200, first=0.01, cap=0.05)


def _person(url: str, home: Path, name: str, faults: list[str]) -> None:
    """Commit and push as a person does: when rejected, rebase and push again."""
    try:
        git(home, "clone", "-q", url, name)
        for number in range(ROUNDS):
            commit_files(home / name, {f"workloads/{name}/{number}.yaml": f"{name} {number}"}, f"{name} {number}")
            for _ in range(200):
                done = git(home / name, "push", "-q", "--porcelain", "origin", "main", check=False)
                git(home / name, "pull", "-q", "--rebase", check=False)
                if not git(home / name, "rev-list", "origin/main..HEAD"):
                    break
            else:
                faults.append(f"{name} never got through: {done}")
    except (OSError, AssertionError) as error:
        faults.append(repr(error))


def _robot(url: str, home: Path, name: str, faults: list[str]) -> None:
    """Write, each round, one file per workload seen, and a file of its own; both are planned on the tip."""
    try:
        repo = GitRepo.open(url, cache_dir=home / f"cache-{name}")
        for number in range(ROUNDS):

            def plan(base: str, number: int = number) -> Proposal:
                seen = "\n".join(repo.tree(base).paths("workloads/"))
                return Proposal(
                    (
                        CommitDraft(f"{name} {number}", changes={f"clusters/{name}/{number}": f"{number}".encode()}),
                        CommitDraft(f"{name} sees", changes={"placements/seen": f"{name} {number}\n{seen}".encode()}),
                    ),
                    {f"{name}-{number}.json": lambda: b"{}"},
                )

            publish_loop(repo, plan, Author(name, f"{name}@example.com"), policy=PATIENT)
    except RepoError as error:
        faults.append(repr(error))


def _robot_process(url: str, home: Path, name: str, queue: Any) -> None:
    faults: list[str] = []
    _robot(url, home, name, faults)
    queue.put(faults)


def test_nothing_is_lost_and_nothing_written_over_among_people_and_robots(tmp_path: Path) -> None:
    fleet = tmp_path / "srv/fleet.git"
    faults: list[str] = []
    spawn = multiprocessing.get_context("spawn")
    with served_fleet(tmp_path / "srv", {"fleet.yaml": "kind: Fleet"}) as server:
        first = git(fleet, "rev-parse", "main")
        url = server.url("fleet.git")
        queue = spawn.Queue()
        process = spawn.Process(target=_robot_process, args=(url, tmp_path, "robot-c", queue))
        process.start()
        threads = [
            *(threading.Thread(target=_person, args=(url, tmp_path, name, faults)) for name in ("ada", "grace")),
            *(threading.Thread(target=_robot, args=(url, tmp_path, name, faults)) for name in ("robot-a", "robot-b")),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        faults += queue.get(timeout=60)
        process.join()
    assert faults == []
    files = contents(fleet)
    people = {f"workloads/{name}/{n}.yaml": f"{name} {n}" for name in ("ada", "grace") for n in range(ROUNDS)}
    robots = {f"clusters/robot-{name}/{n}": str(n) for name in "abc" for n in range(ROUNDS)}
    assert {path: text for path, text in files.items() if path != "placements/seen"} == {
        "fleet.yaml": "kind: Fleet",
        **people,
        **robots,
    }
    snapshots = contents(fleet, "refs/skyray/snapshots")
    assert set(snapshots) == {f"robot-{name}-{n}.json" for name in "abc" for n in range(ROUNDS)}
    # Every robot commit was planned on exactly the tree it stands on: it saw all workloads that were there.
    seen = git(fleet, "log", "--format=%H", "main", "--", "placements/seen").split("\n")
    assert len(seen) == 3 * ROUNDS
    for commit in seen:
        there = git(fleet, "ls-tree", "-r", "--name-only", commit, "workloads/").split("\n")
        assert git(fleet, "show", f"{commit}:placements/seen").split("\n")[1:] == [path for path in there if path]
    assert git(fleet, "merge-base", first, "main") == first
    assert git(fleet, "fsck", "--strict", "--no-dangling") == ""
