"""Laws of planning, on random small fleets."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.placement.model import Action
from reconciler.planning.plan import Plan
from tests.fleets import Fleet, config_map, node, ordered, plain_clusters, policy, ray_job

QUIET = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True)
class Job:
    workers: int
    gpus: int
    fault: str = ""


FAULTS = {"file": b"kind: [\n", "namespace": b"apiVersion: v1\nkind: Namespace\nmetadata: {name: other}\n"}
JOB_FAULTS = {
    "field": (b"submissionMode: K8sJobMode", b"backoffLimit: -1"),
    "label": (b"labels: {}", b"labels: {a: 3}"),
}
JOBS = st.lists(
    st.builds(Job, st.integers(1, 4), st.integers(0, 2), st.sampled_from(["", "", "", *FAULTS, *JOB_FAULTS])),
    min_size=1,
    max_size=6,
)
FLEETS = st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=4), min_size=1, max_size=3)


def fleet_of(sizes: list[list[int]]) -> Fleet:
    """Clusters c0, c1, ... with a node for each number: how many GPUs it has."""
    clusters = plain_clusters(
        **{f"c{i}": tuple(node(f"n{j}", gpus) for j, gpus in enumerate(nodes)) for i, nodes in enumerate(sizes)}
    )
    return Fleet.of(clusters, {"p": policy("p", ordered(*clusters) + "\nplacement: {require: Fit}")})


def manifest(job: Job) -> bytes:
    whole = ray_job("train", workers=job.workers, gpus=job.gpus)
    return FAULTS[job.fault] if job.fault in FAULTS else whole.replace(*JOB_FAULTS.get(job.fault, (b"", b"")))


def commit_all(fleet: Fleet, jobs: list[Job], only: set[int] | None = None) -> None:
    for i, job in enumerate(jobs):
        if only is None or i in only:
            fleet.commit(f"workloads/team{i}/job.yaml", manifest(job))


def places(made: Plan) -> dict[str, str]:
    return {str(d.group): ",".join(d.clusters) for d in made.decisions}


@QUIET
@given(FLEETS, JOBS)
def test_the_plan_of_a_plans_result_is_empty(sizes: list[list[int]], jobs: list[Job]) -> None:
    fleet = fleet_of(sizes)
    commit_all(fleet, jobs)
    fleet.cycle()
    again = fleet.plan()
    assert again.drafts == ()
    assert again.changes == {}


@QUIET
@given(FLEETS, JOBS)
def test_one_cycle_or_one_a_commit_promise_no_more_than_there_is(sizes: list[list[int]], jobs: list[Job]) -> None:
    fleet = fleet_of(sizes)
    for i in range(len(jobs)):
        commit_all(fleet, jobs, {i})
        fleet.cycle()
    promised: Counter[str] = Counter()
    for key, placed in fleet.state().placements.items():
        job = jobs[int(key.namespace.removeprefix("team"))]
        for cluster_ in placed.clusters:
            promised[cluster_] += job.workers * job.gpus
    for i, nodes in enumerate(sizes):
        assert promised[f"c{i}"] <= sum(nodes)


@QUIET
@given(FLEETS, JOBS, st.randoms(use_true_random=False))
def test_the_order_of_files_and_clusters_does_not_matter(sizes: list[list[int]], jobs: list[Job], dice: Random) -> None:
    fleet = fleet_of(sizes)
    commit_all(fleet, jobs)
    assert fleet.shuffled(dice).plan() == fleet.plan()


@QUIET
@given(FLEETS, JOBS)
def test_removing_a_rejected_workload_changes_nothing_else(sizes: list[list[int]], jobs: list[Job]) -> None:
    fleet, without = fleet_of(sizes), fleet_of(sizes)
    commit_all(fleet, jobs)
    made = fleet.plan()
    commit_all(without, jobs, {i for i, job in enumerate(jobs) if not job.fault})
    rejected = {str(d.group) for d in made.decisions if d.action is Action.REJECT}
    assert len(rejected) == sum(bool(job.fault) for job in jobs)
    assert places(without.plan()) == {group: at for group, at in places(made).items() if group not in rejected}


@QUIET
@given(FLEETS, JOBS)
def test_groups_are_placed_whole_on_one_cluster_or_not_at_all(sizes: list[list[int]], jobs: list[Job]) -> None:
    fleet = fleet_of(sizes)
    commit_all(fleet, jobs)
    for made in (fleet.cycle(), fleet.plan()):
        for decision in made.decisions:
            assert len(decision.clusters) == (decision.action in {Action.PLACE, Action.KEEP})


@QUIET
@given(FLEETS, JOBS, st.integers(0, 8))
def test_a_crash_between_any_two_commits_converges_to_the_same_tree(
    sizes: list[list[int]], jobs: list[Job], stop: int
) -> None:
    whole, crashed = fleet_of(sizes), fleet_of(sizes)
    for fleet in (whole, crashed):
        fleet.files["workloads/team0/code.yaml"] = config_map("code")
        commit_all(fleet, jobs)
    whole.cycle()
    for draft in crashed.plan().drafts[:stop]:
        for path, data in draft.changes.items():
            if data is None:
                del crashed.files[path]
            else:
                crashed.files[path] = data
    crashed.cycle()
    assert {p: d for p, d in crashed.rendered().items() if p.startswith("clusters/")} == {
        p: d for p, d in whole.rendered().items() if p.startswith("clusters/")
    }
