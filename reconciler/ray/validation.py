"""Everything that is wrong with a Ray resource, before it is committed anywhere.

KubeRay checks when an object is already on a cluster: a wrong RayJob stays ValidationFailed, a wrong RayCluster only
looks pending. So its rules are checked here first (`cluster_rules`, `cluster_options`, `job_rules`, `service_rules`,
`cron_rules`), and all problems are reported together. A rule that finds a field of the wrong type reports that field
and ends; the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from reconciler.errors import InvalidObject
from reconciler.manifests import fields
from reconciler.manifests.fields import InvalidField
from reconciler.manifests.identity import is_dns1035, is_dns_subdomain
from reconciler.manifests.pod import pod_shape
from reconciler.ray import (
    cluster_options,
    cluster_rules,
    cron_rules,
    job_rules,
    rayspec,
    service_rules,
)
from reconciler.ray.known_fields import unknown_fields
from reconciler.ray.problem import Problem, Severity, problem
from reconciler.ray.rayspec import Part
from reconciler.ray.references import references
from reconciler.ray.templates import pod_templates
from reconciler.ray.workload import demand_of

__all__ = ["Problem", "Severity", "problems"]

MAX_NAME = {
    rayspec.RAY_CLUSTER: 53,
    rayspec.RAY_JOB: 47,
    rayspec.RAY_SERVICE: 47,
    rayspec.RAY_CRON_JOB: 36,
}
"""The longest names, which leave room for what KubeRay appends to them."""

_OPERATOR = "ray.io/kuberay-operator"
_Rule = Callable[[], Iterator[Problem]]


def problems(body: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Return what KubeRay, or Kubernetes in the pods, would refuse, ignore or do otherwise; empty when all is well.

    Objects of other kinds are checked as far as their pod templates go. Errors come first.
    """
    found: dict[Problem, None] = {}
    for rule in _rules(body) if rayspec.is_ray(body) else _plain_rules(body):
        try:
            for problem_found in rule():
                found[problem_found] = None
        except InvalidField as error:
            found[Problem(error.path, error.message)] = None
        except InvalidObject as error:
            found[Problem(("metadata",), error.message)] = None
    return tuple(
        sorted(
            found, key=lambda problem_found: problem_found.severity is Severity.WARNING
        )
    )


def _plain_rules(body: Mapping[str, Any]) -> Iterator[_Rule]:
    yield partial(_pods, body)
    yield partial(_sizes, body)
    yield partial(_referred_names, body)


def _rules(body: Mapping[str, Any]) -> Iterator[_Rule]:
    yield partial(_name, body)
    try:
        job = rayspec.job_spec(body)
        cluster = rayspec.cluster_spec(body)
    except InvalidField as error:
        yield partial(_raise, error)
        return
    if job is not None:
        yield partial(job_rules.cluster_choice, job)
        yield partial(job_rules.submission, job, cluster)
        yield partial(job_rules.limits, job)
        yield partial(job_rules.deletion, job, cluster)
    if body.get("kind") == rayspec.RAY_SERVICE:
        yield partial(service_rules.service, body)
        yield partial(service_rules.initializing_timeout, body)
    if body.get("kind") == rayspec.RAY_CRON_JOB:
        yield partial(cron_rules.cron, body)
    if cluster is not None:
        yield from _cluster_rules(body, cluster)
    parts = [part for part in (rayspec.spec(body), job, cluster) if part is not None]
    yield partial(_other_manager, parts)
    yield partial(_pods, body)
    yield partial(_sizes, body)
    yield partial(_referred_names, body)
    yield partial(unknown_fields, body)


def _cluster_rules(body: Mapping[str, Any], cluster: Part) -> Iterator[_Rule]:
    kind = str(body.get("kind"))
    yield partial(cluster_rules.head_group, cluster)
    yield partial(cluster_rules.worker_groups, cluster)
    yield partial(cluster_rules.autoscaling, cluster)
    yield partial(cluster_rules.autoscaler_v2_only, cluster)
    yield partial(_fault_tolerance, body, cluster)
    yield partial(cluster_options.tokens, cluster, kind)
    yield partial(cluster_options.tls, cluster)
    yield partial(cluster_options.network_policy, cluster)
    yield partial(cluster_options.collector, cluster)
    yield partial(cluster_options.feature_gates, cluster)
    yield partial(_upgrade_strategy, cluster, kind)
    if kind == rayspec.RAY_SERVICE:
        yield partial(service_rules.cluster_in_service, cluster)


def _name(body: Mapping[str, Any]) -> Iterator[Problem]:
    name = fields.mapping(body, "metadata", ()).get("name")
    path = ("metadata", "name")
    longest = MAX_NAME[str(body.get("kind"))]
    # `object_key` reports it, when the pods are counted.
    if not isinstance(name, str) or not name:
        return
    if len(name) > longest:
        yield problem(
            path,
            f"has {len(name)} characters; KubeRay allows {longest} for a {body['kind']}",
        )
    elif not is_dns1035(name):
        yield problem(
            path,
            f"is {fields.shown(name)}; use small letters, digits and '-', starting with a letter",
        )


def _fault_tolerance(body: Mapping[str, Any], cluster: Part) -> Iterator[Problem]:
    """Yield what is wrong with GCS fault tolerance, given the annotations that reach the RayCluster."""
    annotations: Part = ((), {})
    # The annotations of a RayCronJob stay on it.
    if body.get("kind") != rayspec.RAY_CRON_JOB:
        metadata = fields.mapping(body, "metadata", ())
        annotations = (
            ("metadata", "annotations"),
            fields.text_map(metadata, "annotations", ("metadata",)),
        )
    return cluster_options.fault_tolerance(cluster, annotations)


def _upgrade_strategy(cluster: Part, kind: str) -> Iterator[Problem]:
    at, parts = cluster
    strategy = fields.mapping(parts, "upgradeStrategy", at)
    here = (*at, "upgradeStrategy")
    if (
        fields.choice(strategy, "type", here, ("Recreate", "None"), "")
        and kind != rayspec.RAY_CLUSTER
    ):
        yield problem(
            (*here, "type"), f"cannot be set on the cluster of a {kind}; remove it"
        )


def _other_manager(parts: list[Part]) -> Iterator[Problem]:
    for at, part in parts:
        manager = fields.text(part, "managedBy", at)
        if manager not in {"", _OPERATOR}:
            yield problem(
                (*at, "managedBy"),
                f"is {fields.shown(manager)}, so KubeRay ignores the object; remove it",
            )


def _pods(body: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with each pod template, read as the scheduler reads it; all templates are read."""
    for at, template in pod_templates(body):
        try:
            pod_shape(
                fields.mapping(template, "metadata", at),
                fields.mapping(template, "spec", at),
                at=at,
            )
        except InvalidField as error:
            yield Problem(error.path, error.message)


def _sizes(body: Mapping[str, Any]) -> Iterator[Problem]:
    """Raise for what else keeps pods from being counted: `demand_of` works on an object without problems."""
    demand_of(body)
    yield from ()


def _referred_names(body: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield names that no object can have, such as a `$NAME` that a script did not fill in: no pod would start."""
    for reference in references(body):
        if not is_dns_subdomain(reference.name):
            name = fields.shown(reference.name)
            yield problem(
                reference.path,
                f"is {name}, which cannot be the name of a {reference.kind}; fill it in",
            )


def _raise(error: InvalidField) -> Iterator[Problem]:
    yield Problem(error.path, error.message)
