"""A group as the last decision left it: what its Placement file says, and the copies that the clusters have.

It is committed when place, outcome or reason changed, and never because an amount in a message or the role of a copy
did. Reading and writing the file is `render.placement_record`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from reconciler.placement.model import Candidate, Phase
from reconciler.reasons.copies import PARTLY_PLACED
from reconciler.workloads.cluster_copy import ClusterCopy, JobResult, objects_of
from reconciler.workloads.group import GroupKey, WorkloadObject


@dataclass(frozen=True, slots=True)
class HeldCapacity:
    """Capacity that is reserved for a group on `clusters` until `until`; it waits since `since` (unix seconds)."""

    clusters: tuple[str, ...]
    since: int
    until: int


@dataclass(frozen=True)
class PlacedGroup:
    """The last decision on a group. One that waits or is rejected has no copies.

    `sources` are the files under `workloads/` that the group comes from. `source_commit` is the commit whose files were
    decided on, `snapshot` the digest of the capacity they met. `decided_at` is in unix seconds, and so is
    `waiting_since`, which only groups that wait have, as a whole or for a copy: unlike the reason it stays while they
    wait. `job_result` is set once all jobs of all copies have ended.
    """

    key: GroupKey
    policy: str
    copies: tuple[ClusterCopy, ...]
    phase: Phase
    reason: str
    message: str
    candidates: tuple[Candidate, ...] = ()
    sources: tuple[str, ...] = ()
    source_commit: str = ""
    snapshot: str = ""
    decided_at: int = 0
    waiting_since: int | None = None
    hold: HeldCapacity | None = None
    job_result: JobResult | None = None

    @cached_property
    def admitted(self) -> tuple[WorkloadObject, ...]:
        """The admitted objects of all copies, each once."""
        return objects_of(self.copies) if self.copies else ()

    @property
    def clusters(self) -> tuple[str, ...]:
        """Return the names of the clusters that have a copy."""
        return tuple(copy.cluster for copy in self.copies)

    @property
    def placed(self) -> bool:
        """Tell whether any cluster has a copy."""
        return bool(self.copies)

    @property
    def waits(self) -> bool:
        """Tell whether the group, or one of its copies, waits for capacity."""
        if self.placed:
            return self.reason == PARTLY_PLACED
        return self.phase is Phase.PENDING

    def on(self, cluster: str) -> ClusterCopy | None:
        """Return the copy on a cluster; None where there is none."""
        return next((copy for copy in self.copies if copy.cluster == cluster), None)

    def says_the_same(self, other: PlacedGroup) -> bool:
        """Tell whether place, outcome and reason are equal, so that writing `self` over `other` is not worth a commit.

        Messages and candidates have amounts that change with every snapshot, and roles follow from the snapshot: they
        are not compared.
        """
        if _outcome(self) != _outcome(other):
            return False
        # A group that is kept has the copies of its last state, which need not be compared.
        if self.copies is other.copies:
            return True
        return _places(self.copies) == _places(other.copies)


def waiting_since(group: PlacedGroup | None) -> int | None:
    """Return since when a group, or one of its copies, waits, in unix seconds; None when it does not wait yet."""
    if group is None or not group.waits:
        return None
    if group.waiting_since is None:
        # Its Placement does not say since when, so it counts from that decision on.
        return group.decided_at
    return group.waiting_since


def dated(
    group: PlacedGroup,
    before: PlacedGroup | None,
    now: float,
) -> PlacedGroup:
    """Return the new state of a group with the time since when it waits; `before` is its last state."""
    if not group.waits:
        if group.waiting_since is None:
            return group
        return replace(group, waiting_since=None)
    known = waiting_since(before)
    since = int(now) if known is None else known
    return replace(group, waiting_since=since)


def _outcome(group: PlacedGroup) -> tuple[object, ...]:
    return (
        group.key,
        group.policy,
        group.sources,
        group.phase,
        group.reason,
        group.job_result,
    )


def _places(copies: Iterable[ClusterCopy]) -> list[tuple[object, ...]]:
    """Return what of the copies is committed; a role is observed, and is not."""
    return [
        (copy.key, copy.share, copy.listed, copy.patches, copy.job_result)
        for copy in copies
    ]
