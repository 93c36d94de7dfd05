"""Jobs that run on an existing RayCluster: where that is, after whom they come, and why they cannot be placed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from reconciler.fleet.snapshot import ClusterSnapshot, FleetSnapshot, Pod, RayStatus, Unreadable
from reconciler.placement.placed_group import PlacedGroup
from reconciler.placement.ray_clusters import (
    RayClusters,
    lost_ray_clusters,
    selected_ray_cluster,
)
from reconciler.policy.eligibility import ClusterFacts, GroupFacts
from reconciler.reasons.eligibility import RayClusterElsewhere
from reconciler.reasons.ray_clusters import NOT_PLACED, NoSuchRayCluster
from reconciler.workloads.cluster_copy import JobResult
from reconciler.workloads.group import Group, WorkloadObject
from reconciler.workloads.workloads import Workloads, read_workloads
from tests.capacity import NOW, pod_of, seen
from tests.copies import RULES, TEAM, app, copy_on, group, job, key, placed
from tests.unit.workloads.reading import manifest, objects

TEMPLATE = "{spec: {containers: [{name: h, image: r}]}}"
RAY_CLUSTER = "spec: {headGroupSpec: {rayStartParams: {}, template: " + TEMPLATE + "}}"
(SHARED,) = objects(manifest("RayCluster", "shared", RAY_CLUSTER, "ray.io/v1"))
ON_SHARED = "spec: {entrypoint: python q.py, submissionMode: HTTPMode, clusterSelector: {ray.io/cluster: shared}}"
(QUERY,) = objects(manifest("RayJob", "query", ON_SHARED, "ray.io/v1"))
HOLDER, RUNS = group("shared", SHARED), group("query", QUERY)
NONE = read_workloads({}, {})


def index(
    *groups: Group,
    staying: Sequence[PlacedGroup] = (),
    workloads: Workloads = NONE,
    clusters: Sequence[ClusterSnapshot | Unreadable] = (),
) -> RayClusters:
    return RayClusters.of(groups, workloads, staying, FleetSnapshot({one.cluster: one for one in clusters}, ""))


def eligible(known: RayClusters, *names: str) -> list[str]:
    """Return which of these clusters the job may go to."""
    found = []
    for name in names:
        refusals = [rule.refuse(GroupFacts(RULES), ClusterFacts(name, {})) for rule in known.filters(RUNS.key)]
        assert all(one is None or (one.reason, one.stays) == (RayClusterElsewhere.code, True) for one in refusals)
        if all(one is None for one in refusals):
            found.append(name)
    return found


def reason(known: RayClusters) -> tuple[str, bool] | None:
    unmet = known.unmet(RUNS.key)
    return (unmet.why.code, unmet.waits) if unmet else None


@pytest.mark.parametrize(("item", "name"), [(QUERY, "shared"), (job(), ""), (SHARED, ""), (app(), "")])
def test_only_a_job_with_a_cluster_selector_selects_a_raycluster(item: WorkloadObject, name: str) -> None:
    assert selected_ray_cluster(item) == name


def test_a_job_comes_after_the_group_of_its_raycluster_and_waits_for_it() -> None:
    known = index(HOLDER, RUNS)
    assert known.after(RUNS.key) == {HOLDER.key}
    assert known.after(HOLDER.key) == frozenset()
    assert reason(known) == (NOT_PLACED, True)
    assert known.unmet(HOLDER.key) is None


def test_a_job_beside_its_raycluster_in_one_group_follows_nobody() -> None:
    known = index(group("both", SHARED, QUERY))
    assert known.jobs == {}
    assert known.unmet(key("both")) is None


def test_a_job_goes_where_its_raycluster_is_placed() -> None:
    known = index(HOLDER, RUNS, staying=[placed("shared", copy_on("c1", SHARED))])
    assert reason(known) is None
    assert eligible(known, "c0", "c1", "c2") == ["c1"]


def test_a_raycluster_that_is_placed_in_this_plan_counts_from_then_on_and_only_there() -> None:
    before = index(HOLDER, RUNS)
    after = before.with_copies(HOLDER.key, (copy_on("c0", SHARED), copy_on("c2", SHARED)))
    assert eligible(after, "c0", "c1", "c2") == ["c0", "c2"]
    assert reason(before) == (NOT_PLACED, True), "an index is a value"
    moved = after.with_copies(HOLDER.key, (copy_on("c1", SHARED),))
    assert eligible(moved, "c0", "c1", "c2") == ["c1"]
    assert reason(moved.with_copies(HOLDER.key, ())) == (NOT_PLACED, True)


def test_a_raycluster_of_a_group_that_is_asked_for_no_more_still_counts_while_it_stays() -> None:
    known = index(RUNS, staying=[placed("old", copy_on("c1", SHARED))])
    assert eligible(known, "c0", "c1") == ["c1"]


@pytest.mark.parametrize(
    "shown",
    [
        seen("c1", 4, ray=[RayStatus("RayCluster", TEAM, "shared", "ready")]),
        seen("c1", 4, pods=[pod_of("shared", 1, node_type="head")]),
    ],
    ids=["by its status", "by its head pod"],
)
def test_a_raycluster_that_is_not_in_git_is_where_the_snapshot_shows_it(shown: ClusterSnapshot) -> None:
    known = index(RUNS, clusters=[seen("c0", 4), shown])
    assert reason(known) is None
    assert eligible(known, "c0", "c1") == ["c1"]


def test_what_is_in_git_does_not_count_where_the_snapshot_alone_shows_it() -> None:
    shown = seen("c1", 4, ray=[RayStatus("RayCluster", TEAM, "shared", "ready")])
    assert reason(index(HOLDER, RUNS, clusters=[shown])) == (NOT_PLACED, True)


@pytest.mark.parametrize(
    "pods", [[pod_of("shared", 1, node_type="worker")], [pod_of("shared", 1, node_type="head", namespace="other")]]
)
def test_other_pods_do_not_show_a_raycluster(pods: list[Pod]) -> None:
    assert reason(index(RUNS, clusters=[seen("c1", 4, pods=pods)])) == (NoSuchRayCluster.code, False)


def test_a_raycluster_that_no_policy_matches_may_come_to_have_a_place() -> None:
    files = {"workloads/team/shared.yaml": manifest("RayCluster", "shared", RAY_CLUSTER, "ray.io/v1").encode()}
    assert reason(index(RUNS, workloads=read_workloads(files, {}))) == (NOT_PLACED, True)


@pytest.mark.parametrize(("path", "waits"), [("workloads/team/b.yaml", True), ("workloads/other/b.yaml", False)])
def test_a_raycluster_may_be_in_an_unreadable_file_of_its_namespace(path: str, waits: bool) -> None:
    known = index(RUNS, workloads=read_workloads({path: b"kind: [\n"}, {}))
    assert reason(known) == ((NOT_PLACED, True) if waits else (NoSuchRayCluster.code, False))


def test_a_raycluster_may_be_on_a_cluster_that_cannot_be_read() -> None:
    assert reason(index(RUNS, clusters=[seen("c0", 4), Unreadable("c1", "refused", NOW)])) == (NOT_PLACED, True)
    assert reason(index(RUNS, clusters=[seen("c0", 4)])) == (NoSuchRayCluster.code, False)


def lost(*groups: PlacedGroup, shown: ClusterSnapshot | Unreadable) -> bool:
    return bool(lost_ray_clusters(groups, FleetSnapshot({shown.cluster: shown}, "")))


def test_a_placed_job_whose_raycluster_is_gone_is_warned_of() -> None:
    there = placed("query", copy_on("c0", QUERY))
    assert lost(there, shown=seen("c0", 4))
    assert not lost(there, shown=seen("c0", 4, ray=[RayStatus("RayCluster", TEAM, "shared", "ready")]))
    assert not lost(there, shown=Unreadable("c0", "refused", NOW)), "it is not known"
    assert not lost(there, placed("shared", copy_on("c0", SHARED)), shown=seen("c0", 4)), "it is about to come"
    assert lost(there, placed("shared", copy_on("c1", SHARED)), shown=seen("c0", 4))


def test_a_job_that_has_ended_needs_its_raycluster_no_more() -> None:
    copy = copy_on("c0", QUERY)
    ended = placed("query", replace(copy, job_result=JobResult("SUCCEEDED")))
    assert not lost(ended, shown=seen("c0", 4))
