"""The file forms of snapshots: kind ClusterSnapshot, which people may also write, and kind FleetSnapshot, all of them.

A file gives amounts as Kubernetes does (`cpu: 15`, `memory: 58Gi`) and leaves out defaults; reading it gives exactly
the snapshot that was written. Writing is canonical: equal snapshots are equal bytes, so a digest identifies them. A
fleet's digest is made of its clusters' digests, so when one of a thousand clusters changes, only that one is encoded
again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Literal, TypeVar, get_type_hints

import msgspec
import orjson

from reconciler.errors import InvalidObject, ManifestError, Place
from reconciler.fleet.filetimes import read_time, time_text
from reconciler.fleet.kubectl_list import YAML_LIMITS, read_items, read_kubectl_list
from reconciler.fleet.snapshot import (
    DEFAULT_POD_SLOTS,
    ClusterSnapshot,
    FleetSnapshot,
    Node,
    NodePool,
    Pod,
    RayStatus,
    Unreadable,
)
from reconciler.fleet.snapshot_kinds import (
    Amounts,
    ClusterSnapshotKind,
    FleetSnapshotKind,
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
from reconciler.manifests.loader import Document, load
from reconciler.manifests.podshape import DEFAULT_SCORE_MEMORY, DEFAULT_SCORE_MILLICPU, PodShape, Taint
from reconciler.manifests.quantity import Format, Quantity

MAX_FLEET_BYTES = 1024 * 1024 * 1024
"""Some two million pods in canonical form."""

_VERSION: Literal["skyray.dev/v1alpha1"] = "skyray.dev/v1alpha1"
_ENCODER = msgspec.json.Encoder(order="deterministic")
_BINARY = ("memory", "ephemeral-storage", "hugepages-")
_RULES = {name: hint for name, hint in get_type_hints(PodShape).items() if name in RulesPart.__struct_fields__}
# The fields of `RulesPart` that hold texts; the others hold parts, which are converted.
_PLAIN = ("labels", "node_selector", "claims", "volume_claims", "priority_class", "scheduler_name", "scheduling_gates")
_NESTED = {name: hint for name, hint in _RULES.items() if name not in _PLAIN}
_RULE_PARTS = {name: hint for name, hint in get_type_hints(RulesPart).items() if name in _NESTED}
_POOL = tuple(name for name in PoolPart.__struct_fields__ if name not in {"allocatable", "taints", "left"})
_STEP = re.compile(r"\.([A-Za-z]+)|\[(\d+)\]")

K = TypeVar("K", ClusterSnapshotKind, FleetSnapshotKind)


class _Head(msgspec.Struct):
    kind: str = ""


# msgspec 0.22 learns a type at its first use, and crashes the process when two threads do that at the same time. So all
# types are learnt here, while the module is imported.
_LEARNT = [
    msgspec.json.Decoder(hint)
    for hint in (
        _Head,
        ClusterSnapshotKind,
        FleetSnapshotKind,
        RayPart,
        RayStatus,
        *_NESTED.values(),
        *_RULE_PARTS.values(),
    )
]


def read_capacity(data: bytes, file: str, cluster: str, taken_at: float) -> ClusterSnapshot:
    """Return the snapshot of `cluster` in a file: a ClusterSnapshot, or the List that kubectl printed, JSON or YAML.

    `taken_at` (unix seconds) counts where the file gives no time. Raises `InputError`.
    """
    if _is_json(data):
        if not _kind_of(data).endswith("Snapshot"):
            return read_kubectl_list(data, file, cluster, taken_at)
        return _own(_decode(ClusterSnapshotKind, data, file), file, cluster, taken_at)
    documents = load(data, file, YAML_LIMITS).documents
    if len(documents) == 1 and str(documents[0].body.get("kind", "")).endswith("Snapshot"):
        document = documents[0]
        try:
            return _own(_convert(ClusterSnapshotKind, document), file, cluster, taken_at)
        except InvalidField as error:
            raise InvalidObject(error.message, document.locate(*error.path)) from None
    return read_items((orjson.dumps(document.body) for document in documents), "", file, cluster, taken_at)


def read_fleet_snapshot(data: bytes, file: str) -> FleetSnapshot:
    """Return the snapshots in a FleetSnapshot file, JSON or YAML. Raises `InputError`."""
    if _is_json(data):
        whole = _decode(FleetSnapshotKind, data, file)
    else:
        documents = load(data, file, YAML_LIMITS).documents
        if len(documents) != 1:
            raise InvalidObject(f"has {len(documents)} documents; expected one FleetSnapshot", Place(file))
        whole = _convert(FleetSnapshotKind, documents[0])
    try:
        clusters = [_snapshot_or_unreadable(part) for part in whole.clusters]
    except InvalidField as error:
        raise InvalidObject(error.message, Place(file)) from None
    seen: set[str] = set()
    for cluster in clusters:
        if cluster.cluster in seen:
            raise InvalidObject(f"cluster {cluster.cluster!r} is listed twice; keep one of its snapshots", Place(file))
        seen.add(cluster.cluster)
    return fleet_snapshot(clusters)


def write_cluster(snapshot: ClusterSnapshot | Unreadable) -> bytes:
    """Return the canonical file form of one cluster's snapshot, JSON."""
    if isinstance(snapshot, Unreadable):
        kind: Any = UnreadableKind(
            api_version=_VERSION,
            metadata=NamePart(snapshot.cluster),
            since=time_text(snapshot.since),
            reason=snapshot.reason,
        )
        return _ENCODER.encode(kind)
    kind = ClusterSnapshotKind(
        api_version=_VERSION,
        metadata=NamePart(snapshot.cluster),
        taken_at=time_text(snapshot.taken_at),
        version=snapshot.version,
        nodes=tuple(map(_node_part, snapshot.nodes)),
        pods=tuple(map(_pod_part, snapshot.pods)),
        ray=tuple(msgspec.convert(status, RayPart, from_attributes=True) for status in snapshot.ray),
        namespaces=tuple(
            NamespacePart(name, dict(snapshot.namespace_labels[name])) for name in sorted(snapshot.namespace_labels)
        ),
        pools=tuple(map(_pool_part, snapshot.pools)),
        pools_note=snapshot.pools_note,
    )
    return _ENCODER.encode(kind)


