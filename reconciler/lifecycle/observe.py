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
    after: Iterable[ClusterCopy],
    before: Iterable[ClusterCopy],
    fleet: FleetState,
) -> tuple[CopyStatus, ...]:
    """Return the status of each copy of a group that is updated.

    A job that the update adds has not ended, whatever the snapshot shows under its name.
    """
    known = {copy.cluster: _making_pods(copy) for copy in before}
    found = []
    for copy in after:
        status = _status(copy, fleet)
        making = _making_pods(copy)
        had = known.get(copy.cluster, set())
        if not making <= had:
            # Some of its objects are new in this form, so the snapshot cannot show how they ended.
            status = replace(status, job_result=None)
        found.append(status)
    return tuple(found)


def _making_pods(copy: ClusterCopy) -> set[tuple[ObjectKey, str]]:
    """Return the keys and digests of the objects that make pods."""
    found = set()
    for item in copy.deployed:
        if item.demand is not None:
            found.add((item.key, item.digest))
    return found


def with_results(
    copies: Sequence[ClusterCopy],
    statuses: Sequence[CopyStatus],
) -> tuple[ClusterCopy, ...]:
    """Return the copies with the results of those whose jobs have ended."""
    results = {(one.cluster, one.run): one.job_result for one in statuses}
    found = []
    for copy in copies:
        known = copy.job_result
        # A result that is known is never replaced, whatever the snapshot shows.
        result = known or results.get(copy.key)
        if result is known:
            found.append(copy)
        else:
            found.append(replace(copy, job_result=result))
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
        old = known.get(copy.key)
        seen = states.get(copy.key)
        role = _role(copy, old, seen)
        since = old.since if old is not None else int(now)
        found.append(replace(copy, role=role, since=since))
    return tuple(found)


def _role(
    copy: ClusterCopy,
    old: ClusterCopy | None,
    state: CopyState | None,
) -> CopyRole:
    """Return the role of a copy, which was `old` before, and of which `state` is seen; None: new, not observed."""
    if copy.job_result is not None:
        return CopyRole.ENDED
    before = old.role if old is not None else CopyRole.STARTING
    # Another copy takes its place, whether or not its pods still run.
    if before is CopyRole.DRAINING:
        return CopyRole.DRAINING
    # Once its pods were seen, a copy does not start again, whatever the snapshot lacks.
    if state is CopyState.RUNNING or before is CopyRole.SERVING:
        return CopyRole.SERVING
    return CopyRole.STARTING


def group_result(copies: Sequence[ClusterCopy]) -> JobResult | None:
    """Return how the jobs of a group ended, which is how its worst copy did; None while one has not ended."""
    ends = [copy.job_result for copy in copies if copy.job_result is not None]
    if not ends or len(ends) < len(copies):
        return None
    if len(ends) == 1:
        return ends[0]
    first_of: dict[str, JobResult] = {}
    messages = []
    for copy, end in zip(copies, ends, strict=True):
        first_of.setdefault(end.state, end)
        messages.append(f"{copy.cluster}: {end.message}")
    worst = next(state for state in _WORST_FIRST if state in first_of)
    return replace(first_of[worst], message="; ".join(messages))


def job_result_of(
    objects: Iterable[WorkloadObject],
    pods: PodIndex,
) -> JobResult | None:
    """Return how the jobs among `objects` ended on the cluster of `pods`; None while one has not, for good.

    Only a group in which nothing but RayJobs makes pods can end; a RayJob that the snapshot does not show has not.
    """
    making = [item for item in objects if item.demand is not None]
    only_jobs = all(item.key.kind == "RayJob" for item in making)
    if not making or not only_jobs:
        return None
    states = set()
    messages = []
    first_reason = ""
    for item in making:
        end = pods.status_of(item.key)
        if end is None or not end.finished:
            return None
        states.add(end.state)
        because = f" ({end.reason})" if end.reason else ""
        messages.append(f"RayJob {item.key.name} {end.state}{because}")
        first_reason = first_reason or end.reason
    # The result of several jobs is that of the one that fared worst.
    word = next((word for state, word in _RESULTS if state in states), "FAILED")
    message = "; ".join(messages)
    return JobResult(word, first_reason, message)


def _status(copy: ClusterCopy, fleet: FleetState) -> CopyStatus:
    cluster, run = copy.key
    known = copy.job_result
    state = fleet.cluster(cluster)
    if isinstance(state, Unreadable):
        return CopyStatus(cluster, run, CopyState.UNKNOWN, state.since, known)
    seen_at = state.snapshot.taken_at
    if known is not None:
        return CopyStatus(cluster, run, CopyState.ENDED, seen_at, known)

    result = job_result_of(copy.deployed, state.pods)
    if _has_bound_pods(copy, state.pods):
        # Pods of a job that has ended may still be there: what is seen of them says that it runs.
        seen = CopyState.RUNNING
    elif result is not None:
        seen = CopyState.ENDED
    else:
        seen = CopyState.MISSING
    return CopyStatus(cluster, run, seen, seen_at, result)


def _has_bound_pods(copy: ClusterCopy, pods: PodIndex) -> bool:
    for item in copy.deployed:
        if item.demand is None:
            continue
        if any(pod.node for pod in pods.pods_of(item.key)):
            return True
    return False


_WORST_FIRST = ("FAILED", "STOPPED", "SUCCEEDED")

_RESULTS = (
    (JobState.FAILED, "FAILED"),
    (JobState.INVALID, "FAILED"),
    (JobState.STOPPED, "STOPPED"),
    (JobState.SUCCEEDED, "SUCCEEDED"),
)
