"""The nodes of one cluster as arrays: what kube-scheduler's snapshot is to its plugins.

A `NodeTable` never changes: names, labels, taints, allocatable, and masks that follow from them alone (computed once).
`Nodes` is a table and the resources that are taken of it; a copy costs a few small arrays, so simulations are cheap.
All amounts are in scheduler units (`manifests.podshape`); arrays are int64, one row a resource, one column a node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from types import MappingProxyType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from reconciler.fleet.snapshot import ClusterSnapshot, Node, NodePool, Pod
from reconciler.kube_scheduler.daemonsets import DaemonSets
from reconciler.manifests.podshape import PodShape, Taint
from reconciler.reasons.reason import Reason

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

CPU, MEMORY, SLOTS = 0, 1, 2
"""The first rows of every table; the other resources follow in order of their names."""

DEFAULT_POD_SLOTS = 110
"""What a node holds when its allocatable names no `pods` (the kubelet's own default); real nodes always name it."""

HOSTNAME = "kubernetes.io/hostname"
MOST_ALLOCATED = "MostAllocated"
LEAST_ALLOCATED = "LeastAllocated"

NOT_READY = Taint("node.kubernetes.io/not-ready", "NoSchedule")
"""What a node that is not ready counts as tainted with, even where nothing has tainted it yet."""

_MOST = 1 << 55  # times 100 it still is an int64
_MOST_REQUEST = 1 << 56  # more than any node has

Headroom = Mapping[str, Fraction | int]
"""Kept free on each node, by resource: a `Fraction` of the node's allocatable, or an amount in scheduler units."""


@dataclass(frozen=True, slots=True)
class PodsOnNodes:
    """Equal pods that are bound to nodes: `where` is node index -> number of pods."""

    shape: PodShape
    where: Mapping[int, int]
    deleting: bool = False

    @property
    def has_terms(self) -> bool:
        """Whether these pods have terms that may attract or repel others."""
        return has_pod_terms(self.shape)


def has_pod_terms(shape: PodShape) -> bool:
    """Return whether `shape` has any pod affinity or anti-affinity term."""
    return bool(
        shape.pod_required
        or shape.pod_preferred
        or shape.pod_anti_required
        or shape.pod_anti_preferred
    )


def clamped(amount: int) -> int:
    """Return a request as the arrays hold it: beyond any node when it is absurdly large."""
    return min(amount, _MOST_REQUEST)


def load_of(shape: PodShape) -> tuple[int, int, int, int]:
    """Return what one pod adds to the four rows of `Nodes.load`."""
    return (
        clamped(shape.requests.get("cpu", 0)),
        clamped(shape.requests.get("memory", 0)),
        clamped(shape.score_cpu),
        clamped(shape.score_memory),
    )


class NodeTable:
    """What does not change about nodes.

    `rows`: resource -> row. `alloc`: allocatable. `kept`: what `headroom` keeps free. `all_named`: every node has cpu
    and memory. `memo` keeps masks and counts that follow from the table alone.
    """

    __slots__ = (
        "all_named",
        "alloc",
        "base",
        "headroom",
        "index",
        "kept",
        "memo",
        "namespaces",
        "nodes",
        "rows",
        "size",
    )

    def __init__(
        self,
        nodes: Sequence[Node],
        base: tuple[PodsOnNodes, ...],
        namespaces: Mapping[str, Mapping[str, str]],
        headroom: Headroom,
    ) -> None:
        """`base`: the pods that are bound to the nodes. `namespaces`: labels by namespace."""
        self.nodes = tuple(nodes)
        self.size = len(self.nodes)
        self.base = base
        self.namespaces = namespaces
        self.headroom = headroom
        self.index = {node.name: i for i, node in enumerate(self.nodes)}
        self.rows = _rows(self.nodes)
        self.alloc = np.zeros((len(self.rows), self.size), dtype=np.int64)
        self.kept = np.zeros_like(self.alloc)
        for name, row in self.rows.items():
            self.alloc[row] = [_allocatable(node, name) for node in self.nodes]
            if name in headroom:
                amounts: list[int] = self.alloc[row].tolist()
                self.kept[row] = [_kept(amount, headroom[name]) for amount in amounts]
        self.all_named = bool((self.alloc[:2] > 0).all())
        self.memo: dict[Any, Any] = {}

    def domains(self, key: str) -> tuple[Ints, int]:
        """Return for each node the number of its value of label `key` (-1 without), and how many values there are."""
        found = self.memo.get(("domains", key))
        if found is None:
            numbers: dict[str, int] = {}
            codes = np.full(self.size, -1, dtype=np.int64)
            for i, node in enumerate(self.nodes):
                if key in node.labels:
                    codes[i] = numbers.setdefault(node.labels[key], len(numbers))
            found = self.memo["domains", key] = (codes, len(numbers))
        return cast("tuple[Ints, int]", found)

    def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        """Return a namespace's labels; a namespace that does not exist yet will have its name as a label."""
        return self.namespaces.get(namespace) or {
            "kubernetes.io/metadata.name": namespace
        }


@dataclass(frozen=True, slots=True)
class AutoscalerPools:
    """What an autoscaler can add: `pools`, the `daemonsets` of each new node, and what is not known (`unknown`)."""

    pools: tuple[NodePool, ...]
    daemonsets: DaemonSets
    unknown: tuple[Reason, ...] = ()


NO_AUTOSCALER = AutoscalerPools((), DaemonSets(()))


class Nodes:
    """A table and what is taken of it.

    `free`: allocatable - headroom - requests. `load`: what the scores look at, in four rows: requests of cpu and
    memory, then the same with the scheduler's defaults for pods that request nothing. `added`: pods bound since the
    table was made. The last `size - existing` nodes do not exist yet: an autoscaler is expected to add them. `spare`:
    how many nodes each pool may still add. `autoscaler`: what is known of the pools. `ranks`: of nodes with equal
    scores the node of lowest rank is chosen.
    """

    __slots__ = (
        "added",
        "autoscaler",
        "existing",
        "free",
        "load",
        "most_allocated",
        "ranks",
        "spare",
        "table",
    )

    def __init__(
        self,
        table: NodeTable,
        free: Ints,
        load: Ints,
        added: tuple[PodsOnNodes, ...],
        existing: int,
        autoscaler: AutoscalerPools,
        spare: Mapping[str, int],
        most_allocated: bool,
        ranks: Ints | None = None,
    ) -> None:
        self.table = table
        self.free = free
        self.load = load
        self.added = added
        self.existing = existing
        self.autoscaler = autoscaler
        self.spare = spare
        self.most_allocated = most_allocated
        self.ranks = np.arange(table.size) if ranks is None else ranks

    @classmethod
    def of(
        cls,
        snapshot: ClusterSnapshot,
        *,
        headroom: Headroom | None = None,
        pools: Iterable[NodePool] = (),
        spare: Mapping[str, int] = MappingProxyType({}),
        scoring: str = LEAST_ALLOCATED,
        unknown: tuple[Reason, ...] = (),
    ) -> Nodes:
        """Return the nodes of `snapshot` with the pods that are bound to them; pending pods are left out.

        `spare`: how many nodes each of `pools` may still add, by its budget's name (`KeyError` where a pool has none).
        `scoring`: what the cluster's kube-scheduler prefers, `LeastAllocated` or `MostAllocated`. `unknown`: what its
        autoscaler may add beside `pools`, of which too little is known.
        """
        pools = tuple(pools)
        index = {node.name: i for i, node in enumerate(snapshot.nodes)}
        bound = [pod for pod in snapshot.pods if pod.node in index]
        base: list[PodsOnNodes] = []
        for pod in bound:
            where = {index[pod.node]: 1}
            base.append(PodsOnNodes(pod.shape, where, pod.deleting))
        table = NodeTable(
            snapshot.nodes, tuple(base), snapshot.namespace_labels, headroom or {}
        )
        taken, load = _taken(table, bound)
        # Without pools no node is added, so the DaemonSets do not matter.
        daemonsets = DaemonSets.of(snapshot.pods) if pools else DaemonSets(())
        return cls(
            table=table,
            free=table.alloc - table.kept - taken,
            load=load,
            added=(),
            existing=table.size,
            autoscaler=AutoscalerPools(pools, daemonsets, unknown),
            spare={pool.budget: spare[pool.budget] for pool in pools},
            most_allocated=scoring == MOST_ALLOCATED,
        )

    @property
    def size(self) -> int:
        """How many nodes there are, those that do not exist yet among them."""
        return self.table.size

    def copy(self) -> Nodes:
        """Return nodes that can be bound to without changing these."""
        return Nodes(
            table=self.table,
            free=self.free.copy(),
            load=self.load.copy(),
            added=self.added,
            existing=self.existing,
            autoscaler=self.autoscaler,
            spare=self.spare,
            most_allocated=self.most_allocated,
            ranks=self.ranks,
        )

    @property
    def pools(self) -> tuple[NodePool, ...]:
        """What an autoscaler can add to them."""
        return self.autoscaler.pools

    def with_all_existing(self) -> Nodes:
        """Return a copy in which the new nodes exist already."""
        copy = self.copy()
        copy.existing = copy.size
        return copy

    def with_ranks(self, ranks: Ints) -> Nodes:
        """Return a copy that breaks ties by `ranks`."""
        copy = self.copy()
        copy.ranks = ranks
        return copy

    def requested(self, shape: PodShape) -> list[tuple[int, int]] | None:
        """Return (row, amount) of all that a pod takes, its slot first; None when no node has such a resource."""
        requested = [(SLOTS, 1)]
        for name, amount in shape.requests.items():
            if amount > 0:
                row = self.table.rows.get(name)
                if row is None:
                    return None
                requested.append((row, clamped(amount)))
        return requested

    def bind(self, shape: PodShape, where: Mapping[int, int]) -> None:
        """Bind `where[i]` pods to each node i. Changes these nodes."""
        self.take_resources(shape, where)
        self.add_pods(shape, where)

    def take_resources(self, shape: PodShape, where: Mapping[int, int]) -> None:
        """Take what `where[i]` pods request on each node i, without the pods themselves. Changes these nodes."""
        if not where:
            return
        index = np.fromiter(where.keys(), np.int64, len(where))
        count = np.fromiter(where.values(), np.int64, len(where))
        requested = self.requested(shape) or []
        rows = np.array([[row] for row, _ in requested])
        amounts = np.array([[amount] for _, amount in requested])
        self.free[rows, index] -= amounts * count
        loads = np.array([[amount] for amount in load_of(shape)])
        self.load[:, index] += loads * count

    def add_pods(self, shape: PodShape, where: Mapping[int, int]) -> None:
        """Add the pods themselves, for the rules that look at other pods. Changes these nodes."""
        if where:
            self.added = (*self.added, PodsOnNodes(shape, dict(where)))

    @property
    def free_share(self) -> float:
        """The free share, 0 to 1, of the scarcest devices on the nodes that exist; of cpu where there are none."""
        devices = [row for name, row in self.table.rows.items() if "/" in name]
        whole = self.table.alloc[:, : self.existing].sum(axis=1)
        free = np.maximum(self.free[:, : self.existing], 0).sum(axis=1)
        scarce = [row for row in devices or [CPU] if whole[row]]
        shares = [float(free[row] / whole[row]) for row in scarce]
        return min(shares, default=0.0)

    def free_of(self, wanted: Callable[[str], bool]) -> int:
        """Return how much of the resources whose names are `wanted` is free on nodes that exist and take pods."""
        existing = self.table.nodes[: self.existing]
        open_ = [
            i
            for i, node in enumerate(existing)
            if node.ready and not node.unschedulable
        ]
        rows = [row for name, row in self.table.rows.items() if wanted(name)]
        # With headroom, free may be negative where more is taken already.
        free = np.maximum(self.free[np.ix_(rows, open_)], 0)
        return int(free.sum())


def _rows(nodes: Iterable[Node]) -> dict[str, int]:
    """Return the row of each resource: cpu, memory and pod slots first, the others by name."""
    rows = {"cpu": CPU, "memory": MEMORY, "pods": SLOTS}
    names: set[str] = set()
    for node in nodes:
        names.update(node.allocatable)
    for name in sorted(names - rows.keys()):
        rows[name] = len(rows)
    return rows


def _allocatable(node: Node, resource: str) -> int:
    return min(
        node.allocatable.get(resource, DEFAULT_POD_SLOTS if resource == "pods" else 0),
        _MOST,
    )


def _kept(allocatable: int, share: Fraction | int) -> int:
    return ceil(allocatable * share) if isinstance(share, Fraction) else share


def _taken(table: NodeTable, bound: Iterable[Pod]) -> tuple[Ints, Ints]:
    """Sum up requests by resource and node; requests for a resource that no node has count nowhere."""
    rows, size = table.rows, table.size
    taken = [[0] * size for _ in rows]
    scored = [[0] * size for _ in range(2)]
    for pod in bound:
        i = table.index[pod.node]
        taken[SLOTS][i] += 1
        for name, amount in pod.shape.requests.items():
            if name in rows:
                taken[rows[name]][i] += amount
        scored[CPU][i] += pod.shape.score_cpu
        scored[MEMORY][i] += pod.shape.score_memory
    # Python's integers hold any sum; what is beyond any node is clamped before it becomes an int64.
    whole = _clamped_array(taken, size)
    return whole, np.vstack([whole[:2], _clamped_array(scored, size)])


def _clamped_array(sums: list[list[int]], size: int) -> Ints:
    objects = np.array(sums, dtype=object).reshape(len(sums), size)
    clamped_sums: Ints = np.minimum(objects, _MOST_REQUEST).astype(np.int64)
    return clamped_sums
