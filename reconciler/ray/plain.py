"""The demand of Kubernetes' own controllers: the pods that run at the same time once all have started.

Defaults are those of the API server. A DaemonSet has a pod for each node that there is, so it counts none: it needs no
other capacity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reconciler.manifests import fields
from reconciler.manifests.fields import InvalidField, Path
from reconciler.manifests.identity import object_key
from reconciler.ray.demand import Demand, PodSet, Role
from reconciler.ray.rayspec import Part
from reconciler.ray.sizing import pod_set, unsized
from reconciler.ray.templates import JOB_SET, pod_templates

_Spec = Mapping[str, Any]


def plain_demand(body: Mapping[str, Any], namespace: str = "") -> Demand | None:
    """Return the pods of a Pod, Deployment, ReplicaSet, StatefulSet, DaemonSet, Job, CronJob or JobSet.

    None for objects that make no pods. Raises `InvalidField`.
    """
    kind = (str(body.get("apiVersion")), str(body.get("kind")))
    if kind == JOB_SET:
        sets = list(_job_set(body, namespace))
    elif kind in _COUNTS:
        template = next(iter(pod_templates(body)), None)
        spec = fields.mapping(body, "spec", ())
        if template is None:
            raise InvalidField(("spec",), f"has no pod template; a {kind[1]} needs one")
        sets = [_pods("", _COUNTS[kind](spec, ("spec",)), template, namespace)]
    else:
        return None
    return Demand(object_key(dict(body), namespace), tuple(sets), unsized(sets))


def _pods(group: str, count: int, template: Part, namespace: str) -> PodSet:
    at, parts = template
    spec = fields.mapping(parts, "spec", at)
    if not fields.elements(spec, "containers", (*at, "spec")):
        raise InvalidField((*at, "spec", "containers"), "is empty; add a container")
    return pod_set(Role.POD, group, count, template, namespace)


def _replicas(spec: _Spec, at: Path) -> int:
    return fields.count(spec, "replicas", at, 1)


def _job(spec: _Spec, at: Path) -> int:
    """Return how many pods of a Job run at once: its parallelism, never more than completions are left to do."""
    parallelism = fields.count(spec, "parallelism", at, 1)
    completions = fields.integer(spec, "completions", at)
    if fields.flag(spec, "suspend", at):
        return 0
    return parallelism if completions is None else min(parallelism, max(completions, 0))


def _cron_job(spec: _Spec, at: Path) -> int:
    path = (*at, "jobTemplate")
    job = fields.mapping(fields.mapping(spec, "jobTemplate", at), "spec", path)
    return 0 if fields.flag(spec, "suspend", at) else _job(job, (*path, "spec"))


def _job_set(body: _Spec, namespace: str) -> Iterator[PodSet]:
    at: Path = ("spec",)
    spec = fields.mapping(body, "spec", ())
    stopped = fields.flag(spec, "suspend", at)
    templates = dict(pod_templates(body))
    for path, replicated in fields.maps(spec, "replicatedJobs", at):
        where = (*path, "template", "spec", "template")
        name = fields.text(replicated, "name", path)
        if where not in templates:
            raise InvalidField(
                path, f"has no pod template at {fields.dotted(where[3:])}; add one"
            )
        job = fields.mapping(
            fields.mapping(replicated, "template", path), "spec", (*path, "template")
        )
        count = _replicas(replicated, path) * _job(job, (*path, "template", "spec"))
        yield _pods(name, 0 if stopped else count, (where, templates[where]), namespace)


_COUNTS: dict[tuple[str, str], Callable[[_Spec, Path], int]] = {
    ("v1", "Pod"): lambda _spec, _at: 1,
    ("v1", "ReplicationController"): _replicas,
    ("apps/v1", "Deployment"): _replicas,
    ("apps/v1", "ReplicaSet"): _replicas,
    ("apps/v1", "StatefulSet"): _replicas,
    ("apps/v1", "DaemonSet"): lambda _spec, _at: 0,
    ("batch/v1", "Job"): _job,
    ("batch/v1", "CronJob"): _cron_job,
}
