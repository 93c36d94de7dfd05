"""A plan: what a cycle would do, as a value. It is carried out by `service.cycle`, and shown by the commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from reconciler.placement.decision import Decision
from reconciler.planning.guard import GuardReport
from reconciler.repo.writer import CommitDraft


@dataclass(frozen=True, slots=True)
class Plan:
    """The decisions on one revision of the repo and one snapshot.

    `snapshot` is its digest. `drafts` are the commits, in order; `changes` the paths that they add, modify or delete.
    `guard` tells whether more would be removed than fleet.yaml allows. `warnings` concern files, not groups. The same
    input gives another plan at `next_at` at the earliest (unix seconds); None where time alone changes nothing. `left`
    is the number of groups that wait for the next cycle, since this one would hold too many decisions.
    """

    revision: str
    snapshot: str
    decisions: tuple[Decision, ...]
    drafts: tuple[CommitDraft, ...]
    changes: Mapping[str, str]
    guard: GuardReport
    warnings: tuple[str, ...]
    next_at: float | None = None
    left: int = 0
    decided_anything: bool = False
    """Whether any decision changes something; a plan without may still repair files."""


def joined(first: Plan, second: Plan) -> Plan:
    """Return what two plans do, of which the second was made on what the first had left."""
    changed = {one.group: one for one in first.decisions if one.changed}
    decisions = []
    for one in second.decisions:
        earlier = changed.pop(one.group, None)
        # What was decided first is the news, where the second plan keeps it so.
        decisions.append(earlier if earlier is not None and not one.changed else one)
    # The rest are groups that are gone since.
    decisions += changed.values()
    changes = dict(first.changes)
    for path, action in second.changes.items():
        before = changes.pop(path, None)
        together = _together(before, action)
        if together:
            changes[path] = together
    return replace(
        second,
        revision=first.revision,
        decisions=tuple(decisions),
        drafts=(*first.drafts, *second.drafts),
        changes=dict(sorted(changes.items())),
        decided_anything=first.decided_anything or second.decided_anything,
    )


def _together(before: str | None, action: str) -> str:
    """Return what two changes of one path are together; empty for a path that is as it was."""
    if before == "add":
        return "" if action == "delete" else "add"
    if before == "delete" and action == "add":
        return "modify"
    return action
