"""Chooses a cluster for one new group, and says what became of every other one (DESIGN section 3).

Order among clusters that may hold it: verdict first (a cluster that fits now beats one that must scale up,
docs/decisions/0001), then the policy's own order, then what the policy prefers (`placement.prefer`), then the name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from reconciler.fleet.snapshot import Unreadable
from reconciler.kube_scheduler.equivalence import GangRequest
from reconciler.kube_scheduler.gang import Fit, Gang
from reconciler.placement.cost import cost_of
from reconciler.placement.hold import HELD_FOR_OLDER
from reconciler.placement.model import Candidate, Verdict
from reconciler.placement.prefer import Contender, rank
from reconciler.placement.room import Room, Rooms
from reconciler.policy.eligibility import ClusterFacts, Eligibility, eligible
from reconciler.policy.model import Require, SchedulePolicy
from reconciler.workloads.group import Group

_ORDER = {verdict: rank for rank, verdict in enumerate(Verdict)}


@dataclass(frozen=True, slots=True)
class Choice:
    """The outcome for what was `wanted`: `cluster` is empty when it must wait. `candidates` are sorted best first."""

    cluster: str
    reason: str
    message: str
    candidates: tuple[Candidate, ...]
    wanted: GangRequest


class _Considered(NamedTuple):
    """A cluster that was looked at. `order`, the better the less, ends with its name, so no two are equal."""

    order: tuple[int, tuple[int, ...], bool, float, str]
    candidate: Candidate
    fit: Fit | None
    room: Room | None

    @property
    def rank(self) -> tuple[int, ...]:
        """Where the policy's own order puts it; the better the less."""
        return self.order[1]


class Allowed:
    """Which of some clusters each policy leaves, worked out once for each policy, pin and tenant."""

    def __init__(self, facts: Sequence[ClusterFacts]) -> None:
        self._facts = facts
        self._known: dict[tuple[int, str, str], tuple[SchedulePolicy, Eligibility, tuple[Candidate, ...]]] = {}

    def to(self, group: Group) -> tuple[Eligibility, tuple[Candidate, ...]]:
        """Return the clusters that `group` may go to, and all others as candidates with the reason why not."""
        key = (id(group.policy), group.pin, group.tenant.name if group.tenant else "")
        found = self._known.get(key)
        if found is None:
            leaves = eligible(group.policy, self._facts, group.pin or None, group.tenant)
            refused = tuple(Candidate(r.cluster, Verdict.NOT_ELIGIBLE, r.reason, r.message) for r in leaves.refused)
            found = self._known[key] = (group.policy, leaves, refused)  # holds the policy, so that its id stays its own
        return found[1:]


def choose(group: Group, allowed: Allowed, rooms: Rooms) -> Choice:
    """Choose a cluster for `group` and take the room there, so that the next group finds it gone."""
    eligibility, refused = allowed.to(group)
    gang = group.gang
    wanted = GangRequest.of(gang)
    considered = [_consider(name, tier.rank, wanted, rooms) for tier in eligibility.tiers for name in tier.clusters]
    considered.sort()
    considered, why = _preferred(considered, group.policy, rooms, wanted)
    candidates = tuple(c.candidate for c in considered) + refused
    best = considered[0] if considered else None
    if best is None:
        return Choice("", "NoEligibleCluster", _nowhere(group, refused), candidates, wanted)
    verdict, name = best.candidate.verdict, best.candidate.cluster
    if best.room is not None and best.fit is not None:
        if verdict.fits:
            best.room.take(gang, best.fit)
            return Choice(name, verdict, best.candidate.message + why + _passed_over(considered), candidates, wanted)
        if eligibility.require is Require.ANY:
            return _queued(considered, candidates, gang, wanted)
    held = [c for c in considered if c.candidate.reason == HELD_FOR_OLDER]
    return Choice("", HELD_FOR_OLDER if held else verdict, _nowhere_now(held or considered), candidates, wanted)


