"""A cycle with the cache of earlier ones comes to the same state and the same plan as one without."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.fleet.snapshot import ClusterSnapshot
from reconciler.placement.fleet_state import BaselineCache
from reconciler.planning.files import blob_id
from reconciler.planning.plan import Plan
from reconciler.planning.plan_cache import GenerationCache, PlanCache
from reconciler.planning.same import Same
from tests.cycles.changing_fleets import ChangingFleet
from tests.cycles.remembering import compared, remember
from tests.fleets import (
    GROWS,
    Fleet,
    cluster,
    config_map,
    nodes,
    ordered,
    picture,
    policy,
    ray_job,
    static_and_dynamic,
)

QUIET = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def remembered() -> tuple[Fleet, PlanCache]:
    """A job that is placed, and the cache of the cycle that placed it."""
    fleet, cache = static_and_dynamic(), PlanCache()
    fleet.commit("workloads/team0/job.yaml", ray_job("train"))
    remember(fleet, cache)
    return fleet, cache


TEAMS = st.integers(0, 3)
STEPS = st.one_of(
    st.tuples(st.just("job"), TEAMS, st.integers(1, 3), st.integers(0, 2)),
    st.tuples(st.just("companion"), TEAMS, st.sampled_from(["print(1)", "print(2)"]), st.none()),
    st.tuples(st.just("remove"), TEAMS, st.none(), st.none()),
    st.tuples(st.just("break"), TEAMS, st.none(), st.none()),
    st.tuples(st.just("namespace"), TEAMS, st.sampled_from(["a", "b"]), st.none()),
    st.tuples(st.just("nodes"), st.integers(0, 4), st.none(), st.none()),
    st.tuples(st.just("policy"), st.booleans(), st.none(), st.none()),
    st.tuples(st.just("inventory"), st.booleans(), st.none(), st.none()),
    st.tuples(st.just("hand edit"), st.integers(0, 30), st.none(), st.none()),
    st.tuples(st.just("hand removal"), st.integers(0, 30), st.none(), st.none()),
    st.tuples(st.just("nothing"), st.none(), st.none(), st.none()),
)


def take(fleet: Fleet, step: tuple[object, ...]) -> None:
    match step:
        case ("job", team, int(workers), int(gpus)):
            fleet.commit(f"workloads/team{team}/job.yaml", ray_job("train", workers=workers, gpus=gpus, config="code"))
        case ("companion", team, str(value), _):
            fleet.commit(f"workloads/team{team}/code.yaml", config_map("code", value))
        case ("remove", team, _, _) if f"workloads/team{team}/job.yaml" in fleet.files:
            fleet.commit(f"workloads/team{team}/job.yaml", None)
        case ("break", team, _, _):
            fleet.commit(f"workloads/team{team}/job.yaml", b"kind: [\n")
        case ("namespace", team, str(value), _):
            text = f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: team{team}, labels: {{team: {value}}}}}\n"
            fleet.commit(f"workloads/team{team}/namespace.yaml", text.encode())
        case ("nodes", int(count), _, _):
            fleet.commit("snapshots/static.yaml", picture("static", *nodes(count)))
        case ("policy", bool(turned), _, _):
            names = ("dynamic", "static") if turned else ("static", "dynamic")
            fleet.commit("policies/spill.yaml", policy("spill", ordered(*names)))
        case ("inventory", bool(grows), _, _):
            fleet.commit("inventory/dynamic.yaml", cluster("dynamic", spec=GROWS) if grows else cluster("dynamic"))
        case ("hand edit" | "hand removal" as what, int(number), _, _):
            own = sorted(path for path in fleet.rendered() if path.startswith("clusters/"))
            if own:
                path = own[number % len(own)]
                fleet.commit(path, None if what == "hand removal" else fleet.files[path] + b"# by hand\n")
        case _:
            pass


@QUIET
@given(st.lists(STEPS, min_size=1, max_size=8))
def test_memory_changes_no_plan_whatever_happens_between_cycles(steps: list[tuple[object, ...]]) -> None:
    fleet, cache = static_and_dynamic(), PlanCache()
    fleet.commit("workloads/team0/job.yaml", ray_job("train"))
    for step in steps:
        take(fleet, step)
        remember(fleet, cache)
    assert remember(fleet, cache).drafts == ()


@QUIET
@given(st.integers(0, 1_000_000))
def test_memory_changes_no_plan_whatever_changes_in_the_fleet(seed: int) -> None:
    life, cache = ChangingFleet(Random(seed)), PlanCache()
    for _ in range(12):
        life.step()
        made = compared(life.fleet, cache, unreadable=life.unreadable, now=life.now)
        lost_the_race = life.dice.randint(0, 5) == 0
        if isinstance(made, Plan) and not lost_the_race:
            life.fleet.carry_out(made)


def test_an_unchanged_directory_is_not_rendered_again_at_a_later_revision() -> None:
    fleet, cache = remembered()
    before = fleet.files["clusters/static/skyray.yaml"]
    fleet.commit("workloads/README.md", b"hello\n")
    assert remember(fleet, cache).drafts == ()
    assert fleet.files["clusters/static/skyray.yaml"] == before


def test_a_sentinel_that_a_hand_has_changed_is_written_anew_and_not_remembered() -> None:
    fleet, cache = remembered()
    fleet.commit("clusters/static/skyray.yaml", b"nonsense\n")
    (repair,) = remember(fleet, cache).drafts
    assert list(repair.changes) == ["clusters/static/skyray.yaml"]
    assert f"{fleet.revision:040x}".encode() in fleet.files["clusters/static/skyray.yaml"]


def test_a_placement_that_was_just_written_is_neither_read_nor_written_again() -> None:
    fleet, cache = remembered()
    (path,) = (name for name in fleet.files if name.startswith("placements/"))
    data = fleet.files[path]
    cache.start_generation()
    (read,) = cache.records.known((path, blob_id(data))) or ()
    (group,) = fleet.state(cache).placements.values()
    assert group == fleet.state().placements[group.key]
    assert read.group.key == group.key
    assert cache.is_own(read)


def test_a_placement_that_a_hand_has_changed_is_written_anew() -> None:
    fleet, cache = remembered()
    (path,) = (name for name in fleet.files if name.startswith("placements/"))
    data = fleet.files[path]
    fleet.commit(path, data + b"# by hand\n")
    (repair,) = remember(fleet, cache).drafts
    assert repair.changes == {path: data}
    assert remember(fleet, cache).drafts == ()


def test_room_that_was_freed_is_seen_in_the_next_cycle() -> None:
    fleet, cache = static_and_dynamic(), PlanCache()
    del fleet.files["inventory/dynamic.yaml"], fleet.files["snapshots/dynamic.yaml"]
    fleet.commit("policies/spill.yaml", policy("spill", "placement: {require: Fit}"))
    for team in range(3):
        fleet.commit(f"workloads/team{team}/job.yaml", ray_job("train", workers=2))
    assert [d.reason for d in remember(fleet, cache).decisions] == ["FitsNow", "FitsNow", "NoFit"]
    assert "NoFit" in [d.reason for d in remember(fleet, cache).decisions if d.group.namespace == "team2"], "promised"
    fleet.commit("workloads/team0/job.yaml", None)
    assert "FitsNow" in [d.reason for d in remember(fleet, cache).decisions if d.group.namespace == "team2"]


def test_a_snapshot_that_differs_in_its_time_alone_makes_no_new_baseline() -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team0/job.yaml", ray_job("train"))
    (static,) = (c for c in fleet.state().clusters if c.name == "static")
    shown = fleet.snapshot().clusters["static"]
    assert isinstance(shown, ClusterSnapshot)
    baselines = BaselineCache()
    first = baselines.of(static, shown, ())
    assert baselines.of(static, replace(shown, taken_at=shown.taken_at + 60), ()) is first
    fewer = baselines.of(static, replace(shown, nodes=shown.nodes[1:]), ())
    assert fewer is not first
    assert baselines.of(static, shown, ()) is first, "a preview does not evict what the loop uses"
    baselines.retain({"dynamic"})
    assert baselines.of(static, shown, ()) is not first


def test_what_a_cycle_does_without_is_forgotten() -> None:
    recall = GenerationCache[str, int]()
    calls: list[str] = []

    def work(key: str) -> int:
        calls.append(key)
        return len(calls)

    for _ in range(3):
        recall.start_generation()
        assert recall.of("kept", lambda: work("kept")) == 1
    recall.start_generation()
    recall.start_generation()
    assert recall.of("kept", lambda: work("kept")) == 2, "two turns without a question"
    assert recall.of("kept", lambda: work("kept"), holds=lambda known: known > 2) == 3
    assert recall.of("kept", lambda: work("kept")) == 3


def test_equal_objects_are_not_the_same() -> None:
    one, other = [1], [1]
    assert Same(one) == Same(one)
    assert Same(one) != Same(other)
