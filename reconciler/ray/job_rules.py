"""What KubeRay refuses in a RayJobSpec (`ValidateRayJobSpec` and its deletion rules, utils/validation.go at 1.7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import yaml

from reconciler.manifests import fields
from reconciler.manifests.fields import Path
from reconciler.ray import rayspec
from reconciler.ray.cluster_rules import restart_policy
from reconciler.ray.problem import Problem, problem, warning
from reconciler.ray.rayspec import Part

CLUSTER_SELECTOR_KEY = "ray.io/cluster"
_DELETE_WORKERS = "DeleteWorkers"
_DELETE_CLUSTER = "DeleteCluster"
_DELETE_SELF = "DeleteSelf"
_DELETE_NONE = "DeleteNone"
_POLICIES = (_DELETE_CLUSTER, _DELETE_WORKERS, _DELETE_SELF, _DELETE_NONE)
_DELETION_ORDER = (_DELETE_WORKERS, _DELETE_CLUSTER, _DELETE_SELF)


def cluster_choice(job: Part) -> Iterator[Problem]:
    """Yield what is wrong with where the job runs: a cluster of its own, or an existing one."""
    at, parts = job
    selector = fields.text_map(parts, "clusterSelector", at)
    here = (*at, "clusterSelector")
    if not selector:
        if parts.get("rayClusterSpec") is None:
            yield problem(
                (*at, "rayClusterSpec"),
                f"is missing; add it, or clusterSelector: {{{CLUSTER_SELECTOR_KEY}: NAME}}",
            )
        return
    if parts.get("rayClusterSpec") is not None:
        yield problem(
            (*at, "rayClusterSpec"),
            "is ignored where clusterSelector is set; keep one of them",
        )
    if not selector.get(CLUSTER_SELECTOR_KEY):
        yield problem(
            here, f"does not name a RayCluster; write {CLUSTER_SELECTOR_KEY}: NAME"
        )
    for key in selector.keys() - {CLUSTER_SELECTOR_KEY}:
        yield warning(
            (*here, key), f"is ignored; KubeRay reads only {CLUSTER_SELECTOR_KEY}"
        )
    if fields.flag(parts, "suspend", at):
        yield problem((*at, "suspend"), "does not work with clusterSelector; remove it")
    if rayspec.submission_mode(job) == rayspec.SIDECAR_MODE:
        yield problem(
            (*at, "submissionMode"),
            "cannot be SidecarMode with clusterSelector; use K8sJobMode or HTTPMode",
        )
    if fields.count(parts, "backoffLimit", at, 0):
        yield problem(
            (*at, "backoffLimit"), "does not work with clusterSelector; remove it"
        )


def submission(job: Part, cluster: Part | None) -> Iterator[Problem]:
    """Yield what is wrong with how the job is submitted."""
    at, parts = job
    mode = rayspec.submission_mode(job)
    if parts.get("submitterPodTemplate") is not None:
        rayspec.template(job, "submitterPodTemplate")
    if mode == rayspec.INTERACTIVE_MODE and fields.count(parts, "backoffLimit", at, 0):
        yield problem(
            (*at, "backoffLimit"), "does not work with InteractiveMode; remove it"
        )
    if mode == rayspec.SIDECAR_MODE:
        for field in ("submitterPodTemplate", "submitterConfig"):
            if parts.get(field) is not None:
                yield problem(
                    (*at, field),
                    "does not work with SidecarMode; remove it, or use K8sJobMode",
                )
        if cluster is not None:
            yield from restart_policy(rayspec.head_group(cluster), "with SidecarMode")
    config = fields.mapping(parts, "submitterConfig", at)
    fields.count(config, "backoffLimit", (*at, "submitterConfig"), 2)
    if not _is_yaml_map(fields.text(parts, "runtimeEnvYAML", at)):
        yield problem(
            (*at, "runtimeEnvYAML"),
            "is not a YAML map; write it as a block (runtimeEnvYAML: |)",
        )


def limits(job: Part) -> Iterator[Problem]:
    """Yield wrong deadlines and retries, and fields that need `shutdownAfterJobFinishes`."""
    at, parts = job
    shutdown = fields.flag(parts, "shutdownAfterJobFinishes", at)
    if fields.flag(parts, "suspend", at) and not shutdown:
        yield problem(
            (*at, "suspend"), "needs shutdownAfterJobFinishes: true; set that too"
        )
    if fields.count(parts, "ttlSecondsAfterFinished", at, 0) and not shutdown:
        yield problem(
            (*at, "ttlSecondsAfterFinished"),
            "needs shutdownAfterJobFinishes: true; set that too",
        )
    for field in ("activeDeadlineSeconds", "preRunningDeadlineSeconds"):
        seconds = fields.integer(parts, field, at)
        if seconds is not None and seconds <= 0:
            yield problem((*at, field), f"is {seconds}; write 1 or more, or remove it")
    fields.count(parts, "backoffLimit", at, 0)


def deletion(job: Part, cluster: Part | None) -> Iterator[Problem]:
    """Yield what is wrong with the deletion strategy."""
    at, parts = job
    if parts.get("deletionStrategy") is None:
        return
    strategy = fields.mapping(parts, "deletionStrategy", at)
    here = (*at, "deletionStrategy")
    rules = fields.elements(strategy, "deletionRules", here)
    legacy = any(
        strategy.get(field) is not None for field in ("onSuccess", "onFailure")
    )
    shutdown = fields.flag(parts, "shutdownAfterJobFinishes", at)
    if rules and shutdown:
        yield problem(
            (*here, "deletionRules"),
            "cannot be combined with shutdownAfterJobFinishes; remove one of them",
        )
    if rules and legacy:
        yield problem(
            here, "has both deletionRules and onSuccess/onFailure; keep deletionRules"
        )
    elif rules:
        yield from _rules(strategy, here, job, cluster)
    elif legacy:
        yield from _legacy(strategy, here, job, cluster, shutdown=shutdown)
    else:
        yield problem(here, "is empty; add deletionRules, or remove it")


def _rules(
    strategy: Mapping[str, Any], here: Path, job: Part, cluster: Part | None
) -> Iterator[Problem]:
    ttls: dict[tuple[str, str], dict[str, int]] = {}
    for path, rule in fields.maps(strategy, "deletionRules", here):
        policy = fields.choice(rule, "policy", path, _POLICIES, "")
        condition = fields.mapping(rule, "condition", path)
        where = (*path, "condition")
        yield from _allowed(policy, (*path, "policy"), job, cluster)
        status = fields.choice(
            condition, "jobStatus", where, ("SUCCEEDED", "FAILED"), ""
        )
        deployment = fields.choice(
            condition, "jobDeploymentStatus", where, ("Failed",), ""
        )
        ttl = fields.count(condition, "ttlSeconds", where, 0)
        if bool(status) == bool(deployment):
            yield problem(
                where, "must have exactly one of jobStatus and jobDeploymentStatus"
            )
            continue
        event = ("jobStatus", status) if status else ("jobDeploymentStatus", deployment)
        of_event = ttls.setdefault(event, {})
        if policy in of_event:
            yield problem(
                path, f"repeats {policy} for {event[0]} {event[1]}; remove one of them"
            )
        of_event.setdefault(policy, ttl)
    for (field, value), of_event in ttls.items():
        for order in _out_of_order(of_event):
            yield problem(
                (*here, "deletionRules"),
                f"for {field} {value}: {order}; raise its ttlSeconds",
            )


def _out_of_order(ttls: Mapping[str, int]) -> Iterator[str]:
    """Yield each deletion, of those after one event, that comes before a smaller one; `ttls`: seconds by policy."""
    present = [policy for policy in _DELETION_ORDER if policy in ttls]
    # What a later policy deletes includes what the earlier deletes, so its time must not come first.
    for earlier, later in pairwise(present):
        if ttls[later] < ttls[earlier]:
            yield f"{later} after {ttls[later]} s comes before {earlier} after {ttls[earlier]} s"


def _legacy(
    strategy: Mapping[str, Any],
    here: Path,
    job: Part,
    cluster: Part | None,
    *,
    shutdown: bool,
) -> Iterator[Problem]:
    for field in ("onSuccess", "onFailure"):
        policy = fields.choice(
            fields.mapping(strategy, field, here),
            "policy",
            (*here, field),
            _POLICIES,
            "",
        )
        if not policy:
            yield problem(
                (*here, field, "policy"),
                "is missing; onSuccess and onFailure both need one",
            )
            continue
        yield from _allowed(policy, (*here, field, "policy"), job, cluster)
        if shutdown and policy == _DELETE_NONE:
            yield problem(
                (*here, field, "policy"),
                "cannot be DeleteNone with shutdownAfterJobFinishes: true",
            )


def _allowed(
    policy: str, path: Path, job: Part, cluster: Part | None
) -> Iterator[Problem]:
    at, parts = job
    if not policy:
        yield problem(path, f"is missing; use {', '.join(_POLICIES)}")
    elif policy in {_DELETE_CLUSTER, _DELETE_WORKERS} and fields.mapping(
        parts, "clusterSelector", at
    ):
        yield problem(
            path,
            f"cannot be {policy} with clusterSelector; use {_DELETE_SELF} or {_DELETE_NONE}",
        )
    elif (
        policy == _DELETE_WORKERS
        and cluster is not None
        and rayspec.autoscaling(cluster)
    ):
        yield problem(
            path, f"cannot be {policy} with the autoscaler on; use {_DELETE_CLUSTER}"
        )


def _is_yaml_map(text: str) -> bool:
    try:
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError):
        return False
    return (
        node is None
        or isinstance(node, yaml.MappingNode)
        or node.tag == "tag:yaml.org,2002:null"
    )
