"""What KubeRay would refuse or ignore is refused here by name. One row for each of its rules."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.ray.cron_rules import schedule_problem
from reconciler.ray.validation import Severity, problems
from tests.unit.ray.rayobjects import (
    Body,
    cluster_spec,
    existing_cluster_job,
    group,
    ray_cluster,
    ray_cron_job,
    ray_job,
    ray_service,
    template,
)


def errors(body: Body) -> list[str]:
    return [one.message for one in problems(body) if one.severity is Severity.ERROR]


def warnings(body: Body) -> list[str]:
    return [one.message for one in problems(body) if one.severity is Severity.WARNING]


def head(**spec: Any) -> Body:
    """A cluster whose head's Ray container or group has these fields."""
    return {"headGroupSpec": {"template": template(), **spec}}


def with_env(name: str, value: str = "") -> Body:
    own = template()
    own["spec"]["containers"][0]["env"] = [{"name": name, "value": value}]
    return own


def head_env(name: str, value: str = "") -> Body:
    return {"headGroupSpec": {"template": with_env(name, value)}}


def named(body: Body, name: str) -> Body:
    return {**body, "metadata": {"name": name}}


def annotated(body: Body, annotation: str, value: str) -> Body:
    return {**body, "metadata": {"name": "x", "annotations": {f"ray.io/{annotation}": value}}}


def rules(*deletion_rules: Body, **job: Any) -> Body:
    return ray_job(deletionStrategy={"deletionRules": list(deletion_rules)}, **job)


def rule(policy: str, ttl: int = 0, **condition: str) -> Body:
    return {"policy": policy, "condition": {**(condition or {"jobStatus": "SUCCEEDED"}), "ttlSeconds": ttl}}


AUTOSCALED: Body = {"enableInTreeAutoscaling": True}
V2: Body = {**AUTOSCALED, "autoscalerOptions": {"version": "v2"}}
FT: Body = {"gcsFaultToleranceOptions": {"redisAddress": "redis:6379"}}
ROCKS: Body = {"gcsFaultToleranceOptions": {"backend": "rocksdb"}}
TLS: Body = {"tlsOptions": {"enabled": True}}
SERVING: Body = {"type": "NewClusterWithIncrementalUpgrade"}
STEPS: Body = {"stepSizePercent": 10, "intervalSeconds": 5, "gatewayClassName": "istio"}

VALID = {
    "cluster": ray_cluster(group()),
    "job": ray_job(group()),
    "service": ray_service(group()),
    "cron job": ray_cron_job(),
    "existing cluster": existing_cluster_job(),
    "autoscaled": ray_cluster(group(minReplicas=0, maxReplicas=4, idleTimeoutSeconds=60), **V2),
    "priority": ray_cluster(group(priority=5), rayVersion="2.56.0", **V2),
    "no priority": ray_cluster(group(priority=0)),
    "v2 by env": ray_cluster(group(idleTimeoutSeconds=60), **AUTOSCALED, **head_env("RAY_enable_autoscaler_v2", "1")),
    "redis": ray_cluster(**FT),
    "redis by annotation": annotated(ray_cluster(**head_env("RAY_REDIS_ADDRESS", "redis")), "ft-enabled", "true"),
    "token": ray_cluster(authOptions={"mode": "token"}, rayVersion="2.52.0"),
    "token by Kubernetes": ray_cluster(authOptions={"mode": "token", "enableK8sTokenAuth": True}, rayVersion="2.55.1"),
    "suspended job": ray_job(suspend=True, shutdownAfterJobFinishes=True, ttlSecondsAfterFinished=60),
    "deletion rules": rules(rule("DeleteWorkers", 0), rule("DeleteCluster", 60), rule("DeleteSelf", 60)),
    "failed deployment": rules(rule("DeleteCluster", jobDeploymentStatus="Failed")),
    "legacy": ray_job(
        deletionStrategy={"onSuccess": {"policy": "DeleteCluster"}, "onFailure": {"policy": "DeleteNone"}}
    ),
    "sidecar": ray_job(submissionMode="SidecarMode", backoffLimit=2),
    "runtime env": ray_job(runtimeEnvYAML="pip: [torch]\nenv_vars: {A: '1'}\n"),
    "incremental": ray_service(cluster=AUTOSCALED, upgradeStrategy={**SERVING, "clusterUpgradeOptions": STEPS}),
    "timeout": annotated(ray_service(), "initializing-timeout", "1h30m"),
    "managed by KubeRay": ray_job(managedBy="ray.io/kuberay-operator"),
    "recreate": ray_cluster(upgradeStrategy={"type": "Recreate"}),
}

