"""What becomes of a gang on one cluster: it fits, it fits with new nodes, or pods of it are left over.

The causes, about one of its pod sets, are in `no_fit` (on the nodes as they are used now) and `never_fits`.
"""

from __future__ import annotations

from reconciler.reasons.reason import Caused, Reason
from reconciler.reasons.wording import PoolCount, pools_text


class FitsNow(Reason, frozen=True):
    """All `pods` fit on nodes that exist. `schedulers`: those that the pods name, apart from the default one."""

    code = "FitsNow"
    pods: int
    schedulers: tuple[str, ...] = ()

    def _words(self) -> str:
        return _all_fit(self.pods) + _judged_for(self.schedulers)


class FitsAfterScaleUp(Reason, frozen=True):
    """All `pods` fit once the autoscaler has added `new_nodes`; if there are none, once those of others are there."""

    code = "FitsAfterScaleUp"
    pods: int
    new_nodes: tuple[PoolCount, ...]
    schedulers: tuple[str, ...] = ()

    def _words(self) -> str:
        added = f"after adding {pools_text(self.new_nodes)}"
        when = added if self.new_nodes else "with nodes that are being added"
        return f"{_all_fit(self.pods)} {when}{_judged_for(self.schedulers)}"


class PodsUnbound(Reason, frozen=True):
    """`bound` of `pods` pods fit, and `cause` leaves out the next one.

    `pools_used_up`: the autoscaler's pools were counted in. `unknown_pools`: what it may add beside them.
    """

    bound: int
    pods: int
    cause: Reason
    pools_used_up: bool = False
    unknown_pools: tuple[Reason, ...] = ()
    schedulers: tuple[str, ...] = ()

    @property
    def code(self) -> str:
        """That of the cause, unless the cluster's growth is altogether unknown: then the cause is only half of it."""
        blind = self.unknown_pools and not self.pools_used_up
        return "UnknownPools" if blind else self.cause.code

    def _words(self) -> str:
        text = _some_fit(self.bound, self.pods, self.cause)
        if self.pools_used_up:
            text += ", with all that the node pools may still add"
        for unknown in self.unknown_pools:
            text += f"; {unknown.text}"
        return text + _judged_for(self.schedulers)


class PackingNotChosen(Reason, frozen=True):
    """The nodes have capacity for all `pods`, but kube-scheduler binds only `bound` of them: it does not plan ahead."""

    code = "Fragmentation"
    bound: int
    pods: int
    cause: Reason

    def _words(self) -> str:
        other = "all pods fit in an arrangement that kube-scheduler does not choose, so they may be bound after a retry"
        return f"{_some_fit(self.bound, self.pods, self.cause)}; {other}"


class TieBreak(Reason, frozen=True):
    """All pods fit in one order of nodes with equal scores, and only `bound` in another."""

    code = "TieBreak"
    bound: int
    pods: int
    new_nodes: tuple[PoolCount, ...]
    cause: Reason
    schedulers: tuple[str, ...] = ()

    def _words(self) -> str:
        when = f"{_even_after(self.new_nodes)} if kube-scheduler breaks ties between nodes of equal score unfavourably"
        return f"{self.bound} of {self.pods} pods fit{when}; {self.cause.text}{_judged_for(self.schedulers)}"


class NewNodesTaken(Reason, frozen=True):
    """All pods fit if each gets the new node that was added for it, and only `bound` if another pod gets it."""

    code = "Fragmentation"
    bound: int
    pods: int
    new_nodes: tuple[PoolCount, ...]
    cause: Reason
    schedulers: tuple[str, ...] = ()

    def _words(self) -> str:
        when = f"{_even_after(self.new_nodes)}, because kube-scheduler may bind other pods to the nodes added for them"
        return f"{self.bound} of {self.pods} pods fit{when}; {self.cause.text}{_judged_for(self.schedulers)}"


class NeverFits(Caused, frozen=True):
    """No state of the cluster's nodes and of all that its pools may add holds the gang, by `cause`."""

    waiting_helps = False

    def _words(self) -> str:
        return f"never fits: {self.cause.text}"


class UnsizedClaims(Reason, frozen=True):
    """The object asks for `claims` that its requests do not show (`ray.demand.Demand.unsized`)."""

    code = "ResourceClaims"
    waiting_helps = False
    claims: tuple[str, ...]

    def _words(self) -> str:
        return "; ".join(self.claims) + ": whether they are free is not known"


class DeviceClaims(Reason, frozen=True):
    """Pods of `pod_set` ask for devices by resource claims, which a snapshot does not show."""

    code = "ResourceClaims"
    waiting_helps = False
    pod_set: str

    def _words(self) -> str:
        return f"{self.pod_set} asks for devices through resource claims: whether they are free is not known"


class SchedulingGated(Reason, frozen=True):
    """Pods of `pod_set` have scheduling gates, so kube-scheduler does not look at them."""

    code = "SchedulingGated"
    waiting_helps = False
    pod_set: str
    gates: tuple[str, ...]

    def _words(self) -> str:
        return (
            f"{self.pod_set} is held back by scheduling gates ({', '.join(self.gates)})"
        )


def _all_fit(pods: int) -> str:
    if not pods:
        return "it makes no pods, so it fits anywhere"
    return f"all {pods} pods fit" if pods != 1 else "the pod fits"


def _some_fit(bound: int, pods: int, cause: Reason) -> str:
    return f"{bound} of {pods} pods fit; {cause.text}"


def _even_after(new_nodes: tuple[PoolCount, ...]) -> str:
    return f" even after adding {pools_text(new_nodes)}" if new_nodes else ""


def _judged_for(schedulers: tuple[str, ...]) -> str:
    if not schedulers:
        return ""
    return f" (judged by the default scheduler's rules; the pods use {', '.join(schedulers)})"
