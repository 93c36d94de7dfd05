"""What a snapshot says of the objects of a placed group: are there pods yet, is the job over, how did it end?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.placement.group import WorkloadObject
from reconciler.placement.record import JobOutcome
from reconciler.placement.reservation import PodIndex
from reconciler.ray.status import JobState


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a group is.

    `running`: some of its pods stand on nodes. `outcome`: how its RayJobs ended (SUCCEEDED, FAILED or STOPPED), once
    all of them have ended for good.
    """

    running: bool = False
    outcome: JobOutcome | None = None


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


_OUTCOMES = (
    (JobState.FAILED, "FAILED"),
    (JobState.INVALID, "FAILED"),
    (JobState.STOPPED, "STOPPED"),
    (JobState.SUCCEEDED, "SUCCEEDED"),
)
"""The outcome of several jobs is that of the one that fared worst."""
