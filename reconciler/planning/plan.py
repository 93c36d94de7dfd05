"""A plan: what a cycle would do, as a value. It is carried out by `service.cycle`, and shown by the commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.placement.decision import Decision
from reconciler.planning.guard import GuardReport
from reconciler.repo.writer import CommitDraft


@dataclass(frozen=True, slots=True)
class Plan:
    """The decisions on one revision of the repo and one snapshot.

    `snapshot` is its digest. `drafts` are the commits, in order; `changes` the paths that they add, modify or delete.
    `guard` tells whether more would be removed than fleet.yaml allows. `warnings` concern files, not groups. The same
    input gives another plan at `next_at` at the earliest (unix seconds); None where time alone changes nothing.
    """

    revision: str
    snapshot: str
    decisions: tuple[Decision, ...]
    drafts: tuple[CommitDraft, ...]
    changes: Mapping[str, str]
    guard: GuardReport
    warnings: tuple[str, ...]
    next_at: float | None = None
    decided_anything: bool = False
    """Whether any decision changes something; a plan without may still repair files."""
