"""The add-ons of one cluster, as objects for the management cluster, under `clusters/<cluster>/_addons/`.

The files are not for the cluster itself but for the management cluster, where the GitOps engine runs: Argo CD
Applications, or Flux Kustomizations with HelmReleases, each of which brings one step to the cluster. So the cluster's
own kustomization does not list the folder. No namespace can have its name, since `_` is in no DNS label.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.errors import InputError
from reconciler.manifests.emitter import emit
from reconciler.manifests.identity import object_key
from reconciler.manifests.loader import load
from reconciler.policy.addon import AddOn, Manifests
from reconciler.policy.groups import as_dns_label
from reconciler.render.cluster import CLUSTER_LABEL, directory_of
from reconciler.render.engine import (
    ADDON_LABEL,
    ADDONS_FOLDER,
    AddOnStep,
    EngineRenderer,
)
from reconciler.render.kustomization import (
    FILE,
    KUSTOMIZATION,
    annotations_transformer_for,
    object_files,
)

FOLDER = ADDONS_FOLDER
SENTINEL = "skyray.yaml"

_PROVIDES = "provides."
_KEPT_KINDS = (
    {"group": "apiextensions.k8s.io", "kind": "CustomResourceDefinition"},
    {"kind": "Namespace"},
)
"""With a CRD all objects of its kind are deleted, with a namespace all that is in it: they outlive their add-on."""


@dataclass(frozen=True, slots=True)
class KeptAddOn:
    """An add-on that `addons/` does not have any more but that objects on the cluster still need.

    Its `files`, by path in the repo, stay as they are. `provides` is None where the sentinel does not say it.
    """

    name: str
    provides: frozenset[str] | None
    files: Mapping[str, bytes]


def folder_of(cluster: str) -> str:
    """Return the path of a cluster's add-ons, with a slash at the end."""
    return f"{directory_of(cluster)}{FOLDER}/"


def render_addons(
    cluster: str,
    engine: EngineRenderer,
    addons: Sequence[AddOn],
    kept: Iterable[KeptAddOn] = (),
) -> dict[str, bytes]:
    """Return all files of a cluster's add-ons by their path in the repo, in order.

    Each of `addons` comes after those that it depends on. The sentinel keeps the folder from being empty, since Argo CD
    would never prune the last add-on; it also records what each add-on provides.
    """
    base = folder_of(cluster)
    files: dict[str, bytes] = {}
    provides = {addon.name: ",".join(addon.provides) for addon in addons}
    for step in _steps(cluster, addons):
        for path, data in _step_files(step, engine).items():
            files[f"{base}{path}"] = data
    for old in kept:
        files |= old.files
        if old.provides is not None:
            provides[old.name] = ",".join(sorted(old.provides))
    relative = [path.removeprefix(base) for path in files]
    resources = sorted(path for path in relative if _is_applied(path))
    kustomization: dict[str, Any] = {
        **KUSTOMIZATION,
        "resources": [SENTINEL, *resources],
        "labels": [{"pairs": {CLUSTER_LABEL: cluster}}],
    }
    files[f"{base}{FILE}"] = emit(kustomization)
    files[f"{base}{SENTINEL}"] = emit(_sentinel(cluster, engine, provides))
    return dict(sorted(files.items()))


def _steps(cluster: str, addons: Sequence[AddOn]) -> list[AddOnStep]:
    """Return the steps of all add-ons, each with what it comes after."""
    steps: list[AddOnStep] = []
    last: dict[str, AddOnStep] = {}
    for addon in addons:
        # The first step comes after the last steps of the add-ons that this one depends on.
        needed = [last[name] for name in addon.depends_on]
        wave = max((step.wave for step in needed), default=0)
        after = tuple(step.name for step in needed)
        for step in addon.steps:
            wave += 1
            name = as_dns_label(f"{cluster}.{addon.name}.{step.name}")
            path = f"{folder_of(cluster)}{addon.name}/{step.name}"
            last[addon.name] = AddOnStep(
                cluster, addon.name, step, name, path, wave, after
            )
            steps.append(last[addon.name])
            after = (name,)
    return steps


def _step_files(step: AddOnStep, engine: EngineRenderer) -> dict[str, bytes]:
    """Return the files of a step by their path inside `_addons/`."""
    files = engine.addon_step_files(step)
    if isinstance(step.step.source, Manifests):
        files |= _manifests(step, step.step.source, engine)
    return files


def _manifests(
    step: AddOnStep,
    source: Manifests,
    engine: EngineRenderer,
) -> dict[str, bytes]:
    """Return the plain manifests, with a kustomization that annotates what must outlive the add-on."""
    named = object_files(source.objects)
    kustomization: dict[str, Any] = {
        **KUSTOMIZATION,
        "resources": sorted(named),
        "labels": [{"pairs": {ADDON_LABEL: step.addon}}],
    }
    keys = [object_key(dict(body)) for body in source.objects]
    kinds = {(key.group, key.kind) for key in keys}
    kept = [
        target
        for target in _KEPT_KINDS
        if (target.get("group", ""), target["kind"]) in kinds
    ]
    if kept:
        transformer = annotations_transformer_for(
            "skyray-stays", engine.keep_annotations, kept
        )
        kustomization["transformers"] = [transformer]
    files = {f"{step.folder}/{name}": emit(body) for name, body in named.items()}
    files[f"{step.folder}/{FILE}"] = emit(kustomization)
    return files


def _is_applied(path: str) -> bool:
    """Tell whether a file (`<add-on>/<step>.yaml`, or a step's git source) is for the management cluster itself."""
    depth = path.count("/")
    return depth == 1 or (depth == 2 and path.endswith("/source.yaml"))


def _sentinel(
    cluster: str,
    engine: EngineRenderer,
    provides: Mapping[str, str],
) -> dict[str, Any]:
    data = {"cluster": cluster}
    for name in sorted(provides):
        data[f"{_PROVIDES}{name}"] = provides[name]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": as_dns_label(f"skyray-addons-{cluster}"),
            "namespace": engine.namespace,
        },
        "data": data,
    }


def provided_groups(sentinel: bytes | None) -> dict[str, frozenset[str]]:
    """Return the API groups that each add-on provides, as the sentinel records them; nothing if it is unreadable."""
    provided: dict[str, frozenset[str]] = {}
    try:
        (document,) = load(sentinel or b"", SENTINEL).documents
        for field, groups in document.body["data"].items():
            if field != "cluster":
                provided[field.removeprefix(_PROVIDES)] = frozenset(
                    groups.split(",")
                ) - {""}
    except (InputError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return provided
