"""What was rendered of clusters that are gone is forgotten."""

from __future__ import annotations

from reconciler.planning.plan_cache import PlanCache
from tests.cycles.remembering import remember
from tests.fleets import Fleet, ray_job, static_and_dynamic


def brought_to_rest(fleet: Fleet, cache: PlanCache) -> None:
    for _ in range(3):
        made = remember(fleet, cache)
    assert made.drafts == ()


def test_a_cluster_without_groups_that_left_is_forgotten() -> None:
    fleet, cache = static_and_dynamic(), PlanCache()
    fleet.commit("workloads/team/train.yaml", ray_job("train"))
    brought_to_rest(fleet, cache)
    assert cache.rendered.clean.keys() == cache.rendered.tops.keys() == {"static", "dynamic"}
    fleet.commit("inventory/dynamic.yaml", None)
    brought_to_rest(fleet, cache)
    assert cache.rendered.clean.keys() == cache.rendered.tops.keys() == {"static"}


def test_a_cluster_from_which_groups_were_taken_is_forgotten_with_what_was_rendered_of_them() -> None:
    fleet, cache = static_and_dynamic(), PlanCache()
    fleet.commit("workloads/team/train.yaml", ray_job("train"))
    brought_to_rest(fleet, cache)
    assert cache.rendered.parts.keys() == cache.rendered.same.keys() == {("static", "team")}
    fleet.commit("workloads/team/train.yaml", None)
    fleet.commit("inventory/static.yaml", None)
    brought_to_rest(fleet, cache)
    assert not any(path.startswith("clusters/static/") for path in fleet.files)
    assert not cache.rendered.parts
    assert not cache.rendered.same


def test_a_namespace_whose_placement_a_hand_removed_is_forgotten() -> None:
    fleet, cache = static_and_dynamic(), PlanCache()
    fleet.commit("workloads/team/train.yaml", ray_job("train"))
    brought_to_rest(fleet, cache)
    fleet.commit("workloads/team/train.yaml", None)
    (record,) = (path for path in fleet.files if path.startswith("placements/"))
    fleet.commit(record, None)
    brought_to_rest(fleet, cache)
    assert not cache.rendered.parts
    assert not cache.rendered.same
