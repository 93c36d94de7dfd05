"""The readers of autoscalers, in the order in which they run.

An autoscaler can have several. Cluster API comes before Cluster Autoscaler, since the status of Cluster Autoscaler
corrects the sizes of Cluster API's pools.
"""

from __future__ import annotations

from typing import Any

from reconciler.fleet.autoscalers.cluster_api import ClusterApiReader
from reconciler.fleet.autoscalers.cluster_autoscaler import ClusterAutoscalerReader
from reconciler.fleet.autoscalers.karpenter import KarpenterReader
from reconciler.fleet.autoscalers.luna import LunaReader
from reconciler.fleet.autoscalers.reader import AutoscalerReader

READERS: tuple[AutoscalerReader[Any], ...] = (
    ClusterApiReader(),
    ClusterAutoscalerReader(),
    KarpenterReader(),
    LunaReader(),
)


def readers_of(kind: str) -> tuple[AutoscalerReader[Any], ...]:
    """Return the readers for clusters with this `spec.autoscaler.kind`, in order; none for `None`."""
    return tuple(reader for reader in READERS if reader.kind == kind)
