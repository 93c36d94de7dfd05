"""Turns decisions into commits: one for each that changed something, in the order in which they were taken.

A first commit, only where needed, brings SkyRay's folders to what its own Placements say: directories of clusters that
joined the inventory, their add-ons, Placement files of an older form, and whatever a hand has changed there. Every
later one is about one group, so that the history of a group's folder is the history of that group.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from reconciler.placement.decision import Decision
from reconciler.placement.model import Action, Candidate
from reconciler.placement.placed_group import PlacedGroup
from reconciler.planning.directories import Directories
from reconciler.planning.plan_cache import PlanCache
from reconciler.planning.state import RepoState
from reconciler.render.placement_record import in_words, path_of, write
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
    state: RepoState,
    decisions: Sequence[Decision],
    snapshot: str,
    cache: PlanCache,
    addons: Mapping[str, Mapping[str, bytes]],
) -> tuple[CommitDraft, ...]:
    """Return the commits that carry out `decisions` on `state`; the files of `addons` come with the first one."""
    directories = Directories(state, cache, addons)
    drafts = []
    repaired = directories.repair()
    if repaired:
        drafts.append(_repair(repaired, state.revision))
    for decision in decisions:
        if not decision.changed:
            continue
        changes = dict(directories.apply(decision))
        path = path_of(decision.group)
        changes[path] = _placement_file(path, decision.after, cache)
        drafts.append(
            CommitDraft(
                _subject(decision),
                _body(decision),
                _trailers(decision, snapshot),
                changes,
            )
        )
    return tuple(drafts)


def _placement_file(
    path: str, group: PlacedGroup | None, cache: PlanCache
) -> bytes | None:
    if group is None:
        return None
    # The words of candidates are made here, once for the file and for the next cycle that reads it.
    group = in_words(group)
    data = write(group)
    cache.note_written(path, group, data)
    return data


def _repair(changes: Mapping[str, bytes | None], revision: str) -> CommitDraft:
    clusters = sorted(
        {path.split("/")[1] for path in changes if path.startswith("clusters/")}
    )
    subject = f"render {_named(clusters)}" if clusters else "render placements"
    body = "Brings SkyRay's own folders to what the inventory, the add-ons and the placements say."
    trailers = (("SkyRay-Action", "render"), ("SkyRay-Source", revision))
    return CommitDraft(subject, body, trailers, changes)


def _subject(decision: Decision) -> str:
    where = _named(decision.clusters)
    match decision.action:
        case Action.PLACE if decision.before is not None and decision.before.placed:
            return f"update {decision.group} on {where}"
        case Action.PLACE:
            return f"place {decision.group} on {where}"
        case Action.RETIRE:
            return (
                f"retire {decision.group} from {where}"
                if where
                else f"forget {decision.group}"
            )
        case Action.KEEP:
            return f"note on {decision.group}: {decision.phase}, {decision.reason}"
        case _:
            return f"{_VERBS[decision.action]} {decision.group}: {decision.reason}"


def _named(clusters: Sequence[str]) -> str:
    """Name the first few clusters: a subject is one short line, the trailer has them all."""
    return ", ".join(clusters[:3]) + (
        f" and {len(clusters) - 3} more" if len(clusters) > 3 else ""
    )


def _body(decision: Decision) -> str:
    lines = [decision.message]
    if decision.candidates:
        lines += [
            "",
            "Candidates:",
            *map(_candidate, decision.candidates[:_CANDIDATES_SHOWN]),
        ]
    rest = Counter(
        candidate.verdict for candidate in decision.candidates[_CANDIDATES_SHOWN:]
    )
    if rest:
        counts = ", ".join(
            f"{count} {verdict}" for verdict, count in sorted(rest.items())
        )
        lines.append(
            f"and {rest.total()} more ({counts}), all of them in the Placement"
        )
    return "\n".join(lines)


def _candidate(candidate: Candidate) -> str:
    reason = "" if candidate.reason == candidate.verdict else f" ({candidate.reason})"
    return f"- {candidate.cluster}: {candidate.verdict}{reason}: {candidate.message}"


def _trailers(decision: Decision, snapshot: str) -> tuple[tuple[str, str], ...]:
    group = decision.after or decision.before
    pairs = (
        ("SkyRay-Group", str(decision.group)),
        ("SkyRay-Cluster", ", ".join(decision.clusters)),
        ("SkyRay-Action", decision.action),
        ("SkyRay-Transition", decision.transition),
        ("SkyRay-Policy", decision.policy),
        ("SkyRay-Reason", decision.reason),
        ("SkyRay-Source", group.source_commit if group else ""),
        ("SkyRay-Snapshot", snapshot),
    )
    return tuple((key, str(value)) for key, value in pairs if value)
