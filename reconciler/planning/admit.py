"""Admits the groups of a plan one after another, in the order of the queue: a fold over capacity and quota.

What asks for no capacity comes first, so that what it releases is there for the others. A request that is refused notes
what it waits for, and only a change of just that brings it back: it is then looked at again as the next plan of an
unchanged world would find it, so that the plan of a plan's result is empty.
"""

from __future__ import annotations

from collections import ChainMap, defaultdict
from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from heapq import heappop, heappush

from reconciler.errors import InvalidObject
from reconciler.fleet.settings import Fairness
from reconciler.lifecycle.desired import DesiredState
from reconciler.lifecycle.observe import CopyStatus, observe_updated, with_results
from reconciler.lifecycle.ownership import Transfer, also_moved, moved_to, without
from reconciler.lifecycle.transitions import Situation, Transition, transition_of
from reconciler.manifests.identity import ObjectKey
from reconciler.placement.assign import Clusters, assign, assign_targets, usage_of
from reconciler.placement.assumed_pods import AssumedCopy
from reconciler.placement.cluster_state import ClusterState
from reconciler.placement.decision import TransitionKind
from reconciler.placement.hold_window import reserve_capacity, window_at
from reconciler.placement.placed_group import PlacedGroup, waiting_since
from reconciler.placement.quota import limited
from reconciler.placement.request import AdmissionState, Assignment, PlacementRequest, WaitsFor
from reconciler.placement.targets import targets_of
from reconciler.planning.admitted import Admitted, Clock
from reconciler.planning.decide import decide
from reconciler.reasons.changes import Regrouped
from reconciler.reasons.quota import EXCEEDED
from reconciler.reasons.ray_clusters import NOT_PLACED
from reconciler.reasons.reason import Reason
from reconciler.reasons.transitions import CannotDeploy, HeldByAnotherGroup, TransferRefused
from reconciler.workloads.cluster_copy import ClusterCopy
from reconciler.workloads.group import Group, GroupKey


@dataclass(frozen=True, slots=True)
class Admission:
    """What the fold starts from, fixed for the whole plan.

    `groups` are in queue order. `before` are the committed states of groups, `placed` the same with the objects that
    ownership gives and takes and with what is observed: `statuses`. `why` is what ownership says of them. `transfers` are to be decided here. `passed_over` are
    groups without manifests that are reported under a file of their own. `clock` is the time of the plan.
    """

    groups: Mapping[GroupKey, Group]
    before: Mapping[GroupKey, PlacedGroup]
    placed: Mapping[GroupKey, PlacedGroup]
    statuses: Mapping[GroupKey, tuple[CopyStatus, ...]]
    why: Mapping[GroupKey, Regrouped]
    transfers: tuple[Transfer, ...]
    unread: Mapping[GroupKey, Reason]
    passed_over: Collection[GroupKey]
    clusters: Clusters
    fairness: Fairness
    clock: Clock


@dataclass(slots=True)
class _Fold:
    """The fold while it runs: `state` is replaced by each step, the rest is what the steps left so far.

    `placed` are the groups as transfers leave them; `current` the same with what this plan gave them, once groups are
    looked at again. `holders` is the group that has each object with pods, None where no group has it any more.
    """

    given: Admission
    desired: DesiredState
    state: AdmissionState
    holders: MutableMapping[ObjectKey, GroupKey | None]
    namespaces: frozenset[str]
    placed: dict[GroupKey, PlacedGroup]
    current: dict[GroupKey, PlacedGroup]
    why: dict[GroupKey, Regrouped]
    transfers: dict[GroupKey, list[Transfer]]
    results: dict[GroupKey, Admitted] = field(default_factory=dict)
    again: bool = False


def admit(given: Admission, desired: DesiredState, state: AdmissionState) -> tuple[Admitted, ...]:
    """Return what becomes of every group: first those that ask for no capacity, then those that do, in queue order."""
    holders: dict[ObjectKey, GroupKey | None] = {}
    for key, group in given.placed.items():
        if group.placed:
            holders.update({item.key: key for item in group.admitted if item.demand is not None})
    fold = _Fold(
        given=given,
        desired=desired,
        state=state,
        holders=holders,
        namespaces=frozenset(key.namespace for key in (*given.groups, *given.placed)),
        placed=dict(given.placed),
        current=dict(given.placed),
        why=dict(given.why),
        transfers=_by_taker(given.transfers),
    )
    involved = {transfer.giver for transfer in given.transfers} | {transfer.taker for transfer in given.transfers}
    queued = _release(fold, involved)
    order = _in_order(fold, queued)
    _go_through(fold, order)
    _requeue(fold)
    return _as_told(fold)


