"""Every pod template of an object, with its path, for all kinds that have pod templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.manifests import fields
from reconciler.manifests.fields import Path
from reconciler.ray import rayspec
from reconciler.ray.rayspec import Part

_SIMPLE: dict[tuple[str, str], Path] = {
    ("v1", "ReplicationController"): ("spec", "template"),
    ("apps/v1", "Deployment"): ("spec", "template"),
    ("apps/v1", "ReplicaSet"): ("spec", "template"),
    ("apps/v1", "StatefulSet"): ("spec", "template"),
    ("apps/v1", "DaemonSet"): ("spec", "template"),
    ("batch/v1", "Job"): ("spec", "template"),
    ("batch/v1", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
}
JOB_SET = ("jobset.x-k8s.io/v1alpha2", "JobSet")


def pod_templates(body: Mapping[str, Any]) -> Iterator[Part]:
    """Yield each pod template that the object carries, in order; a Pod is its own template.

    Raises `InvalidField` where a field on the way to a template is not a map; missing templates are left out.
    """
    kind = (body.get("apiVersion"), body.get("kind"))
    if kind == ("v1", "Pod"):
        yield (), body
    elif rayspec.is_ray(body):
        yield from _ray_templates(body)
    elif kind == JOB_SET:
        at: Path = ("spec",)
        spec = fields.mapping(body, "spec", ())
        for path, job in fields.maps(spec, "replicatedJobs", at):
            yield from _at((path, job), ("template", "spec", "template"))
    else:
        steps = _SIMPLE.get((str(kind[0]), str(kind[1])))
        if steps:
            yield from _at(((), body), steps)


def _ray_templates(body: Mapping[str, Any]) -> Iterator[Part]:
    cluster = rayspec.cluster_spec(body)
    job = rayspec.job_spec(body)
    if cluster is not None:
        yield from _at(cluster, ("headGroupSpec", "template"))
        for group in rayspec.worker_groups(cluster):
            yield from _at(group, ("template",))
    if job is not None:
        yield from _at(job, ("submitterPodTemplate",))


def _at(part: Part, steps: Path) -> Iterator[Part]:
    """Yield the map at `steps` below `part`, if it is there."""
    at, here = part
    for step in steps:
        if here.get(str(step)) is None:
            return
        here = fields.mapping(here, str(step), at)
        at = (*at, step)
    yield at, here
