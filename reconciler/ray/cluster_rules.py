"""What KubeRay refuses in a RayClusterSpec: groups and autoscaling (`ValidateRayClusterSpec`, utils/validation.go).

KubeRay stops at the first mistake, and a RayCluster shows it only as an event. Here all mistakes are reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.manifests import fields
from reconciler.manifests.fields import Path
from reconciler.manifests.identity import is_label_key, is_label_value
from reconciler.ray import rayspec
from reconciler.ray.problem import Problem, problem, warning
from reconciler.ray.rayspec import Part

AUTOSCALER_V2_ENV = "RAY_enable_autoscaler_v2"
_START_COMMAND_ENV = "KUBERAY_GEN_AUTOSCALER_START_CMD"
_RAY_VERSION = re.compile(
    r"v?(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(?:\.(0|[1-9][0-9]*))?(?![0-9]).*"
)
_RAY_RESOURCE_PARAMS = ("num-cpus", "num-gpus", "memory", "resources")
_PRIORITY_SINCE = (2, 56, 0)


def head_group(cluster: Part) -> Iterator[Problem]:
    """Yield what is wrong with the head group."""
    group = rayspec.head_group(cluster)
    rayspec.template(group)
    yield from _ray_resources(group)
    yield from _labels(group)


def worker_groups(cluster: Part) -> Iterator[Problem]:
    """Yield what is wrong with the worker groups, each by itself and among each other."""
    seen: set[str] = set()
    for group in rayspec.worker_groups(cluster):
        at, parts = group
        name = fields.text(parts, "groupName", at)
        if not name:
            yield problem((*at, "groupName"), "is missing; name the worker group")
        elif name in seen:
            yield problem(
                (*at, "groupName"),
                f"is {name!r}, which an earlier group has too; give each its own name",
            )
        seen.add(name)
        rayspec.template(group)
        yield from _replicas(group)
        yield from _ray_resources(group)
        yield from _labels(group)


def autoscaling(cluster: Part) -> Iterator[Problem]:
    """Yield what is wrong with the options of the Ray autoscaler."""
    at, parts = cluster
    options = fields.mapping(parts, "autoscalerOptions", at)
    here = (*at, "autoscalerOptions")
    version = fields.choice(options, "version", here, ("v1", "v2"), "")
    fields.choice(
        options, "upscalingMode", here, ("Default", "Aggressive", "Conservative"), ""
    )
    fields.count(options, "idleTimeoutSeconds", here, 0)
    fields.resources(
        fields.mapping(options, "resources", here), "requests", (*here, "resources")
    )
    if env_var(options, here, _START_COMMAND_ENV):
        yield problem(
            (*here, "env"),
            f"sets {_START_COMMAND_ENV}, which KubeRay manages; remove it",
        )
    head_env = _head_env(cluster, AUTOSCALER_V2_ENV)
    # Without the autoscaler its options have no effect, but the variable would still switch Ray to v2.
    if not rayspec.autoscaling(cluster):
        if head_env and head_env[1] in {"1", "true"}:
            yield problem(
                head_env[0],
                f"is {head_env[1]!r} without enableInTreeAutoscaling: true; set that or remove it",
            )
        return
    if version and head_env:
        yield problem(
            head_env[0],
            f"repeats autoscalerOptions.version; remove the variable {AUTOSCALER_V2_ENV}",
        )
    groups = [("headGroupSpec", rayspec.head_group(cluster))]
    for group in rayspec.worker_groups(cluster):
        groups.append((group_title(group), group))
        if fields.flag(group[1], "suspend", group[0]):
            yield problem(
                (*group[0], "suspend"),
                "cannot be true with the autoscaler on; remove it",
            )
    if version == "v2":
        for title, group in groups:
            yield from restart_policy(group, f"with autoscaler v2 ({title})")


def autoscaler_v2_only(cluster: Part) -> Iterator[Problem]:
    """Yield the worker group fields that need the autoscaler v2."""
    at, parts = cluster
    options = fields.mapping(parts, "autoscalerOptions", at)
    head_env = _head_env(cluster, AUTOSCALER_V2_ENV)
    is_v2 = options.get("version") == "v2" or (
        head_env is not None and head_env[1] in {"1", "true"}
    )
    for path, group in rayspec.worker_groups(cluster):
        fields.count(group, "idleTimeoutSeconds", path, 0)
        if group.get("idleTimeoutSeconds") is not None and not is_v2:
            yield problem(
                (*path, "idleTimeoutSeconds"),
                "needs autoscaler v2; set autoscalerOptions.version: v2",
            )
        if fields.integer(group, "priority", path):
            yield from ray_version_at_least(
                cluster, _PRIORITY_SINCE, f"{fields.dotted((*path, 'priority'))}"
            )
            if not is_v2:
                yield problem(
                    (*path, "priority"),
                    "needs autoscaler v2; set autoscalerOptions.version: v2",
                )


def ray_version_at_least(
    cluster: Part, least: tuple[int, int, int], what: str
) -> Iterator[Problem]:
    """Yield a problem unless `rayVersion` is given and at least `least`."""
    at, parts = cluster
    version = fields.text(parts, "rayVersion", at)
    match = _RAY_VERSION.fullmatch(version.strip())
    needed = ".".join(map(str, least))
    if match is None:
        state = f"is {version!r}" if version else "is missing"
        yield problem(
            (*at, "rayVersion"), f"{state}; {what} needs a version of at least {needed}"
        )
    elif tuple(int(number or 0) for number in match.groups()) < least:
        yield problem(
            (*at, "rayVersion"), f"is {version}; {what} needs at least {needed}"
        )


def restart_policy(group: Part, why: str) -> Iterator[Problem]:
    """Yield a problem where the group's pods would be restarted in place, which `why` forbids."""
    path, template = rayspec.template(group)
    pod = fields.mapping(template, "spec", path)
    policy = fields.text(pod, "restartPolicy", (*path, "spec"))
    if policy not in {"", "Never"}:
        yield problem(
            (*path, "spec", "restartPolicy"),
            f"is {policy} {why}; write Never, or remove it",
        )


