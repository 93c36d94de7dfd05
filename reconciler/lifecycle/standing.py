"""What happens to a group that has a place: kept, updated there, finished, or taken away (DESIGN section 5).

Rules, in their order: never delete on a guess (an unreadable file keeps what it made); nothing runs twice (a batch
object that was admitted is never rolled out again, whatever its file says now); an update that does not fit beside what
stands there is not rolled out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from reconciler.fleet.snapshot import Unreadable
from reconciler.lifecycle.jobs import Progress, progress_of
from reconciler.manifests.identity import ObjectKey
from reconciler.placement.group import Group, WorkloadObject, gang_of
from reconciler.placement.model import Action, Decision, Phase
from reconciler.placement.outcome import Outcome, Standing, recorded
from reconciler.placement.record import PlacementRecord
from reconciler.placement.room import Rooms

HELD_EDIT = "JobEditHeld"


@dataclass(frozen=True, slots=True)
class Asked:
    """What `workloads/` asks for.

    `keys` of all objects, whatever their group; `unclaimed` are those that no policy matches; `broken` are the paths of
    files that cannot be read.
    """

    keys: Collection[ObjectKey]
    unclaimed: Collection[ObjectKey]
    broken: Collection[str]


def follow(group: Group, standing: Standing, rooms: Rooms, asked: Asked, now: float) -> Outcome:
    """Decide on a group that is placed and still wanted; `now` is in unix seconds."""
    record = standing.record
    if group.problem:
        return _keep(standing, rooms, now, "InvalidObject", f"{group.problem}. What was admitted stays as it is")
    objects, held = _wanted(group, standing, asked)
    if recorded(objects) == record.objects:
        reason, message = _settled_reason(record), record.message
        if held:
            reason, message = HELD_EDIT, _held_message(held)
        return _keep(standing, rooms, now, reason, message, policy=group.policy.name, sources=_sources(group))
    refusal = _refusal(standing, objects, rooms)
    if refusal:
        return _keep(standing, rooms, now, "UpdateDoesNotFit", refusal)
    reason, message = "UpdatedInPlace", _update_message(standing, objects)
    if held:
        reason, message = HELD_EDIT, _held_message(held)
    decision = Decision(group.key, Action.PLACE, Phase.PLACED, group.policy.name, record.clusters, reason, message)
    updated = replace(
        record,
        policy=group.policy.name,
        objects=recorded(objects),
        phase=Phase.PLACED,
        reason=reason,
        message=message,
        sources=_sources(group),
        source_commit=group.source.commit,
        snapshot_digest=rooms.digest,
        decided_at=int(now),
    )
    return Outcome(decision, objects, updated, standing)


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
) -> Outcome:
    """Keep a group where it is; note the end of its job, if the snapshot shows one."""
    record = standing.record
    progress = _progress(standing, rooms)
    kept = replace(
        record, reason=reason, message=message, policy=policy or record.policy, sources=sources or record.sources
    )
    ended = progress.outcome
    if ended is not None:
        phase = Phase.SUCCEEDED if ended.state == "SUCCEEDED" else Phase.FAILED
        kept = replace(kept, phase=phase, reason=f"Job{phase}", message=ended.message, job_outcome=ended)
    shown = kept.phase
    if shown is Phase.PLACED and progress.running:
        shown = Phase.RUNNING
    action = Action.KEEP if record.placed else Action.WAIT
    decision = Decision(
        record.group, action, shown, kept.policy, record.clusters, kept.reason, kept.message, record.candidates
    )
    outcome = Outcome(
        decision, standing.admitted, replace(kept, decided_at=int(now), snapshot_digest=rooms.digest), standing
    )
    return outcome if outcome.changed else replace(outcome, record=record)


def _progress(standing: Standing, rooms: Rooms) -> Progress:
    record = standing.record
    if record.job_outcome or not record.placed:
        return Progress()
    room = rooms.of(record.clusters[0].name)
    return Progress() if isinstance(room, Unreadable) else progress_of(standing.admitted, room.pods)


def _settled_reason(record: PlacementRecord) -> str:
    """Return the reason of an undisturbed group: what it was, unless that told of a disturbance that is over."""
    over = {"InvalidObject", "NoPolicy", "SourceUnreadable", "UpdateDoesNotFit", "JobHeldHere", HELD_EDIT}
    return "Undisturbed" if record.reason in over else record.reason


def _wanted(
    group: Group, standing: Standing, asked: Asked
) -> tuple[tuple[WorkloadObject, ...], tuple[WorkloadObject, ...]]:
    """Return the objects that should stand now, and those whose edit is held back."""
    admitted: Mapping[ObjectKey, WorkloadObject] = {o.key: o for o in standing.admitted}
    objects, held = [], []
    for item in group.objects:
        before = admitted.get(item.key)
        if before is not None and item.runs_once and before.digest != item.digest:
            held.append(item)
            objects.append(replace(before, place=item.place))
        else:
            objects.append(item)
    wanted = {o.key for o in group.objects}
    files = {(o.api_version, o.kind, o.name): o.source for o in standing.record.objects}
    for key, item in admitted.items():
        if key in wanted:
            continue
        moved_away = item.runs_once and key in asked.keys
        if moved_away or files.get((key.api_version, key.kind, key.name)) in asked.broken:
            objects.append(item)
    return tuple(objects), tuple(held)


def _held_message(held: tuple[WorkloadObject, ...]) -> str:
    names = ", ".join(f"{o.key.kind} {o.key.name}" for o in held)
    return (
        f"the edit of {names} is not rolled out: it was placed already, and would run twice or not at all; "
        "to run it again, add it under a new name"
    )


def _refusal(standing: Standing, objects: tuple[WorkloadObject, ...], rooms: Rooms) -> str:
    """Say why the new demand does not fit where the group stands; empty when it does, or when nobody can know."""
    name = standing.record.clusters[0].name
    if gang_of(objects) == gang_of(standing.admitted):
        return ""
    room = rooms.of(name)
    if isinstance(room, Unreadable):
        return f"{name} does not tell its capacity now ({room.reason}), so the update waits"
    fit = room.reconsider(standing.admitted, objects)
    return "" if fit.ok else f"the update does not fit on {name}: {fit.message}"


def _update_message(standing: Standing, objects: tuple[WorkloadObject, ...]) -> str:
    before = {o.key: o.digest for o in standing.admitted}
    after = {o.key: o.digest for o in objects}
    parts = [
        f"{verb} {', '.join(sorted(f'{k.kind} {k.name}' for k in keys))}"
        for verb, keys in (
            ("added", after.keys() - before.keys()),
            ("changed", {k for k in after.keys() & before.keys() if after[k] != before[k]}),
            ("removed", before.keys() - after.keys()),
        )
        if keys
    ]
    return f"updated on {standing.record.clusters[0].name}: {'; '.join(parts) or 'the admitted copies were restored'}"


def _sources(group: Group) -> tuple[str, ...]:
    return tuple(sorted({o.place.file for o in group.objects}))
