"""What KubeRay refuses in a RayService; a row for each rule."""

from __future__ import annotations

import pytest

from reconciler.ray.validation import problems
from tests.unit.ray.ray_problems import errors
from tests.unit.ray.rayobjects import (
    AUTOSCALED,
    Body,
    annotated,
    head,
    ray_service,
)

SERVING = {"type": "NewClusterWithIncrementalUpgrade"}
STEPS = {"stepSizePercent": 10, "intervalSeconds": 5, "gatewayClassName": "istio"}

VALID = {
    "incremental": ray_service(cluster=AUTOSCALED, upgradeStrategy={**SERVING, "clusterUpgradeOptions": STEPS}),
    "timeout": annotated(ray_service(), "initializing-timeout", "1h30m"),
}

INVALID: dict[str, tuple[Body, str]] = {
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
}


@pytest.mark.parametrize("body", VALID.values(), ids=VALID.keys())
def test_a_service_that_kuberay_accepts_has_no_problems(body: Body) -> None:
    assert problems(body) == ()


@pytest.mark.parametrize(("body", "message"), INVALID.values(), ids=INVALID.keys())
def test_a_service_that_kuberay_refuses_is_refused_by_name(body: Body, message: str) -> None:
    found = errors(body)
    assert any(message in problem for problem in found), found


@pytest.mark.parametrize("field", STEPS)
def test_every_option_of_an_incremental_upgrade_is_needed(field: str) -> None:
    options = {name: value for name, value in STEPS.items() if name != field}
    (found,) = errors(ray_service(cluster=AUTOSCALED, upgradeStrategy={**SERVING, "clusterUpgradeOptions": options}))
    assert field in found


def test_a_step_of_an_upgrade_is_within_its_surge() -> None:
    options = {**STEPS, "maxSurgePercent": 20, "stepSizePercent": 30}
    (found,) = errors(ray_service(cluster=AUTOSCALED, upgradeStrategy={**SERVING, "clusterUpgradeOptions": options}))
    assert "stepSizePercent is 30, more than maxSurgePercent 20" in found
