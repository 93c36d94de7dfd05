"""The published JSON Schemas of the fleet's own kinds: what editors complete and check."""

from __future__ import annotations

from typing import Any

import msgspec

from reconciler.fleet.cluster_kind import ClusterKind
from reconciler.fleet.settings import FleetKind
from reconciler.fleet.snapshot_kinds import ClusterSnapshotKind, FleetSnapshotKind
from reconciler.manifests.kinds import SCHEMA_BASE, json_schema


def json_schemas() -> dict[str, dict[str, Any]]:
    """Return the schemas by file name."""
    return {
        "cluster.json": json_schema(ClusterKind, "Cluster"),
        "fleet.json": json_schema(FleetKind, "Fleet"),
        "clustersnapshot.json": _of_snapshot(ClusterSnapshotKind, "ClusterSnapshot"),
        "fleetsnapshot.json": _of_snapshot(FleetSnapshotKind, "FleetSnapshot"),
    }


def _of_snapshot(kind: type[msgspec.Struct], title: str) -> dict[str, Any]:
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{SCHEMA_BASE}/{title.lower()}.json",
        "title": title,
    }
    return head | msgspec.json.schema(kind)
