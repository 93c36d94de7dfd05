"""The scores of nodes for a pod: those of kube-scheduler's default profile, weighted and summed.

Rules: pkg/scheduler/framework/plugins/{noderesources,tainttoleration,nodeaffinity} of Kubernetes 1.36. Two kinds:
scores that follow from what is free on the node, which change for the chosen node only (`RoomScore`), and scores that
are normalised over all feasible nodes, whose inputs stay while equal pods are bound (`Normalised`). ImageLocality is
not known from outside a node and counts as 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, TypeVar

import numpy as np

from reconciler.kube_scheduler.node_table import (
    CPU,
    MEMORY,
    Floats,
    Ints,
    NodeTable,
    load_of,
)
from reconciler.manifests.podshape import PodShape

MAX = 100
TAINT_TOLERATION_WEIGHT = 3
NODE_AFFINITY_WEIGHT = 2
POD_AFFINITY_WEIGHT = 2
TOPOLOGY_SPREAD_WEIGHT = 2


@lru_cache(maxsize=64)
def _counts(number: int) -> Floats:
    return np.arange(number, dtype=np.float64)


_Numbers = TypeVar("_Numbers", Ints, Floats)


def columns_of(rows: _Numbers, index: Ints | None) -> _Numbers:
    """Return the columns `index`; all of them, as they are, for None."""
    # `take` costs a fifth of what indexing costs.
    return rows if index is None else rows.take(index, axis=1)


class NodeArrays(Protocol):
    """What scores of nodes are computed from: a table, what is free on its nodes, and their load (as in `Nodes`)."""

    table: NodeTable
    free: Ints
    load: Ints
    most_allocated: bool


@dataclass(frozen=True, slots=True)
class RoomScore:
    """NodeResourcesFit and NodeResourcesBalancedAllocation, both over cpu and memory with weight 1.

    NodeResourcesFit looks at requests with the defaults for containers that request nothing, BalancedAllocation at
    plain requests: at how much the pod improves the balance of the node, and not at all for pods without requests.
    """

    cpu: int
    memory: int
    scored_cpu: int
    scored_memory: int
    most_allocated: bool

    @classmethod
    def of(cls, nodes: NodeArrays, shape: PodShape) -> RoomScore:
        """Return the score of pods of this shape on these nodes."""
        return cls(*load_of(shape), nodes.most_allocated)

    def many(
        self, nodes: NodeArrays, index: Ints | None = None, levels: int = 1
    ) -> Ints:
        """Return the scores of the nodes in `index` (None: all), one row a level.

        The first row is for nodes as they are, the next for nodes that were given one of the pods, and so on up to
        `levels` rows. Computed with floats, which numpy divides several times faster than integers. All numbers are
        whole and below the bound of `NodeTable.exact_as_floats`, so the quotients, rounded down, are those of integers.
        """
        table = nodes.table
        load = columns_of(nodes.load, index)
        # Without cpu or memory on some node the scheduler weighs what is left: node by node.
        if not table.exact_as_floats:
            return self._many_by_one(table, load, index, levels)
        caps = columns_of(table.score_caps, index)[:, None, :]
        added = np.array((self.cpu, self.memory, self.scored_cpu, self.scored_memory))
        # Before the first pod, after it, and so on.
        loads = (
            load[:, None, :] + np.multiply.outer(added, _counts(levels + 1))[..., None]
        )
        used, scored = loads[:2], loads[2:, 1:]
        if self.most_allocated:
            np.minimum(scored, caps[2:], out=scored)
        else:
            np.subtract(caps[2:], scored, out=scored)
            np.maximum(scored, 0.0, out=scored)
        scored *= MAX
        loads /= caps
        shares = scored.astype(np.int64)
        fit: Ints = shares[CPU] + shares[MEMORY]
        fit >>= 1
        if self.cpu or self.memory:
            even = _evenness(used)
            # Half of the pod's effect on the balance and of 50, and 50.
            balance = even[1:] - even[:-1]
            balance += MAX // 2 + MAX
            balance >>= 1
            fit += balance
        return fit

    def _many_by_one(
        self, table: NodeTable, load: Ints, index: Ints | None, levels: int
    ) -> Ints:
        both = columns_of(table.alloc[: MEMORY + 1], index)
        caps: list[list[int]] = both.T.tolist()
        columns = list(zip(load.T.tolist(), caps, strict=True))
        rows: list[list[int]] = []
        for given in range(levels):
            rows.append([self.one(*column, given) for column in columns])
        return np.array(rows, dtype=np.int64)

    def one(self, load: Sequence[int], caps: Sequence[int], given: int = 0) -> int:
        """Return the score of a node, equal to what `many` gives, once it holds `given` of the pods already.

        `load`: its column of `Nodes.load`. `caps`: its allocatable cpu and memory. In plain Python, since it is called
        for single nodes, where numpy costs more than it saves.
        """
        cpu, memory, scored_cpu, scored_memory = load
        cap_cpu, cap_memory = caps
        scored_cpu += (given + 1) * self.scored_cpu
        scored_memory += (given + 1) * self.scored_memory
        if self.most_allocated:
            fit = min(scored_cpu, cap_cpu) * MAX // cap_cpu if cap_cpu else 0
            fit += (
                min(scored_memory, cap_memory) * MAX // cap_memory if cap_memory else 0
            )
        else:
            fit = (cap_cpu - scored_cpu) * MAX // cap_cpu if cap_cpu > scored_cpu else 0
            if cap_memory > scored_memory:
                fit += (cap_memory - scored_memory) * MAX // cap_memory
        if cap_cpu and cap_memory:
            fit //= 2
        of_cpu, of_memory = self.cpu, self.memory
        if not of_cpu and not of_memory:
            return fit
        if not cap_cpu or not cap_memory:
            return fit + MAX // 2 + MAX // 4
        cpu += given * of_cpu
        memory += given * of_memory
        before = _evenness_of(cpu / cap_cpu, memory / cap_memory)
        after = _evenness_of(
            (cpu + of_cpu) / cap_cpu, (memory + of_memory) / cap_memory
        )
        return fit + MAX // 2 + (MAX // 2 + after - before) // 2


def _evenness(used: Floats) -> Ints:
    """Return 100 for nodes whose cpu and memory are used evenly, 50 for the most uneven nodes. Changes `used`."""
    np.minimum(used, 1.0, out=used)
    even: Floats = used[CPU] - used[MEMORY]
    np.abs(even, out=even)
    # As (1 - difference / 2) * 100: twice the one and half the other round alike.
    np.subtract(2.0, even, out=even)
    even *= 50.0
    return even.astype(np.int64)


def _evenness_of(cpu: float, memory: float) -> int:
    """Return the same for the used shares of one node."""
    difference = abs(min(cpu, 1.0) - min(memory, 1.0))
    return int((1 - difference / 2) * 100.0)


class Normalised:
    """A raw score per feasible node, normalised by the lowest and the highest of them.

    While nodes leave the feasible set the normalised scores stay, until the last node with an extreme leaves.
    """

    __slots__ = ("highest", "lowest", "raw", "scores")

    def __init__(self, raw: Ints, formula: Callable[[Ints], Ints], weight: int) -> None:
        self.raw = raw
        self.scores = formula(raw) * weight
        self.highest = int(raw.max())
        self.lowest = int(raw.min())

    def left(self) -> tuple[int, int]:
        """Return how many nodes have the lowest and the highest raw score."""
        at_lowest = int((self.raw == self.lowest).sum())
        at_highest = int((self.raw == self.highest).sum())
        return at_lowest, at_highest

    @property
    def uniform(self) -> bool:
        """Whether all nodes have the same: then it does not matter which of them leaves."""
        return self.highest == self.lowest


def reversed_share(raw: Ints) -> Ints:
    """Turn counts of something unwanted into 100 (none) to 0 (most): DefaultNormalizeScore, reversed."""
    most = int(raw.max())
    return MAX - MAX * raw // most if most else np.full_like(raw, MAX)


def share(raw: Ints) -> Ints:
    """Turn weights into 0 to 100 (most): DefaultNormalizeScore."""
    most = int(raw.max())
    return MAX * raw // most if most else raw


def between_extremes(raw: Ints) -> Ints:
    """Turn sums of either sign into 0 (lowest) to 100 (highest): InterPodAffinity's NormalizeScore."""
    lowest, highest = int(raw.min()), int(raw.max())
    if highest == lowest:
        return np.zeros_like(raw)
    shares = (raw - lowest) / (highest - lowest)
    return (100.0 * shares).astype(np.int64)