INVALID: dict[str, tuple[Body, str]] = {
    "long name": (named(ray_job(), "a" * 48), "metadata.name has 48 characters; KubeRay allows 47 for a RayJob"),
    "long cluster": (named(ray_cluster(), "a" * 54), "KubeRay allows 53"),
    "long cron": (named(ray_cron_job(), "a" * 37), "KubeRay allows 36"),
    "digit first": (named(ray_job(), "1job"), "starting with a letter"),
    "capitals": (named(ray_service(), "LLM"), "starting with a letter"),
    "no name": (named(ray_job(), ""), "metadata.name is missing"),
    "no head": (ray_cluster(headGroupSpec=None), "spec.headGroupSpec is missing"),
    "head without containers": (
        ray_cluster(headGroupSpec={"template": {"spec": {"containers": []}}}),
        "spec.headGroupSpec.template.spec.containers is empty",
    ),
    "worker without containers": (
        ray_cluster(group(template={"spec": {}})),
        "spec.workerGroupSpecs[0].template.spec.containers is empty",
    ),
    "group without name": (ray_cluster(group("")), "spec.workerGroupSpecs[0].groupName is missing"),
    "same group twice": (
        ray_cluster(group("a"), group("a")),
        "spec.workerGroupSpecs[1].groupName is 'a', which an earlier",
    ),
    "negative minimum": (ray_cluster(group(minReplicas=-1)), "minReplicas is -1; write 0 or more"),
    "negative maximum": (ray_cluster(group(maxReplicas=-1)), "maxReplicas is -1; write 0 or more"),
    "minimum over maximum": (
        ray_cluster(group(minReplicas=4, maxReplicas=2)),
        "minReplicas is 4, more than maxReplicas 2",
    ),
    "resources twice": (
        ray_cluster(group(resources={"CPU": "4"}, rayStartParams={"num-cpus": "4"})),
        "spec.workerGroupSpecs[0].resources and rayStartParams (num-cpus) both",
    ),
    "head resources twice": (
        ray_cluster(**head(resources={"CPU": "4"}, rayStartParams={"resources": "{}"})),
        "spec.headGroupSpec.resources and rayStartParams",
    ),
    "labels in start params": (
        ray_cluster(**head(rayStartParams={"labels": "a=b"})),
        "use the group's own labels field",
    ),
    "bad label key": (ray_cluster(group(labels={"a b": "c"})), "is not a label key"),
    "bad label value": (
        ray_cluster(group(labels={"a": "c d"})),
        "spec.workerGroupSpecs[0].labels.a is 'c d', which is not",
    ),
    "autoscaled suspend": (
        ray_cluster(group(suspend=True), **AUTOSCALED),
        "suspend cannot be true with the autoscaler on",
    ),
    "v2 env without autoscaling": (
        ray_cluster(**head_env("RAY_enable_autoscaler_v2", "true")),
        "without enableInTreeAutoscaling: true",
    ),
    "v2 twice": (ray_cluster(**V2, **head_env("RAY_enable_autoscaler_v2", "1")), "repeats autoscalerOptions.version"),
    "v2 head restarts": (
        ray_cluster(**V2, headGroupSpec={"template": template(restartPolicy="Always")}),
        "spec.headGroupSpec.template.spec.restartPolicy is Always with autoscaler v2",
    ),
    "v2 worker restarts": (
        ray_cluster(group(template=template(restartPolicy="OnFailure")), **V2),
        "spec.workerGroupSpecs[0].template.spec.restartPolicy is OnFailure",
    ),
    "unknown autoscaler": (
        ray_cluster(autoscalerOptions={"version": "v3"}),
        "autoscalerOptions.version is 'v3'; use v1, v2",
    ),
    "unknown upscaling": (ray_cluster(autoscalerOptions={"upscalingMode": "Fast"}), "upscalingMode is 'Fast'"),
    "negative idle": (ray_cluster(autoscalerOptions={"idleTimeoutSeconds": -1}), "idleTimeoutSeconds is -1"),
    "managed start command": (
        ray_cluster(autoscalerOptions={"env": [{"name": "KUBERAY_GEN_AUTOSCALER_START_CMD"}]}),
        "which KubeRay manages",
    ),
    "idle timeout needs v2": (
        ray_cluster(group(idleTimeoutSeconds=5), **AUTOSCALED),
        "idleTimeoutSeconds needs autoscaler v2",
    ),
    "priority needs v2": (
        ray_cluster(group(priority=1), rayVersion="2.56.0", **AUTOSCALED),
        "priority needs autoscaler v2",
    ),
    "priority needs a version": (ray_cluster(group(priority=1), **V2), "spec.rayVersion is missing"),
    "priority needs a newer Ray": (ray_cluster(group(priority=1), rayVersion="2.55.9", **V2), "needs at least 2.56.0"),
    "ft twice": (
        annotated(ray_cluster(**FT), "ft-enabled", "true"),
        "metadata.annotations['ray.io/ft-enabled'] cannot",
    ),
    "ft namespace": (
        annotated(ray_cluster(**FT), "external-storage-namespace", "x"),
        "set its externalStorageNamespace instead",
    ),
    "redis address without ft": (
        ray_cluster(**head_env("RAY_REDIS_ADDRESS", "redis")),
        "spec.headGroupSpec.template.spec.containers[0].env[0] sets RAY_REDIS_ADDRESS",
    ),
    "redis address with ft": (
        ray_cluster(**FT, **head_env("RAY_REDIS_ADDRESS")),
        "(RAY_REDIS_ADDRESS) cannot be combined",
    ),
    "redis password env": (ray_cluster(**FT, **head_env("REDIS_PASSWORD")), "(REDIS_PASSWORD) cannot be combined"),
    "redis password param": (
        ray_cluster(**FT, **head(rayStartParams={"redis-password": "x"})),
        "redisPassword instead",
    ),
    "redis user env": (ray_cluster(**head_env("REDIS_USERNAME")), "use gcsFaultToleranceOptions.redisUsername instead"),
    "redis user param": (ray_cluster(**head(rayStartParams={"redis-username": "x"})), "sets the Redis user"),
    "storage for redis": (
        ray_cluster(gcsFaultToleranceOptions={"redisAddress": "r", "storage": {}}),
        "storage is only for backend: rocksdb",
    ),
    "redis for rocksdb": (
        ray_cluster(gcsFaultToleranceOptions={"backend": "rocksdb", "redisAddress": "r"}),
        "redisAddress is only for backend: redis",
    ),
    "claim and size": (
        ray_cluster(gcsFaultToleranceOptions={"backend": "rocksdb", "storage": {"claimName": "c", "size": "1Gi"}}),
        "storage.size describes a new volume",
    ),
    "managed storage env": (
        ray_cluster(**ROCKS, **head_env("RAY_gcs_storage")),
        "sets RAY_gcs_storage, which KubeRay manages",
    ),
    "managed storage volume": (
        ray_cluster(**ROCKS, headGroupSpec={"template": template(volumes=[{"name": "gcs-storage"}])}),
        "clashes with the volume that KubeRay mounts",
    ),
    "token without version": (ray_cluster(authOptions={"mode": "token"}), "spec.rayVersion is missing"),
    "token with odd version": (
        ray_cluster(authOptions={"mode": "token"}, rayVersion="nightly"),
        "spec.rayVersion is 'nightly'",
    ),
    "token too old": (ray_cluster(authOptions={"mode": "token"}, rayVersion="2.51.9"), "needs at least 2.52.0"),
    "k8s token too old": (
        ray_cluster(authOptions={"mode": "token", "enableK8sTokenAuth": True}, rayVersion="2.54.0"),
        "enableK8sTokenAuth needs at least 2.55.0",
    ),
    "k8s token and secret": (
        ray_cluster(authOptions={"mode": "token", "enableK8sTokenAuth": True, "secretName": "s"}, rayVersion="2.55.0"),
        "authOptions.secretName cannot be combined",
    ),
    "k8s token without mode": (
        ray_cluster(authOptions={"enableK8sTokenAuth": True}),
        "enableK8sTokenAuth needs mode: token",
    ),
    "k8s token for a job": (
        ray_job(cluster={"authOptions": {"mode": "token", "enableK8sTokenAuth": True}, "rayVersion": "2.55.0"}),
        "is not supported for a RayJob",
    ),
    "tls env": (ray_cluster(group(template=with_env("RAY_USE_TLS")), **TLS), "sets RAY_USE_TLS, which KubeRay manages"),
    "tls autoscaler mount": (
        ray_cluster(autoscalerOptions={"volumeMounts": [{"name": "ray-tls", "mountPath": "/x"}]}, **TLS),
        "spec.autoscalerOptions.volumeMounts[0] clashes",
    ),
    "policy without effect": (
        ray_cluster(networkPolicy={"mode": "DenyAllEgress", "head": {"ingressRules": [{}]}}),
        "networkPolicy.head.ingressRules have no effect with mode DenyAllEgress",
    ),
    "policy for no group": (ray_cluster(networkPolicy={"workerGroups": [{"groupName": "x"}]}), "names no worker group"),
    "policy group name": (ray_cluster(group("GPU"), networkPolicy={}), "must be a DNS label with networkPolicy"),
    "collector without image": (ray_cluster(historyServerOptions={}), "collectorOptions.image is missing"),
    "cluster upgrade in a job": (
        ray_job(cluster={"upgradeStrategy": {"type": "Recreate"}}),
        "cannot be set on the cluster of a RayJob",
    ),
    "unknown cluster upgrade": (ray_cluster(upgradeStrategy={"type": "Rolling"}), "upgradeStrategy.type is 'Rolling'"),
    "managed elsewhere": (ray_job(managedBy="kueue.x-k8s.io/multikueue"), "so KubeRay ignores the object"),
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
        "must name the RayCluster",
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
    "head service name": (
        ray_service(cluster=head(headService={"metadata": {"name": "mine"}})),
        "headService.metadata.name cannot be set in a RayService",
    ),
    "unknown upgrade": (ray_service(upgradeStrategy={"type": "Rolling"}), "upgradeStrategy.type is 'Rolling'"),
    "deletion delay": (ray_service(rayClusterDeletionDelaySeconds=-1), "rayClusterDeletionDelaySeconds is -1"),
    "incremental without autoscaler": (
        ray_service(upgradeStrategy={**SERVING, "clusterUpgradeOptions": STEPS}),
        "needs enableInTreeAutoscaling: true",
    ),
    "incremental without options": (
        ray_service(cluster=AUTOSCALED, upgradeStrategy=SERVING),
        "clusterUpgradeOptions is missing",
    ),
    "bad timeout": (annotated(ray_service(), "initializing-timeout", "soon"), "write a duration such as 5m"),
    "zero timeout": (annotated(ray_service(), "initializing-timeout", "0s"), "write a duration such as 5m"),
    "bad schedule": (ray_cron_job("61 * * * *"), "spec.schedule has '61' as its minute"),
    "zone in schedule": (ray_cron_job("TZ=UTC 0 0 * * *"), "write it in timeZone instead"),
    "empty zone": (ray_cron_job(timeZone=""), "spec.timeZone is ''"),
    "job in a cron job": (
        ray_cron_job(job={"activeDeadlineSeconds": 0}),
        "spec.jobTemplate.activeDeadlineSeconds is 0",
    ),
    "unfilled name": (
        ray_cluster(group(template=template(serviceAccountName="$KSA_NAME"))),
        "spec.workerGroupSpecs[0].template.spec.serviceAccountName is '$KSA_NAME', a name that no ServiceAccount",
    ),
    "quoted replicas": (ray_cluster(group(replicas="2")), "replicas is '2'; write a whole number, without quotes"),
    "groups are a list": (ray_cluster(workerGroupSpecs={"gpu": {}}), "it must be a list"),
    "flag as text": (
        ray_cluster(enableInTreeAutoscaling="true"),
        "enableInTreeAutoscaling is 'true'; write true or false",
    ),
    "start param as number": (
        ray_cluster(**head(rayStartParams={"num-cpus": 0})),
        "rayStartParams.num-cpus is 0, which is not",
    ),
    "quantity": (
        ray_cluster(group(template=template("two"))),
        "spec.workerGroupSpecs[0].template.spec.containers[0].resources.requests.cpu is wrong: 'two' is not a quantity",
    ),
    "toleration": (
        ray_cluster(group(template=template(tolerations=[{"operator": "Exist"}]))),
        "spec.workerGroupSpecs[0].template.spec.tolerations[0].operator is 'Exist'",
    ),
}


