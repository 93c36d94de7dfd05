"""The queue: in which order groups without a place are looked at, and who waits behind whom.

Policy priority first (the operators' word), then Kubernetes' own priority class (the users'), then age by commit, then
the name, so that the order never depends on how files are read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from reconciler.placement.group import Group
from reconciler.placement.model import GroupKey
from reconciler.placement.record import PlacementRecord
from reconciler.policy.priority_class import PriorityClasses

Turn = tuple[int, int, float, GroupKey]
"""What groups are sorted by; less is earlier."""


def turn(group: Group, classes: PriorityClasses) -> Turn:
    """Return the group's place in the queue. Its class is the highest that any of its pods names."""
    value = max((classes.value(name) for name in _classes(group)), default=classes.default)
    return (-group.policy.priority, -value, group.source.order, group.key)


def unknown_classes(groups: Iterable[Group], classes: PriorityClasses) -> tuple[str, ...]:
    """Return one warning for each priority class that pods name and nobody defines."""
    users: dict[str, Group] = {}
    for group in groups:
        for name in _classes(group):
            if name not in classes.values:
                users.setdefault(name, group)
    return tuple(
        f"{users[name].members[0].place}: priority class {name} of group {users[name].key} counts as 0 in the queue: "
        "no PriorityClass under addons/ or policies/ has that name"
        for name in sorted(users)
    )


def waiting_since(record: PlacementRecord | None) -> int | None:
    """Return since when a group, or a part of it, has waited, in unix seconds; None when it does not wait yet."""
    if record is None or not record.waits:
        return None
    return record.decided_at if record.waiting_since is None else record.waiting_since


def dated(record: PlacementRecord, before: PlacementRecord | None, now: float) -> PlacementRecord:
    """Return a group's new `record` with what it says of its waiting; `before` is the last record."""
    known = waiting_since(before)
    since = int(now) if known is None else known
    return replace(record, waiting_since=since if record.waits else None)


def _classes(group: Group) -> set[str]:
    named = {s.shape.priority_class for o in group.members if o.demand for s in o.demand.pod_sets if s.count}
    return named - {""}
