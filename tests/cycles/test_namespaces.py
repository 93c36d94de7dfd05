"""Namespaces in whole cycles: what users write of them is rendered, and no folder's name leads anywhere else."""

from __future__ import annotations

from reconciler.planning.pipeline import plan
from reconciler.planning.plan_cache import PlanCache
from tests.fleets import NOW, pinned, ray_job, static_and_dynamic, text


def test_the_namespace_that_users_wrote_is_rendered_with_its_labels() -> None:
    fleet = static_and_dynamic()
    fleet.commit(
        "workloads/team1/ns.yaml", text("apiVersion: v1\nkind: Namespace\nmetadata: {name: team1, labels: {a: b}}")
    )
    fleet.commit("workloads/team1/job.yaml", ray_job("train"))
    fleet.cycle()
    assert b"a: b" in fleet.files["clusters/static/team1/namespace.yaml"]


def test_a_hostile_namespace_folder_cannot_name_a_path() -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/Bad Name/job.yaml", ray_job("train"))
    fleet.commit("workloads/../job.yaml", ray_job("train"))
    made = fleet.cycle()
    assert made.decisions == ()
    assert all(".." not in path and " " not in path for path in fleet.rendered())


def test_a_new_label_of_a_namespace_reaches_every_cluster_in_the_first_commit_of_the_next_cycle() -> None:
    fleet = static_and_dynamic()
    namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: team1, labels: {tier: %s}}"
    fleet.commit("workloads/team1/ns.yaml", text(namespace % "bronze"))
    fleet.commit("workloads/team1/here.yaml", ray_job("here", workers=1))
    fleet.commit("workloads/team1/there.yaml", pinned(ray_job("there", workers=1), "dynamic"))
    fleet.cycle()
    cache = PlanCache()
    assert plan(fleet.state(), fleet.snapshot(), NOW, cache=cache).drafts == ()
    paths = [f"clusters/{name}/team1/namespace.yaml" for name in ("dynamic", "static")]
    assert all(b"tier: bronze" in fleet.files[path] for path in paths)
    fleet.commit("workloads/team1/ns.yaml", text(namespace % "gold"))
    fleet.commit("workloads/team2/job.yaml", ray_job("train", workers=1))
    made = plan(fleet.state(), fleet.snapshot(), NOW, cache=cache)
    assert made.drafts == fleet.cycle().drafts, "what is remembered of the old label is no excuse"
    first = made.drafts[0]
    assert first.subject == "render dynamic, static"
    assert [path for path in sorted(first.changes) if path.endswith("namespace.yaml")] == paths
    assert all(b"tier: gold" in fleet.files[path] for path in paths)
    assert b"tier" not in fleet.files["clusters/static/team2/namespace.yaml"]
    assert fleet.plan().drafts == ()
