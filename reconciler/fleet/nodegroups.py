"""The node groups of Cluster Autoscaler, as its status ConfigMap tells of them, as node pools.

The one idea: the status says how large each group may become and is, and never what its nodes are like; that is read
off a node of the group, by the providers' conventions (`fleet.poolnames`), or stays unknown. A group that would
not grow now (in backoff, unhealthy, its autoscaler gone) is told as held. Since Kubernetes 1.30 the status is YAML,
before that it was text (clusterstate/api/types.go of Cluster Autoscaler).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec
import yaml

from reconciler.errors import InvalidObject
from reconciler.fleet.poolnames import group_name, is_own, pool_name, zone_of
from reconciler.fleet.pools import ZONES, lasting, least, shared_labels, together
from reconciler.fleet.snapshot import Node, NodePool

_NAME = re.compile(r"^\s*Name:\s+(\S+)\s*$")
_HEALTH = re.compile(r"^\s*Health:\s+(\w+).*\bregistered=(\d+).*\bmaxSize=(\d+)\)")
_HEALTH_OF_ALL = re.compile(r"^Cluster-wide:\s+Health:\s+(\w+)", re.MULTILINE)
_TIME = re.compile(r"(?:status at|^time:) ['\"]?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)? ([+-]\d{4})", re.MULTILINE)
_UNHEALTHY = "Unhealthy"
_SILENT = 900.0
"""Seconds after which an autoscaler that has written no status is taken for gone; it writes one every few seconds."""

_SCALE_UP = re.compile(r"^\s*ScaleUp:\s+(\w+)")


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """A node group of Cluster Autoscaler: its `registered` nodes, the most it may have, and why it is not growing."""

    name: str
    max_size: int
    registered: int = 0
    held: str = ""


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


_LEARNT = msgspec.json.Decoder(_Status)
"""Clusters are read side by side, and msgspec must not learn a type on two threads at once: so it does here."""


def node_groups(status: str, now: float) -> tuple[NodeGroup, ...]:
    """Return the node groups that the status of Cluster Autoscaler lists, as of `now` (unix seconds).

    Raises `InvalidObject` if it is no status.
    """
    is_text = status.lstrip().startswith("Cluster-autoscaler status")
    groups, health = _of_text(status) if is_text else _of_yaml(status)
    held = _silence(status, now)
    if not held and health == _UNHEALTHY:
        held = "its autoscaler takes the whole cluster for unhealthy, and adds nothing"
    return tuple(replace(one, held=held) for one in groups) if held else groups


def _silence(status: str, now: float) -> str:
    written = _TIME.search(status)
    if written is None:
        return ""
    since = datetime.strptime(f"{written[1]} {written[2]}", "%Y-%m-%d %H:%M:%S %z").timestamp()
    return f"its autoscaler has told nothing since {written[1]} {written[2]}" if now - since > _SILENT else ""


def _of_yaml(status: str) -> tuple[tuple[NodeGroup, ...], str]:
    """Return the groups, and the health of the whole cluster."""
    try:
        body = yaml.load(status, yaml.CBaseLoader)  # noqa: S506  (makes plain texts, lists and maps only)
        read = msgspec.convert(body, _Status, strict=False)
    except (yaml.YAMLError, msgspec.ValidationError, RecursionError) as error:
        raise InvalidObject(f"is no status of Cluster Autoscaler: {str(error).splitlines()[0]}") from None
    groups = (
        NodeGroup(
            one.name,
            one.health.max_size,
            one.health.node_counts.registered.total,
            _held(one.health.status, one.scale_up),
        )
        for one in read.node_groups
    )
    return tuple(groups), read.cluster_wide.health.status


def _of_text(status: str) -> tuple[tuple[NodeGroup, ...], str]:
    groups: list[NodeGroup] = []
    name = ""
    for line in status.splitlines():
        if named := _NAME.match(line):
            name = named[1]
        elif name and (health := _HEALTH.match(line)):
            groups.append(NodeGroup(name, int(health[3]), int(health[2]), _held(health[1], _GroupScaleUp())))
        elif groups and groups[-1].name == name and (scale_up := _SCALE_UP.match(line)):
            groups[-1] = replace(groups[-1], held=groups[-1].held or _held("", _GroupScaleUp(scale_up[1])))
    whole = _HEALTH_OF_ALL.search(status)
    return tuple(groups), whole[1] if whole else ""


def _held(health: str, scale_up: _GroupScaleUp) -> str:
    if health == _UNHEALTHY:
        return "its autoscaler takes it for unhealthy, and adds no nodes to it"
    if scale_up.status != "Backoff":
        return ""
    why = scale_up.backoff_info.error_code or scale_up.backoff_info.error_message[:200]
    return f"a scale-up failed{f' ({why})' if why else ''}, and its autoscaler waits before it tries again"


def pools_of_groups(
    groups: Iterable[NodeGroup], nodes: Sequence[Node], owned: Sequence[NodePool] = ()
) -> tuple[NodePool, ...]:
    """Return the pools that `groups` are; `owned` are those of Cluster API, whose owners may have written a shape.

    Groups of one pool, such as one a zone, are one pool: its sizes are the sums, its labels what they have in common.
    """
    written = {pool.name: pool for pool in owned}
    found: dict[str, NodePool] = {}
    for group in groups:
        pool = pool_of_group(group, nodes)
        known = written.pop(group_name(group.name), None)
        if known is not None:
            pool = replace(known, max_nodes=pool.max_nodes, existing=pool.existing, held=known.held or pool.held)
        found[pool.name] = together([found[pool.name], pool]) if pool.name in found else pool
    return tuple({**found, **written}.values())


def pool_of_group(group: NodeGroup, nodes: Sequence[Node]) -> NodePool:
    """Return one group as a pool, its shape and labels those of its nodes; of several zones only what holds in all."""
    own = [node for node in nodes if is_own(group.name, node)]
    zone = zone_of(group.name)
    name = next((found for node in own if (found := pool_name(node, group.name))), "") or group_name(group.name)
    bare = NodePool(name, group.max_size, {}, existing=group.registered, exact=False, held=group.held)
    if not own:
        return bare
    kept = {key: value for key, value in shared_labels(own).items() if key not in ZONES or value == zone}
    loose = not zone and any(key in node.labels for node in own for key in ZONES)
    return replace(bare, allocatable=least(own), labels=kept, taints=lasting(own[0].taints), exact=not loose)
