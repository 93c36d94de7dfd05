"""When a running service plans anew, and when the plan that changed nothing still holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.fleet.snapshot import FleetSnapshot
from reconciler.planning.state import RepoState
from reconciler.repo.repository import GitRepo
from reconciler.service.cycle import Reconciler
from tests.commands import checkout_of
from tests.cycles.queues import HOUR, MINUTE, fleet_of, submit
from tests.fleets import NOW, config_map
from tests.integration.git_http import commit_files


class Service:
    """A service on a checkout with one placed job and one that waits for capacity, at rest since `NOW`."""

    def __init__(self, folder: Path) -> None:
        fleet = fleet_of(4, fairness="{holdAfter: 10m, holdFor: 5m}")
        submit(fleet, "first", workers=2)
        fleet.cycle(now=NOW - HOUR)
        submit(fleet, "big", workers=4)
        self.checkout = checkout_of(fleet, folder / "fleet")
        self.capacity = fleet.snapshot()
        self.now = NOW
        self.reconciler = Reconciler(GitRepo.open(self.checkout), self._seen, now=lambda: self.now)
        self.reconciler.run()
        self.resting = self.reconciler.run().plan
        assert not self.resting.drafts

    def _seen(self, _state: RepoState, _now: float) -> FleetSnapshot:
        return self.capacity


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


def test_on_the_same_revision_and_capacity_the_plan_that_changed_nothing_is_taken_again(service: Service) -> None:
    assert service.reconciler.run().plan is service.resting


def test_at_its_next_at_a_plan_is_made_again(service: Service) -> None:
    next_at = service.resting.next_at
    assert next_at == NOW + 10 * MINUTE
    service.now = next_at - 1
    assert service.reconciler.run().plan is service.resting
    service.now = next_at
    assert service.reconciler.run().plan is not service.resting


def test_other_capacity_is_planned_on(service: Service) -> None:
    service.capacity = replace(service.capacity, digest="sha256:other")
    assert service.reconciler.run().plan is not service.resting


def test_another_revision_is_planned_on(service: Service) -> None:
    commit_files(service.checkout, {"workloads/team/more.yaml": config_map("more").decode()}, "more")
    assert service.reconciler.run().plan is not service.resting
