"""Companions that several groups share: a cluster has one copy of each, whatever its groups would have of it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from reconciler.lifecycle.shared_objects import Exchanged, one_copy_each
from reconciler.workloads.cluster_copy import ClusterCopy
from reconciler.workloads.group import GroupKey, WorkloadObject
from reconciler.workloads.patch import Patch
from tests.copies import app, config_map, copy_on, key

WEB, OLD, NEW = app(), config_map(value="1"), config_map(value="2")
LAST = config_map(value="3")
FIRST, SECOND = key("first"), key("second")


def exchanged(asked: tuple[WorkloadObject, ...] = (), **copies: ClusterCopy) -> dict[GroupKey, Exchanged]:
    return one_copy_each({key(name): (copy,) for name, copy in copies.items()}, asked)


def test_groups_that_have_the_same_object_stay_as_they_are() -> None:
    assert exchanged(first=copy_on("c0", WEB, NEW), second=copy_on("c0", NEW)) == {}


def test_where_two_forms_meet_both_groups_get_the_one_that_is_asked_for() -> None:
    found = exchanged((OLD,), first=copy_on("c0", WEB, OLD), second=copy_on("c0", NEW))
    assert found.keys() == {SECOND}
    assert found[SECOND].names == ("ConfigMap code",)
    assert found[SECOND].copies[0].admitted == found[SECOND].copies[0].deployed == (OLD,)


def test_where_neither_is_asked_for_both_get_that_of_the_last_group() -> None:
    found = exchanged((LAST,), first=copy_on("c0", OLD), second=copy_on("c0", NEW))
    assert found.keys() == {FIRST}
    assert found[FIRST].copies[0].admitted == (NEW,)


def test_groups_on_different_clusters_share_nothing() -> None:
    assert exchanged((NEW,), first=copy_on("c0", OLD), second=copy_on("c1", NEW)) == {}


def test_only_the_copy_on_the_shared_cluster_changes() -> None:
    alone, shared = copy_on("c0", OLD), copy_on("c1", OLD)
    found = one_copy_each({FIRST: (alone, shared), SECOND: (copy_on("c1", NEW),)}, (NEW,))
    assert found[FIRST].copies[0] is alone
    assert found[FIRST].copies[1].admitted == (NEW,)


def test_an_object_that_makes_pods_is_no_companion() -> None:
    assert exchanged((), first=copy_on("c0", app(replicas=1)), second=copy_on("c0", app(replicas=2))) == {}


def test_an_object_that_is_patched_there_is_not_exchanged() -> None:
    patch = Patch("", "ConfigMap", "code", ({"op": "test", "path": "/data/value", "value": "1"},))
    patched = replace(copy_on("c0", OLD), patches=(patch,))
    assert exchanged((NEW,), first=patched, second=copy_on("c0", NEW)) == {}


def test_an_object_that_is_patched_there_is_no_form_for_the_others() -> None:
    patch = Patch("", "ConfigMap", "code", ({"op": "test", "path": "/data/value", "value": "1"},))
    patched = replace(copy_on("c0", OLD), patches=(patch,))
    assert exchanged((), first=copy_on("c0", NEW), second=patched) == {}
    found = exchanged((NEW,), first=copy_on("c0", OLD), second=copy_on("c0", NEW), third=patched)
    assert found.keys() == {FIRST}, "nor does it get theirs"


def test_the_object_keeps_the_file_that_its_group_has_it_from() -> None:
    elsewhere = replace(NEW, place=replace(NEW.place, file="workloads/team/elsewhere.yaml"))
    found = exchanged((NEW,), first=copy_on("c0", OLD), second=copy_on("c0", elsewhere))
    assert found[FIRST].copies[0].admitted[0].place == OLD.place


@given(st.lists(st.tuples(st.sampled_from(["c0", "c1"]), st.sampled_from(["1", "2", "3"])), max_size=6))
def test_each_cluster_has_one_form_afterwards(having: list[tuple[str, str]]) -> None:
    copies = {key(f"g{n}"): (copy_on(name, config_map(value=value)),) for n, (name, value) in enumerate(having)}
    after = {group: found.copies for group, found in one_copy_each(copies, (config_map(value="2"),)).items()}
    forms: dict[str, set[str]] = {}
    for copy in (copy for group in copies for copy in after.get(group, copies[group])):
        forms.setdefault(copy.cluster, set()).update(item.digest for item in copy.deployed)
    assert all(len(each) == 1 for each in forms.values())
