"""Keeps small gangs from starving large ones: the turn of a group that has waited long is held, for a bounded time.

The one idea: when a hold begins and ends follows from the record of the wait and the clock alone. From `holdAfter` on,
stretches of `holdFor` with a hold take turns with breaks of the same length, so a gang for which no room comes free
blocks others half of the time at most; and each stretch tries the next of its clusters first, so a cluster on which
nothing ever ends is not waited for in vain. A cluster is held for one group at a time, the first in the queue.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from reconciler.fleet.settings import Fairness
from reconciler.placement.choice import Allowed
from reconciler.placement.group import Group
from reconciler.placement.hold import Hold
from reconciler.placement.likeness import Wanted
from reconciler.placement.model import Decision, Phase, Verdict
from reconciler.placement.opening import Ground
from reconciler.placement.outcome import Standing
from reconciler.placement.queue import waiting_since
from reconciler.placement.room import Room, Rooms
from reconciler.policy.model import SpreadMode


@dataclass(frozen=True, slots=True)
class Stretch:
    """One hold: the `number`-th of a group, counting from 0; `start` and `end` in unix seconds."""

    number: int
    start: float
    end: float


def stretch(fairness: Fairness, since: float, now: float) -> Stretch | None:
    """Return the hold that a group has a right to, which waits since `since`; None before the first and in breaks."""
    waited = now - since - fairness.hold_after
    if waited < 0:
        return None
    number = int(waited // (2 * fairness.hold_for))
    start = since + fairness.hold_after + number * 2 * fairness.hold_for
    end = start + fairness.hold_for
    return Stretch(number, start, end) if now < end else None


class Turns:
    """The holds of one plan."""

    def __init__(self, allowed: Allowed, rooms: Rooms, fairness: Fairness, now: float) -> None:
        """`now` is in unix seconds."""
        self._allowed = allowed
        self._rooms = rooms
        self._fairness = fairness
        self._now = now

    def held(self, group: Group, before: Standing | None, decision: Decision) -> Decision:
        """Hold room for `group`, if `decision` found none for it and it has waited long enough; say so in the message.

        Groups that are decided on later in this plan find the room held. A group that is divided needs room on several
        clusters at once, which no hold on one of them would bring.
        """
        since = waiting_since(before.record) if before else None
        spread = group.policy.spreading
        divided = spread is not None and spread.mode is SpreadMode.DIVIDE
        if decision.phase is not Phase.PENDING or since is None or divided:
            return decision
        turn = stretch(self._fairness, since, self._now)
        if turn is None:
            return decision
        wanted = Wanted.of(group.gang)
        room, emptied = self._find(self._candidates(group, decision, turn.number), wanted, turn.start)
        if room is None or emptied is None:
            return decision
        room.hold = Hold(group.key, wanted.on(room.cluster.name).gang, since, turn.end, emptied.nodes)
        return replace(decision, message=f"{decision.message}; on {room.cluster.name} {room.hold.promise}")

    def _candidates(self, group: Group, decision: Decision, number: int) -> list[Room]:
        """Return the clusters that may be held, in the policy's order, beginning with the `number`-th."""
        full = {one.cluster for one in decision.candidates if one.verdict is Verdict.NO_FIT}
        names = [name for name in self._allowed.to(group)[0].clusters if name in full]
        first = number % len(names) if names else 0
        rooms = map(self._rooms.of, names[first:] + names[:first])
        return [room for room in rooms if isinstance(room, Room) and room.hold is None]

    @staticmethod
    def _find(rooms: list[Room], wanted: Wanted, start: float) -> tuple[Room | None, Ground | None]:
        """Return the first cluster that has room once jobs have ended, else once anything placed there has."""
        hopeful = [room for room in rooms if room.bare.fit(wanted.on(room.cluster.name))[0].ok]
        for jobs_only in (True, False):
            for room in hopeful:
                emptied = room.once_ended(partial(_ends, start=start, jobs_only=jobs_only))
                if emptied.fit(wanted.on(room.cluster.name))[0].ok:
                    return room, emptied
        return None, None


def _ends(standing: Standing, start: float, *, jobs_only: bool) -> bool:
    """Tell whether a placed group counts as one that will have ended: it is older than the hold, and perhaps a job."""
    if standing.record.decided_at >= start:
        return False
    return not jobs_only or all(item.runs_once for item in standing.admitted if item.demand)
