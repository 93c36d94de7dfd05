"""Argo CD's own objects for a fleet repo: one application per cluster directory, and the rules that keep the peace.

The one idea: Argo CD must apply what Git says and leave alone what others may write. The Ray autoscaler owns the
replicas of a bare autoscaled RayCluster, Kueue owns `suspend` and what it adds to pod templates of what it queues; only
those fields, only on those objects, are ignored. Source: the Argo CD manual.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.manifests.emitter import emit
from reconciler.render import addons

PROJECT = "skyray"
CLUSTER_LABEL = "skyray.dev/cluster"
"""On Argo CD's cluster Secrets; its value is the cluster's name in the inventory."""

ALLOWED_KINDS = (
    ("", "ConfigMap"),
    ("", "PersistentVolumeClaim"),
    ("", "Secret"),
    ("", "Service"),
    ("", "ServiceAccount"),
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("batch", "CronJob"),
    ("batch", "Job"),
    ("bitnami.com", "SealedSecret"),
    ("external-secrets.io", "ExternalSecret"),
    ("jobset.x-k8s.io", "JobSet"),
    ("ray.io", "RayCluster"),
    ("ray.io", "RayCronJob"),
    ("ray.io", "RayJob"),
    ("ray.io", "RayService"),
)
"""What the project lets SkyRay's applications create in namespaces: (API group, kind)."""

_CLOSED_NAMESPACES = ("kube-*", "argocd", "flux-system")
_AUTOSCALED = "select(.spec.enableInTreeAutoscaling == true) | .spec.workerGroupSpecs[]?"
_QUEUED = 'select(.metadata.labels["kueue.x-k8s.io/queue-name"] != null)'
_CLUSTER_SPEC = {"RayCluster": ".spec", "RayJob": ".spec.rayClusterSpec", "RayService": ".spec.rayClusterConfig"}
_KUEUE_IN_TEMPLATES = ("spec.nodeSelector", "spec.tolerations", "metadata.labels")


def files(repo_url: str, branch: str) -> dict[str, bytes]:
    """Return the files under `argocd/` by their path in the repo."""
    return {
        "argocd/addons-project.yaml": emit(_addons_project()),
        "argocd/addons-root-project.yaml": emit(_addons_root_project(repo_url)),
        "argocd/addons.yaml": emit(_addons_set(repo_url, branch)),
        "argocd/applicationset.yaml": emit(_application_set(repo_url, branch)),
        "argocd/health-checks/argocd-cm.yaml": _HEALTH_HEAD + emit(_health_checks()),
        "argocd/project.yaml": emit(_project(repo_url)),
    }


def _project(repo_url: str) -> dict[str, Any]:
    closed = [{"server": "*", "namespace": f"!{namespace}"} for namespace in _CLOSED_NAMESPACES]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": PROJECT, "namespace": "argocd"},
        "spec": {
            "description": "What SkyRay placed on the clusters of the fleet",
            "sourceRepos": [repo_url],
            "destinations": [*closed, {"server": "*", "namespace": "*"}],
            "clusterResourceWhitelist": [{"group": "", "kind": "Namespace"}],
            "namespaceResourceWhitelist": [{"group": group, "kind": kind} for group, kind in ALLOWED_KINDS],
        },
    }


def _application_set(repo_url: str, branch: str) -> dict[str, Any]:
    source = {"repoURL": repo_url, "revision": branch, "directories": [{"path": "clusters/*"}]}
    return _set_of("skyray", source, "{{.path.basename}}", "skyray-{{.path.basename}}", _application(repo_url, branch))


def _set_of(name: str, source: dict[str, Any], cluster: str, application: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Return a set of one application for each directory of `source` whose `cluster` Argo CD knows.

    `cluster`, `application` (the name of each) and `spec` are templates over the directory and Argo CD's cluster.
    """
    known = {"selector": {"matchLabels": {CLUSTER_LABEL: cluster}}}
    annotations = {"argocd.argoproj.io/manifest-generate-paths": "."}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {
            "goTemplate": True,
            "goTemplateOptions": ["missingkey=error"],
            "generators": [{"matrix": {"generators": [{"git": source}, {"clusters": known}]}}],
            "syncPolicy": {"preserveResourcesOnDeletion": True, "applicationsSync": "create-update"},
            "template": {"metadata": {"name": application, "annotations": annotations}, "spec": spec},
        },
    }


def _application(repo_url: str, branch: str) -> dict[str, Any]:
    return {
        "project": PROJECT,
        "source": {"repoURL": repo_url, "targetRevision": branch, "path": "{{.path.path}}"},
        "destination": {"name": "{{.name}}", "namespace": "default"},
        "ignoreDifferences": _ignored(),
        "syncPolicy": {
            "automated": {"prune": True, "selfHeal": True},
            "syncOptions": ["ApplyOutOfSyncOnly=true", "FailOnSharedResource=true"],
            "retry": addons.RETRY,
        },
    }


_ADDONS_ROOT = "skyray-addons-root"
_CLUSTER_OF_PATH = "{{index .path.segments 1}}"


def _addons_project() -> dict[str, Any]:
    """Return the project of what add-ons bring to the clusters: the platform team's, so it allows CRDs and RBAC."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": addons.PROJECT, "namespace": "argocd"},
        "spec": {
            "description": "What SkyRay's add-ons bring to the clusters of the fleet",
            "sourceRepos": ["*"],
            "destinations": [{"server": "*", "namespace": "*"}],
            "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
        },
    }


