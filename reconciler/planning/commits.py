"""Turns decisions into commits: one for each that changed something, in the order in which they were taken.

A first commit, only where needed, brings SkyRay's folders to what its own Placements say: directories of clusters that
joined the inventory, their add-ons, Placement files of an older form, and whatever a hand has changed there. Every
later one is about one group, so that the history of a group's folder is the history of that group.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from reconciler.placement.decision import Decision
from reconciler.placement.model import Action, Candidate
from reconciler.placement.placed_group import PlacedGroup
from reconciler.planning.directories import Directories
from reconciler.planning.files import Files, blob_id
from reconciler.planning.plan_cache import PlanCache
from reconciler.planning.state import RepoState
from reconciler.render.placement_record import in_words, path_of, write
from reconciler.repo.folder import Entry
from reconciler.repo.writer import CommitDraft

_CANDIDATES_SHOWN = 20
_CLUSTERS_NAMED = 3
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
        # A decision that leaves place, outcome and reason as they were is not worth a commit.
        if not decision.changed:
            continue
        changes = dict(directories.apply(decision))
        path = path_of(decision.group)
        changes[path] = _placement_file(path, decision.after, cache)
        draft = CommitDraft(
            subject=_subject(decision),
            body=_body(decision),
            trailers=_trailers(decision, snapshot),
            changes=changes,
        )
        drafts.append(draft)
    return tuple(drafts)


def path_changes(files: Files, drafts: Iterable[CommitDraft]) -> dict[str, str]:
    """Return what all drafts together do to each path, in order of path."""
    changes: dict[str, str] = {}
    for draft in drafts:
        for path, content in draft.changes.items():
            changes[path] = _change(files.root.entry(path), content)
    # A later draft may bring a path back to what it is now, which is no change.
    return {path: action for path, action in sorted(changes.items()) if action}


def _change(before: Entry | None, after: bytes | None) -> str:
    if before is None:
        return "" if after is None else "add"
    if after is None:
        return "delete"
    same = before.is_file and before.blob == blob_id(after)
    return "" if same else "modify"


def _placement_file(
    path: str,
    group: PlacedGroup | None,
    cache: PlanCache,
) -> bytes | None:
    if group is None:
        return None
    # The words of candidates are made here, once for the file and for the next cycle that reads it.
    group = in_words(group)
    data = write(group)
    cache.note_written(path, group, data)
    return data


def _repair(changes: Mapping[str, bytes | None], revision: str) -> CommitDraft:
    touched = set()
    for path in changes:
        if path.startswith("clusters/"):
            touched.add(path.split("/")[1])
    clusters = sorted(touched)
    # Without a cluster, only Placement files are written anew.
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
            if where:
                return f"retire {decision.group} from {where}"
            # A group that only waited leaves no cluster.
            return f"forget {decision.group}"
        case Action.KEEP:
            return f"note on {decision.group}: {decision.phase}, {decision.reason}"
        case _:
            return f"{_VERBS[decision.action]} {decision.group}: {decision.reason}"


def _named(clusters: Sequence[str]) -> str:
    """Name the first few clusters: a subject is one short line, the trailer has them all."""
    names = ", ".join(clusters[:_CLUSTERS_NAMED])
    others = len(clusters) - _CLUSTERS_NAMED
    return f"{names} and {others} more" if others > 0 else names


def _body(decision: Decision) -> str:
    lines = [decision.message]
    candidates = decision.candidates
    shown = candidates[:_CANDIDATES_SHOWN]
    if shown:
        lines += ["", "Candidates:"]
        lines += map(_candidate, shown)
    # In a large fleet hundreds may be left, which are counted by verdict.
    rest = Counter(one.verdict for one in candidates[_CANDIDATES_SHOWN:])
    if rest:
        counted = [f"{count} {verdict}" for verdict, count in sorted(rest.items())]
        counts = ", ".join(counted)
        lines.append(
            f"and {rest.total()} more ({counts}), all of them in the Placement"
        )
    return "\n".join(lines)


def _candidate(candidate: Candidate) -> str:
    verdict = str(candidate.verdict)
    # The reason of a plain verdict is the verdict itself, which is said once.
    if candidate.reason != candidate.verdict:
        verdict = f"{verdict} ({candidate.reason})"
    return f"- {candidate.cluster}: {verdict}: {candidate.message}"


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
    # A trailer without a value says nothing.
    return tuple((key, str(value)) for key, value in pairs if value)
