"""Equivalence classes of gangs: gangs with equal keys have equal results on a cluster, so one result serves them all.

A fit is a pure function of the nodes and of what a gang asks for. Namespaces and labels of its pods matter only where
some rule looks at other pods: the gang's own affinity and spread, or terms of existing pods.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from reconciler.kube_scheduler.gang import Gang
from reconciler.kube_scheduler.shape_rules import has_pod_terms, is_spread
from reconciler.manifests.podshape import PodShape
from reconciler.ray.demand import PodSet


@dataclass(frozen=True, slots=True)
class GangRequest:
    """A gang with its equivalence keys: gangs with equal keys get equal results, reasons included.

    `exact` holds on all nodes. `unnamed` leaves out namespaces and labels, and holds on nodes where no pod has terms
    about pods in the gang's `namespaces`. `cluster_variants` is as in `Gang`.
    """

    gang: Gang
    exact: str
    unnamed: str
    namespaces: frozenset[str]
    cluster_variants: Mapping[str, GangRequest] = field(default_factory=dict)

    @classmethod
    def of(cls, gang: Gang) -> GangRequest:
        """Return `gang` with its keys."""
        request = cls._of_one(replace(gang, cluster_variants={}))
        if not gang.cluster_variants:
            return request
        # Many clusters may share one variant, whose keys are worked out once.
        known: dict[int, GangRequest] = {}
        variants: dict[str, GangRequest] = {}
        for cluster, variant in gang.cluster_variants.items():
            if id(variant) not in known:
                known[id(variant)] = cls.of(variant)
            variants[cluster] = known[id(variant)]
        return replace(request, cluster_variants=variants)

    @classmethod
    def _of_one(cls, gang: Gang) -> GangRequest:
        exact = repr(gang)
        namespaces = frozenset(pod_set.shape.namespace for pod_set in gang.pod_sets)
        if any(_looks_at_other_pods(pod_set.shape) for pod_set in gang.pod_sets):
            return cls(gang, exact, exact, namespaces)
        unnamed: list[PodSet] = []
        for pod_set in gang.pod_sets:
            shape = replace(pod_set.shape, namespace="", labels={})
            unnamed.append(replace(pod_set, shape=shape))
        return cls(
            gang, exact, repr(replace(gang, pod_sets=tuple(unnamed))), namespaces
        )

    def on(self, cluster: str) -> GangRequest:
        """Return the request that it is on a cluster."""
        return self.cluster_variants.get(cluster, self)


def _looks_at_other_pods(shape: PodShape) -> bool:
    return has_pod_terms(shape) or is_spread(shape)
