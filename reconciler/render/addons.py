"""One cluster's add-ons, each in the GitOps engine's own way, under `clusters/<cluster>/_addons/`.

The one idea: what stands there is not for the cluster itself. It is for the management cluster, where the engine runs:
Argo CD Applications, or Flux Kustomizations with HelmReleases, each of which brings one step to the cluster. So the
cluster's own kustomization does not list the folder, and no namespace can have its name (`_` is in no DNS label).
Sources: the manuals of Argo CD (app of apps, sync waves) and of Flux (Kustomization, HelmRelease).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.errors import InputError
from reconciler.manifests.emitter import emit
from reconciler.manifests.identity import object_key
from reconciler.manifests.loader import load
from reconciler.policy.addon import AddOn, HelmChart, Manifests, RemoteKustomization, Step
from reconciler.policy.groups import as_dns_label
from reconciler.render.cluster import CLUSTER_LABEL, directory_of
from reconciler.render.group import FILE, KUSTOMIZATION, object_files
from reconciler.render.model import Engine

FOLDER = "_addons"
SENTINEL = "skyray.yaml"
PROJECT = "skyray-addons"
"""Argo CD's project for what add-ons bring to clusters (render.argocd)."""

RETRY = {"limit": -1, "refresh": True, "backoff": {"duration": "5s", "factor": 2, "maxDuration": "1m"}}
"""How Argo CD (3.2 or newer) tries a failed sync again: for ever, and each time with the newest commit.

Otherwise what one cluster refuses would hold up every later change there until the tries are used up.
"""

SOURCE_LABEL = "skyray.dev/source"
FLEET_REPO = "fleet-repo"
"""The `SOURCE_LABEL` of Applications that read the fleet repo, whose URL argocd/addons.yaml fills in."""

_ADDON_LABEL = "skyray.dev/addon"
_NAMESPACES = {Engine.ARGOCD: "argocd", Engine.FLUX: "flux-system"}
_UNFILLED = "https://fleet-repo.invalid"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_STAYING_KINDS = (("apiextensions.k8s.io", "CustomResourceDefinition"), ("", "Namespace"))
_STAYS = {
    Engine.ARGOCD: {"argocd.argoproj.io/sync-options": "Prune=false,Delete=false"},
    Engine.FLUX: {"kustomize.toolkit.fluxcd.io/prune": "disabled"},
}


@dataclass(frozen=True, slots=True)
class KeptAddOn:
    """An add-on that is still needed though nobody asks for it: its `files`, by path in the repo, stay as they are.

    `provides` is None where nobody knows any more what it provides.
    """

    name: str
    provides: frozenset[str] | None
    files: Mapping[str, bytes]


def folder_of(cluster: str) -> str:
    """Return the path of a cluster's add-ons, with a slash at the end."""
    return f"{directory_of(cluster)}{FOLDER}/"


def render_addons(
    cluster: str, engine: Engine, addons: Sequence[AddOn], kept: Iterable[KeptAddOn] = ()
) -> dict[str, bytes]:
    """Return all files of a cluster's add-ons by their path in the repo, in order.

    `addons` stand each after what it depends on. The sentinel keeps the folder from being empty: Argo CD would never
    prune the last add-on, and it remembers what each add-on provides.
    """
    base = folder_of(cluster)
    files: dict[str, bytes] = {}
    provides = {addon.name: ",".join(addon.provides) for addon in addons}
    waves: dict[str, int] = {}
    ends: dict[str, str] = {}
    for addon in addons:
        wave = max((waves[name] for name in addon.depends_on), default=0)
        after = [ends[name] for name in addon.depends_on]
        for step in addon.steps:
            name = as_dns_label(f"{cluster}.{addon.name}.{step.name}")
            wave += 1
            one = _Step(cluster, addon.name, step, name, wave, tuple(after))
            files |= {f"{base}{path}": data for path, data in one.files(engine).items()}
            after, ends[addon.name] = [name], name
        waves[addon.name] = wave
    for old in kept:
        files |= old.files
        if old.provides is not None:
            provides[old.name] = ",".join(sorted(old.provides))
    resources = sorted(path.removeprefix(base) for path in files if _is_applied(path.removeprefix(base)))
    listed: dict[str, Any] = {**KUSTOMIZATION, "resources": [SENTINEL, *resources]}
    files[f"{base}{FILE}"] = emit({**listed, "labels": [{"pairs": {CLUSTER_LABEL: cluster}}]})
    files[f"{base}{SENTINEL}"] = emit(_sentinel(cluster, engine, provides))
    return dict(sorted(files.items()))


