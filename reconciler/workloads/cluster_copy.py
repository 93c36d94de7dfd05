"""A copy of a group on one cluster: its objects, what changes them there, and how far it is.

The key of a copy is its cluster and its run. A group has two copies while it moves, and one a cluster while it is
duplicated or divided. Copies are plain data; what a cluster does with them is observed elsewhere (`lifecycle.observe`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from reconciler.kube_scheduler.gang import Gang
from reconciler.manifests.identity import ObjectKey
from reconciler.ray.demand import Demand
from reconciler.workloads.group import WorkloadObject, gang_of
from reconciler.workloads.patch import Patch


class CopyRole(StrEnum):
    """What a copy is for. A move has a SERVING copy beside a STARTING one, which then is DRAINING beside a SERVING one.

    STARTING: committed, and its pods were not seen yet. SERVING: its pods were seen. DRAINING: another copy takes its
    place. ENDED: its jobs have ended, so it needs no capacity.
    """

    STARTING = "Starting"
    SERVING = "Serving"
    DRAINING = "Draining"
    ENDED = "Ended"


@dataclass(frozen=True, slots=True, order=True)
class PlacedObject:
    """An object as it was admitted, by its digest (`manifests.identity.canonical_digest`).

    `source` is the file under `workloads/` that it came from.
    """

    api_version: str
    kind: str
    name: str
    digest: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class JobResult:
    """How a job ended: KubeRay's `jobStatus` and `reason`; `finished_at` in unix seconds, None when it is not known."""

    state: str
    reason: str = ""
    message: str = ""
    finished_at: int | None = None


@dataclass(frozen=True, slots=True)
class ClusterCopy:
    """What one cluster has of a group.

    `admitted` are the objects in its directory, `patches` what changes them there, `deployed` the result of both.
    `share` is a percentage of the group. `run` counts from 1. `since` is when it was placed there, in unix seconds.
    `job_result` is set once all jobs of this copy have ended. `missing` are objects that were admitted, and of which
    neither the directory nor `workloads/` has the content any more.
    """

    cluster: str
    admitted: tuple[WorkloadObject, ...]
    deployed: tuple[WorkloadObject, ...]
    patches: tuple[Patch, ...] = ()
    share: int = 100
    run: int = 1
    role: CopyRole = CopyRole.STARTING
    since: int = 0
    job_result: JobResult | None = None
    missing: tuple[PlacedObject, ...] = ()

    @property
    def key(self) -> tuple[str, int]:
        """Return cluster and run."""
        return (self.cluster, self.run)

    @property
    def listed(self) -> tuple[PlacedObject, ...]:
        """Return the entries of the Placement for this copy, in order of kind and name."""
        entries = list(self.missing)
        for item in self.admitted:
            key = item.key
            entry = PlacedObject(
                key.api_version, key.kind, key.name, item.digest, item.place.file
            )
            entries.append(entry)
        return tuple(sorted(entries))

    @property
    def has_batch(self) -> bool:
        """Tell whether it has an object that runs once."""
        return any(item.is_batch for item in self.admitted)

    def patches_of(self, key: ObjectKey) -> tuple[Patch, ...]:
        """Return what changes the object `key` on this cluster."""
        return tuple(patch for patch in self.patches if patch.is_for(key))


def gang_of_copy(copy: ClusterCopy) -> Gang:
    """Return the pods that a copy makes on its cluster."""
    return gang_of(copy.deployed)


def objects_of(copies: Sequence[ClusterCopy]) -> tuple[WorkloadObject, ...]:
    """Return the admitted objects of all copies, each once: as the first copy has it."""
    if len(copies) == 1:
        # Most groups: nothing is there twice.
        return copies[0].admitted
    found: dict[ObjectKey, WorkloadObject] = {}
    for copy in copies:
        for item in copy.admitted:
            found.setdefault(item.key, item)
    return tuple(found[key] for key in sorted(found))


def same_content(one: ClusterCopy, other: ClusterCopy) -> bool:
    """Tell whether two copies deploy the same: equal objects with equal patches."""
    if one.patches != other.patches:
        return False
    return _digests(one) == _digests(other)


def same_copies(before: Iterable[ClusterCopy], after: Iterable[ClusterCopy]) -> bool:
    """Tell whether the same is deployed on the same clusters before and after."""
    old = {copy.cluster: copy for copy in before}
    new = {copy.cluster: copy for copy in after}
    same_clusters = old.keys() == new.keys()
    return same_clusters and all(
        same_content(copy, old[name]) for name, copy in new.items()
    )


def grows(before: ClusterCopy, after: ClusterCopy) -> bool:
    """Tell whether `after` may need capacity that `before` did not have: more pods, or pods of another shape.

    Fewer of the same pods always fit where they run.
    """
    demand_before = {item.key: item.demand for item in before.deployed}
    for item in after.deployed:
        if item.demand is None:
            continue
        old = demand_before.get(item.key)
        if _needs_more(old, item.demand):
            return True
    return False


def _needs_more(old: Demand | None, new: Demand) -> bool:
    """Tell whether an object may need capacity that it did not have; `old` is None where it made no pods."""
    known = {}
    for pod_set in old.pod_sets if old else ():
        known[pod_set.role, pod_set.group] = pod_set
    for pod_set in new.pod_sets:
        was = known.get((pod_set.role, pod_set.group))
        if was is None or was.shape != pod_set.shape:
            return True
        if was.count < pod_set.count:
            return True
    return False


def _digests(copy: ClusterCopy) -> frozenset[tuple[ObjectKey, str]]:
    return frozenset((item.key, item.digest) for item in copy.admitted)
