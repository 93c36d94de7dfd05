"""One step of the fold over the groups of a plan: settles a group on the state that the groups before it left.

A group is settled by its transition, and where that asks for capacity, by what the fleet and its tenant's quota allow.
Objects that another group has move to it in the same step, or stay where they are.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from reconciler.errors import InvalidObject
from reconciler.lifecycle.observe import observe_updated, with_results
from reconciler.lifecycle.transitions import Situation, Transition, transition_of
from reconciler.manifests.identity import ObjectKey
from reconciler.placement.assign import assign, usage_of
from reconciler.placement.decision import TransitionKind
from reconciler.placement.hold_window import reserve_capacity, window_at
from reconciler.placement.placed_group import PlacedGroup, waiting_since
from reconciler.placement.quota import limited
from reconciler.placement.request import AdmissionState, Assignment, PlacementRequest
from reconciler.planning.admitted import Admitted
from reconciler.planning.decide import decide
from reconciler.planning.fold_state import Fold, View, view_of
from reconciler.planning.transfers import with_transfers
from reconciler.reasons.transitions import CannotDeploy, TransferRefused
from reconciler.workloads.group import GroupKey


def settle(fold: Fold, key: GroupKey) -> None:
    """Settle one group. What another group has of it moves to it, or stays there and says why."""
    if key in fold.transfers and _transferred(fold, key):
        return
    view = view_of(fold)
    result, fold.state = _attempt(fold, view, key)
    note(fold, result)


def _transferred(fold: Fold, taker: GroupKey) -> bool:
    """Settle a group with the objects that it takes from others, and tell whether it gets a place for all of them.

    Where it does not, nothing is changed but the reason why these objects stay.
    """
    transfers = fold.transfers[taker]
    keys: set[ObjectKey] = set()
    for transfer in transfers:
        keys |= transfer.keys
    view = with_transfers(fold, transfers, keys)
    result, state = _attempt(fold, view, taker)
    placed: set[ObjectKey] = set()
    for copy in result.copies:
        placed.update(item.key for item in copy.admitted)
    if not keys <= placed:
        _note_refused_transfer(fold, keys, result)
        return False
    _keep(fold, view, state)
    # A transfer happens once: when the taker is settled again, the objects are its own.
    del fold.transfers[taker]
    note(fold, result)
    givers = {transfer.giver for transfer in transfers}
    for giver in sorted(givers):
        # A giver that was settled before has something to let go now.
        if giver in fold.results:
            settle(fold, giver)
    return True


def _note_refused_transfer(
    fold: Fold,
    keys: Collection[ObjectKey],
    result: Admitted,
) -> None:
    """Let the objects `keys` stay with their givers, for the reason that `result` has for the taker."""
    # That objects changed their group is left out of the words, since they do not.
    alone = replace(result, why=None)
    refusal = decide(alone, fold.given.clock)
    taker = str(result.key)
    why = TransferRefused(taker, refusal.reason, refusal.message)
    kept = dict.fromkeys(keys, why)
    fold.desired = fold.desired.keeping(kept)


def _keep(
    fold: Fold,
    view: View,
    state: AdmissionState,
) -> None:
    """Make what a view has otherwise than the fold a part of the fold."""
    fold.placed.update(view.placed.maps[0])
    fold.current.update(view.current.maps[0])
    fold.why.update(view.why.maps[0])
    fold.state = state
    fold.desired = view.desired


def _attempt(
    fold: Fold,
    view: View,
    key: GroupKey,
) -> tuple[Admitted, AdmissionState]:
    """Return what becomes of a group in the state of `view`, and the state with that."""
    situation = situation_of(fold, view, key)
    transition = transition_of(situation)
    # A transition without objects asks for no capacity: its reason says all.
    if transition.objects is None:
        return result_of(fold, view, transition), view.state
    current = view.current.get(key)
    request = request_of(fold, transition, current)
    try:
        clusters = fold.given.clusters
        assignment, state = assign(request, clusters, view.state)
    except InvalidObject as error:
        # A wrong override concerns the groups that it is for, and must not stop the plan for the others.
        instead = refused(view, transition, error)
        return result_of(fold, view, instead), view.state
    assignment, state = with_hold(fold, request, assignment, state)
    return result_of(fold, view, transition, assignment), state


def with_hold(
    fold: Fold,
    request: PlacementRequest,
    made: Assignment,
    state: AdmissionState,
) -> tuple[Assignment, AdmissionState]:
    """Reserve capacity for what a request waits for, if it has waited long enough."""
    given = fold.given
    since = request.waiting_since
    # Nothing is pending where capacity would not help. A group that does not wait yet has no claim.
    if not made.pending or since is None:
        return made, state
    window = window_at(given.fairness, since, given.clock.now)
    # Before `holdAfter`, and in the pauses between two holds, the capacity is for all.
    if window is None:
        return made, state
    eligibility = given.clusters.filters.eligible(request.group)
    eligible = eligibility.clusters
    order = {name: position for position, name in enumerate(eligible)}
    held, fleet = reserve_capacity(
        state.fleet,
        request.key,
        made.pending,
        order,
        since,
        window,
        fold.namespaces,
    )
    return replace(made, held=held), replace(state, fleet=fleet)


def situation_of(
    fold: Fold,
    view: View,
    key: GroupKey,
) -> Situation:
    """Return what the transition of a group follows from."""
    group = fold.given.groups.get(key)
    # The index of RayClusters has only groups that are asked for.
    unmet = view.state.ray_clusters.unmet(key) if group is not None else None
    return Situation(
        key=key,
        group=group,
        placed=view.current.get(key),
        desired=view.desired,
        unread=fold.given.unread.get(key),
        unmet=unmet,
        holders=view.holders,
    )


def request_of(
    fold: Fold,
    transition: Transition,
    current: PlacedGroup | None,
) -> PlacementRequest:
    """Return what a group that is `current` now asks of the fleet, to carry out its transition."""
    since: float | None = waiting_since(current)
    if since is None and fold.again:
        # The next plan finds that it waits since this one.
        since = float(int(fold.given.clock.now))
    objects = transition.objects
    return PlacementRequest(
        group=fold.given.groups[transition.key],
        objects=objects.objects if objects else (),
        copies=current.copies if current else (),
        update=current is not None and current.placed,
        waiting_since=since,
    )


def refused(
    view: View,
    transition: Transition,
    error: InvalidObject,
) -> Transition:
    """Return the transition of a group whose overrides do not apply, or that cannot be divided."""
    key = transition.key
    placed = view.placed.get(key)
    # What is on clusters was admitted when it was right, and stays as it is.
    if placed is not None and placed.placed:
        why = CannotDeploy("InvalidObject", str(error), admitted=True)
        return Transition(key, TransitionKind.KEEP, why)
    why = CannotDeploy("InvalidObject", str(error))
    return Transition(key, TransitionKind.REJECT, why)


def result_of(
    fold: Fold,
    view: View,
    transition: Transition,
    assignment: Assignment | None = None,
) -> Admitted:
    """Return what becomes of a group; `assignment` is None where nothing was asked of the fleet."""
    key = transition.key
    placed = view.placed.get(key)
    if assignment is not None and placed is not None and placed.placed:
        # What an update takes away may have been all that had not ended yet.
        copies = assignment.copies
        ends = observe_updated(copies, placed.copies, view.state.fleet)
        copies = with_results(copies, ends)
        assignment = replace(assignment, copies=copies)
    return Admitted(
        transition=transition,
        group=fold.given.groups.get(key),
        before=fold.given.before.get(key),
        placed=placed,
        statuses=fold.given.statuses.get(key, ()),
        assignment=assignment,
        why=view.why.get(key),
    )


def note(fold: Fold, result: Admitted) -> None:
    """Keep a result: the group has the objects that it leaves it, and its tenant is charged for them."""
    key = result.key
    _note_holders(fold, result)
    group = result.group
    if group is not None and limited(group.tenant):
        used = usage_of(result.copies)
        usage = fold.state.usage.add_usage(key, group.tenant, used)
        fold.state = replace(fold.state, usage=usage)
    fold.results[key] = result


def _note_holders(fold: Fold, result: Admitted) -> None:
    """Note which objects a group has no more, and which it has now."""
    key = result.key
    current = fold.current.get(key)
    for item in current.admitted if current else ():
        # An object that moved to another group is held by that one already.
        if fold.holders.get(item.key) == key:
            fold.holders[item.key] = None
    for copy in result.copies:
        for item in copy.admitted:
            # Companions have no holder: several groups may have the same one.
            if item.demand is not None:
                fold.holders[item.key] = key
