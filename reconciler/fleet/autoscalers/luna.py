"""Luna: it keeps no API object that says which nodes it may add, so nothing is requested and nothing is read.

What it may add is what the inventory declares (`spec.autoscaler.nodePools`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from reconciler.fleet.autoscalers.reader import ObjectPath, ObservedCluster
from reconciler.fleet.snapshot import NodePool


class LunaReader:
    """Reads nothing, see the module."""

    kind = "Luna"
    subject = "Luna's node pools"
    wants: tuple[ObjectPath, ...] = ()
    decoder = msgspec.json.Decoder(Any)

    def pools(
        self,
        objects: Sequence[Any],  # noqa: ARG002  (the interface)
        cluster: ObservedCluster,
    ) -> tuple[NodePool, ...]:
        """Return the pools of earlier readers, of which there are none."""
        return cluster.pools
