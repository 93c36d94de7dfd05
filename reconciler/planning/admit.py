"""Admits the groups of a plan one after another, in the order of the queue: a fold over capacity and quota.

What asks for no capacity comes first, so that what it releases is there for the others. Then come the groups that ask
for some, updates and new groups in one queue. A request that is refused notes what it waits for, and is looked at again
(`planning.requeue`) when just that has changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from reconciler.errors import InvalidObject
from reconciler.lifecycle.desired import DesiredState
from reconciler.lifecycle.ownership import Transfer
from reconciler.lifecycle.transitions import Transition, transition_of
from reconciler.manifests.identity import ObjectKey
from reconciler.placement.assign import assign_targets
from reconciler.placement.decision import TransitionKind
from reconciler.placement.placed_group import PlacedGroup
from reconciler.placement.quota import limited
from reconciler.placement.request import AdmissionState
from reconciler.placement.targets import targets_of
from reconciler.planning.admitted import Admitted
from reconciler.planning.fold import (
    note,
    refused,
    request_of,
    result_of,
    settle,
    situation_of,
)
from reconciler.planning.fold_state import Admission, Fold, view_of
from reconciler.planning.queue_order import in_order
from reconciler.planning.requeue import requeue
from reconciler.reasons.written import Written
from reconciler.workloads.group import Group, GroupKey


def admit(
    given: Admission,
    desired: DesiredState,
    state: AdmissionState,
) -> tuple[Admitted, ...]:
    """Return what becomes of every group: first those that ask for no capacity, then those that do, in queue order."""
    fold = _start(given, desired, state)
    queued = _release(fold)
    order = _queue(fold, queued)
    _go_through(fold, order)
    requeue(fold)
    return _in_record_order(fold)


def _start(
    given: Admission,
    desired: DesiredState,
    state: AdmissionState,
) -> Fold:
    """Return the fold before its first step."""
    keys = (*given.groups, *given.placed)
    return Fold(
        given=given,
        desired=desired,
        state=state,
        holders=_holders(given.placed),
        namespaces=frozenset(given.resting) | {key.namespace for key in keys},
        placed=dict(given.placed),
        current=dict(given.placed),
        why={},
        transfers=_by_taker(given.transfers),
    )


def _holders(
    placed: Mapping[GroupKey, PlacedGroup],
) -> dict[ObjectKey, GroupKey | None]:
    """Return the placed group that has each object with pods."""
    holders: dict[ObjectKey, GroupKey | None] = {}
    for key, group in placed.items():
        if not group.placed:
            continue
        for item in group.admitted:
            # Companions have no holder: several groups may have the same one.
            if item.demand is not None:
                holders[item.key] = key
    return holders


def _by_taker(transfers: Iterable[Transfer]) -> dict[GroupKey, list[Transfer]]:
    found: dict[GroupKey, list[Transfer]] = defaultdict(list)
    for transfer in transfers:
        found[transfer.taker].append(transfer)
    return dict(found)


def _in_record_order(fold: Fold) -> tuple[Admitted, ...]:
    """Return the results: groups that had a place or are gone by their keys, then the others in queue order."""
    known = []
    new = []
    for key, result in fold.results.items():
        if _is_known(fold, key):
            known.append(key)
        else:
            new.append(result)
    known.sort()
    return (*(fold.results[key] for key in known), *new)


def _is_known(fold: Fold, key: GroupKey) -> bool:
    placed = fold.placed.get(key)
    return placed is not None and (placed.placed or key not in fold.given.groups)


def _release(fold: Fold) -> list[GroupKey]:
    """Settle the groups that ask for no capacity, in order of their keys; return those that have to queue."""
    given = fold.given
    involved = _in_transfers(given.transfers)
    queued = []
    for key in sorted(given.placed):
        group = given.groups.get(key)
        # That is the key of an unreadable file, on which `decide_file` decides.
        if group is None and key in given.passed_over:
            continue
        if key in given.left.groups:
            # It waits for capacity, and keeps its record as it is until the next cycle.
            continue
        if _must_queue(fold, key, group, involved):
            queued.append(key)
            continue
        released = _without_capacity(fold, key)
        if released is None and key in given.left.updates:
            released = _as_it_is(fold, key)
        if released is None:
            queued.append(key)
            continue
        note(fold, released)
    # A group on which nothing was decided yet asks for its first place.
    for key in given.groups:
        if key not in given.placed and key not in given.left.groups:
            queued.append(key)
    return queued


def _as_it_is(fold: Fold, key: GroupKey) -> Admitted:
    """Return the result of a placed group whose update waits for the next cycle: all stays, its reason as well."""
    placed = fold.placed[key]
    same = Written(placed.reason, placed.message)
    return result_of(fold, view_of(fold), Transition(key, TransitionKind.KEEP, same))


def _in_transfers(transfers: Iterable[Transfer]) -> set[GroupKey]:
    """Return the groups that give objects to another one, or take some."""
    involved = set()
    for transfer in transfers:
        involved.add(transfer.giver)
        involved.add(transfer.taker)
    return involved


def _must_queue(
    fold: Fold,
    key: GroupKey,
    group: Group | None,
    involved: Collection[GroupKey],
) -> bool:
    """Tell whether a group with a record has to queue, whatever its transition is."""
    if key in involved:
        return True
    # A job on a RayCluster of another group may have to follow that one.
    if key in fold.state.ray_clusters.jobs:
        return True
    return group is not None and not fold.given.placed[key].placed


def _without_capacity(fold: Fold, key: GroupKey) -> Admitted | None:
    """Return what becomes of a group that asks for no capacity; None for one that has to queue."""
    view = view_of(fold)
    situation = situation_of(fold, view, key)
    transition = transition_of(situation)
    # Only an update may ask for capacity: what is kept, or retired, needs none.
    if transition.kind is not TransitionKind.UPDATE:
        return result_of(fold, view, transition)
    request = request_of(fold, transition, fold.current.get(key))
    group = request.group
    clusters = fold.given.clusters
    state = fold.state
    extra = state.ray_clusters.filters(key)
    eligibility = clusters.filters.eligible(group, extra)
    try:
        targets = targets_of(
            group,
            request.objects,
            request.copies,
            eligibility,
            clusters.applier(group),
            clusters.labels,
        )
    except InvalidObject as error:
        return result_of(fold, view, refused(view, transition, error))
    # A group that lacks a domain waits as one that lacks capacity does, so both queue.
    if targets.needs_capacity or targets.missing:
        return None
    assignment, fold.state = assign_targets(
        request,
        targets,
        eligibility,
        clusters,
        state,
    )
    return result_of(fold, view, transition, assignment)


def _queue(fold: Fold, queued: Iterable[GroupKey]) -> list[GroupKey]:
    """Return `queued` in the order in which they ask.

    A job comes after the group that has its RayCluster, and a group that gives objects away after the group that asks
    for them.
    """
    wanted = set(queued)
    queue = [key for key in fold.given.groups if key in wanted]
    # Groups that are asked for no more, and that still have what another group asks for.
    queue += sorted(wanted - fold.given.groups.keys())
    after: dict[GroupKey, set[GroupKey]] = {}
    for key in queue:
        after[key] = set(fold.state.ray_clusters.after(key))
    for transfer in fold.given.transfers:
        after[transfer.giver].add(transfer.taker)
    return in_order(queue, after)


def _go_through(fold: Fold, order: Sequence[GroupKey]) -> None:
    """Settle groups in order; those that can only be placed with borrowed quota come after all others."""
    borrowers = []
    for key in order:
        if _must_borrow(fold, fold.given.groups.get(key)):
            borrowers.append(key)
        else:
            settle(fold, key)
    for key in borrowers:
        settle(fold, key)


def _must_borrow(fold: Fold, group: Group | None) -> bool:
    """Tell whether a group fits its tenant's quota only with what other tenants lend, as things are now."""
    if group is None or not limited(group.tenant):
        return False
    return fold.state.usage.must_borrow(group)
