"""Snapshots from the parts of a snapshot file, and the parts from snapshots.

Amounts are in scheduler units in a snapshot, and as Kubernetes writes them in a file. What has a default is left out of
the file, so each of the two directions knows the defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, get_type_hints

import msgspec

from reconciler.fleet.filetimes import read_time, time_text
from reconciler.fleet.snapshot import (
    DEFAULT_POD_SLOTS,
    ClusterSnapshot,
    Node,
    NodePool,
    Pod,
    RayStatus,
    Unreadable,
)
from reconciler.fleet.snapshot_kinds import (
    Amounts,
    ClusterSnapshotKind,
    NamePart,
    NamespacePart,
    NodePart,
    PodPart,
    PoolPart,
    RayPart,
    RulesPart,
    TaintPart,
    UnreadableKind,
)
from reconciler.manifests.fields import InvalidField, Path
from reconciler.manifests.podshape import (
    DEFAULT_SCORE_MEMORY,
    DEFAULT_SCORE_MILLICPU,
    PodShape,
    Taint,
)
from reconciler.manifests.quantity import Format, Quantity

API_VERSION: Literal["skyray.dev/v1alpha1"] = "skyray.dev/v1alpha1"

_BINARY = ("memory", "ephemeral-storage", "hugepages-")
_RULES = {
    name: hint
    for name, hint in get_type_hints(PodShape).items()
    if name in RulesPart.__struct_fields__
}
# The fields of `RulesPart` that hold texts; the others hold parts, which are converted.
_PLAIN = (
    "labels",
    "node_selector",
    "claims",
    "volume_claims",
    "priority_class",
    "scheduler_name",
    "scheduling_gates",
)
_NESTED = {name: hint for name, hint in _RULES.items() if name not in _PLAIN}
_RULE_PARTS = {
    name: hint for name, hint in get_type_hints(RulesPart).items() if name in _NESTED
}
_POOL = tuple(
    name
    for name in PoolPart.__struct_fields__
    if name not in {"allocatable", "taints", "left"}
)

# msgspec 0.22 learns a type at its first use, and crashes the process when two threads do that at the same time. So all
# types are learnt here, while the module is imported.
_LEARNT = [
    msgspec.json.Decoder(hint)
    for hint in (RayPart, RayStatus, *_NESTED.values(), *_RULE_PARTS.values())
]


def kind_of(
    snapshot: ClusterSnapshot | Unreadable,
) -> ClusterSnapshotKind | UnreadableKind:
    """Return the file form of a snapshot, or of the reason why there is none."""
    if isinstance(snapshot, Unreadable):
        return UnreadableKind(
            api_version=API_VERSION,
            metadata=NamePart(snapshot.cluster),
            since=time_text(snapshot.since),
            reason=snapshot.reason,
        )
    labels = snapshot.namespace_labels
    return ClusterSnapshotKind(
        api_version=API_VERSION,
        metadata=NamePart(snapshot.cluster),
        taken_at=time_text(snapshot.taken_at),
        version=snapshot.version,
        nodes=tuple(map(_node_part, snapshot.nodes)),
        pods=tuple(map(_pod_part, snapshot.pods)),
        ray=tuple(
            msgspec.convert(status, RayPart, from_attributes=True)
            for status in snapshot.ray
        ),
        namespaces=tuple(
            NamespacePart(name, dict(labels[name])) for name in sorted(labels)
        ),
        pools=tuple(map(_pool_part, snapshot.pools)),
        pools_note=snapshot.pools_note,
    )


def snapshot_or_unreadable(
    kind: ClusterSnapshotKind | UnreadableKind,
) -> ClusterSnapshot | Unreadable:
    """Return what an entry of a FleetSnapshot describes. Raises `InvalidField`, also for a snapshot without a time."""
    if isinstance(kind, UnreadableKind):
        return Unreadable(
            kind.metadata.name, kind.reason, read_time(kind.since, ("since",))
        )
    if kind.taken_at is None:
        raise InvalidField(
            ("takenAt",), f"of cluster {kind.metadata.name!r} is missing"
        )
    return cluster_snapshot(kind, 0.0)


def cluster_snapshot(kind: ClusterSnapshotKind, taken_at: float) -> ClusterSnapshot:
    """Return the snapshot in a file; `taken_at` (unix seconds) counts where it has no time. Raises `InvalidField`."""
    nodes = [_node(part, ("nodes", index)) for index, part in enumerate(kind.nodes)]
    pods = [_pod(part, ("pods", index)) for index, part in enumerate(kind.pods)]
    pools = [_pool(part, ("pools", index)) for index, part in enumerate(kind.pools)]
    _refuse_twice("nodes", [node.name for node in nodes])
    _refuse_twice("pods", [f"{pod.namespace}/{pod.name}" for pod in pods])
    _refuse_twice("pools", [pool.name for pool in kind.pools])
    return ClusterSnapshot(
        cluster=kind.metadata.name,
        taken_at=taken_at
        if kind.taken_at is None
        else read_time(kind.taken_at, ("takenAt",)),
        nodes=tuple(sorted(nodes, key=lambda node: node.name)),
        pods=tuple(sorted(pods, key=lambda pod: (pod.namespace, pod.name))),
        ray=tuple(
            msgspec.convert(part, RayStatus, from_attributes=True) for part in kind.ray
        ),
        version=kind.version,
        namespace_labels={part.name: part.labels for part in kind.namespaces},
        pools=tuple(pools),
        pools_note=kind.pools_note,
    )


def _refuse_twice(what: str, names: list[str]) -> None:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            raise InvalidField((what, index), f"has {name!r} again; list each once")
        seen.add(name)


def _node(part: NodePart, at: Path) -> Node:
    return Node(
        name=part.name,
        allocatable={
            "pods": DEFAULT_POD_SLOTS,
            **_all_units(part.allocatable, (*at, "allocatable")),
        },
        labels=part.labels,
        taints=tuple(
            Taint(taint.key, taint.effect, taint.value) for taint in part.taints
        ),
        ready=part.ready,
        unschedulable=part.unschedulable,
    )


def _pool(part: PoolPart, at: Path) -> NodePool:
    same = {name: getattr(part, name) for name in _POOL}
    return NodePool(
        allocatable=_all_units(part.allocatable, (*at, "allocatable")),
        taints=tuple(
            Taint(taint.key, taint.effect, taint.value) for taint in part.taints
        ),
        left=_all_units(part.left, (*at, "left")),
        **same,
    )


def _pod(part: PodPart, at: Path) -> Pod:
    requests = _all_units(part.requests, (*at, "requests"))
    rules = {name: getattr(part, name) for name in _RULES}
    for name, hint in _NESTED.items():
        if rules[name] not in ((), None):
            rules[name] = msgspec.convert(rules[name], hint, from_attributes=True)
    cpu, memory = part.score_cpu, part.score_memory
    shape = PodShape(
        namespace=part.namespace,
        node_name=part.node,
        requests=requests,
        score_cpu=_score_cpu(requests)
        if cpu is None
        else _units("cpu", cpu, (*at, "scoreCpu")),
        score_memory=_score_memory(requests)
        if memory is None
        else _units("memory", memory, (*at, "scoreMemory")),
        **rules,
    )
    return Pod(
        part.namespace,
        part.name,
        shape,
        part.node,
        part.owner,
        part.node_type,
        part.deleting,
    )


def _score_cpu(requests: Mapping[str, int]) -> int:
    return requests.get("cpu") or DEFAULT_SCORE_MILLICPU


def _score_memory(requests: Mapping[str, int]) -> int:
    return requests.get("memory") or DEFAULT_SCORE_MEMORY


def _all_units(amounts: Amounts, at: Path) -> dict[str, int]:
    return {name: _units(name, amount, (*at, name)) for name, amount in amounts.items()}


def _units(name: str, amount: str | float, at: Path) -> int:
    """Return the amount in the scheduler's units: `cpu` in millicores, all else in whole units."""
    try:
        quantity = Quantity.parse(amount)
    except ValueError as error:
        raise InvalidField(at, f"is wrong: {error}") from None
    if quantity.nano < 0:
        raise InvalidField(at, f"is {amount}; write 0 or more")
    return quantity.milli if name == "cpu" else quantity.value


