"""What a group asks of the fleet, and what it gets. Plain data between the steps of the pipeline."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.placement.choose import ClusterChoice
from reconciler.placement.fleet_state import FleetState
from reconciler.placement.model import Candidate, Unplaced
from reconciler.placement.placed_group import HeldCapacity
from reconciler.placement.quota import QuotaUsage
from reconciler.placement.ray_clusters import RayClusters
from reconciler.workloads.cluster_copy import ClusterCopy
from reconciler.workloads.group import Group, GroupKey, WorkloadObject


@dataclass(frozen=True, slots=True)
class PlacementRequest:
    """A group that asks for copies: `objects` are what should run now, `copies` what it has.

    `waiting_since` is since when it, or one of its copies, waits for capacity, in unix seconds; None where it does not
    wait yet. `update` tells a group that has a place from one that asks for its first.
    """

    group: Group
    objects: tuple[WorkloadObject, ...]
    copies: tuple[ClusterCopy, ...]
    update: bool
    waiting_since: float | None = None

    @property
    def key(self) -> GroupKey:
        """Return the group's key."""
        return self.group.key


@dataclass(frozen=True, slots=True)
class WaitsFor:
    """What may let a refused request succeed, or change the reason why it does not.

    `clusters` were looked at, `tenants` are those whose usage counted, `groups` those that must move first.
    """

    clusters: frozenset[str] = frozenset()
    tenants: frozenset[str] = frozenset()
    groups: frozenset[GroupKey] = frozenset()


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a request gets.

    `copies` are the group's copies afterwards, in order of cluster, and `released` those that are taken away.
    `unplaced` are copies that are not placed, `refused` those whose update does not fit. `chosen` are the choices for
    new copies. `count` is how many copies there should be. `pending` is what a group that waits lacks capacity for: of
    each entry one choice must get it; empty where capacity would not help. `held` is the capacity reserved for that.
    """

    copies: tuple[ClusterCopy, ...]
    released: tuple[ClusterCopy, ...] = ()
    unplaced: tuple[Unplaced, ...] = ()
    refused: tuple[Unplaced, ...] = ()
    chosen: tuple[ClusterChoice, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    count: int = 1
    pending: tuple[tuple[ClusterChoice, ...], ...] = ()
    held: HeldCapacity | None = None
    waits_for: WaitsFor = WaitsFor()

    @property
    def satisfied(self) -> bool:
        """Tell whether everything that was asked for is granted."""
        return not self.unplaced and not self.refused


@dataclass(frozen=True, slots=True)
class AdmissionState:
    """What the requests of a plan share: capacity, quota, and where RayClusters are. Each step returns a new one."""

    fleet: FleetState
    usage: QuotaUsage
    ray_clusters: RayClusters