def told_by(sentinel: bytes | None) -> dict[str, frozenset[str]]:
    """Return what each add-on that stands there provides; of an unreadable sentinel nothing."""
    try:
        (document,) = load(sentinel or b"", SENTINEL).documents
        data = document.body["data"]
        told = {name: frozenset(groups.split(",")) - {""} for name, groups in data.items()}
    except (InputError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    told.pop("cluster", None)
    return {name.removeprefix("provides."): groups for name, groups in told.items()}


def _sentinel(cluster: str, engine: Engine, provides: Mapping[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": as_dns_label(f"skyray-addons-{cluster}"), "namespace": _NAMESPACES[engine]},
        "data": {"cluster": cluster, **{f"provides.{name}": provides[name] for name in sorted(provides)}},
    }


def _is_applied(path: str) -> bool:
    """Tell whether a file (`<add-on>/<step>.yaml`, or a step's git source) is one that the management cluster gets."""
    depth = path.count("/")
    return depth == 1 or (depth == 2 and path.endswith("/source.yaml"))


@dataclass(frozen=True, slots=True)
class _Step:
    """A step on one cluster. `name` is that of its objects; `wave` and `after`, names of steps, are its turn."""

    cluster: str
    addon: str
    step: Step
    name: str
    wave: int
    after: tuple[str, ...]

    @property
    def folder(self) -> str:
        """Return its own folder, inside `_addons/`."""
        return f"{self.addon}/{self.step.name}"

    @property
    def path(self) -> str:
        """Return its own folder's path in the repo."""
        return f"{folder_of(self.cluster)}{self.folder}"

    def files(self, engine: Engine) -> dict[str, bytes]:
        """Return its files by their path inside `_addons/`."""
        files = self._manifests(engine, self.step.source) if isinstance(self.step.source, Manifests) else {}
        if engine is Engine.ARGOCD:
            return {f"{self.folder}.yaml": emit(self._application()), **files}
        return {f"{self.folder}.yaml": emit(self._flux_kustomization()), **files, **self._flux_source()}

    def _meta(self, engine: Engine) -> dict[str, Any]:
        return {"name": self.name, "namespace": _NAMESPACES[engine], "labels": {_ADDON_LABEL: self.addon}}

    def _manifests(self, engine: Engine, source: Manifests) -> dict[str, bytes]:
        """Return the plain manifests, with a kustomization that keeps what must not go with the add-on."""
        named = object_files(source.objects)
        kustomization: dict[str, Any] = {
            **KUSTOMIZATION,
            "resources": sorted(named),
            "labels": [{"pairs": {_ADDON_LABEL: self.addon}}],
        }
        keys = [object_key(dict(body)) for body in source.objects]
        staying = [kind for kind in _STAYING_KINDS if any((key.group, key.kind) == kind for key in keys)]
        if staying:
            specs = [{"group": group, "kind": kind} if group else {"kind": kind} for group, kind in staying]
            transformer = {
                "apiVersion": "builtin",
                "kind": "AnnotationsTransformer",
                "metadata": {"name": "skyray-stays"},
                "annotations": _STAYS[engine],
                "fieldSpecs": [{**spec, "path": "metadata/annotations", "create": True} for spec in specs],
            }
            kustomization["transformers"] = [emit(transformer).decode()]
        files = {f"{self.folder}/{name}": emit(body) for name, body in named.items()}
        return {**files, f"{self.folder}/{FILE}": emit(kustomization)}

    def _application(self) -> dict[str, Any]:
        meta = self._meta(Engine.ARGOCD)
        annotations = {"argocd.argoproj.io/compare-options": "ServerSideDiff=true"}
        if isinstance(self.step.source, Manifests):
            meta["labels"][SOURCE_LABEL] = FLEET_REPO
            annotations["argocd.argoproj.io/manifest-generate-paths"] = "."
        meta["annotations"] = {**annotations, "argocd.argoproj.io/sync-wave": str(self.wave)}
        if not self.step.keep:
            meta["finalizers"] = ["resources-finalizer.argocd.argoproj.io"]
        options = ["ServerSideApply=true"]  # CRDs are too large for the annotation of a client-side apply
        namespace = "default"
        if isinstance(self.step.source, HelmChart):
            namespace = self.step.source.namespace
            options.append("CreateNamespace=true")
        return {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": meta,
            "spec": {
                "project": PROJECT,
                "source": self._argo_source(),
                "destination": {"name": self.cluster, "namespace": namespace},
                "syncPolicy": {
                    "automated": {"prune": not self.step.keep, "selfHeal": True},
                    "syncOptions": options,
                    "retry": RETRY,
                },
            },
        }

    def _argo_source(self) -> dict[str, Any]:
        match self.step.source:
            case HelmChart() as chart:
                helm: dict[str, Any] = {"releaseName": chart.chart, "skipCrds": not chart.crds}
                if chart.values:
                    helm["valuesObject"] = chart.values
                repo = chart.repo.removeprefix("oci://")
                return {"repoURL": repo, "chart": chart.chart, "targetRevision": chart.version, "helm": helm}
            case RemoteKustomization() as remote:
                return {"repoURL": remote.url, "targetRevision": remote.ref, "path": remote.path}
            case Manifests():
                return {"repoURL": _UNFILLED, "targetRevision": "HEAD", "path": self.path}

    def _flux_kustomization(self) -> dict[str, Any]:
        """Return the Kustomization of the step; a chart's brings the HelmRelease to the management cluster itself."""
        remote = self.step.source if isinstance(self.step.source, RemoteKustomization) else None
        spec: dict[str, Any] = {
            "interval": "10m",
            "retryInterval": "30s",
            "timeout": "2m",  # how long a commit that mends the step waits for Flux to give up on the one before
            "path": f"./{remote.path}" if remote else f"./{self.path}",
            "sourceRef": {"kind": "GitRepository", "name": self.name if remote else "skyray"},
            "prune": not self.step.keep,
            "deletionPolicy": "Orphan" if self.step.keep else "MirrorPrune",
            "wait": True,
        }
        if not isinstance(self.step.source, HelmChart):
            spec["kubeConfig"] = self._kube_config()
        if self.after:
            spec["dependsOn"] = [{"name": name} for name in self.after]
        return {
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "metadata": self._meta(Engine.FLUX),
            "spec": spec,
        }

    def _kube_config(self) -> dict[str, Any]:
        return {"secretRef": {"name": f"{self.cluster}-kubeconfig"}}

    def _flux_source(self) -> dict[str, bytes]:
        match self.step.source:
            case HelmChart() as chart:
                names = ["release.yaml", "repository.yaml"]
                return {
                    f"{self.folder}/{FILE}": emit({**KUSTOMIZATION, "resources": names}),
                    f"{self.folder}/release.yaml": emit(self._helm_release(chart)),
                    f"{self.folder}/repository.yaml": emit(self._helm_repository(chart)),
                }
            case RemoteKustomization() as remote:
                ref = {"commit" if _COMMIT.fullmatch(remote.ref) else "tag": remote.ref}
                source = {
                    "apiVersion": "source.toolkit.fluxcd.io/v1",
                    "kind": "GitRepository",
                    "metadata": self._meta(Engine.FLUX),
                    "spec": {"interval": "1h", "url": remote.url, "ref": ref},
                }
                return {f"{self.folder}/source.yaml": emit(source)}
            case Manifests():
                return {}

    def _helm_repository(self, chart: HelmChart) -> dict[str, Any]:
        spec: dict[str, Any] = {"interval": "1h", "url": chart.repo}
        if chart.repo.startswith("oci://"):
            spec["type"] = "oci"
        return {
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "HelmRepository",
            "metadata": self._meta(Engine.FLUX),
            "spec": spec,
        }

    def _helm_release(self, chart: HelmChart) -> dict[str, Any]:
        crds = "CreateReplace" if chart.crds else "Skip"  # Helm itself never upgrades a chart's crds/
        source = {"kind": "HelmRepository", "name": self.name}
        pinned = {"chart": chart.chart, "version": chart.version, "sourceRef": source, "interval": "1h"}
        remediation = {"retries": 3}
        spec: dict[str, Any] = {
            "interval": "10m",
            "releaseName": chart.chart,
            "targetNamespace": chart.namespace,
            "storageNamespace": chart.namespace,
            "chart": {"spec": pinned},
            "install": {"createNamespace": True, "crds": crds, "remediation": remediation},
            "upgrade": {"crds": crds, "remediation": remediation},
            "kubeConfig": self._kube_config(),
        }
        if chart.values:
            spec["values"] = chart.values
        return {
            "apiVersion": "helm.toolkit.fluxcd.io/v2",
            "kind": "HelmRelease",
            "metadata": self._meta(Engine.FLUX),
            "spec": spec,
        }
