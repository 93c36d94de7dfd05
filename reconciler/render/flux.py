"""Flux: one source for the fleet repo, and Kustomizations for each cluster and each step of an add-on.

Flux applies what Git says and leaves alone what the Ray autoscaler or Kueue own, by the same rules as Argo CD. Its
rules are JSON pointers, so there is one for each worker group that a RayCluster could have; a pointer to a group that
is not there does nothing. Source: the Flux manual (`spec.ignore`, kustomize-controller 1.9).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.manifests.emitter import emit
from reconciler.manifests.identity import check_dns_label, object_key
from reconciler.policy.addon import HelmChart, RemoteKustomization
from reconciler.policy.fieldpath import pointer
from reconciler.render.engine import ADDON_LABEL, ADDONS_FOLDER, AddOnStep
from reconciler.render.kustomization import FILE, KUSTOMIZATION, annotations_transformer
from reconciler.render.model import Patch
from reconciler.workloads.patch import Operations

NAMESPACE = "flux-system"
AUTOSCALED_LABEL = "skyray.dev/autoscaled"
"""On bare RayClusters whose replicas the Ray autoscaler owns; the ignore rules select it."""

WORKER_GROUPS = 32
"""Worker groups of a RayCluster that the ignore rules cover, by index."""

_QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_KUEUE_IN_TEMPLATES = ("spec/nodeSelector", "spec/tolerations", "metadata/labels")


class Flux:
    """Renders for Flux (see `EngineRenderer`)."""

    namespace = NAMESPACE
    # A prune of the namespace would delete everything else that users keep in it.
    namespace_annotations: Mapping[str, str] = {
        "kustomize.toolkit.fluxcd.io/prune": "disabled"
    }
    keep_annotations: Mapping[str, str] = {
        "kustomize.toolkit.fluxcd.io/prune": "disabled"
    }

    def own_files(
        self, clusters: Iterable[str], repo_url: str, branch: str, /
    ) -> dict[str, bytes]:
        """Return the files under `flux/`: the source of the fleet repo, and two Kustomizations for each cluster."""
        files = {"flux/git-repository.yaml": emit(_source(repo_url, branch))}
        for cluster in sorted(set(clusters)):
            name = check_dns_label(cluster, "cluster")
            files[f"flux/clusters/{name}.yaml"] = emit(_kustomization(name))
            files[f"flux/addons/{name}.yaml"] = emit(_addons(name))
        return files

    def cluster_transformers(self) -> list[str]:
        """Return what keeps Flux's postBuild from replacing ${VAR} in entrypoints and scripts."""
        verbatim = {"kustomize.toolkit.fluxcd.io/substitute": "disabled"}
        return [annotations_transformer("skyray-verbatim", verbatim)]

    def group_transformers(self, bodies: Iterable[Mapping[str, Any]], /) -> list[str]:
        """Return what makes Flux apply a RayJob once only.

        It must not apply a job again: KubeRay reads suspend, deadlines and TTL of a running job from its spec.
        """
        if not any(body["kind"] == "RayJob" for body in bodies):
            return []
        once = {"kustomize.toolkit.fluxcd.io/ssa": "IfNotPresent"}
        return [annotations_transformer("skyray-rayjob", once, ["RayJob"])]

    def group_patches(self, bodies: Iterable[Mapping[str, Any]], /) -> list[Patch]:
        """Return a label for each bare RayCluster whose replicas its autoscaler sets; the ignore rules select it.

        RayClusters of jobs and services need none: KubeRay makes them, so they are not in Git.
        """
        marks = []
        for body in bodies:
            key = object_key(dict(body))
            if (key.group, key.kind) != ("ray.io", "RayCluster"):
                continue
            spec = body.get("spec", {})
            # Only the boolean counts: the API server refuses a text such as "true".
            if spec.get("enableInTreeAutoscaling") is True:
                marks.append(Patch(key.group, key.kind, key.name, _mark(body)))
        return marks

    def addon_step_files(self, step: AddOnStep) -> dict[str, bytes]:
        """Return the step's Kustomization, and the source that it reads where that is not the fleet repo."""
        folder = step.folder
        files = {f"{folder}.yaml": emit(_addon_kustomization(step))}
        match step.step.source:
            case HelmChart() as chart:
                resources = ["release.yaml", "repository.yaml"]
                listing = {**KUSTOMIZATION, "resources": resources}
                files[f"{folder}/{FILE}"] = emit(listing)
                files[f"{folder}/release.yaml"] = emit(_helm_release(step, chart))
                files[f"{folder}/repository.yaml"] = emit(_helm_repository(step, chart))
            case RemoteKustomization() as remote:
                files[f"{folder}/source.yaml"] = emit(_addon_git_source(step, remote))
        return files


