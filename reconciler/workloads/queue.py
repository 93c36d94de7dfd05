"""Returns the place of a group in the queue of groups that ask for room.

Order: the policy's priority, which operators set; the PriorityClass of the pods, which users set; the age of the
commit; then the name, so that the order never depends on the order in which files are read.
"""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.policy.priority_class import PriorityClasses
from reconciler.workloads.group import Group, GroupKey

QueueKey = tuple[int, int, float, GroupKey]
"""The sort key of groups; less is earlier."""


def queue_key(group: Group, classes: PriorityClasses) -> QueueKey:
    """Return the sort key of a group. Its PriorityClass is the highest that any of its pods names."""
    named = _priority_classes(group)
    class_value = max(map(classes.value, named), default=classes.default)
    # Negative, since higher priorities come first.
    return (-group.policy.priority, -class_value, group.source.order, group.key)


def unknown_classes(
    groups: Iterable[Group],
    classes: PriorityClasses,
) -> tuple[str, ...]:
    """Return one warning for each priority class that pods name and no manifest defines."""
    users = unknown_class_users(groups, classes)
    return tuple(unknown_class_warning(name, users[name]) for name in sorted(users))


def unknown_class_users(
    groups: Iterable[Group],
    classes: PriorityClasses,
) -> dict[str, Group]:
    """Return the priority classes that pods name and no manifest defines, each with the first of `groups` that does."""
    first_user: dict[str, Group] = {}
    for group in groups:
        for name in _priority_classes(group):
            if name not in classes.values:
                first_user.setdefault(name, group)
    return first_user


def unknown_class_warning(name: str, group: Group) -> str:
    """Return the warning that no manifest defines the priority class `name`, which `group` names."""
    where = group.members[0].place
    return (
        f"{where}: priority class {name} of group {group.key} counts as 0 in the queue: "
        "no PriorityClass under addons/ or policies/ has that name"
    )


def _priority_classes(group: Group) -> set[str]:
    """Return the priority classes that the group's pods name."""
    names = set()
    for item in group.members:
        for pod_set in item.demand.pod_sets if item.demand else ():
            name = pod_set.shape.priority_class
            # A worker group with 0 replicas makes no pod that could name a class.
            if pod_set.count and name:
                names.add(name)
    return names
