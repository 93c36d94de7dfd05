"""One step of the fold over the groups of a plan: settles a group on the state that the groups before it left.

A group is settled by its transition, and where that asks for capacity, by what the fleet and its tenant's quota allow.
Objects that another group has move to it in the same step, or stay where they are.
"""

from __future__ import annotations

from collections import ChainMap, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from reconciler.errors import InvalidObject
from reconciler.fleet.settings import Fairness
from reconciler.lifecycle.desired import DesiredState
from reconciler.lifecycle.observe import CopyStatus, observe_updated, with_results
from reconciler.lifecycle.ownership import (
    Transfer,
    also_moved,
    moved_from,
    moved_to,
    taken_over,
    without,
)
from reconciler.lifecycle.transitions import Situation, Transition, transition_of
from reconciler.manifests.identity import ObjectKey
from reconciler.placement.assign import Clusters, assign, usage_of
from reconciler.placement.assumed_pods import AssumedCopy
from reconciler.placement.cluster_state import ClusterState
from reconciler.placement.decision import TransitionKind
from reconciler.placement.hold_window import reserve_capacity, window_at
from reconciler.placement.placed_group import PlacedGroup, waiting_since
from reconciler.placement.quota import limited
from reconciler.placement.request import AdmissionState, Assignment, PlacementRequest
from reconciler.planning.admitted import Admitted, Clock
from reconciler.planning.decide import decide
from reconciler.reasons.changes import Regrouped
from reconciler.reasons.reason import Reason
from reconciler.reasons.transitions import CannotDeploy, TransferRefused
from reconciler.workloads.cluster_copy import ClusterCopy
from reconciler.workloads.group import Group, GroupKey


@dataclass(frozen=True, slots=True)
class Admission:
    """What the fold starts from, fixed for the whole plan.

    `groups` are in queue order. `before` are the committed states of groups, `placed` the same with the results that
    are observed, and `statuses` what else is. `passed_over` are groups without manifests that are
    reported under a file.
    """

    groups: Mapping[GroupKey, Group]
    before: Mapping[GroupKey, PlacedGroup]
    placed: Mapping[GroupKey, PlacedGroup]
    statuses: Mapping[GroupKey, tuple[CopyStatus, ...]]
    transfers: tuple[Transfer, ...]
    unread: Mapping[GroupKey, Reason]
    passed_over: Collection[GroupKey]
    clusters: Clusters
    fairness: Fairness
    clock: Clock


@dataclass(slots=True)
class Fold:
    """The fold while it runs: `state` is replaced by each step, the rest is what the steps left so far.

    `placed` are the groups as transfers leave them, and `why` says what these changed; `current` the same groups with
    what this plan gave them, once groups are looked at `again`. `holders` is the group that has each object with pods,
    None where no group has it any more. `namespaces` are those of all groups. `results` are in the order in which
    groups were settled.
    """

    given: Admission
    desired: DesiredState
    state: AdmissionState
    holders: dict[ObjectKey, GroupKey | None]
    namespaces: frozenset[str]
    placed: dict[GroupKey, PlacedGroup]
    current: dict[GroupKey, PlacedGroup]
    why: dict[GroupKey, Regrouped]
    transfers: dict[GroupKey, list[Transfer]]
    results: dict[GroupKey, Admitted] = field(default_factory=dict)
    again: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """What a group is settled on: the fold as it is, or as it would be once other groups have let objects go.

    What it has otherwise than the fold lies in the first map of each.
    """

    state: AdmissionState
    desired: DesiredState
    placed: ChainMap[GroupKey, PlacedGroup]
    current: ChainMap[GroupKey, PlacedGroup]
    why: ChainMap[GroupKey, Regrouped]
    holders: ChainMap[ObjectKey, GroupKey | None]


def view_of(fold: Fold) -> View:
    """Return the fold as it is."""
    return View(
        fold.state,
        fold.desired,
        ChainMap({}, fold.placed),
        ChainMap({}, fold.current),
        ChainMap({}, fold.why),
        ChainMap({}, fold.holders),
    )


def settle(fold: Fold, key: GroupKey) -> None:
    """Settle one group. What another group has of it moves to it, or stays there and says why."""
    if key in fold.transfers and _transferred(fold, key):
        return
    result, fold.state = _attempt(fold, view_of(fold), key)
    note(fold, result)


