"""What rendering starts from: the groups placed on one cluster, with the objects as they were admitted. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from reconciler.workloads.patch import Patch

__all__ = ["ClusterDirectory", "Engine", "GroupOverlay", "NamespaceMeta", "Patch"]


class Engine(StrEnum):
    """What syncs `clusters/` to the clusters; the value is that of `spec.engine` in fleet.yaml."""

    ARGOCD = "argocd"
    FLUX = "flux"


@dataclass(frozen=True, slots=True)
class GroupOverlay:
    """One group on one cluster.

    `objects` are whole bodies, already renamed where this is a later run; what they say is what the cluster gets.
    `policy` is the name of the policy that placed it.
    """

    namespace: str
    group: str
    policy: str
    objects: tuple[Mapping[str, Any], ...]
    patches: tuple[Patch, ...] = ()


@dataclass(frozen=True, slots=True)
class NamespaceMeta:
    """What the user wrote about a namespace."""

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClusterDirectory:
    """All that one cluster is to run. `namespaces` may lack those that nobody wrote anything about."""

    cluster: str
    groups: tuple[GroupOverlay, ...] = ()
    namespaces: Mapping[str, NamespaceMeta] = field(default_factory=dict)
