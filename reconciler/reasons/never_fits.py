"""Proofs that a gang fits on no state of a cluster's nodes and of all that its node pools may add.

They are the causes of `gang.NeverFits`. Every node counts as empty, ready and not cordoned.
"""

from __future__ import annotations

from msgspec import Struct

from reconciler.reasons.no_fit import NodeChoice
from reconciler.reasons.reason import Reason
from reconciler.reasons.resource_text import Request, amount_text


class ExcludedNode(Struct, frozen=True):
    """A node or pool (`title`) that is large enough for a pod, and why it does not count for it.

    `taint`: the taint (`key=value:effect`) that the pod does not tolerate; empty: the pool has all nodes that it may.
    """

    title: str
    taint: str = ""

    def __str__(self) -> str:
        """Return the words that follow a sentence, after a semicolon."""
        if self.taint:
            return f"{self.title} is large enough, but the pod does not tolerate its taint {self.taint}"
        return f"{self.title} is large enough, but may not add another node"


class NothingMatches(Reason, frozen=True):
    """No node and no pool is one that the pod asks for."""

    code = "NodeAffinity"
    waiting_helps = False
    pod_set: str
    choice: NodeChoice

    def _words(self) -> str:
        return f"{self.pod_set} {self.choice}, and no node or pool matches"


class LargestNode(Reason, frozen=True):
    """`largest` (scheduler units) is the most of the resource that any node has which the pod may use."""

    code = "InsufficientResource"
    waiting_helps = False
    pod_set: str
    request: Request
    largest: int
    excluded: ExcludedNode | None = None

    def _words(self) -> str:
        largest = (
            f"the largest node that it may use has {self.request.text_of(self.largest)}"
        )
        return f"{self.pod_set} needs {self.request}, {largest}{_also(self.excluded)}"


class NoNodeHasAll(Reason, frozen=True):
    """Each resource is on some node, but no node has all `requests`.

    `nearest` is the node or pool that lacks fewest; `lacks` pairs each request that it cannot meet with what it has.
    """

    code = "InsufficientResource"
    waiting_helps = False
    pod_set: str
    requests: tuple[Request, ...]
    nearest: str
    lacks: tuple[tuple[Request, int], ...]
    excluded: ExcludedNode | None = None

    def _words(self) -> str:
        *others, last = map(str, self.requests)
        asks = f"{', '.join(others)} and {last}"
        lacks = " and ".join(
            f"{request.resource} (has {request.text_of(amount)})"
            for request, amount in self.lacks
        )
        text = f"{self.pod_set} needs {asks}, and no node that it may use has all of it: {self.nearest} lacks {lacks}"
        return text + _also(self.excluded)


class NoNodeHasSlots(Reason, frozen=True):
    """The nodes that have all that the pod requests take no pods at all."""

    code = "InsufficientResource"
    waiting_helps = False
    pod_set: str
    excluded: ExcludedNode | None = None

    def _words(self) -> str:
        return f"{self.pod_set} needs a pod slot, and no node that it may use has one{_also(self.excluded)}"


class TooManyForAllNodes(Reason, frozen=True):
    """All nodes together hold only `held` of the set's `pods`. `slots_short`: because of pod slots."""

    waiting_helps = False
    pod_set: str
    pods: int
    held: int
    slots_short: bool = False

    @property
    def code(self) -> str:
        """Which kind of capacity is short."""
        return "TooManyPods" if self.slots_short else "InsufficientResource"

    def _words(self) -> str:
        return f"{self.pod_set} asks for {self.pods} pods, and all nodes together hold {self.held} even when empty"


class TotalTooLarge(Reason, frozen=True):
    """The gang requests `requested` of `resource` in all, and the cluster has `available` (both in scheduler units)."""

    code = "InsufficientResource"
    waiting_helps = False
    resource: str
    requested: int
    available: int

    def _words(self) -> str:
        requested = amount_text(self.resource, self.requested)
        available = amount_text(self.resource, self.available)
        return f"the pods need {self.resource} {requested} in all, and the cluster has {available}"


def _also(excluded: ExcludedNode | None) -> str:
    return f"; {excluded}" if excluded else ""
