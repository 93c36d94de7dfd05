"""Returns the clusters that a group may go to, in tiers, and for every other cluster the reason why not.

Inventory, policy and tenant decide here, before capacity is looked at. Each rule is a `ClusterFilter`; the first filter
that refuses a cluster gives the reason. A pin by annotation narrows what the policy allows and never widens it: users
write the annotation, operators the policy.

To add a filter that needs only policy, tenant or inventory: write a class with `name`, `transient` and `refuse` here
and add it to `POLICY_FILTERS`, before `TaintFilter` if its reason tells users more. A filter that needs the group's
objects, or other groups, belongs to `placement`, which passes it to `eligible` as one of `more_filters`.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from reconciler.manifests.podshape import Taint, Toleration
from reconciler.manifests.selector import Requirement
from reconciler.policy.model import Require, SchedulePolicy
from reconciler.policy.tenant import Tenant
from reconciler.reasons.eligibility import (
    Cordoned,
    LabelMismatch,
    PinnedElsewhere,
    TenantCluster,
    UnknownPin,
    UntoleratedClusterTaint,
)
from reconciler.reasons.reason import Reason

Rank = tuple[int, ...]
"""One index per `orderedClusterSelector` expression; the lower rank is better."""


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """What policies can know of a cluster. `labels` include the implicit ones, such as `kubernetes.io/metadata.name`.

    `taints` have the effects NoPlace (nothing new) and NoExecute (nothing at all).
    """

    name: str
    labels: Mapping[str, str]
    taints: tuple[Taint, ...] = ()
    cordoned: bool = False


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """What the filters know of a group. `pin`: the cluster that its annotation names, None when it names none."""

    policy: SchedulePolicy
    pin: str | None = None
    tenant: Tenant | None = None


@dataclass(frozen=True, slots=True)
class Tier:
    """Clusters of equal rank, by name."""

    rank: Rank
    clusters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a cluster is not eligible. `stays`: what is there already may stay."""

    cluster: str
    why: Reason
    stays: bool = False

    @property
    def reason(self) -> str:
        """Return the code of the reason, a CamelCase word."""
        return self.why.code

    @property
    def message(self) -> str:
        """Return the reason in words."""
        return self.why.text


@dataclass(frozen=True)
class Eligibility:
    """Tiers best first, every other cluster with its refusal, and what the group requires of a cluster."""

    tiers: tuple[Tier, ...]
    refused: tuple[Refusal, ...]
    require: Require

    @cached_property
    def clusters(self) -> tuple[str, ...]:
        """The eligible clusters, best first; within a tier by name."""
        return tuple(name for tier in self.tiers for name in tier.clusters)

    @cached_property
    def names(self) -> frozenset[str]:
        """The eligible clusters as a set."""
        return frozenset(self.clusters)

    def may_stay(self, cluster: str) -> bool:
        """Tell whether a group that is already on `cluster` may stay there."""
        return cluster in self.names or cluster in self._staying

    @cached_property
    def _staying(self) -> frozenset[str]:
        return frozenset(one.cluster for one in self.refused if one.stays)


class ClusterFilter(Protocol):
    """One rule that refuses clusters to groups. Filters keep no state, so their order does not change a verdict."""

    @property
    def name(self) -> str:
        """Return the filter's name, a CamelCase word."""

    @property
    def transient(self) -> bool:
        """Tell whether its refusals can pass while policy and tenant stay as they are: a cordon is lifted.

        Transient filters come after all others, and a cluster that only they refuse still counts as a choice when the
        default of `require` is decided.
        """

    def refuse(self, group: GroupFacts, cluster: ClusterFacts) -> Refusal | None:
        """Return why `cluster` is not eligible for `group`; None when this filter allows it."""


class ClusterSelectorFilter:
    """Refuses clusters that the policy's `clusterSelector` does not select."""

    name = "ClusterSelector"
    transient = False

    def refuse(self, group: GroupFacts, cluster: ClusterFacts) -> Refusal | None:
        """Refuse a cluster whose labels do not match; the first requirement that fails is named."""
        selector = group.policy.cluster_selector
        requirement = selector.first_mismatch(cluster.labels) if selector else None
        if requirement is None:
            return None
        value = cluster.labels.get(requirement.key)
        why = LabelMismatch(group.policy.name, requirement, value)
        return Refusal(cluster.name, why)


class OrderedClusterSelectorFilter:
    """Refuses clusters that have none of the values by which the policy orders clusters."""

    name = "OrderedClusterSelector"
    transient = False

    def refuse(self, group: GroupFacts, cluster: ClusterFacts) -> Refusal | None:
        """Refuse a cluster that an expression of `orderedClusterSelector` gives no rank."""
        policy = group.policy
        for ordered in policy.ordered:
            requirement = Requirement(ordered.key, "In", ordered.values)
            if requirement.matches(cluster.labels):
                continue
            # Without a listed value the cluster has no rank (`_rank`), so it is no choice at all.
            value = cluster.labels.get(ordered.key)
            why = LabelMismatch(policy.name, requirement, value, ordered=True)
            return Refusal(cluster.name, why)
        return None


class PinFilter:
    """Refuses all clusters but the one that the group's annotation names."""

    name = "Pin"
    transient = False

    def refuse(self, group: GroupFacts, cluster: ClusterFacts) -> Refusal | None:
        """Refuse a cluster that is not the pin, if there is one."""
        # A pinned cluster can still be refused: the policy's own filters look at it as well.
        if group.pin is None or cluster.name == group.pin:
            return None
        return Refusal(cluster.name, PinnedElsewhere(group.pin))


