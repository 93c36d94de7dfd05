"""The state of a Ray resource from its status: whether it runs, has ended, and may hold pods.

KubeRay's words are read only here; all other modules use a `JobState`. For a RayJob the deployment status decides, not
the job status (`rayjob_controller.go`; kuberay#2314). A word that is not known is UNKNOWN, which counts as holding pods
and never as finished.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reconciler.ray import rayspec


class JobState(StrEnum):
    """The life of a Ray resource. `INTERACTIVE`: its cluster is up and waits for a user to submit."""

    UNSEEN = "unseen"
    PROVISIONING = "provisioning"
    INTERACTIVE = "interactive"
    RUNNING = "running"
    DRAINING = "draining"
    RETRYING = "retrying"
    SUSPENDING = "suspending"
    SUSPENDED = "suspended"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    INVALID = "invalid"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`state`, and what follows from it.

    `holds_pods`: it has pods, or may be about to. After a job has finished, its clean-up policy decides, which the
    status does not show; so it is true, and the pods of the snapshot say more. `finished`: it will do no more by
    itself. `reason` is KubeRay's.
    """

    state: JobState
    reason: str = ""

    @property
    def finished(self) -> bool:
        """Tell whether it has ended for good."""
        return self.state in _FINISHED

    @property
    def started(self) -> bool:
        """Tell whether user code may have run, so that running it elsewhere would run it twice."""
        return self.state not in {
            JobState.UNSEEN,
            JobState.PROVISIONING,
            JobState.SUSPENDED,
            JobState.INVALID,
        }

    @property
    def holds_pods(self) -> bool:
        """Tell whether it may have pods on the cluster."""
        return self.state not in {JobState.UNSEEN, JobState.SUSPENDED}


_FINISHED = frozenset(
    {JobState.SUCCEEDED, JobState.FAILED, JobState.STOPPED, JobState.INVALID}
)
_DEPLOYMENT = {
    "": JobState.UNSEEN,
    "New": JobState.UNSEEN,
    "Initializing": JobState.PROVISIONING,
    "Waiting": JobState.INTERACTIVE,
    "Failed": JobState.FAILED,
    "Retrying": JobState.RETRYING,
    "Suspending": JobState.SUSPENDING,
    "Suspended": JobState.SUSPENDED,
    "ValidationFailed": JobState.INVALID,
}
_ENDED = {
    "SUCCEEDED": JobState.SUCCEEDED,
    "STOPPED": JobState.STOPPED,
    "FAILED": JobState.FAILED,
}
_CLUSTER = {
    "": JobState.PROVISIONING,
    "ready": JobState.RUNNING,
    "suspended": JobState.SUSPENDED,
}
_SERVICE = {"": JobState.PROVISIONING, "Running": JobState.RUNNING}


def outcome(kind: str, state: str, job_status: str = "", reason: str = "") -> Outcome:
    """Read the status of a Ray resource that exists on a cluster.

    `state` is a RayJob's `jobDeploymentStatus`, a RayCluster's `state` or a RayService's `serviceStatus`; `job_status`
    a RayJob's `jobStatus`; `reason` a RayJob's `reason`, or that of a RayService's Ready condition.
    """
    if kind == rayspec.RAY_JOB:
        return Outcome(_job_state(state, job_status), reason)
    if kind == rayspec.RAY_SERVICE:
        if reason == "InitializingTimeout":
            return Outcome(JobState.FAILED, reason)
        return Outcome(_SERVICE.get(state, JobState.UNKNOWN), reason)
    return Outcome(_CLUSTER.get(state, JobState.UNKNOWN), reason)


def _job_state(deployment: str, job: str) -> JobState:
    if deployment == "Complete":
        return _ENDED.get(job, JobState.UNKNOWN)
    if deployment == "Running":
        return JobState.DRAINING if job in _ENDED else JobState.RUNNING
    return _DEPLOYMENT.get(deployment, JobState.UNKNOWN)
