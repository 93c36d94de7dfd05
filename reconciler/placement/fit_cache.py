"""The nodes of one cluster at one moment of a plan, with the fits that were computed on them.

Results are kept on the node arrays that they were computed from, which are never changed, so they hold for as long as
those are used. A plan that places nothing needs no nodes: what imports this module at its top imports numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar, cast

from reconciler.fleet.inventory import Cluster
from reconciler.fleet.snapshot import ClusterSnapshot
from reconciler.kube_scheduler.equivalence import GangRequest
from reconciler.kube_scheduler.fit import commit, reserve, try_gang
from reconciler.kube_scheduler.gang import Fit, Gang
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.kube_scheduler.pod_affinity import namespaces_in_terms
from reconciler.placement.assumed_pods import AssumedCopy, PodIndex
from reconciler.placement.cluster_nodes import nodes_with
from reconciler.placement.model import Candidate, verdict_of

_Measure = TypeVar("_Measure")


class FitCache:
    """The nodes of a cluster, which must not be changed, with the results that were computed from them."""

    __slots__ = (
        "_cluster",
        "_fits",
        "_free_share",
        "_measures",
        "_named_by_terms",
        "nodes",
    )

    def __init__(self, cluster: str, nodes: Nodes) -> None:
        self._cluster = cluster
        self.nodes = nodes
        self._fits: dict[str, tuple[Fit, Candidate]] = {}
        self._measures: dict[tuple[str, str], object] = {}
        self._free_share: float | None = None
        self._named_by_terms = namespaces_in_terms(nodes)

    @classmethod
    def of(
        cls,
        cluster: Cluster,
        snapshot: ClusterSnapshot,
        pods: PodIndex,
        assumed: Iterable[AssumedCopy],
        gangs: Iterable[Gang] = (),
    ) -> FitCache:
        """Return a cluster's nodes with its pods, with the `assumed` copies, and then with `gangs`."""
        nodes = nodes_with(cluster, snapshot, pods, assumed)
        for gang in gangs:
            nodes = reserve(nodes, gang)
        return cls(cluster.name, nodes)

    def with_fit(self, gang: Gang, fit: Fit) -> FitCache:
        """Return the nodes with the capacity used that `fit` found for `gang`, or for an equal one."""
        return FitCache(self._cluster, commit(self.nodes, gang, fit))

    def with_bound_pods(self, gang: Gang) -> FitCache:
        """Return the nodes with capacity used for as many pods of `gang` as kube-scheduler would bind."""
        return FitCache(self._cluster, reserve(self.nodes, gang))

    @property
    def free_share(self) -> float:
        """Return the free share of the scarcest devices, or of cpu where there are none, 0 to 1."""
        if self._free_share is None:
            self._free_share = self.nodes.free_share
        return self._free_share

    @property
    def size(self) -> int:
        """Return how many results are kept."""
        of_gangs = len(self._fits) + len(self._measures)
        return of_gangs + len(self.nodes.table.memo)

    def fit(self, wanted: GangRequest) -> tuple[Fit, Candidate]:
        """Return what kube-scheduler would do with a gang, and the candidate that says so."""
        key = self._key(wanted)
        found = self._fits.get(key)
        if found is None:
            fit = try_gang(self.nodes, wanted.gang)
            candidate = Candidate(self._cluster, verdict_of(fit), fit.why)
            found = self._fits[key] = fit, candidate
        return found

    def fit_once(self, gang: Gang) -> Fit:
        """Return what kube-scheduler would do with a gang; the result is not kept."""
        return try_gang(self.nodes, gang)

    def measured(
        self,
        wanted: GangRequest | None,
        what: str,
        measure: Callable[[], _Measure],
    ) -> _Measure:
        """Return `measure()`, which must follow from these nodes, the fit of `wanted` on them and `what` alone."""
        # What no gang is part of has the empty key.
        gang_key = self._key(wanted) if wanted else ""
        key = (gang_key, what)
        if key not in self._measures:
            self._measures[key] = measure()
        return cast("_Measure", self._measures[key])

    def _key(self, wanted: GangRequest) -> str:
        # Names and labels of the gang count only where affinity terms of other pods may select them.
        named = self._named_by_terms
        if named is not None and named.isdisjoint(wanted.namespaces):
            return wanted.unnamed
        return wanted.exact
