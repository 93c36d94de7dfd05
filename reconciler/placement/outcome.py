"""What stands for a group before a plan, and after it. Plain data between `placement`, `lifecycle` and rendering."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconciler.placement.model import Action, Decision, Phase, Share
from reconciler.placement.quota import requested
from reconciler.placement.record import JobOutcome, PlacedObject, PlacedPart, PlacementRecord, dated
from reconciler.workloads.group import Group, WorkloadObject, gang_of
from reconciler.workloads.overrides import Tailored
from reconciler.workloads.patch import Patch

if TYPE_CHECKING:
    from reconciler.placement.choice import Choice


@dataclass(frozen=True, slots=True)
class Part:
    """What one cluster has of a group.

    `admitted` are the copies in its directory, `patches` what changes them there, `deployed` what comes of both.
    `share` is a percentage of the group. `job_outcome` is set once all jobs of this part have ended.
    """

    cluster: str
    admitted: tuple[WorkloadObject, ...]
    deployed: tuple[WorkloadObject, ...]
    patches: tuple[Patch, ...] = ()
    share: int = 100
    job_outcome: JobOutcome | None = None

    @classmethod
    def of(cls, cluster: str, tailored: Tailored, share: int = 100) -> Part:
        """Return the part of a cluster that gets what was `tailored` for it."""
        return cls(cluster, tailored.admitted, tailored.deployed, tailored.patches, share)


@dataclass(frozen=True, slots=True)
class Standing:
    """A group as SkyRay left it: its record, and the admitted copies, each once. `parts` say which stand where."""

    record: PlacementRecord
    admitted: tuple[WorkloadObject, ...] = ()
    parts: tuple[Part, ...] = ()

    def on(self, part: Part) -> Standing:
        """Return what a cluster sees of the group: the objects as they are deployed there."""
        if part.deployed is self.admitted and part.job_outcome is self.record.job_outcome:
            return self
        return Standing(replace(self.record, job_outcome=part.job_outcome), part.deployed)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A decision with what it leaves behind.

    `objects` stand in the clusters of the decision afterwards (empty: nothing does); `parts` say which stand where, and
    are empty where a single cluster has all of them as they are. `record` is None when the group is gone for good.
    `lacks` is what a part that waits lacks room for, see `spread.Arrangement`. `changed` tells whether place, outcome,
    reason or objects differ from before: only then is it committed.
    """

    decision: Decision
    objects: tuple[WorkloadObject, ...]
    record: PlacementRecord | None
    before: Standing | None
    parts: tuple[Part, ...] = ()
    lacks: tuple[tuple[Choice, ...], ...] = ()

    @property
    def joined(self) -> tuple[str, ...]:
        """Return the clusters of the decision where nothing of the group stood before."""
        before = self.before.record.clusters if self.before else ()
        return tuple(share.name for share in self.decision.clusters if share.name not in {one.name for one in before})

    def on(self, cluster: str) -> Part:
        """Return what a cluster of the decision has afterwards."""
        whole = Part(cluster, self.objects, self.objects)
        return next((part for part in self.parts if part.cluster == cluster), whole)

    @property
    def changed(self) -> bool:
        """Tell whether this outcome is worth a commit."""
        if self.before is None:
            return self.record is not None
        return self.record is None or not self.record.says_the_same(self.before.record)


def objects_of(parts: tuple[Part, ...]) -> tuple[WorkloadObject, ...]:
    """Return the admitted objects of all parts, each once."""
    if len(parts) == 1:
        return parts[0].admitted
    found = {item.key: item for part in reversed(parts) for item in part.admitted}
    return tuple(found[key] for key in sorted(found))


def used(parts: Iterable[Part]) -> dict[str, int]:
    """Return what the parts request together, as `quota.requested` does; a part whose jobs have ended uses nothing."""
    return requested(gang_of(part.deployed) for part in parts if part.job_outcome is None)


def recorded(objects: Iterable[WorkloadObject]) -> tuple[PlacedObject, ...]:
    """Return the record's entries for admitted `objects`, in order of kind and name."""
    return tuple(
        sorted(PlacedObject(o.key.api_version, o.key.kind, o.key.name, o.digest, o.place.file) for o in objects)
    )


def recorded_parts(parts: tuple[Part, ...]) -> tuple[tuple[PlacedObject, ...], tuple[PlacedPart, ...]]:
    """Return the record's entries for everything admitted, and for what single clusters have otherwise."""
    each = [recorded(part.admitted) for part in parts]
    every = tuple(sorted({one for entries in each for one in entries}))
    found = []
    for part, entries in zip(parts, each, strict=True):
        own = None if entries == every else entries
        ended = part.job_outcome if len(parts) > 1 else None
        if part.patches or own is not None or ended is not None:
            found.append(PlacedPart(part.cluster, part.patches, own, ended))
    return every, tuple(found)


def shares_of(parts: tuple[Part, ...]) -> tuple[Share, ...]:
    """Return the clusters of `parts` with their shares."""
    return tuple(Share(part.cluster, part.share) for part in parts)


def new_outcome(
    group: Group,
    decision: Decision,
    before: Standing | None,
    snapshot: str,
    now: float,
    parts: tuple[Part, ...] = (),
) -> Outcome:
    """Return the outcome of a decision on a group that has no place yet: placed (in `parts`), waiting or rejected."""
    placed = decision.action is Action.PLACE
    if placed and not parts:
        parts = tuple(Part(share.name, group.objects, group.objects) for share in decision.clusters)
    objects, different = recorded_parts(parts)
    record = PlacementRecord(
        group=group.key,
        policy=decision.policy,
        clusters=decision.clusters,
        objects=objects,
        phase=decision.phase,
        reason=decision.reason,
        message=decision.message,
        candidates=decision.candidates,
        sources=tuple(sorted({o.place.file for o in group.objects})),
        source_commit=group.source.commit,
        snapshot_digest=snapshot,
        decided_at=int(now),
        parts=different,
    )
    record = dated(record, before.record if before else None, now)
    return settled(Outcome(decision, objects_of(parts), record, before, parts))


def settled(outcome: Outcome) -> Outcome:
    """Keep the old record where nothing significant changed, so that the same input gives the same bytes."""
    if outcome.before is None or outcome.changed:
        return outcome
    return replace(outcome, record=outcome.before.record)


def rejection(group: Group) -> Decision:
    """Return the decision on a group that cannot be placed as it is."""
    return Decision(group.key, Action.REJECT, Phase.REJECTED, group.policy.name, (), group.refused_as, group.problem)


def placement(group: Group, parts: tuple[Part, ...], reason: str, message: str) -> Decision:
    """Return the decision to place `group` in `parts`."""
    return Decision(group.key, Action.PLACE, Phase.PLACED, group.policy.name, shares_of(parts), reason, message)
