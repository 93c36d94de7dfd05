"""Fleets on which jobs of several teams queue, and what became of them, for tests of turns."""

from __future__ import annotations

from reconciler.placement.model import Action, Phase
from reconciler.planning.plan import Plan
from reconciler.policy.model import NAME_LABEL
from tests.fleets import NOW, Fleet, decision, fleet_file, nodes, ordered, plain_clusters, policy, ray_job

MINUTE = 60.0
HOUR = 3600.0


def fleet_of(*sizes: int, fairness: str = "") -> Fleet:
    """Clusters c0, c1, ... with so many single-GPU nodes each; workloads wait where they do not fit."""
    clusters = plain_clusters(**{f"c{i}": nodes(size) for i, size in enumerate(sizes)})
    fleet = Fleet.of(clusters, {"p": policy("p", ordered(*clusters) + "\nplacement: {require: Fit}")})
    if fairness:
        fleet.files["fleet.yaml"] = fleet_file(f"fairness: {fairness}")
    return fleet


def leave_out(fleet: Fleet, namespace: str) -> None:
    """Take a namespace out of what the policy of `fleet_of` selects."""
    everywhere = b"namespaceSelector: {}"
    others = f"{{matchExpressions: [{{key: {NAME_LABEL}, operator: NotIn, values: [{namespace}]}}]}}"
    assert everywhere in fleet.files["policies/p.yaml"]
    fleet.files["policies/p.yaml"] = fleet.files["policies/p.yaml"].replace(
        everywhere, f"namespaceSelector: {others}".encode()
    )


def submit(fleet: Fleet, team: str, workers: int = 1, priority: str = "", gpus: int = 1) -> None:
    job = ray_job("train", workers=workers, gpus=gpus)
    if priority:
        worker = b"containers: [{name: ray-worker"
        assert worker in job
        job = job.replace(worker, f"priorityClassName: {priority}, ".encode() + worker)
    fleet.commit(f"workloads/{team}/train.yaml", job)


def gang_behind(fleet: Fleet, *teams: str, workers: int) -> Plan:
    """Jobs of one worker of `teams` stand for an hour, and at NOW comes the gang `big`; return the plan of then."""
    for team in teams:
        submit(fleet, team)
    fleet.cycle(now=NOW - HOUR)
    submit(fleet, "big", workers=workers)
    return fleet.cycle(now=NOW)


def end(fleet: Fleet, team: str) -> None:
    """The job of a team ends, and its owner removes it."""
    fleet.commit(f"workloads/{team}/train.yaml", None)


def of(made: Plan, team: str) -> tuple[Phase, str]:
    found = decision(made, team, "rayjob-train")
    return found.phase, str(found.reason)


def reserved_for(made: Plan, team: str) -> tuple[str, ...]:
    """The clusters on which capacity is reserved for the job of a team."""
    after = decision(made, team, "rayjob-train").after
    return after.hold.clusters if after is not None and after.hold is not None else ()


def placed(made: Plan) -> list[str]:
    return [d.group.namespace for d in made.decisions if d.action is Action.PLACE]


def minutes_until_placed(fleet: Fleet, *, room: int, workers: int, limit: int, life: int = 1) -> int | None:
    """Small jobs come as fast as they are placed, from minute 1 on beside the gang `big`; return when it is placed.

    `room` small jobs fit, and each lives for `life` minutes. In no minute a second plan would change anything.
    """
    running: dict[str, int] = {}
    for number in range(room):
        submit(fleet, f"s{number}")
    for minute in range(limit):
        if minute == 1:
            submit(fleet, "big", workers=workers)
        now = NOW + minute * MINUTE
        made = fleet.cycle(now=now, allow_removals=True)
        assert fleet.plan(now=now, allow_removals=True).drafts == ()
        running |= dict.fromkeys(placed(made), minute)
        if "big" in running:
            return minute
        # One ends a minute, the oldest first, so that never more than a little is free at once.
        oldest = min(running, key=lambda team: (running[team], team), default=None)
        if oldest is not None and minute - running[oldest] >= life:
            end(fleet, oldest)
            del running[oldest]
        submit(fleet, f"s{room + minute}")
    return None
