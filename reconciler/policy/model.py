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
from reconciler.manifests.fields import Path
from reconciler.manifests.identity import ObjectKey
from reconciler.manifests.podshape import Toleration
from reconciler.manifests.selector import LabelSelector

NAME_LABEL = "kubernetes.io/metadata.name"
"""The label that every namespace and every cluster has implicitly: its own name."""


class Require(StrEnum):
    """`FIT`: place only where the whole gang fits. `ANY`: place on the best eligible cluster, let Kubernetes queue."""

    FIT = "Fit"
    ANY = "Any"


class Preference(StrEnum):
    """Tie-break among clusters of the best verdict and tier; `placement.prefer` says what each means."""

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


class SpreadMode(StrEnum):
    """`DUPLICATE`: the whole group in every domain. `DIVIDE`: its replicas shared out among the domains."""

    DUPLICATE = "Duplicate"
    DIVIDE = "Divide"


@dataclass(frozen=True, slots=True)
class Spread:
    """How a group is spread over domains. The clusters with equal values of label `topology_key` are one domain.

    `split` maps the topology values to percentages that add up to 100; empty: evenly among all.
    """

    mode: SpreadMode
    topology_key: str
    split: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Target:
    """Which objects of a group are meant; a field that is None matches all. An empty `group` is the core group."""

    group: str | None = None
    version: str | None = None
    kind: str | None = None
    name: str | None = None
    namespace: str | None = None

    def selects(self, key: ObjectKey) -> bool:
        """Tell whether the object `key` is meant."""
        # The core group's apiVersion is its version alone, without a slash.
        version = key.api_version.rpartition("/")[2]
        pairs = (
            (self.group, key.group),
            (self.version, version),
            (self.kind, key.kind),
            (self.name, key.name),
            (self.namespace, key.namespace),
        )
        # What a target does not ask for may be anything.
        return all(wanted is None or wanted == found for wanted, found in pairs)


@dataclass(frozen=True, slots=True)
class Override:
    """A change of the `target` objects on the `clusters` whose labels are selected.

    It has either `operations` of RFC 6902, or a `field` and its new `value`. `place` is its place in the policy's file.
    """

    place: Place
    clusters: LabelSelector
    target: Target
    operations: tuple[Mapping[str, Any], ...] = ()
    field: Path = ()
    value: Any = None


@dataclass(frozen=True, slots=True)
class SchedulePolicy:
    """One policy.

    `workload_selectors` are OR; empty means every workload in the selected namespaces. `kinds` empty means all kinds.
    `cluster_selector` None means all clusters. `require` and `prefer` are None / empty where the policy leaves the
    default. `spread`, `overrides`, `rescheduling` are the checked fields as written (`percentageSplit` always as the
    list), None or empty where absent. `changes` are the overrides of both dialects, in the order of their effect.
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
    changes: tuple[Override, ...] = ()

    @property
    def spreading(self) -> Spread | None:
        """Return how the policy spreads a group; None when the group goes to one cluster."""
        return _spread_of(self.spread)


def _spread_of(constraints: Mapping[str, Any] | None) -> Spread | None:
    """Return how `spreadConstraints`, as the policy has them, spread a group; None when it goes to one cluster."""
    constraints = constraints or {}
    split = {}
    for share in constraints.get("percentageSplit", ()):
        split[share["topologyValue"]] = share["percentage"]
    mode = constraints.get("spreadMode")
    if mode is None and split:
        # Percentages without a mode can only mean to divide.
        mode = SpreadMode.DIVIDE
    if mode is None:
        return None
    # Without a topology key each cluster is a domain of its own, by its name.
    topology_key = constraints.get("topologyKey") or NAME_LABEL
    return Spread(SpreadMode(mode), topology_key, split)


def unsupported(policy: SchedulePolicy) -> tuple[str, ...]:
    """Return the fields of `policy` that this version reads but does not carry out.

    A group under such a policy is refused with these fields in its message, instead of being placed by other rules.
    """
    fields = []
    if policy.rescheduling is not None:
        fields.append("rescheduling")
    return tuple(fields)