def _addons_root_project(repo_url: str) -> dict[str, Any]:
    """Return the project of the applications that make one application for each step of an add-on."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": _ADDONS_ROOT, "namespace": "argocd"},
        "spec": {
            "description": "The applications of SkyRay's add-ons",
            "sourceRepos": [repo_url],
            "destinations": [{"server": "https://kubernetes.default.svc", "namespace": "argocd"}],
            "clusterResourceWhitelist": [],
            "namespaceResourceWhitelist": [
                {"group": "", "kind": "ConfigMap"},
                {"group": "argoproj.io", "kind": "Application"},
            ],
        },
    }


def _addons_set(repo_url: str, branch: str) -> dict[str, Any]:
    """Return the set of one application for each cluster's add-ons (render.addons), on Argo CD's own cluster.

    It fills in what only Argo CD knows: its own name of the cluster, and the address of the fleet repo.
    """
    source = {"repoURL": repo_url, "revision": branch, "directories": [{"path": f"clusters/*/{addons.FOLDER}"}]}
    ours = {"group": "argoproj.io", "kind": "Application"}
    from_here = {**ours, "labelSelector": f"{addons.SOURCE_LABEL}={addons.FLEET_REPO}"}
    destination = [{"op": "replace", "path": "/spec/destination/name", "value": "{{.name}}"}]
    address = [
        {"op": "replace", "path": "/spec/source/repoURL", "value": repo_url},
        {"op": "replace", "path": "/spec/source/targetRevision", "value": branch},
    ]
    patches = [
        {"target": ours, "patch": emit(destination).decode()},
        {"target": from_here, "patch": emit(address).decode()},
    ]
    spec = {
        "project": _ADDONS_ROOT,
        "source": {
            "repoURL": repo_url,
            "targetRevision": branch,
            "path": "{{.path.path}}",
            "kustomize": {"patches": patches},
        },
        "destination": {"server": "https://kubernetes.default.svc", "namespace": "argocd"},
        "syncPolicy": {"automated": {"prune": True, "selfHeal": True}, "retry": addons.RETRY},
    }
    return _set_of(addons.PROJECT, source, _CLUSTER_OF_PATH, f"skyray-addons-{_CLUSTER_OF_PATH}", spec)


def _ignored() -> list[dict[str, Any]]:
    rules = []
    for kind, path in _CLUSTER_SPEC.items():
        expressions = []
        if kind == "RayCluster":
            expressions += [f"{_AUTOSCALED}.replicas", f"{_AUTOSCALED}.scaleStrategy.workersToDelete"]
        expressions += [f"{_QUEUED} | {field}" for field in _kueue_fields(kind, path)]
        rules.append({"group": "ray.io", "kind": kind, "jqPathExpressions": expressions})
    return rules


def _kueue_fields(kind: str, path: str) -> list[str]:
    fields = [".spec.suspend", ".spec.managedBy"]
    for group in (f"{path}.headGroupSpec", f"{path}.workerGroupSpecs[]?"):
        fields += [f"{group}.template.{field}" for field in _KUEUE_IN_TEMPLATES]
    if kind == "RayJob":
        fields.append(".spec.submitterPodTemplate")
    return fields


def _health_checks() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "argocd-cm", "namespace": "argocd", "labels": {"app.kubernetes.io/part-of": "argocd"}},
        "data": {
            "resource.customizations.health.argoproj.io_Application": APPLICATION_HEALTH,
            **{f"resource.customizations.health.ray.io_{kind}": lua for kind, lua in HEALTH.items()},
        },
    }


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

HEALTH: Mapping[str, str] = {"RayCluster": _RAY_CLUSTER, "RayJob": _RAY_JOB, "RayService": _RAY_SERVICE}
"""Lua health checks by kind, after facts that KubeRay guarantees (its status fields and conditions)."""
