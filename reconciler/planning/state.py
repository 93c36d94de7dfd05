"""Everything that a plan needs to know of the fleet repo at one revision, as immutable data.

Policies, inventory and fleet.yaml are all or nothing: a file of theirs that cannot be read stops the cycle, since it is
never an empty list. A workload that cannot be read spoils only itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from reconciler.errors import InvalidObject, Place
from reconciler.fleet.inventory import FOLDER as INVENTORY
from reconciler.fleet.inventory import Cluster, read_inventory
from reconciler.fleet.settings import FILE as FLEET_FILE
from reconciler.fleet.settings import Fleet, read_fleet
from reconciler.manifests.identity import ObjectKey, canonical_digest
from reconciler.placement.placed_group import PlacedGroup
from reconciler.planning.placement_files import placed_groups
from reconciler.planning.plan_cache import PlanCache
from reconciler.planning.rules import (
    documents_of,
    is_policy,
    locator,
    read_class_files,
    read_tenant_files,
)
from reconciler.policy.addon import AddOn
from reconciler.policy.addon_kind import read_addons
from reconciler.policy.dialects import read_policies
from reconciler.policy.model import SchedulePolicy
from reconciler.policy.priority_class import WELL_KNOWN, PriorityClasses
from reconciler.policy.tenant import NO_TENANTS, Tenancy, tenancy_of
from reconciler.render.cluster import NAMESPACE, namespace_meta
from reconciler.render.cluster import ROOT as CLUSTERS
from reconciler.render.model import NamespaceMeta
from reconciler.render.placement_record import ROOT as PLACEMENTS
from reconciler.workloads.files import ROOT as WORKLOADS
from reconciler.workloads.files import Workloads, read_workloads
from reconciler.workloads.governance import govern
from reconciler.workloads.group import GroupKey, Source, WorkloadObject
from reconciler.workloads.grouping import Grouping, group_objects

POLICIES = "policies"
ADDONS = "addons"
_OWN = (f"{CLUSTERS}/", f"{PLACEMENTS}/")

T = TypeVar("T")

READ = (
    FLEET_FILE,
    f"{INVENTORY}/",
    f"{POLICIES}/",
    f"{ADDONS}/",
    f"{WORKLOADS}/",
    f"{PLACEMENTS}/",
    f"{CLUSTERS}/",
)
"""What of the repo a plan reads: paths that start with one of these."""


@dataclass(frozen=True, slots=True)
class RepoState:
    """The repo at `revision`.

    `rendered` are the files under SkyRay's own folders, path -> content. `pictures` are the capacity files that the
    inventory names, as far as they exist; `committed_at` (unix seconds) dates them where they do not date themselves.
    """

    revision: str
    fleet: Fleet
    clusters: tuple[Cluster, ...]
    policies: tuple[SchedulePolicy, ...]
    workloads: Workloads
    grouping: Grouping
    placements: Mapping[GroupKey, PlacedGroup]
    rendered: Mapping[str, bytes]
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    committed_at: float = 0.0
    tenancy: Tenancy = NO_TENANTS
    classes: PriorityClasses = WELL_KNOWN
    addons: tuple[AddOn, ...] = ()


@dataclass(frozen=True, slots=True)
class Files:
    """The files that a plan reads: `contents` by path, and of the `unusable` ones (links, unsafe names) the reason."""

    contents: Mapping[str, bytes]
    unusable: Mapping[str, str] = field(default_factory=dict)

    def without(self, path: str | None) -> Files:
        """Return them without one file."""
        contents = {name: data for name, data in self.contents.items() if name != path}
        return Files(contents, self.unusable)

    def below(self, folder: str) -> dict[str, bytes]:
        """Return the contents under `folder`. Raises `InvalidObject` when anything there is unusable."""
        for path, reason in sorted(self.unusable.items()):
            if path.startswith(f"{folder}/") or path == folder:
                message = f"{reason}: put an ordinary file or folder in its place, or take it out"
                raise InvalidObject(message, Place(path))
        return _below(self.contents, folder)


def read_state(
    revision: str,
    files: Files,
    sources: Callable[[Iterable[str]], Mapping[str, Source]],
    cache: PlanCache | None = None,
) -> RepoState:
    """Read the state from `files`.

    `sources` tells which commit changed each of some paths last; `cache` is that of earlier cycles. Raises
    `InputError` for fleet.yaml, inventory, policies, add-ons and placement records that cannot be read.
    """
    fleet = _fleet(files)
    cache = cache or PlanCache()
    inventory = files.below(INVENTORY)
    policy_files = files.below(POLICIES)
    clusters = _clusters(inventory, cache)
    policies = _policies(policy_files, cache)
    rendered = _rendered(files)
    workloads = _workloads(files, rendered, cache)
    classes = _classes(files, policy_files, cache)
    addons = _addons(files, cache)
    tenancy = _tenancy(fleet, policy_files, cache)
    paths = {item.place.file for item in workloads.objects}
    formed = group_objects(workloads, policies, sources(paths), classes)
    governed = govern(
        formed,
        tenancy,
        workloads.namespaces,
        locator(files.contents),
        cache.check_object,
    )
    records = files.below(PLACEMENTS)
    return RepoState(
        revision=revision,
        fleet=fleet,
        clusters=clusters,
        policies=policies,
        workloads=workloads,
        grouping=governed.grouping,
        placements=placed_groups(records, rendered, workloads, cache),
        rendered=rendered,
        tenancy=tenancy,
        classes=classes,
        addons=addons,
    )


def read_policy_files(files: Mapping[str, bytes]) -> tuple[SchedulePolicy, ...]:
    """Return all policies of `policies/`, sorted by name. Raises `InputError` for any that cannot be read."""
    documents = documents_of(files)
    return read_policies(document for document in documents if is_policy(document))


def addon_files(files: Files) -> dict[str, bytes]:
    """Return the contents under `addons/`."""
    return _below(files.contents, ADDONS)


def workload_files(files: Files) -> tuple[dict[str, bytes], dict[str, str]]:
    """Return the contents under `workloads/`, and the paths there that cannot be read, with the reason.

    Raises `InvalidObject` when `workloads` itself is no folder: that is not the same as having no workloads.
    """
    if WORKLOADS in files.unusable:
        files.below(WORKLOADS)
    return _below(files.contents, WORKLOADS), _below(files.unusable, WORKLOADS)


def labels_of(state: RepoState) -> dict[str, Mapping[str, str]]:
    """Return the labels of each cluster, by its name."""
    return {cluster.name: cluster.labels for cluster in state.clusters}


def _below(files: Mapping[str, T], folder: str) -> dict[str, T]:
    """Return those of `files` that are under a folder."""
    prefix = f"{folder}/"
    return {path: found for path, found in files.items() if path.startswith(prefix)}


def _fleet(files: Files) -> Fleet:
    # A link in place of fleet.yaml is another error than no file.
    files.below(FLEET_FILE)
    if FLEET_FILE not in files.contents:
        raise InvalidObject("is missing: `skyray init` makes one", Place(FLEET_FILE))
    return read_fleet(files.contents[FLEET_FILE])


def _clusters(files: Mapping[str, bytes], cache: PlanCache) -> tuple[Cluster, ...]:
    key = tuple(files.items())
    return cache.inventory.of(key, partial(read_inventory, files))


def _policies(
    files: Mapping[str, bytes], cache: PlanCache
) -> tuple[SchedulePolicy, ...]:
    key = tuple(files.items())
    return cache.policies.of(key, partial(read_policy_files, files))


def _rendered(files: Files) -> dict[str, bytes]:
    """Return the files in SkyRay's own folders; unusable ones are empty, so that they are written anew or go."""
    contents = files.contents.items()
    rendered = {path: data for path, data in contents if path.startswith(_OWN)}
    for path in files.unusable:
        if path.startswith(_OWN):
            rendered[path] = b""
    return rendered


