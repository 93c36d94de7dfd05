"""What a snapshot shows of the copies of placed groups: are there pods, have the jobs ended, and how?

The state of a copy is observed anew in every plan and is no part of the placed group, so that nothing is committed
because pods came or went. Only the end of jobs changes a group.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from reconciler.fleet.snapshot import Unreadable
from reconciler.manifests.identity import ObjectKey
from reconciler.placement.assumed_pods import PodIndex
from reconciler.placement.fleet_state import FleetState
from reconciler.ray.status import JobState
from reconciler.workloads.cluster_copy import ClusterCopy, CopyRole, JobResult
from reconciler.workloads.group import WorkloadObject


class CopyState(StrEnum):
    """What is seen of a copy. UNKNOWN: its cluster does not tell its capacity now."""

    MISSING = "Missing"
    RUNNING = "Running"
    ENDED = "Ended"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class CopyStatus:
    """One copy as the snapshot of its cluster shows it; `seen_at` is the snapshot's time, in unix seconds.

    `job_result` is how its jobs ended; None unless all of them have, for good.
    """

    cluster: str
    run: int
    state: CopyState
    seen_at: float
    job_result: JobResult | None = None


def observe(copies: Iterable[ClusterCopy], fleet: FleetState) -> tuple[CopyStatus, ...]:
    """Return the status of each copy."""
    return tuple(_status(copy, fleet) for copy in copies)


def observe_updated(
    after: Iterable[ClusterCopy], before: Iterable[ClusterCopy], fleet: FleetState
) -> tuple[CopyStatus, ...]:
    """Return the status of each copy of a group that is updated.

    A job that the update adds has not ended, whatever the snapshot shows under its name.
    """
    known = {copy.cluster: _making_pods(copy) for copy in before}
    found = []
    for copy in after:
        status = _status(copy, fleet)
        if not _making_pods(copy) <= known.get(copy.cluster, set()):
            status = replace(status, job_result=None)
        found.append(status)
    return tuple(found)


def _making_pods(copy: ClusterCopy) -> set[tuple[ObjectKey, str]]:
    return {
        (item.key, item.digest) for item in copy.deployed if item.demand is not None
    }


def with_results(
    copies: Sequence[ClusterCopy], statuses: Sequence[CopyStatus]
) -> tuple[ClusterCopy, ...]:
    """Return the copies with the results of those whose jobs have ended."""
    results = {(one.cluster, one.run): one.job_result for one in statuses}
    found = []
    for copy in copies:
        result = copy.job_result or results.get(copy.key)
        found.append(
            copy if result is copy.job_result else replace(copy, job_result=result)
        )
    return tuple(found)


def with_roles(
    copies: Sequence[ClusterCopy],
    before: Iterable[ClusterCopy],
    statuses: Iterable[CopyStatus],
    now: float,
) -> tuple[ClusterCopy, ...]:
    """Return the copies with their roles by what is observed; those that are new since `before` are placed `now`.

    `now` is in unix seconds.
    """
    known = {copy.key: copy for copy in before}
    states = {(one.cluster, one.run): one.state for one in statuses}
    found = []
    for copy in copies:
        role = CopyRole.STARTING
        if copy.job_result is not None:
            role = CopyRole.ENDED
        elif copy.key in known and known[copy.key].role is CopyRole.DRAINING:
            role = CopyRole.DRAINING
        elif states.get(copy.key) is CopyState.RUNNING or (
            # Once its pods were seen, a copy does not start again, whatever the snapshot lacks.
            copy.key in known and known[copy.key].role is CopyRole.SERVING
        ):
            role = CopyRole.SERVING
        old = known.get(copy.key)
        since = old.since if old is not None else int(now)
        found.append(replace(copy, role=role, since=since))
    return tuple(found)


def group_result(copies: Sequence[ClusterCopy]) -> JobResult | None:
    """Return how the jobs of a group ended, which is how its worst copy did; None while one has not ended."""
    ends = [
        (copy.cluster, copy.job_result)
        for copy in copies
        if copy.job_result is not None
    ]
    if not ends or len(ends) < len(copies):
        return None
    if len(ends) == 1:
        return ends[0][1]
    worst = next(end for state in _WORST_FIRST for _, end in ends if end.state == state)
    return replace(
        worst, message="; ".join(f"{cluster}: {end.message}" for cluster, end in ends)
    )


def job_result_of(
    objects: Iterable[WorkloadObject], pods: PodIndex
) -> JobResult | None:
    """Return how the jobs among `objects` ended on the cluster of `pods`; None while one has not, for good.

    Only a group in which nothing but RayJobs makes pods can end; a RayJob that the snapshot does not show has not.
    """
    making = [item for item in objects if item.demand is not None]
    if not making or any(item.key.kind != "RayJob" for item in making):
        return None
    ends = []
    for item in making:
        end = pods.status_of(item.key)
        if end is None or not end.finished:
            return None
        ends.append((item.key.name, end))
    states = {end.state for _, end in ends}
    # The result of several jobs is that of the one that fared worst.
    word = next((word for state, word in _RESULTS if state in states), "FAILED")
    reason = next((end.reason for _, end in ends if end.reason), "")
    said = [
        f"RayJob {name} {end.state}" + (f" ({end.reason})" if end.reason else "")
        for name, end in ends
    ]
    return JobResult(word, reason, "; ".join(said))


def _status(copy: ClusterCopy, fleet: FleetState) -> CopyStatus:
    state = fleet.cluster(copy.cluster)
    if isinstance(state, Unreadable):
        return CopyStatus(
            copy.cluster, copy.run, CopyState.UNKNOWN, state.since, copy.job_result
        )
    seen_at = state.snapshot.taken_at
    if copy.job_result is not None:
        return CopyStatus(
            copy.cluster, copy.run, CopyState.ENDED, seen_at, copy.job_result
        )
    making = [item for item in copy.deployed if item.demand is not None]
    running = any(pod.node for item in making for pod in state.pods.pods_of(item.key))
    result = job_result_of(copy.deployed, state.pods)
    # Pods of a job that has ended may still be there: what is seen of them says that it runs.
    seen = (
        CopyState.RUNNING
        if running
        else CopyState.ENDED
        if result
        else CopyState.MISSING
    )
    return CopyStatus(copy.cluster, copy.run, seen, seen_at, result)


_WORST_FIRST = ("FAILED", "STOPPED", "SUCCEEDED")

_RESULTS = (
    (JobState.FAILED, "FAILED"),
    (JobState.INVALID, "FAILED"),
    (JobState.STOPPED, "STOPPED"),
    (JobState.SUCCEEDED, "SUCCEEDED"),
)
