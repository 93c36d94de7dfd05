"""A plan is finished: another one, made of what it leaves in an unchanged world, would change nothing."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import Phase as Phases
from hypothesis import strategies as st

from reconciler.placement.model import Phase, Verdict
from tests.cycles.queues import MINUTE, fleet_of, gang_behind, of, placed, submit
from tests.cycles.random_lives import SPREADS, random_fleet
from tests.fleets import NOW, cluster, fleet_file, node, ordered, own_policy, picture, ray_job
from tests.tenants import quota, tenant


def test_who_waits_for_a_hold_is_told_so_only_if_a_younger_group_left_the_room() -> None:
    fleet = fleet_of(4)
    gang_behind(fleet, "small-a", "small-b", workers=3)
    submit(fleet, "middle", workers=2)
    now = NOW + 10 * MINUTE
    assert of(fleet.plan(now=now), "middle") == (Phase.PENDING, "HeldForOlder")
    submit(fleet, "late")
    made = fleet.cycle(now=now)
    assert placed(made) == ["late"]
    assert of(made, "middle") == (Phase.PENDING, Verdict.NO_FIT)
    assert fleet.plan(now=now).drafts == ()


def test_who_waits_is_told_that_younger_groups_have_used_up_the_quota() -> None:
    fleet = fleet_of(4)
    fleet.files["fleet.yaml"] = fleet_file("tenancy: Optional")
    fleet.files["policies/tenants.yaml"] = tenant("t", f"namespaces: [big, late], {quota(4)}")
    submit(fleet, "other")
    fleet.cycle()
    submit(fleet, "big", workers=4)
    assert of(fleet.plan(), "big") == (Phase.PENDING, Verdict.NO_FIT)
    submit(fleet, "late")
    made = fleet.cycle()
    assert placed(made) == ["late"]
    assert of(made, "big") == (Phase.PENDING, "QuotaExceeded")
    assert fleet.plan().drafts == ()


def test_the_turn_of_a_group_without_quota_passes_in_the_same_cycle() -> None:
    fleet = fleet_of(4)
    fleet.files["fleet.yaml"] = fleet_file("tenancy: Optional")
    fleet.files["policies/tenants.yaml"] = tenant("t", f"namespaces: [big, late], {quota(3)}")
    gang_behind(fleet, "small-a", "small-b", workers=3)
    submit(fleet, "middle", workers=2)
    now = NOW + 10 * MINUTE
    assert of(fleet.plan(now=now), "middle")[1] == "HeldForOlder"
    fleet.files["inventory/c1.yaml"], fleet.files["snapshots/c1.yaml"] = cluster("c1"), picture("c1", node("n0"))
    fleet.files["policies/late.yaml"] = own_policy("late", f"{ordered('c1')}\nplacement: {{require: Fit}}")
    submit(fleet, "late")
    made = fleet.cycle(now=now)
    assert of(made, "big") == (Phase.PENDING, "QuotaExceeded")
    assert set(placed(made)) == {"late", "middle"}, "nothing is held for a group that its quota would not let in"
    assert fleet.plan(now=now).drafts == ()


def not_finished(dice: Random, cycles: int, *, quotas: bool) -> list[str]:
    """Let jobs come and go for some cycles; return what a second plan would have committed in each of them."""
    fleet = random_fleet(dice, quotas=quotas)
    jobs: list[str] = []
    found = []
    for minute in range(cycles):
        for _ in range(dice.randint(0, 2)):
            namespace, name = dice.choice(["one", "two", "vip", "any", *SPREADS]), f"j{fleet.revision}"
            workers, gpus, cpu = (
                dice.choice([1, 1, 1, 2, 3, 4, 5]),
                dice.choice([1, 1, 2]),
                dice.choice(["1", "2", "3"]),
            )
            jobs.append(f"workloads/{namespace}/{name}.yaml")
            fleet.commit(jobs[-1], ray_job(name, workers=workers, gpus=gpus, cpu=cpu))
        if jobs and dice.randint(0, 1):
            fleet.commit(jobs.pop(dice.randrange(len(jobs))), None)
        now = NOW + minute * MINUTE
        fleet.cycle(now=now, allow_removals=True)
        again = fleet.plan(now=now + 5, allow_removals=True)
        found += [f"{minute}: {draft.subject}" for draft in again.drafts]
    return found


@pytest.mark.parametrize(
    ("seed", "cycles", "quotas"),
    [(8, 18, False), (7, 5, True), (9, 16, True), (11, 8, True), (13, 7, True), (16, 18, True)],
)
def test_the_plan_of_a_plans_result_is_empty_where_it_once_was_not(seed: int, cycles: int, quotas: bool) -> None:
    assert not_finished(Random(seed), cycles, quotas=quotas) == []


@settings(max_examples=6, phases=[Phases.explicit, Phases.generate], suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.booleans())
def test_the_plan_of_a_plans_result_is_empty_whoever_comes_and_goes(seed: int, quotas: bool) -> None:
    assert not_finished(Random(seed), 12, quotas=quotas) == []
