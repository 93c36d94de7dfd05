"""Builds Ray resources for the tests: the smallest valid ones, with the fields that a test changes."""

from __future__ import annotations

from typing import Any

Body = dict[str, Any]

AUTOSCALED: Body = {"enableInTreeAutoscaling": True}
V2: Body = {**AUTOSCALED, "autoscalerOptions": {"version": "v2"}}


def template(cpu: str = "1", **pod: Any) -> Body:
    return {"spec": {"containers": [{"name": "ray", "image": "ray", "resources": {"requests": {"cpu": cpu}}}], **pod}}


def cluster_spec(*groups: Body, **more: Any) -> Body:
    return {"headGroupSpec": {"template": template()}, "workerGroupSpecs": list(groups), **more}


def group(name: str = "gpu", replicas: Any = 2, **more: Any) -> Body:
    return {"groupName": name, "replicas": replicas, "template": template("2"), **more}


def ray_cluster(*groups: Body, name: str = "shared", **spec: Any) -> Body:
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayCluster",
        "metadata": {"name": name},
        "spec": cluster_spec(*groups, **spec),
    }


def ray_job(*groups: Body, cluster: Body | None = None, **spec: Any) -> Body:
    own = cluster_spec(*groups, **(cluster or {}))
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"name": "train"},
        "spec": {"entrypoint": "python train.py", "rayClusterSpec": own, **spec},
    }


def ray_service(*groups: Body, cluster: Body | None = None, **spec: Any) -> Body:
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": "llm"},
        "spec": {"rayClusterConfig": cluster_spec(*groups, **(cluster or {})), **spec},
    }


def ray_cron_job(schedule: str = "30 2 * * *", job: Body | None = None, **spec: Any) -> Body:
    template_spec = {**ray_job(group())["spec"], **(job or {})}
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayCronJob",
        "metadata": {"name": "nightly"},
        "spec": {"schedule": schedule, "jobTemplate": template_spec, **spec},
    }


def existing_cluster_job(**spec: Any) -> Body:
    body = ray_job(**{"clusterSelector": {"ray.io/cluster": "shared"}, **spec})
    del body["spec"]["rayClusterSpec"]
    return body


def head(**spec: Any) -> Body:
    """Build the part of a cluster whose head group has these fields."""
    return {"headGroupSpec": {"template": template(), **spec}}


def with_env(name: str, value: str = "") -> Body:
    own = template()
    own["spec"]["containers"][0]["env"] = [{"name": name, "value": value}]
    return own


def head_env(name: str, value: str = "") -> Body:
    return {"headGroupSpec": {"template": with_env(name, value)}}


def named(body: Body, name: str) -> Body:
    return {**body, "metadata": {"name": name}}


def annotated(body: Body, annotation: str, value: str) -> Body:
    return {**body, "metadata": {"name": "x", "annotations": {f"ray.io/{annotation}": value}}}