@pytest.mark.parametrize("body", VALID.values(), ids=VALID.keys())
def test_what_kuberay_accepts_has_no_problems(body: Body) -> None:
    assert [one.message for one in problems(body)] == []


@pytest.mark.parametrize(("body", "message"), INVALID.values(), ids=INVALID.keys())
def test_what_kuberay_refuses_is_refused_by_name(body: Body, message: str) -> None:
    found = errors(body)
    assert any(message in one for one in found), found


@pytest.mark.parametrize("field", STEPS)
def test_every_option_of_an_incremental_upgrade_is_needed(field: str) -> None:
    options = {name: value for name, value in STEPS.items() if name != field}
    (found,) = errors(ray_service(cluster=AUTOSCALED, upgradeStrategy={**SERVING, "clusterUpgradeOptions": options}))
    assert field in found


def test_a_step_of_an_upgrade_is_within_its_surge() -> None:
    options = {**STEPS, "maxSurgePercent": 20, "stepSizePercent": 30}
    (found,) = errors(ray_service(cluster=AUTOSCALED, upgradeStrategy={**SERVING, "clusterUpgradeOptions": options}))
    assert "stepSizePercent is 30, more than maxSurgePercent 20" in found


def test_all_problems_are_told_at_once_and_errors_first() -> None:
    body = named(ray_cluster(group("a", replicas=9, maxReplicas=2), group("a"), **V2, replica=1), "Bad")
    body["spec"]["headGroupSpec"]["template"]["spec"]["restartPolicy"] = "Always"
    kinds = [one.severity for one in problems(body)]
    assert kinds == [Severity.ERROR] * 3 + [Severity.WARNING] * 2