def _source(
    repo_url: str,
    branch: str,
) -> dict[str, Any]:
    spec = {
        "interval": "1m",
        "url": repo_url,
        "ref": {"branch": branch},
        "secretRef": {"name": "skyray-git"},
        # Of the fleet repo Flux needs what it applies, and nothing else.
        "ignore": "/*\n!/clusters/\n",
    }
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": "skyray", "namespace": NAMESPACE},
        "spec": spec,
    }


def _kustomization(cluster: str) -> dict[str, Any]:
    spec = {
        "interval": "10m",
        "retryInterval": "1m",
        "timeout": "5m",
        "path": f"./clusters/{cluster}",
        "sourceRef": {"kind": "GitRepository", "name": "skyray"},
        "kubeConfig": _kube_config(cluster),
        "prune": True,
        # To delete the Kustomization must not end what runs on the cluster.
        "deletionPolicy": "Orphan",
        "wait": False,
        "ignore": _ignored(),
    }
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": f"skyray-{cluster}", "namespace": NAMESPACE},
        "spec": spec,
    }


def _addons(cluster: str) -> dict[str, Any]:
    """Return what brings a cluster's add-ons (render.addons) to the management cluster, from where they are applied."""
    # Without a kubeConfig: it is applied to the cluster where Flux runs.
    spec = {
        "interval": "10m",
        "retryInterval": "1m",
        "timeout": "5m",
        "path": f"./clusters/{cluster}/{ADDONS_FOLDER}",
        "sourceRef": {"kind": "GitRepository", "name": "skyray"},
        "prune": True,
        "deletionPolicy": "Orphan",
        # The steps wait for each other by their `dependsOn`.
        "wait": False,
    }
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": f"skyray-addons-{cluster}", "namespace": NAMESPACE},
        "spec": spec,
    }


def _ignored() -> list[dict[str, Any]]:
    """Return the ignore rules. RayJobs need none: Flux applies them once (`Flux.group_transformers`)."""
    autoscaled = []
    for index in range(WORKER_GROUPS):
        group = f"/spec/workerGroupSpecs/{index}"
        autoscaled.append(f"{group}/replicas")
        autoscaled.append(f"{group}/scaleStrategy/workersToDelete")
    return [
        _rule("RayCluster", f"{AUTOSCALED_LABEL}=true", autoscaled),
        _rule("RayCluster", _QUEUE_LABEL, _queued("/spec")),
        _rule("RayService", _QUEUE_LABEL, _queued("/spec/rayClusterConfig")),
    ]


def _rule(
    kind: str,
    selector: str,
    paths: list[str],
) -> dict[str, Any]:
    return {
        "paths": paths,
        "target": {"group": "ray.io", "kind": kind, "labelSelector": selector},
    }


def _queued(cluster_spec: str) -> list[str]:
    """Return what Kueue writes into an object that it queues, whose RayCluster spec is at `cluster_spec`."""
    paths = ["/spec/suspend", "/spec/managedBy"]
    groups = [f"{cluster_spec}/headGroupSpec"]
    for index in range(WORKER_GROUPS):
        groups.append(f"{cluster_spec}/workerGroupSpecs/{index}")
    for group in groups:
        paths += [f"{group}/template/{field}" for field in _KUEUE_IN_TEMPLATES]
    return paths


