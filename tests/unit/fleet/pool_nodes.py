"""Builds nodes as the pools of an autoscaler have them."""

from __future__ import annotations

from typing import Any

from reconciler.fleet.snapshot import Node

GPU = "nvidia.com/gpu"
ZONE, TYPE = "topology.kubernetes.io/zone", "node.kubernetes.io/instance-type"
L4 = {"cpu": 15_890, "memory": 58 << 30, GPU: 1, "pods": 110}


def node(name: str, labels: dict[str, str] | None = None, **rest: Any) -> Node:
    """Build a node with `labels` and its own host name; it is as large as `L4` unless `allocatable` says otherwise."""
    return Node(name, rest.pop("allocatable", L4), {"kubernetes.io/hostname": name, **(labels or {})}, **rest)
