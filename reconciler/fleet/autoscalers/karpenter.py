"""Karpenter: its NodePools (karpenter.sh/v1) as node pools.

A NodePool names no machine, only rules and limits. What it can surely add are the kinds of nodes that it has added
already and that its rules still allow, in each zone and capacity type that they leave open. It may add other kinds,
so a pool is not `exact` and rules nothing out. A pool that Karpenter would not grow now is `held`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import msgspec

from reconciler.fleet.autoscalers.reader import ObjectPath, ObservedCluster
from reconciler.fleet.poolnames import KARPENTER_POOL
from reconciler.fleet.pools import (
    TYPE_LABELS,
    ZONE,
    ZONES,
    PoolMeta,
    least,
    shared_labels,
    units,
)
from reconciler.fleet.snapshot import Node, NodePool
from reconciler.manifests.podshape import Taint

NODE_POOLS = "/apis/karpenter.sh/v1/nodepools"

UNLIMITED = 100_000
"""The most nodes of a pool that names no limit; no cluster has as many."""

CAPACITY_TYPE = "karpenter.sh/capacity-type"

_CHOSEN = {*ZONES, CAPACITY_TYPE}
"""The labels that Karpenter chooses anew for each node."""

_MAX_SHAPES = 8
"""The most kinds of nodes of a pool that are looked at, each in every zone and capacity type."""

Capacities = Mapping[str, Mapping[str, int]]
"""What nodes have in all, whether pods can have it or not, by name, in scheduler units: Karpenter's limits count it."""


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
    metadata: _KarpenterTemplateMeta = msgspec.field(
        default_factory=_KarpenterTemplateMeta
    )
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


class KarpenterReader:
    """Reads Karpenter's NodePools."""

    kind = "Karpenter"
    subject = "Karpenter's node pools"
    wants = (ObjectPath(NODE_POOLS),)
    decoder = msgspec.json.Decoder(KarpenterPool)

    def pools(
        self, objects: Sequence[KarpenterPool], cluster: ObservedCluster
    ) -> tuple[NodePool, ...]:
        """Return Karpenter's pools; raises `InvalidObject` for an amount that is not a quantity."""
        capacities = {}
        for name, amounts in cluster.capacities.items():
            capacities[name] = units(amounts, f"Node {name}: status.capacity")
        return (*cluster.pools, *karpenter_pools(objects, cluster.nodes, capacities))


def karpenter_pools(
    items: Iterable[KarpenterPool], nodes: Sequence[Node], capacities: Capacities
) -> tuple[NodePool, ...]:
    """Return Karpenter's pools, in the order in which it tries them.

    A pool that may choose among zones, capacity types or the kinds of nodes that it has now becomes a family of pools,
    one for each choice. Raises `InvalidObject` for an amount that is not a quantity.
    """
    by_weight = sorted(
        items, key=lambda item: (-(item.spec.weight or 0), item.metadata.name)
    )
    pools: list[NodePool] = []
    for item in by_weight:
        pools.extend(_family(item, nodes, capacities))
    return tuple(pools)


@dataclass(frozen=True, slots=True)
class _Shape:
    """A kind of node that a pool has: its instance type, and what all nodes of it have."""

    instance_type: str = ""
    allocatable: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


def _family(
    item: KarpenterPool, nodes: Sequence[Node], capacities: Capacities
) -> Iterator[NodePool]:
    """Yield a pool for each kind of node, zone and capacity type that a NodePool may add."""
    name = item.metadata.name
    template = item.spec.template
    requirements = template.spec.requirements or []
    own = [node for node in nodes if node.labels.get(KARPENTER_POOL) == name]
    shapes = _shapes(requirements, own)
    left = _limits_left(item, own, capacities)
    base = NodePool(
        name=name,
        max_nodes=len(own) + _most_more(left, own, capacities),
        allocatable={},
        taints=tuple(
            Taint(taint.key, taint.effect, taint.value or "")
            for taint in template.spec.taints or ()
        ),
        existing=len(own),
        family=name,
        exact=False,
        # Without a shape, `max_nodes` cannot say what the limits leave.
        left={} if shapes else left,
        held=_held(item),
    )
    required, choices = _required(requirements)
    fixed_labels = {
        **required,
        **(template.metadata.labels or {}),
        KARPENTER_POOL: name,
    }
    for shape, chosen in product(shapes or [_Shape()], _ways(choices)):
        steps = [name]
        if len(shapes) > 1:
            steps.append(shape.instance_type)
        steps.extend(chosen[key] for key in sorted(choices))
        labels = {**shape.labels, **fixed_labels, **chosen}
        yield replace(
            base,
            name="/".join(steps),
            allocatable=shape.allocatable,
            labels=labels,
            spot=labels.get(CAPACITY_TYPE) == "spot",
        )


