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

    def lacks(self, cluster: str, needs: Iterable[str]) -> AddOnMissing | None:
        """Return which add-on a cluster lacks for objects of the API groups in `needs`; None when it has all."""
        has = {
            group for addon in self.placed.get(cluster, ()) for group in addon.provides
        }
        for group in sorted(needs):
            if group in self.providers and group not in has:
                name = self.providers[group][0]
                return AddOnMissing(name, group, self.why_not[cluster, name])
        return None


def spread_addons(
    addons: Sequence[AddOn], clusters: Mapping[str, Mapping[str, str]]
) -> AddOnSpread:
    """Spread `addons`, in the order of `policy.addon_kind.read_addons`, over `clusters`: name -> labels."""
    placed: dict[str, tuple[AddOn, ...]] = {}
    why_not: dict[tuple[str, str], NotPlaced] = {}
    for cluster, labels in clusters.items():
        own: dict[str, AddOn] = {}
        for addon in addons:
            why = _why_not(addon, labels, own)
            if why is not None:
                why_not[cluster, addon.name] = why
            else:
                own[addon.name] = addon
        placed[cluster] = tuple(own.values())
    groups = sorted({group for addon in addons for group in addon.provides})
    providers = {
        group: tuple(one.name for one in addons if group in one.provides)
        for group in groups
    }
    return AddOnSpread(placed, why_not, providers)


class AddOnFilter:
    """Refuses the clusters that lack an add-on which objects of the API groups `needs` need.

    An add-on may come to a cluster while policies stay as they are, and what is there already may stay.
    """

    name = "AddOn"
    transient = True

    def __init__(self, addons: AddOnSpread, needs: frozenset[str]) -> None:
        self._addons = addons
        self._needs = needs

    def refuse(self, group: GroupFacts, cluster: ClusterFacts) -> Refusal | None:  # noqa: ARG002  (made for its needs)
        """Return which add-on `cluster` lacks; None when it has all."""
        lacks = self._addons.lacks(cluster.name, self._needs)
        return Refusal(cluster.name, lacks, stays=True) if lacks is not None else None


def addon_filters(addons: AddOnSpread) -> FilterMaker:
    """Return what makes the add-on filter of a group; it does not apply where no add-on provides its API groups."""

    def make(group: Group) -> tuple[frozenset[str], AddOnFilter] | None:
        if not addons.providers:
            return None
        needs = frozenset(
            item.key.group
            for item in group.objects
            if item.key.group in addons.providers
        )
        return (needs, AddOnFilter(addons, needs)) if needs else None

    return make


def _why_not(
    addon: AddOn, labels: Mapping[str, str], own: Mapping[str, AddOn]
) -> NotPlaced | None:
    wanted = (
        addon.cluster_selector.first_mismatch(labels)
        if addon.cluster_selector
        else None
    )
    if wanted is not None:
        return AddOnNotSelected(wanted)
    for name in addon.depends_on:
        if name not in own:
            return AddOnDependency(name)
    return None
