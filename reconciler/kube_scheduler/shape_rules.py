"""Which rules about other pods a pod has: affinity terms and spread constraints, which its shape says without nodes."""

from __future__ import annotations

from reconciler.manifests.podshape import PodShape, SpreadConstraint

HOSTNAME = "kubernetes.io/hostname"
ANYWAY = "ScheduleAnyway"

_ZONE = "topology.kubernetes.io/zone"


def has_pod_terms(shape: PodShape) -> bool:
    """Return whether `shape` has any pod affinity or anti-affinity term."""
    return bool(
        shape.pod_required
        or shape.pod_preferred
        or shape.pod_anti_required
        or shape.pod_anti_preferred
    )


def default_constraints(shape: PodShape) -> tuple[SpreadConstraint, ...]:
    """Return the scheduler's own constraints, for pods that a Service, ReplicaSet or StatefulSet selects."""
    selector = shape.owner_selector
    if selector is None or not selector.requirements:
        return ()
    return SpreadConstraint(HOSTNAME, 3, ANYWAY, selector), SpreadConstraint(
        _ZONE, 5, ANYWAY, selector
    )


def is_spread(shape: PodShape) -> bool:
    """Return whether any spread constraint applies to pods of this shape."""
    return bool(shape.spread or default_constraints(shape))
