"""The state of one cluster is a value: every change returns a new state, and an old one still says what it said."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.kube_scheduler.equivalence import GangRequest
from reconciler.kube_scheduler.gang import Gang
from reconciler.placement.cluster_state import ClusterState
from reconciler.placement.hold import Hold
from reconciler.placement.model import Verdict
from reconciler.reasons.hold import HELD_FOR_OLDER
from reconciler.workloads.group import WorkloadObject, gang_of
from tests.capacity import NOW, assumed, free_cpu, pod_of, seen, state_of
from tests.copies import TEAM, app, job, key


def gang(*items: WorkloadObject) -> Gang:
    return gang_of(items)


def fits(state: ClusterState, *items: WorkloadObject) -> bool:
    return state.try_gang(GangRequest.of(gang(*items)))[0].ok


def assume(state: ClusterState, *items: WorkloadObject) -> ClusterState:
    """Return the state with a gang placed, where it fits; else the state as it is."""
    fit, _ = state.try_gang(GangRequest.of(gang(*items)))
    return state.assume(gang(*items), fit) if fit.ok else state


def told(state: ClusterState) -> tuple[object, ...]:
    """Return all that a state says."""
    held = state.hold.emptied.free.tolist() if state.hold else None
    answers = [fits(state, app("asks", cpu=cpu)) for cpu in (1, 2, 4, 8)]
    return (free_cpu(state), state.assumed, state.gangs, held, state.version, answers)


def hold_on(state: ClusterState, cpu: int) -> ClusterState:
    """Return the state in which four cores are reserved once everything there has ended."""
    return state.with_hold(Hold(key("older"), gang(app("older", cpu=cpu)), NOW, NOW + 60, state.emptied([TEAM]).nodes))


Change = Callable[[ClusterState, int], ClusterState]

CHANGES: dict[str, Change] = {
    "assume": lambda state, cpu: assume(state, app("new", cpu=cpu)),
    "queue": lambda state, cpu: state.queue_pods(gang(app("queued", cpu=cpu))),
    "hold": hold_on,
    "update": lambda state, cpu: state.update(key("a"), (app("a", cpu=1),), (app("a", cpu=cpu),))[1],
    "release": lambda state, cpu: state.release(key("a" if cpu % 2 else "b")),
    "replace": lambda state, cpu: state.replace_assumed(assumed("b", app("b", cpu=cpu))),
}


def start() -> ClusterState:
    running = [pod_of("foreign", 1, namespace="kube-system")]
    return state_of(seen("c0", 4, 8, pods=running), assumed("a", app("a", cpu=1)), assumed("b", app("b", cpu=2)))


@given(st.lists(st.tuples(st.sampled_from(sorted(CHANGES)), st.integers(1, 6)), min_size=1, max_size=5))
def test_a_state_that_was_kept_still_says_what_it_said(changes: list[tuple[str, int]]) -> None:
    states, said = [start()], [told(start())]
    for name, cpu in changes:
        states.append(CHANGES[name](states[-1], cpu))
        said.append(told(states[-1]))
    assert [told(state) for state in states] == said
    versions = [state.version for state in states]
    assert versions == sorted(versions)


@given(st.sampled_from(["assume", "queue", "release", "replace"]), st.integers(1, 5))
def test_to_go_on_from_a_kept_state_is_as_if_the_other_way_had_not_been_tried(name: str, cpu: int) -> None:
    kept = start()
    CHANGES[name](kept, cpu)
    assert told(CHANGES["assume"](kept, 2)) == told(CHANGES["assume"](start(), 2))


def test_assumed_copies_and_foreign_pods_use_capacity() -> None:
    state = state_of(seen("c0", 8, pods=[pod_of("foreign", 1)]), assumed("a", app("a", cpu=2)))
    assert free_cpu(state) == [5000]
    assert fits(state, app("new", cpu=5))
    assert not fits(state, app("new", cpu=6))


def test_what_is_placed_is_not_free_for_the_next() -> None:
    state = assume(state_of(seen("c0", 4)), app("first", cpu=3))
    assert free_cpu(state) == [1000]
    assert not fits(state, app("second", cpu=2))


def test_pods_that_queue_use_what_would_be_bound_of_them() -> None:
    state = state_of(seen("c0", 4)).queue_pods(gang(app("queued", replicas=3, cpu=3)))
    assert free_cpu(state) == [1000]


@given(st.integers(1, 8), st.integers(1, 3))
def test_an_update_that_does_not_fit_leaves_the_state_equal(cpu: int, replicas: int) -> None:
    state = state_of(seen("c0", 4), assumed("a", app("a", cpu=1)), assumed("b", app("b", cpu=2)))
    before = told(state)
    fit, after = state.update(key("a"), (app("a", cpu=1),), (app("a", cpu=cpu, replicas=replicas),))
    assert fit.ok is (cpu * replicas <= 2)
    assert (after is state) is (not fit.ok)
    if not fit.ok:
        assert told(after) == before


def test_an_update_may_use_what_the_copy_has_already() -> None:
    state = state_of(seen("c0", 4), assumed("a", app("a", cpu=3)))
    fit, after = state.update(key("a"), (app("a", cpu=3),), (app("a", cpu=4),))
    assert fit.ok
    assert free_cpu(after) == [0]
    assert after.assumed == ()


def test_an_update_may_use_the_room_of_the_pods_that_it_replaces() -> None:
    running = seen("c0", 4, pods=[pod_of("train", 3, node_type="head")])
    state = state_of(running, assumed("a", job(cpu=3)))
    assert free_cpu(state) == [1000], "its pods are not counted twice"
    assert state.update(key("a"), (job(cpu=3),), (job(cpu=4),))[0].ok


@given(st.integers(1, 6), st.integers(1, 3))
def test_release_gives_back_exactly_what_replace_assumed_took(cpu: int, replicas: int) -> None:
    state = state_of(seen("c0", 4, 8), assumed("b", app("b", cpu=2)))
    taken = state.replace_assumed(assumed("a", app("a", cpu=cpu, replicas=replicas)))
    assert sum(free_cpu(state)) > sum(free_cpu(taken))
    back = taken.release(key("a"))
    assert free_cpu(back) == free_cpu(state)
    assert back.assumed == state.assumed


def test_what_is_assumed_for_a_group_replaces_what_was_assumed_for_it() -> None:
    state = state_of(seen("c0", 8), assumed("a", app("a", cpu=3)), assumed("c", app("c", cpu=1)))
    after = state.replace_assumed(assumed("a", app("a", cpu=1)))
    assert free_cpu(after) == [6000]
    assert [copy.group.name for copy in after.assumed] == ["a", "c"], "in order of their groups"


def test_what_this_plan_placed_stays_when_a_group_leaves() -> None:
    state = assume(state_of(seen("c0", 8), assumed("a", app("a", cpu=3))), app("new", cpu=2))
    assert free_cpu(state.release(key("a"))) == [6000]


def test_the_pods_of_a_group_that_leaves_count_until_they_are_gone() -> None:
    state = state_of(seen("c0", 8, pods=[pod_of("train", 3, node_type="head")]), assumed("a", job(cpu=3)))
    assert free_cpu(state.release(key("a"))) == [5000]


def test_a_copy_whose_jobs_have_ended_uses_only_the_pods_that_are_left() -> None:
    assert free_cpu(state_of(seen("c0", 8), assumed("a", job(cpu=3), ended=True))) == [8000]


def test_reassigned_copies_use_the_same_capacity_under_another_name() -> None:
    state = assume(state_of(seen("c0", 8), assumed("old", app("a", cpu=3))), app("new", cpu=2))
    after = state.reassigned([key("old")], [assumed("renamed", app("a", cpu=3))])
    assert free_cpu(after) == free_cpu(state)
    assert [copy.group.name for copy in after.assumed] == ["renamed"]
    assert after.version > state.version
    assert free_cpu(after.release(key("renamed"))) == [6000]


def test_what_is_held_is_not_for_a_later_group_though_it_would_fit() -> None:
    state = state_of(seen("c0", 4), assumed("running", app("a", cpu=2)))
    held = hold_on(state, 4)
    fit, candidate = held.try_gang(GangRequest.of(gang(app("late", cpu=1))))
    assert fits(state, app("late", cpu=1))
    assert (fit.ok, candidate.verdict, candidate.reason) == (False, Verdict.NO_FIT, HELD_FOR_OLDER)


def test_a_later_group_may_use_what_is_not_held() -> None:
    held = hold_on(state_of(seen("c0", 4, 4), assumed("running", app("a", cpu=2))), 4)
    assert fits(held, app("late", cpu=2))
    used = assume(held, app("late", cpu=2))
    assert not fits(used, app("later", cpu=2)), "beside both it would keep the gang out"
    assert used.hold is not None


@pytest.mark.parametrize("name", sorted(CHANGES.keys() - {"hold"}))
def test_what_is_held_stays_held_whatever_changes_beside_it(name: str) -> None:
    held = hold_on(start(), 6)
    after = CHANGES[name](held, 1)
    assert after is not held
    assert after.hold is not None
    assert after.hold.group == key("older")


def test_once_ended_takes_away_what_ends_and_pods_that_are_being_deleted() -> None:
    state = state_of(seen("c0", 8), assumed("a", app("a", cpu=3)), assumed("b", app("b", cpu=1)))
    later = state.once_ended(lambda copy: copy.group == key("a"))
    assert later.nodes.free[later.nodes.table.rows["cpu"]].tolist() == [7000]
    assert free_cpu(state) == [4000]


def test_an_emptied_cluster_has_what_this_plan_placed_and_foreign_pods() -> None:
    running = [pod_of("foreign", 1, namespace="kube-system"), pod_of("left", 1)]
    state = assume(state_of(seen("c0", 8, pods=running), assumed("a", app("a", cpu=2))), app("new", cpu=1))
    emptied = state.emptied([TEAM]).nodes
    assert emptied.free[emptied.table.rows["cpu"]].tolist() == [6000]


def test_a_result_is_computed_once_for_equal_gangs() -> None:
    state = state_of(seen("c0", 4))

    def found(name: str, cpu: int) -> object:
        return state.try_gang(GangRequest.of(gang(app(name, cpu=cpu))))[0]

    assert found("web", 1) is found("web", 1)
    assert found("web", 1) is found("other", 1), "names do not matter here"
    assert found("web", 1) is not found("web", 2)


def test_names_matter_where_a_pod_there_keeps_others_away_by_their_labels() -> None:
    term = "{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: web}}}"
    rule = f"affinity: {{podAntiAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: [{term}]}}}}"
    state = assume(state_of(seen("c0", 8)), app("guard", pod=rule, cpu=1))
    assert not fits(state, app("web", cpu=1))
    assert fits(state, app("other", cpu=1))


@pytest.mark.parametrize(("placed", "free"), [(0, 1.0), (4, 0.5), (8, 0.0)])
def test_the_free_share_is_that_of_cpu_where_there_are_no_devices(placed: int, free: float) -> None:
    state = state_of(seen("c0", 8))
    used = assume(state, app("web", cpu=placed)) if placed else state
    assert used.cache.free_share == free


def test_a_measure_is_taken_once_for_each_gang_and_name() -> None:
    cache, calls = state_of(seen("c0", 8)).cache, list[int]()

    def measure() -> int:
        calls.append(1)
        return len(calls)

    wanted = GangRequest.of(gang(app("web", cpu=1)))
    assert [cache.measured(wanted, "cost", measure) for _ in range(2)] == [1, 1]
    assert cache.measured(wanted, "other", measure) == 2
    assert cache.measured(None, "cost", measure) == 3


def test_a_baseline_equals_one_of_the_same_capacity_at_another_time() -> None:
    state = state_of(seen("c0", 8), assumed("a", app("a", cpu=3)))
    base = state.baseline
    assert base.equals(base.cluster, seen("c0", 8, at=NOW + 60), base.assumed)
    assert not base.equals(base.cluster, seen("c0", 4), base.assumed)
    assert not base.equals(base.cluster, base.snapshot, ())
    other = seen("c0", 8, pods=[pod_of("foreign", 1)])
    assert not base.equals(base.cluster, other, base.assumed)
