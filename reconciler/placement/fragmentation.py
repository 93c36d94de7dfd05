"""How much of a cluster's free devices nobody could use: what `prefer: [Pack]` keeps small.

This is fragmentation gradient descent (Weng et al., "Beware of Fragmentation", USENIX ATC 2023): of the free GPUs,
count those that a typical workload could not use, and place where that count grows least. Two things are added for
gangs. A pod is followed to the end (a node with 6 free GPUs holds one pod of 4, so 2 are unusable; so is what lacks cpu
or memory), and a gang as well: 5 such pods on a cluster hold two gangs of 2, and one pod is left over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from reconciler.kube_scheduler.node_table import Ints, Mask, clamped
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.placement.gang_mix import Mix, Typical

_MANY = 1 << 40  # pods on one node


def unusable(mix: Mix, nodes: Nodes) -> int:
    """Return the free devices that a gang of `mix` cannot use, summed up over all of them.

    Divided by `mix.total` it is the expectation, in devices. Taints and selectors are not looked at: it is a measure of
    shapes of room, the same for all clusters.
    """
    asked = _asked(mix, nodes)
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
    useless = (there - usable) * asked.weights
    return int(useless.sum())


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