def _node_part(node: Node) -> NodePart:
    return NodePart(
        name=node.name,
        allocatable=_texts(node.allocatable),
        labels=dict(node.labels),
        taints=tuple(
            TaintPart(taint.key, taint.effect, taint.value) for taint in node.taints
        ),
        ready=node.ready,
        unschedulable=node.unschedulable,
    )


def _pool_part(pool: NodePool) -> PoolPart:
    same = {name: getattr(pool, name) for name in _POOL}
    return PoolPart(
        allocatable=_texts(pool.allocatable),
        taints=tuple(
            TaintPart(taint.key, taint.effect, taint.value) for taint in pool.taints
        ),
        left=_texts(pool.left),
        **same,
    )


def _pod_part(pod: Pod) -> PodPart:
    shape = pod.shape
    if (shape.namespace, shape.node_name) != (pod.namespace, pod.node):
        raise ValueError(
            f"pod {pod.namespace}/{pod.name}: its shape has another namespace or node than the pod itself"
        )
    rules = {name: getattr(shape, name) for name in _RULES}
    for name, hint in _RULE_PARTS.items():
        if rules[name] not in ((), None):
            rules[name] = msgspec.convert(rules[name], hint, from_attributes=True)
    requests, cpu, memory = shape.requests, shape.score_cpu, shape.score_memory
    return PodPart(
        namespace=pod.namespace,
        name=pod.name,
        node=pod.node,
        requests=_texts(requests),
        owner=pod.owner,
        node_type=pod.node_type,
        deleting=pod.deleting,
        score_cpu=None if cpu == _score_cpu(requests) else _amount_text("cpu", cpu),
        score_memory=None
        if memory == _score_memory(requests)
        else _amount_text("memory", memory),
        **rules,
    )


def _texts(amounts: Mapping[str, int]) -> Amounts:
    return {name: _amount_text(name, amount) for name, amount in amounts.items()}


@lru_cache(maxsize=4096)
def _amount_text(name: str, amount: int) -> str:
    if name == "cpu":
        return str(Quantity(amount * 10**6))
    if name.startswith(_BINARY):
        return str(Quantity(amount * 10**9, Format.BinarySI))
    return str(amount)
