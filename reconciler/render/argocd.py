"""Argo CD: an application for each cluster directory, and one for each step of an add-on.

Argo CD applies what Git says and leaves alone what other controllers own: the Ray autoscaler owns the replicas of a
bare autoscaled RayCluster, Kueue owns `suspend` and what it adds to pod templates of objects that it queues. Only those
fields, only on those objects, are ignored. Source: the Argo CD manual (app of apps, sync waves, diffing).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.manifests.emitter import emit
from reconciler.policy.addon import HelmChart, Manifests, RemoteKustomization
from reconciler.render.argocd_health import health_checks
from reconciler.render.argocd_projects import (
    ADDONS_PROJECT,
    ADDONS_ROOT_PROJECT,
    PROJECT,
    addons_project,
    addons_root_project,
    workloads_project,
)
from reconciler.render.engine import ADDON_LABEL, ADDONS_FOLDER, AddOnStep
from reconciler.render.model import Patch

NAMESPACE = "argocd"
CLUSTER_LABEL = "skyray.dev/cluster"
"""On Argo CD's cluster Secrets; its value is the cluster's name in the inventory."""

_RETRY = {
    "limit": -1,
    "refresh": True,
    "backoff": {"duration": "5s", "factor": 2, "maxDuration": "1m"},
}
"""How Argo CD (3.2 or newer) tries a failed sync again: without a limit, and each time with the newest commit.

With a limit, what one cluster refuses would hold up every later change there until the tries are used up.
"""

_SOURCE_LABEL = "skyray.dev/source"
_FLEET_REPO = "fleet-repo"
"""The `_SOURCE_LABEL` of Applications that read the fleet repo, whose URL the set of add-ons fills in."""

_UNFILLED = "https://fleet-repo.invalid"
_CLUSTER_OF_PATH = "{{index .path.segments 1}}"
_MANAGEMENT_CLUSTER = "https://kubernetes.default.svc"
_AUTOSCALED = (
    "select(.spec.enableInTreeAutoscaling == true) | .spec.workerGroupSpecs[]?"
)
_QUEUED = 'select(.metadata.labels["kueue.x-k8s.io/queue-name"] != null)'
_CLUSTER_SPEC = {
    "RayCluster": ".spec",
    "RayJob": ".spec.rayClusterSpec",
    "RayService": ".spec.rayClusterConfig",
}
_KUEUE_IN_TEMPLATES = ("spec.nodeSelector", "spec.tolerations", "metadata.labels")


class ArgoCD:
    """Renders for Argo CD (see `EngineRenderer`)."""

    namespace = NAMESPACE
    # A prune of the namespace would delete everything else that users keep in it.
    namespace_annotations: Mapping[str, str] = {
        "argocd.argoproj.io/compare-options": "IgnoreExtraneous",
        "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
    }
    keep_annotations: Mapping[str, str] = {
        "argocd.argoproj.io/sync-options": "Prune=false,Delete=false"
    }

    def own_files(
        self, _clusters: Iterable[str], repo_url: str, branch: str, /
    ) -> dict[str, bytes]:
        """Return the files under `argocd/`. They name no clusters: the ApplicationSets find them by directory."""
        return {
            "argocd/addons-project.yaml": emit(addons_project()),
            "argocd/addons-root-project.yaml": emit(addons_root_project(repo_url)),
            "argocd/addons.yaml": emit(_addons_set(repo_url, branch)),
            "argocd/applicationset.yaml": emit(_application_set(repo_url, branch)),
            "argocd/health-checks/argocd-cm.yaml": health_checks(),
            "argocd/project.yaml": emit(workloads_project(repo_url)),
        }

    def cluster_transformers(self) -> list[str]:
        """Return none: Argo CD applies what kustomize builds."""
        return []

    def group_transformers(self, _bodies: Iterable[Mapping[str, Any]], /) -> list[str]:
        """Return none: fields that others own are ignored by the ApplicationSet's rules, by kind."""
        return []

    def group_patches(self, _bodies: Iterable[Mapping[str, Any]], /) -> list[Patch]:
        """Return none: the rules are jq expressions, which see by themselves whether a RayCluster autoscales."""
        return []

    def addon_step_files(self, step: AddOnStep) -> dict[str, bytes]:
        """Return the step's Application."""
        return {f"{step.folder}.yaml": emit(_addon_application(step))}


