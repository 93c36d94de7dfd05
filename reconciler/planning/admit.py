"""Admits the groups of a plan one after another, in the order of the queue: a fold over capacity and quota.

What asks for no capacity comes first, so that what it releases is there for the others. Then come the groups that ask
for some, updates and new groups in one queue. A request that is refused notes what it waits for, and is looked at again
(`planning.requeue`) when just that has changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from reconciler.errors import InvalidObject
from reconciler.lifecycle.desired import DesiredState
from reconciler.lifecycle.ownership import Transfer
from reconciler.lifecycle.transitions import Transition, transition_of
from reconciler.manifests.identity import ObjectKey
from reconciler.placement.assign import assign_targets
from reconciler.placement.decision import TransitionKind
from reconciler.placement.quota import limited
from reconciler.placement.request import AdmissionState
from reconciler.placement.targets import targets_of
from reconciler.planning.admitted import Admitted
from reconciler.planning.fold import (
    Admission,
    Fold,
    View,
    note,
    refused,
    request_of,
    result_of,
    settle,
    situation_of,
    view_of,
)
from reconciler.planning.queue_order import in_order
from reconciler.planning.requeue import requeue
from reconciler.workloads.group import GroupKey


def admit(
    given: Admission, desired: DesiredState, state: AdmissionState
) -> tuple[Admitted, ...]:
    """Return what becomes of every group: first those that ask for no capacity, then those that do, in queue order."""
    holders: dict[ObjectKey, GroupKey | None] = {}
    for key, group in given.placed.items():
        if group.placed:
            holders.update(
                {item.key: key for item in group.admitted if item.demand is not None}
            )
    fold = Fold(
        given=given,
        desired=desired,
        state=state,
        holders=holders,
        namespaces=frozenset(key.namespace for key in (*given.groups, *given.placed)),
        placed=dict(given.placed),
        current=dict(given.placed),
        why={},
        transfers=_by_taker(given.transfers),
    )
    involved = {transfer.giver for transfer in given.transfers} | {
        transfer.taker for transfer in given.transfers
    }
    queued = _release(fold, involved)
    _go_through(fold, _queue(fold, queued))
    requeue(fold)
    return _as_told(fold)


def _as_told(fold: Fold) -> tuple[Admitted, ...]:
    """Return the results: groups that had a place or are gone by their keys, then the others in queue order."""
    known = [key for key in fold.results if _is_known(fold, key)]
    new = [key for key in fold.results if not _is_known(fold, key)]
    return tuple(fold.results[key] for key in (*sorted(known), *new))


def _is_known(fold: Fold, key: GroupKey) -> bool:
    placed = fold.placed.get(key)
    return placed is not None and (placed.placed or key not in fold.given.groups)


def _by_taker(transfers: Iterable[Transfer]) -> dict[GroupKey, list[Transfer]]:
    found: dict[GroupKey, list[Transfer]] = defaultdict(list)
    for transfer in transfers:
        found[transfer.taker].append(transfer)
    return dict(found)


def _release(fold: Fold, involved: Collection[GroupKey]) -> list[GroupKey]:
    """Settle the groups that ask for no capacity, in order of their keys; return those that have to queue."""
    given = fold.given
    queued = []
    for key in sorted(given.placed):
        placed = given.placed[key]
        group = given.groups.get(key)
        if group is None and key in given.passed_over:
            continue
        # A job on a RayCluster of another group may have to follow that one.
        follows = key in fold.state.ray_clusters.jobs
        if key in involved or follows or (group is not None and not placed.placed):
            queued.append(key)
            continue
        view = view_of(fold)
        transition = transition_of(situation_of(fold, view, key))
        made = (
            _without_capacity(fold, view, transition)
            if transition.kind is TransitionKind.UPDATE
            else None
        )
        if transition.kind is TransitionKind.UPDATE and made is None:
            queued.append(key)
            continue
        note(fold, made or result_of(fold, view, transition))
    queued += [key for key in given.groups if key not in given.placed]
    return queued


def _without_capacity(
    fold: Fold, view: View, transition: Transition
) -> Admitted | None:
    """Return an update that asks for no capacity, carried out; None for one that has to queue."""
    request = request_of(fold, transition, fold.current.get(transition.key))
    clusters, state = fold.given.clusters, fold.state
    eligibility = clusters.filters.eligible(
        request.group, state.ray_clusters.filters(transition.key)
    )
    try:
        targets = targets_of(
            request.group,
            request.objects,
            request.copies,
            eligibility,
            clusters.applier(request.group),
            clusters.labels,
        )
    except InvalidObject as error:
        return result_of(fold, view, refused(view, transition, error))
    if targets.needs_capacity or targets.missing:
        return None
    assignment, fold.state = assign_targets(
        request, targets, eligibility, clusters, state
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
    after: dict[GroupKey, set[GroupKey]] = {
        key: set(fold.state.ray_clusters.after(key)) for key in queue
    }
    for transfer in fold.given.transfers:
        after[transfer.giver].add(transfer.taker)
    return in_order(queue, after)


def _go_through(fold: Fold, order: Sequence[GroupKey]) -> None:
    """Settle groups in order; those that can only be placed with borrowed quota come after all others."""
    borrowers = []
    for key in order:
        group = fold.given.groups.get(key)
        if (
            group is not None
            and limited(group.tenant)
            and fold.state.usage.must_borrow(group)
        ):
            borrowers.append(key)
        else:
            settle(fold, key)
    for key in borrowers:
        settle(fold, key)
