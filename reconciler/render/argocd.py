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
from reconciler.render.engine import ADDON_LABEL, ADDONS_FOLDER, AddOnStep
from reconciler.render.model import Patch

NAMESPACE = "argocd"
PROJECT = "skyray"
ADDONS_PROJECT = "skyray-addons"
"""The project of what add-ons bring to clusters."""

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
_CLOSED_NAMESPACES = ("kube-*", "argocd", "flux-system")
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
            "argocd/addons-project.yaml": emit(_addons_project()),
            "argocd/addons-root-project.yaml": emit(_addons_root_project(repo_url)),
            "argocd/addons.yaml": emit(_addons_set(repo_url, branch)),
            "argocd/applicationset.yaml": emit(_application_set(repo_url, branch)),
            "argocd/health-checks/argocd-cm.yaml": health_checks(),
            "argocd/project.yaml": emit(_project(repo_url)),
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


def _project(repo_url: str) -> dict[str, Any]:
    closed = [
        {"server": "*", "namespace": f"!{namespace}"}
        for namespace in _CLOSED_NAMESPACES
    ]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": PROJECT, "namespace": "argocd"},
        "spec": {
            "description": "What SkyRay placed on the clusters of the fleet",
            "sourceRepos": [repo_url],
            "destinations": [*closed, {"server": "*", "namespace": "*"}],
            "clusterResourceWhitelist": [{"group": "", "kind": "Namespace"}],
            "namespaceResourceWhitelist": [
                {"group": group, "kind": kind} for group, kind in ALLOWED_KINDS
            ],
        },
    }


def _application_set(repo_url: str, branch: str) -> dict[str, Any]:
    source = {
        "repoURL": repo_url,
        "revision": branch,
        "directories": [{"path": "clusters/*"}],
    }
    return _set_of(
        "skyray",
        source,
        "{{.path.basename}}",
        "skyray-{{.path.basename}}",
        _application(repo_url, branch),
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
    annotations = {"argocd.argoproj.io/manifest-generate-paths": "."}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {
            "goTemplate": True,
            "goTemplateOptions": ["missingkey=error"],
            "generators": [
                {"matrix": {"generators": [{"git": source}, {"clusters": known}]}}
            ],
            "syncPolicy": {
                "preserveResourcesOnDeletion": True,
                "applicationsSync": "create-update",
            },
            "template": {
                "metadata": {"name": application, "annotations": annotations},
                "spec": spec,
            },
        },
    }


def _application(repo_url: str, branch: str) -> dict[str, Any]:
    return {
        "project": PROJECT,
        "source": {
            "repoURL": repo_url,
            "targetRevision": branch,
            "path": "{{.path.path}}",
        },
        "destination": {"name": "{{.name}}", "namespace": "default"},
        "ignoreDifferences": _ignored(),
        "syncPolicy": {
            "automated": {"prune": True, "selfHeal": True},
            "syncOptions": ["ApplyOutOfSyncOnly=true", "FailOnSharedResource=true"],
            "retry": _RETRY,
        },
    }


_ADDONS_ROOT = "skyray-addons-root"
_CLUSTER_OF_PATH = "{{index .path.segments 1}}"


def _addons_project() -> dict[str, Any]:
    """Return the project of what add-ons bring to the clusters: the platform team's, so it allows CRDs and RBAC."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": ADDONS_PROJECT, "namespace": "argocd"},
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
            "destinations": [
                {"server": "https://kubernetes.default.svc", "namespace": "argocd"}
            ],
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
    source = {
        "repoURL": repo_url,
        "revision": branch,
        "directories": [{"path": f"clusters/*/{ADDONS_FOLDER}"}],
    }
    ours = {"group": "argoproj.io", "kind": "Application"}
    from_here = {**ours, "labelSelector": f"{_SOURCE_LABEL}={_FLEET_REPO}"}
    destination = [
        {"op": "replace", "path": "/spec/destination/name", "value": "{{.name}}"}
    ]
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
        "destination": {
            "server": "https://kubernetes.default.svc",
            "namespace": "argocd",
        },
        "syncPolicy": {"automated": {"prune": True, "selfHeal": True}, "retry": _RETRY},
    }
    return _set_of(
        ADDONS_PROJECT,
        source,
        _CLUSTER_OF_PATH,
        f"skyray-addons-{_CLUSTER_OF_PATH}",
        spec,
    )


def _ignored() -> list[dict[str, Any]]:
    rules = []
    for kind, path in _CLUSTER_SPEC.items():
        expressions = []
        if kind == "RayCluster":
            expressions += [
                f"{_AUTOSCALED}.replicas",
                f"{_AUTOSCALED}.scaleStrategy.workersToDelete",
            ]
        expressions += [f"{_QUEUED} | {field}" for field in _kueue_fields(kind, path)]
        rules.append(
            {"group": "ray.io", "kind": kind, "jqPathExpressions": expressions}
        )
    return rules


def _kueue_fields(kind: str, path: str) -> list[str]:
    fields = [".spec.suspend", ".spec.managedBy"]
    for group in (f"{path}.headGroupSpec", f"{path}.workerGroupSpecs[]?"):
        fields += [f"{group}.template.{field}" for field in _KUEUE_IN_TEMPLATES]
    if kind == "RayJob":
        fields.append(".spec.submitterPodTemplate")
    return fields


def _addon_application(step: AddOnStep) -> dict[str, Any]:
    """Return the Application of a step of an add-on; the set of add-ons fills in cluster name and repo address."""
    source = step.step.source
    labels = {ADDON_LABEL: step.addon}
    annotations = {"argocd.argoproj.io/compare-options": "ServerSideDiff=true"}
    options = [
        "ServerSideApply=true"
    ]  # CRDs are too large for the annotation of a client-side apply
    namespace = "default"
    if isinstance(source, Manifests):
        labels[_SOURCE_LABEL] = _FLEET_REPO
        annotations["argocd.argoproj.io/manifest-generate-paths"] = "."
    if isinstance(source, HelmChart):
        namespace = source.namespace
        options.append("CreateNamespace=true")
    annotations["argocd.argoproj.io/sync-wave"] = str(step.wave)
    metadata: dict[str, Any] = {
        "name": step.name,
        "namespace": NAMESPACE,
        "labels": labels,
        "annotations": annotations,
    }
    if not step.step.keep:
        metadata["finalizers"] = ["resources-finalizer.argocd.argoproj.io"]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": metadata,
        "spec": {
            "project": ADDONS_PROJECT,
            "source": _addon_source(step),
            "destination": {"name": step.cluster, "namespace": namespace},
            "syncPolicy": {
                "automated": {"prune": not step.step.keep, "selfHeal": True},
                "syncOptions": options,
                "retry": _RETRY,
            },
        },
    }


def _addon_source(step: AddOnStep) -> dict[str, Any]:
    match step.step.source:
        case HelmChart() as chart:
            helm: dict[str, Any] = {
                "releaseName": chart.chart,
                "skipCrds": not chart.crds,
            }
            if chart.values:
                helm["valuesObject"] = chart.values
            # Argo CD takes an OCI registry without its scheme.
            repo = chart.repo.removeprefix("oci://")
            return {
                "repoURL": repo,
                "chart": chart.chart,
                "targetRevision": chart.version,
                "helm": helm,
            }
        case RemoteKustomization() as remote:
            return {
                "repoURL": remote.url,
                "targetRevision": remote.ref,
                "path": remote.path,
            }
        case Manifests():
            return {"repoURL": _UNFILLED, "targetRevision": "HEAD", "path": step.path}