def _shapes(requirements: Sequence[_Requirement], own: Sequence[Node]) -> list[_Shape]:
    """Return the kinds of nodes among `own` that the rules still allow, by instance type; `_MAX_SHAPES` at most."""
    # Zone and capacity type of a node were chosen for it alone, so they say nothing about its kind.
    rules = [rule for rule in requirements if rule.key not in _CHOSEN]
    by_type: dict[str, list[Node]] = {}
    for node in own:
        if all(_allows(rule, node.labels) for rule in rules):
            by_type.setdefault(_instance_type(node), []).append(node)
    shapes = []
    for instance_type in sorted(by_type)[:_MAX_SHAPES]:
        alike = by_type[instance_type]
        labels = {
            key: value
            for key, value in shared_labels(alike).items()
            if key not in _CHOSEN
        }
        shapes.append(_Shape(instance_type, least(alike), labels))
    return shapes


def _instance_type(node: Node) -> str:
    for key in TYPE_LABELS:
        if key in node.labels:
            return node.labels[key]
    return ""


def _held(item: KarpenterPool) -> str:
    """Say why Karpenter adds no nodes to a pool for pods that wait; empty where it does."""
    if item.metadata.deletion_timestamp:
        return "it is being deleted"
    # A NodePool with `replicas` keeps that many nodes, whatever pods wait.
    if item.spec.replicas is not None:
        return f"its size is fixed at {item.spec.replicas}"
    for condition in item.status.conditions or ():
        if (condition.type, condition.status) == ("Ready", "False"):
            reason = f" ({condition.reason})" if condition.reason else ""
            return f"Karpenter reports it as not ready{reason}"
    return ""


def _allows(rule: _Requirement, labels: Mapping[str, str]) -> bool:
    """Tell whether a rule allows a node with these labels."""
    value = labels.get(rule.key)
    values = rule.values or [""]
    # Labels that Karpenter itself knows need not be on a node.
    if value is None:
        return True
    match rule.operator:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Gt" if value.isdecimal() and values[0].isdecimal():
            return int(value) > int(values[0])
        case "Lt" if value.isdecimal() and values[0].isdecimal():
            return int(value) < int(values[0])
        case _:
            return rule.operator == "Exists"


def _required(
    requirements: Iterable[_Requirement],
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return the labels that every new node has, and the zones and capacity types among which Karpenter chooses."""
    allowed: dict[str, list[str]] = {}
    for rule in requirements:
        if rule.operator == "In" and rule.values:
            # Several rules about one label must all hold.
            before = allowed.get(rule.key, rule.values)
            allowed[rule.key] = [value for value in before if value in rule.values]
    labels = {key: values[0] for key, values in allowed.items() if len(values) == 1}
    choices = {}
    for key in (ZONE, CAPACITY_TYPE):
        values = allowed.get(key, [])
        if len(values) > 1:
            choices[key] = values
    return labels, choices


def _ways(choices: Mapping[str, list[str]]) -> list[dict[str, str]]:
    """Return each combination of one value for every label in `choices`; one without labels where there are none."""
    keys = sorted(choices)
    combinations = product(*(choices[key] for key in keys))
    return [dict(zip(keys, values, strict=True)) for values in combinations]


def _sizes(own: Sequence[Node], capacities: Capacities) -> list[dict[str, int]]:
    """Return what Karpenter's limits count of each node; `nodes` is the node itself."""
    return [
        {"nodes": 1, **node.allocatable, **capacities.get(node.name, {})}
        for node in own
    ]


def _limits_left(
    item: KarpenterPool, own: Sequence[Node], capacities: Capacities
) -> dict[str, int]:
    """Return what the limits leave, by resource; `nodes` is a number of nodes."""
    limits = units(
        item.spec.limits or {}, f"NodePool {item.metadata.name}: spec.limits"
    )
    used = units(
        item.status.resources or {}, f"NodePool {item.metadata.name}: status.resources"
    )
    sizes = _sizes(own, capacities)
    left = {}
    for name, limit in limits.items():
        spent = sum(size.get(name, 0) for size in sizes)
        # Karpenter also counts nodes that are on their way; of `nodes` those that exist are what `max_nodes` adds to.
        if name != "nodes":
            spent = used.get(name, spent)
        left[name] = max(limit - spent, 0)
    return left


def _most_more(
    left: Mapping[str, int], own: Sequence[Node], capacities: Capacities
) -> int:
    """Return how many more nodes its limits surely allow, if each is of the largest kind that it has."""
    sizes = _sizes(own, capacities) or [{"nodes": 1}]
    most = []
    for name, amount in left.items():
        largest = max(size.get(name, 0) for size in sizes)
        if largest:
            most.append(amount // largest)
        # A limit of what no node has bounds nothing, but where it is spent, Karpenter adds no node.
        elif not amount:
            most.append(0)
    return min(most, default=UNLIMITED)
