"""What is rendered of each group on a cluster: its own objects, and those that several groups of a namespace share.

A companion that several groups refer to is rendered once, in the folder `shared`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

from reconciler.fleet.inventory import Cluster
from reconciler.manifests.identity import ObjectKey
from reconciler.planning.same import Same
from reconciler.render.luna import luna_patches
from reconciler.workloads.cluster_copy import ClusterCopy
from reconciler.workloads.group import GroupKey, WorkloadObject
from reconciler.workloads.grouping import SHARED
from reconciler.workloads.patch import Patch


@dataclass(frozen=True)
class Overlay:
    """What is rendered as one group: objects, each with the copy that it is from."""

    namespace: str
    name: str
    policy: str
    items: tuple[tuple[WorkloadObject, ClusterCopy], ...]

    @cached_property
    def key(self) -> Hashable:
        """What its rendering follows from, beside the cluster's settings."""
        parts = []
        for item, copy in self.items:
            # Equal objects may have their keys in another order, and are written in it.
            parts.append((Same(item.body), repr(copy.patches)))
        return self.namespace, self.name, self.policy, tuple(parts)


@dataclass(frozen=True)
class PlacedCopy:
    """A copy of a group on one cluster, which the policy of that name placed there."""

    group: GroupKey
    policy: str
    copy: ClusterCopy

    @cached_property
    def keys(self) -> frozenset[ObjectKey]:
        """All of its objects."""
        return frozenset(item.key for item in self.copy.admitted)

    @cached_property
    def companions(self) -> frozenset[ObjectKey]:
        """Its objects without pods, which other groups may have as well."""
        items = self.copy.admitted
        return frozenset(item.key for item in items if item.demand is None)

    @cached_property
    def overlay(self) -> Overlay:
        """What is rendered of it, if no other group has any of its objects."""
        items = tuple((item, self.copy) for item in self.copy.admitted)
        return Overlay(self.group.namespace, self.group.name, self.policy, items)


Groups = dict[GroupKey, PlacedCopy]
"""The groups of one namespace on one cluster."""


def overlays_of(groups: Mapping[GroupKey, PlacedCopy]) -> list[Overlay]:
    """Return what is rendered of the groups of one namespace.

    Companions of several groups are taken out of each and stand in `shared`, as the last of these has them.
    """
    uses = Counter(chain.from_iterable(one.companions for one in groups.values()))
    several = {key for key, count in uses.items() if count > 1}
    shared: dict[ObjectKey, tuple[WorkloadObject, ClusterCopy]] = {}
    found = []
    for key in sorted(groups):
        one = groups[key]
        if several.isdisjoint(one.companions):
            if one.copy.admitted:
                found.append(one.overlay)
            continue
        own = []
        for item in one.copy.admitted:
            if item.key in several and item.demand is None:
                shared[item.key] = (item, one.copy)
            else:
                own.append((item, one.copy))
        if own:
            found.append(Overlay(key.namespace, key.name, one.policy, tuple(own)))
    if shared:
        namespace = next(iter(groups)).namespace
        items = tuple(shared[key] for key in sorted(shared))
        found.append(Overlay(namespace, SHARED, SHARED, items))
    return found


def patches_of(
    item: WorkloadObject, copy: ClusterCopy, cluster: Cluster | None
) -> Iterator[Patch]:
    """Yield what changes `item` on the cluster of `copy`: what its policy says, then what its autoscaler needs."""
    yield from (patch for patch in copy.patches if patch.is_for(item.key))
    if cluster is not None and item.demand is not None:
        deployed = (one.body for one in copy.deployed if one.key == item.key)
        yield from luna_patches(deployed, cluster)


def give_way(groups: Groups, fresh: ClusterCopy) -> None:
    """Bring the other groups of a cluster in line with `fresh`, since each commit must render without the next ones.

    Objects that it takes over leave their former group, and objects that it shares are the ones that it has now.
    """
    taken = {item.key for item in fresh.admitted if item.demand is not None}
    shared: dict[ObjectKey, WorkloadObject] = {}
    for item in fresh.admitted:
        if item.demand is None and not fresh.patches_of(item.key):
            shared[item.key] = item
    keys = taken | shared.keys()
    for key, one in groups.items():
        if keys.isdisjoint(one.keys):
            continue
        copy = one.copy
        admitted = []
        for item in copy.admitted:
            if item.key in taken:
                continue
            other = shared.get(item.key)
            patched = other is not None and bool(copy.patches_of(item.key))
            admitted.append(item if other is None or patched else other)
        if [item.digest for item in admitted] == [o.digest for o in copy.admitted]:
            continue
        deployed = tuple(item for item in copy.deployed if item.key not in taken)
        changed = replace(copy, admitted=tuple(admitted), deployed=deployed)
        groups[key] = replace(one, copy=changed)