def _transferred(fold: Fold, taker: GroupKey) -> bool:
    """Settle a group with the objects that it takes from others, and tell whether it gets a place for all of them.

    Where it does not, nothing is changed but the reason why these objects stay.
    """
    transfers = fold.transfers[taker]
    keys = frozenset(item for transfer in transfers for item in transfer.keys)
    view = _with_transfers(fold, transfers, keys)
    result, state = _attempt(fold, view, taker)
    has_place = {item.key for copy in result.copies for item in copy.admitted}
    if not keys <= has_place:
        refusal = decide(replace(result, why=None), fold.given.clock)
        why = TransferRefused(str(taker), refusal.reason, refusal.message)
        fold.desired = fold.desired.keeping(dict.fromkeys(keys, why))
        return False
    fold.placed.update(view.placed.maps[0])
    fold.current.update(view.current.maps[0])
    fold.why.update(view.why.maps[0])
    fold.state, fold.desired = state, view.desired
    del fold.transfers[taker]
    note(fold, result)
    for giver in sorted({transfer.giver for transfer in transfers}):
        # A giver that was settled before has something to let go now.
        if giver in fold.results:
            settle(fold, giver)
    return True


def _with_transfers(
    fold: Fold, transfers: Iterable[Transfer], keys: frozenset[ObjectKey]
) -> View:
    """Return what the taker is settled on once the givers have let the objects go: in its place, or nowhere."""
    here = view_of(fold)
    state = here.state
    for transfer in transfers:
        giver, taker = transfer.giver, transfer.taker
        group, now = fold.given.groups[taker], fold.given.clock.now
        known = here.placed.get(taker)
        after = taken_over(
            transfer,
            group,
            known if known is not None and known.placed else None,
            here.placed[giver],
            now,
        )
        here.placed[giver] = without(here.placed[giver], transfer.keys)
        here.why[giver] = also_moved(
            here.why.get(giver), moved_to(transfer.keys, taker)
        )
        left = without(here.current[giver], transfer.keys)
        if after is not None:
            here.placed[taker] = here.current[taker] = after
            here.why[taker] = also_moved(
                here.why.get(taker), moved_from(transfer.keys, giver)
            )
            state = _reassigned(state, group, left, after)
        else:
            state = _released(state, group, here.current[giver], left)
        here.current[giver] = left
    unheld: dict[ObjectKey, GroupKey | None] = dict.fromkeys(keys)
    return replace(
        here,
        state=state,
        desired=fold.desired.letting_go(keys),
        holders=ChainMap(unheld, *here.holders.maps),
    )


def _reassigned(
    state: AdmissionState, group: Group, giver: PlacedGroup, taker: PlacedGroup
) -> AdmissionState:
    """Return the state in which copies of two groups on the same clusters are divided between them anew.

    They use the capacity that they used before, so no cluster is computed anew.
    """
    fleet = state.fleet
    left = {copy.cluster: copy for copy in giver.copies}
    for copy in taker.copies:
        cluster = fleet.cluster(copy.cluster)
        if not isinstance(cluster, ClusterState):
            continue
        copies = [assumed_copy(taker, copy)]
        if copy.cluster in left:
            copies.append(assumed_copy(giver, left[copy.cluster]))
        fleet = fleet.with_cluster(cluster.reassigned((giver.key, taker.key), copies))
    return _charged_anew(replace(state, fleet=fleet), group, giver, taker)


def _released(
    state: AdmissionState, group: Group, before: PlacedGroup, after: PlacedGroup
) -> AdmissionState:
    """Return the state in which a group has the copies of `after` only."""
    fleet = state.fleet
    left = {copy.cluster: copy for copy in after.copies}
    for old in before.copies:
        cluster = fleet.cluster(old.cluster)
        if not isinstance(cluster, ClusterState):
            continue
        copy = left.get(old.cluster)
        changed = (
            cluster.release(after.key)
            if copy is None
            else cluster.replace_assumed(assumed_copy(after, copy))
        )
        fleet = fleet.with_cluster(changed)
    return _charged_anew(replace(state, fleet=fleet), group, after)


def _charged_anew(
    state: AdmissionState, group: Group, *changed: PlacedGroup
) -> AdmissionState:
    """Return the state in which groups of the namespace of `group` are charged for what they have, and have it."""
    usage, ray_clusters = state.usage, state.ray_clusters
    for placed in changed:
        if limited(group.tenant):
            usage = usage.add_usage(placed.key, group.tenant, usage_of(placed.copies))
        ray_clusters = ray_clusters.with_copies(placed.key, placed.copies)
    return replace(state, usage=usage, ray_clusters=ray_clusters)


