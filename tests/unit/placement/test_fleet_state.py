"""The capacity of all clusters as a value: clusters are opened when they are first looked at, and found again."""

from __future__ import annotations

import pytest

from reconciler.fleet.snapshot import Unreadable
from reconciler.placement.cluster_state import ClusterState
from reconciler.placement.fleet_state import BaselineCache, FleetState
from reconciler.workloads.group import gang_of
from tests.capacity import NOW, assumed, fleet_state, free_cpu, in_inventory, seen
from tests.copies import app
from tests.golden.decisions.cases import WatchedBaselines


def opened(fleet: FleetState, name: str) -> ClusterState:
    found = fleet.cluster(name)
    assert isinstance(found, ClusterState)
    return found


def why_not(fleet: FleetState, name: str) -> str:
    found = fleet.cluster(name)
    assert isinstance(found, Unreadable)
    return found.reason


def test_a_cluster_is_opened_once() -> None:
    fleet = fleet_state(seen("c0", 4))
    assert fleet.cluster("c0") is fleet.cluster("c0")


def test_a_cluster_that_was_not_looked_at_is_not_opened() -> None:
    watched = WatchedBaselines()
    fleet = fleet_state(seen("c0", 4), seen("c1", 4), baselines=watched)
    fleet.cluster("c1")
    assert watched.opened == {"c1"}


def test_a_cluster_that_is_not_known_says_why() -> None:
    fleet = fleet_state(seen("c0", 4), Unreadable("c1", "connection refused", NOW))
    assert "inventory" in why_not(fleet, "c9")
    assert why_not(fleet, "c1") == "connection refused"
    without = FleetState.of([in_inventory("c2")], fleet.snapshot, {}, NOW, 300)
    assert "snapshot" in why_not(without, "c2")


@pytest.mark.parametrize(("age", "live", "readable"), [(299, True, True), (300, True, False), (10**6, False, True)])
def test_a_live_snapshot_counts_for_a_while_and_one_in_git_for_ever(age: int, live: bool, readable: bool) -> None:
    fleet = fleet_state(seen("c0", 4, at=NOW - age), live=live, max_age=300)
    assert isinstance(fleet.cluster("c0"), ClusterState) is readable


def test_the_next_live_snapshot_to_become_too_old_says_when() -> None:
    fleet = fleet_state(seen("c0", 4, at=NOW - 100), seen("c1", 4, at=NOW - 200), live=True, max_age=300)
    assert fleet.stale_at() == NOW + 100
    assert isinstance(fleet_state(seen("c0", 4, at=NOW - 299), live=True, now=NOW).cluster("c0"), ClusterState)
    assert fleet_state(seen("c0", 4, at=NOW - 300), live=True).stale_at() is None, "it is too old already"
    assert fleet_state(seen("c0", 4)).stale_at() is None, "in Git it has no age"


def test_a_changed_cluster_is_in_the_new_fleet_and_not_in_the_old_one() -> None:
    fleet = fleet_state(seen("c0", 4), seen("c1", 4))
    state = opened(fleet, "c0")
    after = fleet.with_cluster(state.queue_pods(gang_of((app(cpu=3),))))
    assert (free_cpu(opened(fleet, "c0")), free_cpu(opened(after, "c0"))) == ([4000], [1000])
    assert after.cluster("c1") is fleet.cluster("c1"), "the others are opened once for both"


def test_a_fleet_that_is_reopened_has_what_is_assumed_and_nothing_that_this_plan_did() -> None:
    fleet = fleet_state(seen("c0", 8))
    used = fleet.with_cluster(opened(fleet, "c0").queue_pods(gang_of((app(cpu=3),))))
    again = used.reopened({"c0": [assumed("a", app(cpu=1))]})
    assert free_cpu(opened(again, "c0")) == [7000]
    assert free_cpu(opened(used, "c0")) == [5000]


def test_the_mix_is_computed_once_and_anew_when_a_fleet_is_reopened() -> None:
    fleet = fleet_state(seen("c0", 8), assumed={"c0": [assumed("a", app(cpu=1))]})
    assert fleet.mix is fleet.mix
    assert fleet.reopened({}).mix is not fleet.mix


def test_equal_capacity_is_found_again_with_the_results_computed_from_it() -> None:
    cache = BaselineCache()
    one = cache.of(in_inventory("c0"), seen("c0", 4), ())
    assert cache.of(in_inventory("c0"), seen("c0", 4, at=NOW + 60), []) is one
    assert cache.of(in_inventory("c0"), seen("c0", 8), ()) is not one
    assert cache.of(in_inventory("c0"), seen("c0", 4), ()) is one, "a preview does not evict what the loop uses"


def test_the_oldest_of_many_baselines_of_a_cluster_is_forgotten() -> None:
    cache = BaselineCache()
    first = cache.of(in_inventory("c0"), seen("c0", 1), ())
    others = [cache.of(in_inventory("c0"), seen("c0", cores), ()) for cores in (2, 3, 4, 5)]
    assert cache.of(in_inventory("c0"), seen("c0", 5), ()) is others[-1]
    assert cache.of(in_inventory("c0"), seen("c0", 1), ()) is not first


def test_a_baseline_that_was_just_used_is_kept_longer() -> None:
    cache = BaselineCache()
    first = cache.of(in_inventory("c0"), seen("c0", 1), ())
    for cores in (2, 3, 4):
        cache.of(in_inventory("c0"), seen("c0", cores), ())
    assert cache.of(in_inventory("c0"), seen("c0", 1), ()) is first
    cache.of(in_inventory("c0"), seen("c0", 5), ())
    assert cache.of(in_inventory("c0"), seen("c0", 1), ()) is first


def test_clusters_that_left_the_inventory_are_forgotten() -> None:
    cache = BaselineCache()
    one, other = (cache.of(in_inventory(name), seen(name, 4), ()) for name in ("c0", "c1"))
    cache.retain(["c1"])
    assert cache.of(in_inventory("c1"), seen("c1", 4), ()) is other
    assert cache.of(in_inventory("c0"), seen("c0", 4), ()) is not one


def test_the_digest_is_that_of_the_snapshot() -> None:
    assert fleet_state(seen("c0", 4)).digest == "sha256:0"
