"""Which clusters a group may go to, in which order, and why not to the others.

The one idea: eligibility is what inventory and policy say, before anyone looks at capacity. Every cluster comes out
either in a tier or with a reason, so that no "no" is silent. A pin by annotation narrows what the policy allows and
never widens it: the annotation is the user's word, the policy the operator's.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconciler.manifests.podshape import Taint, Toleration
from reconciler.manifests.selector import Requirement
from reconciler.policy.model import Require, SchedulePolicy
from reconciler.policy.tenant import Tenant

_NAMES_SHOWN = 10


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
class Tier:
    """Clusters of equal rank, by name. `rank`: one index per `orderedClusterSelector` expression, lower is better."""

    rank: tuple[int, ...]
    clusters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a cluster is not eligible, as a CamelCase word and a sentence. `stays`: what is there already may stay."""

    cluster: str
    reason: str
    message: str
    stays: bool = False


@dataclass(frozen=True, slots=True)
class Eligibility:
    """Tiers best first, every other cluster with its refusal, and what the group requires of a cluster."""

    tiers: tuple[Tier, ...]
    refused: tuple[Refusal, ...]
    require: Require

    @property
    def clusters(self) -> tuple[str, ...]:
        """Return the eligible clusters, best first; within a tier by name."""
        return tuple(name for tier in self.tiers for name in tier.clusters)

    def may_stay(self, cluster: str) -> bool:
        """Tell whether a group that is already on `cluster` may stay there."""
        return cluster in self.clusters or any(one.cluster == cluster and one.stays for one in self.refused)


def eligible(
    policy: SchedulePolicy, clusters: Sequence[ClusterFacts], pin: str | None = None, tenant: Tenant | None = None
) -> Eligibility:
    """Sort `clusters` into tiers and refusals; the order in which they are given does not matter.

    `pin` is the cluster that the group names by annotation; an unknown one is refused with `UnknownCluster`. `tenant`
    is whose group it is: its `clusterSelector` narrows what the policy allows. Where the policy does not say what it
    requires, it is `Any` when exactly one cluster is left to choose from (Kubernetes then queues), else `Fit`. A cordon
    is passing, so a cordoned cluster counts as one that could be chosen.
    """
    ranks: dict[tuple[int, ...], list[str]] = {}
    refused: list[Refusal] = []
    choices = 0
    for cluster in sorted(clusters, key=lambda one: one.name):
        refusal = _selected(policy, cluster, pin) or _outside(tenant, cluster) or _tainted(policy, cluster)
        choices += refusal is None
        refusal = refusal or _cordoned(cluster)
        if refusal is None:
            ranks.setdefault(_rank(policy, cluster), []).append(cluster.name)
        else:
            refused.append(refusal)
    if pin is not None and all(cluster.name != pin for cluster in clusters):
        refused.append(_unknown(pin, sorted(cluster.name for cluster in clusters)))
    tiers = tuple(Tier(rank, tuple(names)) for rank, names in sorted(ranks.items()))
    require = policy.require or (Require.ANY if choices == 1 else Require.FIT)
    return Eligibility(tiers, tuple(refused), require)


def _rank(policy: SchedulePolicy, cluster: ClusterFacts) -> tuple[int, ...]:
    return tuple(one.values.index(cluster.labels[one.key]) for one in policy.ordered)


def _selected(policy: SchedulePolicy, cluster: ClusterFacts, pin: str | None) -> Refusal | None:
    """Refuse what the policy does not select, then what the group's own pin leaves out."""
    if policy.cluster_selector is not None:
        wanted = policy.cluster_selector.first_mismatch(cluster.labels)
        if wanted is not None:
            return Refusal(cluster.name, "ClusterSelectorMismatch", _mismatch(policy, wanted, cluster.labels))
    for one in policy.ordered:
        wanted = Requirement(one.key, "In", one.values)
        if not wanted.matches(cluster.labels):
            return Refusal(cluster.name, "OrderedClusterSelectorMismatch", _mismatch(policy, wanted, cluster.labels))
    if pin is not None and cluster.name != pin:
        return Refusal(cluster.name, "PinnedElsewhere", f"the group is pinned to {pin} by annotation")
    return None


def _outside(tenant: Tenant | None, cluster: ClusterFacts) -> Refusal | None:
    """Refuse a cluster that the group's tenant may not use."""
    if tenant is None or tenant.cluster_selector is None:
        return None
    wanted = tenant.cluster_selector.first_mismatch(cluster.labels)
    if wanted is None:
        return None
    message = f"tenant {tenant.name} may use clusters with {wanted} only"
    return Refusal(cluster.name, "TenantCluster", message)


def _tainted(policy: SchedulePolicy, cluster: ClusterFacts) -> Refusal | None:
    """Refuse a cluster with a taint that the policy does not tolerate; NoExecute weighs more than NoPlace."""
    left = [taint for taint in cluster.taints if not _tolerated(taint, policy.tolerations)]
    if not left:
        return None
    taint = min(left, key=lambda one: (one.effect != "NoExecute", one.key))
    text = f"{taint.key}={taint.value}:{taint.effect}" if taint.value else f"{taint.key}:{taint.effect}"
    message = f"cluster taint {text} is not tolerated by policy {policy.name}"
    return Refusal(cluster.name, "UntoleratedClusterTaint", message, stays=taint.effect != "NoExecute")


def _tolerated(taint: Taint, tolerations: tuple[Toleration, ...]) -> bool:
    return any(one.tolerates(taint) for one in tolerations)


def _cordoned(cluster: ClusterFacts) -> Refusal | None:
    if not cluster.cordoned:
        return None
    return Refusal(cluster.name, "Cordoned", "the cluster is cordoned: it keeps what it has and gets nothing new", True)


def _unknown(pin: str, known: list[str]) -> Refusal:
    close = difflib.get_close_matches(pin, known, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    names = ", ".join(known[:_NAMES_SHOWN]) + (f" and {len(known) - _NAMES_SHOWN} more" * (len(known) > _NAMES_SHOWN))
    message = (
        f"the group is pinned to {pin} by annotation, which inventory/ does not have; {hint}known clusters: {names}"
    )
    return Refusal(pin, "UnknownCluster", message if known else f"{message}none")


def _mismatch(policy: SchedulePolicy, wanted: Requirement, labels: Mapping[str, str]) -> str:
    """Say what the cluster's label is and what the policy wants of it."""
    value = labels.get(wanted.key)
    has = f"{wanted.key} is {value}" if value is not None else f"it has no label {wanted.key}"
    match wanted.operator:
        case "In":
            wish = f"wants {' or '.join(wanted.values)}"
        case "NotIn":
            wish = f"excludes {', '.join(wanted.values)}"
        case "Exists":
            wish = "wants one"
        case _:
            wish = "wants none"
    return f"{has}, policy {policy.name} {wish}"
