"""Which cluster a new copy gets and why, or why it gets none.

Of the other clusters each has a reason of its own, in its candidate: `gang`, `hold`, `eligibility`.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from reconciler.reasons.hold import HELD_FOR_OLDER
from reconciler.reasons.reason import Caused, Reason
from reconciler.reasons.scores import NodeCost

NO_ELIGIBLE_CLUSTER = "NoEligibleCluster"
_REASONS_SHOWN = 3
_VALUES_SHOWN = 10

NamedReason = tuple[str, Reason]
"""A cluster's name, and a reason about it."""


class Unreachable(Reason, frozen=True):
    """The cluster does not report its capacity; `problem` says why."""

    code = "Unreachable"
    problem: str

    def _words(self) -> str:
        return self.problem


class FitsAtCost(Caused, frozen=True):
    """The group fits by `cause`, on nodes that must be added at `cost`."""

    cost: NodeCost

    def _words(self) -> str:
        return f"{self.cause.text}; {self.cost.text}"


class PassedOver(Struct, frozen=True):
    """Clusters that the policy ranks higher than the chosen one: the first of them by name, why, and how many more."""

    cluster: str
    cause: Reason
    more: int = 0

    def __str__(self) -> str:
        """Return the words that follow a semicolon."""
        also = f" (and {self.more} more)" if self.more else ""
        return f"{self.cluster}, which the policy ranks higher{also}, was not chosen: {self.cause.text}"


class Chosen(Caused, frozen=True):
    """A cluster is chosen: it can hold the group by `cause`.

    `best` is the score that put it before `runner_up`, which has `second` by that score; None where no score was
    needed. `passed_over`: what the policy ranks higher.
    """

    best: Reason | None = None
    runner_up: str = ""
    second: Reason | None = None
    passed_over: PassedOver | None = None

    def _words(self) -> str:
        text = self.cause.text + self._preferred()
        return f"{text}; {self.passed_over}" if self.passed_over else text

    def _preferred(self) -> str:
        if self.best is None:
            return ""
        if self.second is None:
            return f"; it {self.best.text}"
        if isinstance(self.cause, FitsAtCost) and self.cause.cost == self.best:
            # The cost is given with the fit.
            return f", {self.runner_up} {self.second.text}"
        return f"; it {self.best.text}, {self.runner_up} {self.second.text}"


class Queued(Reason, frozen=True):
    """Kubernetes queues the pods, as the policy allows: on `cluster`, the best of `clusters`, where they wait."""

    code = "Queued"
    cluster: str
    clusters: int
    cause: Reason

    def _words(self) -> str:
        many = (
            f"the best of {self.clusters} eligible clusters"
            if self.clusters > 1
            else "the only eligible cluster"
        )
        return (
            f"{self.cluster} is {many} and has no capacity now, "
            f"so Kubernetes queues the pods there: {self.cause.text}"
        )


class NoCapacity(Reason, frozen=True):
    """None of `clusters` eligible clusters can hold the group now; the nearest to it is `cluster`, by `cause`.

    `verdict` is the nearest cluster's, or HeldForOlder where only capacity that is reserved would do.
    """

    verdict: str
    cluster: str
    clusters: int
    cause: Reason

    @property
    def code(self) -> str:
        """The nearest cluster's verdict, or HeldForOlder."""
        return self.verdict

    @property
    def waiting_helps(self) -> bool:
        """As of the nearest cluster: where it never fits, it fits on no other that was seen."""
        return self.cause.waiting_helps

    def _words(self) -> str:
        cause = f"{self.cluster}: {self.cause.text}"
        if self.clusters == 1:
            return cause
        if self.verdict == Unreachable.code:
            return f"none of {self.clusters} eligible clusters reports its capacity; {cause}"
        return f"none of {self.clusters} eligible clusters has capacity for it; nearest is {cause}"


class QueuesHeld(Reason, frozen=True):
    """Kubernetes could queue the pods only on clusters where capacity is reserved for another group."""

    code = HELD_FOR_OLDER
    held: tuple[NamedReason, ...]

    def _words(self) -> str:
        return "; ".join(f"{cluster}: {why.text}" for cluster, why in self.held)


class NoEligibleCluster(Reason, frozen=True):
    """No cluster is eligible under `policy`; `refused` are all clusters, each with the reason."""

    code = NO_ELIGIBLE_CLUSTER
    policy: str
    refused: tuple[NamedReason, ...] = ()

    @property
    def waiting_helps(self) -> bool:
        """Whether any of the reasons may end without an edit."""
        return any(why.waiting_helps for _, why in self.refused)

    def _words(self) -> str:
        said = f"no cluster is eligible under policy {self.policy}"
        return f"{said}: {_first_reasons(self.refused)}" if self.refused else said


class NoClusters(Reason, frozen=True):
    """The inventory has no clusters at all."""

    code = NO_ELIGIBLE_CLUSTER
    waiting_helps = False

    def _words(self) -> str:
        return "the inventory has no clusters: add one under inventory/"


class NoClusterInDomain(Reason, frozen=True):
    """No eligible cluster has the topology value that is to get `percentage`; `known` are the values that they have."""

    code = NO_ELIGIBLE_CLUSTER
    waiting_helps = False
    topology_key: str
    value: str
    percentage: int
    known: tuple[str, ...]

    def _words(self) -> str:
        shown = ", ".join(self.known[:_VALUES_SHOWN]) or "none"
        more = len(self.known) - _VALUES_SHOWN
        if more > 0:
            shown += f" and {more} more"
        wanted = (
            f"{self.topology_key}: {self.value}, which is to get {self.percentage}%"
        )
        return f"no eligible cluster has {wanted}; they have {shown}"


def _first_reasons(refused: Sequence[NamedReason]) -> str:
    """Return the first few reasons in words, and how many more there are."""
    text = "; ".join(
        f"{cluster}: {why.text}" for cluster, why in refused[:_REASONS_SHOWN]
    )
    more = len(refused) - _REASONS_SHOWN
    return f"{text} (and {more} more)" if more > 0 else text
