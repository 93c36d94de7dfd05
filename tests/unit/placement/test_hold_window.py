"""When capacity is reserved for a group that has waited long, and on which clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.fleet.settings import Fairness
from reconciler.placement.assumed_pods import AssumedCopy
from reconciler.placement.choose import ClusterChoice, choose_cluster
from reconciler.placement.cluster_state import ClusterState
from reconciler.placement.filters import ClusterFilters
from reconciler.placement.fleet_state import FleetState
from reconciler.placement.hold_window import HoldWindow, next_change, reserve_capacity, window_at
from reconciler.placement.placed_group import HeldCapacity
from reconciler.policy.eligibility import ClusterFacts
from reconciler.workloads.group import WorkloadObject
from tests.capacity import NOW, assumed, fleet_state, pod_of, seen
from tests.copies import TEAM, app, config_map, group, job, key
from tests.unit.workloads.reading import policy

TEN_FIVE = Fairness(hold_after=600, hold_for=300)
FIT = policy("p", "placement: {require: Fit}")
WINDOW = HoldWindow(0, NOW, NOW + 300)
SINCE = NOW - 600


@pytest.mark.parametrize(
    ("waited", "window"),
    [
        (0, None),
        (599, None),
        (600, HoldWindow(0, 600, 900)),
        (899, HoldWindow(0, 600, 900)),
        (900, None),
        (1199, None),
        (1200, HoldWindow(1, 1200, 1500)),
        (6600, HoldWindow(10, 6600, 6900)),
    ],
)
def test_windows_alternate_with_breaks_of_their_length(waited: float, window: HoldWindow | None) -> None:
    assert window_at(TEN_FIVE, 0, waited) == window


@given(
    st.integers(0, 2000), st.integers(1, 500), st.integers(0, 10**9), st.integers(0, 9000), st.floats(0, 1, width=16)
)
def test_the_next_change_is_the_next_time_at_which_the_window_is_another_one(
    after: int, length: int, since: int, waited: int, part: float
) -> None:
    fairness, now = Fairness(after, length), float(since + waited)
    change = next_change(fairness, since, now)
    assert change > now
    between = now + part * (change - now)
    if between < change:
        assert window_at(fairness, since, between) == window_at(fairness, since, now), "not before"
    assert window_at(fairness, since, change) != window_at(fairness, since, now), "but then"


def choices(fleet: FleetState, *items: WorkloadObject) -> list[list[ClusterChoice]]:
    """Return what a group of these objects lacks, which fits nowhere now."""
    facts = [ClusterFacts(name, cluster.labels) for name, cluster in fleet.inventory.items()]
    made = group("big", *items, rules=FIT)
    choice, _ = choose_cluster(made, ClusterFilters(facts).eligible(made), fleet)
    return [[choice]]


def reserved(
    fleet: FleetState,
    pending: Sequence[Sequence[ClusterChoice]],
    window: HoldWindow = WINDOW,
    namespaces: Sequence[str] = (),
) -> tuple[HeldCapacity | None, FleetState]:
    order = {name: rank for rank, name in enumerate(fleet.inventory)}
    return reserve_capacity(fleet, key("big"), pending, order, SINCE, window, namespaces)


def full(*names: str, since: float = 0, item: WorkloadObject | None = None) -> Mapping[str, Sequence[AssumedCopy]]:
    """On each of these clusters a group that fills four cores."""
    return {name: [assumed(f"on-{name}", item or app("old", cpu=4), since=int(since))] for name in names}


def test_what_is_held_names_its_clusters_and_times() -> None:
    fleet = fleet_state(seen("c0", 4), assumed=full("c0"))
    held, after = reserved(fleet, choices(fleet, app("new", cpu=3)))
    assert held == HeldCapacity(("c0",), int(SINCE), int(WINDOW.end))
    state = after.cluster("c0")
    assert isinstance(state, ClusterState)
    assert state.hold is not None
    assert (state.hold.group, state.hold.until) == (key("big"), WINDOW.end)


def test_the_fleet_before_stays_without_a_hold() -> None:
    fleet = fleet_state(seen("c0", 4), assumed=full("c0"))
    _, after = reserved(fleet, choices(fleet, app("new", cpu=3)))
    before = fleet.cluster("c0")
    assert after is not fleet
    assert isinstance(before, ClusterState)
    assert before.hold is None


def test_nothing_is_held_where_the_gang_would_not_fit_on_an_empty_cluster() -> None:
    fleet = fleet_state(seen("c0", 4, pods=[pod_of("foreign", 2, namespace="kube-system")]), assumed=full())
    held, after = reserved(fleet, choices(fleet, app("new", cpu=3)))
    assert (held, after) == (None, fleet)


def test_a_cluster_on_which_jobs_will_have_ended_comes_before_one_with_a_service() -> None:
    copies = {**full("c0"), **full("c1", item=job("old", cpu=4))}
    fleet = fleet_state(seen("c0", 4), seen("c1", 4), assumed=copies)
    held, _ = reserved(fleet, choices(fleet, app("new", cpu=3)))
    assert held is not None
    assert held.clusters == ("c1",)


def test_what_was_placed_after_the_hold_began_does_not_count_as_ended() -> None:
    fleet = fleet_state(seen("c0", 4), assumed=full("c0", since=NOW + 1))
    assert reserved(fleet, choices(fleet, app("new", cpu=3)))[0] is None
    earlier = fleet_state(seen("c0", 4), assumed=full("c0", since=NOW - 1))
    assert reserved(earlier, choices(earlier, app("new", cpu=3)))[0] is not None


def test_pods_that_no_placed_group_has_count_as_ended_in_namespaces_of_groups_only() -> None:
    fleet = fleet_state(seen("c0", 4, pods=[pod_of("left-behind", 4)]))
    assert reserved(fleet, choices(fleet, app("new", cpu=3)))[0] is None
    assert reserved(fleet, choices(fleet, app("new", cpu=3)), namespaces=[TEAM])[0] is not None


@pytest.mark.parametrize(("number", "first"), [(0, "c0"), (1, "c1"), (2, "c0"), (3, "c1")])
def test_each_window_tries_the_next_cluster_first(number: int, first: str) -> None:
    fleet = fleet_state(seen("c0", 4), seen("c1", 4), assumed=full("c0", "c1"))
    held, _ = reserved(fleet, choices(fleet, app("new", cpu=3)), HoldWindow(number, NOW, NOW + 300))
    assert held is not None
    assert held.clusters == (first,)


def test_a_cluster_is_held_for_one_group_at_a_time() -> None:
    fleet = fleet_state(seen("c0", 4), assumed=full("c0"))
    pending = choices(fleet, app("new", cpu=3))
    _, after = reserved(fleet, pending)
    assert reserved(after, pending)[0] is None


def test_of_several_entries_each_gets_a_cluster_or_nothing_is_held() -> None:
    fleet = fleet_state(seen("c0", 4), seen("c1", 2), assumed=full("c0"))
    (first,), (second,) = choices(fleet, app("new", cpu=3)), choices(fleet, app("huge", cpu=9))
    assert reserved(fleet, [first])[0] is not None
    assert reserved(fleet, [first, second]) == (None, fleet)


def test_a_group_without_pods_needs_no_capacity() -> None:
    fleet = fleet_state(seen("c0", 4))
    assert reserved(fleet, choices(fleet, config_map())) == (None, fleet)
