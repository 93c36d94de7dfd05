"""Reads the folders of `addons/` into `policy.addon.AddOn`, and publishes the JSON Schema of kind AddOn.

A folder with an `addon.yaml` is an add-on, which is read whole or not at all; a folder without it is not read, and
`unread` warns of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from reconciler.errors import InvalidObject, Place
from reconciler.manifests import kinds
from reconciler.manifests.admitted import admit
from reconciler.manifests.identity import check_dns_label, object_key
from reconciler.manifests.kinds import (
    DnsLabel,
    Items,
    ObjectMeta,
    SkyRayModel,
    read_object,
)
from reconciler.manifests.loader import Document, load
from reconciler.policy.addon import (
    AddOn,
    HelmChart,
    Manifests,
    RemoteKustomization,
    Step,
)
from reconciler.policy.selector_parts import Selector

KIND = "AddOn"
FILE = "addon.yaml"

Files = Mapping[str, bytes]
"""The contents of files by their path in the repo."""

Objects = tuple[dict[str, Any], ...]

_SUFFIXES = (".yaml", ".yml", ".json")
_EXACT_VERSION = re.compile(r"v?\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")
_REF = re.compile(r"[0-9A-Za-z][0-9A-Za-z._/-]*")
_MOVING = frozenset({"HEAD", "head", "latest", "main", "master", "trunk"})
_API_GROUP = re.compile(
    r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+"
)
_PATH = re.compile(r"[0-9A-Za-z_-][0-9A-Za-z._-]*(?:/[0-9A-Za-z_-][0-9A-Za-z._-]*)*")


def _exact_version(text: str) -> str:
    if _EXACT_VERSION.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no exact version; pin one, such as 1.7.0")
    return text


def _pinned(text: str) -> str:
    is_reference = _REF.fullmatch(text) is not None and ".." not in text
    # A branch under another name cannot be told from a tag; the usual names can.
    if text in _MOVING or not is_reference:
        raise ValueError(f"{text!r} moves, or is no reference; pin a tag or a commit")
    return text


def _remote(text: str) -> str:
    if not text.startswith(("https://", "ssh://")):
        raise ValueError(f"{text!r}: use an https:// or ssh:// address")
    return text


def _chart_repo(text: str) -> str:
    if not text.startswith(("https://", "oci://")):
        raise ValueError(f"{text!r}: use an https:// or oci:// address")
    return text


def _api_group(text: str) -> str:
    if _API_GROUP.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no API group; write one such as ray.io")
    return text


def _path(text: str) -> str:
    if _PATH.fullmatch(text) is None:
        raise ValueError(
            f"{text!r} is no path inside the repo; write one such as config/crd"
        )
    return text


class HelmPart(SkyRayModel):
    """A chart of a repo (https or oci) by its exact version, released into `namespace`."""

    repo: Annotated[str, AfterValidator(_chart_repo)]
    chart: DnsLabel
    version: Annotated[str, AfterValidator(_exact_version)]
    namespace: DnsLabel
    crds: Literal["Include", "Skip"] = "Include"
    values: dict[str, Any] = Field(default_factory=dict)


class KustomizePart(SkyRayModel):
    """The kustomization in the folder `path` of another git repo, by tag or commit."""

    url: Annotated[str, AfterValidator(_remote)]
    ref: Annotated[str, AfterValidator(_pinned)]
    path: Annotated[str, AfterValidator(_path)]


class StepPart(SkyRayModel):
    """One part of the add-on: exactly one of `helm`, `kustomize` and `manifests: true` (the folder's other files)."""

    name: DnsLabel
    helm: HelmPart | None = None
    kustomize: KustomizePart | None = None
    manifests: Literal[True] | None = None
    keep: bool = False

    @model_validator(mode="after")
    def _one_source(self) -> StepPart:
        parts = (self.helm, self.kustomize, self.manifests)
        sources = [part for part in parts if part is not None]
        if len(sources) != 1:
            raise ValueError(
                f"step {self.name} needs exactly one of helm, kustomize and manifests"
            )
        return self


class AddOnSpec(SkyRayModel):
    """What the add-on is, for which clusters (all where it does not say), and which API groups it provides there.

    Its steps follow one another, each once the one before it is healthy.
    """

    cluster_selector: Selector | None = None
    provides: Items[Annotated[str, AfterValidator(_api_group)]] = ()
    depends_on: Items[DnsLabel] = ()
    steps: Annotated[Items[StepPart], Field(json_schema_extra={"minItems": 1})]

    @model_validator(mode="after")
    def _steps_differ(self) -> AddOnSpec:
        names = [step.name for step in self.steps]
        if not names:
            raise ValueError("an add-on needs steps: say what it is made of")
        # A step's files and objects are named after it.
        if len(set(names)) != len(names):
            raise ValueError("two steps have one name; name each differently")
        of_manifests = [step for step in self.steps if step.manifests is not None]
        if len(of_manifests) > 1:
            raise ValueError(
                "two steps are manifests: the folder's files belong to one step only"
            )
        return self


class AddOnKind(SkyRayModel):
    """What clusters need before workloads can run."""

    api_version: Literal["skyray.dev/v1alpha1"]
    kind: Literal["AddOn"]
    metadata: ObjectMeta
    spec: AddOnSpec


def read_addons(files: Files) -> tuple[AddOn, ...]:
    """Return the add-ons in the files of `addons/`, each after those that it depends on, else in order of name.

    Raises `InputError` for one that cannot be read, that depends on one that is not there, or on itself.
    """
    folders = _folders(files)
    addons = [_read(folder, folders[folder]) for folder in addon_folders(files)]
    return _in_order(addons)


def read_addon_folder(files: Files, folder: str) -> AddOn:
    """Return the add-on in one folder, by itself. Raises `InputError`."""
    folders = _folders(files)
    return _read(folder, folders[folder])


def addon_folders(files: Files) -> tuple[str, ...]:
    """Return the folders that are add-ons, such as `addons/kuberay`."""
    found = []
    for folder, own in _folders(files).items():
        if _addon_file(folder) in own:
            found.append(folder)
    return tuple(found)


def unread(files: Files) -> tuple[str, ...]:
    """Return one warning for each folder with manifests that is no add-on."""
    warnings = []
    for folder, own in _folders(files).items():
        # A folder without manifests, of documents for example, is not meant to be an add-on.
        has_manifests = any(path.endswith(_SUFFIXES) for path in own)
        if has_manifests and _addon_file(folder) not in own:
            warnings.append(f"{folder}: is not spread to any cluster: it has no {FILE}")
    return tuple(warnings)


def json_schemas() -> dict[str, dict[str, Any]]:
    """Return the published JSON Schema by file name, for editors."""
    return {"addon.json": kinds.json_schema(AddOnKind, KIND)}


def _addon_file(folder: str) -> str:
    return f"{folder}/{FILE}"


def _folders(files: Files) -> dict[str, dict[str, bytes]]:
    """Return the files of each folder directly under `addons/`; a file beside the folders belongs to none."""
    folders: dict[str, dict[str, bytes]] = {}
    for path in sorted(files):
        root, _, rest = path.partition("/")
        name, inside, _ = rest.partition("/")
        # A file beside the folders, such as a README.
        if not inside:
            continue
        own = folders.setdefault(f"{root}/{name}", {})
        own[path] = files[path]
    return folders


def _read(folder: str, files: Files) -> AddOn:
    document = _addon_document(folder, files)
    kind = read_object(AddOnKind, document)
    spec = kind.spec
    name = folder.rpartition("/")[2]
    if kind.metadata.name != name:
        message = f"metadata.name is {kind.metadata.name}, in folder {folder}; give both one name"
        raise InvalidObject(message, document.locate("metadata", "name"))
    check_dns_label(name, "add-on")
    takes_manifests = any(step.manifests for step in spec.steps)
    objects = _plain_objects(folder, files, takes_manifests=takes_manifests)
    steps = tuple(_step(part, objects) for part in spec.steps)
    written = spec.cluster_selector
    return AddOn(
        name=name,
        place=document.place,
        steps=steps,
        cluster_selector=written.selector() if written else None,
        # Sorted, so that the order in which they are written changes no file.
        provides=tuple(sorted(set(spec.provides))),
        depends_on=tuple(sorted(set(spec.depends_on))),
    )


def _addon_document(folder: str, files: Files) -> Document:
    path = _addon_file(folder)
    documents = load(files[path], path).documents
    if len(documents) != 1:
        raise InvalidObject(
            f"has {len(documents)} documents; write exactly one {KIND}", Place(path)
        )
    return documents[0]


def _plain_objects(
    folder: str,
    files: Files,
    *,
    takes_manifests: bool,
) -> Objects:
    """Return the objects of the folder's other manifests.

    Raises `InvalidObject` where there are manifests and no step takes them, or a step takes them and there are none.
    """
    addon_file = _addon_file(folder)
    manifests = []
    for path in files:
        if path.endswith(_SUFFIXES) and path != addon_file:
            manifests.append(path)
    # A manifest that is not deployed would be missed only on the clusters.
    if manifests and not takes_manifests:
        message = (
            f"no step of {addon_file} takes this file; add a step with manifests: true"
        )
        raise InvalidObject(message, Place(manifests[0]))
    documents: list[Document] = []
    for path in manifests:
        documents += load(files[path], path).documents
    objects = _objects(documents)
    if takes_manifests and not objects:
        message = f"a step is manifests: true, and {folder} has none; add some, or remove the step"
        raise InvalidObject(message, Place(addon_file))
    return objects


def _objects(documents: Iterable[Document]) -> Objects:
    """Return the admitted copies of plain manifests, in order of their identity."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for document in documents:
        try:
            key = object_key(document.body)
            copy = admit(document.body, key.namespace)
        except InvalidObject as error:
            # An error without a place of its own is about the whole document.
            place = error.place or document.place
            raise InvalidObject(error.message, place) from None
        # Without the version: every version of a kind is the same object.
        identity = (key.group, key.kind, key.namespace, key.name)
        if identity in found:
            raise InvalidObject(
                f"{key} is in this add-on twice; keep one of them", document.place
            )
        found[identity] = _without_empty_namespace(copy)
    return tuple(found[identity] for identity in sorted(found))


def _without_empty_namespace(body: dict[str, Any]) -> dict[str, Any]:
    """Return the object without `metadata.namespace` where that is empty, as for cluster-scoped objects."""
    metadata = body["metadata"]
    # An absent namespace needs no change, so it counts as one that is not empty.
    if metadata.get("namespace", True):
        return body
    kept = dict(metadata)
    del kept["namespace"]
    return {**body, "metadata": kept}


def _step(part: StepPart, objects: Objects) -> Step:
    source = _source(part, objects)
    return Step(part.name, source, part.keep)


def _source(
    part: StepPart,
    objects: Objects,
) -> HelmChart | RemoteKustomization | Manifests:
    # StepPart has exactly one of the three.
    if part.helm:
        helm = part.helm
        return HelmChart(
            helm.repo,
            helm.chart,
            helm.version,
            helm.namespace,
            helm.crds == "Include",
            helm.values,
        )
    if part.kustomize:
        remote = part.kustomize
        return RemoteKustomization(remote.url, remote.ref, remote.path)
    return Manifests(objects)


def _in_order(addons: Iterable[AddOn]) -> tuple[AddOn, ...]:
    """Return each add-on after those that it depends on. Raises `InvalidObject` where there is no such order."""
    by_name = sorted(addons, key=lambda each: each.name)
    remaining = {addon.name: addon for addon in by_name}
    _check_dependencies(remaining)
    ordered: dict[str, AddOn] = {}
    while remaining:
        ready = _first_ready(remaining.values(), ordered)
        if ready is None:
            # All that remain depend on one another.
            first = next(iter(remaining.values()))
            names = ", ".join(remaining)
            raise InvalidObject(
                f"add-ons {names} wait for each other by dependsOn; let one of them go first",
                first.place,
            )
        ordered[ready.name] = remaining.pop(ready.name)
    return tuple(ordered.values())


def _check_dependencies(addons: Mapping[str, AddOn]) -> None:
    """Raise `InvalidObject` for an add-on that depends on one that is not among `addons`."""
    for addon in addons.values():
        for name in addon.depends_on:
            if name not in addons:
                message = f"add-on {addon.name} depends on {name}, which addons/ does not have; add it, or remove that"
                raise InvalidObject(message, addon.place)


def _first_ready(
    addons: Iterable[AddOn],
    ordered: Mapping[str, AddOn],
) -> AddOn | None:
    """Return the first add-on of which all dependencies are in `ordered`; None when there is none."""
    for addon in addons:
        if all(name in ordered for name in addon.depends_on):
            return addon
    return None
