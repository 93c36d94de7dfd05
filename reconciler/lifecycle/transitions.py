"""What should happen to each group, whatever capacity there is: a table of (condition, transition), first match wins.

A transition says what is to be done and why; whether there is capacity for it is decided later. Its rows are in the
order in which they are safe: what is unreadable keeps everything, then what must not run twice, then what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from reconciler.lifecycle.desired import DesiredObjects, DesiredState, desired_objects
from reconciler.manifests.identity import ObjectKey
from reconciler.placement.decision import TransitionKind
from reconciler.placement.placed_group import PlacedGroup
from reconciler.placement.ray_clusters import Unmet
from reconciler.reasons.copies import PARTLY_PLACED, UPDATE_DOES_NOT_FIT
from reconciler.reasons.limits import NAMESPACE_LIMIT
from reconciler.reasons.quota import EXCEEDED
from reconciler.reasons.reason import Reason
from reconciler.reasons.transitions import (
    CannotDeploy,
    HeldByAnotherGroup,
    JobEditHeld,
    JobHeldHere,
    ManifestRemoved,
    NoPolicy,
    ObjectHeldHere,
    SourceUnreadable,
)
from reconciler.workloads.governance import REFUSED_AS
from reconciler.workloads.group import Group, GroupKey

PROBLEM_REASONS = frozenset(
    {
        "InvalidObject",
        *REFUSED_AS,
        NAMESPACE_LIMIT,
        NoPolicy.code,
        SourceUnreadable.code,
        UPDATE_DOES_NOT_FIT,
        EXCEEDED,
        PARTLY_PLACED,
        JobHeldHere.code,
        JobEditHeld.code,
        ObjectHeldHere.code,
    }
)
"""Reasons that a placed group has as long as something is wrong."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What a transition follows from.

    `group` is None where `workloads/` asks for no such group, `placed` None where nothing was decided on it. `unread`
    says which unreadable file may hold a part of it. `unmet` is why its RayCluster has no place. `holders` is the
    placed group that has each object with pods.
    """

    key: GroupKey
    group: Group | None
    placed: PlacedGroup | None
    desired: DesiredState
    unread: Reason | None = None
    unmet: Unmet | None = None
    holders: Mapping[ObjectKey, GroupKey | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Transition:
    """What is to be done with a group, and why; `why` is None where the outcome is still to be decided.

    `objects` are those that should run, for PLACE and UPDATE.
    """

    key: GroupKey
    kind: TransitionKind
    why: Reason | None = None
    objects: DesiredObjects | None = None

    @property
    def reason(self) -> str:
        """Return the code of the reason; empty where the outcome is still to be decided."""
        return self.why.code if self.why is not None else ""


Row = tuple[str, Callable[[Situation], Transition | None]]
"""What the row is about, and the transition of a situation that matches; None where it does not match."""


def transition_of(situation: Situation) -> Transition:
    """Return the transition of the first row that matches."""
    placed = situation.placed
    is_placed = placed is not None and placed.placed
    # What is not asked for can only leave or stay, also where nothing of it is on a cluster.
    rows = PLACED if situation.group is None or is_placed else NOT_PLACED
    for _, row in rows:
        found = row(situation)
        if found is not None:
            return found
    raise AssertionError(
        f"no transition of group {situation.key}: the last rows match always"
    )


def kept_unasked(placed: PlacedGroup, desired: DesiredState) -> Reason | None:
    """Return why a group that is not asked for stays all the same; None when it goes."""
    situation = Situation(placed.key, None, placed, desired)
    # The row at which it goes, and what follows that row, do not keep it.
    keeping_rows = PLACED[: PLACED.index(_RETIRE)]
    for _, row in keeping_rows:
        found = row(situation)
        if found is not None:
            return found.why
    return None


def _wrong(situation: Situation) -> Transition | None:
    """A group that cannot be deployed as it is keeps what was admitted."""
    group = situation.group
    if group is None or not group.problem:
        return None
    why = CannotDeploy(group.refused_as, group.problem, admitted=True)
    return Transition(situation.key, TransitionKind.KEEP, why)


def _updated(situation: Situation) -> Transition | None:
    """A group that is asked for, and has anything left to run, is brought to what is asked for."""
    group = situation.group
    placed = situation.placed
    if group is None or placed is None:
        return None
    objects = desired_objects(group, placed, situation.desired)
    if not objects.objects:
        # All that it asks for stays with other groups.
        return None
    return Transition(situation.key, TransitionKind.UPDATE, objects=objects)


def _unreadable_source(situation: Situation) -> Transition | None:
    """A file that cannot be read may still ask for the group."""
    placed = situation.placed
    for path in placed.sources if placed else ():
        beyond = situation.desired.beyond.get(path)
        if beyond is not None:
            refused = CannotDeploy(NAMESPACE_LIMIT, beyond, admitted=True)
            return Transition(situation.key, TransitionKind.KEEP, refused)
        if path in situation.desired.broken:
            why = SourceUnreadable(path)
            return Transition(situation.key, TransitionKind.KEEP, why)
    return None


def _stays_unasked(situation: Situation) -> Transition | None:
    """An object that is still in `workloads/` keeps the group: no policy matches it, or another group asks for it."""
    desired = situation.desired
    placed = situation.placed
    for item in placed.admitted if placed else ():
        key = item.key
        # A companion that no policy selects is no member of any group, so it keeps nothing.
        if item.demand is not None and key in desired.unclaimed:
            why: Reason = NoPolicy(key)
            return Transition(situation.key, TransitionKind.KEEP, why)
        refused = desired.kept.get(key)
        if refused is not None:
            why = ObjectHeldHere(((key, refused),))
            return Transition(situation.key, TransitionKind.HOLD, why)
        # A service that another group asks for moves to it; a job would run a second time there.
        if item.is_batch and key in desired.keys:
            why = JobHeldHere(key)
            return Transition(situation.key, TransitionKind.HOLD, why)
    return None


def _retired(situation: Situation) -> Transition | None:
    """A group of which nothing is asked for any more leaves its clusters."""
    placed = situation.placed
    if placed is None:
        return None
    why = ManifestRemoved(placed.sources, placed.clusters)
    return Transition(situation.key, TransitionKind.RETIRE, why)


def _rejected(situation: Situation) -> Transition | None:
    """A group that cannot be deployed as it is gets no place."""
    group = situation.group
    if group is None or not group.problem:
        return None
    why = CannotDeploy(group.refused_as, group.problem)
    return Transition(situation.key, TransitionKind.REJECT, why)


def _not_whole(situation: Situation) -> Transition | None:
    """A group of which a part may be in an unreadable file waits, so that it is not placed by halves."""
    if situation.unread is None:
        return None
    return Transition(situation.key, TransitionKind.HOLD, situation.unread)


def _lacks_ray_cluster(situation: Situation) -> Transition | None:
    """A job that runs on an existing RayCluster waits until that is placed, and is refused where there is none."""
    unmet = situation.unmet
    if unmet is None:
        return None
    kind = TransitionKind.HOLD if unmet.waits else TransitionKind.REJECT
    return Transition(situation.key, kind, unmet.why)


def _placed_elsewhere(situation: Situation) -> Transition | None:
    """An object that another group still has is not placed a second time."""
    group = situation.group
    for item in group.members if group else ():
        holder = situation.holders.get(item.key)
        # None: the group that has it lets it go in this plan.
        if holder is not None and holder != situation.key:
            why = HeldByAnotherGroup(item.key, str(holder))
            return Transition(situation.key, TransitionKind.HOLD, why)
    return None


def _entering(situation: Situation) -> Transition | None:
    """Any other group gets a place."""
    group = situation.group
    if group is None:
        return None
    # Nothing of it was placed, so there is no edit to hold and nothing that another group cannot take.
    objects = DesiredObjects(group.objects, edited=(), kept=())
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