def _as_told(fold: _Fold) -> tuple[Admitted, ...]:
    """Return the results: groups that had a place or are gone by their keys, then the others in queue order."""
    known = [key for key in fold.results if _is_known(fold, key)]
    new = [key for key in fold.results if not _is_known(fold, key)]
    return tuple(fold.results[key] for key in (*sorted(known), *new))


def _is_known(fold: _Fold, key: GroupKey) -> bool:
    placed = fold.given.placed.get(key)
    return placed is not None and (placed.placed or key not in fold.given.groups)


def _by_taker(transfers: Iterable[Transfer]) -> dict[GroupKey, list[Transfer]]:
    found: dict[GroupKey, list[Transfer]] = defaultdict(list)
    for transfer in transfers:
        found[transfer.taker].append(transfer)
    return dict(found)


# -- what asks for no capacity


def _release(fold: _Fold, involved: Collection[GroupKey]) -> list[GroupKey]:
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
        view = _View(fold.state, fold.desired, fold.current, fold.holders)
        transition = transition_of(_situation(fold, view, key))
        made = _without_capacity(fold, key, transition) if transition.kind is TransitionKind.UPDATE else None
        if transition.kind is TransitionKind.UPDATE and made is None:
            queued.append(key)
            continue
        _note(fold, made or _result(fold, key, transition))
    queued += [key for key in given.groups if key not in given.placed]
    return queued


def _without_capacity(fold: _Fold, key: GroupKey, transition: Transition) -> Admitted | None:
    """Return an update that asks for no capacity, carried out; None for one that has to queue."""
    request = _request(fold, transition, fold.current.get(key))
    clusters, state = fold.given.clusters, fold.state
    eligibility = clusters.filters.eligible(request.group, state.ray_clusters.filters(key))
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
        return _result(fold, key, _refused(fold, transition, error))
    if targets.needs_capacity or targets.missing:
        return None
    assignment, fold.state = assign_targets(request, targets, eligibility, clusters, state)
    return _result(fold, key, transition, assignment)


# -- the queue


def _in_order(fold: _Fold, queued: Iterable[GroupKey]) -> list[GroupKey]:
    """Return `queued` in queue order, each after the groups that must be settled before it.

    A job comes after the group that has its RayCluster, and a group that gives objects away after those that ask for
    them. Groups that wait for one another in a circle come last.
    """
    wanted = set(queued)
    queue = [key for key in fold.given.groups if key in wanted]
    # Groups that are asked for no more, and that still have what another group asks for.
    queue += sorted(wanted - fold.given.groups.keys())
    before: dict[GroupKey, set[GroupKey]] = {key: set() for key in queue}
    for key in queue:
        before[key] |= fold.state.ray_clusters.after(key) & wanted - {key}
    for transfer in fold.given.transfers:
        before[transfer.giver].add(transfer.taker)
    if not any(before.values()):
        return queue
    rank = {key: position for position, key in enumerate(queue)}
    sorter = TopologicalSorter(before)
    try:
        sorter.prepare()
    except CycleError:
        # No order satisfies all of them: the second look at those that were refused settles what can be.
        return queue
    ordered: list[GroupKey] = []
    ready: list[int] = []
    while sorter.is_active():
        for key in sorter.get_ready():
            heappush(ready, rank[key])
        first = queue[heappop(ready)]
        ordered.append(first)
        sorter.done(first)
    return ordered


def _go_through(fold: _Fold, order: Sequence[GroupKey]) -> None:
    """Settle groups in order; those that can only be placed with borrowed quota come after all others."""
    borrowers = []
    for key in order:
        group = fold.given.groups.get(key)
        if group is not None and limited(group.tenant) and fold.state.usage.must_borrow(group):
            borrowers.append(key)
        else:
            _settle(fold, key)
    for key in borrowers:
        _settle(fold, key)


def _settle(fold: _Fold, key: GroupKey) -> None:
    """Settle one group. What another group has of it moves to it, or stays there and says why."""
    if key in fold.transfers and _transferred(fold, key):
        return
    result, fold.state = _attempt(fold, _View(fold.state, fold.desired, fold.current, fold.holders), key)
    _note(fold, result)


