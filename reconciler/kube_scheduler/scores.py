"""The scores of nodes for a pod: those of kube-scheduler's default profile, weighted and summed.

Rules: pkg/scheduler/framework/plugins/{noderesources,tainttoleration,nodeaffinity} of Kubernetes 1.36. Two kinds:
scores that follow from what is free on the node, which change for the chosen node only (`RoomScore`), and scores that
are normalised over all feasible nodes, whose inputs stay while equal pods are bound (`Normalised`). ImageLocality is
not known from outside a node and counts as 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reconciler.kube_scheduler.nodes import CPU, MEMORY, Ints, Nodes, load_of
from reconciler.manifests.podshape import PodShape

MAX = 100
TAINT_TOLERATION_WEIGHT = 3
NODE_AFFINITY_WEIGHT = 2
POD_AFFINITY_WEIGHT = 2
TOPOLOGY_SPREAD_WEIGHT = 2


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
    def of(cls, nodes: Nodes, shape: PodShape) -> RoomScore:
        """Return the score of pods of this shape on these nodes."""
        return cls(*load_of(shape), nodes.most_allocated)

    def many(self, nodes: Nodes, index: Ints) -> Ints:
        """Return the score of each node in `index`."""
        # Slices of arrays are views, so all nodes at once cost no copy.
        which: Ints | slice = slice(None) if len(index) == nodes.size else index
        caps = nodes.table.alloc[: MEMORY + 1, which]
        load = nodes.load[:, which]
        # Without cpu or memory on some node the scheduler weighs what is left: node by node.
        if not nodes.table.all_named:
            columns = zip(load.T.tolist(), caps.T.tolist(), strict=True)
            return np.array([self.one(*column) for column in columns], dtype=np.int64)
        scored = load[2:] + np.array([[self.scored_cpu], [self.scored_memory]])
        share_scored = (
            np.minimum(scored, caps)
            if self.most_allocated
            else np.maximum(caps - scored, 0)
        )
        share_scored *= MAX
        share_scored //= caps
        fit: Ints = share_scored[CPU] + share_scored[MEMORY]
        fit >>= 1
        if not self.cpu and not self.memory:
            return fit
        before = load[:2]
        after = before + np.array([[self.cpu], [self.memory]])
        balance = MAX // 2 + _evenness(after, caps) - _evenness(before, caps)
        balance >>= 1
        fit += balance
        fit += MAX // 2
        return fit

    def one(self, load: list[int], caps: list[int], given: int = 0) -> int:
        """Return the score of a node, equal to what `many` gives, once it holds `given` of the pods already.

        `load`: its column of `Nodes.load`. `caps`: its allocatable cpu and memory. In plain Python, since it is called
        for single nodes, where numpy costs more than it saves.
        """
        cpu, memory, scored_cpu, scored_memory = load
        cap_cpu, cap_memory = caps
        cpu += given * self.cpu
        memory += given * self.memory
        scored_cpu += (given + 1) * self.scored_cpu
        scored_memory += (given + 1) * self.scored_memory
        if self.most_allocated:
            fit = min(scored_cpu, cap_cpu) * MAX // cap_cpu if cap_cpu else 0
            fit += (
                min(scored_memory, cap_memory) * MAX // cap_memory if cap_memory else 0
            )
        else:
            fit = (cap_cpu - scored_cpu) * MAX // cap_cpu if cap_cpu > scored_cpu else 0
            fit += (
                (cap_memory - scored_memory) * MAX // cap_memory
                if cap_memory > scored_memory
                else 0
            )
        if cap_cpu and cap_memory:
            fit //= 2
        if not self.cpu and not self.memory:
            return fit
        if not cap_cpu or not cap_memory:
            return fit + MAX // 2 + MAX // 4
        before = _evenness_of(cpu / cap_cpu, memory / cap_memory)
        after = _evenness_of(
            (cpu + self.cpu) / cap_cpu, (memory + self.memory) / cap_memory
        )
        return fit + MAX // 2 + (MAX // 2 + after - before) // 2


def _evenness(used: Ints, caps: Ints) -> Ints:
    """Return 100 for nodes whose cpu and memory are used evenly, 50 for the most uneven nodes."""
    shares = used / caps
    np.minimum(shares, 1.0, out=shares)
    deviation = np.abs(shares[CPU] - shares[MEMORY])
    deviation /= 2
    even: Ints = ((1 - deviation) * 100.0).astype(np.int64)
    return even


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
