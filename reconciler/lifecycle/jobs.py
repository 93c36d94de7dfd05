"""What a snapshot says of the objects of a placed group: are there pods yet, is the job over, how did it end?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from reconciler.fleet.snapshot import Unreadable
from reconciler.placement.outcome import Part
from reconciler.placement.record import JobOutcome, PlacedPart, PlacementRecord
from reconciler.placement.reservation import PodIndex
from reconciler.placement.room import Rooms
from reconciler.ray.status import JobState
from reconciler.workloads.group import WorkloadObject


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a group is.

    `running`: some of its pods stand on nodes. `outcome`: how its RayJobs ended (SUCCEEDED, FAILED or STOPPED), once
    all of them have ended for good.
    """

    running: bool = False
    outcome: JobOutcome | None = None


def followed_jobs(parts: Iterable[Part], rooms: Rooms) -> tuple[tuple[Part, ...], bool]:
    """Return the parts with the outcome of those whose jobs have ended, and whether pods of any of them run."""
    found, running = [], False
    for part in parts:
        room = rooms.of(part.cluster) if part.job_outcome is None else None
        if room is None or isinstance(room, Unreadable):
            found.append(part)
            continue
        progress = progress_of(part.deployed, room.pods)
        running = running or progress.running
        found.append(replace(part, job_outcome=progress.outcome) if progress.outcome else part)
    return tuple(found), running


def with_outcomes(record: PlacementRecord, parts: Sequence[Part]) -> tuple[PlacedPart, ...]:
    """Return what the record says of single clusters, with the outcomes of those of several that have ended."""
    if len(parts) < 2:
        return record.parts
    known = {one.cluster: one for one in record.parts}
    noted = (replace(known.get(part.cluster, PlacedPart(part.cluster)), job_outcome=part.job_outcome) for part in parts)
    return tuple(one for one in noted if one != PlacedPart(one.cluster))


def ended(parts: Sequence[Part]) -> JobOutcome | None:
    """Return how a group ended, which is how its worst part did; None while one has not ended."""
    ends = [(part.cluster, part.job_outcome) for part in parts]
    known = [(cluster, end) for cluster, end in ends if end is not None]
    if not known or len(known) < len(ends):
        return None
    if len(known) == 1:
        return known[0][1]
    worst = next(end for state in _WORST for _, end in known if end.state == state)
    return replace(worst, message="; ".join(f"{cluster}: {end.message}" for cluster, end in known))


def progress_of(objects: Iterable[WorkloadObject], pods: PodIndex) -> Progress:
    """Return how far the group of `objects` is on the cluster of `pods`.

    Only a group that is nothing but RayJobs, as far as pods go, can end; a RayJob that is not shown there has
    not ended.
    """
    making = [item for item in objects if item.demand is not None]
    running = any(pod.node for item in making for pod in pods.pods_of(item.key))
    if not making or any(item.key.kind != "RayJob" for item in making):
        return Progress(running)
    ends = []
    for item in making:
        end = pods.status_of(item.key)
        if end is None or not end.finished:
            return Progress(running)
        ends.append((item.key.name, end))
    states = {end.state for _, end in ends}
    word = next((word for state, word in _OUTCOMES if state in states), "FAILED")
    reason = next((end.reason for _, end in ends if end.reason), "")
    parts = [f"RayJob {name} {end.state}" + (f" ({end.reason})" if end.reason else "") for name, end in ends]
    return Progress(running, JobOutcome(word, reason, "; ".join(parts)))


_WORST = ("FAILED", "STOPPED", "SUCCEEDED")

_OUTCOMES = (
    (JobState.FAILED, "FAILED"),
    (JobState.INVALID, "FAILED"),
    (JobState.STOPPED, "STOPPED"),
    (JobState.SUCCEEDED, "SUCCEEDED"),
)
"""The outcome of several jobs is that of the one that fared worst."""
