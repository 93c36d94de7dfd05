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

    def eligible(self, group: Group, more: Sequence[ClusterFilter] = ()) -> Eligibility:
        """Return the clusters that `group` may go to, best first, and all others with the reason why not.

        `more` are filters that hold for this group at this point of the plan only.
        """
        made = [maker(group) for maker in self._makers]
        filters = [one[1] for one in made if one is not None]
        if more:
            return self._sorted_out(group, (*filters, *more))
        key = (
            group.policy.name,
            group.pin,
            group.tenant.name if group.tenant else "",
            tuple(one[0] if one is not None else None for one in made),
        )
        if key not in self._known:
            self._known[key] = self._sorted_out(group, filters)
        return self._known[key]

    def _sorted_out(
        self, group: Group, filters: Iterable[ClusterFilter]
    ) -> Eligibility:
        return eligible(
            group.policy, self._facts, group.pin or None, group.tenant, filters
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
        if not wanted.isdisjoint(tier.clusters):
            tiers.append(
                Tier(
                    tier.rank, tuple(name for name in clusters if name in tier.clusters)
                )
            )
    return Eligibility(tuple(tiers), (), eligibility.require)
