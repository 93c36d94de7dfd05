"""What a snapshot shows of copies: pods, the end of jobs, and what follows for the roles of copies."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.fleet.snapshot import ClusterSnapshot, RayStatus, Unreadable
from reconciler.lifecycle.observe import (
    CopyState,
    CopyStatus,
    group_result,
    observe,
    observe_updated,
    with_results,
    with_roles,
)
from reconciler.workloads.cluster_copy import ClusterCopy, CopyRole, JobResult
from tests.capacity import NOW, fleet_state, pod_of, seen
from tests.copies import TEAM, app, config_map, copy_on, job

TRAIN, WEB = job(), app()
DONE, FAILED, STOPPED = JobResult("SUCCEEDED", message="done"), JobResult("FAILED", message="bad"), JobResult("STOPPED")


def ended(name: str = "train", status: str = "SUCCEEDED", state: str = "Complete", reason: str = "") -> RayStatus:
    return RayStatus("RayJob", TEAM, name, state, status, reason)


def status(copy: ClusterCopy, shown: ClusterSnapshot | Unreadable) -> CopyStatus:
    (found,) = observe((copy,), fleet_state(shown))
    return found


def test_a_copy_without_pods_is_missing() -> None:
    found = status(copy_on("c0", WEB), seen("c0", 4, at=NOW - 5))
    assert found == CopyStatus("c0", 1, CopyState.MISSING, NOW - 5)


def test_a_copy_with_a_bound_pod_runs() -> None:
    assert status(copy_on("c0", TRAIN), seen("c0", 4, pods=[pod_of("train", 1)])).state is CopyState.RUNNING


def test_a_pod_that_is_bound_nowhere_does_not_run() -> None:
    shown = seen("c0", 4, pods=[pod_of("train", 1, node="")])
    assert status(copy_on("c0", TRAIN), shown).state is CopyState.MISSING


def test_pods_of_others_say_nothing_of_a_copy() -> None:
    shown = seen("c0", 4, pods=[pod_of("other", 1), pod_of("train", 1, namespace="elsewhere")])
    assert status(copy_on("c0", TRAIN), shown).state is CopyState.MISSING


def test_a_copy_on_a_cluster_that_is_not_read_is_unknown_and_keeps_its_result() -> None:
    found = status(replace(copy_on("c0", TRAIN), job_result=DONE), Unreadable("c0", "refused", NOW - 60))
    assert found == CopyStatus("c0", 1, CopyState.UNKNOWN, NOW - 60, DONE)


def test_a_copy_whose_jobs_have_ended_has_ended_with_their_result() -> None:
    found = status(copy_on("c0", TRAIN), seen("c0", 4, ray=[ended()]))
    assert found.state is CopyState.ENDED
    assert found.job_result is not None
    assert found.job_result.state == "SUCCEEDED"


def test_a_result_that_is_known_stays_whatever_the_snapshot_shows() -> None:
    known = replace(copy_on("c0", TRAIN), job_result=DONE)
    found = status(known, seen("c0", 4, ray=[ended(status="FAILED", state="Failed")]))
    assert (found.state, found.job_result) == (CopyState.ENDED, DONE)


def test_pods_that_are_left_of_a_job_that_has_ended_still_run() -> None:
    found = status(copy_on("c0", TRAIN), seen("c0", 4, pods=[pod_of("train", 1)], ray=[ended()]))
    assert found.state is CopyState.RUNNING
    assert found.job_result is not None


@pytest.mark.parametrize("ray", [[], [ended(status="RUNNING", state="Running")], [ended(state="Retrying")]])
def test_a_job_that_the_snapshot_does_not_show_as_finished_has_not_ended(ray: list[RayStatus]) -> None:
    assert status(copy_on("c0", TRAIN), seen("c0", 4, ray=ray)).job_result is None


def test_a_copy_with_a_service_beside_its_job_does_not_end() -> None:
    assert status(copy_on("c0", TRAIN, WEB), seen("c0", 4, ray=[ended()])).job_result is None


def test_a_copy_ends_with_the_last_of_its_jobs_and_as_the_worst_of_them() -> None:
    both = copy_on("c0", TRAIN, job("tune"), config_map())
    assert status(both, seen("c0", 4, ray=[ended()])).job_result is None
    shown = seen("c0", 4, ray=[ended(), ended("tune", "FAILED", "Failed", "AppFailed")])
    found = status(both, shown).job_result
    assert found is not None
    assert (found.state, found.reason) == ("FAILED", "AppFailed")
    assert "train" in found.message
    assert "tune" in found.message


def test_a_copy_that_makes_no_pods_has_nothing_that_could_end() -> None:
    assert status(copy_on("c0", config_map()), seen("c0", 4)).job_result is None


def test_a_job_that_an_update_adds_has_not_ended_whatever_is_shown_under_its_name() -> None:
    before, after = copy_on("c0", TRAIN), copy_on("c0", TRAIN, job("tune"))
    fleet = fleet_state(seen("c0", 4, ray=[ended(), ended("tune")]))
    assert observe((after,), fleet)[0].job_result is not None, "as if it were not new"
    assert observe_updated((after,), (before,), fleet)[0].job_result is None
    assert observe_updated((before,), (after,), fleet)[0].job_result is not None, "what an update takes away"


def test_results_are_noted_on_the_copies_that_they_belong_to_and_never_replaced() -> None:
    one, other = copy_on("c0", TRAIN), replace(copy_on("c1", TRAIN), job_result=FAILED)
    statuses = [CopyStatus(name, 1, CopyState.ENDED, NOW, DONE) for name in ("c0", "c1")]
    first, second = with_results((one, other), statuses)
    assert (first.job_result, second.job_result) == (DONE, FAILED)
    assert second is other
    assert with_results((one,), [CopyStatus("c0", 2, CopyState.ENDED, NOW, DONE)]) == (one,), "of another run"


@pytest.mark.parametrize(
    ("results", "state"),
    [
        ((DONE,), "SUCCEEDED"),
        ((DONE, FAILED, STOPPED), "FAILED"),
        ((DONE, STOPPED), "STOPPED"),
        ((DONE, DONE), "SUCCEEDED"),
        ((DONE, None), None),
        ((), None),
    ],
)
def test_a_group_ends_with_its_last_copy_and_as_the_worst_one(
    results: tuple[JobResult | None, ...], state: str | None
) -> None:
    copies = [replace(copy_on(f"c{n}", TRAIN), job_result=result) for n, result in enumerate(results)]
    found = group_result(copies)
    assert (found.state if found else None) == state


def test_of_several_copies_the_result_says_how_each_ended() -> None:
    copies = [replace(copy_on(name, TRAIN), job_result=result) for name, result in (("c0", DONE), ("c1", FAILED))]
    found = group_result(copies)
    assert found is not None
    assert found.message == "c0: done; c1: bad"


RUNS, MISSES = CopyStatus("c0", 1, CopyState.RUNNING, NOW), CopyStatus("c0", 1, CopyState.MISSING, NOW)


@pytest.mark.parametrize(
    ("before", "seen_as", "role"),
    [
        (None, MISSES, CopyRole.STARTING),
        (CopyRole.STARTING, MISSES, CopyRole.STARTING),
        (CopyRole.STARTING, RUNS, CopyRole.SERVING),
        (CopyRole.SERVING, MISSES, CopyRole.SERVING),
        (CopyRole.DRAINING, RUNS, CopyRole.DRAINING),
        (CopyRole.ENDED, MISSES, CopyRole.STARTING),
    ],
)
def test_the_role_of_a_copy_follows_from_what_was_seen_of_it(
    before: CopyRole | None, seen_as: CopyStatus, role: CopyRole
) -> None:
    copy = copy_on("c0", WEB)
    known = () if before is None else (replace(copy, role=before),)
    assert with_roles((copy,), known, (seen_as,), NOW)[0].role is role


def test_a_copy_with_a_result_has_ended_whatever_it_was() -> None:
    copy = replace(copy_on("c0", TRAIN), job_result=DONE)
    before = replace(copy, role=CopyRole.DRAINING, job_result=None)
    assert with_roles((copy,), (before,), (RUNS,), NOW)[0].role is CopyRole.ENDED


def test_a_copy_is_there_since_it_was_first_placed() -> None:
    old, new = copy_on("c0", WEB, since=5), copy_on("c1", WEB, since=5)
    kept, fresh = with_roles((replace(old, since=0), new), (old,), (), NOW + 0.7)
    assert (kept.since, fresh.since) == (5, int(NOW))
