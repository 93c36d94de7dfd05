"""Shares of replicas: they add up, keep within their bounds, and stay as they are when nothing changes."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import InvalidObject, Place
from reconciler.manifests.identity import canonical_digest, object_key
from reconciler.ray.workload import demand_of
from reconciler.workloads.divide import ReplicaShare, largest_remainder, replica_shares
from reconciler.workloads.group import WorkloadObject
from reconciler.workloads.patch import apply

WEIGHTS = st.lists(st.integers(1, 100), min_size=1, max_size=6)


def item(body: dict[str, Any]) -> WorkloadObject:
    key = object_key(body, "team")
    return WorkloadObject(
        key, body, canonical_digest(body), Place("workloads/team/a.yaml", 1, 1), demand_of(body, "team")
    )


def bodies_of(whole: WorkloadObject, weights: list[int]) -> list[dict[str, Any] | None]:
    """Return the body in each domain; None where the object is not placed."""
    shares = replica_shares(whole, weights, [None] * len(weights))
    assert shares is not None
    return [None if share.empty else apply(whole.body, share.operations) for share in shares]


def ray_cluster(groups: list[tuple[int, int, int]], *, scaling: bool = False) -> WorkloadObject:
    template = {"spec": {"containers": [{"name": "ray", "image": "r"}]}}
    return item(
        {
            "apiVersion": "ray.io/v1",
            "kind": "RayCluster",
            "metadata": {"name": "r"},
            "spec": {
                "enableInTreeAutoscaling": scaling,
                "headGroupSpec": {"rayStartParams": {}, "template": template},
                "workerGroupSpecs": [
                    {
                        "groupName": f"g{i}",
                        "minReplicas": low,
                        "replicas": now,
                        "maxReplicas": high,
                        "template": template,
                    }
                    for i, (low, now, high) in enumerate(groups)
                ],
            },
        }
    )


@given(st.integers(0, 10_000), WEIGHTS)
def test_shares_add_up_and_each_is_within_one_of_its_quota(total: int, weights: list[int]) -> None:
    shares = largest_remainder(total, weights)
    assert sum(shares) == total
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share * sum(weights) - total * weight) < sum(weights)


def test_novas_lost_replica_is_kept() -> None:
    assert largest_remainder(5, [70, 30]) == (4, 1)
    assert largest_remainder(10, [33, 33, 34]) == (3, 3, 4)


@given(st.integers(0, 100), WEIGHTS)
def test_dividing_the_same_again_changes_nothing(total: int, weights: list[int]) -> None:
    shares = largest_remainder(total, weights)
    assert largest_remainder(total, weights, before=shares) == shares


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=6), st.data())
def test_shares_keep_between_least_and_most(domains: list[tuple[int, int, int]], data: st.DataObject) -> None:
    weights = [weight for weight, _, _ in domains]
    least = [low for _, low, _ in domains]
    most = [low + more for _, low, more in domains]
    total = data.draw(st.integers(sum(least), sum(most)))
    shares = largest_remainder(total, weights, least=least, most=most)
    assert sum(shares) == total
    assert all(low <= share <= high for low, share, high in zip(least, shares, most, strict=True))


@given(st.integers(0, 40), st.integers(2, 6), st.randoms(use_true_random=False))
def test_among_equal_remainders_those_win_who_had_more(total: int, count: int, dice: Any) -> None:
    before = list(largest_remainder(total, [1] * count))
    dice.shuffle(before)
    assert largest_remainder(total, [1] * count, before=before) == tuple(before)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)).map(sorted), max_size=3),
    WEIGHTS,
    st.booleans(),
)
def test_ray_workers_are_divided_exactly_and_within_their_bounds(
    sizes: list[list[int]], weights: list[int], scaling: bool
) -> None:
    groups = [(low, now, high) for low, now, high in sizes]
    whole = ray_cluster(groups, scaling=scaling)
    found = replica_shares(whole, weights, [None] * len(weights))
    if found is None:
        assert sum(high if scaling else now for _, now, high in groups) == 0
        return
    bodies = [apply(whole.body, one.operations) for one in found]
    for number, (low, now, high) in enumerate(groups):
        each = [body["spec"]["workerGroupSpecs"][number] for body in bodies]
        assert sum(g["replicas"] for g in each) == now
        assert sum(g["minReplicas"] for g in each) == low
        assert sum(g["maxReplicas"] for g in each) == high
        assert all(g["minReplicas"] <= g["replicas"] <= g["maxReplicas"] for g in each)
        assert tuple(g["replicas"] for g in each) == largest_remainder(now, weights)
    for body, one in zip(bodies, found, strict=True):
        reach = sum(g["maxReplicas" if scaling else "replicas"] for g in body["spec"]["workerGroupSpecs"])
        assert one.empty == (reach == 0)


@given(st.integers(0, 20), st.one_of(st.none(), st.integers(0, 50)), WEIGHTS)
def test_a_jobs_work_is_divided_exactly_among_those_who_have_pods(
    parallelism: int, completions: int | None, weights: list[int]
) -> None:
    spec: dict[str, Any] = {"parallelism": parallelism, "template": {"spec": {"containers": [{"name": "c"}]}}}
    if completions is not None:
        spec["completions"] = completions
    whole = item({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": spec})
    bodies = [body["spec"] for body in bodies_of(whole, weights) if body is not None]
    running = parallelism if completions is None else min(parallelism, completions)
    assert sum(one["parallelism"] for one in bodies) == (running or 0) or not running
    if completions is not None and running:
        assert sum(one["completions"] for one in bodies) == completions
        assert all(1 <= one["parallelism"] <= one["completions"] for one in bodies)


def test_the_default_of_absent_replicas_is_divided_too() -> None:
    body = yaml.safe_load(
        "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: s}, "
        "spec: {template: {spec: {containers: [{name: c, image: r}]}}}}"
    )
    found = bodies_of(item(body), [50, 50])
    assert [each["spec"].get("replicas", 1) for each in found if each] == [1, 0]


def test_what_has_no_replicas_is_not_divided() -> None:
    service = item({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"replicas": 4}})
    assert replica_shares(service, [1, 1], [None, None]) is None
    job = {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"name": "j"},
        "spec": {"clusterSelector": {"a": "b"}},
    }
    assert replica_shares(item(job), [1, 1], [None, None]) is None


def test_an_indexed_job_is_refused_with_its_place() -> None:
    spec = {"completionMode": "Indexed", "completions": 4, "template": {"spec": {"containers": [{"name": "c"}]}}}
    job = item({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": spec})
    with pytest.raises(InvalidObject) as caught:
        replica_shares(job, [1, 1], [None, None])
    assert caught.value.place == job.place


def test_a_replacement_is_behind_a_test_of_the_undivided_value() -> None:
    spec = {"replicas": 4, "template": {"spec": {"containers": [{"name": "c"}]}}}
    whole = item({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec})
    shares = replica_shares(whole, [3, 1], [None, None])
    assert shares is not None
    assert [[(step["op"], step["value"]) for step in share.operations] for share in shares] == [
        [("test", 4), ("replace", 3)],
        [("test", 4), ("replace", 1)],
    ]


def test_a_share_that_is_the_whole_needs_no_patch() -> None:
    assert replica_shares(ray_cluster([(1, 2, 3)]), [1], [None]) == (ReplicaShare(()),)
