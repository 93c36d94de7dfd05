"""What changed between the copies that a group had and those that it has now, as it is said to users."""

from __future__ import annotations

from reconciler.lifecycle.changes import changes_text
from tests.copies import app, config_map, copy_on

OLD, NEW, CODE = app(replicas=1), app(replicas=2), config_map()


def test_the_changed_objects_are_named_with_their_cluster() -> None:
    assert changes_text((copy_on("c0", OLD),), (copy_on("c0", NEW),)) == "updated on c0: changed Deployment web"


def test_added_and_removed_objects_are_named_as_such() -> None:
    before, after = (copy_on("c0", OLD),), (copy_on("c0", NEW, CODE),)
    assert changes_text(before, after) == "updated on c0: added ConfigMap code; changed Deployment web"
    assert changes_text(after, before) == "updated on c0: changed Deployment web; removed ConfigMap code"


def test_the_same_change_on_several_clusters_is_said_once() -> None:
    before = (copy_on("c0", OLD), copy_on("c1", OLD))
    after = (copy_on("c0", NEW), copy_on("c1", NEW))
    assert changes_text(before, after) == "updated on c0, c1: changed Deployment web"


def test_a_cluster_on_which_nothing_changed_is_not_named() -> None:
    before = (copy_on("c0", OLD), copy_on("c1", NEW))
    after = (copy_on("c0", NEW), copy_on("c1", NEW))
    assert changes_text(before, after) == "updated on c0: changed Deployment web"


def test_clusters_that_are_joined_and_left_are_named() -> None:
    assert changes_text((copy_on("c0", OLD),), (copy_on("c1", OLD),)) == "placed on c1; taken from c0"


def test_an_update_and_a_new_copy_are_both_said() -> None:
    after = (copy_on("c0", NEW), copy_on("c1", NEW))
    assert changes_text((copy_on("c0", OLD),), after) == "updated on c0: changed Deployment web; placed on c1"


def test_shares_are_said_where_nothing_else_changed() -> None:
    before = (copy_on("c0", OLD, share=50), copy_on("c1", OLD, share=50))
    after = (copy_on("c0", OLD, share=60), copy_on("c1", OLD, share=40))
    assert changes_text(before, after) == "the shares are now 60% on c0, 40% on c1"


def test_only_the_shares_that_changed_are_said() -> None:
    before = (copy_on("c0", OLD, share=50), copy_on("c1", OLD, share=30))
    after = (copy_on("c0", OLD, share=50), copy_on("c1", OLD, share=50))
    assert changes_text(before, after) == "the shares are now 50% on c1"


def test_a_share_that_changes_with_an_update_is_not_said() -> None:
    text = changes_text((copy_on("c0", OLD, share=50),), (copy_on("c0", NEW, share=60),))
    assert text == "updated on c0: changed Deployment web"


def test_copies_that_differ_in_nothing_were_restored() -> None:
    assert (
        changes_text((copy_on("c0", OLD),), (copy_on("c0", OLD),)) == "updated on c0: the admitted copies were restored"
    )
