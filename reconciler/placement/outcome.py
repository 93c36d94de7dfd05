"""What stands for a group before a plan, and after it. Plain data between `placement`, `lifecycle` and rendering."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.placement.group import Group, WorkloadObject
from reconciler.placement.model import Action, Decision, Phase, Share
from reconciler.placement.record import PlacedObject, PlacementRecord


@dataclass(frozen=True, slots=True)
class Standing:
    """A group as SkyRay left it: its record, and the admitted copies that stand in its cluster's directory."""

    record: PlacementRecord
    admitted: tuple[WorkloadObject, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """A decision with what it leaves behind.

    `objects` stand in the clusters of the decision afterwards (empty: nothing does). `record` is None when the group is
    gone for good. `changed` tells whether place, outcome, reason or objects differ from before: only then is it
    committed.
    """

    decision: Decision
    objects: tuple[WorkloadObject, ...]
    record: PlacementRecord | None
    before: Standing | None

    @property
    def changed(self) -> bool:
        """Tell whether this outcome is worth a commit."""
        if self.before is None:
            return self.record is not None
        return self.record is None or not self.record.says_the_same(self.before.record)


def recorded(objects: tuple[WorkloadObject, ...]) -> tuple[PlacedObject, ...]:
    """Return the record's entries for admitted `objects`, in order of kind and name."""
    return tuple(
        sorted(PlacedObject(o.key.api_version, o.key.kind, o.key.name, o.digest, o.place.file) for o in objects)
    )


def new_outcome(group: Group, decision: Decision, before: Standing | None, snapshot: str, now: float) -> Outcome:
    """Return the outcome of a decision on a group that has no place yet: placed, waiting or rejected."""
    objects = group.objects if decision.action is Action.PLACE else ()
    record = PlacementRecord(
        group=group.key,
        policy=decision.policy,
        clusters=decision.clusters,
        objects=recorded(objects),
        phase=decision.phase,
        reason=decision.reason,
        message=decision.message,
        candidates=decision.candidates,
        sources=tuple(sorted({o.place.file for o in group.objects})),
        source_commit=group.source.commit,
        snapshot_digest=snapshot,
        decided_at=int(now),
    )
    return settled(Outcome(decision, objects, record, before))


def settled(outcome: Outcome) -> Outcome:
    """Keep the old record where nothing significant changed, so that the same input gives the same bytes."""
    if outcome.before is None or outcome.changed:
        return outcome
    return Outcome(outcome.decision, outcome.objects, outcome.before.record, outcome.before)


def rejection(group: Group) -> Decision:
    """Return the decision on a group that cannot be placed as it is."""
    return Decision(group.key, Action.REJECT, Phase.REJECTED, group.policy.name, (), "InvalidObject", group.problem)


def placement(group: Group, cluster: str, reason: str, message: str) -> Decision:
    """Return the decision to place `group` on `cluster`."""
    share = (Share(cluster),)
    return Decision(group.key, Action.PLACE, Phase.PLACED, group.policy.name, share, reason, message)