def _transferred(fold: _Fold, taker: GroupKey) -> bool:
    """Settle a group with the objects that it takes from others, and tell whether it gets a place for all of them.

    Where it does not, nothing is changed but the reason why these objects stay.
    """
    transfers = fold.transfers[taker]
    keys = frozenset(item for transfer in transfers for item in transfer.keys)
    current, state = dict(fold.current), fold.state
    for transfer in transfers:
        left = without(current[transfer.giver], transfer.keys)
        state = _released(state, current[transfer.giver], left)
        current[transfer.giver] = left
    unheld: dict[ObjectKey, GroupKey | None] = dict.fromkeys(keys)
    desired = fold.desired.letting_go(keys)
    view = _View(state, desired, current, ChainMap(unheld, fold.holders))
    result, state = _attempt(fold, view, taker)
    moved = {item.key for copy in result.copies for item in copy.admitted}
    if not keys <= moved:
        refusal = decide(result, fold.given.clock)
        why = TransferRefused(str(taker), refusal.reason, refusal.message)
        fold.desired = fold.desired.keeping(dict.fromkeys(keys, why))
        return False
    fold.current, fold.state, fold.desired = current, state, desired
    del fold.transfers[taker]
    _note(fold, result)
    for transfer in transfers:
        giver = transfer.giver
        fold.placed[giver] = without(fold.placed[giver], transfer.keys)
        fold.why[giver] = also_moved(fold.why.get(giver), moved_to(transfer.keys, taker))
        if giver in fold.results:
            _settle(fold, giver)
    return True


def _released(state: AdmissionState, before: PlacedGroup, after: PlacedGroup) -> AdmissionState:
    """Return the state in which a group has the copies of `after` only."""
    fleet = state.fleet
    left = {copy.cluster: copy for copy in after.copies}
    for old in before.copies:
        cluster = fleet.cluster(old.cluster)
        if not isinstance(cluster, ClusterState):
            continue
        copy = left.get(old.cluster)
        changed = cluster.release(after.key) if copy is None else cluster.replace_assumed(_assumed(after, copy))
        fleet = fleet.with_cluster(changed)
    return replace(state, fleet=fleet, ray_clusters=state.ray_clusters.with_copies(after.key, after.copies))


@dataclass(frozen=True, slots=True)
class _View:
    """What a group is settled on: the fold as it is, or as it would be once other groups have let objects go."""

    state: AdmissionState
    desired: DesiredState
    current: Mapping[GroupKey, PlacedGroup]
    holders: Mapping[ObjectKey, GroupKey | None]


def _attempt(fold: _Fold, view: _View, key: GroupKey) -> tuple[Admitted, AdmissionState]:
    """Return what becomes of a group in the state of `view`, and the state with that."""
    transition = transition_of(_situation(fold, view, key))
    if transition.objects is None:
        return _result(fold, key, transition), view.state
    request = _request(fold, transition, view.current.get(key))
    try:
        assignment, state = assign(request, fold.given.clusters, view.state)
    except InvalidObject as error:
        return _result(fold, key, _refused(fold, transition, error)), view.state
    assignment, state = _with_hold(fold, request, assignment, state)
    return _result(fold, key, transition, assignment), state


