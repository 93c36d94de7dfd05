"""What a placed group should have now: what is asked for, and what must stay although it is not asked for any more."""

from __future__ import annotations

from dataclasses import replace

from reconciler.lifecycle.desired import DesiredObjects, DesiredState, desired_objects
from reconciler.reasons.transitions import TransferRefused
from reconciler.workloads.group import WorkloadObject
from tests.copies import WEB_FILE, app, config_map, copy_on, from_file, group, job, key, keys_of, placed
from tests.unit.workloads.reading import uses

WEB, BLUE, TRAIN, EDITED, CODE = app(), app("blue"), job(), job(cpu=2), config_map()
REFUSED = TransferRefused("team/other", "NoFit", "full")
NOTHING = DesiredState((), (), ())


def should_have(
    asked: tuple[WorkloadObject, ...], has: tuple[WorkloadObject, ...], desired: DesiredState = NOTHING
) -> DesiredObjects:
    return desired_objects(group("g", *asked), placed("g", copy_on("c0", *has)), desired)


def names(objects: tuple[WorkloadObject, ...]) -> list[str]:
    return sorted(item.key.name for item in objects)


def test_an_edit_of_a_service_is_rolled_out() -> None:
    found = should_have((app(replicas=2),), (WEB,))
    assert found == DesiredObjects((app(replicas=2),), (), ())


def test_an_object_that_is_not_asked_for_any_more_goes() -> None:
    assert names(should_have((WEB,), (WEB, BLUE)).objects) == ["web"]


def test_an_edit_of_a_job_that_was_placed_is_not_rolled_out() -> None:
    found = should_have((EDITED,), (TRAIN,))
    assert found.objects == (TRAIN,)
    assert found.edited == (EDITED,)


def test_a_job_that_moved_to_another_file_comes_from_there_without_being_edited() -> None:
    moved = from_file(TRAIN, "workloads/team/moved.yaml")
    found = should_have((moved,), (TRAIN,))
    assert (found.objects, found.edited) == ((moved,), ())
    found = should_have((from_file(EDITED, "workloads/team/moved.yaml"),), (TRAIN,))
    assert found.objects == (moved,), "as it was admitted, from the file that it is in now"


def test_a_job_that_is_new_in_the_group_is_placed_as_it_is() -> None:
    assert should_have((WEB, TRAIN), (WEB,)).objects == (WEB, TRAIN)


def test_a_job_that_another_group_has_placed_does_not_come_to_this_one() -> None:
    elsewhere = replace(NOTHING, jobs={TRAIN.key: key("other")})
    assert should_have((WEB, TRAIN), (WEB,), elsewhere).objects == (WEB,)
    assert should_have((WEB, TRAIN), (WEB, TRAIN), replace(NOTHING, jobs={TRAIN.key: key("g")})).objects == (WEB, TRAIN)


def test_a_job_that_is_asked_for_under_another_group_stays() -> None:
    assert names(should_have((WEB,), (WEB, TRAIN), replace(NOTHING, keys=keys_of(TRAIN))).objects) == ["train", "web"]


def test_a_job_whose_manifest_is_gone_goes() -> None:
    assert names(should_have((WEB,), (WEB, TRAIN)).objects) == ["web"]


def test_what_an_unreadable_file_made_stays() -> None:
    unreadable = replace(NOTHING, broken=frozenset({WEB_FILE}))
    assert names(should_have((BLUE,), (WEB, BLUE), unreadable).objects) == ["blue", "web"]


def test_what_another_group_cannot_take_stays_with_the_reason() -> None:
    kept = NOTHING.keeping({WEB.key: REFUSED})
    found = should_have((BLUE,), (WEB, BLUE), kept)
    assert names(found.objects) == ["blue", "web"]
    assert found.kept == ((WEB, REFUSED),)


def test_what_this_group_asks_for_and_another_one_keeps_does_not_come() -> None:
    kept = NOTHING.keeping({WEB.key: REFUSED})
    assert should_have((BLUE, WEB), (BLUE,), kept) == DesiredObjects((BLUE,), (), ())


def test_what_stays_keeps_the_companions_that_it_was_admitted_with() -> None:
    using = app("web", pod=uses("code"))
    unreadable = replace(NOTHING, broken=frozenset({WEB_FILE}))
    found = should_have((BLUE,), (using, BLUE, CODE, config_map("unused")), unreadable)
    assert names(found.objects) == ["blue", "code", "web"]


def test_a_companion_that_is_asked_for_in_another_form_is_not_kept_beside_it() -> None:
    using, edited = app("web", pod=uses("code")), config_map(value="2")
    unreadable = replace(NOTHING, broken=frozenset({WEB_FILE}))
    found = should_have((BLUE, edited), (using, BLUE, CODE), unreadable)
    assert [item.digest for item in found.objects if item.key == CODE.key] == [edited.digest]


def test_keeping_adds_to_what_is_kept_and_letting_go_takes_from_it() -> None:
    later = TransferRefused(REFUSED.group, "TenantDenied", REFUSED.message)
    both = NOTHING.keeping({WEB.key: REFUSED}).keeping({BLUE.key: later})
    assert both.kept == {WEB.key: REFUSED, BLUE.key: later}
    assert both.letting_go({WEB.key}).kept == {BLUE.key: later}
    assert NOTHING.kept == {}, "a state is a value"
