"""How much of a cluster's free devices nobody could use: what `prefer: [Pack]` keeps small.

This is fragmentation gradient descent (Weng et al., "Beware of Fragmentation", USENIX ATC 2023): of the free GPUs,
count those that a typical workload could not use, and place where that count grows least. Two things are added for
gangs. A pod is followed to the end (a node with 6 free GPUs holds one pod of 4, so 2 are unusable; so is what lacks cpu
or memory), and a gang as well: 5 such pods on a cluster hold two gangs of 2, and one pod is left over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np

from reconciler.kube_scheduler.gang import Gang
from reconciler.kube_scheduler.node_table import Ints, Mask, clamped
from reconciler.kube_scheduler.nodes import Nodes

_MOST_KINDS = 16
"""Kinds of pods in a mix; the rarer ones are left out."""

_MANY = 1 << 40  # pods on one node


@dataclass(frozen=True, slots=True, order=True)
class Typical:
    """One kind of device pods that gangs have: `count` of them in a gang, all on one cluster.

    `requests` are those of one pod, by resource, in scheduler units. `device` is the one whose free pieces are counted.
    """

    requests: tuple[tuple[str, int], ...]
    count: int

    @property
    def device(self) -> str:
        """Return its GPUs where it has any, else the first device by name; empty when it asks for none."""
        devices = [name for name, amount in self.requests if "/" in name and amount > 0]
        gpus = [name for name in devices if name.endswith("/gpu")]
        return min(gpus or devices, default="")


DEFAULT_KINDS = tuple(
    Typical((("cpu", 4000 * gpus), ("memory", gpus << 34), (name, gpus)), 1)
    for name in ("nvidia.com/gpu", "amd.com/gpu")
    for gpus in (1, 2, 4, 8)
)
"""Single pods with whole GPUs, 4 cores and 16 GiB for each. They count as one gang each, whatever else is known."""


def kinds_of(gang: Gang) -> list[Typical]:
    """Return the kinds of pods with devices that a gang has; pods without say nothing of what devices are of use."""
    found = []
    for pod_set in gang.pod_sets:
        requests = tuple(sorted(pod_set.shape.requests.items()))
        kind = Typical(requests, pod_set.count)
        if kind.count and kind.device:
            found.append(kind)
    return found


@dataclass(frozen=True)
class Mix:
    """What gangs typically ask for: kinds of pods, each with how many gangs have such."""

    kinds: tuple[tuple[Typical, int], ...]

    @classmethod
    def of(
        cls,
        gangs: Iterable[Gang] = (),
        known: Mapping[Typical, int] | None = None,
    ) -> Mix:
        """Return the mix of `gangs`, whose order does not matter, and the default kinds; the commonest kinds of it.

        `known` are the kinds of further gangs, counted before.
        """
        seen = Counter(DEFAULT_KINDS)
        for kind, count in (known or {}).items():
            if count:
                seen[kind] += count
        for gang in gangs:
            seen.update(kinds_of(gang))
        # Equally common kinds are sorted too: the order of the gangs does not matter.
        ranked = sorted(seen.items(), key=lambda item: (-item[1], item[0]))
        return cls(tuple(ranked[:_MOST_KINDS]))

    @cached_property
    def name(self) -> str:
        """A name that equal mixes share."""
        return repr(self.kinds)

    @cached_property
    def total(self) -> int:
        """How many gangs it counts."""
        return sum(weight for _, weight in self.kinds)

    def unusable(self, nodes: Nodes) -> int:
        """Return the free devices that a gang of the mix cannot use, summed up over all of them.

        Divided by `total` it is the expectation, in devices. Taints and selectors are not looked at: it is a measure of
        shapes of room, the same for all clusters.
        """
        asked = _asked(self, nodes)
        free = np.where(_open(nodes), np.maximum(nodes.free, 0), 0)
        pods = np.full((len(asked.kinds), nodes.size), _MANY)
        for row, amounts in asked.amounts:
            at_most = free[row] // np.maximum(amounts, 1)
            # A resource that a kind does not request is no limit to it.
            at_most = np.where(amounts > 0, at_most, _MANY)
            np.minimum(pods, at_most, out=pods)
        each = pods.sum(axis=1)
        # A gang runs whole or not at all.
        in_gangs = each - each % asked.counts
        usable = in_gangs * asked.devices
        there = free.sum(axis=1)[asked.rows]
        unusable = (there - usable) * asked.weights
        return int(unusable.sum())


@dataclass(frozen=True, slots=True)
class _Asked:
    """The kinds of a mix whose device some node has, as columns over the kinds.

    `amounts`: what one pod takes of each row of the nodes, as (row, column). `rows`, `devices`: the row of the kind's
    device, and how many of it a pod takes; none where no node could ever hold one.
    """

    kinds: tuple[Typical, ...]
    amounts: tuple[tuple[int, Ints], ...]
    counts: Ints
    weights: Ints
    rows: Ints
    devices: Ints

    @classmethod
    def of(
        cls,
        mix: Mix,
        rows: Mapping[str, int],
    ) -> _Asked:
        """Return the kinds of `mix` as columns for nodes with these `rows`, by resource."""
        kinds: list[Typical] = []
        weights: list[int] = []
        for kind, weight in mix.kinds:
            # Of a device that no node has none is free.
            if kind.device in rows:
                kinds.append(kind)
                weights.append(weight)
        # Each pod takes one slot of its node, whatever it requests.
        requests = [{**dict(kind.requests), "pods": 1} for kind in kinds]
        device_rows = [rows[kind.device] for kind in kinds]
        devices: list[int] = []
        for kind, asks in zip(kinds, requests, strict=True):
            can_run = all(name in rows for name, amount in asks.items() if amount)
            devices.append(asks[kind.device] if can_run else 0)
        return cls(
            kinds=tuple(kinds),
            amounts=_amounts(requests, rows),
            counts=_column(kind.count for kind in kinds),
            weights=_column(weights),
            rows=_column(device_rows),
            devices=_column(devices),
        )


def _amounts(
    requests: Sequence[Mapping[str, int]],
    rows: Mapping[str, int],
) -> tuple[tuple[int, Ints], ...]:
    """Return `_Asked.amounts` for pods with `requests`."""
    named: set[str] = set()
    for asks in requests:
        named |= asks.keys() & rows.keys()
    amounts = []
    for name in sorted(named):
        taken = [clamped(asks.get(name, 0)) for asks in requests]
        column = _column(taken)[:, None]
        amounts.append((rows[name], column))
    return tuple(amounts)


def _asked(mix: Mix, nodes: Nodes) -> _Asked:
    """Return the kinds of a mix as columns; worked out once for nodes that differ in what is free alone."""
    memo = nodes.table.memo
    key = ("mix", mix.name)
    found = memo.get(key)
    if found is None:
        found = memo[key] = _Asked.of(mix, nodes.table.rows)
    return cast("_Asked", found)


def _column(values: Iterable[int]) -> Ints:
    return np.array([*values], dtype=np.int64)


def _open(nodes: Nodes) -> Mask:
    """Return the nodes that take pods."""
    memo = nodes.table.memo
    found = memo.get("open")
    if found is None:
        takes_pods = [
            node.ready and not node.unschedulable for node in nodes.table.nodes
        ]
        found = memo["open"] = np.array(takes_pods, dtype=np.bool_)
    return cast("Mask", found)