def write_fleet_snapshot(fleet: FleetSnapshot) -> bytes:
    """Return the canonical file form of the whole fleet, JSON: its clusters' own forms in a list, by name."""
    clusters = b",".join(write_cluster(fleet.clusters[name]) for name in sorted(fleet.clusters))
    return b'{"kind":"FleetSnapshot","apiVersion":"%s","clusters":[%s]}' % (_VERSION.encode(), clusters)


class Digests:
    """Digests of snapshots; the last of each cluster is kept, so that an equal object is not encoded again."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[ClusterSnapshot | Unreadable, str]] = {}

    def of(self, snapshot: ClusterSnapshot | Unreadable) -> str:
        """Return the hex digest of the snapshot's canonical file form."""
        known = self._known.get(snapshot.cluster)
        if known is not None and known[0] is snapshot:
            return known[1]
        digest = hashlib.sha256(write_cluster(snapshot)).hexdigest()
        self._known[snapshot.cluster] = (snapshot, digest)
        return digest


def fleet_snapshot(clusters: Iterable[ClusterSnapshot | Unreadable], digests: Digests | None = None) -> FleetSnapshot:
    """Return the fleet's snapshot. Its digest is that of the lines `<cluster> <digest of its file form>`, by name."""
    digests = digests or Digests()
    by_name = {snapshot.cluster: snapshot for snapshot in clusters}
    lines = "".join(f"{name} {digests.of(by_name[name])}\n" for name in sorted(by_name))
    ordered = {name: by_name[name] for name in sorted(by_name)}
    return FleetSnapshot(ordered, "sha256:" + hashlib.sha256(lines.encode()).hexdigest())


# --- bytes to parts


def _is_json(data: bytes) -> bool:
    return data.lstrip()[:1] == b"{"


def _kind_of(data: bytes) -> str:
    try:
        return msgspec.json.decode(data, type=_Head).kind
    except msgspec.DecodeError:
        return ""  # `read_kubectl_list` reports what is wrong with it


def _decode(kind: type[K], data: bytes, file: str) -> K:
    if len(data) > MAX_FLEET_BYTES:
        raise ManifestError(
            f"the file has {len(data) >> 20} MiB; at most {MAX_FLEET_BYTES >> 20} are read", Place(file)
        )
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise InvalidObject(_readable(error), Place(file)) from None
    except msgspec.DecodeError as error:
        raise ManifestError(f"not JSON: {error}", Place(file)) from None


