"""Cluster Autoscaler: its node groups, from the status that it writes into a ConfigMap.

Since Kubernetes 1.30 the status is YAML, before that it was text (clusterstate/api/types.go of Cluster Autoscaler). A
group that would not grow now (in backoff, unhealthy, or its autoscaler stopped) becomes a pool that is `held`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import msgspec
import yaml

from reconciler.errors import InvalidObject
from reconciler.fleet.autoscalers.node_groups import NodeGroup, pools_of_groups
from reconciler.fleet.autoscalers.reader import ObjectPath, ObservedCluster
from reconciler.fleet.snapshot import NodePool

STATUS = "/api/v1/namespaces/kube-system/configmaps/cluster-autoscaler-status"

_NAME = re.compile(r"^\s*Name:\s+(\S+)\s*$")
_HEALTH = re.compile(r"^\s*Health:\s+(\w+).*\bregistered=(\d+).*\bmaxSize=(\d+)\)")
_SCALE_UP = re.compile(r"^\s*ScaleUp:\s+(\w+)")
_HEALTH_OF_ALL = re.compile(r"^Cluster-wide:\s+Health:\s+(\w+)", re.MULTILINE)
_TIME = re.compile(
    r"(?:status at|^time:) ['\"]?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)? ([+-]\d{4})",
    re.MULTILINE,
)
_UNHEALTHY = "Unhealthy"
_SILENT = 900.0
"""Seconds without a new status after which an autoscaler counts as stopped; it writes one every few seconds."""


class _Registered(msgspec.Struct):
    total: int = 0


class _Counts(msgspec.Struct):
    registered: _Registered = msgspec.field(default_factory=_Registered)


class _GroupHealth(msgspec.Struct, rename="camel"):
    max_size: int
    status: str = ""
    node_counts: _Counts = msgspec.field(default_factory=_Counts)


class _Backoff(msgspec.Struct, rename="camel"):
    error_code: str = ""
    error_message: str = ""


class _GroupScaleUp(msgspec.Struct, rename="camel"):
    status: str = ""
    backoff_info: _Backoff = msgspec.field(default_factory=_Backoff)


class _Group(msgspec.Struct, rename="camel"):
    name: str
    health: _GroupHealth
    scale_up: _GroupScaleUp = msgspec.field(default_factory=_GroupScaleUp)


class _Health(msgspec.Struct):
    status: str = ""


class _ClusterWide(msgspec.Struct):
    health: _Health = msgspec.field(default_factory=_Health)


class _Status(msgspec.Struct, rename="camel"):
    node_groups: list[_Group] = []
    cluster_wide: _ClusterWide = msgspec.field(default_factory=_ClusterWide)


# msgspec 0.22 learns a type at its first use, and crashes where two threads do that at once. Clusters are read on
# several threads, so the type is learnt while the module is imported.
_LEARNT = msgspec.json.Decoder(_Status)


class StatusConfigMap(msgspec.Struct):
    """The ConfigMap `cluster-autoscaler-status`."""

    data: dict[str, str] | None = None


class ClusterAutoscalerReader:
    """Reads the status of Cluster Autoscaler; `cluster.pools` are those of Cluster API."""

    kind = "ClusterAutoscaler"
    subject = "the status of Cluster Autoscaler"
    wants = (ObjectPath(STATUS, is_list=False),)
    decoder = msgspec.json.Decoder(StatusConfigMap)

    def pools(
        self, objects: Sequence[StatusConfigMap], cluster: ObservedCluster
    ) -> tuple[NodePool, ...]:
        """Return the pools that its node groups are, and those of Cluster API that no group is."""
        (config_map,) = objects
        status = (config_map.data or {}).get("status", "")
        groups = node_groups(status, cluster.taken_at)
        return pools_of_groups(groups, cluster.nodes, cluster.pools)


def node_groups(status: str, now: float) -> tuple[NodeGroup, ...]:
    """Return the node groups that a status lists, as of `now` (unix seconds).

    Raises `InvalidObject` for a text that is no status.
    """
    is_text = status.lstrip().startswith("Cluster-autoscaler status")
    groups, health = _of_text(status) if is_text else _of_yaml(status)
    held = _silence(status, now)
    if not held and health == _UNHEALTHY:
        held = "its autoscaler reports the whole cluster as unhealthy, and adds nothing"
    if not held:
        return groups
    # What stops the autoscaler as a whole counts more than why a single group does not grow.
    return tuple(replace(group, held=held) for group in groups)


def _silence(status: str, now: float) -> str:
    """Say since when the autoscaler has written no status; empty where it writes, or where that is not known."""
    written = _TIME.search(status)
    if written is None:
        return ""
    time_text = f"{written[1]} {written[2]}"
    since = datetime.strptime(time_text, "%Y-%m-%d %H:%M:%S %z").timestamp()
    if now - since <= _SILENT:
        return ""
    return f"its autoscaler has written no status since {time_text}"


def _of_yaml(status: str) -> tuple[tuple[NodeGroup, ...], str]:
    """Return the groups, and the health of the whole cluster."""
    try:
        body = yaml.load(status, yaml.CBaseLoader)  # noqa: S506  (makes plain texts, lists and maps only)
        read = msgspec.convert(body, _Status, strict=False)
    except (yaml.YAMLError, msgspec.ValidationError, RecursionError) as error:
        raise InvalidObject(
            f"is no status of Cluster Autoscaler: {str(error).splitlines()[0]}"
        ) from None
    groups = []
    for group in read.node_groups:
        health = group.health
        held = _held(health.status, group.scale_up)
        groups.append(
            NodeGroup(
                group.name, health.max_size, health.node_counts.registered.total, held
            )
        )
    return tuple(groups), read.cluster_wide.health.status


def _of_text(status: str) -> tuple[tuple[NodeGroup, ...], str]:
    """Return the groups, and the health of the whole cluster."""
    groups: list[NodeGroup] = []
    name = ""
    for line in status.splitlines():
        if named := _NAME.match(line):
            name = named[1]
        # The part about the whole cluster comes first and also has a health, but no name.
        elif name and (health := _HEALTH.match(line)):
            status_word, registered, max_size = health.groups()
            held = _held(status_word, _GroupScaleUp())
            groups.append(NodeGroup(name, int(max_size), int(registered), held))
        elif groups and groups[-1].name == name and (scale_up := _SCALE_UP.match(line)):
            group = groups[-1]
            held = group.held or _held("", _GroupScaleUp(scale_up[1]))
            groups[-1] = replace(group, held=held)
    whole = _HEALTH_OF_ALL.search(status)
    return tuple(groups), whole[1] if whole else ""


def _held(health: str, scale_up: _GroupScaleUp) -> str:
    """Say why a group does not grow now; empty where it would."""
    if health == _UNHEALTHY:
        return "its autoscaler reports it as unhealthy, and adds no nodes to it"
    if scale_up.status != "Backoff":
        return ""
    backoff = scale_up.backoff_info
    cause = backoff.error_code or backoff.error_message[:200]
    in_brackets = f" ({cause})" if cause else ""
    return f"a scale-up failed{in_brackets}, and its autoscaler waits before it tries again"
