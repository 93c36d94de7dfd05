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
from reconciler.placement.request import Assignment, WaitsFor
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
    waiting = _waiting(fold)
    if not waiting:
        return
    changed = _changes(fold, fold.results.values())
    while waiting and changed.clusters:
        _reopen(fold)
        moved = _look_again_at_all(fold, waiting, changed)
        changed = _changes(fold, moved)
        waiting = _waiting(fold)


def _waiting(fold: Fold) -> list[GroupKey]:
    """Return the groups that wait, in the order in which they were settled."""
    return [key for key, result in fold.results.items() if _waits(result)]


def _waits(result: Admitted) -> bool:
    if result.assignment is not None:
        return not result.assignment.satisfied
    # These two may pass within a plan; what else keeps a group from asking is for its user to change.
    return result.transition.reason in {HeldByAnotherGroup.code, NOT_PLACED}


def _look_again_at_all(
    fold: Fold,
    waiting: Iterable[GroupKey],
    changed: WaitsFor,
) -> list[Admitted]:
    """Look again at each group that waits for what has `changed`; return the results with other copies."""
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
        clusters = changed.clusters | _clusters_of(later) | _clusters_of(earlier)
        changed = replace(changed, clusters=clusters)
    return moved


def _concerns(result: Admitted, changed: WaitsFor) -> bool:
    """Tell whether what a result waits for is among what has changed."""
    made = result.assignment
    # A group that was kept from asking has not noted what it waits for.
    if made is None:
        return True
    # What a group was refused by its quota keeps others from borrowing it, which has to be said again.
    lacking = (*made.unplaced, *made.refused)
    if any(lack.reason == EXCEEDED for lack in lacking):
        return True
    waits_for = made.waits_for
    if waits_for.clusters & changed.clusters:
        return True
    return bool(waits_for.tenants and changed.tenants)


def _changes(fold: Fold, results: Iterable[Admitted]) -> WaitsFor:
    """Return what the results changed: the clusters that they joined, left or were updated on, and their tenants."""
    clusters: set[str] = set()
    tenants: set[str] = set()
    for result in results:
        # The capacity of retired groups was not counted from the beginning.
        if result.transition.kind is TransitionKind.RETIRE:
            continue
        touched = _touched(fold, result)
        clusters |= touched
        tenant = result.group.tenant if result.group is not None else None
        if touched and tenant is not None:
            tenants.add(tenant.name)
    return WaitsFor(frozenset(clusters), frozenset(tenants))


def _touched(fold: Fold, result: Admitted) -> set[str]:
    """Return the clusters on which a group has other objects than before."""
    # In a second look, what counts is what the look before left; in the first, what is committed.
    known = fold.current if fold.again else fold.given.placed
    before = known.get(result.key)
    old = _contents(before.copies if before else ())
    new = _contents(result.copies)
    touched = set()
    for cluster in old.keys() | new.keys():
        if old.get(cluster) != new.get(cluster):
            touched.add(cluster)
    return touched


def _contents(
    copies: Iterable[ClusterCopy],
) -> dict[str, frozenset[tuple[ObjectKey, str]]]:
    """Return what is deployed on each cluster, by digest."""
    found = {}
    for copy in copies:
        found[copy.cluster] = frozenset(
            (item.key, item.digest) for item in copy.deployed
        )
    return found


def _clusters_of(result: Admitted) -> frozenset[str]:
    """Return the clusters that a result waits for."""
    made = result.assignment
    return made.waits_for.clusters if made else frozenset()


def _reopen(fold: Fold) -> None:
    """Bring the state to what the next plan of an unchanged world finds."""
    assumed: dict[str, list[AssumedCopy]] = defaultdict(list)
    for key in sorted(fold.results):
        result = fold.results[key]
        # The next plan reads what is committed, which is the state before where nothing changed.
        group = decide(result, fold.given.clock).placement
        if group is None:
            fold.current.pop(key, None)
            continue
        fold.current[key] = group
        for copy in group.copies:
            assumed[copy.cluster].append(assumed_copy(group, copy))
    fold.again = True
    # A request that its quota refused is looked at again in any case, and then claims anew.
    usage = fold.state.usage.without_claims()
    fleet = fold.state.fleet.reopened(assumed)
    fold.state = replace(fold.state, fleet=fleet, usage=usage)


def _look_again(fold: Fold, key: GroupKey) -> None:
    """Settle a group that waits once more; keep the first result, and its words, where the outcome is the same."""
    earlier = fold.results[key]
    settle(fold, key)
    later = fold.results[key]
    fold.results[key] = _result_of_both(earlier, later, fold.given.clock)


def _result_of_both(
    earlier: Admitted,
    later: Admitted,
    clock: Clock,
) -> Admitted:
    """Return the result of two looks at a group; `earlier` itself where the second changed nothing."""
    first = earlier.assignment
    second = later.assignment
    if first is None or second is None:
        same_reason = later.transition.reason == earlier.transition.reason
        same = same_reason and later.copies == earlier.copies
        return earlier if same else later
    if _says_the_same(earlier, later, clock):
        # Only what is held for it may have changed.
        made = replace(first, held=second.held, pending=second.pending)
        return earlier if made == first else replace(earlier, assignment=made)
    # The reason of an update follows from its copies, and not from the choices of either look.
    if earlier.placed is not None and earlier.placed.placed:
        return later
    made = _with_first_choices(first, second)
    return replace(later, assignment=made)


def _with_first_choices(first: Assignment, second: Assignment) -> Assignment:
    """Return the second assignment of a new group, with the choices of the first that it builds on."""
    # The copies of the first look are new as well, and so are the reasons for them.
    granted = [choice for choice in first.chosen if choice.cluster]
    looked_at = {candidate.cluster for candidate in second.candidates}
    others = [one for one in first.candidates if one.cluster not in looked_at]
    return replace(
        second,
        chosen=(*granted, *second.chosen),
        candidates=(*others, *second.candidates),
    )


def _says_the_same(
    one: Admitted,
    other: Admitted,
    clock: Clock,
) -> bool:
    """Tell whether both leave the same copies, for the same reason; amounts in messages may differ."""
    first = decide(one, clock).after
    second = decide(other, clock).after
    return first is not None and second is not None and first.says_the_same(second)


def _hold_again(fold: Fold, result: Admitted) -> None:
    """Reserve what was reserved for a group that is not looked at again."""
    made = result.assignment
    if made is None or made.held is None:
        return
    current = fold.current.get(result.key)
    request = request_of(fold, result.transition, current)
    _, fold.state = with_hold(fold, request, made, fold.state)
