"""RayJobs with a cluster selector go where their RayCluster stands, and wait where it has no place."""

from __future__ import annotations

import pytest

from reconciler.placement.model import Action
from tests.fleets import (
    GROUPED,
    Fleet,
    cpu_clusters,
    decision,
    node,
    nodes,
    ordered,
    pinned,
    policy,
    ray_cluster,
    ray_job,
    static_and_dynamic,
    text,
    where,
)

READY = "{kind: RayCluster, namespace: team1, name: big, state: ready}"


def attached(to: str = "big", labels: str = "{}") -> bytes:
    """A RayJob that runs on a RayCluster of this name."""
    return text(f"""
apiVersion: ray.io/v1
kind: RayJob
metadata: {{name: task, labels: {labels}}}
spec:
  entrypoint: python task.py
  clusterSelector: {{ray.io/cluster: {to}}}
""")


def test_a_job_with_a_cluster_selector_goes_where_its_ray_cluster_stands() -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team1/cluster.yaml", pinned(ray_cluster("big"), "dynamic"))
    fleet.cycle()
    fleet.commit("workloads/team1/job.yaml", attached())
    made = fleet.cycle()
    placed = decision(made, "team1", "rayjob-task")
    assert where(fleet)["team1/rayjob-task"] == "dynamic", "though the policy prefers static"
    elsewhere = next(c for c in placed.candidates if c.cluster == "static")
    assert elsewhere.reason == "RayClusterElsewhere"
    assert elsewhere.message == "RayCluster big, which it runs on, is on dynamic"


def test_a_ray_cluster_is_placed_before_the_job_that_selects_it_whatever_their_age() -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team1/first.yaml", ray_job("first", workers=1))
    fleet.commit("workloads/team1/job.yaml", attached())
    fleet.commit("workloads/team1/cluster.yaml", pinned(ray_cluster("big"), "dynamic"))
    made = fleet.cycle()
    assert [d.group.name for d in made.decisions] == ["rayjob-first", "raycluster-big", "rayjob-task"]
    assert where(fleet)["team1/rayjob-task"] == "dynamic"
    assert fleet.plan().drafts == ()


def test_a_job_whose_ray_cluster_has_no_place_waits_and_names_it() -> None:
    fleet = static_and_dynamic()
    fleet.show("dynamic", node("sys", gpus=0, cpu="4"), ray=(READY,))
    fleet.commit("workloads/team1/cluster.yaml", ray_cluster("big", cpu="999"))
    fleet.commit("workloads/team1/job.yaml", attached())
    waits = decision(fleet.cycle(), "team1", "rayjob-task")
    assert (waits.action, waits.reason) == (Action.WAIT, "RayClusterNotPlaced")
    assert "RayCluster big" in waits.message
    assert "team1/raycluster-big" in waits.message
    fleet.commit("workloads/team1/cluster.yaml", ray_cluster("big"))
    fleet.cycle()
    assert where(fleet)["team1/rayjob-task"] == "static"


def test_a_selected_ray_cluster_that_is_nowhere_is_an_error_that_names_the_job() -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team1/job.yaml", attached(to="bigg"))
    fleet.commit("workloads/team2/cluster.yaml", ray_cluster("bigg"))
    refused = decision(fleet.cycle(), "team1", "rayjob-task")
    assert (refused.action, refused.reason) == (Action.REJECT, "NoSuchRayCluster")
    assert refused.message.startswith("workloads/team1/job.yaml:1:1: RayJob team1/task selects RayCluster bigg")


@pytest.mark.parametrize("told", ["status", "pod"])
def test_a_ray_cluster_outside_git_is_found_where_the_snapshot_shows_it(told: str) -> None:
    fleet = static_and_dynamic()
    ray = (READY,) if told == "status" else ()
    pods = ("{namespace: team1, name: big-head, node: sys, requests: {cpu: 1}, owner: big, nodeType: head}",)
    fleet.show("dynamic", node("sys", gpus=0, cpu="4"), ray=ray, pods=pods if told == "pod" else ())
    fleet.commit("workloads/team1/job.yaml", attached())
    fleet.cycle()
    assert where(fleet)["team1/rayjob-task"] == "dynamic"


