"""What KubeRay refuses in a RayJob; a row for each rule."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.ray.validation import problems
from tests.unit.ray.ray_problems import errors
from tests.unit.ray.rayobjects import (
    AUTOSCALED,
    Body,
    existing_cluster_job,
    ray_cron_job,
    ray_job,
    template,
)


def rules(*deletion_rules: Body, **job: Any) -> Body:
    return ray_job(deletionStrategy={"deletionRules": list(deletion_rules)}, **job)


def rule(policy: str, ttl: int = 0, **condition: str) -> Body:
    return {"policy": policy, "condition": {**(condition or {"jobStatus": "SUCCEEDED"}), "ttlSeconds": ttl}}


VALID = {
    "suspended job": ray_job(suspend=True, shutdownAfterJobFinishes=True, ttlSecondsAfterFinished=60),
    "deletion rules": rules(rule("DeleteWorkers", 0), rule("DeleteCluster", 60), rule("DeleteSelf", 60)),
    "failed deployment": rules(rule("DeleteCluster", jobDeploymentStatus="Failed")),
    "legacy": ray_job(
        deletionStrategy={"onSuccess": {"policy": "DeleteCluster"}, "onFailure": {"policy": "DeleteNone"}}
    ),
    "sidecar": ray_job(submissionMode="SidecarMode", backoffLimit=2),
    "runtime env": ray_job(runtimeEnvYAML="pip: [torch]\nenv_vars: {A: '1'}\n"),
}

INVALID: dict[str, tuple[Body, str]] = {
    "suspend without shutdown": (ray_job(suspend=True), "spec.suspend needs shutdownAfterJobFinishes: true"),
    "ttl without shutdown": (
        ray_job(ttlSecondsAfterFinished=9),
        "ttlSecondsAfterFinished needs shutdownAfterJobFinishes",
    ),
    "negative ttl": (ray_job(ttlSecondsAfterFinished=-1), "ttlSecondsAfterFinished is -1; write 0 or more"),
    "neither cluster": (existing_cluster_job(clusterSelector={}), "spec.rayClusterSpec is missing"),
    "both clusters": (ray_job(clusterSelector={"ray.io/cluster": "x"}), "is ignored where clusterSelector is set"),
    "selector without name": (
        existing_cluster_job() | {"spec": {"clusterSelector": {"a": "b"}}},
        "does not name a RayCluster",
    ),
    "selector and suspend": (
        existing_cluster_job(suspend=True, shutdownAfterJobFinishes=True),
        "suspend does not work with clusterSelector",
    ),
    "selector and sidecar": (
        existing_cluster_job(submissionMode="SidecarMode"),
        "cannot be SidecarMode with clusterSelector",
    ),
    "selector and retries": (existing_cluster_job(backoffLimit=1), "backoffLimit does not work with clusterSelector"),
    "interactive retries": (
        ray_job(submissionMode="InteractiveMode", backoffLimit=1),
        "does not work with InteractiveMode",
    ),
    "sidecar and template": (
        ray_job(submissionMode="SidecarMode", submitterPodTemplate=template()),
        "submitterPodTemplate does not work with SidecarMode",
    ),
    "sidecar and config": (
        ray_job(submissionMode="SidecarMode", submitterConfig={"backoffLimit": 1}),
        "submitterConfig does not work with SidecarMode",
    ),
    "sidecar head restarts": (
        ray_job(
            submissionMode="SidecarMode", cluster={"headGroupSpec": {"template": template(restartPolicy="Always")}}
        ),
        "restartPolicy is Always with SidecarMode; write Never",
    ),
    "empty submitter": (ray_job(submitterPodTemplate={}), "submitterPodTemplate.spec.containers is empty"),
    "unknown mode": (ray_job(submissionMode="Batch"), "spec.submissionMode is 'Batch'; use K8sJobMode"),
    "runtime env": (ray_job(runtimeEnvYAML="pip: [torch"), "runtimeEnvYAML is not a YAML map"),
    "runtime env list": (ray_job(runtimeEnvYAML="- torch"), "runtimeEnvYAML is not a YAML map"),
    "deadline": (ray_job(activeDeadlineSeconds=0), "activeDeadlineSeconds is 0; write 1 or more"),
    "early deadline": (ray_job(preRunningDeadlineSeconds=-5), "preRunningDeadlineSeconds is -5; write 1 or more"),
    "negative retries": (ray_job(backoffLimit=-1), "backoffLimit is -1; write 0 or more"),
    "empty deletion": (ray_job(deletionStrategy={}), "deletionStrategy is empty"),
    "rules and shutdown": (
        rules(rule("DeleteSelf"), shutdownAfterJobFinishes=True),
        "cannot be combined with shutdownAfterJobFinishes",
    ),
    "rules and legacy": (
        ray_job(deletionStrategy={"deletionRules": [rule("DeleteSelf")], "onSuccess": {"policy": "DeleteNone"}}),
        "has both deletionRules and onSuccess/onFailure",
    ),
    "rule without condition": (
        rules({"policy": "DeleteSelf"}),
        "must have exactly one of jobStatus and jobDeploymentStatus",
    ),
    "rule with both conditions": (
        rules(rule("DeleteSelf", jobStatus="FAILED", jobDeploymentStatus="Failed")),
        "must have exactly one of",
    ),
    "rule twice": (rules(rule("DeleteSelf"), rule("DeleteSelf", 9)), "repeats DeleteSelf for jobStatus SUCCEEDED"),
    "rules out of order": (
        rules(rule("DeleteCluster", 60), rule("DeleteSelf", 30)),
        "DeleteSelf after 30 s comes before DeleteCluster after 60 s",
    ),
    "workers of an autoscaler": (
        rules(rule("DeleteWorkers"), cluster=AUTOSCALED),
        "cannot be DeleteWorkers with the autoscaler",
    ),
    "cluster of another": (
        existing_cluster_job(deletionStrategy={"deletionRules": [rule("DeleteCluster")]}),
        "cannot be DeleteCluster with clusterSelector",
    ),
    "unknown policy": (rules(rule("DeleteAll")), "policy is 'DeleteAll'; use DeleteCluster"),
    "half legacy": (ray_job(deletionStrategy={"onSuccess": {"policy": "DeleteSelf"}}), "onFailure.policy is missing"),
    "legacy keeps what shutdown deletes": (
        ray_job(
            shutdownAfterJobFinishes=True,
            deletionStrategy={"onSuccess": {"policy": "DeleteNone"}, "onFailure": {"policy": "DeleteSelf"}},
        ),
        "onSuccess.policy cannot be DeleteNone",
    ),
    "job in a cron job": (
        ray_cron_job(job={"activeDeadlineSeconds": 0}),
        "spec.jobTemplate.activeDeadlineSeconds is 0",
    ),
}


@pytest.mark.parametrize("body", VALID.values(), ids=VALID.keys())
def test_a_job_that_kuberay_accepts_has_no_problems(body: Body) -> None:
    assert problems(body) == ()


@pytest.mark.parametrize(("body", "message"), INVALID.values(), ids=INVALID.keys())
def test_a_job_that_kuberay_refuses_is_refused_by_name(body: Body, message: str) -> None:
    found = errors(body)
    assert any(message in problem for problem in found), found
