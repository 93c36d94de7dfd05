"""Why a job that runs on an existing RayCluster (`clusterSelector`) cannot be placed before that RayCluster is."""

from __future__ import annotations

from reconciler.manifests.identity import ObjectKey
from reconciler.reasons.reason import Reason

NOT_PLACED = "RayClusterNotPlaced"
"""The code of a job whose RayCluster may still get a place."""

_CLUSTERS_SHOWN = 3


class RayClusterWaits(Reason, frozen=True):
    """RayCluster `ray_cluster`, on which `job` runs, is in `group`, which has no place yet."""

    code = NOT_PLACED
    job: ObjectKey
    ray_cluster: str
    group: str

    def _words(self) -> str:
        return f"{_subject(self.ray_cluster, self.job)} is in group {self.group}, which is not placed yet"


class RayClusterUnmatched(Reason, frozen=True):
    """RayCluster `ray_cluster`, on which `job` runs, falls under no policy."""

    code = NOT_PLACED
    waiting_helps = False
    job: ObjectKey
    ray_cluster: str

    def _words(self) -> str:
        return f"{_subject(self.ray_cluster, self.job)} is not placed, since no policy matches it"


class RayClusterUnread(Reason, frozen=True):
    """RayCluster `ray_cluster`, on which `job` runs, may be in the file `path`, which cannot be read."""

    code = NOT_PLACED
    waiting_helps = False
    job: ObjectKey
    ray_cluster: str
    path: str

    def _words(self) -> str:
        return f"{_subject(self.ray_cluster, self.job)} may be in {self.path}, which cannot be read: repair that file"


class RayClusterUnknown(Reason, frozen=True):
    """RayCluster `ray_cluster`, on which `job` runs, is not in Git; it may be on `clusters`, which cannot be read."""

    code = NOT_PLACED
    job: ObjectKey
    ray_cluster: str
    clusters: tuple[str, ...]

    def _words(self) -> str:
        names = ", ".join(self.clusters[:_CLUSTERS_SHOWN])
        more = len(self.clusters) - _CLUSTERS_SHOWN
        if more > 0:
            names += f" or {more} more"
        subject = _subject(self.ray_cluster, self.job)
        return (
            f"{subject} is not in Git, and may be on {names}, which cannot be read now"
        )


class NoSuchRayCluster(Reason, frozen=True):
    """RayCluster `ray_cluster`, which `job` at `place` selects, is neither in Git nor on any cluster."""

    code = "NoSuchRayCluster"
    waiting_helps = False
    job: ObjectKey
    place: str
    ray_cluster: str

    def _words(self) -> str:
        where = f"neither in workloads/{self.job.namespace}/ nor on any cluster"
        what_to_do = "add it, or correct spec.clusterSelector"
        return f"{self.place}: {self.job} selects RayCluster {self.ray_cluster}, which is {where}: {what_to_do}"


def _subject(ray_cluster: str, job: ObjectKey) -> str:
    return f"RayCluster {ray_cluster}, which {job.kind} {job.name} runs on,"
