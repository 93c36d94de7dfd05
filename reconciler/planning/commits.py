"""Turns decisions into commits: one for each that changed something, in the order in which they were taken.

A first commit, only where needed, brings SkyRay's folders to what its own records say: directories of clusters that
joined the inventory, their add-ons, and whatever a hand has changed there. Every later one moves one group,
so that the history of a group's folder is the history of that group (DESIGN section 7).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from reconciler.placement.model import Action, Candidate, Decision
from reconciler.placement.outcome import Outcome
from reconciler.placement.record import PlacementRecord
from reconciler.planning.directories import Directories
from reconciler.planning.memory import Memory
from reconciler.planning.state import RepoState
from reconciler.render.placement_record import path_of, write
from reconciler.repo.writer import CommitDraft

_CANDIDATES_SHOWN = 20
_VERBS = {
    Action.PLACE: "place",
    Action.MOVE: "move",
    Action.RETIRE: "retire",
    Action.WAIT: "hold",
    Action.REJECT: "reject",
}


def drafts_of(
    state: RepoState, outcomes: Sequence[Outcome], snapshot: str, memory: Memory, addons: Mapping[str, bytes]
) -> tuple[CommitDraft, ...]:
    """Return the commits that carry out `outcomes` on `state`; the files of `addons` come with the first one."""
    directories = Directories(state, memory, addons)
    drafts = []
    repaired = directories.settle()
    if repaired:
        drafts.append(_repair(repaired, state.revision))
    for outcome in outcomes:
        if not outcome.changed:
            continue
        changes = dict(directories.apply(outcome))
        path = path_of(outcome.decision.group)
        changes[path] = _recorded(outcome.record, path, memory)
        drafts.append(CommitDraft(_subject(outcome), _body(outcome.decision), _trailers(outcome, snapshot), changes))
    return tuple(drafts)


def _recorded(record: PlacementRecord | None, path: str, memory: Memory) -> bytes | None:
    if record is None:
        return None
    data = write(record)
    memory.note_record(path, record, data)
    return data


def _repair(changes: Mapping[str, bytes | None], revision: str) -> CommitDraft:
    clusters = sorted({path.split("/")[1] for path in changes if path.startswith("clusters/")})
    subject = f"render {_named(clusters)}" if clusters else "render placements"
    body = "Brings SkyRay's own folders to what the inventory, the add-ons and the placements say."
    trailers = (("SkyRay-Action", "render"), ("SkyRay-Source", revision))
    return CommitDraft(subject, body, trailers, changes)


def _subject(outcome: Outcome) -> str:
    decision = outcome.decision
    where = _named([share.name for share in decision.clusters])
    match decision.action:
        case Action.PLACE if outcome.before is not None and outcome.before.record.placed:
            return f"update {decision.group} on {where}"
        case Action.PLACE:
            return f"place {decision.group} on {where}"
        case Action.RETIRE:
            return f"retire {decision.group} from {where}" if where else f"forget {decision.group}"
        case Action.KEEP:
            return f"note on {decision.group}: {decision.phase}, {decision.reason}"
        case _:
            return f"{_VERBS[decision.action]} {decision.group}: {decision.reason}"


def _named(clusters: Sequence[str]) -> str:
    """Name the first few clusters: a subject is one short line, the trailer has them all."""
    return ", ".join(clusters[:3]) + (f" and {len(clusters) - 3} more" if len(clusters) > 3 else "")


def _body(decision: Decision) -> str:
    lines = [decision.message]
    if decision.candidates:
        lines += ["", "Candidates:", *map(_candidate, decision.candidates[:_CANDIDATES_SHOWN])]
    rest = Counter(candidate.verdict for candidate in decision.candidates[_CANDIDATES_SHOWN:])
    if rest:
        counts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(rest.items()))
        lines.append(f"and {rest.total()} more ({counts}), all of them in the Placement")
    return "\n".join(lines)


def _candidate(candidate: Candidate) -> str:
    reason = "" if candidate.reason == candidate.verdict else f" ({candidate.reason})"
    return f"- {candidate.cluster}: {candidate.verdict}{reason}: {candidate.message}"


def _trailers(outcome: Outcome, snapshot: str) -> tuple[tuple[str, str], ...]:
    decision = outcome.decision
    record = outcome.record or (outcome.before.record if outcome.before else None)
    source = record.source_commit if record else ""
    pairs = (
        ("SkyRay-Group", str(decision.group)),
        ("SkyRay-Cluster", ", ".join(share.name for share in decision.clusters)),
        ("SkyRay-Action", decision.action),
        ("SkyRay-Policy", decision.policy),
        ("SkyRay-Reason", decision.reason),
        ("SkyRay-Source", source),
        ("SkyRay-Snapshot", snapshot),
    )
    return tuple((key, str(value)) for key, value in pairs if value)
