"""Flux's own objects for a fleet repo: one source, and one Kustomization per cluster.

The one idea: as for Argo CD (render.argocd), Flux applies what Git says and leaves alone what the Ray autoscaler or
Kueue may write. Flux knows JSON pointers only, so there is one for each worker group that a RayCluster could have; a
pointer to a group that is not there does nothing. Source: the Flux manual (`spec.ignore`, kustomize-controller 1.9).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reconciler.manifests.emitter import emit
from reconciler.manifests.identity import check_dns_label
from reconciler.render import addons
from reconciler.render.group import AUTOSCALED_LABEL

NAMESPACE = "flux-system"
WORKER_GROUPS = 32
"""Worker groups of a RayCluster that the ignore rules cover, by index."""

_QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
_KUEUE_IN_TEMPLATES = ("spec/nodeSelector", "spec/tolerations", "metadata/labels")


def files(clusters: Iterable[str], repo_url: str, branch: str) -> dict[str, bytes]:
    """Return the files under `flux/` by their path in the repo."""
    rendered = {"flux/git-repository.yaml": emit(_source(repo_url, branch))}
    for cluster in sorted(set(clusters)):
        name = check_dns_label(cluster, "cluster")
        rendered[f"flux/clusters/{name}.yaml"] = emit(_kustomization(name))
        rendered[f"flux/addons/{name}.yaml"] = emit(_addons(name))
    return rendered


def _source(repo_url: str, branch: str) -> dict[str, Any]:
    spec = {"interval": "1m", "url": repo_url, "ref": {"branch": branch}, "secretRef": {"name": "skyray-git"}}
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": "skyray", "namespace": NAMESPACE},
        "spec": {**spec, "ignore": "/*\n!/clusters/\n"},
    }


def _kustomization(cluster: str) -> dict[str, Any]:
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": f"skyray-{cluster}", "namespace": NAMESPACE},
        "spec": {
            "interval": "10m",
            "retryInterval": "1m",
            "timeout": "5m",
            "path": f"./clusters/{cluster}",
            "sourceRef": {"kind": "GitRepository", "name": "skyray"},
            "kubeConfig": {"secretRef": {"name": f"{cluster}-kubeconfig"}},
            "prune": True,
            "deletionPolicy": "Orphan",
            "wait": False,
            "ignore": _ignored(),
        },
    }


def _addons(cluster: str) -> dict[str, Any]:
    """Return what brings a cluster's add-ons (render.addons) to the management cluster; from there they reach out."""
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": f"skyray-addons-{cluster}", "namespace": NAMESPACE},
        "spec": {
            "interval": "10m",
            "retryInterval": "1m",
            "timeout": "5m",
            "path": f"./{addons.folder_of(cluster).rstrip('/')}",
            "sourceRef": {"kind": "GitRepository", "name": "skyray"},
            "prune": True,
            "deletionPolicy": "Orphan",
            "wait": False,
        },
    }


def _ignored() -> list[dict[str, Any]]:
    """Return the ignore rules. RayJobs need none: Flux applies them once (`ssa: IfNotPresent`, render.group)."""
    groups = [f"/spec/workerGroupSpecs/{index}" for index in range(WORKER_GROUPS)]
    autoscaled = [f"{group}/{field}" for group in groups for field in ("replicas", "scaleStrategy/workersToDelete")]
    rules = [
        {
            "paths": autoscaled,
            "target": {"group": "ray.io", "kind": "RayCluster", "labelSelector": f"{AUTOSCALED_LABEL}=true"},
        }
    ]
    for kind, spec in (("RayCluster", "/spec"), ("RayService", "/spec/rayClusterConfig")):
        pods = [f"{spec}/headGroupSpec", *(f"{spec}/workerGroupSpecs/{index}" for index in range(WORKER_GROUPS))]
        paths = [f"{pod}/template/{field}" for pod in pods for field in _KUEUE_IN_TEMPLATES]
        target = {"group": "ray.io", "kind": kind, "labelSelector": _QUEUE_LABEL}
        rules.append({"paths": ["/spec/suspend", "/spec/managedBy", *paths], "target": target})
    return rules
