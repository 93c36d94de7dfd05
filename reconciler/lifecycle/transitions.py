"""What should happen to each group, whatever capacity there is: a table of (condition, transition), first match wins.

A transition says what is to be done and why; whether there is capacity for it is decided later. Its rows are in the
order in which they are safe: what is unreadable keeps everything, then what must not run twice, then what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from reconciler.lifecycle.desired import DesiredObjects, DesiredState, desired_objects
from reconciler.manifests.identity import ObjectKey
from reconciler.placement.decision import TransitionKind
from reconciler.placement.model import PARTLY
from reconciler.placement.placed_group import PlacedGroup
from reconciler.placement.quota import EXCEEDED
from reconciler.placement.ray_clusters import Unmet
from reconciler.workloads.governance import REFUSED_AS
from reconciler.workloads.group import Group, GroupKey, WorkloadObject

HELD_EDIT = "JobEditHeld"
HELD_OBJECT = "ObjectHeldHere"
HELD_JOB = "JobHeldHere"
AS_DESIRED = "Undisturbed"
HELD_BY_ANOTHER = "HeldByAnotherGroup"
PROBLEM_REASONS = frozenset(
    {"InvalidObject", *REFUSED_AS, "NoPolicy", "SourceUnreadable", "UpdateDoesNotFit", EXCEEDED, PARTLY}
    | {HELD_JOB, HELD_EDIT, HELD_OBJECT}
)
"""Reasons that a placed group has as long as something is wrong."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What a transition follows from.

    `group` is None where `workloads/` asks for no such group, `placed` None where nothing was decided on it. `unread` says which
    unreadable file may hold a part of it. `unmet` is why its RayCluster has no place. `holders` is the placed group
    that has each object with pods.
    """

    key: GroupKey
    group: Group | None
    placed: PlacedGroup | None
    desired: DesiredState
    unread: str = ""
    unmet: Unmet | None = None
    holders: Mapping[ObjectKey, GroupKey | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Transition:
    """What is to be done with a group. `reason` and `message` are empty where the outcome is still to be decided.

    `objects` are those that should run, for PLACE and UPDATE.
    """

    key: GroupKey
    kind: TransitionKind
    reason: str = ""
    message: str = ""
    objects: DesiredObjects | None = None


Row = tuple[str, Callable[[Situation], Transition | None]]
"""What the row is about, and the transition of a situation that matches; None where it does not match."""


def transition_of(situation: Situation) -> Transition:
    """Return the transition of the first row that matches."""
    rows = PLACED if situation.group is None or (situation.placed and situation.placed.placed) else NOT_PLACED
    for _, row in rows:
        found = row(situation)
        if found is not None:
            return found
    raise AssertionError(f"no transition of group {situation.key}: the last rows match always")


def kept_unasked(placed: PlacedGroup, desired: DesiredState) -> tuple[str, str] | None:
    """Return why a group that is not asked for stays all the same: reason and message; None when it goes."""
    situation = Situation(placed.key, None, placed, desired)
    for _, row in PLACED[: PLACED.index(_RETIRE)]:
        found = row(situation)
        if found is not None:
            return found.reason, found.message
    return None


def _wrong(situation: Situation) -> Transition | None:
    """A group that cannot be deployed as it is keeps what was admitted."""
    group = situation.group
    if group is None or not group.problem:
        return None
    message = f"{group.problem}. What was admitted stays as it is"
    return Transition(situation.key, TransitionKind.KEEP, group.refused_as, message)


def _updated(situation: Situation) -> Transition | None:
    """A group that is asked for, and has anything left to run, is brought to what is asked for."""
    if situation.group is None or situation.placed is None:
        return None
    objects = desired_objects(situation.group, situation.placed, situation.desired)
    if not objects.objects:
        return None
    return Transition(situation.key, TransitionKind.UPDATE, objects=objects)


def _unreadable_source(situation: Situation) -> Transition | None:
    """A file that cannot be read may still ask for the group."""
    for path in situation.placed.sources if situation.placed else ():
        if path in situation.desired.broken:
            message = f"{path} cannot be read, so nobody knows whether it is still wanted: it stays as it is"
            return Transition(situation.key, TransitionKind.KEEP, "SourceUnreadable", message)
    return None


def _stays_unasked(situation: Situation) -> Transition | None:
    """An object that is still in `workloads/` keeps the group: no policy matches it, or another group asks for it."""
    desired = situation.desired
    for item in situation.placed.admitted if situation.placed else ():
        if item.demand is not None and item.key in desired.unclaimed:
            message = f"no policy matches {item.key.kind} {item.key.name} any more: it stays as it is"
            return Transition(
                situation.key, TransitionKind.KEEP, "NoPolicy", f"{message}; to take it away, remove its manifest"
            )
        if item.key in desired.kept:
            message = kept_objects_message([(item, desired.kept[item.key])])
            return Transition(situation.key, TransitionKind.HOLD, HELD_OBJECT, message)
        if item.is_batch and item.key in desired.keys:
            message = (
                f"{item.key.kind} {item.key.name} is asked for under another group now, yet was placed with this one"
            )
            return Transition(
                situation.key,
                TransitionKind.HOLD,
                HELD_JOB,
                f"{message}: a job that was placed is not placed again",
            )
    return None


def _retired(situation: Situation) -> Transition | None:
    """A group of which nothing is asked for any more leaves its clusters."""
    placed = situation.placed
    if placed is None:
        return None
    where = ", ".join(placed.clusters)
    message = f"its manifests are gone from {', '.join(placed.sources) or 'workloads/'}"
    message += f": its overlay is taken from {where}" if where else ""
    return Transition(situation.key, TransitionKind.RETIRE, "ManifestRemoved", message)


def _rejected(situation: Situation) -> Transition | None:
    """A group that cannot be deployed as it is gets no place."""
    group = situation.group
    if group is None or not group.problem:
        return None
    return Transition(situation.key, TransitionKind.REJECT, group.refused_as, group.problem)


def _not_whole(situation: Situation) -> Transition | None:
    """A group of which a part may be in an unreadable file waits, so that it is not placed by halves."""
    if not situation.unread:
        return None
    return Transition(situation.key, TransitionKind.HOLD, "SourceUnreadable", situation.unread)


def _lacks_ray_cluster(situation: Situation) -> Transition | None:
    """A job that runs on an existing RayCluster waits until that one has a place, and is refused where it is nowhere."""
    unmet = situation.unmet
    if unmet is None:
        return None
    kind = TransitionKind.HOLD if unmet.waits else TransitionKind.REJECT
    return Transition(situation.key, kind, unmet.reason, unmet.message)


def _placed_elsewhere(situation: Situation) -> Transition | None:
    """An object that another group still has is not placed a second time."""
    group = situation.group
    for item in group.members if group else ():
        holder = situation.holders.get(item.key)
        if holder is not None and holder != situation.key:
            message = f"{item.key} still stands as part of group {holder}: it can move once that group lets it go"
            return Transition(situation.key, TransitionKind.HOLD, HELD_BY_ANOTHER, message)
    return None


def _entering(situation: Situation) -> Transition | None:
    """Any other group gets a place."""
    if situation.group is None:
        return None
    objects = DesiredObjects(situation.group.objects, (), ())
    return Transition(situation.key, TransitionKind.PLACE, objects=objects)


_RETIRE: Row = ("nothing of it is asked for", _retired)

PLACED: tuple[Row, ...] = (
    ("it cannot be deployed as it is", _wrong),
    ("it is asked for", _updated),
    ("its file cannot be read", _unreadable_source),
    ("an object of it is still in workloads/", _stays_unasked),
    _RETIRE,
)

NOT_PLACED: tuple[Row, ...] = (
    ("it cannot be deployed as it is", _rejected),
    ("a part of it may be in an unreadable file", _not_whole),
    ("its RayCluster has no place", _lacks_ray_cluster),
    ("another group has an object of it", _placed_elsewhere),
    ("it is asked for", _entering),
)


def held_edit_message(edited: Collection[WorkloadObject]) -> str:
    """Say that the edit of batch objects is not rolled out."""
    return (
        f"the edit of {_listed(edited)} is not rolled out: it was placed already, and would run twice or not at all; "
        "to run it again, add it under a new name"
    )


def kept_objects_message(kept: Collection[tuple[WorkloadObject, str]]) -> str:
    """Say which objects belong to other groups that cannot take them, and why not."""
    said = "; ".join(f"{_listed([item])} belongs to {why}" for item, why in kept)
    return f"{said}: it stays here until that group can; to take it away, remove its manifest"


def _listed(objects: Collection[WorkloadObject]) -> str:
    return ", ".join(f"{item.key.kind} {item.key.name}" for item in objects)