def _classes(
    files: Files,
    policies: Mapping[str, bytes],
    cache: PlanCache,
) -> PriorityClasses:
    addons = addon_files(files)
    key = (*policies.items(), *addons.items())
    return cache.classes.of(key, partial(read_class_files, policies, addons))


def _addons(files: Files, cache: PlanCache) -> tuple[AddOn, ...]:
    found = files.below(ADDONS)
    key = tuple(found.items())
    return cache.addons.of(key, partial(read_addons, found))


def _tenancy(
    fleet: Fleet,
    policies: Mapping[str, bytes],
    cache: PlanCache,
) -> Tenancy:
    key = tuple(policies.items())
    tenants = cache.tenants.of(key, partial(read_tenant_files, policies))
    return tenancy_of(tenants, fleet.tenancy)


def _workloads(
    files: Files,
    rendered: Mapping[str, bytes],
    cache: PlanCache,
) -> Workloads:
    contents, unusable = workload_files(files)
    workloads = read_workloads(contents, unusable, cache.read_file)
    return _with_kept_namespaces(workloads, rendered)


def _with_kept_namespaces(
    workloads: Workloads, rendered: Mapping[str, bytes]
) -> Workloads:
    """Return `workloads` with the Namespaces that may stand in a file that cannot be read as they were rendered last.

    A namespace that lost its labels could fall under another policy or tenant, or refuse the pods that run in it.
    """
    kept = dict(workloads.namespaces)
    unknown = {file.namespace for file in workloads.broken} - kept.keys()
    if not unknown:
        return workloads
    copies = sorted(path for path in rendered if path.endswith(f"/{NAMESPACE}"))
    for name in sorted(unknown):
        meta = _rendered_meta(name, copies, rendered)
        if meta is not None:
            kept[name] = _namespace(name, meta)
    return replace(workloads, namespaces=kept)


def _rendered_meta(
    name: str,
    copies: Iterable[str],
    rendered: Mapping[str, bytes],
) -> NamespaceMeta | None:
    """Return labels and annotations of a namespace from the first of its `copies` that can be read."""
    for path in copies:
        # The path is `clusters/<cluster>/<namespace>/<file>`.
        if path.split("/")[2:] != [name, NAMESPACE]:
            continue
        meta = namespace_meta(rendered[path], path)
        # A copy may have been spoiled by hand; another cluster has the same one.
        if meta is not None:
            return meta
    return None


def _namespace(name: str, meta: NamespaceMeta) -> WorkloadObject:
    metadata = {
        "name": name,
        "labels": dict(meta.labels),
        "annotations": dict(meta.annotations),
    }
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    key = ObjectKey("v1", "Namespace", "", name)
    place = Place(f"{WORKLOADS}/{name}")
    return WorkloadObject(key, body, canonical_digest(body), place)
