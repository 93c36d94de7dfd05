"""Sorts the clusters of a group into the topology domains of its policy.

A group that is spread has one target in each domain. A cluster is in no domain where it lacks the label, where its
value is to get nothing, or where the group may not be; a copy there is outside of all domains.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
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

    def add(
        self,
        cluster: str,
        copy: ClusterCopy | None,
        eligibility: Eligibility,
    ) -> None:
        """Add a cluster, with the copy that is there."""
        # A cluster that is not eligible is here for its copy alone.
        if cluster in eligibility.names:
            self.clusters.append(cluster)
        if copy is not None:
            self.copies.append(copy)


def domains_of(
    policy: SchedulePolicy,
    copies: tuple[ClusterCopy, ...],
    eligibility: Eligibility,
    labels: Labels,
) -> Domains:
    """Return the domains of a group that has `copies`; a policy that does not spread has one domain: everything."""
    spread = policy.spreading
    current = {copy.cluster: copy for copy in copies}
    found = defaultdict[str, _Members](_Members)
    outside: list[ClusterCopy] = []
    excluded: list[Candidate] = []
    for name in _best_first(eligibility, current):
        copy = current.get(name)
        value = _domain_value(name, copy, policy, eligibility, labels)
        if value is not None:
            found[value].add(name, copy, eligibility)
            continue
        if copy is not None:
            outside.append(copy)
        # Without a spread there is one domain, from which no eligible cluster is excluded.
        if spread is not None and name in eligibility.names:
            excluded.append(_excluded(name, labels, policy.name, spread))
    domains: list[Domain] = []
    for value, members in found.items():
        domains.append(_domain(value, members, spread))
        # A domain has one copy: the others leave.
        outside += members.copies[1:]
    missing = _missing(spread, found, eligibility, labels)
    return Domains(
        tuple(domains),
        missing,
        tuple(outside),
        tuple(excluded),
    )


def _domain_value(
    cluster: str,
    copy: ClusterCopy | None,
    policy: SchedulePolicy,
    eligibility: Eligibility,
    labels: Labels,
) -> str | None:
    """Return the topology value of the domain that a cluster is in; None where it is in none."""
    if cluster not in eligibility.names and not _keeps(copy, policy, eligibility):
        return None
    value = _topology_value(labels, cluster, policy.spreading)
    if value is None or _gets_nothing(policy.spreading, value):
        return None
    return value


def _topology_value(
    labels: Labels,
    cluster: str,
    spread: Spread | None,
) -> str | None:
    """Return the value of a cluster's topology label; None where it lacks the label."""
    # Without a spread all clusters are in one domain.
    if spread is None:
        return ""
    of_cluster = labels.get(cluster, {})
    return of_cluster.get(spread.topology_key)


def _best_first(
    eligibility: Eligibility, current: Mapping[str, ClusterCopy]
) -> list[str]:
    """Return the eligible clusters in their order, then others that have a copy, by name."""
    others = sorted(current.keys() - eligibility.names)
    return [*eligibility.clusters, *others]


def _keeps(
    copy: ClusterCopy | None,
    policy: SchedulePolicy,
    eligibility: Eligibility,
) -> bool:
    """Tell whether there is a copy that stays on a cluster which is not eligible for new ones."""
    if copy is None:
        return False
    # Where the policy no longer spreads, all copies are in one domain, which keeps the first.
    is_spread = policy.spreading is not None
    return copy.has_batch or not is_spread or eligibility.may_stay(copy.cluster)


def _gets_nothing(spread: Spread | None, value: str) -> bool:
    """Tell whether a policy has percentages, and none for a topology value."""
    if spread is None or not spread.split:
        return False
    return not spread.split.get(value)


def _domain(
    value: str,
    members: _Members,
    spread: Spread | None,
) -> Domain:
    clusters = tuple(members.clusters)
    current = members.copies[0] if members.copies else None
    weight = spread.split[value] if spread and spread.split else 1
    return Domain(value, clusters, current, weight)


def _missing(
    spread: Spread | None,
    found: Mapping[str, object],
    eligibility: Eligibility,
    labels: Labels,
) -> tuple[Unplaced, ...]:
    """Return the topology values that are to get a share and that no eligible cluster has."""
    if spread is None:
        return ()
    key = spread.topology_key
    known: set[str] = set()
    for name in eligibility.clusters:
        if key in labels[name]:
            known.add(labels[name][key])
    known_values = tuple(sorted(known))
    missing = []
    for value, percentage in spread.split.items():
        # A value that is to get nothing is not missed.
        if not percentage or value in found:
            continue
        why = NoClusterInDomain(key, value, percentage, known_values)
        missing.append(Unplaced(value, why))
    return tuple(missing)


def _excluded(
    cluster: str,
    labels: Labels,
    policy: str,
    spread: Spread,
) -> Candidate:
    """Say why a cluster that `policy` selects is in none of its domains."""
    key = spread.topology_key
    value = _topology_value(labels, cluster, spread)
    if value is None:
        no_label = NoTopologyLabel(key, policy)
        return Candidate(cluster, Verdict.NOT_ELIGIBLE, no_label)
    no_percentage = NoPercentage(key, value, policy)
    return Candidate(cluster, Verdict.NOT_ELIGIBLE, no_percentage)
