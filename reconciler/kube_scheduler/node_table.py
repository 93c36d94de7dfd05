"""What does not change about the nodes of one cluster: names, labels, taints, allocatable, one column a node.

A `NodeTable` never changes, so masks and counts that follow from it alone are computed once (`memo`). All amounts are
in scheduler units (`manifests.podshape`); arrays are int64, one row a resource, one column a node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from reconciler.fleet.snapshot import Node
from reconciler.kube_scheduler.shape_rules import has_pod_terms
from reconciler.manifests.podshape import PodShape, Taint

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

CPU, MEMORY, SLOTS = 0, 1, 2
"""The first rows of every table; the other resources follow in order of their names."""

DEFAULT_POD_SLOTS = 110
"""What a node holds when its allocatable names no `pods` (the kubelet's own default); real nodes always name it."""

NOT_READY = Taint("node.kubernetes.io/not-ready", "NoSchedule")
"""What a node that is not ready counts as tainted with, even where nothing has tainted it yet."""

_MOST = 1 << 55  # times 100 it still is an int64
MOST_REQUEST = 1 << 56  # more than any node has

_EXACT_AS_FLOAT = 1 << 45
"""Up to here a hundredfold is exact as a float, and no quotient rounds up to the next whole percent."""

_MOST_SHAPES = 128
"""Results that are kept for single shapes of pods."""

_Found = TypeVar("_Found")

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


def clamped(amount: int) -> int:
    """Return a request as the arrays hold it: beyond any node when it is absurdly large."""
    return min(amount, MOST_REQUEST)


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

    `rows`: resource -> row. `alloc`: allocatable. `kept`: what `headroom` keeps free. `whole`: what pods may use of an
    empty node. `caps`: allocatable cpu and memory by node; `score_caps`: the same as floats, for each row of
    `Nodes.load`. `exact_as_floats`: every node has both, and no number that follows from them is too large for a float.
    `memo` keeps masks and counts that follow from the table alone.
    """

    __slots__ = (
        "_of_shapes",
        "alloc",
        "base",
        "caps",
        "exact_as_floats",
        "headroom",
        "index",
        "kept",
        "memo",
        "namespaces",
        "nodes",
        "rows",
        "score_caps",
        "size",
        "whole",
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
        self.whole = self.alloc - self.kept
        cpu_and_memory = self.alloc[: MEMORY + 1]
        self.caps: list[list[int]] = cpu_and_memory.T.tolist()
        self.score_caps: Floats = np.tile(cpu_and_memory, (2, 1)).astype(np.float64)
        in_bounds = (cpu_and_memory > 0) & (cpu_and_memory < _EXACT_AS_FLOAT)
        self.exact_as_floats = bool(in_bounds.all())
        self.memo: dict[Any, Any] = {}
        self._of_shapes: dict[tuple[int, str], tuple[PodShape, object]] = {}

    def of_shape(
        self, what: str, shape: PodShape, work: Callable[[NodeTable, PodShape], _Found]
    ) -> _Found:
        """Return `work(self, shape)`, which must follow from these alone; it is kept for a while under the name `what`.

        By identity, since a shape with its mappings has no hash. The shape is kept with what was found, so that its
        identity is not given to another one.
        """
        known = self._of_shapes
        if len(known) >= _MOST_SHAPES:
            known = self._of_shapes = {}
        key = (id(shape), what)
        found = known.get(key)
        if found is None:
            found = known[key] = (shape, work(self, shape))
        return cast("_Found", found[1])

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