def _attempt(fold: Fold, view: View, key: GroupKey) -> tuple[Admitted, AdmissionState]:
    """Return what becomes of a group in the state of `view`, and the state with that."""
    transition = transition_of(situation_of(fold, view, key))
    if transition.objects is None:
        return result_of(fold, view, transition), view.state
    request = request_of(fold, transition, view.current.get(key))
    try:
        assignment, state = assign(request, fold.given.clusters, view.state)
    except InvalidObject as error:
        return result_of(fold, view, refused(view, transition, error)), view.state
    assignment, state = with_hold(fold, request, assignment, state)
    return result_of(fold, view, transition, assignment), state


def with_hold(
    fold: Fold, request: PlacementRequest, made: Assignment, state: AdmissionState
) -> tuple[Assignment, AdmissionState]:
    """Reserve capacity for what a request waits for, if it has waited long enough."""
    since = request.waiting_since
    if not made.pending or since is None:
        return made, state
    window = window_at(fold.given.fairness, since, fold.given.clock.now)
    if window is None:
        return made, state
    eligible = fold.given.clusters.filters.eligible(request.group).clusters
    order = {name: position for position, name in enumerate(eligible)}
    held, fleet = reserve_capacity(
        state.fleet, request.key, made.pending, order, since, window, fold.namespaces
    )
    return replace(made, held=held), replace(state, fleet=fleet)


def situation_of(fold: Fold, view: View, key: GroupKey) -> Situation:
    """Return what the transition of a group follows from."""
    group = fold.given.groups.get(key)
    return Situation(
        key,
        group,
        view.current.get(key),
        view.desired,
        fold.given.unread.get(key),
        view.state.ray_clusters.unmet(key) if group is not None else None,
        view.holders,
    )


def request_of(
    fold: Fold, transition: Transition, current: PlacedGroup | None
) -> PlacementRequest:
    """Return what a group that is `current` now asks of the fleet, to carry out its transition."""
    since: float | None = waiting_since(current)
    if since is None and fold.again:
        # The next plan finds that it waits since this one.
        since = float(int(fold.given.clock.now))
    return PlacementRequest(
        fold.given.groups[transition.key],
        transition.objects.objects if transition.objects else (),
        current.copies if current else (),
        update=current is not None and current.placed,
        waiting_since=since,
    )


def refused(view: View, transition: Transition, error: InvalidObject) -> Transition:
    """Return the transition of a group whose overrides do not apply, or that cannot be divided."""
    placed = view.placed.get(transition.key)
    if placed is not None and placed.placed:
        why = CannotDeploy("InvalidObject", str(error), admitted=True)
        return Transition(transition.key, TransitionKind.KEEP, why)
    return Transition(
        transition.key, TransitionKind.REJECT, CannotDeploy("InvalidObject", str(error))
    )


def result_of(
    fold: Fold, view: View, transition: Transition, assignment: Assignment | None = None
) -> Admitted:
    """Return what becomes of a group; `assignment` is None where nothing was asked of the fleet."""
    key = transition.key
    placed = view.placed.get(key)
    if assignment is not None and placed is not None and placed.placed:
        # What an update takes away may have been all that had not ended yet.
        ends = observe_updated(assignment.copies, placed.copies, view.state.fleet)
        assignment = replace(assignment, copies=with_results(assignment.copies, ends))
    return Admitted(
        transition,
        fold.given.groups.get(key),
        fold.given.before.get(key),
        placed,
        fold.given.statuses.get(key, ()),
        assignment,
        view.why.get(key),
    )


def note(fold: Fold, result: Admitted) -> None:
    """Keep a result: the group has the objects that it leaves it, and its tenant is charged for them."""
    key = result.key
    current = fold.current.get(key)
    for item in current.admitted if current else ():
        if fold.holders.get(item.key) == key:
            fold.holders[item.key] = None
    for copy in result.copies:
        for item in copy.admitted:
            if item.demand is not None:
                fold.holders[item.key] = key
    group = result.group
    if group is not None and limited(group.tenant):
        usage = fold.state.usage.add_usage(key, group.tenant, usage_of(result.copies))
        fold.state = replace(fold.state, usage=usage)
    fold.results[key] = result


def assumed_copies(
    placements: Mapping[GroupKey, PlacedGroup], stays: Collection[GroupKey]
) -> dict[str, list[AssumedCopy]]:
    """Return by cluster the copies of the groups that stay, in order of their keys; their capacity is not free."""
    found: dict[str, list[AssumedCopy]] = defaultdict(list)
    for key in sorted(stays):
        group = placements[key]
        for copy in group.copies:
            found[copy.cluster].append(assumed_copy(group, copy))
    return found


def assumed_copy(group: PlacedGroup, copy: ClusterCopy) -> AssumedCopy:
    """Return a copy as the capacity of its cluster sees it."""
    return AssumedCopy(
        group.key, copy.deployed, copy.job_result is not None, copy.since
    )
