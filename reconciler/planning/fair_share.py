"""Which new groups a cycle decides on, where there are more than one cycle should hold, and which come in the next.

A higher priority comes first, whatever its namespace. Within one priority, namespaces take turns, so that one with very
many new groups does not keep another waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

from reconciler.placement.placed_group import PlacedGroup
from reconciler.policy.priority_class import PriorityClasses
from reconciler.workloads.group import Group, GroupKey
from reconciler.workloads.queue import queue_key

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LeftOver:
    """What waits for the next cycle.

    `groups` are not looked at: new groups, and groups that wait for capacity and have a lower priority. `updates` are
    placed groups of a lower priority, which are updated only as far as they need no more capacity.
    """

    groups: frozenset[GroupKey] = frozenset()
    updates: frozenset[GroupKey] = frozenset()

    @property
    def namespaces(self) -> set[str]:
        """Return the namespaces on which not all is decided."""
        return {key.namespace for key in (*self.groups, *self.updates)}


NOTHING_LEFT = LeftOver()


def left_over(
    queue: Sequence[Group],
    placed: Mapping[GroupKey, PlacedGroup],
    classes: PriorityClasses,
    limit: int,
    needs: Callable[[GroupKey], Iterable[GroupKey]],
    never: Collection[GroupKey],
) -> LeftOver:
    """Return what a cycle that may decide on `limit` new groups leaves over; nothing where there are no more.

    `placed` are all groups with a record: the others are new. `needs` are the groups that must be decided on before a
    group, which come with it, above the limit as well. `never` are groups that may not be left over.
    """
    new = [group for group in queue if group.key not in placed]
    if len(new) <= limit:
        return NOTHING_LEFT
    chosen: set[GroupKey] = set()
    left: set[GroupKey] = set()
    updates: set[GroupKey] = set()
    full = False
    for _, each in groupby(queue, key=lambda group: queue_key(group, classes)[:2]):
        tier = list(each)
        if full:
            # Capacity must not go to a lower priority while a higher one has not asked for it.
            for group in tier:
                known = placed.get(group.key)
                is_placed = known is not None and known.placed
                (updates if is_placed else left).add(group.key)
            continue
        entering = [group.key for group in tier if group.key not in placed]
        room = limit - len(chosen)
        chosen.update(_in_turns(entering, lambda key: key.namespace, room))
        full = len(entering) > room
        left.update(entering)
    left -= _with_needs(chosen, needs)
    left.difference_update(never)
    updates.difference_update(never)
    return LeftOver(frozenset(left), frozenset(updates))


def in_turns(items: Sequence[T], namespace: Callable[[T], str], limit: int) -> list[T]:
    """Return at most `limit` of `items`, one of each namespace after the other, in the order that they had."""
    if len(items) <= limit:
        return list(items)
    chosen = {id(item) for item in _in_turns(items, namespace, limit)}
    return [item for item in items if id(item) in chosen]


def _in_turns(items: Sequence[T], namespace: Callable[[T], str], limit: int) -> list[T]:
    """Return at most `limit` of `items`, one of each namespace after the other; the first in order begins."""
    if len(items) <= limit:
        return list(items)
    waiting: dict[str, list[T]] = {}
    for item in items:
        waiting.setdefault(namespace(item), []).append(item)
    chosen: list[T] = []
    turn = 0
    while len(chosen) < limit:
        for own in waiting.values():
            if turn < len(own) and len(chosen) < limit:
                chosen.append(own[turn])
        turn += 1
    return chosen


def _with_needs(
    chosen: Iterable[GroupKey], needs: Callable[[GroupKey], Iterable[GroupKey]]
) -> set[GroupKey]:
    """Return `chosen` with all that these need."""
    found: set[GroupKey] = set()
    open_ = list(chosen)
    while open_:
        key = open_.pop()
        if key not in found:
            found.add(key)
            open_ += needs(key)
    return found
