"""A decision is made once: the Placement and the commit say what the plan tells, word for word."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import Phase as Phases
from hypothesis import strategies as st

from reconciler.placement.decision import Decision
from reconciler.placement.placed_group import HeldCapacity
from reconciler.planning.plan import Plan
from reconciler.reasons.hold import WaitsWithHold
from reconciler.reasons.written import Written
from tests.cycles.queues import HOUR, MINUTE, submit
from tests.cycles.random_lives import random_life
from tests.cycles.spreads import DUPLICATE, deployment
from tests.fleets import NOW, Fleet, decision, named, nodes, own_policy, plain_clusters


def contradictions(fleet: Fleet, made: Plan) -> list[str]:
    """Return the groups whose committed Placement does not say what the plan tells of them.

    `fleet` is as the plan left it.
    """
    bodies = {draft.subject: draft.body for draft in made.drafts}
    found = []
    for one in made.decisions:
        path = f"placements/{one.group.namespace}/{one.group.name}.yaml"
        written = {path: data for draft in made.drafts for path, data in draft.changes.items()}.get(path)
        if written is None:
            continue
        status = yaml.safe_load(written)["status"]
        state = fleet.state().placements[one.group]
        told = _told(one)
        if (status["reason"], status["message"]) != (one.reason, one.message):
            found.append(f"{one.group}: {status['message']!r} is not {one.message!r}")
        if (state.reason, state.message, state.hold) != told:
            found.append(f"{one.group}: it is read as {state.hold}")
        if not any(body.startswith(one.message) for body in bodies.values()):
            found.append(f"{one.group}: no commit says {one.message!r}")
        held = one.after.hold if one.after else None
        if (held is not None) != ("hold" in status) or (held is not None and reserved_text(held) not in one.message):
            found.append(f"{one.group}: {status.get('hold')} beside {one.message!r}")
    return found


def reserved_text(held: HeldCapacity) -> str:
    """What a message says of the capacity that is reserved for a group."""
    return WaitsWithHold(Written("NoFit", ""), held.clusters, held.since, held.until).text


def _told(one: Decision) -> tuple[str, str, object]:
    return str(one.reason), one.message, one.after.hold if one.after else None


def partly_placed() -> Fleet:
    """A group that is placed on c0 since NOW and waits for c1, which a job has filled."""
    spread = own_policy("team", f"{DUPLICATE}\nplacement: {{require: Fit}}")
    jobs = own_policy("jobs", f"clusterSelector: {named('c1')}\npriority: 1")
    fleet = Fleet.of(plain_clusters(c0=nodes(2), c1=nodes(2)), {"team": spread, "jobs": jobs})
    submit(fleet, "jobs", workers=2)
    fleet.cycle(now=NOW - HOUR)
    fleet.commit("workloads/team/web.yaml", deployment("web", 1, "7"))
    made = decision(fleet.cycle(now=NOW), "team", "deployment-web")
    assert (made.reason, made.clusters) == ("PartlyPlaced", ("c0",))
    return fleet


def test_the_placement_of_a_partly_placed_group_has_the_hold_that_the_plan_tells() -> None:
    fleet = partly_placed()
    fleet.commit("workloads/team/web.yaml", deployment("web", 1, "8"))
    now = NOW + 10 * MINUTE
    made = fleet.cycle(now=now)
    told = decision(made, "team", "deployment-web")
    assert (told.reason, told.clusters) == ("PartlyPlaced", ("c0",))
    assert told.after is not None
    assert told.after.hold is not None
    assert reserved_text(told.after.hold) in told.message
    status = yaml.safe_load(fleet.files["placements/team/deployment-web.yaml"])["status"]
    assert status["message"] == told.message
    assert status["hold"]["clusters"] == ["c1"]
    assert fleet.plan(now=now).drafts == ()


@pytest.mark.parametrize("seed", range(6))
def test_what_is_committed_is_what_is_told_in_lives_that_were_tried(seed: int) -> None:
    life = random_life(seed, quotas=bool(seed % 2))
    for now in life.minutes(14):
        made = life.fleet.cycle(now=now, allow_removals=True)
        assert contradictions(life.fleet, made) == []


@settings(max_examples=6, phases=[Phases.explicit, Phases.generate], suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.booleans())
def test_what_is_committed_is_what_is_told_whatever_users_do(seed: int, quotas: bool) -> None:
    life = random_life(seed, quotas=quotas)
    for now in life.minutes(10):
        made = life.fleet.cycle(now=now, allow_removals=True)
        assert contradictions(life.fleet, made) == []
