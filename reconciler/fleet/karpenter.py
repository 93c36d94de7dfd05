"""Karpenter's NodePools (karpenter.sh/v1) as node pools.

The one idea: a NodePool names no machine, only rules and limits. What it can surely add is what it has added already
and its rules still allow, wherever they leave a choice of zone or capacity type in each of these ways; what else it
might add stays open, so nothing is ruled out by it. A pool that Karpenter would not grow now is told as held.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product

import msgspec

from reconciler.fleet.poolnames import KARPENTER_POOL
from reconciler.fleet.pools import TYPE_LABELS, ZONE, ZONES, PoolMeta, least, shared_labels, units
from reconciler.fleet.snapshot import Node, NodePool
from reconciler.manifests.podshape import Taint

UNLIMITED = 100_000
"""The most nodes of a pool that names no limit; no cluster has as many."""

CAPACITY_TYPE = "karpenter.sh/capacity-type"

_CHOSEN = {*ZONES, CAPACITY_TYPE}
_MAX_SHAPES = 8


class _Requirement(msgspec.Struct):
    key: str
    operator: str
    values: list[str] | None = None


class _KarpenterTaint(msgspec.Struct):
    key: str
    effect: str
    value: str | None = None


class _KarpenterTemplateMeta(msgspec.Struct):
    labels: dict[str, str] | None = None


class _KarpenterTemplateSpec(msgspec.Struct):
    requirements: list[_Requirement] | None = None
    taints: list[_KarpenterTaint] | None = None


class _KarpenterTemplate(msgspec.Struct):
    metadata: _KarpenterTemplateMeta = msgspec.field(default_factory=_KarpenterTemplateMeta)
    spec: _KarpenterTemplateSpec = msgspec.field(default_factory=_KarpenterTemplateSpec)


class _KarpenterSpec(msgspec.Struct):
    template: _KarpenterTemplate = msgspec.field(default_factory=_KarpenterTemplate)
    limits: dict[str, str | int | float] | None = None
    weight: int | None = None
    replicas: int | None = None


class _Condition(msgspec.Struct):
    type: str
    status: str
    reason: str = ""


class _KarpenterStatus(msgspec.Struct):
    resources: dict[str, str | int | float] | None = None
    conditions: list[_Condition] | None = None


class KarpenterPool(msgspec.Struct):
    """A NodePool of Karpenter."""

    metadata: PoolMeta
    spec: _KarpenterSpec = msgspec.field(default_factory=_KarpenterSpec)
    status: _KarpenterStatus = msgspec.field(default_factory=_KarpenterStatus)


def karpenter_pools(
    items: Iterable[KarpenterPool], nodes: Sequence[Node], capacities: Mapping[str, Mapping[str, int]]
) -> tuple[NodePool, ...]:
    """Return Karpenter's pools, in the order in which it tries them.

    A pool that may choose among zones, capacity types or the kinds of nodes that it has now becomes a family of pools,
    one for each choice; what is not known are kinds that it has not used. `capacities`: what nodes have in all, by
    name, which is what Karpenter's limits count. Raises `InvalidObject` for an amount that is not a quantity.
    """
    ordered = sorted(items, key=lambda item: (-(item.spec.weight or 0), item.metadata.name))
    return tuple(pool for item in ordered for pool in _karpenter_family(item, nodes, capacities))


def _karpenter_family(
    item: KarpenterPool, nodes: Sequence[Node], capacities: Mapping[str, Mapping[str, int]]
) -> list[NodePool]:
    name, spec = item.metadata.name, item.spec
    own = [node for node in nodes if node.labels.get(KARPENTER_POOL) == name]
    requirements = spec.template.spec.requirements or []
    labels, choices = _required(requirements)
    labels = {**labels, **(spec.template.metadata.labels or {}), KARPENTER_POOL: name}
    by_type: dict[str, list[Node]] = {}
    for node in own:
        if not all(_allows(one, node.labels) for one in requirements if one.key not in _CHOSEN):
            continue
        by_type.setdefault(next((node.labels[key] for key in TYPE_LABELS if key in node.labels), ""), []).append(node)
    shapes: list[tuple[str, dict[str, int], dict[str, str]]] = [
        (kind, least(alike), {k: v for k, v in shared_labels(alike).items() if k not in _CHOSEN})
        for kind, alike in sorted(by_type.items())[:_MAX_SHAPES]
    ] or [("", {}, {})]
    left = _limits_left(item, own, capacities)
    base = NodePool(
        name=name,
        max_nodes=len(own) + _most_more(left, own, capacities),
        allocatable={},
        taints=tuple(Taint(taint.key, taint.effect, taint.value or "") for taint in spec.template.spec.taints or ()),
        existing=len(own),
        family=name,
        exact=False,
        left=left if not by_type else {},
        held=_held(item),
    )
    family = []
    for (kind, room, seen), chosen in product(shapes, _ways(choices)):
        words = [*([kind] if len(shapes) > 1 else []), *(chosen[key] for key in sorted(choices))]
        all_labels = {**seen, **labels, **chosen}
        spot = all_labels.get(CAPACITY_TYPE) == "spot"
        family.append(replace(base, name="/".join([name, *words]), allocatable=room, labels=all_labels, spot=spot))
    return family


def _held(item: KarpenterPool) -> str:
    """Say why Karpenter adds no nodes to a pool for pods that wait; empty where it does."""
    if item.metadata.deletion_timestamp:
        return "it is being deleted"
    if item.spec.replicas is not None:
        return f"its size is fixed at {item.spec.replicas}"
    for one in item.status.conditions or ():
        if (one.type, one.status) == ("Ready", "False"):
            return f"Karpenter takes it for not ready{f' ({one.reason})' if one.reason else ''}"
    return ""


def _allows(rule: _Requirement, labels: Mapping[str, str]) -> bool:
    """Tell whether a rule allows a node with these labels; one that has not the label is not judged by it."""
    value, values = labels.get(rule.key), rule.values or [""]
    if value is None:
        return True
    match rule.operator:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Gt" | "Lt" if value.isdecimal() and values[0].isdecimal():
            return int(value) > int(values[0]) if rule.operator == "Gt" else int(value) < int(values[0])
        case _:
            return rule.operator == "Exists"


def _required(requirements: Iterable[_Requirement]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return the labels that every new node has, and the zones and capacity types among which Karpenter chooses."""
    allowed: dict[str, list[str]] = {}
    for one in requirements:
        if one.operator == "In" and one.values:
            before = allowed.get(one.key, one.values)
            allowed[one.key] = [value for value in before if value in one.values]
    labels = {key: values[0] for key, values in allowed.items() if len(values) == 1}
    choices = {key: values for key in (ZONE, CAPACITY_TYPE) if len(values := allowed.get(key, [])) > 1}
    return labels, choices


