"""Keeps small gangs from starving large ones: the turn of a group that has waited long is held, for a bounded time.

The one idea: when a hold begins and ends follows from the record of the wait and the clock alone. From `holdAfter` on,
stretches of `holdFor` with a hold take turns with breaks of the same length, so a gang for which no room comes free
blocks others half of the time at most; and each stretch tries the next of its clusters first, so a cluster on which
nothing ever ends is not waited for in vain. A cluster is held for one group at a time, the first in the queue.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from reconciler.fleet.settings import Fairness
from reconciler.kube_scheduler.equivalence import GangRequest
from reconciler.kube_scheduler.gang import Gang
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.placement.choice import Allowed, Choice
from reconciler.placement.hold import Hold, promise
from reconciler.placement.model import Decision, Verdict
from reconciler.placement.outcome import Standing
from reconciler.placement.record import waiting_since
from reconciler.placement.room import Room, Rooms
from reconciler.workloads.group import Group


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


@dataclass(frozen=True, slots=True)
class _Spot:
    """A cluster that can be held for `gang`, which fits on `nodes`: as they are, or will be."""

    room: Room
    gang: Gang
    nodes: Nodes


class Turns:
    """The holds of one plan."""

    def __init__(
        self, allowed: Allowed, rooms: Rooms, fairness: Fairness, namespaces: Collection[str], now: float
    ) -> None:
        """`namespaces` are those of all groups, asked for or standing; `now` is in unix seconds."""
        self._allowed = allowed
        self._rooms = rooms
        self._fairness = fairness
        self._namespaces = namespaces
        self._now = now

    def held(
        self, group: Group, before: Standing | None, decision: Decision, lacks: Sequence[Sequence[Choice]]
    ) -> Decision:
        """Hold room for what `group` lacks by `decision`, if it has waited long enough; say so in the message.

        Of each entry of `lacks` one choice must get room, so nothing is held unless there is a cluster to hold for each
        of them. Groups that are decided on later in this plan find the room held.
        """
        since = waiting_since(before.record) if before else None
        if not lacks or since is None:
            return decision
        turn = stretch(self._fairness, since, self._now)
        if turn is None:
            return decision
        order = {name: rank for rank, name in enumerate(self._allowed.to(group)[0].clusters)}
        spots = [spot for spot in (self._spot(choices, order, turn) for choices in lacks) if spot is not None]
        if not spots or len(spots) < len(lacks):
            return decision
        spots = [spot for spot in spots if spot.gang.pod_sets]
        for spot in spots:
            spot.room.hold = Hold(group.key, spot.gang, since, turn.end, spot.nodes)
        names = ", ".join(sorted(spot.room.cluster.name for spot in spots))
        return replace(decision, message=f"{decision.message}; on {names} {promise(since, turn.end)}")

    def _spot(self, choices: Sequence[Choice], order: Mapping[str, int], turn: Stretch) -> _Spot | None:
        """Return where room is to be held for one of `choices`: where it is, else where it will come free."""
        free, full = [], []
        for choice in choices:
            for one in choice.candidates:
                room = self._rooms.of(one.cluster)
                if isinstance(room, Room) and room.hold is None:
                    pair = (room, choice.wanted.on(one.cluster))
                    free += [pair] if one.verdict.fits else []
                    full += [pair] if one.verdict is Verdict.NO_FIT else []
        if free:
            room, wanted = free[0]
            return _Spot(room, wanted.gang, room.ground.nodes)
        full.sort(key=lambda pair: order[pair[0].cluster.name])
        first = turn.number % len(full) if full else 0
        return self._find(full[first:] + full[:first], turn.start)

    def _find(self, tried: Sequence[tuple[Room, GangRequest]], start: float) -> _Spot | None:
        """Return the first cluster that has room once jobs have ended, else once anything placed there has.

        Last come those that have it once pods are gone that taken away groups may have left behind: nobody knows of a
        pod whose group it was, only that its namespace is one of SkyRay's.
        """
        hopeful = [(room, wanted) for room, wanted in tried if room.bare(self._namespaces).fit(wanted)[0].ok]
        for jobs_only, own in ((True, ()), (False, ()), (False, self._namespaces)):
            for room, wanted in hopeful:
                emptied = room.once_ended(partial(_ends, start=start, jobs_only=jobs_only), own)
                if emptied.fit(wanted)[0].ok:
                    return _Spot(room, wanted.gang, emptied.nodes)
        return None


def _ends(standing: Standing, start: float, *, jobs_only: bool) -> bool:
    """Tell whether a placed group counts as one that will have ended: it is older than the hold, and perhaps a job.

    A job that has ended only has its pods to lose, whenever that was noted.
    """
    if standing.record.job_outcome is not None:
        return True
    if standing.record.decided_at >= start:
        return False
    return not jobs_only or all(item.runs_once for item in standing.admitted if item.demand)
