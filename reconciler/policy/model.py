"""SchedulePolicy as data: one model for both dialects.

`policy.dialects` reads Nova's `policy.elotl.co/v1alpha1` and our `skyray.dev/v1alpha1` into it; `policy.matching` says
which policy a workload falls under; `policy.groups` names its group; `policy.eligibility` says which clusters it may go
to, and in which order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler.errors import Place
from reconciler.manifests.podshape import Toleration
from reconciler.manifests.selector import LabelSelector

NAME_LABEL = "kubernetes.io/metadata.name"
"""The label that every namespace and every cluster has without writing it: its own name."""


class Require(StrEnum):
    """`FIT`: place only where the whole gang fits. `ANY`: place on the best eligible cluster, let Kubernetes queue."""

    FIT = "Fit"
    ANY = "Any"


class Preference(StrEnum):
    """Tie-break among clusters that fit now (DESIGN section 2)."""

    AVAILABLE = "Available"
    COST = "Cost"
    PACK = "Pack"
    BALANCE = "Balance"


@dataclass(frozen=True, slots=True)
class KindSelector:
    """One `resourceSelectors.kinds` entry. `api_group` None means every API group, empty means the core group.

    Nova's `version` is not kept: one object is served in every version of its kind.
    """

    kind: str
    api_group: str | None = None

    def matches(self, kind: str, api_group: str) -> bool:
        """Tell whether an object of this kind and API group is meant."""
        return kind == self.kind and self.api_group in {None, api_group}


@dataclass(frozen=True, slots=True)
class OrderedKey:
    """One `orderedClusterSelector` expression: clusters whose label `key` equals an earlier value come first."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SchedulePolicy:
    """One policy.

    `workload_selectors` are OR; empty means every workload in the selected namespaces. `kinds` empty means all kinds.
    `cluster_selector` None means all clusters. `require` and `prefer` are None / empty where the policy leaves the
    default. `spread`, `overrides`, `rescheduling` are the checked fields as written (`percentageSplit` always as the
    list), None or empty where absent.
    """

    name: str
    place: Place
    priority: int = 0
    namespace_selector: LabelSelector = LabelSelector()
    workload_selectors: tuple[LabelSelector, ...] = ()
    kinds: tuple[KindSelector, ...] = ()
    group_by: str = ""
    cluster_selector: LabelSelector | None = None
    ordered: tuple[OrderedKey, ...] = ()
    require: Require | None = None
    prefer: tuple[Preference, ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    spread: Mapping[str, Any] | None = None
    overrides: tuple[Mapping[str, Any], ...] = ()
    rescheduling: Mapping[str, Any] | None = None


def unsupported(policy: SchedulePolicy) -> tuple[str, ...]:
    """Return the fields of `policy` that this version reads but does not carry out.

    A group under such a policy is refused with these words as its reason, rather than placed by other rules.
    """
    fields = []
    if policy.spread is not None:
        fields.append("spreadConstraints")
    if policy.overrides:
        fields.append("overrides")
    if policy.rescheduling is not None:
        fields.append("rescheduling")
    if set(policy.prefer) - {Preference.AVAILABLE}:
        fields.append("placement.prefer")
    return tuple(fields)
