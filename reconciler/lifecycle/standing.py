"""What happens to a group that has a place: kept, updated there, finished, or taken away (DESIGN section 5).

Rules, in their order: never delete on a guess (an unreadable file keeps what it made); nothing runs twice (a batch
object that was admitted is never rolled out again, whatever its file says now); an update that does not fit beside what
stands there is not rolled out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reconciler.errors import InvalidObject
from reconciler.lifecycle.changes import moves
from reconciler.lifecycle.jobs import ended, followed_jobs, with_outcomes
from reconciler.manifests.identity import ObjectKey
from reconciler.placement.model import PARTLY, Action, Decision, Phase
from reconciler.placement.outcome import Outcome, Part, Standing, objects_of, recorded_parts, shares_of, used
from reconciler.placement.quota import EXCEEDED, limited
from reconciler.placement.record import PlacementRecord, dated
from reconciler.placement.room import Rooms
from reconciler.placement.spread import (
    Arrangement,
    Lack,
    Sites,
    arrange,
    recut,
    refused_update,
    same_part,
    same_parts,
)
from reconciler.workloads.companions import companions_of
from reconciler.workloads.governance import REFUSED_AS
from reconciler.workloads.group import Group, GroupKey, WorkloadObject
from reconciler.workloads.overrides import Tailor

HELD_EDIT = "JobEditHeld"
HELD_OBJECT = "ObjectHeldHere"
UNDISTURBED = "Undisturbed"
DISTURBANCES = frozenset(
    {"InvalidObject", *REFUSED_AS, "NoPolicy", "SourceUnreadable", "UpdateDoesNotFit", EXCEEDED, PARTLY}
    | {"JobHeldHere", HELD_EDIT, HELD_OBJECT}
)
"""Reasons that a placed group has as long as something is wrong."""


_Held = tuple[Sequence[WorkloadObject], Sequence[tuple[WorkloadObject, str]]]
"""Objects whose edit is held back, and those that stay because they would stand nowhere else, with the reason."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What `workloads/` asks for.

    `keys` of all objects, whatever their group; `unclaimed` are those that no policy matches; `broken` are the paths of
    files that cannot be read. `homeless` are objects that another group asks for now, and that would stand nowhere if
    the group that has them let them go: with that other group, and why it cannot take them.
    """

    keys: Collection[ObjectKey]
    unclaimed: Collection[ObjectKey]
    broken: Collection[str]
    homeless: Mapping[ObjectKey, str] = field(default_factory=dict)
    jobs: Mapping[ObjectKey, GroupKey] = field(default_factory=dict)
    """The placed group of each batch object that stands: no other one gets it."""


def follow(group: Group, standing: Standing, sites: Sites, asked: Asked, now: float) -> Outcome:
    """Decide on a group that is placed and still wanted; `now` is in unix seconds."""
    if group.problem:
        return _unusable(standing, sites.rooms, now, group.problem, group.refused_as)
    objects, held = _wanted(group, standing, asked)
    if not objects:
        return leave(standing, sites.rooms, asked, now)  # all that it asks for stays with other groups
    homeless = [(item, asked.homeless[item.key]) for item in objects if item.key in asked.homeless]
    try:
        if group.policy.spreading or len(standing.parts) != 1:
            made = arrange(group, objects, standing.parts, sites)
        else:
            made = _in_place(group, objects, standing.parts[0], sites)
    except InvalidObject as error:
        return _unusable(standing, sites.rooms, now, str(error))
    return _followed(group, standing, made, (held, homeless), sites.rooms, now)


def _in_place(group: Group, objects: tuple[WorkloadObject, ...], before: Part, sites: Sites) -> Arrangement:
    """Bring the only part of a group to what it should be now, if that fits where it stands."""
    if before.patches and before.cluster not in sites.labels:
        return Arrangement((before,), (), (), (), (), (), 1)  # nobody knows which overrides are meant for it
    after = recut(before, objects, Tailor(group.policy.changes, sites.labels))
    if same_part(before, after):
        return Arrangement((after,), (), (), (), (), (), 1)
    over = sites.ledger.refusal(group.key, group.tenant, used([after])) if limited(group.tenant) else ""
    refusal = over or refused_update(before, after, sites.rooms)
    refusals = (Lack(before.cluster, EXCEEDED if over else "UpdateDoesNotFit", refusal),) if refusal else ()
    return Arrangement((before if refusal else after,), (), (), refusals, (), (), 1)


def _unusable(standing: Standing, rooms: Rooms, now: float, problem: str, reason: str = "InvalidObject") -> Outcome:
    return _keep(standing, rooms, now, reason, f"{problem}. What was admitted stays as it is")


def _followed(
    group: Group,
    standing: Standing,
    made: Arrangement,
    held: _Held,
    rooms: Rooms,
    now: float,
) -> Outcome:
    """Return the outcome of an arrangement: kept where nothing moved, else placed anew."""
    record, policy, clusters = standing.record, group.policy.name, shares_of(made.parts)
    sources = _sources(group, made.parts)
    every, different = recorded_parts(made.parts)
    same = (every, clusters) == (record.objects, record.clusters) and same_parts(standing.parts, made.parts)
    if same and made.refusals:
        return _keep(standing, rooms, now, *_lacking(made), made=made)
    if same:
        reason, message = _lacking(made) if made.waits else _settled(record)
        if any(held):
            reason, message = _held_back(*held)
        return _keep(standing, rooms, now, reason, message, policy=policy, sources=sources, made=made)
    reason, message = "UpdatedInPlace", moves(standing.parts, made.parts)
    if not made.parts:
        reason, message = "NoEligibleCluster", f"policy {policy} leaves no cluster eligible: {message}"
    elif made.refusals or made.waits:
        reason, why = _lacking(made)
        message = f"{message}; {why}"
    elif any(held):
        reason, message = _held_back(*held)
    action, phase = (Action.PLACE, Phase.PLACED) if made.parts else (Action.WAIT, Phase.PENDING)
    decision = Decision(group.key, action, phase, policy, clusters, reason, message, made.candidates)
    updated = replace(
        record,
        policy=policy,
        objects=every,
        parts=different,
        clusters=clusters,
        phase=phase,
        reason=reason,
        message=message,
        candidates=made.candidates or record.candidates,
        sources=sources,
        source_commit=group.source.commit,
        snapshot_digest=rooms.digest,
        decided_at=int(now),
        job_outcome=record.job_outcome if made.parts and all(part.job_outcome for part in made.parts) else None,
    )
    updated = dated(updated, record, now)
    return Outcome(decision, objects_of(made.parts), updated, standing, made.parts, made.lacks)


def _lacking(made: Arrangement) -> tuple[str, str]:
    """Return the word and the sentence for the parts that are not as they should be."""
    said = [one.message for one in made.refusals] + [f"{one.where} waits: {one.message}" for one in made.waits]
    if made.wanted > 1:
        said.insert(0, f"{made.wanted - len(made.refusals) - len(made.waits)} of {made.wanted} clusters")
    return made.refusals[0].reason if made.refusals else PARTLY, "; ".join(said)


def leave(standing: Standing, rooms: Rooms, asked: Asked, now: float) -> Outcome:
    """Decide on a group that nobody asks for any more: retired, unless that would be a guess, or run a job twice."""
    record = standing.record
    why = kept_unasked(standing, asked)
    if why is not None:
        return _keep(standing, rooms, now, *why)
    where = ", ".join(share.name for share in record.clusters)
    message = f"its manifests are gone from {', '.join(record.sources) or 'workloads/'}"
    message += f": its overlay is taken from {where}" if where else ""
    decision = Decision(
        record.group, Action.RETIRE, Phase.RETIRED, record.policy, record.clusters, "ManifestRemoved", message
    )
    return Outcome(decision, (), None, standing)


def kept_unasked(standing: Standing, asked: Asked) -> tuple[str, str] | None:
    """Return why a group that nobody asks for by its name stays all the same: reason and message; None when it goes."""
    for path in standing.record.sources:
        if path in asked.broken:
            message = f"{path} cannot be read, so nobody knows whether it is still wanted: it stays as it is"
            return "SourceUnreadable", message
    for item in standing.admitted:
        if item.demand is not None and item.key in asked.unclaimed:
            message = f"no policy matches {item.key.kind} {item.key.name} any more: it stays as it is"
            return "NoPolicy", f"{message}; to take it away, remove its manifest"
        if item.key in asked.homeless:
            return _held_back((), [(item, asked.homeless[item.key])])
        if item.runs_once and item.key in asked.keys:
            message = (
                f"{item.key.kind} {item.key.name} is asked for under another group now, yet was placed with this one"
            )
            return "JobHeldHere", f"{message}: a job that was placed is not placed again"
    return None


def _keep(
    standing: Standing,
    rooms: Rooms,
    now: float,
    reason: str,
    message: str,
    *,
    policy: str = "",
    sources: tuple[str, ...] = (),
    made: Arrangement | None = None,
) -> Outcome:
    """Keep a group where it is; note the end of its jobs, if the snapshot shows one and no part waits by `made`."""
    record = standing.record
    parts, running = followed_jobs(standing.parts, rooms)
    kept = replace(
        record, reason=reason, message=message, policy=policy or record.policy, sources=sources or record.sources
    )
    if record.job_outcome is None:
        kept = replace(kept, parts=with_outcomes(record, parts))
        end = None if made and (made.waits or made.refusals) else ended(parts)
        if end is not None:
            phase = Phase.SUCCEEDED if end.state == "SUCCEEDED" else Phase.FAILED
            kept = replace(kept, phase=phase, reason=f"Job{phase}", message=end.message, job_outcome=end)
    shown = kept.phase
    if shown is Phase.PLACED and running:
        shown = Phase.RUNNING
    action = Action.KEEP if record.placed else Action.WAIT
    decision = Decision(
        record.group, action, shown, kept.policy, record.clusters, kept.reason, kept.message, record.candidates
    )
    kept = dated(replace(kept, decided_at=int(now), snapshot_digest=rooms.digest), record, now)
    outcome = Outcome(decision, standing.admitted, kept, standing, parts, made.lacks if made else ())
    return outcome if outcome.changed else replace(outcome, record=record)


def _settled(record: PlacementRecord) -> tuple[str, str]:
    """Return reason and message of an undisturbed group: what they were, unless they told of what is over."""
    if record.reason in DISTURBANCES:
        return UNDISTURBED, f"it stands on {', '.join(share.name for share in record.clusters)} as it is asked for"
    return record.reason, record.message


def _wanted(
    group: Group, standing: Standing, asked: Asked
) -> tuple[tuple[WorkloadObject, ...], tuple[WorkloadObject, ...]]:
    """Return the objects that should stand now, and those whose edit is held back.

    What stays without being asked for keeps the companions that it was admitted with.
    """
    admitted: Mapping[ObjectKey, WorkloadObject] = {o.key: o for o in standing.admitted}
    objects, held = [], []
    for item in group.objects:
        before = admitted.get(item.key)
        if before is None and (item.key in asked.homeless or item.key in asked.jobs):
            continue  # it stays with another group
        if before is not None and item.runs_once and before.digest != item.digest:
            held.append(item)
            objects.append(replace(before, place=item.place))
        else:
            objects.append(item)
    wanted = {o.key for o in group.objects}
    files = {(o.api_version, o.kind, o.name): o.source for o in standing.record.objects}
    stays = []
    for key, item in admitted.items():
        if key in wanted:
            continue
        moved_away = item.key in asked.homeless or (item.runs_once and key in asked.keys)
        if moved_away or files.get((key.api_version, key.kind, key.name)) in asked.broken:
            stays.append(item)
    needed = companions_of(stays, [item for key, item in admitted.items() if key not in wanted])
    return (*objects, *stays, *needed), tuple(held)


def _held_back(edited: Iterable[WorkloadObject], homeless: Iterable[tuple[WorkloadObject, str]]) -> tuple[str, str]:
    """Return the word and the sentence for what was asked for and is not done: an edit, or a change of group."""
    if homeless:
        said = "; ".join(f"{_listed([item])} belongs to {why}" for item, why in homeless)
        return HELD_OBJECT, f"{said}: it stays here until that group can; to take it away, remove its manifest"
    return HELD_EDIT, (
        f"the edit of {_listed(edited)} is not rolled out: it was placed already, and would run twice or not at all; "
        "to run it again, add it under a new name"
    )


def _listed(objects: Iterable[WorkloadObject]) -> str:
    return ", ".join(f"{o.key.kind} {o.key.name}" for o in objects)


def _sources(group: Group, parts: Iterable[Part]) -> tuple[str, ...]:
    """Return the files that the group comes from, those of objects that only stay among them."""
    return tuple(sorted({o.place.file for o in (*group.objects, *objects_of(tuple(parts)))}))
