"""Which gangs a cluster cannot tell apart, so that what was worked out for one of them is known for all.

The one idea: a fit is a pure function of the nodes and of what a gang asks for. Names and labels of its pods are part
of that only where some rule looks at other pods: the gang's own affinity and spread, or terms of pods that stand there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from reconciler.kube_scheduler.gang import Gang
from reconciler.kube_scheduler.nodes import has_pod_terms
from reconciler.kube_scheduler.topology_spread import is_spread


@dataclass(frozen=True, slots=True)
class GangRequest:
    """A gang with its likenesses: gangs of equal likeness get equal answers, words included.

    `exact` holds on all nodes; `unnamed`, in which namespaces and labels do not count, on nodes where no pod has terms
    about pods in the gang's `namespaces`. `cluster_variants` is as in `Gang`.
    """

    gang: Gang
    exact: str
    unnamed: str
    namespaces: frozenset[str]
    cluster_variants: Mapping[str, GangRequest] = field(default_factory=dict)

    @classmethod
    def of(cls, gang: Gang) -> GangRequest:
        """Work out the likenesses of `gang`."""
        if gang.cluster_variants:
            # Many clusters may share one variant: each is worked out once.
            known = {id(one): cls.of(one) for one in gang.cluster_variants.values()}
            others = {cluster: known[id(one)] for cluster, one in gang.cluster_variants.items()}
            return replace(cls.of(replace(gang, cluster_variants={})), cluster_variants=others)
        exact = repr(gang)
        namespaces = frozenset(one.shape.namespace for one in gang.pod_sets)
        if any(has_pod_terms(one.shape) or is_spread(one.shape) for one in gang.pod_sets):
            return cls(gang, exact, exact, namespaces)
        unnamed = [replace(one, shape=replace(one.shape, namespace="", labels={})) for one in gang.pod_sets]
        return cls(gang, exact, repr(replace(gang, pod_sets=tuple(unnamed))), namespaces)

    def on(self, cluster: str) -> GangRequest:
        """Return what is wanted on a cluster."""
        return self.cluster_variants.get(cluster, self)
