"""The warnings of a plan that concern files and not groups: made namespace by namespace, and put together in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.placement.quota import beyond_quota
from reconciler.planning.namespaces import NamespaceState
from reconciler.policy.priority_class import PriorityClasses
from reconciler.workloads.group import Group, GroupKey
from reconciler.workloads.missing_references import missing_references
from reconciler.workloads.queue import (
    QueueKey,
    queue_key,
    unknown_class_users,
    unknown_class_warning,
)

_Lines = tuple[str, ...]
_Queued = tuple[tuple[QueueKey, str], ...]
"""Warnings about groups, each with the place of its group in the queue."""


@dataclass(frozen=True, slots=True)
class NamespaceWarnings:
    """The warnings about one namespace by what they are about.

    `classes` has the first group that names a priority class which no manifest defines, by the name of that.
    """

    files: _Lines = ()
    unplaced: _Lines = ()
    references: _Lines = ()
    missing: _Queued = ()
    classes: Mapping[str, tuple[QueueKey, Group]] | None = None
    quota: _Queued = ()


def namespace_warnings(
    state: NamespaceState,
    classes: PriorityClasses,
    clusters_of: Mapping[GroupKey, frozenset[str]],
) -> NamespaceWarnings:
    """Return the warnings about a namespace; `clusters_of` has the clusters of each group that has a place."""
    grouping = state.grouping
    unplaced = [
        f"{item.place}: {item.key} is not placed: no policy matches it, and nothing that is placed refers to it"
        for item in grouping.unplaced
    ]
    missing = []
    for group, line in missing_references(grouping.groups, clusters_of):
        missing.append((queue_key(group, classes), line))
    users = {}
    for name, group in unknown_class_users(grouping.groups, classes).items():
        users[name] = (queue_key(group, classes), group)
    quota = []
    for group in grouping.groups:
        beyond = beyond_quota(group)
        if beyond:
            quota.append((queue_key(group, classes), beyond))
    return NamespaceWarnings(
        files=state.asked_by.folder.manifests.warnings,
        unplaced=tuple(unplaced),
        references=grouping.warnings,
        missing=tuple(missing),
        classes=users,
        quota=tuple(quota),
    )


def joined_warnings(
    namespaces: Mapping[str, NamespaceWarnings], outside: Iterable[str]
) -> tuple[str, ...]:
    """Return all warnings in order; `outside` are those about files in no namespace's folder."""
    by_name = [namespaces[name] for name in sorted(namespaces)]
    # The folders of namespaces are in the order of their paths.
    by_path = [namespaces[name] for name in sorted(namespaces, key=lambda n: f"{n}/")]
    lines = [*outside]
    for one in by_path:
        lines += one.files
    for one in by_path:
        lines += one.unplaced
    for one in by_name:
        lines += one.references
    lines += _in_queue_order(one.missing for one in by_name)
    lines += _class_warnings(by_name)
    lines += _in_queue_order(one.quota for one in by_name)
    return tuple(lines)


def _in_queue_order(parts: Iterable[_Queued]) -> list[str]:
    every = [entry for part in parts for entry in part]
    # A group may have several, which stay in their order.
    every.sort(key=lambda entry: entry[0])
    return [line for _, line in every]


def _class_warnings(namespaces: Iterable[NamespaceWarnings]) -> list[str]:
    first: dict[str, tuple[QueueKey, Group]] = {}
    for one in namespaces:
        for name, user in (one.classes or {}).items():
            if name not in first or user[0] < first[name][0]:
                first[name] = user
    return [unknown_class_warning(name, first[name][1]) for name in sorted(first)]