def _ways(choices: Mapping[str, list[str]]) -> list[dict[str, str]]:
    keys = sorted(choices)
    return [dict(zip(keys, values, strict=True)) for values in product(*(choices[key] for key in keys))]


def _limits_left(
    item: KarpenterPool, own: Sequence[Node], capacities: Mapping[str, Mapping[str, int]]
) -> dict[str, int]:
    """Return what the limits leave, by resource; `nodes` is a number of nodes."""
    limits = units(item.spec.limits or {}, f"NodePool {item.metadata.name}: spec.limits")
    used = units(item.status.resources or {}, f"NodePool {item.metadata.name}: status.resources")
    sizes = [{"nodes": 1, **node.allocatable, **capacities.get(node.name, {})} for node in own]
    summed = {name: sum(size.get(name, 0) for size in sizes) for name in limits}
    spent = {name: summed[name] if name == "nodes" else used.get(name, summed[name]) for name in limits}
    return {name: max(limit - spent[name], 0) for name, limit in limits.items()}


def _most_more(left: Mapping[str, int], own: Sequence[Node], capacities: Mapping[str, Mapping[str, int]]) -> int:
    """Return how many more nodes its limits surely allow, if each is of the largest kind that it has."""
    sizes = [{"nodes": 1, **node.allocatable, **capacities.get(node.name, {})} for node in own] or [{"nodes": 1}]
    each = {name: max(size.get(name, 0) for size in sizes) for name in left}
    return min(
        (amount // max(each[name], 1) for name, amount in left.items() if each[name] or not amount), default=UNLIMITED
    )
