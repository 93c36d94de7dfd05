"""Why no node takes one more pod of a pod set, on the nodes as they are used now.

Each names the pod set by its title (`ray.demand.PodSet.title`). Numbers of nodes: `nodes` are those that the sentence
is about, `all_nodes` the cluster's.
"""

from __future__ import annotations

from msgspec import Struct

from reconciler.reasons.reason import Reason
from reconciler.reasons.resource_text import Request
from reconciler.reasons.wording import nodes_text


class NoNodes(Reason, frozen=True):
    """The cluster has no nodes."""

    code = "NoNodes"

    def _words(self) -> str:
        return "the cluster has no nodes"


class NoNodeHasResource(Reason, frozen=True):
    """No node of the cluster has any of the resource."""

    code = "InsufficientResource"
    pod_set: str
    request: Request

    def _words(self) -> str:
        return f"{self.pod_set} needs {self.request}, no node has any"


class NodeChoice(Struct, frozen=True):
    """Which nodes a pod asks for: by `node_name`, by labels (`selector`), by required node affinity (`affinity`)."""

    node_name: str = ""
    selector: tuple[tuple[str, str], ...] = ()
    affinity: bool = False

    def __str__(self) -> str:
        """Return the words that go on from the pod set's title."""
        if self.node_name:
            return f"names node {self.node_name}"
        if self.selector and not self.affinity:
            return "selects nodes by " + ", ".join(
                f"{key}={value}" for key, value in self.selector
            )
        return "has required node affinity" + (
            " and a nodeSelector" if self.selector else ""
        )


class NoNodeMatches(Reason, frozen=True):
    """None of the cluster's nodes is one that the pod asks for."""

    code = "NodeAffinity"
    pod_set: str
    choice: NodeChoice
    all_nodes: int

    def _words(self) -> str:
        return f"{self.pod_set} {self.choice}, and none of {nodes_text(self.all_nodes)} matches"


class LargestFree(Reason, frozen=True):
    """The resource is short: `largest_free` (scheduler units) is the most that any of `nodes` has free.

    `nodes` are those that the pod may use; of them, those that have all of `beside` free, if any is named.
    """

    code = "InsufficientResource"
    pod_set: str
    request: Request
    largest_free: int
    nodes: int
    all_nodes: int
    beside: tuple[Request, ...] = ()

    def _words(self) -> str:
        largest = f"largest free {self.request.text_of(self.largest_free)}"
        return f"{self.pod_set} needs {self.request}, {largest}{_on_which(self.nodes, self.all_nodes, self.beside)}"


class NoPodSlot(Reason, frozen=True):
    """No node has a pod slot left; fields as of `LargestFree`."""

    code = "TooManyPods"
    pod_set: str
    nodes: int
    all_nodes: int
    beside: tuple[Request, ...] = ()

    def _words(self) -> str:
        which = _on_which(self.nodes, self.all_nodes, self.beside)
        return f"{self.pod_set} needs a pod slot, none is free{which}"


class NodesUnschedulable(Reason, frozen=True):
    """Of `nodes` that have enough free, most are not open: `cordoned` of them are cordoned or not ready."""

    code = "NodeUnschedulable"
    pod_set: str
    cordoned: int
    nodes: int
    all_nodes: int

    def _words(self) -> str:
        which = f"{self.cordoned} of {_with_capacity(self.nodes, self.all_nodes)}"
        return f"{self.pod_set} fits on cordoned or unready nodes only ({which})"


class UntoleratedTaint(Reason, frozen=True):
    """Of `nodes` that have enough free, `tainted` have `taint` (`key=value:effect`), their most frequent one."""

    code = "UntoleratedTaint"
    pod_set: str
    taint: str
    tainted: int
    nodes: int
    all_nodes: int

    def _words(self) -> str:
        which = f"{self.tainted} of {_with_capacity(self.nodes, self.all_nodes)}"
        return f"{self.pod_set} does not tolerate the taint {self.taint} ({which})"


class HostPortsTaken(Reason, frozen=True):
    """Host ports of the pod are taken on all `nodes` that have enough free."""

    code = "HostPorts"
    pod_set: str
    ports: tuple[int, ...]
    nodes: int

    def _words(self) -> str:
        ports = ", ".join(map(str, self.ports))
        return f"{self.pod_set} needs host port {ports}, in use on all of {nodes_text(self.nodes)} with enough free"


class PodAffinityUnmet(Reason, frozen=True):
    """Pod affinity, or with `anti` anti-affinity, leaves none of `nodes` that have enough free."""

    code = "PodAffinity"
    pod_set: str
    anti: bool
    nodes: int

    def _words(self) -> str:
        kind = "pod anti-affinity" if self.anti else "pod affinity"
        return f"{self.pod_set} is kept off all of {nodes_text(self.nodes)} with enough free by {kind}"


class SpreadExceeded(Reason, frozen=True):
    """Hard spread constraints over `topology_keys` leave none of `nodes` that have enough free."""

    code = "TopologySpread"
    pod_set: str
    topology_keys: tuple[str, ...]
    nodes: int

    def _words(self) -> str:
        keys = ", ".join(self.topology_keys)
        return f"{self.pod_set} would exceed maxSkew over {keys} on all of {nodes_text(self.nodes)} with enough free"


class Unexplained(Reason, frozen=True):
    """A pod was not bound, though `nodes` pass every filter: a fault of SkyRay."""

    code = "Unschedulable"
    pod_set: str
    nodes: int

    def _words(self) -> str:
        return f"{self.pod_set} was not bound though {nodes_text(self.nodes)} would take it: please report this"


def _on_which(nodes: int, all_nodes: int, beside: tuple[Request, ...]) -> str:
    """Name the nodes that are meant, unless it is all of them."""
    if beside:
        return f" on the {nodes_text(nodes)} with {' and '.join(map(str, beside))} free"
    return f" on the {nodes_text(nodes)} it may use" if nodes < all_nodes else ""


def _with_capacity(nodes: int, all_nodes: int) -> str:
    return (
        f"{nodes_text(nodes)} with enough free"
        if nodes < all_nodes
        else nodes_text(nodes)
    )