def _queued(
    considered: Sequence[_Considered], candidates: tuple[Candidate, ...], gang: Gang, wanted: GangRequest
) -> Choice:
    """Let the pods queue on the best cluster, or the next that is as good, if that is held; else the group waits."""
    equal = [c for c in considered if c.candidate.verdict is considered[0].candidate.verdict]
    for place in equal:
        name = place.candidate.cluster
        if place.room is not None and place.room.hold is None:
            place.room.reserve(gang)
            many = f"the best of {len(considered)} eligible clusters" if len(considered) > 1 else "where it must go"
            message = f"{name} is {many}, and has no room now, so Kubernetes queues its pods there"
            return Choice(name, "Queued", f"{message}: {place.candidate.message}", candidates, wanted)
    held = [f"{one.candidate.cluster}: {one.room.hold.message}" for one in equal if one.room and one.room.hold]
    return Choice("", HELD_FOR_OLDER, "; ".join(held), candidates, wanted)


def _passed_over(considered: Sequence[_Considered]) -> str:
    """Say why clusters that the policy prefers to the chosen one were not chosen; empty when there are none."""
    chosen = considered[0]
    better = [c for c in considered[1:] if c.rank < chosen.rank]
    if not better:
        return ""
    first = min(better, key=lambda c: (c.rank, c.candidate.cluster)).candidate
    more = f" (and {len(better) - 1} more)" if len(better) > 1 else ""
    return f"; {first.cluster}, which comes first{more}: {first.message}"


def _nowhere_now(considered: Sequence[_Considered]) -> str:
    best = considered[0].candidate
    if len(considered) == 1:
        return f"{best.cluster}: {best.message}"
    if best.verdict is Verdict.UNREACHABLE:
        return f"none of {len(considered)} eligible clusters tells its capacity; {best.cluster}: {best.message}"
    return f"none of {len(considered)} eligible clusters has room for it; nearest is {best.cluster}: {best.message}"


def _consider(name: str, rank: tuple[int, ...], wanted: GangRequest, rooms: Rooms) -> _Considered:
    room = rooms.of(name)
    if isinstance(room, Unreadable):
        candidate = Candidate(name, Verdict.UNREACHABLE, "Unreachable", room.reason)
        return _Considered((_ORDER[candidate.verdict], rank, False, 1.0, name), candidate, None, None)
    fit, candidate = room.consider(wanted)
    cost = cost_of(fit, room.ground.nodes.pools)
    if cost.nodes:
        candidate = replace(candidate, message=f"{candidate.message}; {cost.text}")
    return _Considered((_ORDER[candidate.verdict], rank, room.rented, room.free_share, name), candidate, fit, room)


def _preferred(
    considered: list[_Considered], policy: SchedulePolicy, rooms: Rooms, wanted: GangRequest
) -> tuple[list[_Considered], str]:
    """Sort the clusters of the best verdict and tier by what `policy` prefers; say what the first was preferred for."""
    best = considered[0] if considered else None
    if best is None or not best.candidate.verdict.fits:
        return considered, ""
    equal = [c for c in considered if (c.candidate.verdict, c.rank) == (best.candidate.verdict, best.rank)]
    by_name = {c.candidate.cluster: c for c in equal}
    contenders = [
        Contender(c.room, c.fit, wanted.on(name), rooms.mix) for name, c in by_name.items() if c.room and c.fit
    ]
    ranking = rank(contenders, policy.prefer)
    ordered = [by_name[one.name] for one in ranking.order]
    first = "" if ranking.first in ordered[0].candidate.message else f"; {ranking.first}"
    second = f", {ranking.second}" if ranking.second else ""
    return ordered + considered[len(equal) :], first + second


def _nowhere(group: Group, refused: Sequence[Candidate]) -> str:
    if not refused:
        return "the inventory has no clusters: add one under inventory/"
    reasons = "; ".join(f"{c.cluster}: {c.message}" for c in refused[:3])
    more = f" (and {len(refused) - 3} more)" if len(refused) > 3 else ""
    return f"policy {group.policy.name} leaves no cluster eligible: {reasons}{more}"