def _with_hold(
    fold: _Fold, request: PlacementRequest, made: Assignment, state: AdmissionState
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
    held, fleet = reserve_capacity(state.fleet, request.key, made.pending, order, since, window, fold.namespaces)
    return replace(made, held=held), replace(state, fleet=fleet)


def _situation(fold: _Fold, view: _View, key: GroupKey) -> Situation:
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


def _request(fold: _Fold, transition: Transition, current: PlacedGroup | None) -> PlacementRequest:
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


def _refused(fold: _Fold, transition: Transition, error: InvalidObject) -> Transition:
    """Return the transition of a group whose overrides do not apply, or that cannot be divided."""
    placed = fold.placed.get(transition.key)
    if placed is not None and placed.placed:
        why = CannotDeploy("InvalidObject", str(error), admitted=True)
        return Transition(transition.key, TransitionKind.KEEP, why)
    return Transition(transition.key, TransitionKind.REJECT, CannotDeploy("InvalidObject", str(error)))


def _result(fold: _Fold, key: GroupKey, transition: Transition, assignment: Assignment | None = None) -> Admitted:
    placed = fold.placed.get(key)
    if assignment is not None and placed is not None and placed.placed:
        # What an update takes away may have been all that had not ended yet.
        ends = observe_updated(assignment.copies, placed.copies, fold.state.fleet)
        assignment = replace(assignment, copies=with_results(assignment.copies, ends))
    return Admitted(
        transition,
        fold.given.groups.get(key),
        fold.given.before.get(key),
        placed,
        fold.given.statuses.get(key, ()),
        assignment,
        fold.why.get(key),
    )


def _note(fold: _Fold, result: Admitted) -> None:
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


# -- a second look at what was refused


def _requeue(fold: _Fold) -> None:
    """Look again at what waits, as long as anything that it waits for has changed."""
    waiting = [key for key, result in fold.results.items() if _waits(result)]
    if not waiting:
        return
    changed = _changes(fold.results.values())
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
                moved.append(replace(later, placed=fold.current.get(key)))
            # A hold that ended or began on a cluster matters to those that come later in the queue.
            changed = replace(changed, clusters=changed.clusters | _clusters_of(later) | _clusters_of(earlier))
        changed = _changes(moved)
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
    over_quota = any(lack.reason == EXCEEDED for lack in (*made.unplaced, *made.refused))
    waits_for = made.waits_for
    return over_quota or bool(waits_for.clusters & changed.clusters or (waits_for.tenants and changed.tenants))


def _changes(results: Iterable[Admitted]) -> WaitsFor:
    """Return what the results changed: the clusters that they joined, left or were updated on, and their tenants."""
    clusters: set[str] = set()
    tenants: set[str] = set()
    for result in results:
        # The capacity of retired groups was not counted from the beginning.
        if result.transition.kind is TransitionKind.RETIRE:
            continue
        old = _contents(result.placed.copies if result.placed else ())
        new = _contents(result.copies)
        touched = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
        clusters |= touched
        if touched and result.group is not None and result.group.tenant is not None:
            tenants.add(result.group.tenant.name)
    return WaitsFor(frozenset(clusters), frozenset(tenants))


def _contents(copies: Iterable[ClusterCopy]) -> dict[str, frozenset[tuple[ObjectKey, str]]]:
    return {copy.cluster: frozenset((item.key, item.digest) for item in copy.deployed) for copy in copies}


def _clusters_of(result: Admitted) -> frozenset[str]:
    return result.assignment.waits_for.clusters if result.assignment else frozenset()


def _reopen(fold: _Fold) -> None:
    """Bring the state to what the next plan of an unchanged world finds."""
    assumed: dict[str, list[AssumedCopy]] = defaultdict(list)
    for key in sorted(fold.results):
        group = decide(fold.results[key], fold.given.clock).placement
        if group is None:
            fold.current.pop(key, None)
            continue
        fold.current[key] = group
        for copy in group.copies:
            assumed[copy.cluster].append(_assumed(group, copy))
    fold.again = True
    usage = fold.state.usage.without_claims()
    fold.state = replace(fold.state, fleet=fold.state.fleet.reopened(assumed), usage=usage)


def _look_again(fold: _Fold, key: GroupKey) -> None:
    """Settle a group that waits once more; keep the first result, and its words, where the outcome is the same."""
    earlier = fold.results[key]
    _settle(fold, key)
    later = fold.results[key]
    if earlier.assignment is None or later.assignment is None:
        if later.transition.reason == earlier.transition.reason and later.copies == earlier.copies:
            fold.results[key] = earlier
        return
    if _says_the_same(earlier, later, fold.given.clock):
        # Only what is held for it may have changed.
        made = replace(earlier.assignment, held=later.assignment.held, pending=later.assignment.pending)
        fold.results[key] = earlier if made == earlier.assignment else replace(earlier, assignment=made)
        return
    if earlier.placed is None or not earlier.placed.placed:
        # The copies of the first look are new as well, and so are the reasons for them.
        granted = tuple(choice for choice in earlier.assignment.chosen if choice.cluster)
        looked_at = {candidate.cluster for candidate in later.assignment.candidates}
        others = tuple(one for one in earlier.assignment.candidates if one.cluster not in looked_at)
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


def _hold_again(fold: _Fold, result: Admitted) -> None:
    """Reserve what was reserved for a group that is not looked at again."""
    made = result.assignment
    if made is None or made.held is None:
        return
    request = _request(fold, result.transition, fold.current.get(result.key))
    _, fold.state = _with_hold(fold, request, made, fold.state)


def assumed_copies(
    placements: Mapping[GroupKey, PlacedGroup], stays: Collection[GroupKey]
) -> dict[str, list[AssumedCopy]]:
    """Return by cluster the copies of the groups that stay, in order of their keys: their capacity is used or assumed."""
    found: dict[str, list[AssumedCopy]] = defaultdict(list)
    for key in sorted(stays):
        group = placements[key]
        for copy in group.copies:
            found[copy.cluster].append(_assumed(group, copy))
    return found


def _assumed(group: PlacedGroup, copy: ClusterCopy) -> AssumedCopy:
    return AssumedCopy(group.key, copy.deployed, copy.job_result is not None, copy.since)
