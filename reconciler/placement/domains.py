"""Sorts the clusters of a group into the topology domains of its policy.

A group that is spread has one target in each domain. A cluster is in no domain where it lacks the label, where its
value is to get nothing, or where the group may not be; a copy there is outside of all domains.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.placement.model import Candidate, Unplaced, Verdict
from reconciler.policy.eligibility import Eligibility
from reconciler.policy.model import SchedulePolicy, Spread
from reconciler.reasons.choice import NoClusterInDomain
from reconciler.reasons.eligibility import NoPercentage, NoTopologyLabel
from reconciler.workloads.cluster_copy import ClusterCopy

Labels = Mapping[str, Mapping[str, str]]
"""The labels of every cluster, by its name."""


@dataclass(frozen=True, slots=True)
class Domain:
    """Clusters with an equal topology `value`: `clusters` may take a new copy, best first; `current` is the copy there.

    `weight` is the percentage of the group that it is to get; 1 where the policy gives no percentages.
    """

    value: str
    clusters: tuple[str, ...]
    current: ClusterCopy | None
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Domains:
    """The domains of a group, best first.

    `missing` are topology values that no eligible cluster has, `outside` the copies in no domain, and those beside the
    first in one. `excluded` are clusters that the policy selects and that are in none of its domains.
    """

    domains: tuple[Domain, ...]
    missing: tuple[Unplaced, ...]
    outside: tuple[ClusterCopy, ...]
    excluded: tuple[Candidate, ...]


@dataclass(slots=True)
class _Members:
    """What was found of one domain so far."""

    clusters: list[str] = field(default_factory=list)
    copies: list[ClusterCopy] = field(default_factory=list)


def domains_of(
    policy: SchedulePolicy,
    copies: tuple[ClusterCopy, ...],
    eligibility: Eligibility,
    labels: Labels,
) -> Domains:
    """Return the domains of a group that has `copies`; a policy that does not spread has one domain: everything."""
    spread = policy.spreading
    current = {copy.cluster: copy for copy in copies}
    found: dict[str, _Members] = {}
    outside: list[ClusterCopy] = []
    excluded: list[Candidate] = []
    for name in _best_first(eligibility, current):
        copy = current.get(name)
        value = labels.get(name, {}).get(spread.topology_key) if spread else ""
        eligible = name in eligibility.names
        may_be_here = eligible or (
            copy is not None and _keeps(copy, policy, eligibility)
        )
        if value is None or _gets_nothing(spread, value) or not may_be_here:
            if copy is not None:
                outside.append(copy)
            if eligible and spread is not None:
                excluded.append(_excluded(name, value, policy.name, spread))
            continue
        members = found.setdefault(value, _Members())
        if eligible:
            members.clusters.append(name)
        if copy is not None:
            members.copies.append(copy)
    # A domain has one copy: the others leave.
    for members in found.values():
        outside += members.copies[1:]
    domains = tuple(_domain(value, members, spread) for value, members in found.items())
    missing = tuple(_missing(spread, found, eligibility, labels)) if spread else ()
    return Domains(domains, missing, tuple(outside), tuple(excluded))


def _best_first(
    eligibility: Eligibility, current: Mapping[str, ClusterCopy]
) -> list[str]:
    """Return the eligible clusters in their order, then others that have a copy, by name."""
    others = sorted(current.keys() - eligibility.names)
    return [*eligibility.clusters, *others]


def _keeps(copy: ClusterCopy, policy: SchedulePolicy, eligibility: Eligibility) -> bool:
    """Tell whether a copy stays on a cluster that is not eligible for new ones."""
    # Where the policy no longer spreads, all copies are in one domain, which keeps the first.
    return (
        copy.has_batch or policy.spreading is None or eligibility.may_stay(copy.cluster)
    )


def _gets_nothing(spread: Spread | None, value: str) -> bool:
    """Tell whether a policy has percentages, and none for a topology value."""
    return spread is not None and bool(spread.split) and not spread.split.get(value)


def _domain(value: str, members: _Members, spread: Spread | None) -> Domain:
    weight = spread.split[value] if spread and spread.split else 1
    return Domain(
        value,
        tuple(members.clusters),
        members.copies[0] if members.copies else None,
        weight,
    )


def _missing(
    spread: Spread,
    found: Mapping[str, object],
    eligibility: Eligibility,
    labels: Labels,
) -> Iterator[Unplaced]:
    """Yield the topology values that are to get a share and that no eligible cluster has."""
    key = spread.topology_key
    known = tuple(
        sorted(
            {labels[name][key] for name in eligibility.clusters if key in labels[name]}
        )
    )
    for value, percentage in spread.split.items():
        if percentage and value not in found:
            yield Unplaced(value, NoClusterInDomain(key, value, percentage, known))


def _excluded(
    cluster: str, value: str | None, policy: str, spread: Spread
) -> Candidate:
    """Say why a cluster that `policy` selects is in none of its domains; `value` is that of its topology label."""
    if value is None:
        return Candidate(
            cluster, Verdict.NOT_ELIGIBLE, NoTopologyLabel(spread.topology_key, policy)
        )
    return Candidate(
        cluster, Verdict.NOT_ELIGIBLE, NoPercentage(spread.topology_key, value, policy)
    )
