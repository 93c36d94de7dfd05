"""Cycles with the cache of earlier ones, each compared with a cycle that has none."""

from __future__ import annotations

from dataclasses import replace

from reconciler.errors import SkyRayError
from reconciler.fleet.snapshot import FleetSnapshot
from reconciler.planning.pipeline import plan
from reconciler.planning.plan import Plan
from reconciler.planning.plan_cache import PlanCache
from reconciler.planning.state import RepoState
from tests.fleets import NOW, Fleet


def said_by(state: RepoState | None) -> tuple[object, ...]:
    """Return what a state says, whichever way it was read."""
    if state is None:
        return ()
    operators = (state.fleet, state.clusters, state.policies, state.tenancy, state.classes, state.addons)
    return (state.revision, *operators, state.workloads, state.grouping, state.placements)


def seen_in(made: Plan | str) -> Plan | str:
    """Return a plan without what decisions that are not committed would say: their time, and their snapshot."""
    if isinstance(made, str):
        return made
    return replace(made, decisions=tuple(one if one.changed else replace(one, after=None) for one in made.decisions))


def outcome(
    fleet: Fleet, snapshot: FleetSnapshot, now: float, cache: PlanCache | None
) -> tuple[RepoState | None, Plan | str]:
    """Return what was read and planned, or the words of the error."""
    state = None
    try:
        state = fleet.state(cache)
        return state, plan(state, snapshot, now, cache)
    except SkyRayError as error:
        return state, str(error)


def compared(fleet: Fleet, cache: PlanCache, *, unreadable: tuple[str, ...] = (), now: float = NOW) -> Plan | str:
    """Return what is planned with the cache, which is the same without it, or the words of the error."""
    cache.start_generation()
    snapshot = fleet.snapshot(unreadable)
    state, made = outcome(fleet, snapshot, now, cache)
    other, expected = outcome(fleet, snapshot, now, None)
    assert (said_by(state), seen_in(made)) == (said_by(other), seen_in(expected))
    return made


def remember(fleet: Fleet, cache: PlanCache) -> Plan:
    """Plan with and without cache, compare, and carry the plan out."""
    made = compared(fleet, cache)
    assert isinstance(made, Plan)
    fleet.carry_out(made)
    return made