def _application_set(
    repo_url: str,
    branch: str,
) -> dict[str, Any]:
    source = {
        "repoURL": repo_url,
        "revision": branch,
        "directories": [{"path": "clusters/*"}],
    }
    return _set_of(
        name="skyray",
        source=source,
        cluster="{{.path.basename}}",
        application="skyray-{{.path.basename}}",
        spec=_application(repo_url, branch),
    )


def _set_of(
    name: str,
    source: dict[str, Any],
    cluster: str,
    application: str,
    spec: dict[str, Any],
) -> dict[str, Any]:
    """Return a set of one application for each directory of `source` whose `cluster` Argo CD knows.

    `cluster`, `application` (the name of each) and `spec` are templates over the directory and Argo CD's cluster.
    """
    known = {"selector": {"matchLabels": {CLUSTER_LABEL: cluster}}}
    # A directory whose cluster Argo CD does not know makes no application.
    matrix = {"generators": [{"git": source}, {"clusters": known}]}
    # Only a change of its own directory makes Argo CD build an application again.
    annotations = {"argocd.argoproj.io/manifest-generate-paths": "."}
    set_spec = {
        "goTemplate": True,
        "goTemplateOptions": ["missingkey=error"],
        "generators": [{"matrix": matrix}],
        "syncPolicy": {
            # A directory or a Secret that is gone takes nothing off its cluster.
            "preserveResourcesOnDeletion": True,
            "applicationsSync": "create-update",
        },
        "template": {
            "metadata": {"name": application, "annotations": annotations},
            "spec": spec,
        },
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": set_spec,
    }


def _application(
    repo_url: str,
    branch: str,
) -> dict[str, Any]:
    sync_policy = {
        "automated": {"prune": True, "selfHeal": True},
        "syncOptions": ["ApplyOutOfSyncOnly=true", "FailOnSharedResource=true"],
        "retry": _RETRY,
    }
    return {
        "project": PROJECT,
        "source": {
            "repoURL": repo_url,
            "targetRevision": branch,
            "path": "{{.path.path}}",
        },
        # Every object of a cluster's directory says its own namespace.
        "destination": {"name": "{{.name}}", "namespace": "default"},
        "ignoreDifferences": _ignored(),
        "syncPolicy": sync_policy,
    }


def _addons_set(
    repo_url: str,
    branch: str,
) -> dict[str, Any]:
    """Return the set of one application for each cluster's add-ons (render.addons), on Argo CD's own cluster.

    It fills in what only Argo CD knows: its own name of the cluster, and the address of the fleet repo.
    """
    directories = {
        "repoURL": repo_url,
        "revision": branch,
        "directories": [{"path": f"clusters/*/{ADDONS_FOLDER}"}],
    }
    source = {
        "repoURL": repo_url,
        "targetRevision": branch,
        "path": "{{.path.path}}",
        "kustomize": {"patches": _filled_in(repo_url, branch)},
    }
    spec = {
        "project": ADDONS_ROOT_PROJECT,
        "source": source,
        "destination": {"server": _MANAGEMENT_CLUSTER, "namespace": "argocd"},
        "syncPolicy": {"automated": {"prune": True, "selfHeal": True}, "retry": _RETRY},
    }
    return _set_of(
        name=ADDONS_PROJECT,
        source=directories,
        cluster=_CLUSTER_OF_PATH,
        application=f"skyray-addons-{_CLUSTER_OF_PATH}",
        spec=spec,
    )


def _filled_in(
    repo_url: str,
    branch: str,
) -> list[dict[str, Any]]:
    """Return the patches of a cluster's add-on Applications that fill in cluster name and repo address."""
    ours = {"group": "argoproj.io", "kind": "Application"}
    from_here = {**ours, "labelSelector": f"{_SOURCE_LABEL}={_FLEET_REPO}"}
    # Argo CD fills in the template: how it calls the cluster is not known here.
    destination = [
        {"op": "replace", "path": "/spec/destination/name", "value": "{{.name}}"}
    ]
    address = [
        {"op": "replace", "path": "/spec/source/repoURL", "value": repo_url},
        {"op": "replace", "path": "/spec/source/targetRevision", "value": branch},
    ]
    return [
        {"target": ours, "patch": emit(destination).decode()},
        {"target": from_here, "patch": emit(address).decode()},
    ]


