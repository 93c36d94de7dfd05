"""What KubeRay refuses in the groups and the autoscaling of a RayCluster; a row for each rule."""

from __future__ import annotations

import pytest

from reconciler.ray.validation import problems
from tests.unit.ray.ray_problems import errors, warnings
from tests.unit.ray.rayobjects import (
    AUTOSCALED,
    V2,
    Body,
    group,
    head,
    head_env,
    ray_cluster,
    template,
)

VALID = {
    "autoscaled": ray_cluster(group(minReplicas=0, maxReplicas=4, idleTimeoutSeconds=60), **V2),
    "priority": ray_cluster(group(priority=5), rayVersion="2.56.0", **V2),
    "no priority": ray_cluster(group(priority=0)),
    "v2 by env": ray_cluster(group(idleTimeoutSeconds=60), **AUTOSCALED, **head_env("RAY_enable_autoscaler_v2", "1")),
}

INVALID: dict[str, tuple[Body, str]] = {
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
}


@pytest.mark.parametrize("body", VALID.values(), ids=VALID.keys())
def test_a_cluster_that_kuberay_accepts_has_no_problems(body: Body) -> None:
    assert problems(body) == ()


@pytest.mark.parametrize(("body", "message"), INVALID.values(), ids=INVALID.keys())
def test_a_cluster_that_kuberay_refuses_is_refused_by_name(body: Body, message: str) -> None:
    found = errors(body)
    assert any(message in problem for problem in found), found


@pytest.mark.parametrize(("replicas", "bound"), [(1, "minReplicas 2"), (9, "maxReplicas 4")])
def test_replicas_out_of_bounds_are_kept_to_them_with_a_warning(replicas: int, bound: str) -> None:
    body = ray_cluster(group(replicas=replicas, minReplicas=2, maxReplicas=4))
    assert errors(body) == []
    assert warnings(body) == [f"spec.workerGroupSpecs[0].replicas is {replicas}, but KubeRay uses {bound}"]