class TenantFilter:
    """Refuses clusters that the group's tenant may not use."""

    name = "Tenant"
    transient = False

    def refuse(self, group: GroupFacts, cluster: ClusterFacts) -> Refusal | None:
        """Refuse a cluster that the tenant's `clusterSelector` does not select."""
        tenant = group.tenant
        # A Tenant without `clusterSelector` may use all clusters.
        if tenant is None or tenant.cluster_selector is None:
            return None
        requirement = tenant.cluster_selector.first_mismatch(cluster.labels)
        if requirement is None:
            return None
        why = TenantCluster(tenant.name, requirement)
        return Refusal(cluster.name, why)


class TaintFilter:
    """Refuses clusters with a taint that the policy does not tolerate."""

    name = "Taint"
    transient = False

    def refuse(self, group: GroupFacts, cluster: ClusterFacts) -> Refusal | None:
        """Refuse a tainted cluster; NoExecute weighs more than NoPlace, which lets what is there stay."""
        policy = group.policy
        untolerated = []
        for taint in cluster.taints:
            if not _tolerated(taint, policy.tolerations):
                untolerated.append(taint)
        if not untolerated:
            return None
        # NoExecute first: it sends away what is there, which the user must know before the rest.
        worst = min(untolerated, key=_worst_first)
        why = UntoleratedClusterTaint(worst, policy.name)
        may_stay = worst.effect != "NoExecute"
        return Refusal(cluster.name, why, stays=may_stay)


class CordonFilter:
    """Refuses cordoned clusters to what is not there yet."""

    name = "Cordon"
    transient = True

    def refuse(self, group: GroupFacts, cluster: ClusterFacts) -> Refusal | None:  # noqa: ARG002  (the same for all groups)
        """Refuse a cordoned cluster, and let what is there stay."""
        if not cluster.cordoned:
            return None
        return Refusal(cluster.name, Cordoned(), stays=True)


POLICY_FILTERS: tuple[ClusterFilter, ...] = (
    ClusterSelectorFilter(),
    OrderedClusterSelectorFilter(),
    PinFilter(),
    TenantFilter(),
    TaintFilter(),
    # Transient, so it comes after all others.
    CordonFilter(),
)
"""The filters for every group, in the order in which they give reasons: what the policy does not select comes first."""


def eligible(
    policy: SchedulePolicy,
    clusters: Sequence[ClusterFacts],
    pin: str | None = None,
    tenant: Tenant | None = None,
    more_filters: Iterable[ClusterFilter] = (),
) -> Eligibility:
    """Sort `clusters` into tiers and refusals; the order in which they are given does not matter.

    `pin` is the cluster that the group names by annotation; an unknown one is refused with `UnknownCluster`. `tenant`
    is the group's: its `clusterSelector` narrows what the policy allows. `more_filters` come after `POLICY_FILTERS`.
    Where the policy does not say what it requires, it is `Any` when exactly one cluster is left to choose from
    (Kubernetes then queues), else `Fit`.
    """
    group = GroupFacts(policy, pin, tenant)
    filters = (*POLICY_FILTERS, *more_filters)
    lasting = [each for each in filters if not each.transient]
    transient = [each for each in filters if each.transient]
    by_name = sorted(clusters, key=lambda each: each.name)
    ranked: dict[Rank, list[str]] = defaultdict(list)
    refused: list[Refusal] = []
    choices = 0
    for cluster in by_name:
        refusal = _first_refusal(lasting, group, cluster)
        if refusal is None:
            # A cordon passes, so a cordoned cluster is a choice: `require` must not change while it lasts.
            choices += 1
            refusal = _first_refusal(transient, group, cluster)
        if refusal is not None:
            refused.append(refusal)
            continue
        rank = _rank(policy, cluster)
        ranked[rank].append(cluster.name)
    refused += _refusal_of_unknown_pin(pin, by_name)
    # With one cluster to choose from there is nothing to decide, so Kubernetes queues.
    default = Require.ANY if choices == 1 else Require.FIT
    return Eligibility(
        tiers=_tiers(ranked),
        refused=tuple(refused),
        require=policy.require or default,
    )


def _tiers(ranked: Mapping[Rank, Sequence[str]]) -> tuple[Tier, ...]:
    tiers = []
    for rank in sorted(ranked):
        clusters = tuple(ranked[rank])
        tiers.append(Tier(rank, clusters))
    return tuple(tiers)


def _first_refusal(
    filters: Iterable[ClusterFilter],
    group: GroupFacts,
    cluster: ClusterFacts,
) -> Refusal | None:
    for each in filters:
        refusal = each.refuse(group, cluster)
        if refusal is not None:
            return refusal
    return None


def _rank(
    policy: SchedulePolicy,
    cluster: ClusterFacts,
) -> Rank:
    """Return the rank of a cluster that `OrderedClusterSelectorFilter` allows."""
    rank = []
    for ordered in policy.ordered:
        value = cluster.labels[ordered.key]
        rank.append(ordered.values.index(value))
    return tuple(rank)


def _refusal_of_unknown_pin(
    pin: str | None,
    by_name: Iterable[ClusterFacts],
) -> list[Refusal]:
    """Return the refusal of a pin that no cluster has as its name; nothing for a known one, or without a pin."""
    if pin is None:
        return []
    known = [cluster.name for cluster in by_name]
    if pin in known:
        return []
    close = difflib.get_close_matches(pin, known, n=1)
    meant = close[0] if close else ""
    why = UnknownPin(pin, tuple(known), meant)
    return [Refusal(pin, why)]


def _tolerated(taint: Taint, tolerations: Iterable[Toleration]) -> bool:
    return any(toleration.tolerates(taint) for toleration in tolerations)


def _worst_first(taint: Taint) -> tuple[bool, str]:
    return taint.effect != "NoExecute", taint.key
