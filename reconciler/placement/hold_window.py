"""When capacity is reserved for a group that has waited long, and on which clusters.

When a hold begins and ends follows from the time since when the group waits and from the clock alone, so that the same
input gives the same plan. From `holdAfter` on, windows of `holdFor` with a hold alternate with pauses of the same
length, so a gang for which no capacity comes free keeps others out half of the time at most. Each window tries the next
of its clusters first, so a cluster on which nothing ever ends is not waited for in vain.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from reconciler.fleet.settings import Fairness
from reconciler.fleet.snapshot import Unreadable
from reconciler.kube_scheduler.equivalence import GangRequest
from reconciler.kube_scheduler.gang import Gang
from reconciler.placement.assumed_pods import AssumedCopy
from reconciler.placement.choose import ClusterChoice
from reconciler.placement.cluster_state import ClusterState
from reconciler.placement.fleet_state import FleetState
from reconciler.placement.model import Verdict
from reconciler.placement.placed_group import HeldCapacity
from reconciler.workloads.group import GroupKey

if TYPE_CHECKING:
    from reconciler.kube_scheduler.nodes import Nodes

_Pair = tuple[ClusterState, GangRequest]
"""A cluster, and the gang as it is there."""


@dataclass(frozen=True, slots=True)
class HoldWindow:
    """The `number`-th hold of a group, counting from 0; `start` and `end` in unix seconds."""

    number: int
    start: float
    end: float


def window_at(
    fairness: Fairness,
    since: float,
    now: float,
) -> HoldWindow | None:
    """Return the hold that a group which waits since `since` has now; None before the first one and in pauses."""
    waited = now - since - fairness.hold_after
    if waited < 0:
        return None
    # A pause as long as the hold follows each hold.
    period = 2 * fairness.hold_for
    number = int(waited // period)
    start = since + fairness.hold_after + number * period
    end = start + fairness.hold_for
    if now >= end:
        return None
    return HoldWindow(number, start, end)


def next_change(
    fairness: Fairness,
    since: float,
    now: float,
) -> float:
    """Return when the next window of a group which waits since `since` begins or ends, in unix seconds."""
    first = since + fairness.hold_after
    if now < first:
        return first
    passed = int((now - first) // fairness.hold_for)
    return first + (passed + 1) * fairness.hold_for


@dataclass(frozen=True, slots=True)
class _Reservable:
    """A cluster on which capacity can be reserved for `gang`, which fits on `nodes`: as they are, or will be."""

    cluster: str
    gang: Gang
    nodes: Nodes


def reserve_capacity(
    fleet: FleetState,
    group: GroupKey,
    pending: Sequence[Sequence[ClusterChoice]],
    order: Mapping[str, int],
    since: float,
    window: HoldWindow,
    namespaces: Collection[str],
) -> tuple[HeldCapacity | None, FleetState]:
    """Reserve capacity for what `group` waits for; return what is held, and the fleet with it.

    Of each entry of `pending` one choice must get capacity, so nothing is held unless there is a cluster for each of
    them. `order` ranks the clusters as the group's policy does. `namespaces` are those of all groups.
    """
    found: list[_Reservable] = []
    for choices in pending:
        one = _reservable(fleet, choices, order, window, namespaces)
        # Capacity for one share is of no use without that for the others.
        if one is None:
            return None, fleet
        found.append(one)
    # A gang without pods needs no capacity.
    found = [one for one in found if one.gang.pod_sets]
    if not found:
        return None, fleet
    # A hold tries gangs on nodes; most plans make none.
    from reconciler.placement.hold import Hold

    for one in found:
        hold = Hold(
            group,
            one.gang,
            since,
            window.end,
            one.nodes,
        )
        state = fleet.cluster(one.cluster)
        if isinstance(state, ClusterState):
            fleet = fleet.with_cluster(state.with_hold(hold))
    names = tuple(sorted(one.cluster for one in found))
    held = HeldCapacity(names, int(since), int(window.end))
    return held, fleet


def _reservable(
    fleet: FleetState,
    choices: Sequence[ClusterChoice],
    order: Mapping[str, int],
    window: HoldWindow,
    namespaces: Collection[str],
) -> _Reservable | None:
    """Return where to reserve capacity for one of `choices`: where there is some, else where some will come free."""
    free: list[_Pair] = []
    full: list[_Pair] = []
    for choice in choices:
        for candidate in choice.candidates:
            state = fleet.cluster(candidate.cluster)
            # A cluster is held for one group at a time, the first in the queue.
            if isinstance(state, Unreadable) or state.hold is not None:
                continue
            pair = (state, choice.wanted.on(candidate.cluster))
            if candidate.verdict.fits:
                free.append(pair)
            # What never fits there is not waited for.
            elif candidate.verdict is Verdict.NO_FIT:
                full.append(pair)
    if free:
        # The share of a division fits here, and waits for the other shares.
        state, wanted = free[0]
        return _Reservable(state.name, wanted.gang, state.nodes)
    full.sort(key=lambda pair: order[pair[0].name])
    # Each window begins with the next cluster, since nothing may ever end on the first.
    first = window.number % len(full) if full else 0
    tried = full[first:] + full[:first]
    return _will_be_free(tried, window.start, namespaces)


def _will_be_free(
    tried: Sequence[_Pair],
    start: float,
    namespaces: Collection[str],
) -> _Reservable | None:
    """Return the first cluster that has capacity once jobs have ended, else once anything placed there has.

    Last come those that have it once pods are gone that retired groups may have left behind: a pod does not say whose
    it was, only that its namespace is one of SkyRay's.
    """
    hopeful: list[_Pair] = []
    for state, wanted in tried:
        # Where it would not fit with everything gone, it fits with less gone neither.
        fit, _ = state.emptied(namespaces).fit(wanted)
        if fit.ok:
            hopeful.append((state, wanted))
    for jobs_only, own in ((True, ()), (False, ()), (False, namespaces)):
        ends = partial(_will_have_ended, start=start, jobs_only=jobs_only)
        for state, wanted in hopeful:
            later = state.once_ended(ends, own)
            fit, _ = later.fit(wanted)
            if fit.ok:
                return _Reservable(state.name, wanted.gang, later.nodes)
    return None


def _will_have_ended(
    copy: AssumedCopy,
    start: float,
    *,
    jobs_only: bool,
) -> bool:
    """Tell whether a placed copy counts as ended: it is older than the hold, and perhaps must be a job.

    A copy whose jobs have ended has only pods to lose, whenever that was noted.
    """
    if copy.ended:
        return True
    # What came after the hold began was let in beside the gang.
    if copy.since >= start:
        return False
    return copy.is_batch or not jobs_only
