"""Argo CD's projects: what the applications that SkyRay makes may read, and what they may create where.

Workloads are users' words, so their project allows the kinds of `ALLOWED_KINDS` only. Add-ons are the platform team's
and bring CRDs and RBAC, so they have a project of their own. Source: the Argo CD manual (projects).
"""

from __future__ import annotations

from typing import Any

PROJECT = "skyray"
ADDONS_PROJECT = "skyray-addons"
"""The project of what add-ons bring to clusters."""

ADDONS_ROOT_PROJECT = "skyray-addons-root"
"""The project of the applications that make the applications of add-ons."""

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

_NAMESPACE = "argocd"
_CLOSED_NAMESPACES = ("kube-*", "argocd", "flux-system")


def workloads_project(repo_url: str) -> dict[str, Any]:
    """Return the project of what is placed on the clusters. It reads the fleet repo only."""
    destinations = []
    for namespace in _CLOSED_NAMESPACES:
        destinations.append({"server": "*", "namespace": f"!{namespace}"})
    destinations.append({"server": "*", "namespace": "*"})
    spec = {
        "description": "What SkyRay placed on the clusters of the fleet",
        "sourceRepos": [repo_url],
        "destinations": destinations,
        # SkyRay renders the namespaces of groups.
        "clusterResourceWhitelist": [{"group": "", "kind": "Namespace"}],
        "namespaceResourceWhitelist": [
            {"group": group, "kind": kind} for group, kind in ALLOWED_KINDS
        ],
    }
    return _project(PROJECT, spec)


def addons_project() -> dict[str, Any]:
    """Return the project of what add-ons bring to the clusters: the platform team's, so it allows CRDs and RBAC."""
    spec = {
        "description": "What SkyRay's add-ons bring to the clusters of the fleet",
        # Charts and kustomizations come from wherever an add-on names.
        "sourceRepos": ["*"],
        "destinations": [{"server": "*", "namespace": "*"}],
        "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
    }
    return _project(ADDONS_PROJECT, spec)


def addons_root_project(repo_url: str) -> dict[str, Any]:
    """Return the project of the applications that make one application for each step of an add-on."""
    management_cluster = "https://kubernetes.default.svc"
    spec = {
        "description": "The applications of SkyRay's add-ons",
        "sourceRepos": [repo_url],
        "destinations": [{"server": management_cluster, "namespace": _NAMESPACE}],
        "clusterResourceWhitelist": [],
        "namespaceResourceWhitelist": [
            # The sentinel of the folder.
            {"group": "", "kind": "ConfigMap"},
            {"group": "argoproj.io", "kind": "Application"},
        ],
    }
    return _project(ADDONS_ROOT_PROJECT, spec)


def _project(
    name: str,
    spec: dict[str, Any],
) -> dict[str, Any]:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": name, "namespace": _NAMESPACE},
        "spec": spec,
    }