def test_a_placed_job_whose_ray_cluster_is_taken_away_is_warned_about_until_one_of_them_is_back_or_gone() -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team1/cluster.yaml", ray_cluster("big"))
    fleet.commit("workloads/team1/job.yaml", attached())
    assert fleet.cycle().warnings == ()
    fleet.commit("workloads/team1/cluster.yaml", None)
    words = (
        "workloads/team1/job.yaml:1:1: RayJob team1/task is on static, and RayCluster big, which it runs on, is gone "
        "from there: bring that back, or remove the job"
    )
    assert fleet.cycle(allow_removals=True).warnings == (words,)
    assert fleet.plan().warnings == (words,)
    assert fleet.plan(unreadable=("static",)).warnings == (), "it may be there"
    fleet.show("static", *nodes(4), ray=(READY,))
    assert fleet.plan().warnings == (), "it is still there"
    done = "{kind: RayJob, namespace: team1, name: task, jobStatus: SUCCEEDED, jobDeploymentStatus: Complete}"
    fleet.show("static", *nodes(4), ray=(done,))
    assert fleet.plan().warnings == (), "it needs it no more"


def test_an_unreadable_cluster_may_have_the_ray_cluster_so_the_job_waits() -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team1/job.yaml", attached())
    waits = decision(fleet.plan(unreadable=("dynamic",)), "team1", "rayjob-task")
    assert (waits.action, waits.reason) == (Action.WAIT, "RayClusterNotPlaced")
    assert "dynamic" in waits.message


def test_a_job_and_its_ray_cluster_in_one_group_go_together() -> None:
    fleet = static_and_dynamic(GROUPED)
    fleet.commit("workloads/team1/cluster.yaml", ray_cluster("big", labels="{app: one}"))
    fleet.commit("workloads/team1/job.yaml", attached(labels="{app: one}"))
    fleet.cycle()
    assert where(fleet)["team1/one"] == "static"


def test_a_job_that_is_pinned_away_from_its_ray_cluster_is_told_so() -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team1/cluster.yaml", ray_cluster("big"))
    fleet.commit("workloads/team1/job.yaml", pinned(attached(), "dynamic"))
    waits = decision(fleet.cycle(), "team1", "rayjob-task")
    assert (waits.action, waits.reason) == (Action.WAIT, "NoEligibleCluster")
    assert {c.cluster: c.reason for c in waits.candidates} == {
        "static": "PinnedElsewhere",
        "dynamic": "RayClusterElsewhere",
    }


def test_a_duplicated_job_stands_only_where_its_ray_cluster_does() -> None:
    fleet = static_and_dynamic()
    fleet.files["policies/spill.yaml"] = policy("spill", ordered("static"), objects="{kinds: [RayCluster]}")
    fleet.files["policies/copies.yaml"] = policy(
        "copies", "spreadConstraints: {spreadMode: Duplicate}", objects="{kinds: [RayJob]}"
    )
    fleet.commit("workloads/team1/cluster.yaml", ray_cluster("big"))
    fleet.commit("workloads/team1/job.yaml", attached())
    fleet.cycle()
    assert where(fleet)["team1/rayjob-task"] == "static"
    assert fleet.plan().drafts == (), "no copy follows to a cluster without its RayCluster"


def test_a_full_cluster_queues_a_job_whose_ray_cluster_is_only_there() -> None:
    fleet = Fleet.of(cpu_clusters(static=1, other=1), {"spill": policy("spill", ordered("static", "other"))})
    fleet.commit("workloads/team1/cluster.yaml", ray_cluster("big"))
    fleet.commit("workloads/team1/job.yaml", attached())
    made = fleet.cycle()
    assert decision(made, "team1", "rayjob-task").reason == "Queued", "there is one cluster that it may go to"
