"""The input of rendering: the groups placed on one cluster, with their objects as they were admitted. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.workloads.patch import Patch

__all__ = ["ClusterDirectory", "GroupOverlay", "NamespaceMeta", "Patch"]


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
    """Labels and annotations of a namespace, from the users' files."""

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClusterDirectory:
    """What one cluster runs. `namespaces` has those of which the users' files say something; others may be left out."""

    cluster: str
    groups: tuple[GroupOverlay, ...] = ()
    namespaces: Mapping[str, NamespaceMeta] = field(default_factory=dict)
