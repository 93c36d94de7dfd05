"""The queue: in which order groups without a place are looked at, and who waits behind whom.

Policy priority first (the operators' word), then Kubernetes' own priority class (the users'), then age by commit, then
the name, so that the order never depends on how files are read.
"""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.policy.priority_class import PriorityClasses
from reconciler.workloads.group import Group, GroupKey

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


def _classes(group: Group) -> set[str]:
    named = {s.shape.priority_class for o in group.members if o.demand for s in o.demand.pod_sets if s.count}
    return named - {""}
