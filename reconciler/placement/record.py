"""The decision record of a group (kind Placement, `placements/<namespace>/<group>.yaml`). Plain data.

It is committed when the place, the outcome or the reason changed, never because a number in a message moved. Reading
and writing its file form is `render.placement_record`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from reconciler.placement.model import PARTLY, Candidate, Phase, Share
from reconciler.workloads.group import GroupKey
from reconciler.workloads.patch import Patch


@dataclass(frozen=True, slots=True, order=True)
class PlacedObject:
    """An object as it was admitted.

    `digest` is `manifests.identity.canonical_digest` of its body; `source` the file under `workloads/` it came from.
    """

    api_version: str
    kind: str
    name: str
    digest: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """How a job ended: KubeRay's `jobStatus` and `reason`; `finished_at` in unix seconds, None when not told."""

    state: str
    reason: str = ""
    message: str = ""
    finished_at: int | None = None


@dataclass(frozen=True, slots=True)
class PlacedPart:
    """What `cluster` has otherwise than the record says of all.

    `patches` change the objects there. `objects` were admitted there; None where they are those of the record.
    `job_outcome` is how the jobs of this copy ended, while those of others may not have.
    """

    cluster: str
    patches: tuple[Patch, ...] = ()
    objects: tuple[PlacedObject, ...] | None = None
    job_outcome: JobOutcome | None = None


@dataclass(frozen=True, slots=True)
class PlacementRecord:
    """What was decided about a group, and why.

    `objects` were admitted (none unless placed), in order; `parts` tell where a cluster has others, or patches them.
    `sources` are the files under `workloads/` that the group comes from. `run` counts from 1. `source_commit` is the
    commit whose files were decided on, `snapshot_digest` the capacity they met. `decided_at` is in unix seconds, and so
    is `waiting_since`, which only groups that wait have, wholly or for a part: unlike the reason, it stays while they
    wait.
    """

    group: GroupKey
    policy: str
    objects: tuple[PlacedObject, ...]
    clusters: tuple[Share, ...]
    phase: Phase
    reason: str
    message: str
    candidates: tuple[Candidate, ...] = ()
    sources: tuple[str, ...] = ()
    run: int = 1
    source_commit: str = ""
    snapshot_digest: str = ""
    decided_at: int = 0
    job_outcome: JobOutcome | None = None
    waiting_since: int | None = None
    parts: tuple[PlacedPart, ...] = ()

    @property
    def placed(self) -> bool:
        """Tell whether the group stands in a cluster's directory."""
        return bool(self.clusters)

    @property
    def waits(self) -> bool:
        """Tell whether the group, or a part of it, waits for room."""
        return self.reason == PARTLY if self.placed else self.phase is Phase.PENDING

    def says_the_same(self, other: PlacementRecord) -> bool:
        """Tell whether place, outcome and reason are equal, so that writing `self` over `other` is not worth a commit.

        Messages and candidates tell numbers that change with every capacity tick; they are not compared.
        """
        return _heart(self) == _heart(other)


def _heart(record: PlacementRecord) -> tuple[object, ...]:
    place = (record.group, record.policy, record.objects, record.sources, record.clusters, record.run)
    return (*place, record.parts, record.phase, record.reason, record.job_outcome)


def waiting_since(record: PlacementRecord | None) -> int | None:
    """Return since when a group, or a part of it, has waited, in unix seconds; None when it does not wait yet."""
    if record is None or not record.waits:
        return None
    return record.decided_at if record.waiting_since is None else record.waiting_since


def dated(record: PlacementRecord, before: PlacementRecord | None, now: float) -> PlacementRecord:
    """Return a group's new `record` with what it says of its waiting; `before` is the last record."""
    known = waiting_since(before)
    since = int(now) if known is None else known
    return replace(record, waiting_since=since if record.waits else None)