def test_a_wrong_type_in_one_place_does_not_hide_what_is_wrong_in_another() -> None:
    body = ray_job(group(replicas="2"), activeDeadlineSeconds=0, suspend="no")
    found = " ".join(errors(body))
    assert "replicas is '2'" in found
    assert "suspend is 'no'" in found


def test_problems_carry_the_path_to_the_field() -> None:
    (one,) = problems(ray_job(group(), group("b", minReplicas=3, maxReplicas=1)))
    assert one.path == ("spec", "rayClusterSpec", "workerGroupSpecs", 1, "minReplicas")


@pytest.mark.parametrize(("replicas", "bound"), [(1, "minReplicas 2"), (9, "maxReplicas 4")])
def test_replicas_out_of_bounds_are_kept_to_them_with_a_warning(replicas: int, bound: str) -> None:
    body = ray_cluster(group(replicas=replicas, minReplicas=2, maxReplicas=4))
    assert errors(body) == []
    assert warnings(body) == [f"spec.workerGroupSpecs[0].replicas is {replicas}, but KubeRay keeps to {bound}"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            ray_cluster(group(replica=2)),
            "spec.workerGroupSpecs[0].replica is unknown to KubeRay, which ignores it; did you mean replicas?",
        ),
        (ray_job(shutdownAfterJobFinish=True), "spec.shutdownAfterJobFinish is unknown to KubeRay"),
        (ray_service(rayClusterSpec={}), "did you mean rayClusterConfig?"),
        (ray_cron_job(job={"entryPoint": "x"}), "spec.jobTemplate.entryPoint is unknown"),
        (ray_cluster(zzz=1), "spec.zzz is unknown to KubeRay, which ignores it; remove it"),
        (ray_cluster(autoscalerOptions={"idleTimeout": 1}), "did you mean idleTimeoutSeconds?"),
        ({**ray_cluster(), "specs": {}}, "did you mean spec?"),
    ],
)
def test_a_field_that_kuberay_does_not_have_is_told(body: Body, message: str) -> None:
    assert errors(body) == []
    (found,) = warnings(body)
    assert message in found