def _convert(kind: type[K], document: Document) -> K:
    try:
        return msgspec.convert(document.body, kind)
    except msgspec.ValidationError as error:
        # msgspec writes the path into its message: "... - at `$.nodes[0].name`".
        path_text = str(error).rpartition("`$")[2]
        path = [name or int(index) for name, index in _STEP.findall(path_text)]
        raise InvalidObject(_readable(error), document.locate(*path)) from None


def _readable(error: msgspec.ValidationError) -> str:
    message, _, path = str(error).partition(" - at `$")
    return f"{path.strip('.`')}: {message}" if path else message


# --- parts to snapshots


def _own(kind: ClusterSnapshotKind, file: str, cluster: str, taken_at: float) -> ClusterSnapshot:
    if kind.metadata.name != cluster:
        raise InvalidObject(f"is the snapshot of {kind.metadata.name!r}, not of {cluster!r}", Place(file))
    try:
        return _snapshot(kind, taken_at)
    except InvalidField as error:
        error.place = Place(file)
        raise


def _snapshot_or_unreadable(kind: ClusterSnapshotKind | UnreadableKind) -> ClusterSnapshot | Unreadable:
    if isinstance(kind, UnreadableKind):
        return Unreadable(kind.metadata.name, kind.reason, read_time(kind.since, ("since",)))
    if kind.taken_at is None:
        raise InvalidField(("takenAt",), f"of cluster {kind.metadata.name!r} is missing")
    return _snapshot(kind, 0.0)


def _snapshot(kind: ClusterSnapshotKind, taken_at: float) -> ClusterSnapshot:
    nodes = [_node(part, ("nodes", index)) for index, part in enumerate(kind.nodes)]
    pods = [_pod(part, ("pods", index)) for index, part in enumerate(kind.pods)]
    pools = [_pool(part, ("pools", index)) for index, part in enumerate(kind.pools)]
    _refuse_twice("nodes", [node.name for node in nodes])
    _refuse_twice("pods", [f"{pod.namespace}/{pod.name}" for pod in pods])
    _refuse_twice("pools", [pool.name for pool in kind.pools])
    return ClusterSnapshot(
        cluster=kind.metadata.name,
        taken_at=taken_at if kind.taken_at is None else read_time(kind.taken_at, ("takenAt",)),
        nodes=tuple(sorted(nodes, key=lambda node: node.name)),
        pods=tuple(sorted(pods, key=lambda pod: (pod.namespace, pod.name))),
        ray=tuple(msgspec.convert(part, RayStatus, from_attributes=True) for part in kind.ray),
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
        allocatable={"pods": DEFAULT_POD_SLOTS, **_all_units(part.allocatable, (*at, "allocatable"))},
        labels=part.labels,
        taints=tuple(Taint(taint.key, taint.effect, taint.value) for taint in part.taints),
        ready=part.ready,
        unschedulable=part.unschedulable,
    )


def _pool(part: PoolPart, at: Path) -> NodePool:
    same = {name: getattr(part, name) for name in _POOL}
    return NodePool(
        allocatable=_all_units(part.allocatable, (*at, "allocatable")),
        taints=tuple(Taint(taint.key, taint.effect, taint.value) for taint in part.taints),
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
        score_cpu=_score_cpu(requests) if cpu is None else _units("cpu", cpu, (*at, "scoreCpu")),
        score_memory=_score_memory(requests) if memory is None else _units("memory", memory, (*at, "scoreMemory")),
        **rules,
    )
    return Pod(part.namespace, part.name, shape, part.node, part.owner, part.node_type, part.deleting)


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


# --- snapshots to parts


def _node_part(node: Node) -> NodePart:
    return NodePart(
        name=node.name,
        allocatable=_texts(node.allocatable),
        labels=dict(node.labels),
        taints=tuple(TaintPart(taint.key, taint.effect, taint.value) for taint in node.taints),
        ready=node.ready,
        unschedulable=node.unschedulable,
    )


def _pool_part(pool: NodePool) -> PoolPart:
    same = {name: getattr(pool, name) for name in _POOL}
    return PoolPart(
        allocatable=_texts(pool.allocatable),
        taints=tuple(TaintPart(taint.key, taint.effect, taint.value) for taint in pool.taints),
        left=_texts(pool.left),
        **same,
    )


def _pod_part(pod: Pod) -> PodPart:
    shape = pod.shape
    if (shape.namespace, shape.node_name) != (pod.namespace, pod.node):
        raise ValueError(f"pod {pod.namespace}/{pod.name}: its shape has another namespace or node than the pod itself")
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
        score_memory=None if memory == _score_memory(requests) else _amount_text("memory", memory),
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
