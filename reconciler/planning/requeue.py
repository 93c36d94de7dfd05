"""The second look at groups that were refused: only at those for which something that they wait for has changed.

Capacity and holds are then those that the next plan of an unchanged world will find, so that the plan of a plan's
result is empty.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from reconciler.manifests.identity import ObjectKey
from reconciler.placement.assumed_pods import AssumedCopy
from reconciler.placement.decision import TransitionKind
from reconciler.placement.request import WaitsFor
from reconciler.planning.admitted import Admitted, Clock
from reconciler.planning.assumed_copies import assumed_copy
from reconciler.planning.decide import decide
from reconciler.planning.fold import request_of, settle, with_hold
from reconciler.planning.fold_state import Fold
from reconciler.reasons.quota import EXCEEDED
from reconciler.reasons.ray_clusters import NOT_PLACED
from reconciler.reasons.transitions import HeldByAnotherGroup
from reconciler.workloads.cluster_copy import ClusterCopy
from reconciler.workloads.group import GroupKey


def requeue(fold: Fold) -> None:
    """Look again at what waits, as long as anything that it waits for has changed."""
    waiting = [key for key, result in fold.results.items() if _waits(result)]
    if not waiting:
        return
    changed = _changes(fold, fold.results.values())
    while waiting and changed.clusters:
        _reopen(fold)
        moved = []
        for key in waiting:
            earlier = fold.results[key]
            if not _concerns(earlier, changed):
                _hold_again(fold, earlier)
                continue
            _look_again(fold, key)
            later = fold.results[key]
            if later is earlier:
                continue
            if later.copies != earlier.copies:
                moved.append(later)
            # A hold that ended or began on a cluster matters to those that come later in the queue.
            changed = replace(
                changed,
                clusters=changed.clusters | _clusters_of(later) | _clusters_of(earlier),
            )
        changed = _changes(fold, moved)
        waiting = [key for key, result in fold.results.items() if _waits(result)]


def _waits(result: Admitted) -> bool:
    if result.assignment is not None:
        return not result.assignment.satisfied
    return result.transition.reason in {HeldByAnotherGroup.code, NOT_PLACED}


def _concerns(result: Admitted, changed: WaitsFor) -> bool:
    """Tell whether what a result waits for is among what has changed."""
    made = result.assignment
    if made is None:
        return True
    # What a group was refused by its quota keeps others from borrowing it, which has to be said again.
    over_quota = any(
        lack.reason == EXCEEDED for lack in (*made.unplaced, *made.refused)
    )
    waits_for = made.waits_for
    return over_quota or bool(
        waits_for.clusters & changed.clusters or (waits_for.tenants and changed.tenants)
    )


def _changes(fold: Fold, results: Iterable[Admitted]) -> WaitsFor:
    """Return what the results changed: the clusters that they joined, left or were updated on, and their tenants."""
    clusters: set[str] = set()
    tenants: set[str] = set()
    for result in results:
        # The capacity of retired groups was not counted from the beginning.
        if result.transition.kind is TransitionKind.RETIRE:
            continue
        before = (
            fold.current.get(result.key)
            if fold.again
            else fold.given.placed.get(result.key)
        )
        old = _contents(before.copies if before else ())
        new = _contents(result.copies)
        touched = {
            name for name in old.keys() | new.keys() if old.get(name) != new.get(name)
        }
        clusters |= touched
        if touched and result.group is not None and result.group.tenant is not None:
            tenants.add(result.group.tenant.name)
    return WaitsFor(frozenset(clusters), frozenset(tenants))


def _contents(
    copies: Iterable[ClusterCopy],
) -> dict[str, frozenset[tuple[ObjectKey, str]]]:
    return {
        copy.cluster: frozenset((item.key, item.digest) for item in copy.deployed)
        for copy in copies
    }


def _clusters_of(result: Admitted) -> frozenset[str]:
    return result.assignment.waits_for.clusters if result.assignment else frozenset()


def _reopen(fold: Fold) -> None:
    """Bring the state to what the next plan of an unchanged world finds."""
    assumed: dict[str, list[AssumedCopy]] = defaultdict(list)
    for key in sorted(fold.results):
        group = decide(fold.results[key], fold.given.clock).placement
        if group is None:
            fold.current.pop(key, None)
            continue
        fold.current[key] = group
        for copy in group.copies:
            assumed[copy.cluster].append(assumed_copy(group, copy))
    fold.again = True
    usage = fold.state.usage.without_claims()
    fold.state = replace(
        fold.state, fleet=fold.state.fleet.reopened(assumed), usage=usage
    )


def _look_again(fold: Fold, key: GroupKey) -> None:
    """Settle a group that waits once more; keep the first result, and its words, where the outcome is the same."""
    earlier = fold.results[key]
    settle(fold, key)
    later = fold.results[key]
    if earlier.assignment is None or later.assignment is None:
        if (
            later.transition.reason == earlier.transition.reason
            and later.copies == earlier.copies
        ):
            fold.results[key] = earlier
        return
    if _says_the_same(earlier, later, fold.given.clock):
        # Only what is held for it may have changed.
        made = replace(
            earlier.assignment,
            held=later.assignment.held,
            pending=later.assignment.pending,
        )
        fold.results[key] = (
            earlier if made == earlier.assignment else replace(earlier, assignment=made)
        )
        return
    if earlier.placed is None or not earlier.placed.placed:
        # The copies of the first look are new as well, and so are the reasons for them.
        granted = tuple(
            choice for choice in earlier.assignment.chosen if choice.cluster
        )
        looked_at = {candidate.cluster for candidate in later.assignment.candidates}
        others = tuple(
            one for one in earlier.assignment.candidates if one.cluster not in looked_at
        )
        made = replace(
            later.assignment,
            chosen=(*granted, *later.assignment.chosen),
            candidates=(*others, *later.assignment.candidates),
        )
        fold.results[key] = replace(later, assignment=made)


def _says_the_same(one: Admitted, other: Admitted, clock: Clock) -> bool:
    """Tell whether both leave the same copies, for the same reason; amounts in messages may differ."""
    first, second = decide(one, clock).after, decide(other, clock).after
    return first is not None and second is not None and first.says_the_same(second)


def _hold_again(fold: Fold, result: Admitted) -> None:
    """Reserve what was reserved for a group that is not looked at again."""
    made = result.assignment
    if made is None or made.held is None:
        return
    request = request_of(fold, result.transition, fold.current.get(result.key))
    _, fold.state = with_hold(fold, request, made, fold.state)