@pytest.mark.parametrize(
    ("field", "value", "gate"),
    [
        ("networkPolicy", {"mode": "DenyAll"}, "RayClusterNetworkPolicy"),
        ("tlsOptions", {"enabled": True}, "RayClusterMTLS"),
        ("historyServerOptions", {"collectorOptions": {"image": "c"}}, "RayClusterHistoryServer"),
        ("gcsFaultToleranceOptions", {"backend": "rocksdb"}, "GCSFaultToleranceEmbeddedStorage"),
    ],
)
def test_an_option_behind_a_feature_gate_is_a_warning(field: str, value: Body, gate: str) -> None:
    option: Body = {field: value}
    body = ray_cluster(**option)
    assert errors(body) == []
    (found,) = warnings(body)
    assert f"needs the feature gate {gate}" in found


def test_plain_objects_are_checked_as_far_as_their_pods_go() -> None:
    spec = {"template": {"spec": {**template("lots")["spec"]}}}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": spec}
    (found,) = errors(body)
    assert found.startswith(
        "spec.template.spec.containers[0].resources.requests.cpu is wrong: 'lots' is not a quantity"
    )
    assert problems({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {}}) == ()


def test_the_smallest_cluster_is_valid() -> None:
    assert problems(ray_cluster(workerGroupSpecs=None)) == ()
    assert cluster_spec()["workerGroupSpecs"] == []


@pytest.mark.parametrize(
    "schedule",
    ["* * * * *", "*/5 0-6/2 1,15 JAN-mar mon", "0 0 ? * 6", "@hourly", "@every 1h30m", "5/10 * * * *", " 0  0 * * * "],
)
def test_schedules_that_the_cron_library_reads(schedule: str) -> None:
    assert schedule_problem(schedule) == ""


@pytest.mark.parametrize(
    "schedule",
    ["", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 7", "*/0 * * * *",
     "5-1 * * * *", "a * * * *", "@often", "@every fast", "1- * * * *", ", * * * *", "-1 * * * *"],
)  # fmt: skip
def test_schedules_that_it_does_not_read(schedule: str) -> None:
    assert schedule_problem(schedule) != ""
