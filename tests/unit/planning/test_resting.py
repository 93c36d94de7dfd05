"""Of which clusters a snapshot shows something else than the last one, so that what is placed there is looked at."""

from __future__ import annotations

from dataclasses import replace

from reconciler.fleet.snapshot import ClusterSnapshot, FleetSnapshot, Unreadable
from reconciler.planning.resting import Resting
from tests.capacity import in_inventory, pod_of, seen
from tests.fleets import NOW

MAX_AGE = 600.0
LIVE, FILE = in_inventory("live", live=True), in_inventory("file")


def shown(*clusters: ClusterSnapshot | Unreadable) -> FleetSnapshot:
    return FleetSnapshot({one.cluster: one for one in clusters}, "sha256:0")


def at(name: str, taken_at: float = NOW) -> ClusterSnapshot:
    return replace(seen(name, 8), taken_at=taken_at)


def changed(resting: Resting, *clusters: ClusterSnapshot | Unreadable, now: float = NOW) -> set[str]:
    return resting.changed_clusters([LIVE, FILE], shown(*clusters), now, MAX_AGE)


def test_every_cluster_is_new_at_first_and_then_only_what_shows_other_pods() -> None:
    resting = Resting()
    assert changed(resting, at("live"), at("file")) == {"live", "file"}
    assert changed(resting, at("live"), at("file")) == set()
    with_pod = replace(at("file"), pods=(pod_of("p", 1),))
    assert changed(resting, at("live"), with_pod) == {"file"}


def test_other_nodes_and_a_later_time_show_nothing_of_the_copies() -> None:
    resting = Resting()
    changed(resting, at("live"), at("file"))
    assert changed(resting, replace(at("live"), nodes=()), at("file", NOW + 60)) == set()


def test_a_live_cluster_changes_when_its_snapshot_is_too_old_and_a_file_does_not() -> None:
    resting = Resting()
    changed(resting, at("live"), at("file"))
    assert changed(resting, at("live"), at("file"), now=NOW + MAX_AGE) == {"live"}
    assert changed(resting, at("live"), at("file"), now=NOW + MAX_AGE + 1) == set()
    assert changed(resting, at("live", NOW + MAX_AGE), at("file"), now=NOW + MAX_AGE) == {"live"}


def test_a_cluster_that_cannot_be_read_changes_once_and_again_when_it_can() -> None:
    resting = Resting()
    changed(resting, at("live"), at("file"))
    gone = Unreadable("live", "connection refused", NOW)
    assert changed(resting, gone, at("file")) == {"live"}
    assert changed(resting, gone, at("file")) == set()
    assert changed(resting, at("live"), at("file")) == {"live"}


def test_a_cluster_that_leaves_the_inventory_changes_once() -> None:
    resting = Resting()
    changed(resting, at("live"), at("file"))
    for expected in ({"live"}, set()):
        assert resting.changed_clusters([FILE], shown(at("file")), NOW, MAX_AGE) == expected
