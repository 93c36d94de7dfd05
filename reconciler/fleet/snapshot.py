"""Snapshots of capacity: immutable, dated, comparable by digest.

A `FleetSnapshot` holds for every cluster of the inventory either a `ClusterSnapshot` or the reason why there is none.
It is one of the three inputs of a plan, so nothing in it changes after it was taken. `fleet.snapshot_file` reads and
writes the file forms; `fleet.observers` takes snapshots of live clusters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.manifests.podshape import PodShape, Taint

DEFAULT_POD_SLOTS = 110
"""The kubelet's `--max-pods` default, for nodes and pools that do not give a number of pods."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node. `allocatable` in scheduler units (see `manifests.podshape`), including `pods`, its pod slots."""

    name: str
    allocatable: Mapping[str, int]
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    ready: bool = True
    unschedulable: bool = False


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that is not yet Succeeded or Failed. `node` is empty while it is pending.

    `owner` is the RayCluster (label `ray.io/cluster`) or, for others, the controller's name; `node_type` is the label
    `ray.io/node-type`. `deleting`: it has a deletionTimestamp, but still holds its resources.
    """

    namespace: str
    name: str
    shape: PodShape
    node: str = ""
    owner: str = ""
    node_type: str = ""
    deleting: bool = False


@dataclass(frozen=True, slots=True)
class RayStatus:
    """The status of a Ray resource on the cluster.

    `kind`, `namespace`, `name` identify it; `owner` is the RayJob or RayService (`Kind/name`) behind a RayCluster.
    `state`: RayJob `jobDeploymentStatus`, RayCluster `state`, RayService `serviceStatus`; `job_status`: RayJob
    `jobStatus`; `reason` and `message` as KubeRay gives them.
    """

    kind: str
    namespace: str
    name: str
    state: str = ""
    job_status: str = ""
    reason: str = ""
    message: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class NodePool:
    """Nodes that an autoscaler can add: at most `max_nodes` with those that exist; `allocatable` as for `Node`.

    `price_per_hour` is for one node, in the fleet's currency; None when unknown. `implied`: labels that new nodes get
    besides `labels`, but that nodes of other pools may have, too. `existing`: how many nodes it has, where its
    autoscaler says so; None: those that have its labels. Pools of one `family` share `max_nodes` and `existing`: they
    are ways in which one pool of the cluster can grow. Not `exact`: it may add nodes of other kinds as well, so it
    rules nothing out; where `allocatable` is empty, no kind is known. `held`: why it adds no nodes now. `left`: what
    its limits leave where `max_nodes` does not say it, in the units of `allocatable`, and `nodes`.
    """

    name: str
    max_nodes: int
    allocatable: Mapping[str, int]
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    price_per_hour: float | None = None
    spot: bool = False
    implied: Mapping[str, str] = field(default_factory=dict)
    existing: int | None = None
    family: str = ""
    exact: bool = True
    held: str = ""
    left: Mapping[str, int] = field(default_factory=dict)

    @property
    def budget(self) -> str:
        """The name under which its nodes are counted."""
        return self.family or self.name


@dataclass(frozen=True, slots=True)
class ClusterSnapshot:
    """One cluster at `taken_at` (unix seconds).

    `nodes` and `pods` are sorted by name. `version` is like `v1.34.1`, or empty when it is not known. `pools`: what
    its live autoscaler can add, apart from what the inventory declares (`fleet.addable`); `pools_note`: why these may
    not be all.
    """

    cluster: str
    taken_at: float
    nodes: tuple[Node, ...]
    pods: tuple[Pod, ...]
    ray: tuple[RayStatus, ...] = ()
    version: str = ""
    namespace_labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    pools: tuple[NodePool, ...] = ()
    pools_note: str = ""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why there is no snapshot of a cluster, since when (unix seconds). It is never an empty cluster."""

    cluster: str
    reason: str
    since: float


@dataclass(frozen=True, slots=True)
class FleetSnapshot:
    """All clusters by name. `digest` (`sha256:...`) is that of the canonical file form."""

    clusters: Mapping[str, ClusterSnapshot | Unreadable]
    digest: str
