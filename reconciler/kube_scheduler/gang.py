"""A gang and what becomes of it on one cluster: the input and the result of `kube_scheduler.fit`. Plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.ray.demand import PodSet
from reconciler.reasons.gang import NeverFits
from reconciler.reasons.reason import Reason


@dataclass(frozen=True, slots=True)
class Gang:
    """Pods that must all be bound on one cluster, in the order in which they are created.

    `unsized` names what requests do not show (resource claims): such a gang fits nowhere for certain.
    `cluster_variants`: the gang that it is on the clusters whose overrides change it, by cluster.
    """

    pod_sets: tuple[PodSet, ...]
    unsized: tuple[str, ...] = ()
    cluster_variants: Mapping[str, Gang] = field(default_factory=dict)

    @property
    def pods(self) -> int:
        """How many pods it has in all."""
        return sum(pod_set.count for pod_set in self.pod_sets)

    def on(self, cluster: str) -> Gang:
        """Return the gang that it is on a cluster."""
        return self.cluster_variants.get(cluster, self)


@dataclass(frozen=True, slots=True)
class Bound:
    """Where pods of one set are bound: node index -> number of pods. Nodes that were added come after the others."""

    nodes: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Fit:
    """The result for one cluster.

    `ok`: every pod is bound. `placed` and `total` count pods. `why`: the reason with its amounts, of a fit too
    (`reasons.gang`). `bindings` has one entry per pod set, in order (empty unless ok). `growth`: nodes that an
    autoscaler must add for it, as (pool name, count) in the order of adding. `waits`: some pod is bound to a node that
    does not exist yet, whichever group it was added for.
    """

    ok: bool
    placed: int
    total: int
    why: Reason
    bindings: tuple[Bound, ...] = ()
    growth: tuple[tuple[str, int], ...] = ()
    waits: bool = False

    @property
    def reason(self) -> str:
        """The code of its reason, such as `InsufficientResource`."""
        return self.why.code

    @property
    def message(self) -> str:
        """Its reason in words, such as "2 of 3 pods fit; worker gpu-group needs nvidia.com/gpu 1, largest free 0"."""
        return self.why.text

    @property
    def never(self) -> bool:
        """Whether no node shape or pool maximum of this cluster could hold the gang, even when empty."""
        return isinstance(self.why, NeverFits)

    @property
    def new_nodes(self) -> Mapping[str, int]:
        """Nodes an autoscaler must add for it: pool name -> count."""
        return dict(total_by_pool(self.growth))


def total_by_pool(growth: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return one (pool name, count) a pool, in the order in which the pools occur first."""
    total: dict[str, int] = {}
    for pool, count in growth:
        total[pool] = total.get(pool, 0) + count
    return list(total.items())
