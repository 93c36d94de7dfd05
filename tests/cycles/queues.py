"""Fleets on which jobs of several teams queue, and what became of them, for tests of turns."""

from __future__ import annotations

from reconciler.placement.model import Action, Phase
from reconciler.planning.plan import Plan
from tests.fleets import FLEET, Fleet, cluster, decision, nodes, ordered, picture, policy, ray_job, text

MINUTE = 60.0
HOUR = 3600.0


def fleet_of(*sizes: int, fairness: str = "") -> Fleet:
    """Clusters c0, c1, ... with so many single-GPU nodes each; workloads wait where they do not fit."""
    clusters = {f"c{i}": (cluster(f"c{i}"), picture(f"c{i}", *nodes(size))) for i, size in enumerate(sizes)}
    fleet = Fleet.of(clusters, {"p": policy("p", ordered(*clusters) + "\nplacement: {require: Fit}")})
    if fairness:
        fleet.files["fleet.yaml"] = text(FLEET.replace("argocd", f"argocd, fairness: {fairness}"))
    return fleet


def submit(fleet: Fleet, team: str, workers: int = 1, priority: str = "", gpus: int = 1) -> None:
    job = ray_job("train", workers=workers, gpus=gpus)
    if priority:
        worker = b"containers: [{name: ray-worker"
        assert worker in job
        job = job.replace(worker, f"priorityClassName: {priority}, ".encode() + worker)
    fleet.commit(f"workloads/{team}/train.yaml", job)


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
