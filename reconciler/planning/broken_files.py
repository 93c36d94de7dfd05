"""Workload files that cannot be read: the name under which each is reported, and which of them need a report.

A file that cannot be read may hold a part of any group of its namespace, so nothing is removed because of it. The file
gets a Placement of its own, which says what is wrong, unless a group does.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.manifests.identity import is_dns_label
from reconciler.placement.decision import Decision
from reconciler.placement.placed_group import PlacedGroup
from reconciler.planning.admitted import Clock
from reconciler.planning.decide import decide_file
from reconciler.planning.fair_share import in_turns
from reconciler.planning.state import RepoState
from reconciler.policy.groups import as_dns_label
from reconciler.workloads.group import BrokenFile, GroupKey


def file_group(file: BrokenFile) -> GroupKey:
    """Return the name under which a file that cannot be read is reported."""
    # The path is `workloads/<namespace>/...`, and the namespace is in the key already.
    inside = file.path.split("/", 2)[2]
    stem = inside.rsplit(".", 1)[0]
    name = as_dns_label(f"file-{stem}")
    return GroupKey(file.namespace, name)


def unclaimed_files(
    state: RepoState, placed: Mapping[GroupKey, PlacedGroup]
) -> list[BrokenFile]:
    """Return the unreadable files that no group speaks for, and that a Placement can be written for.

    A group speaks for its file where all of it is in there, so that it stays as it is and says why.
    """
    claimed = _claimed_paths(state, placed)
    found = []
    for file in state.workloads.broken:
        if file.path in claimed or not file.reported:
            continue
        # The namespace is a folder of `placements/`, so it must be usable as a name.
        if is_dns_label(file.namespace):
            found.append(file)
    return found


def _claimed_paths(
    state: RepoState, placed: Mapping[GroupKey, PlacedGroup]
) -> set[str]:
    """Return the files of placed groups of which no object can be read any more."""
    # The Placement of a file names that file itself, and a group that still has manifests does not report it.
    silent = {file_group(file) for file in state.workloads.broken if file.reported}
    silent |= {group.key for group in state.grouping.groups}
    claimed: set[str] = set()
    for key, group in placed.items():
        if key not in silent:
            claimed.update(group.sources)
    return claimed


def file_decisions(
    state: RepoState,
    placed: Mapping[GroupKey, PlacedGroup],
    clock: Clock,
    limit: int | None,
) -> tuple[list[Decision], int]:
    """Return the decision on each unreadable file that no group speaks for, on at most `limit` new ones.

    The second is how many are left for the next cycle.
    """
    files = unclaimed_files(state, placed)
    left: set[str] = set()
    if limit is not None:
        new = [file for file in files if file_group(file) not in state.placements]
        now = in_turns(new, lambda file: file.namespace, limit)
        left = {file.path for file in new} - {file.path for file in now}
    decisions = []
    for file in files:
        if file.path in left:
            continue
        key = file_group(file)
        before = state.placements.get(key)
        decisions.append(decide_file(file, key, before, clock))
    return decisions, len(left)
