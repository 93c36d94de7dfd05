"""Which clusters each group of a plan may go to: the policy's filters, then those that need more than a policy.

A filter says for one cluster why a group may not go there (`policy.eligibility.ClusterFilter`). Filters that look at a
group's objects or at other groups are made for each group by a `FilterMaker`. To add a rule, write the filter and its
maker, add the maker to the list that the pipeline passes, and test the filter alone: nothing else changes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence

from reconciler.placement.model import Candidate, Verdict
from reconciler.policy.eligibility import (
    ClusterFacts,
    ClusterFilter,
    Eligibility,
    Tier,
    eligible,
)
from reconciler.workloads.group import Group

FilterMaker = Callable[[Group], tuple[Hashable, ClusterFilter] | None]
"""Returns the filter for a group with what it follows from, equal values for equal filters; None: it does not apply."""


class ClusterFilters:
    """The eligible clusters of groups; worked out once for groups that no filter tells apart."""

    def __init__(
        self, facts: Sequence[ClusterFacts], makers: Iterable[FilterMaker] = ()
    ) -> None:
        self._facts = facts
        self._makers = tuple(makers)
        self._known: dict[Hashable, Eligibility] = {}

    def eligible(
        self,
        group: Group,
        more: Sequence[ClusterFilter] = (),
    ) -> Eligibility:
        """Return the clusters that `group` may go to, best first, and all others with the reason why not.

        `more` are filters that hold for this group at this point of the plan only.
        """
        filters: list[ClusterFilter] = []
        follows_from: list[Hashable] = []
        for maker in self._makers:
            made = maker(group)
            if made is None:
                follows_from.append(None)
                continue
            origin, cluster_filter = made
            follows_from.append(origin)
            filters.append(cluster_filter)
        if more:
            # These change from step to step of the plan, so their outcome is not kept.
            return self._sorted_out(group, (*filters, *more))
        tenant = group.tenant.name if group.tenant else ""
        key = (group.policy.name, group.pin, tenant, tuple(follows_from))
        if key not in self._known:
            self._known[key] = self._sorted_out(group, filters)
        return self._known[key]

    def _sorted_out(
        self, group: Group, filters: Iterable[ClusterFilter]
    ) -> Eligibility:
        # A group without the annotation has an empty pin, and `eligible` wants None.
        pin = group.pin or None
        return eligible(
            group.policy,
            self._facts,
            pin,
            group.tenant,
            filters,
        )


def refused_candidates(eligibility: Eligibility) -> tuple[Candidate, ...]:
    """Return the clusters that are not eligible as candidates."""
    return tuple(
        Candidate(one.cluster, Verdict.NOT_ELIGIBLE, one.why)
        for one in eligibility.refused
    )


def within(eligibility: Eligibility, clusters: Sequence[str]) -> Eligibility:
    """Return the part of `eligibility` that lies in `clusters`, which are in the order in which they are preferred."""
    wanted = frozenset(clusters)
    tiers = []
    for tier in eligibility.tiers:
        if wanted.isdisjoint(tier.clusters):
            continue
        names = tuple(name for name in clusters if name in tier.clusters)
        tiers.append(Tier(tier.rank, names))
    # Refusals are those of the whole group, and are said once and not for each part.
    return Eligibility(tuple(tiers), (), eligibility.require)
