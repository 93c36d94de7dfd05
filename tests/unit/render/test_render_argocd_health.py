"""Argo CD's health checks, run in a real Lua interpreter on the status that KubeRay and Argo CD write."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.render.argocd_health import APPLICATION_HEALTH, HEALTH

CHECKS = {**HEALTH, "Application": APPLICATION_HEALTH}


def health(kind: str, status: dict[str, Any] | None) -> tuple[str, str]:
    """Run a health check as Argo CD does: a Lua chunk that sees `obj` and returns status and message."""
    lupa = pytest.importorskip("lupa", reason="needs a Lua interpreter")
    lua = lupa.LuaRuntime()
    for library in ("string", "math", "io", "debug", "coroutine", "utf8"):  # Argo CD has none of these
        lua.globals()[library] = None
    obj = {} if status is None else {"status": status}
    lua.globals().obj = lua.table_from(obj, recursive=True)
    result = lua.execute(CHECKS[kind])
    assert result["message"]
    return result["status"], result["message"]


@pytest.mark.parametrize(
    ("kind", "status", "expected"),
    [
        ("RayJob", None, "Progressing"),
        ("RayJob", {"jobDeploymentStatus": "Initializing"}, "Progressing"),
        ("RayJob", {"jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED"}, "Healthy"),
        ("RayJob", {"jobDeploymentStatus": "Failed", "reason": "AppFailed", "message": "x"}, "Degraded"),
        ("RayJob", {"jobDeploymentStatus": "ValidationFailed"}, "Degraded"),
        ("RayJob", {"jobDeploymentStatus": "Suspended"}, "Suspended"),
        ("RayCluster", None, "Progressing"),
        ("RayCluster", {"state": "ready", "readyWorkerReplicas": 2, "desiredWorkerReplicas": 2}, "Healthy"),
        ("RayCluster", {"state": "ready", "readyWorkerReplicas": 1, "desiredWorkerReplicas": 2}, "Progressing"),
        ("RayCluster", {"state": "ready"}, "Healthy"),
        ("RayCluster", {"state": "suspended"}, "Suspended"),
        (
            "RayCluster",
            {"state": "ready", "conditions": [{"type": "HeadPodReady", "status": "False", "message": "gone"}]},
            "Progressing",
        ),
        (
            "RayCluster",
            {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": "quota"}]},
            "Degraded",
        ),
        ("RayService", None, "Progressing"),
        ("RayService", {"conditions": [{"type": "Ready", "status": "True"}]}, "Healthy"),
        (
            "RayService",
            {"conditions": [{"type": "Ready", "status": "False", "reason": "InitializingTimeout"}]},
            "Degraded",
        ),
        ("RayService", {"conditions": [{"type": "Suspended", "status": "True"}]}, "Suspended"),
        ("Application", None, "Progressing"),
        ("Application", {"sync": {"status": "OutOfSync"}, "health": {"status": "Healthy"}}, "Progressing"),
        ("Application", {"sync": {"status": "OutOfSync"}, "operationState": {"phase": "Running"}}, "Progressing"),
        ("Application", {"sync": {"status": "OutOfSync"}, "operationState": {"phase": "Failed"}}, "Degraded"),
        ("Application", {"operationState": {"phase": "Running", "retryCount": 1, "message": "refused"}}, "Degraded"),
        ("Application", {"sync": {"status": "Unknown"}, "conditions": [{"type": "ComparisonError"}]}, "Degraded"),
        (
            "Application",
            {"sync": {"status": "OutOfSync"}, "conditions": [{"type": "OrphanedResourceWarning"}]},
            "Progressing",
        ),
        ("Application", {"sync": {"status": "Synced"}, "health": {"status": "Degraded"}}, "Degraded"),
        ("Application", {"sync": {"status": "Synced"}, "health": {"status": "Healthy"}}, "Healthy"),
    ],
)
def test_the_health_follows_the_status(kind: str, status: dict[str, Any] | None, expected: str) -> None:
    assert health(kind, status)[0] == expected
