"""Everything that a plan needs to know of the fleet repo at one revision, as immutable data.

Policies, inventory and fleet.yaml are all or nothing: a file of theirs that cannot be read stops the cycle, since it is
never an empty list. A workload that cannot be read spoils only itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from reconciler.errors import InvalidObject, Place
from reconciler.fleet.inventory import FOLDER as INVENTORY
from reconciler.fleet.inventory import Cluster, read_inventory
from reconciler.fleet.settings import FILE as FLEET_FILE
from reconciler.fleet.settings import Fleet, read_fleet
from reconciler.manifests.identity import ObjectKey, canonical_digest
from reconciler.manifests.loader import load
from reconciler.placement.placed_group import PlacedGroup
from reconciler.planning.plan_cache import PlanCache, Same
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
from reconciler.render.kustomization import FILE as KUSTOMIZATION
from reconciler.render.placement_record import ROOT as PLACEMENTS
from reconciler.render.placement_record import ReadPlacement, path_of
from reconciler.render.placement_record import read as read_placement
from reconciler.workloads.cluster_copy import ClusterCopy, PlacedObject
from reconciler.workloads.files import ROOT as WORKLOADS
from reconciler.workloads.files import Workloads, read_workloads
from reconciler.workloads.governance import govern
from reconciler.workloads.group import GroupKey, Source, WorkloadObject
from reconciler.workloads.grouping import SHARED, Grouping, group_objects
from reconciler.workloads.overrides import patched

POLICIES = "policies"
ADDONS = "addons"
_OWN = (f"{CLUSTERS}/", f"{PLACEMENTS}/")

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
        return Files(
            {name: data for name, data in self.contents.items() if name != path},
            self.unusable,
        )

    def below(self, folder: str) -> dict[str, bytes]:
        """Return the contents under `folder`. Raises `InvalidObject` when anything there is unusable."""
        for path, reason in sorted(self.unusable.items()):
            if path.startswith(f"{folder}/") or path == folder:
                raise InvalidObject(
                    f"{reason}: put an ordinary file or folder in its place, or take it out",
                    Place(path),
                )
        return {
            path: data
            for path, data in self.contents.items()
            if path.startswith(f"{folder}/")
        }


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
    files.below(FLEET_FILE)
    if FLEET_FILE not in files.contents:
        raise InvalidObject("is missing: `skyray init` makes one", Place(FLEET_FILE))
    fleet = read_fleet(files.contents[FLEET_FILE])
    cache = cache or PlanCache()
    inventory, policy_files = files.below(INVENTORY), files.below(POLICIES)
    clusters = cache.inventory.of(
        tuple(inventory.items()), lambda: read_inventory(inventory)
    )
    policies = cache.policies.of(
        tuple(policy_files.items()), lambda: read_policy_files(policy_files)
    )
    rendered = {p: d for p, d in files.contents.items() if p.startswith(_OWN)}
    rendered |= {p: b"" for p in files.unusable if p.startswith(_OWN)}
    workloads = _with_kept_namespaces(
        read_workloads(*workload_files(files), cache.read_file), rendered
    )
    classes = _classes(files, policy_files, cache)
    addon = files.below(ADDONS)
    addons = cache.addons.of(tuple(addon.items()), lambda: read_addons(addon))
    tenants = cache.tenants.of(
        tuple(policy_files.items()), lambda: read_tenant_files(policy_files)
    )
    tenancy = tenancy_of(tenants, fleet.tenancy)
    formed = group_objects(
        workloads, policies, sources({o.place.file for o in workloads.objects}), classes
    )
    grouping = govern(
        formed,
        tenancy,
        workloads.namespaces,
        locator(files.contents),
        cache.check_object,
    ).grouping
    placements = _placements(files.below(PLACEMENTS), rendered, workloads, cache)
    return RepoState(
        revision,
        fleet,
        clusters,
        policies,
        workloads,
        grouping,
        placements,
        rendered,
        tenancy=tenancy,
        classes=classes,
        addons=addons,
    )


def read_placements(path: str, data: bytes) -> tuple[ReadPlacement, ...]:
    """Return the Placements in one file of `placements/`. Raises `InputError`."""
    return tuple(read_placement(document) for document in load(data, path).documents)


def read_policy_files(files: Mapping[str, bytes]) -> tuple[SchedulePolicy, ...]:
    """Return all policies of `policies/`, sorted by name. Raises `InputError` for any that cannot be read."""
    return read_policies(
        document for document in documents_of(files) if is_policy(document)
    )


def addon_files(files: Files) -> dict[str, bytes]:
    """Return the contents under `addons/`."""
    return {
        path: data
        for path, data in files.contents.items()
        if path.startswith(f"{ADDONS}/")
    }


def _classes(
    files: Files, policies: Mapping[str, bytes], cache: PlanCache
) -> PriorityClasses:
    addons = addon_files(files)
    return cache.classes.of(
        (*policies.items(), *addons.items()), lambda: read_class_files(policies, addons)
    )


def workload_files(files: Files) -> tuple[dict[str, bytes], dict[str, str]]:
    """Return the contents under `workloads/`, and the paths there that cannot be read, with the reason.

    Raises `InvalidObject` when `workloads` itself is no folder: that is not the same as having no workloads.
    """
    if WORKLOADS in files.unusable:
        files.below(WORKLOADS)
    contents = {
        path: data
        for path, data in files.contents.items()
        if path.startswith(f"{WORKLOADS}/")
    }
    return contents, {
        path: why
        for path, why in files.unusable.items()
        if path.startswith(f"{WORKLOADS}/")
    }


def _with_kept_namespaces(
    workloads: Workloads, rendered: Mapping[str, bytes]
) -> Workloads:
    """Return `workloads` with the Namespaces that may stand in a file that cannot be read as they were rendered last.

    A namespace that lost its labels could fall under another policy or tenant, or refuse the pods that run in it.
    """
    kept = dict(workloads.namespaces)
    unknown = {file.namespace for file in workloads.broken} - kept.keys()
    copies = (
        sorted(path for path in rendered if path.endswith(f"/{NAMESPACE}"))
        if unknown
        else []
    )
    for name in sorted(unknown):
        own = (path for path in copies if path.split("/")[2:] == [name, NAMESPACE])
        metas = (namespace_meta(rendered[path], path) for path in own)
        meta = next((one for one in metas if one is not None), None)
        if meta is not None:
            metadata = {
                "name": name,
                "labels": dict(meta.labels),
                "annotations": dict(meta.annotations),
            }
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
            key = ObjectKey("v1", "Namespace", "", name)
            kept[name] = WorkloadObject(
                key, body, canonical_digest(body), Place(f"{WORKLOADS}/{name}")
            )
    return replace(workloads, namespaces=kept)


def _placements(
    files: Mapping[str, bytes],
    rendered: Mapping[str, bytes],
    workloads: Workloads,
    cache: PlanCache,
) -> dict[GroupKey, PlacedGroup]:
    """Return all groups that have a Placement. Raises `InputError` for one that cannot be read."""
    folders = _folders(rendered)
    by_namespace: dict[str, list[WorkloadObject]] = {}
    for item in workloads.objects:
        by_namespace.setdefault(item.key.namespace, []).append(item)
    found = {}
    for path, data in sorted(files.items()):
        for record in cache.records.of(
            (path, data), partial(read_placements, path, data)
        ):
            copies = _admitted_copies(record.group, folders, rendered, cache)
            admitted = _admitted(
                record, (*copies, *by_namespace.get(record.group.key.namespace, ()))
            )
            key = (Same(record), *map(Same, admitted.values()))
            group = cache.placements.of(key, partial(_with_objects, record, admitted))
            cache.note_read(record, group)
            found[record.group.key] = group
    return found


_Identity = tuple[str, str, str]
"""Kind, name and digest."""


def _admitted(
    record: ReadPlacement, offered: Iterable[WorkloadObject]
) -> dict[_Identity, WorkloadObject]:
    """Return the admitted objects of a placed group by kind, name and digest.

    A file in a cluster's directory that is gone, or is not what was admitted, was changed by hand: the object is taken
    from the user's file where that still says the same, else it is left out.
    """
    wanted: set[_Identity] = set()
    for entries in (record.objects, *(own for own in record.own if own is not None)):
        wanted |= {(entry.kind, entry.name, entry.digest) for entry in entries}
    found: dict[_Identity, WorkloadObject] = {}
    for item in offered if wanted else ():
        identity = (item.key.kind, item.key.name, item.digest)
        if identity in wanted:
            found.setdefault(identity, item)
    return {identity: found[identity] for identity in sorted(found)}


def _with_objects(
    record: ReadPlacement, admitted: Mapping[_Identity, WorkloadObject]
) -> PlacedGroup:
    """Return a group with the objects of its copies. Raises `InvalidObject` for patches that apply no more."""
    known: dict[
        tuple[int, str], tuple[tuple[WorkloadObject, ...], tuple[WorkloadObject, ...]]
    ] = {}
    copies = []
    for number, copy in enumerate(record.group.copies):
        entries = record.listed(number)
        # Copies with the same entries and patches share their objects.
        key = (id(entries), repr(copy.patches))
        if key not in known:
            known[key] = _deployed(record.group, copy, _copied(entries, admitted))
        objects, deployed = known[key]
        there = {(item.key.kind, item.key.name, item.digest) for item in objects}
        missing = tuple(
            entry
            for entry in entries
            if (entry.kind, entry.name, entry.digest) not in there
        )
        copies.append(
            replace(copy, admitted=objects, deployed=deployed, missing=missing)
        )
    return replace(record.group, copies=tuple(copies))


def _deployed(
    group: PlacedGroup, copy: ClusterCopy, objects: tuple[WorkloadObject, ...]
) -> tuple[tuple[WorkloadObject, ...], tuple[WorkloadObject, ...]]:
    """Return the objects of a copy as they were admitted, and as they are deployed."""
    if not copy.patches:
        return objects, objects
    try:
        return objects, tuple(patched(item, copy.patches) for item in objects)
    except InvalidObject as error:
        message = f"the patches for {copy.cluster} do not apply: {error.message}; restore this file"
        raise InvalidObject(message, Place(path_of(group.key))) from None


def _copied(
    entries: Iterable[PlacedObject], admitted: Mapping[_Identity, WorkloadObject]
) -> tuple[WorkloadObject, ...]:
    """Return the objects of `entries`, as far as their contents are known."""
    sources = {
        (entry.kind, entry.name, entry.digest): entry.source for entry in entries
    }
    return tuple(
        replace(item, place=Place(sources[one]))
        for one, item in admitted.items()
        if one in sources
    )


def _admitted_copies(
    group: PlacedGroup,
    folders: Mapping[str, list[str]],
    rendered: Mapping[str, bytes],
    cache: PlanCache,
) -> list[WorkloadObject]:
    """Return what can be read of the objects in the group's folders."""
    namespace = group.key.namespace
    found = []
    for cluster in group.clusters:
        for name in (group.key.name, SHARED):
            for path in folders.get(f"{CLUSTERS}/{cluster}/{namespace}/{name}", ()):
                item = cache.read_copy(path, rendered[path], namespace)
                if item is not None:
                    found.append(item)
    return found


def _folders(rendered: Mapping[str, bytes]) -> dict[str, list[str]]:
    """Return the object files of each group's folder."""
    folders: dict[str, list[str]] = {}
    for path in rendered:
        folder, _, name = path.rpartition("/")
        if folder.count("/") == 3 and name != KUSTOMIZATION:
            folders.setdefault(folder, []).append(path)
    return folders
