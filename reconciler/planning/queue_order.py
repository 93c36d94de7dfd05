"""The order in which groups ask for capacity: that of the queue, but each after the groups that it depends on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from heapq import heappop, heappush

from reconciler.workloads.group import GroupKey


def in_order(
    queue: Sequence[GroupKey], after: Mapping[GroupKey, Iterable[GroupKey]]
) -> list[GroupKey]:
    """Return `queue` in its order, but each group behind those that it comes `after`, as soon as these are through.

    Groups outside of the queue do not count. Where groups come after one another in a circle, the queue stays as it is:
    a second look at those that are refused then settles what can be.
    """
    before = _needed(queue, after)
    # Most queues have no dependencies, and need no sorting.
    if not any(before.values()):
        return list(queue)
    sorter = TopologicalSorter(before)
    try:
        sorter.prepare()
    except CycleError:
        return list(queue)
    rank = {key: position for position, key in enumerate(queue)}
    ordered: list[GroupKey] = []
    ready: list[int] = []
    while sorter.is_active():
        for key in sorter.get_ready():
            heappush(ready, rank[key])
        # One at a time: what this one lets through may come before the others that are ready.
        first = queue[heappop(ready)]
        ordered.append(first)
        sorter.done(first)
    return ordered


def _needed(
    queue: Sequence[GroupKey],
    after: Mapping[GroupKey, Iterable[GroupKey]],
) -> dict[GroupKey, frozenset[GroupKey]]:
    """Return which groups of the queue must be through before each of them."""
    wanted = frozenset(queue)
    before = {}
    for key in queue:
        needed = frozenset(after.get(key, ()))
        before[key] = needed & wanted - {key}
    return before
