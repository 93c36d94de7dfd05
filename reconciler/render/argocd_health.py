"""Argo CD's Lua health checks for Ray's kinds and for its own Applications, neither of which it ships.

The checks read what KubeRay guarantees: its status fields and conditions (kuberay, ray-operator/apis/ray/v1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.manifests.emitter import emit

_HEALTH_HEAD = b"""\
# Argo CD ships no health checks for Ray, nor for its own applications, by which the steps of add-ons wait for each
# other. Add these to its settings without touching the others:
#   kubectl apply --server-side --field-manager=skyray -f argocd/health-checks/argocd-cm.yaml
"""

_RAY_JOB = """\
local status = obj.status or {}
local deployment = status.jobDeploymentStatus or ""
local said = status.message or ""
if deployment == "Complete" then
  return {status = "Healthy", message = "job " .. (status.jobStatus or "is complete")}
elseif deployment == "Failed" or deployment == "ValidationFailed" then
  return {status = "Degraded", message = (status.reason or deployment) .. ": " .. said}
elseif deployment == "Suspended" or deployment == "Suspending" then
  return {status = "Suspended", message = "the job is suspended"}
end
return {status = "Progressing", message = deployment == "" and "KubeRay has not seen the job yet" or deployment}
"""

_RAY_CLUSTER = """\
local status = obj.status or {}
local head = nil
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "ReplicaFailure" and condition.status == "True" then
    return {status = "Degraded", message = condition.message or condition.reason}
  elseif condition.type == "HeadPodReady" then
    head = condition
  end
end
if status.state == "suspended" then
  return {status = "Suspended", message = "the cluster is suspended"}
elseif head ~= nil and head.status ~= "True" then
  return {status = "Progressing", message = head.message or "the head is not ready"}
end
local ready, desired = status.readyWorkerReplicas or 0, status.desiredWorkerReplicas or 0
local count = ready .. " of " .. desired .. " workers are ready"
if status.state == "ready" and ready >= desired then
  return {status = "Healthy", message = count}
end
return {status = "Progressing", message = count}
"""

_RAY_SERVICE = """\
for _, condition in ipairs((obj.status or {}).conditions or {}) do
  if condition.type == "Suspended" and condition.status == "True" then
    return {status = "Suspended", message = "the service is suspended"}
  elseif condition.type == "Ready" and condition.status == "True" then
    return {status = "Healthy", message = condition.message or "the service has endpoints"}
  elseif condition.type == "Ready" and condition.reason == "InitializingTimeout" then
    return {status = "Degraded", message = condition.message or "the service did not start in time"}
  end
end
return {status = "Progressing", message = "the service has no endpoints yet"}
"""

APPLICATION_HEALTH = """\
local errors = {ComparisonError = true, InvalidSpecError = true, SyncError = true, UnknownError = true}
local status = obj.status or {}
local health = status.health or {}
if (status.sync or {}).status ~= "Synced" then
  for _, condition in ipairs(status.conditions or {}) do
    if errors[condition.type] then
      return {status = "Degraded", message = condition.message or condition.type}
    end
  end
  local operation = status.operationState or {}
  if operation.phase == "Failed" or operation.phase == "Error" or (operation.retryCount or 0) > 0 then
    return {status = "Degraded", message = operation.message or "the last sync failed"}
  end
  return {status = "Progressing", message = "the application is not synced yet"}
end
return {status = health.status or "Progressing", message = health.message or "the application is synced"}
"""
"""The Lua health check of an add-on's application: the next step begins once it is synced and healthy.

One that cannot be synced is degraded: Argo CD then ends the sync that waits for it and begins anew with the newest
commit, which may mend it. It would wait for ever for one that is progressing.
"""

HEALTH: Mapping[str, str] = {
    "RayCluster": _RAY_CLUSTER,
    "RayJob": _RAY_JOB,
    "RayService": _RAY_SERVICE,
}
"""Lua health checks by kind of the API group ray.io."""


def health_checks() -> bytes:
    """Return a ConfigMap that adds the checks to Argo CD's settings, with a comment that says how to apply it."""
    data = {
        "resource.customizations.health.argoproj.io_Application": APPLICATION_HEALTH
    }
    for kind, lua in HEALTH.items():
        data[f"resource.customizations.health.ray.io_{kind}"] = lua
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "argocd-cm",
            "namespace": "argocd",
            "labels": {"app.kubernetes.io/part-of": "argocd"},
        },
        "data": data,
    }
    return _HEALTH_HEAD + emit(config)
