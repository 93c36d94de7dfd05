"""What KubeRay refuses in a RayService (`ValidateRayServiceSpec`, utils/validation.go at 1.7)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.manifests import fields
from reconciler.manifests.fields import Path
from reconciler.ray import rayspec
from reconciler.ray.problem import Problem, problem
from reconciler.ray.rayspec import Part

_TIMEOUT = "ray.io/initializing-timeout"
_GO_DURATION = re.compile(
    r"\+?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+"
)
_INCREMENTAL = "NewClusterWithIncrementalUpgrade"
_UPGRADES = (_INCREMENTAL, "NewCluster", "None")


def service(body: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the service itself and its upgrades."""
    at, parts = rayspec.spec(body)
    fields.count(parts, "rayClusterDeletionDelaySeconds", at, 60)
    strategy = fields.mapping(parts, "upgradeStrategy", at)
    here = (*at, "upgradeStrategy")
    kind = fields.choice(strategy, "type", here, _UPGRADES, "")
    cluster = rayspec.cluster_spec(body)
    if kind == _INCREMENTAL and cluster is not None:
        if not rayspec.autoscaling(cluster):
            yield problem(
                (*here, "type"),
                f"{_INCREMENTAL} needs enableInTreeAutoscaling: true; set that too",
            )
        yield from _incremental(strategy, here)


def cluster_in_service(cluster: Part) -> Iterator[Problem]:
    """Yield what the cluster of a service cannot have."""
    path, head = rayspec.head_group(cluster)
    head_service = fields.mapping(head, "headService", path)
    metadata = fields.mapping(head_service, "metadata", (*path, "headService"))
    if metadata.get("name"):
        where = (*path, "headService", "metadata", "name")
        yield problem(where, "cannot be set in a RayService; remove it")


def initializing_timeout(body: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield a wrong `ray.io/initializing-timeout`."""
    metadata = fields.mapping(body, "metadata", ())
    text = fields.text_map(metadata, "annotations", ("metadata",)).get(_TIMEOUT, "")
    is_number = text.removeprefix("+").isdecimal()
    is_duration = is_number or _GO_DURATION.fullmatch(text)
    is_positive = re.search("[1-9]", text)
    if text and not (is_duration and is_positive):
        path = ("metadata", "annotations", _TIMEOUT)
        yield problem(
            path,
            f"is {fields.shown(text)}; write a duration such as 5m or 1h, or seconds",
        )


def _incremental(strategy: Mapping[str, Any], at: Path) -> Iterator[Problem]:
    here = (*at, "clusterUpgradeOptions")
    if strategy.get("clusterUpgradeOptions") is None:
        yield problem(
            here,
            f"is missing; {_INCREMENTAL} needs stepSizePercent, intervalSeconds and gatewayClassName",
        )
        return
    options = fields.mapping(strategy, "clusterUpgradeOptions", at)
    surge = fields.count(options, "maxSurgePercent", here, 100)
    step = fields.integer(options, "stepSizePercent", here)
    interval = fields.integer(options, "intervalSeconds", here)
    if surge > 100:
        yield problem((*here, "maxSurgePercent"), f"is {surge}; write 0 to 100")
    if step is None or not 0 <= step <= 100:
        yield problem((*here, "stepSizePercent"), f"is {step}; write 0 to 100")
    elif step > surge:
        yield problem(
            (*here, "stepSizePercent"),
            f"is {step}, more than maxSurgePercent {surge}; lower it",
        )
    if interval is None or interval <= 0:
        yield problem((*here, "intervalSeconds"), f"is {interval}; write 1 or more")
    if not fields.text(options, "gatewayClassName", here):
        yield problem(
            (*here, "gatewayClassName"),
            "is missing; name the GatewayClass to route with",
        )