def _ignored() -> list[dict[str, Any]]:
    rules = []
    for kind, path in _CLUSTER_SPEC.items():
        expressions = []
        # KubeRay makes the RayClusters of jobs and services, so these are not in Git.
        if kind == "RayCluster":
            expressions.append(f"{_AUTOSCALED}.replicas")
            expressions.append(f"{_AUTOSCALED}.scaleStrategy.workersToDelete")
        for field in _kueue_fields(kind, path):
            expressions.append(f"{_QUEUED} | {field}")
        rules.append(
            {"group": "ray.io", "kind": kind, "jqPathExpressions": expressions}
        )
    return rules


def _kueue_fields(kind: str, path: str) -> list[str]:
    fields = [".spec.suspend", ".spec.managedBy"]
    for group in (f"{path}.headGroupSpec", f"{path}.workerGroupSpecs[]?"):
        fields += [f"{group}.template.{field}" for field in _KUEUE_IN_TEMPLATES]
    # Kueue adds to this pod template as well; only RayJobs have one.
    if kind == "RayJob":
        fields.append(".spec.submitterPodTemplate")
    return fields


def _addon_application(step: AddOnStep) -> dict[str, Any]:
    """Return the Application of a step of an add-on; the set of add-ons fills in cluster name and repo address."""
    keep = step.step.keep
    sync_policy = {
        # To prune would delete what is to stay.
        "automated": {"prune": not keep, "selfHeal": True},
        "syncOptions": _sync_options(step),
        "retry": _RETRY,
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": _addon_metadata(step),
        "spec": {
            "project": ADDONS_PROJECT,
            "source": _addon_source(step),
            "destination": {"name": step.cluster, "namespace": _namespace_of(step)},
            "syncPolicy": sync_policy,
        },
    }


def _addon_metadata(step: AddOnStep) -> dict[str, Any]:
    labels = {ADDON_LABEL: step.addon}
    annotations = {"argocd.argoproj.io/compare-options": "ServerSideDiff=true"}
    if isinstance(step.step.source, Manifests):
        # The set of add-ons finds by this label whose repo address it fills in.
        labels[_SOURCE_LABEL] = _FLEET_REPO
        annotations["argocd.argoproj.io/manifest-generate-paths"] = "."
    annotations["argocd.argoproj.io/sync-wave"] = str(step.wave)
    metadata: dict[str, Any] = {
        "name": step.name,
        "namespace": NAMESPACE,
        "labels": labels,
        "annotations": annotations,
    }
    # With the finalizer, what the step made is deleted with its Application.
    if not step.step.keep:
        metadata["finalizers"] = ["resources-finalizer.argocd.argoproj.io"]
    return metadata


def _sync_options(step: AddOnStep) -> list[str]:
    # CRDs are too large for the annotation of a client-side apply.
    options = ["ServerSideApply=true"]
    if isinstance(step.step.source, HelmChart):
        options.append("CreateNamespace=true")
    return options


def _namespace_of(step: AddOnStep) -> str:
    source = step.step.source
    # Objects that are no chart's say their namespace themselves.
    return source.namespace if isinstance(source, HelmChart) else "default"


def _addon_source(step: AddOnStep) -> dict[str, Any]:
    match step.step.source:
        case HelmChart() as chart:
            return _chart_source(chart)
        case RemoteKustomization() as remote:
            return {
                "repoURL": remote.url,
                "targetRevision": remote.ref,
                "path": remote.path,
            }
        case Manifests():
            return {"repoURL": _UNFILLED, "targetRevision": "HEAD", "path": step.path}


def _chart_source(chart: HelmChart) -> dict[str, Any]:
    helm: dict[str, Any] = {
        "releaseName": chart.chart,
        "skipCrds": not chart.crds,
    }
    if chart.values:
        helm["valuesObject"] = chart.values
    return {
        # Argo CD takes an OCI registry without its scheme.
        "repoURL": chart.repo.removeprefix("oci://"),
        "chart": chart.chart,
        "targetRevision": chart.version,
        "helm": helm,
    }
