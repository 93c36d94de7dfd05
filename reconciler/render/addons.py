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
    for step in _steps(cluster, addons):
        for path, data in _step_files(step, engine).items():
            files[f"{base}{path}"] = data
    provides = {addon.name: ",".join(addon.provides) for addon in addons}
    for old in kept:
        # Its old bytes: what it was made of is not in `addons/` any more.
        files |= old.files
        # Where it is not known what it provides, the sentinel must not say "nothing".
        if old.provides is not None:
            provides[old.name] = ",".join(sorted(old.provides))
    resources = _applied(path.removeprefix(base) for path in files)
    files[f"{base}{FILE}"] = emit(_kustomization(cluster, resources))
    files[f"{base}{SENTINEL}"] = emit(_sentinel(cluster, engine, provides))
    return dict(sorted(files.items()))


def _kustomization(
    cluster: str,
    resources: Iterable[str],
) -> dict[str, Any]:
    return {
        **KUSTOMIZATION,
        "resources": [SENTINEL, *resources],
        "labels": [{"pairs": {CLUSTER_LABEL: cluster}}],
    }


def _steps(
    cluster: str,
    addons: Sequence[AddOn],
) -> list[AddOnStep]:
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
            # The objects of all clusters are in one namespace of the management cluster.
            name = as_dns_label(f"{cluster}.{addon.name}.{step.name}")
            path = f"{folder_of(cluster)}{addon.name}/{step.name}"
            addon_step = AddOnStep(cluster, addon.name, step, name, path, wave, after)
            last[addon.name] = addon_step
            steps.append(addon_step)
            # The next step waits for this one only, which waited for all before it.
            after = (name,)
    return steps


def _step_files(
    step: AddOnStep,
    engine: EngineRenderer,
) -> dict[str, bytes]:
    """Return the files of a step by their path inside `_addons/`."""
    files = engine.addon_step_files(step)
    source = step.step.source
    # The engine fetches all other sources; plain manifests are only in the fleet repo.
    if isinstance(source, Manifests):
        files |= _manifests(step, source, engine)
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
    kept = _kept_kinds(source)
    if kept:
        transformer = annotations_transformer_for(
            "skyray-stays", engine.keep_annotations, kept
        )
        kustomization["transformers"] = [transformer]
    files = {f"{step.folder}/{name}": emit(body) for name, body in named.items()}
    files[f"{step.folder}/{FILE}"] = emit(kustomization)
    return files


def _kept_kinds(source: Manifests) -> list[dict[str, str]]:
    """Return those of `_KEPT_KINDS` of which the manifests have an object."""
    kinds = set()
    for body in source.objects:
        key = object_key(dict(body))
        kinds.add((key.group, key.kind))
    kept = []
    for target in _KEPT_KINDS:
        # The core group is left out of a target.
        if (target.get("group", ""), target["kind"]) in kinds:
            kept.append(target)
    return kept


def _applied(paths: Iterable[str]) -> list[str]:
    """Return the files for the management cluster itself: `<add-on>/<step>.yaml`, and a step's git source."""
    applied = []
    for path in paths:
        depth = path.count("/")
        is_git_source = depth == 2 and path.endswith("/source.yaml")
        # All other files are for the cluster: the objects of a step refer to their folder.
        if depth == 1 or is_git_source:
            applied.append(path)
    return sorted(applied)


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
            if field == "cluster":
                continue
            name = field.removeprefix(_PROVIDES)
            # An add-on that provides nothing has an empty text, which splits into one empty name.
            provided[name] = frozenset(groups.split(",")) - {""}
    except (InputError, ValueError, KeyError, TypeError, AttributeError):
        # A person may have changed it. An add-on that is not named then counts as needed by all.
        return {}
    return provided
