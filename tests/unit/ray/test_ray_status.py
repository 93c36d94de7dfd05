"""KubeRay's words for the state of a resource, and what follows from them."""

from __future__ import annotations

import pytest

from reconciler.ray.status import JobState, Outcome, outcome


@pytest.mark.parametrize(
    ("deployment", "job", "state"),
    [
        ("", "", JobState.UNSEEN),
        ("New", "", JobState.UNSEEN),
        ("Initializing", "", JobState.PROVISIONING),
        ("Waiting", "", JobState.INTERACTIVE),
        ("Running", "", JobState.RUNNING),
        ("Running", "PENDING", JobState.RUNNING),
        ("Running", "RUNNING", JobState.RUNNING),
        ("Running", "SUCCEEDED", JobState.DRAINING),
        ("Complete", "SUCCEEDED", JobState.SUCCEEDED),
        ("Complete", "STOPPED", JobState.STOPPED),
        ("Complete", "FAILED", JobState.FAILED),
        ("Failed", "RUNNING", JobState.FAILED),
        ("Retrying", "FAILED", JobState.RETRYING),
        ("Suspending", "", JobState.SUSPENDING),
        ("Suspended", "", JobState.SUSPENDED),
        ("ValidationFailed", "", JobState.INVALID),
        ("Complete", "", JobState.UNKNOWN),
        ("SomethingNew", "SUCCEEDED", JobState.UNKNOWN),
    ],
)
def test_a_jobs_deployment_status_decides(deployment: str, job: str, state: JobState) -> None:
    assert outcome("RayJob", deployment, job, "why").state is state
    assert outcome("RayJob", deployment, job, "why").reason == "why"


@pytest.mark.parametrize(
    ("kind", "state", "reason", "expected"),
    [
        ("RayCluster", "", "", JobState.PROVISIONING),
        ("RayCluster", "ready", "", JobState.RUNNING),
        ("RayCluster", "suspended", "", JobState.SUSPENDED),
        ("RayCluster", "odd", "", JobState.UNKNOWN),
        ("RayService", "", "", JobState.PROVISIONING),
        ("RayService", "Running", "", JobState.RUNNING),
        ("RayService", "", "InitializingTimeout", JobState.FAILED),
    ],
)
def test_clusters_and_services_are_read_alike(kind: str, state: str, reason: str, expected: JobState) -> None:
    assert outcome(kind, state, reason=reason).state is expected


def test_only_what_will_do_no_more_by_itself_is_finished() -> None:
    finished = {state for state in JobState if Outcome(state).finished}
    assert finished == {JobState.SUCCEEDED, JobState.FAILED, JobState.STOPPED, JobState.INVALID}


def test_everything_that_was_seen_may_hold_pods_unless_it_is_suspended() -> None:
    assert {state for state in JobState if not Outcome(state).holds_pods} == {JobState.UNSEEN, JobState.SUSPENDED}


def test_what_may_have_run_user_code_counts_as_started() -> None:
    fresh = {JobState.UNSEEN, JobState.PROVISIONING, JobState.SUSPENDED, JobState.INVALID}
    assert {state for state in JobState if not Outcome(state).started} == fresh
