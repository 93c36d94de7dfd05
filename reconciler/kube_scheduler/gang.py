"""A gang and what became of it: the contract of the fit engine (`kube_scheduler.fit`). Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.ray.demand import PodSet


@dataclass(frozen=True, slots=True)
class Gang:
    """Pods that must all be bound on one cluster, in the order in which they are created.

    `unsized` names what requests cannot tell (resource claims): such a gang fits nowhere for certain.
    `cluster_variants`: the gang that it is on the clusters whose overrides change it, by cluster.
    """

    pod_sets: tuple[PodSet, ...]
    unsized: tuple[str, ...] = ()
    cluster_variants: Mapping[str, Gang] = field(default_factory=dict)

    def on(self, cluster: str) -> Gang:
        """Return the gang that it is on a cluster."""
        return self.cluster_variants.get(cluster, self)


@dataclass(frozen=True, slots=True)
class Bound:
    """Where pods of one set landed: node index -> number of pods. Nodes that were added come after the others."""

    nodes: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Fit:
    """The outcome for one cluster.

    `ok`: every pod was bound. `placed` and `total` count pods. `bindings` has one entry per pod set, in order (empty
    unless ok). `growth`: nodes an autoscaler must add for it, as (pool name, count) in the order of adding. `waits`:
    some pod is bound to a node that does not exist yet, whoever it was added for. When not ok: `reason` is a CamelCase
    word (InsufficientResource, TooManyPods, NodeAffinity, UntoleratedTaint, NodeUnschedulable, PodAffinity,
    TopologySpread, HostPorts, Fragmentation, ...) and `message` has the numbers ("2 of 3 pods fit; worker gpu-group
    needs nvidia.com/gpu 1, largest free 0"). `never`: no node shape or pool maximum of this cluster could hold it even
    when empty.
    """

    ok: bool
    placed: int
    total: int
    reason: str
    message: str
    bindings: tuple[Bound, ...] = ()
    growth: tuple[tuple[str, int], ...] = field(default=())
    waits: bool = False
    never: bool = False

    @property
    def new_nodes(self) -> Mapping[str, int]:
        """Nodes an autoscaler must add for it: pool name -> count."""
        added: dict[str, int] = {}
        for pool, count in self.growth:
            added[pool] = added.get(pool, 0) + count
        return added
