"""The nodes of one cluster as arrays: what kube-scheduler's snapshot is to its plugins.

`Nodes` is a `NodeTable` and the resources that are taken of it. Copies share their arrays until one of them takes
something, and the rooms that were computed from them (`kube_scheduler.pod_room`), so simulations are cheap. All amounts
are in scheduler units (`manifests.podshape`); arrays are int64, one row a resource, one column a node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from reconciler.fleet.snapshot import ClusterSnapshot, NodePool, Pod
from reconciler.kube_scheduler.daemonsets import DaemonSets
from reconciler.kube_scheduler.node_table import (
    CPU,
    MEMORY,
    MOST_REQUEST,
    SLOTS,
    Headroom,
    Ints,
    Mask,
    NodeTable,
    PodsOnNodes,
    clamped,
)
from reconciler.kube_scheduler.pod_room import (
    KeptRooms,
    PodRequest,
    PodRoom,
    request_of,
    room_again,
)
from reconciler.kube_scheduler.shape_rules import has_pod_terms
from reconciler.manifests.podshape import PodShape
from reconciler.reasons.reason import Reason

__all__ = [
    "LEAST_ALLOCATED",
    "MOST_ALLOCATED",
    "NO_AUTOSCALER",
    "AutoscalerPools",
    "Ints",
    "Mask",
    "Nodes",
    "clamped",
]

MOST_ALLOCATED = "MostAllocated"
LEAST_ALLOCATED = "LeastAllocated"

_FEW_NODES = 4
"""Up to so many nodes are changed one by one; above, numpy costs less."""


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
    table was made; `added_with_terms`: those of them that have terms about other pods. The last `size - existing` nodes
    do not exist yet: an autoscaler is expected to add them. `spare`: how many nodes each pool may still add.
    `autoscaler`: what is known of the pools. `ranks`: of nodes with equal scores the node of lowest rank is chosen.
    """

    __slots__ = (
        "_amounts",
        "_changed",
        "_kept",
        "_shared",
        "added",
        "added_with_terms",
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
        # One array for both, since each pod changes both.
        self._set_amounts(np.concatenate((free, load)))
        self.added = added
        self.added_with_terms = tuple(pods for pods in added if pods.has_terms)
        self.existing = existing
        self.autoscaler = autoscaler
        self.spare = spare
        self.most_allocated = most_allocated
        self.ranks = np.arange(table.size) if ranks is None else ranks
        # The rooms of the state that these nodes come from, and the nodes that have changed since.
        self._kept: KeptRooms | None = None
        self._changed: frozenset[int] = frozenset()
        # Whether something else may read these arrays, so that they must be copied before they are changed.
        self._shared = False

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
            free=table.whole - taken,
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
        copy = object.__new__(Nodes)
        copy.table = self.table
        copy._amounts = self._amounts
        copy.free = self.free
        copy.load = self.load
        copy.added = self.added
        copy.added_with_terms = self.added_with_terms
        copy.existing = self.existing
        copy.autoscaler = self.autoscaler
        copy.spare = self.spare
        copy.most_allocated = self.most_allocated
        copy.ranks = self.ranks
        copy._kept = self._rooms()
        copy._changed = self._changed
        copy._shared = self._shared = True
        return copy

    def settled(self) -> Nodes:
        """Return these nodes, with the rooms computed from now on kept for them rather than for those they come from.

        For nodes that are used as a state of their own: every simulation on them then starts from their rooms.
        """
        if self._changed:
            self._kept = self._rooms().after(self._changed, self.free, self.load)
            self._changed = frozenset()
            self._shared = True
        return self

    def room(self, request: PodRequest) -> PodRoom:
        """Return the room for pods with this request; its arrays are not to be changed."""
        room, changed = self.room_before(request)
        if not changed:
            return room
        return room_again(self, request, self.most_allocated, room, changed)

    def room_before(self, request: PodRequest) -> tuple[PodRoom, frozenset[int]]:
        """Return the room for pods with this request on the nodes that these come from, and which of them changed."""
        return self._rooms().room(request), self._changed

    def _rooms(self) -> KeptRooms:
        if self._kept is None:
            self._kept = KeptRooms(
                self.table, self.free, self.load, self.most_allocated
            )
            self._shared = True
        return self._kept

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

    def request(self, shape: PodShape) -> PodRequest | None:
        """Return what a pod asks of a node; None when no node has a resource that it requests."""
        return request_of(self.table, shape)

    def requested(self, shape: PodShape) -> list[tuple[int, int]] | None:
        """Return (row, amount) of all that a pod takes, its slot first; None when no node has such a resource."""
        request = request_of(self.table, shape)
        return None if request is None else list(request.taken)

    def bind(self, shape: PodShape, where: Mapping[int, int]) -> None:
        """Bind `where[i]` pods to each node i. Changes these nodes."""
        request = request_of(self.table, shape)
        if request is not None:
            self.take(request, where)
        self.add_pods(shape, where)

    def take(self, request: PodRequest, where: Mapping[int, int]) -> None:
        """Take what `where[i]` pods request on each node i, without the pods themselves. Changes these nodes."""
        if not where:
            return
        if self._shared:
            self._set_amounts(self._amounts.copy())
            self._shared = False
        if self._kept is not None:
            self._changed = self._changed.union(where)
        amounts = [0] * len(self.free)
        for row, amount in request.taken:
            amounts[row] = -amount
        each = np.array([*amounts, *request.load])
        if len(where) <= _FEW_NODES:
            for node, count in where.items():
                self._amounts[:, node] += each * count
            return
        index = np.fromiter(where.keys(), np.int64, len(where))
        counts = np.fromiter(where.values(), np.int64, len(where))
        self._amounts[:, index] += np.multiply.outer(each, counts)

    def _set_amounts(self, amounts: Ints) -> None:
        self._amounts = amounts
        rows = len(self.table.rows)
        self.free, self.load = amounts[:rows], amounts[rows:]

    def add_pods(self, shape: PodShape, where: Mapping[int, int]) -> None:
        """Add the pods themselves, for the rules that look at other pods. Changes these nodes."""
        if where:
            pods = PodsOnNodes(shape, dict(where))
            self.added = (*self.added, pods)
            if has_pod_terms(shape):
                self.added_with_terms = (*self.added_with_terms, pods)

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
    try:
        whole = np.array(sums, dtype=np.int64).reshape(len(sums), size)
    except OverflowError:
        whole = np.array([[clamped(amount) for amount in row] for row in sums])
    return np.minimum(whole, MOST_REQUEST)
