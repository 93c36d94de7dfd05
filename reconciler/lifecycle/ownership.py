"""Objects that stand as part of one group and belong to another now: a label or a policy was changed.

The one idea: what is on a cluster knows nothing of groups, so a service whose group gets another name stays where it
is, with the room that it has. Where the other group cannot stand in its place, it must find room for the object as for
any other that it adds. Batch objects are left to their first group (`lifecycle.standing`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from reconciler.lifecycle.standing import DISTURBANCES, UNDISTURBED
from reconciler.manifests.identity import ObjectKey
from reconciler.placement.model import Action, Phase
from reconciler.placement.outcome import Outcome, Part, Standing, objects_of, recorded_parts, shares_of
from reconciler.workloads.companions import companions_of
from reconciler.workloads.group import Group, GroupKey

REGROUPED = "Regrouped"


@dataclass(frozen=True, slots=True)
class Regrouping:
    """`standing` are the groups that give or take, as if it had been so before; `why` says for each what changed."""

    standing: Mapping[GroupKey, Standing]
    why: Mapping[GroupKey, str]

    def told(self, outcome: Outcome, before: Standing | None) -> Outcome:
        """Return the outcome with what really stood `before`, and with what changed, besides what else there is."""
        decision, record = outcome.decision, outcome.record
        why = self.why.get(decision.group)
        if why is None:
            return outcome
        if record is None:
            clusters = before.record.clusters if before else ()
            decision = replace(decision, clusters=clusters, reason=REGROUPED, message=why)
            return replace(outcome, decision=decision, before=before)
        stood = self.standing[decision.group].record
        reason, message, action = decision.reason, f"{why}; {decision.message}", decision.action
        if action is Action.KEEP:
            action = Action.PLACE
            if reason not in DISTURBANCES and reason in {stood.reason, UNDISTURBED}:
                reason, message = REGROUPED, why
        decision = replace(decision, action=action, phase=record.phase, reason=reason, message=message)
        record = replace(record, reason=reason, message=message)
        return replace(outcome, decision=decision, record=record, before=before)


def regroup(
    standing: Mapping[GroupKey, Standing],
    groups: Iterable[Group],
    stays: Collection[ObjectKey],
    unready: Collection[GroupKey],
    now: float,
) -> Regrouping:
    """Take from each group what belongs to another one now, and hand it over where that one can stand in its place.

    What `stays` is left where it is. `unready` groups take nothing. `now` is in unix seconds.
    """
    holders = _holders(standing)
    found: dict[GroupKey, Standing] = {}
    why: dict[GroupKey, str] = {}
    for group in groups if holders else ():
        moved: dict[GroupKey, list[ObjectKey]] = defaultdict(list)
        for item in group.members:
            holder = holders.get(item.key, group.key)
            if holder != group.key and not item.runs_once and item.key not in stays:
                moved[holder].append(item.key)
        before = standing.get(group.key)
        placed = before is not None and before.record.placed
        able = not group.problem and group.key not in unready
        for giver, keys in moved.items():
            names = ", ".join(sorted(f"{key.kind} {key.name}" for key in keys))
            given = found.get(giver, standing[giver])
            own = _only(given, keys)
            found[giver] = _only(given, {item.key for item in given.admitted} - set(keys), companions=False)
            _say(why, giver, f"{names} belongs to group {group.key} now")
            taker = found.get(group.key, before) if placed else None
            together = sum(item.key in holders for item in group.members) == len(keys)
            if able and (_beside(taker, own) if taker else together):
                found[group.key] = _joined(taker, own) if taker else _taken(group, own, given, now)
                _say(why, group.key, f"{names} stands there already, and was part of group {giver} until now")
    return Regrouping(found, why)


def _say(why: dict[GroupKey, str], key: GroupKey, said: str) -> None:
    why[key] = f"{why[key]}; {said}" if key in why else said


def _holders(standing: Mapping[GroupKey, Standing]) -> dict[ObjectKey, GroupKey]:
    """Return the placed group that has each object with pods."""
    placed = (one for one in standing.values() if one.record.placed)
    return {item.key: one.record.group for one in placed for item in one.admitted if item.demand is not None}


def _beside(taker: Standing, own: Standing) -> bool:
    """Tell whether a group stands on the same clusters as what it is to take over."""
    return {part.cluster for part in taker.parts} == {part.cluster for part in own.parts}


def _joined(taker: Standing, own: Standing) -> Standing:
    """Return a placed group as if what it takes over had always been its own."""
    more = {part.cluster: part for part in own.parts}
    parts = []
    for part in taker.parts:
        known, extra = {item.key for item in part.admitted}, more[part.cluster]
        fresh = {item.key for item in extra.admitted} - known
        admitted = (*part.admitted, *(item for item in extra.admitted if item.key in fresh))
        deployed = (*part.deployed, *(item for item in extra.deployed if item.key in fresh))
        patches = (*part.patches, *(patch for patch in extra.patches if any(patch.is_for(key) for key in fresh)))
        parts.append(replace(part, admitted=admitted, deployed=deployed, patches=patches))
    return _of(taker, tuple(parts))


def _only(standing: Standing, keys: Collection[ObjectKey], *, companions: bool = True) -> Standing:
    """Return a group as if only the objects `keys` stood of it, with the companions that these have if so told."""
    parts = []
    for part in standing.parts:
        own = [item for item in part.admitted if item.key in keys]
        if companions:
            own += companions_of(own, part.admitted)
        kept = {item.key for item in own}
        admitted = tuple(item for item in part.admitted if item.key in kept)
        deployed = tuple(item for item in part.deployed if item.key in kept)
        patches = tuple(patch for patch in part.patches if any(patch.is_for(key) for key in kept))
        if admitted:
            parts.append(Part(part.cluster, admitted, deployed, patches, part.share, part.job_outcome))
    return _of(standing, tuple(parts))


def _of(standing: Standing, parts: tuple[Part, ...]) -> Standing:
    every, different = recorded_parts(parts)
    record = replace(standing.record, objects=every, parts=different, clusters=shares_of(parts))
    return Standing(record, objects_of(parts) if parts else (), parts)


def _taken(group: Group, own: Standing, giver: Standing, now: float) -> Standing:
    """Return the group as if it had always had what it takes over."""
    record = replace(
        giver.record,
        group=group.key,
        policy=group.policy.name,
        objects=own.record.objects,
        parts=own.record.parts,
        clusters=own.record.clusters,
        phase=Phase.PLACED,
        reason=REGROUPED,
        sources=tuple(sorted({item.place.file for item in group.objects})),
        source_commit=group.source.commit,
        decided_at=int(now),
        job_outcome=None,
        run=1,
    )
    parts = tuple(replace(part, job_outcome=None) for part in own.parts)
    return Standing(record, own.admitted, parts)
