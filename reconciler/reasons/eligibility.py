"""Why a cluster is not eligible for a group, by inventory, policy, tenant, add-ons and RayClusters.

Capacity plays no part in any of them, and each ends only when a person edits a file.
"""

from __future__ import annotations

from msgspec import Struct

from reconciler.manifests.podshape import Taint
from reconciler.manifests.selector import Requirement
from reconciler.reasons.reason import Reason

_NAMES_SHOWN = 10


class LabelMismatch(Reason, frozen=True):
    """The cluster's label `requirement.key` is `value` (None: it has none), and `policy` requires something else.

    `ordered`: the requirement is an expression of `orderedClusterSelector`, else one of `clusterSelector`.
    """

    waiting_helps = False
    policy: str
    requirement: Requirement
    value: str | None
    ordered: bool = False

    @property
    def code(self) -> str:
        """Which of the policy's selectors does not select the cluster."""
        return (
            "OrderedClusterSelectorMismatch"
            if self.ordered
            else "ClusterSelectorMismatch"
        )

    def _words(self) -> str:
        key = self.requirement.key
        has = (
            f"it has no label {key}" if self.value is None else f"{key} is {self.value}"
        )
        match self.requirement.operator:
            case "In":
                wish = f"wants {' or '.join(self.requirement.values)}"
            case "NotIn":
                wish = f"excludes {', '.join(self.requirement.values)}"
            case "Exists":
                wish = "wants one"
            case _:
                wish = "wants none"
        return f"{has}, policy {self.policy} {wish}"


class PinnedElsewhere(Reason, frozen=True):
    """The group's annotation names another cluster, `pin`."""

    code = "PinnedElsewhere"
    waiting_helps = False
    pin: str

    def _words(self) -> str:
        return f"the group is pinned to {self.pin} by annotation"


class UnknownPin(Reason, frozen=True):
    """The group's annotation names a cluster that the inventory does not have; `close` is the most similar name."""

    code = "UnknownCluster"
    waiting_helps = False
    pin: str
    known: tuple[str, ...]
    close: str = ""

    def _words(self) -> str:
        hint = f"did you mean {self.close}? " if self.close else ""
        names = ", ".join(self.known[:_NAMES_SHOWN]) or "none"
        hidden = len(self.known) - _NAMES_SHOWN
        more = f" and {hidden} more" if hidden > 0 else ""
        pinned = f"the group is pinned to {self.pin} by annotation, which inventory/ does not have"
        return f"{pinned}; {hint}known clusters: {names}{more}"


class TenantCluster(Reason, frozen=True):
    """The cluster's labels do not meet `requirement`, which the tenant's clusters must."""

    code = "TenantCluster"
    waiting_helps = False
    tenant: str
    requirement: Requirement

    def _words(self) -> str:
        return f"tenant {self.tenant} may use clusters with {self.requirement} only"


class UntoleratedClusterTaint(Reason, frozen=True):
    """The cluster has a taint that the policy does not tolerate."""

    code = "UntoleratedClusterTaint"
    waiting_helps = False
    taint: Taint
    policy: str

    def _words(self) -> str:
        value = f"={self.taint.value}" if self.taint.value else ""
        return f"cluster taint {self.taint.key}{value}:{self.taint.effect} is not tolerated by policy {self.policy}"


class Cordoned(Reason, frozen=True):
    """The cluster gets nothing new, until an operator uncordons it in the inventory."""

    code = "Cordoned"
    waiting_helps = False

    def _words(self) -> str:
        return "the cluster is cordoned: it keeps what it has and gets nothing new"


class AddOnMissing(Reason, frozen=True):
    """The cluster lacks `addon`, which objects of `api_group` need, by `cause`."""

    code = "AddOnMissing"
    waiting_helps = False
    addon: str
    api_group: str
    cause: AddOnNotSelected | AddOnDependency

    def _words(self) -> str:
        return (
            f"it lacks add-on {self.addon}, which {self.api_group} needs: {self.cause}"
        )


class AddOnNotSelected(Struct, frozen=True):
    """An add-on is for clusters with `requirement`, which the cluster does not meet."""

    requirement: Requirement

    def __str__(self) -> str:
        """Return the words that follow a colon."""
        return f"the add-on is for clusters with {self.requirement} only"


class AddOnDependency(Struct, frozen=True):
    """An add-on depends on another one, `addon`, that the cluster does not get."""

    addon: str

    def __str__(self) -> str:
        """Return the words that follow a colon."""
        return (
            f"the add-on depends on add-on {self.addon}, which is not for this cluster"
        )


class RayClusterElsewhere(Reason, frozen=True):
    """The group runs on RayCluster `ray_cluster`, which is on `clusters`."""

    code = "RayClusterElsewhere"
    waiting_helps = False
    ray_cluster: str
    clusters: tuple[str, ...]

    def _words(self) -> str:
        where = ", ".join(self.clusters) or "no cluster"
        return f"RayCluster {self.ray_cluster}, which it runs on, is on {where}"


class NoTopologyLabel(Reason, frozen=True):
    """The cluster lacks the label by whose values the policy spreads."""

    code = "NoTopologyLabel"
    waiting_helps = False
    topology_key: str
    policy: str

    def _words(self) -> str:
        return f"it has no label {self.topology_key}, by which policy {self.policy} spreads"


class NoPercentage(Reason, frozen=True):
    """The policy's `percentageSplit` gives nothing to the cluster's topology value."""

    code = "NoPercentage"
    waiting_helps = False
    topology_key: str
    value: str
    policy: str

    def _words(self) -> str:
        return f"{self.topology_key} is {self.value}, to which percentageSplit of policy {self.policy} gives nothing"
