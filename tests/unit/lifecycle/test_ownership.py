"""Objects that are asked for under another group than the one that has them: who gives what to whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from reconciler.lifecycle.ownership import (
    Ownership,
    Transfer,
    moved_to,
    owners,
    ownership,
    taken_over,
    without,
)
from reconciler.placement.placed_group import PlacedGroup
from reconciler.reasons.changes import Moved, Regrouped
from reconciler.reasons.reason import Reason
from reconciler.reasons.transitions import PartUnreadable, TransferRefused
from reconciler.workloads.cluster_copy import CopyRole, JobResult
from reconciler.workloads.group import Group, GroupKey, WorkloadObject
from reconciler.workloads.patch import Patch
from tests.capacity import NOW
from tests.copies import app, config_map, copy_on, group, job, key, keys_of, placed
from tests.unit.workloads.reading import uses

RED, BLUE, TRAIN = app("red"), app("blue"), job()
OLD, NEW = key("old"), key("new")
UNREAD = PartUnreadable("Deployment blue", "b.yaml", "no YAML")
MINE: Mapping[GroupKey, Reason] = {}


def owned(*groups: Group, unread: Mapping[GroupKey, Reason] = MINE, **has: PlacedGroup) -> Ownership:
    return ownership({key(name): one for name, one in has.items()}, groups, unread)


def has(name: str, *items: WorkloadObject, on: str = "c0") -> PlacedGroup:
    return placed(name, copy_on(on, *items))


def test_what_a_group_has_and_asks_for_is_its_own() -> None:
    assert owned(group("old", RED), old=has("old", RED)) == Ownership((), {})


def test_what_another_group_asks_for_is_transferred() -> None:
    found = owned(group("new", RED), old=has("old", RED, BLUE))
    assert found.transfers == (Transfer(NEW, OLD, keys_of(RED), whole=True, alone=True),)
    assert found.givers == {OLD}
    assert found.kept == {}


def test_objects_of_several_groups_are_a_transfer_from_each() -> None:
    found = owned(group("new", RED, BLUE), old=has("old", RED), other=has("other", BLUE))
    assert [(one.giver, one.keys, one.alone) for one in found.transfers] == [
        (OLD, keys_of(RED), False),
        (key("other"), keys_of(BLUE), False),
    ]
    assert found.givers == {OLD, key("other")}


def test_a_job_stays_with_its_first_group() -> None:
    assert owned(group("new", TRAIN), old=has("old", TRAIN)) == Ownership((), {})


def test_a_companion_has_no_owner() -> None:
    assert owners([has("old", RED, config_map())]) == {RED.key: OLD}


def test_what_waits_has_nothing_to_give() -> None:
    waits = replace(has("old", RED), copies=())
    assert owned(group("new", RED), old=waits) == Ownership((), {})


@pytest.mark.parametrize("taker_is_placed", [False, True])
def test_a_group_that_is_wrong_gets_nothing_and_the_object_stays_for_its_reason(taker_is_placed: bool) -> None:
    wrong = replace(group("new", RED), problem="no such field", refused_as="TenantDenied")
    new = has("new", BLUE) if taker_is_placed else placed("new")
    found = owned(wrong, old=has("old", RED), new=new)
    assert found.transfers == ()
    assert found.kept.keys() == keys_of(RED)
    assert found.kept[RED.key] == TransferRefused(
        str(NEW),
        "TenantDenied",
        "no such field. What was admitted stays as it is" if taker_is_placed else "no such field",
    )


def test_a_group_of_which_a_part_is_unread_gets_no_first_place() -> None:
    found = owned(group("new", RED), unread={NEW: UNREAD}, old=has("old", RED))
    assert found.transfers == ()
    assert found.kept[RED.key].code == "SourceUnreadable"


def test_a_placed_group_of_which_a_part_is_unread_may_take_but_not_in_place() -> None:
    new, old = has("new", BLUE), has("old", RED)
    asks = group("new", RED, BLUE)
    (transfer,) = owned(asks, unread={NEW: UNREAD}, old=old, new=new).transfers
    assert not transfer.whole
    assert taken_over(transfer, asks, new, old, NOW) is None


def test_a_new_group_takes_over_the_copies_under_its_own_name() -> None:
    old = replace(has("old", RED, BLUE), waiting_since=7)
    asks = group("new", RED)
    (transfer,) = owned(asks, old=old).transfers
    found = taken_over(transfer, asks, None, old, NOW)
    assert found is not None
    assert (found.key, found.reason, found.clusters) == (NEW, Regrouped.code, ("c0",))
    assert found.admitted == (RED,)
    assert (found.decided_at, found.waiting_since) == (int(NOW), 7)


def test_a_new_group_with_objects_of_several_groups_takes_none_over_in_place() -> None:
    old, other = has("old", RED), has("other", BLUE)
    asks = group("new", RED, BLUE)
    for transfer, giver in zip(owned(asks, old=old, other=other).transfers, (old, other), strict=True):
        assert taken_over(transfer, asks, None, giver, NOW) is None


def test_a_placed_group_takes_over_in_place_on_the_same_clusters_only() -> None:
    old, asks = has("old", RED), group("new", RED, BLUE)
    (transfer,) = owned(asks, old=old, new=has("new", BLUE)).transfers
    found = taken_over(transfer, asks, has("new", BLUE), old, NOW)
    assert found is not None
    assert keys_of(*found.admitted) == keys_of(RED, BLUE)
    assert taken_over(transfer, asks, has("new", BLUE, on="c1"), old, NOW) is None


def test_what_is_taken_over_brings_its_companions_and_its_patches() -> None:
    using, code = app("red", pod=uses("code")), config_map()
    patch = Patch("apps", "Deployment", "red", ({"op": "test", "path": "/spec/replicas", "value": 1},))
    stranger = Patch("apps", "Deployment", "blue", patch.operations)
    old = placed("old", replace(copy_on("c0", using, BLUE, code), patches=(stranger, patch)))
    asks = group("new", using)
    (transfer,) = owned(asks, old=old).transfers
    for taker in (None, has("new", app("green"))):
        found = taken_over(transfer, asks, taker, old, NOW)
        assert found is not None
        assert {using.key, code.key} <= keys_of(*found.admitted)
        assert {using.key, code.key} <= keys_of(*found.copies[0].deployed)
        assert found.copies[0].patches == (patch,)


def test_a_companion_that_both_have_is_there_once() -> None:
    using, code = app("red", pod=uses("code")), config_map()
    old, new = has("old", using, code), has("new", BLUE, code)
    asks = group("new", using, BLUE)
    (transfer,) = owned(asks, old=old, new=new).transfers
    found = taken_over(transfer, asks, new, old, NOW)
    assert found is not None
    assert [item.key for item in found.admitted].count(code.key) == 1


def test_a_copy_that_had_ended_starts_again_in_its_new_group() -> None:
    ended = replace(copy_on("c0", RED), role=CopyRole.ENDED, job_result=JobResult("SUCCEEDED"), run=3)
    asks, old = group("new", RED), placed("old", ended)
    (transfer,) = owned(asks, old=old).transfers
    found = taken_over(transfer, asks, None, old, NOW)
    assert found is not None
    assert (found.copies[0].role, found.copies[0].job_result, found.copies[0].run) == (CopyRole.STARTING, None, 1)


def test_without_leaves_the_other_objects_and_no_empty_copy() -> None:
    both = placed("old", copy_on("c0", RED, BLUE), copy_on("c1", RED))
    left = without(both, keys_of(RED))
    assert left.clusters == ("c0",)
    assert left.admitted == left.copies[0].deployed == (BLUE,)
    assert without(both, keys_of(RED, BLUE)).copies == ()
    assert without(both, keys_of(TRAIN)).copies == both.copies


def test_the_objects_are_named_in_order() -> None:
    assert moved_to([RED.key, BLUE.key], NEW) == Moved((BLUE.key, RED.key), "team/new", given=True)
