"""Which namespaces are taken over from the revision before, as one and the same object."""

from __future__ import annotations

from reconciler.planning.files import Files
from reconciler.planning.namespaces import NamespaceState, Sources
from reconciler.planning.plan_cache import PlanCache
from reconciler.planning.state import read_state
from tests.fleets import Fleet, config_map, ray_job, static_and_dynamic


def two_teams() -> Fleet:
    fleet = static_and_dynamic()
    for team in ("one", "other"):
        fleet.commit(f"workloads/{team}/train.yaml", ray_job("train", workers=1))
    return fleet


def states(fleet: Fleet, cache: PlanCache) -> dict[str, NamespaceState]:
    cache.start_generation()
    return dict(fleet.state(cache).namespaces)


def taken_over(before: dict[str, NamespaceState], after: dict[str, NamespaceState]) -> set[str]:
    return {name for name in before if after.get(name) is before[name]}


def test_only_the_namespace_of_a_changed_file_is_read_again() -> None:
    fleet, cache = two_teams(), PlanCache()
    before = states(fleet, cache)
    fleet.commit("workloads/one/code.yaml", config_map("code"))
    assert taken_over(before, states(fleet, cache)) == {"other"}


def test_a_changed_policy_has_all_groups_formed_anew() -> None:
    fleet, cache = two_teams(), PlanCache()
    before = states(fleet, cache)
    fleet.commit("policies/spill.yaml", fleet.files["policies/spill.yaml"].replace(b"dynamic", b"other"))
    assert taken_over(before, states(fleet, cache)) == set()


def test_an_object_for_another_namespace_is_read_in_both() -> None:
    fleet, cache = two_teams(), PlanCache()
    before = states(fleet, cache)
    foreign = config_map("code").replace(b"{name: code,", b"{name: code, namespace: other,")
    fleet.commit("workloads/one/code.yaml", foreign)
    after = states(fleet, cache)
    assert taken_over(before, after) == set()
    assert [str(item.key.namespace) for item in after["other"].asked_by.foreign] == ["other"]
    fleet.commit("workloads/one/code.yaml", None)
    assert taken_over(after, states(fleet, cache)) == set()


def test_where_it_is_not_known_what_commits_touched_groups_are_formed_each_time() -> None:
    fleet, cache = two_teams(), PlanCache()
    files = Files({path: data for path, data in fleet.files.items() if not path.startswith("snapshots/")})
    first, second = (read_state("0" * 40, files, Sources(lambda _: {}), cache) for _ in range(2))
    assert first.namespaces["one"] is not second.namespaces["one"]
    assert first.namespaces["one"].asked_by.folder is second.namespaces["one"].asked_by.folder
    assert first.grouping == second.grouping
