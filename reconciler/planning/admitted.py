"""What becomes of one group: its transition, and what it got of the fleet. Decisions are made from this alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reconciler.lifecycle.observe import CopyStatus
from reconciler.lifecycle.transitions import Transition
from reconciler.placement.decision import TransitionKind
from reconciler.placement.placed_group import PlacedGroup
from reconciler.placement.request import Assignment
from reconciler.reasons.changes import Regrouped
from reconciler.reasons.hold import WaitsWithHold
from reconciler.reasons.written import Written
from reconciler.workloads.cluster_copy import ClusterCopy
from reconciler.workloads.group import Group, GroupKey


@dataclass(frozen=True, slots=True)
class Admitted:
    """What becomes of one group.

    `before` is its last committed state, `placed` the same with the objects that ownership gives or takes; None where
    nothing was decided on it. `assignment` is None where nothing was asked of the fleet. `why` says which objects
    changed their group.
    """

    transition: Transition
    group: Group | None
    before: PlacedGroup | None
    placed: PlacedGroup | None
    statuses: tuple[CopyStatus, ...] = ()
    assignment: Assignment | None = None
    why: Regrouped | None = None

    @property
    def key(self) -> GroupKey:
        """Return the group's key."""
        return self.transition.key

    @property
    def copies(self) -> tuple[ClusterCopy, ...]:
        """Return the copies that the group has afterwards."""
        if self.transition.kind is TransitionKind.RETIRE:
            return ()
        # Where nothing was asked of the fleet, the group keeps what it has.
        if self.assignment is not None:
            return self.assignment.copies
        return self.placed.copies if self.placed else ()


@dataclass(frozen=True, slots=True)
class Clock:
    """What every decision of a plan records: the time in unix seconds, and the digest of the snapshot."""

    now: float
    snapshot: str


def with_hold(after: PlacedGroup, made: Assignment | None) -> PlacedGroup:
    """Return a group's state with the capacity that is reserved for what waits, which its message says as well."""
    held = made.held if made is not None else None
    if held is None:
        # A hold that is over is forgotten; what has none stays the same object.
        return after if after.hold is None else replace(after, hold=None)
    said = Written(after.reason, after.message)
    why = WaitsWithHold(said, held.clusters, held.since, held.until)
    return replace(after, hold=held, message=why.text)