def group_title(group: Part) -> str:
    """Return how messages name a worker group."""
    at, parts = group
    return f"worker group {fields.text(parts, 'groupName', at)}"


def env_var(
    container: Mapping[str, Any], at: Path, name: str
) -> tuple[Path, str] | None:
    """Return the path and the literal value of an environment variable of a container; None when it is not set."""
    for path, variable in fields.maps(container, "env", at):
        if variable.get("name") == name:
            return path, fields.text(variable, "value", path)
    return None


def ray_container(group: Part) -> Part:
    """Return the container in which Ray runs."""
    path, template = rayspec.template(group)
    return next(
        fields.maps(
            fields.mapping(template, "spec", path), "containers", (*path, "spec")
        )
    )


def start_params(group: Part) -> Mapping[str, str]:
    """Return the group's `rayStartParams`."""
    at, parts = group
    return fields.text_map(parts, "rayStartParams", at)


def _head_env(cluster: Part, name: str) -> tuple[Path, str] | None:
    at, container = ray_container(rayspec.head_group(cluster))
    return env_var(container, at, name)


def _replicas(group: Part) -> Iterator[Problem]:
    at, parts = group
    least = fields.count(parts, "minReplicas", at, 0)
    most = fields.count(parts, "maxReplicas", at, fields.MAX_INT32)
    fields.count(parts, "numOfHosts", at, 1)
    wanted = fields.integer(parts, "replicas", at)
    if least > most:
        yield problem(
            (*at, "minReplicas"),
            f"is {least}, more than maxReplicas {most}; lower it or raise that",
        )
    elif wanted is not None and not least <= wanted <= most:
        bound = f"maxReplicas {most}" if wanted > most else f"minReplicas {least}"
        yield warning((*at, "replicas"), f"is {wanted}, but KubeRay uses {bound}")


def _ray_resources(group: Part) -> Iterator[Problem]:
    at, parts = group
    given = [name for name in _RAY_RESOURCE_PARAMS if start_params(group).get(name)]
    if given and fields.text_map(parts, "resources", at):
        yield problem(
            (*at, "resources"),
            f"and rayStartParams ({given[0]}) both set what Ray may use; keep one of them",
        )


def _labels(group: Part) -> Iterator[Problem]:
    at, parts = group
    if "labels" in start_params(group):
        yield problem(
            (*at, "rayStartParams", "labels"),
            "is not supported; use the group's own labels field",
        )
    for key, value in fields.text_map(parts, "labels", at).items():
        if not is_label_key(key):
            yield problem(
                (*at, "labels", key),
                "is not a label key; use letters, digits, '-', '_' and '.'",
            )
        if not is_label_value(value):
            yield problem(
                (*at, "labels", key),
                f"is {fields.shown(value)}, which is not a label value",
            )
