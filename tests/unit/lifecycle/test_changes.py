"""What changed between the copies that a group had and those that it has now."""

from __future__ import annotations

from reconciler.lifecycle.changes import changes_of
from reconciler.reasons.changes import ObjectChange, UpdatedInPlace
from tests.copies import app, config_map, copy_on

OLD, NEW, CODE = app(replicas=1), app(replicas=2), config_map()
WEB_CHANGED = ObjectChange("changed", (OLD.key,))


def test_the_changed_objects_are_listed_with_their_cluster() -> None:
    assert changes_of((copy_on("c0", OLD),), (copy_on("c0", NEW),)) == UpdatedInPlace(("c0",), (WEB_CHANGED,))


def test_added_and_removed_objects_are_listed_as_such() -> None:
    before, after = (copy_on("c0", OLD),), (copy_on("c0", NEW, CODE),)
    assert changes_of(before, after).changes == (ObjectChange("added", (CODE.key,)), WEB_CHANGED)
    assert changes_of(after, before).changes == (WEB_CHANGED, ObjectChange("removed", (CODE.key,)))


def test_the_same_change_on_several_clusters_is_listed_once() -> None:
    before = (copy_on("c0", OLD), copy_on("c1", OLD))
    after = (copy_on("c0", NEW), copy_on("c1", NEW))
    assert changes_of(before, after) == UpdatedInPlace(("c0", "c1"), (WEB_CHANGED,))


def test_a_cluster_on_which_nothing_changed_is_not_listed() -> None:
    before = (copy_on("c0", OLD), copy_on("c1", NEW))
    after = (copy_on("c0", NEW), copy_on("c1", NEW))
    assert changes_of(before, after) == UpdatedInPlace(("c0",), (WEB_CHANGED,))


def test_clusters_that_are_joined_and_left_are_listed() -> None:
    found = changes_of((copy_on("c0", OLD),), (copy_on("c1", OLD),))
    assert found == UpdatedInPlace(joined=("c1",), left=("c0",))


def test_an_update_and_a_new_copy_are_both_listed() -> None:
    after = (copy_on("c0", NEW), copy_on("c1", NEW))
    assert changes_of((copy_on("c0", OLD),), after) == UpdatedInPlace(("c0",), (WEB_CHANGED,), joined=("c1",))


def test_shares_are_listed_where_nothing_else_changed() -> None:
    before = (copy_on("c0", OLD, share=50), copy_on("c1", OLD, share=50))
    after = (copy_on("c0", OLD, share=60), copy_on("c1", OLD, share=40))
    assert changes_of(before, after) == UpdatedInPlace(shares=(("c0", 60), ("c1", 40)))


def test_only_the_shares_that_changed_are_listed() -> None:
    before = (copy_on("c0", OLD, share=50), copy_on("c1", OLD, share=30))
    after = (copy_on("c0", OLD, share=50), copy_on("c1", OLD, share=50))
    assert changes_of(before, after) == UpdatedInPlace(shares=(("c1", 50),))


def test_a_share_that_changes_with_an_update_is_not_listed() -> None:
    found = changes_of((copy_on("c0", OLD, share=50),), (copy_on("c0", NEW, share=60),))
    assert found == UpdatedInPlace(("c0",), (WEB_CHANGED,))


def test_copies_that_differ_in_nothing_were_restored() -> None:
    assert changes_of((copy_on("c0", OLD),), (copy_on("c0", OLD),)) == UpdatedInPlace(("c0",))
