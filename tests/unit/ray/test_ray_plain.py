"""What ordinary controllers ask for: the pods that run at the same time."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.errors import InvalidObject
from reconciler.ray.workload import demand_of
from tests.unit.ray.rayobjects import template


def body(api_version: str, kind: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, "spec": spec}


def pods(obj: dict[str, Any]) -> int:
    asked = demand_of(obj, "team-a")
    assert asked is not None
    return asked.pods


def test_a_pod_is_one_pod() -> None:
    asked = demand_of({**body("v1", "Pod"), "spec": template("2")["spec"]})
    assert asked is not None
    (pods,) = asked.pod_sets
    assert (pods.title, pods.count, pods.shape.requests) == ("pod", 1, {"cpu": 2000})


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet", "StatefulSet"])
def test_replicas_default_to_one(kind: str) -> None:
    assert pods(body("apps/v1", kind, template=template())) == 1
    assert pods(body("apps/v1", kind, template=template(), replicas=0)) == 0
    assert pods(body("apps/v1", kind, template=template(), replicas=7)) == 7


def test_a_daemon_set_waits_for_no_room() -> None:
    assert pods(body("apps/v1", "DaemonSet", template=template())) == 0


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({}, 1),
        ({"parallelism": 4}, 4),
        ({"parallelism": 4, "completions": 3}, 3),
        ({"parallelism": 2, "completions": 9}, 2),
        ({"completions": 9}, 1),
        ({"parallelism": 4, "suspend": True}, 0),
    ],
)
def test_a_job_runs_its_parallelism_at_once_but_never_more_than_completions(fields: dict[str, Any], count: int) -> None:
    assert pods(body("batch/v1", "Job", template=template(), **fields)) == count
    cron = body("batch/v1", "CronJob", jobTemplate={"spec": {"template": template(), **fields}})
    assert pods(cron) == count


def test_a_suspended_cron_job_starts_none() -> None:
    assert pods(body("batch/v1", "CronJob", suspend=True, jobTemplate={"spec": {"template": template()}})) == 0


def job_set(**spec: Any) -> dict[str, Any]:
    jobs = [
        {"name": "driver", "template": {"spec": {"template": template("1")}}},
        {"name": "workers", "replicas": 2, "template": {"spec": {"parallelism": 3, "template": template("4")}}},
    ]
    return body("jobset.x-k8s.io/v1alpha2", "JobSet", replicatedJobs=jobs, **spec)


def test_a_job_set_multiplies_its_jobs() -> None:
    asked = demand_of(job_set())
    assert asked is not None
    assert [(pods.title, pods.count) for pods in asked.pod_sets] == [("pod driver", 1), ("pod workers", 6)]
    assert pods(job_set(suspend=True)) == 0


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret", "Service", "ServiceAccount", "PersistentVolumeClaim"])
def test_an_object_without_pods_has_no_demand(kind: str) -> None:
    assert demand_of({"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}}) is None


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        (body("apps/v1", "Deployment"), "has no pod template"),
        (body("apps/v1", "Deployment", template={"spec": {}}), "spec.template.spec.containers is empty"),
        (body("apps/v1", "Deployment", template=template(), replicas=-1), "spec.replicas is -1; write 0 or more"),
        (
            body("jobset.x-k8s.io/v1alpha2", "JobSet", replicatedJobs=[{"name": "a"}]),
            "spec.replicatedJobs[0] has no pod",
        ),
        (body("v1", "Pod"), "spec.containers is empty"),
    ],
)
def test_a_controller_without_pods_to_make_is_refused(obj: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidObject) as caught:
        demand_of(obj)
    assert message in caught.value.message
