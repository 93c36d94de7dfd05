"""Fields that KubeRay does not have are reported, with the field that was probably meant."""

from __future__ import annotations

import pytest

from tests.unit.ray.ray_problems import errors, warnings
from tests.unit.ray.rayobjects import (
    Body,
    group,
    ray_cluster,
    ray_cron_job,
    ray_job,
    ray_service,
)


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
def test_a_field_that_kuberay_does_not_have_is_a_warning(body: Body, message: str) -> None:
    assert errors(body) == []
    (found,) = warnings(body)
    assert message in found
