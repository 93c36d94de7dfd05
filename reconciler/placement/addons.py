"""Which add-ons go to which clusters, and which clusters lack what a group needs.

An add-on is placed by the inventory alone, before any group, so whether a cluster has it is known before capacity is
looked at. A cluster without it is not eligible for groups that need it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.placement.filters import FilterMaker
from reconciler.policy.addon import AddOn
from reconciler.policy.eligibility import ClusterFacts, GroupFacts, Refusal
from reconciler.reasons.eligibility import (
    AddOnDependency,
    AddOnMissing,
    AddOnNotSelected,
)
from reconciler.workloads.group import Group

NotPlaced = AddOnNotSelected | AddOnDependency
"""Why a cluster does not get an add-on."""


@dataclass(frozen=True, slots=True)
class AddOnSpread:
    """Where each add-on is.

    `placed` are those of each cluster, each after what it depends on; `why_not` says why the others are not there, by
    cluster and add-on. `providers` are the names of the add-ons that provide an API group.
    """

    placed: Mapping[str, tuple[AddOn, ...]] = field(default_factory=dict)
    why_not: Mapping[tuple[str, str], NotPlaced] = field(default_factory=dict)
    providers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def lacks(
        self,
        cluster: str,
        needs: Iterable[str],
    ) -> AddOnMissing | None:
        """Return which add-on a cluster lacks for objects of the API groups in `needs`; None when it has all."""
        has: set[str] = set()
        for addon in self.placed.get(cluster, ()):
            has.update(addon.provides)
        for api_group in sorted(needs):
            # Where no add-on of the fleet provides it, none is asked for.
            if api_group not in self.providers or api_group in has:
                continue
            # None of its providers is there, so the first one has a reason why not.
            name = self.providers[api_group][0]
            why = self.why_not[cluster, name]
            return AddOnMissing(name, api_group, why)
        return None


def spread_addons(
    addons: Sequence[AddOn],
    clusters: Mapping[str, Mapping[str, str]],
) -> AddOnSpread:
    """Spread `addons`, in the order of `policy.addon_kind.read_addons`, over `clusters`: name -> labels."""
    placed: dict[str, tuple[AddOn, ...]] = {}
    why_not: dict[tuple[str, str], NotPlaced] = {}
    for cluster, labels in clusters.items():
        own: dict[str, AddOn] = {}
        # Add-ons come after those that they depend on, so one pass over them is enough.
        for addon in addons:
            why = _why_not(addon, labels, own)
            if why is None:
                own[addon.name] = addon
            else:
                why_not[cluster, addon.name] = why
        placed[cluster] = tuple(own.values())
    return AddOnSpread(placed, why_not, _providers(addons))


class AddOnFilter:
    """Refuses the clusters that lack an add-on which objects of the API groups `needs` need.

    An add-on may come to a cluster while policies stay as they are, and what is there already may stay.
    """

    name = "AddOn"
    transient = True

    def __init__(
        self,
        addons: AddOnSpread,
        needs: frozenset[str],
    ) -> None:
        self._addons = addons
        self._needs = needs

    def refuse(self, group: GroupFacts, cluster: ClusterFacts) -> Refusal | None:  # noqa: ARG002  (made for its needs)
        """Return which add-on `cluster` lacks; None when it has all."""
        lacks = self._addons.lacks(cluster.name, self._needs)
        if lacks is None:
            return None
        return Refusal(cluster.name, lacks, stays=True)


def addon_filters(addons: AddOnSpread) -> FilterMaker:
    """Return what makes the add-on filter of a group; it does not apply where no add-on provides its API groups."""

    def make(group: Group) -> tuple[frozenset[str], AddOnFilter] | None:
        if not addons.providers:
            return None
        asked = {item.key.group for item in group.objects}
        needs = frozenset(asked & addons.providers.keys())
        if not needs:
            return None
        # Groups with equal needs share the filter's verdicts.
        return needs, AddOnFilter(addons, needs)

    return make


def _providers(addons: Sequence[AddOn]) -> dict[str, tuple[str, ...]]:
    """Return the names of the add-ons that provide each API group, in the order of `addons`."""
    api_groups: set[str] = set()
    for addon in addons:
        api_groups.update(addon.provides)
    providers = {}
    for api_group in sorted(api_groups):
        names = [addon.name for addon in addons if api_group in addon.provides]
        providers[api_group] = tuple(names)
    return providers


def _why_not(
    addon: AddOn,
    labels: Mapping[str, str],
    own: Mapping[str, AddOn],
) -> NotPlaced | None:
    selector = addon.cluster_selector
    mismatch = selector.first_mismatch(labels) if selector else None
    if mismatch is not None:
        return AddOnNotSelected(mismatch)
    for name in addon.depends_on:
        if name not in own:
            return AddOnDependency(name)
    return None
