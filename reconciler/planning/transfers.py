"""The state in which other groups have let objects go to the group that asks for them now.

A taker that can be in the giver's place uses the capacity and the quota that the giver used. Where it cannot, the
giver's capacity is free, and the taker must find some for the objects.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Collection, Iterable
from dataclasses import replace

from reconciler.lifecycle.ownership import (
    Transfer,
    also_moved,
    moved_from,
    moved_to,
    taken_over,
    without,
)
from reconciler.manifests.identity import ObjectKey
from reconciler.placement.assign import usage_of
from reconciler.placement.cluster_state import ClusterState
from reconciler.placement.placed_group import PlacedGroup
from reconciler.placement.quota import limited
from reconciler.placement.request import AdmissionState
from reconciler.planning.assumed_copies import assumed_copy
from reconciler.planning.fold_state import Fold, View, view_of
from reconciler.reasons.changes import Moved
from reconciler.workloads.group import Group, GroupKey


def with_transfers(
    fold: Fold,
    transfers: Iterable[Transfer],
    keys: Collection[ObjectKey],
) -> View:
    """Return what the taker is settled on once the givers have let the objects `keys` go: in its place, or nowhere."""
    view = view_of(fold)
    for transfer in transfers:
        view = _let_go(fold, view, transfer)
    # While the taker is settled, no group has the objects: else they would count as held by their givers.
    unheld: dict[ObjectKey, GroupKey | None] = dict.fromkeys(keys)
    return replace(
        view,
        desired=fold.desired.letting_go(keys),
        holders=ChainMap(unheld, *view.holders.maps),
    )


def _let_go(
    fold: Fold,
    view: View,
    transfer: Transfer,
) -> View:
    """Return the view in which the giver of one transfer has let its objects go."""
    giver = transfer.giver
    taker = transfer.taker
    keys = transfer.keys
    group = fold.given.groups[taker]
    after = _taker_in_place(fold, view, transfer, group)
    giving = view.placed[giver]
    view.placed[giver] = without(giving, keys)
    _also_moved(view, giver, moved_to(keys, taker))
    had = view.current[giver]
    left = without(had, keys)
    if after is not None:
        view.placed[taker] = after
        view.current[taker] = after
        _also_moved(view, taker, moved_from(keys, giver))
        state = _reassigned(view.state, group, left, after)
    else:
        # The taker has to find capacity for the objects, for which that of the giver counts as free.
        state = _released(view.state, group, had, left)
    view.current[giver] = left
    return replace(view, state=state)


def _also_moved(
    view: View,
    key: GroupKey,
    move: Moved,
) -> None:
    known = view.why.get(key)
    view.why[key] = also_moved(known, move)


def _taker_in_place(
    fold: Fold,
    view: View,
    transfer: Transfer,
    group: Group,
) -> PlacedGroup | None:
    """Return the taker with the objects where the giver has them; None where it cannot be there."""
    known = view.placed.get(transfer.taker)
    if known is not None and not known.placed:
        # A Placement of a group that waits has no copies, so there is nothing to add the objects to.
        known = None
    giver = view.placed[transfer.giver]
    now = fold.given.clock.now
    return taken_over(transfer, group, known, giver, now)


def _reassigned(
    state: AdmissionState,
    group: Group,
    giver: PlacedGroup,
    taker: PlacedGroup,
) -> AdmissionState:
    """Return the state in which copies of two groups on the same clusters are divided between them anew.

    They use the capacity that they used before, so no cluster is computed anew.
    """
    fleet = state.fleet
    left = {copy.cluster: copy for copy in giver.copies}
    for copy in taker.copies:
        cluster = fleet.cluster(copy.cluster)
        # A cluster that cannot be read has no capacity to divide.
        if not isinstance(cluster, ClusterState):
            continue
        copies = [assumed_copy(taker, copy)]
        if copy.cluster in left:
            still_there = left[copy.cluster]
            copies.append(assumed_copy(giver, still_there))
        changed = cluster.reassigned((giver.key, taker.key), copies)
        fleet = fleet.with_cluster(changed)
    reassigned = replace(state, fleet=fleet)
    return _charged_anew(reassigned, group, giver, taker)


def _released(
    state: AdmissionState,
    group: Group,
    before: PlacedGroup,
    after: PlacedGroup,
) -> AdmissionState:
    """Return the state in which a group has the copies of `after` only."""
    fleet = state.fleet
    left = {copy.cluster: copy for copy in after.copies}
    for old in before.copies:
        cluster = fleet.cluster(old.cluster)
        # A cluster that cannot be read has no capacity to give back.
        if not isinstance(cluster, ClusterState):
            continue
        copy = left.get(old.cluster)
        if copy is None:
            fleet = fleet.with_cluster(cluster.release(after.key))
            continue
        smaller = assumed_copy(after, copy)
        fleet = fleet.with_cluster(cluster.replace_assumed(smaller))
    released = replace(state, fleet=fleet)
    return _charged_anew(released, group, after)


def _charged_anew(
    state: AdmissionState, group: Group, *changed: PlacedGroup
) -> AdmissionState:
    """Return the state in which groups of the namespace of `group` are charged for what they have, and have it."""
    usage = state.usage
    ray_clusters = state.ray_clusters
    for placed in changed:
        # Giver and taker are in one namespace, so the tenant of `group` is that of both.
        if limited(group.tenant):
            used = usage_of(placed.copies)
            usage = usage.add_usage(placed.key, group.tenant, used)
        ray_clusters = ray_clusters.with_copies(placed.key, placed.copies)
    return replace(state, usage=usage, ray_clusters=ray_clusters)
