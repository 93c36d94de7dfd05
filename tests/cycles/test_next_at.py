"""`next_at`: until then, planning an unchanged world again gives the same decisions, so nobody needs to plan before."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import Phase as Phases
from hypothesis import strategies as st

from reconciler.fleet.snapshot import FleetSnapshot
from reconciler.planning.pipeline import plan
from reconciler.planning.plan import Plan
from tests.capacity import seen
from tests.cycles.queues import HOUR, MINUTE, fleet_of, of, submit
from tests.cycles.random_lives import random_life
from tests.fleets import NOW, Fleet


def decided(made: Plan) -> list[tuple[object, ...]]:
    """Return what a plan decides on each group, without amounts and times."""
    found: list[tuple[object, ...]] = []
    for one in made.decisions:
        copies = tuple((copy.cluster, copy.share, copy.listed) for copy in one.copies)
        found.append((one.group, one.action, one.phase, str(one.reason), copies))
    return found


def moments(made: Plan, now: float, dice: Random) -> Iterator[float]:
    """Yield some times after `now` and before `next_at`, the last one just before it; all of a day where it is None."""
    until = made.next_at if made.next_at is not None else now + 24 * HOUR
    yield from sorted(dice.uniform(now, until) for _ in range(2))
    yield until - 0.001


def changes_too_early(fleet: Fleet, now: float, dice: Random) -> list[str]:
    """Return what other plans the unchanged world gives before `next_at` of its plan."""
    found = []
    made = fleet.plan(now=now, allow_removals=True)
    assert made.next_at is None or made.next_at > now
    for moment in moments(made, now, dice):
        later = decided(fleet.plan(now=moment, allow_removals=True))
        if later != decided(made):
            different = [one for one in later if one not in decided(made)]
            found.append(f"{moment - now:.3f} s later, {made.next_at} is next: {different}")
    return found


def waiting_gang() -> Fleet:
    """A gang waits since NOW behind a job, and a small job of another team would fit beside."""
    fleet = fleet_of(4, fairness="{holdAfter: 10m, holdFor: 5m}")
    submit(fleet, "first", workers=2)
    fleet.cycle(now=NOW - HOUR)
    submit(fleet, "big", workers=4)
    fleet.cycle(now=NOW)
    return fleet


def test_nothing_that_waits_means_that_time_changes_nothing() -> None:
    fleet = fleet_of(4)
    submit(fleet, "first")
    assert fleet.cycle(now=NOW).next_at is None
    assert fleet.plan(now=NOW).next_at is None


@pytest.mark.parametrize(
    ("minutes", "next_minute"), [(0, 10), (9, 10), (10, 15), (14, 15), (15, 20), (19, 20), (20, 25)]
)
def test_a_hold_that_begins_or_ends_is_the_next_change(minutes: int, next_minute: int) -> None:
    assert waiting_gang().plan(now=NOW + minutes * MINUTE).next_at == NOW + next_minute * MINUTE


def test_at_that_time_the_plan_is_another_one() -> None:
    fleet = waiting_gang()
    submit(fleet, "small")
    now = NOW + 10 * MINUTE
    held = fleet.plan(now=now)
    assert of(held, "small")[1] == "HeldForOlder"
    assert held.next_at is not None
    assert of(fleet.plan(now=held.next_at - 1), "small")[1] == "HeldForOlder"
    assert of(fleet.plan(now=held.next_at), "small")[1] == "FitsNow"


def test_of_two_that_wait_the_earlier_change_counts() -> None:
    fleet = waiting_gang()
    submit(fleet, "other", workers=4)
    fleet.cycle(now=NOW + 3 * MINUTE)
    assert fleet.plan(now=NOW + 4 * MINUTE).next_at == NOW + 10 * MINUTE
    assert fleet.plan(now=NOW + 11 * MINUTE).next_at == NOW + 13 * MINUTE


def live_plan(now: float) -> Plan:
    """Plan a group that waits on a live cluster, which was read at NOW."""
    fleet = fleet_of(4)
    fleet.files["inventory/c0.yaml"] = fleet.files["inventory/c0.yaml"].replace(
        b"snapshot: {file: snapshots/c0.yaml}", b"kubeconfig: {context: c0}"
    )
    submit(fleet, "big", workers=9)
    return plan(fleet.state(), FleetSnapshot({"c0": seen("c0", 4, at=NOW)}, "sha256:0"), now)


def test_a_live_snapshot_that_becomes_too_old_is_a_change_as_well() -> None:
    fresh = live_plan(NOW + 1)
    assert fresh.next_at is not None
    assert of(fresh, "big")[1] != "Unreachable"
    assert of(live_plan(fresh.next_at - 0.001), "big") == of(fresh, "big")
    assert of(live_plan(fresh.next_at + 0.001), "big")[1] == "Unreachable"
    assert live_plan(fresh.next_at + 0.001).next_at is None


@pytest.mark.parametrize("seed", range(6))
def test_before_it_nothing_changes_in_lives_that_were_tried(seed: int) -> None:
    life = random_life(seed, quotas=bool(seed % 2))
    for now in life.minutes(10):
        assert changes_too_early(life.fleet, now, Random(seed)) == [], "before its plan is carried out"
        life.fleet.cycle(now=now, allow_removals=True)
        assert changes_too_early(life.fleet, now, Random(seed)) == [], "and after"


@settings(max_examples=4, phases=[Phases.explicit, Phases.generate], suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.booleans())
def test_before_it_nothing_changes_whatever_users_do(seed: int, quotas: bool) -> None:
    life = random_life(seed, quotas=quotas)
    for now in life.minutes(8):
        life.fleet.cycle(now=now, allow_removals=True)
        assert changes_too_early(life.fleet, now, Random(seed)) == []
