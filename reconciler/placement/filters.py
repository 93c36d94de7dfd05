"""Which clusters a group may go to: the policy's own order and refusals, narrowed by a list of filters.

A filter says for one cluster why a group may not go there. To add a rule, write a filter, add it to the list of the
plan (`ClusterFilters`), and test it alone: nothing else changes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from reconciler.placement.model import Candidate, Verdict
from reconciler.policy.eligibility import ClusterFacts, Eligibility, Refusal, Tier, eligible
from reconciler.policy.model import Require
from reconciler.workloads.group import Group


class ClusterFilter(Protocol):
    """A rule about clusters beside the policy's own."""

    def depends_on(self, group: Group) -> Hashable | None:
        """Return what of `group` the rule looks at: equal values get equal answers. None where it does not apply."""
        ...

    def refuse(self, group: Group, cluster: str) -> Refusal | None:
        """Return why `group` may not go to `cluster`; None where the rule allows it."""
        ...

    narrows_choice: bool
    """Whether a group that is left one cluster by this rule queues there, as under a policy that selects one."""


class ClusterFilters:
    """The policy of each group, then the filters in their order."""

    def __init__(self, facts: Sequence[ClusterFacts], filters: Iterable[ClusterFilter] = ()) -> None:
        self._facts = facts
        self._filters = tuple(filters)
        self._by_policy: dict[Hashable, Eligibility] = {}
        self._filtered: dict[Hashable, Eligibility] = {}

    def eligible(self, group: Group, more: Iterable[ClusterFilter] = ()) -> Eligibility:
        """Return the clusters that `group` may go to, best first, and all others with the reason why not.

        `more` are filters that hold for this group at this point of the plan only.
        """
        # What policy, pin and tenant leave is the same for all groups that have these in common.
        key: Hashable = (group.policy.name, group.pin, group.tenant.name if group.tenant else "")
        if key not in self._by_policy:
            self._by_policy[key] = eligible(group.policy, self._facts, group.pin or None, group.tenant)
        found = self._by_policy[key]
        for number, one in enumerate(self._filters):
            looked_at = one.depends_on(group)
            if looked_at is None:
                continue
            key = (key, number, looked_at)
            if key not in self._filtered:
                self._filtered[key] = _narrowed(found, group, one)
            found = self._filtered[key]
        for one in more:
            if one.depends_on(group) is not None:
                found = _narrowed(found, group, one)
        return found


def refused_candidates(eligibility: Eligibility) -> tuple[Candidate, ...]:
    """Return the clusters that are not eligible as candidates."""
    return tuple(Candidate(one.cluster, Verdict.NOT_ELIGIBLE, one.reason, one.message) for one in eligibility.refused)


def within(eligibility: Eligibility, clusters: Sequence[str]) -> Eligibility:
    """Return the part of `eligibility` that lies in `clusters`, which are in the order in which they are preferred."""
    wanted = frozenset(clusters)
    tiers = []
    for tier in eligibility.tiers:
        if not wanted.isdisjoint(tier.clusters):
            tiers.append(Tier(tier.rank, tuple(name for name in clusters if name in tier.clusters)))
    return Eligibility(tuple(tiers), (), eligibility.require)


def _narrowed(eligibility: Eligibility, group: Group, rule: ClusterFilter) -> Eligibility:
    refusals: dict[str, Refusal] = {}
    for cluster in eligibility.clusters:
        refusal = rule.refuse(group, cluster)
        if refusal is not None:
            refusals[cluster] = refusal
    tiers = []
    for tier in eligibility.tiers:
        left = tuple(name for name in tier.clusters if name not in refusals)
        if left:
            tiers.append(Tier(tier.rank, left))
    require = eligibility.require
    refused = (*eligibility.refused, *refusals.values())
    if rule.narrows_choice:
        only_one = sum(len(tier.clusters) for tier in tiers) == 1
        require = group.policy.require or (Require.ANY if only_one else require)
        # What leaves one cluster is the reason that readers look for, so it comes first.
        refused = (*refusals.values(), *eligibility.refused)
    return replace(eligibility, tiers=tuple(tiers), refused=refused, require=require)