def _mark(body: Mapping[str, Any]) -> Operations:
    """Return the operations that label a RayCluster as autoscaled."""
    # The build fails when the RayCluster does not autoscale any more.
    test: dict[str, Any] = {
        "op": "test",
        "path": "/spec/enableInTreeAutoscaling",
        "value": True,
    }
    add: dict[str, Any] = {
        "op": "add",
        "path": pointer(("metadata", "labels", AUTOSCALED_LABEL)),
        "value": "true",
    }
    if not body["metadata"].get("labels"):
        # JSON 6902 cannot add to a map that is not there.
        add = {
            "op": "add",
            "path": "/metadata/labels",
            "value": {AUTOSCALED_LABEL: "true"},
        }
    return test, add


def _addon_metadata(step: AddOnStep) -> dict[str, Any]:
    return {
        "name": step.name,
        "namespace": NAMESPACE,
        "labels": {ADDON_LABEL: step.addon},
    }


def _kube_config(cluster: str) -> dict[str, Any]:
    return {"secretRef": {"name": f"{cluster}-kubeconfig"}}


def _addon_kustomization(step: AddOnStep) -> dict[str, Any]:
    """Return the Kustomization of a step; a chart's brings the HelmRelease to the management cluster itself."""
    path, source_name = step.path, "skyray"
    source, keep = step.step.source, step.step.keep
    if isinstance(source, RemoteKustomization):
        # Its own GitRepository has the step's name.
        path, source_name = source.path, step.name
    spec: dict[str, Any] = {
        "interval": "10m",
        "retryInterval": "30s",
        # How long a commit that mends the step waits for Flux to give up on the one before.
        "timeout": "2m",
        "path": f"./{path}",
        "sourceRef": {"kind": "GitRepository", "name": source_name},
        "prune": not keep,
        "deletionPolicy": "Orphan" if keep else "MirrorPrune",
        # Or what depends on it would not wait for it.
        "wait": True,
    }
    if not isinstance(source, HelmChart):
        # The HelmRelease of a chart names the cluster itself.
        spec["kubeConfig"] = _kube_config(step.cluster)
    if step.after:
        spec["dependsOn"] = [{"name": name} for name in step.after]
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": _addon_metadata(step),
        "spec": spec,
    }


def _addon_git_source(
    step: AddOnStep,
    remote: RemoteKustomization,
) -> dict[str, Any]:
    # Flux has a field for each; 40 hex digits are taken for a commit.
    kind_of_ref = "commit" if _COMMIT.fullmatch(remote.ref) else "tag"
    spec = {
        "interval": "1h",
        "url": remote.url,
        "ref": {kind_of_ref: remote.ref},
    }
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": _addon_metadata(step),
        "spec": spec,
    }


def _helm_repository(
    step: AddOnStep,
    chart: HelmChart,
) -> dict[str, Any]:
    spec: dict[str, Any] = {"interval": "1h", "url": chart.repo}
    # Flux reads a registry by another protocol, which the object must name.
    if chart.repo.startswith("oci://"):
        spec["type"] = "oci"
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "HelmRepository",
        "metadata": _addon_metadata(step),
        "spec": spec,
    }


def _helm_release(
    step: AddOnStep,
    chart: HelmChart,
) -> dict[str, Any]:
    # Helm itself never upgrades a chart's crds/.
    crds = "CreateReplace" if chart.crds else "Skip"
    remediation = {"retries": 3}
    upgrade = {"crds": crds, "remediation": remediation}
    spec: dict[str, Any] = {
        "interval": "10m",
        "releaseName": chart.chart,
        "targetNamespace": chart.namespace,
        # Helm's records too: by default they go to Flux's namespace, which the cluster need not have.
        "storageNamespace": chart.namespace,
        "chart": {"spec": _pinned(step, chart)},
        "install": {"createNamespace": True, **upgrade},
        "upgrade": upgrade,
        "kubeConfig": _kube_config(step.cluster),
    }
    if chart.values:
        spec["values"] = chart.values
    return {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": _addon_metadata(step),
        "spec": spec,
    }


def _pinned(
    step: AddOnStep,
    chart: HelmChart,
) -> dict[str, Any]:
    return {
        "chart": chart.chart,
        "version": chart.version,
        "sourceRef": {"kind": "HelmRepository", "name": step.name},
        "interval": "1h",
    }
