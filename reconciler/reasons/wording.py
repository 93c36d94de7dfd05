"""Parts that many sentences share: counts of nodes, lists of pools, times."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from reconciler.manifests.identity import ObjectKey

PoolCount = tuple[str, int]
"""A node pool's name, and a number of its nodes."""


def nodes_text(number: int) -> str:
    """Return `1 node` or `3 nodes`."""
    return f"{number} node" if number == 1 else f"{number} nodes"


def pools_text(new_nodes: Iterable[PoolCount]) -> str:
    """Return for example `2 nodes of pool l4 and 1 node of pool cpu`."""
    return " and ".join(
        f"{nodes_text(count)} of pool {pool}" for pool, count in new_nodes
    )


def utc_text(seconds: float) -> str:
    """Return unix seconds as `2027-01-15 08:00 UTC`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def objects_text(objects: Iterable[ObjectKey]) -> str:
    """Return for example `RayJob train, ConfigMap code`: kinds and names, without the namespace that they share."""
    return ", ".join(f"{key.kind} {key.name}" for key in objects)
