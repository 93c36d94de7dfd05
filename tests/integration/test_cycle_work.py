"""A running service on a real repository starts as many git processes, and reads as much, whatever the fleet holds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from reconciler.fleet.snapshot import FleetSnapshot
from reconciler.planning.state import RepoState
from reconciler.repo.command import GitCommand
from reconciler.repo.repository import GitRepo
from reconciler.service.capacity import CapacityReader
from reconciler.service.cycle import Cycle, Reconciler
from tests.fleets import NOW, config_map, fleet_file, nodes, ordered, own_policy, plain_clusters, ray_job
from tests.integration.git_http import commit_files, git
from tests.working import arguments_of


def fleet_files(namespaces: int) -> dict[str, str]:
    """A cluster for ten namespaces, each with a job and what it mounts."""
    files = {"fleet.yaml": fleet_file().decode()}
    clusters = {f"c{number}": nodes(30) for number in range(namespaces // 10)}
    for name, (inventory, snapshot) in plain_clusters(**clusters).items():
        files[f"inventory/{name}.yaml"] = inventory.decode()
        files[f"snapshots/{name}.yaml"] = snapshot.decode()
    for number in range(namespaces):
        name = f"team{number:02}"
        files[f"policies/{name}.yaml"] = own_policy(name, ordered(f"c{number // 10}")).decode()
        files[f"workloads/{name}/train.yaml"] = ray_job("train", workers=1, config="code").decode()
        files[f"workloads/{name}/code.yaml"] = config_map("code").decode()
    return files


class Service:
    """A service that has brought a fleet of so many namespaces to rest, and a person's clone of its repository."""

    def __init__(self, folder: Path, namespaces: int) -> None:
        folder.mkdir()
        git(folder, "init", "-q", "--bare", "-b", "main", "fleet.git")
        git(folder, "clone", "-q", str(folder / "fleet.git"), "person")
        self.person = folder / "person"
        self.push(fleet_files(namespaces))
        repo = GitRepo.open(str(folder / "fleet.git"), cache_dir=folder / "cache")
        self.seen: FleetSnapshot | None = None
        self.reconciler = Reconciler(repo, self.capacity, now=lambda: NOW, sleep=lambda _: None)
        assert self.reconciler.run().plan.drafts
        assert self.reconciler.run().plan.drafts == ()

    def capacity(self, state: RepoState, now: float) -> FleetSnapshot:
        """Return the capacity as it was seen first: that of files is dated by their commit, to the second."""
        if self.seen is None:
            self.seen = CapacityReader(environment={})(state, now)
        return self.seen

    def push(self, files: dict[str, str]) -> None:
        git(self.person, "pull", "-q", "--rebase", "origin", "main", check=False)
        commit_files(self.person, files, "change")
        git(self.person, "push", "-q", "origin", "HEAD:main")

    def work(self) -> tuple[Cycle, dict[str, int], int]:
        """Return a cycle with the git commands that it starts, and how many blobs it asks git for."""
        cycles: list[Cycle] = []
        started: Counter[str] = Counter()
        blobs = 0
        seen = arguments_of(lambda: cycles.append(self.reconciler.run()), GitCommand.run, GitCommand.stream)
        for given in seen:
            command = given["arguments"]
            started[command[0]] += 1
            if command[0] == "cat-file":
                blobs += given["stdin"].count(b"\n")
        return cycles[0], dict(sorted(started.items())), blobs


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> list[Service]:
    """A service of twenty namespaces, and one of forty."""
    folder = tmp_path_factory.mktemp("services")
    return [Service(folder / str(size), size) for size in (20, 40)]


def test_where_nothing_changed_git_is_asked_for_the_tip_of_the_branch_alone(services: list[Service]) -> None:
    done = [service.work()[1:] for service in services]
    assert done[0] == done[1]
    started, blobs = done[0]
    assert blobs == 0
    assert started.keys() <= {"fetch", "rev-parse", "rev-list"}


def test_one_group_more_costs_as_many_git_processes_and_blobs_in_a_fleet_of_twice_the_size(
    services: list[Service],
) -> None:
    done = []
    for service in services:
        service.push({"workloads/team03/more.yaml": ray_job("more", workers=1).decode()})
        cycle, *work = service.work()
        assert [draft.subject for draft in cycle.plan.drafts] == ["place team03/rayjob-more on c0"]
        done.append((work, service.work()[1:]))
    assert done[0] == done[1]
    assert done[0][0][1] == 1, "the file that was added"


def test_a_rewritten_history_is_read_as_if_it_were_the_first(services: list[Service]) -> None:
    service = services[0]
    git(service.person, "pull", "-q", "--rebase", "origin", "main")
    git(service.person, "commit", "-q", "--amend", "-m", "said otherwise", "--no-edit")
    git(service.person, "push", "-q", "--force", "origin", "HEAD:main")
    cycle, *_ = service.work()
    assert cycle.plan.drafts == ()
