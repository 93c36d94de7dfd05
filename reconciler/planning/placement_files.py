"""Reads the groups that have a Placement, with the objects that were admitted for each of their copies.

A Placement lists objects by kind, name and digest. Their contents are in the directories of the clusters, else in the
users' files where these still say the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial

from reconciler.errors import InvalidObject, Place
from reconciler.manifests.loader import load
from reconciler.placement.placed_group import PlacedGroup
from reconciler.planning.plan_cache import PlanCache, Same
from reconciler.render.cluster import ROOT as CLUSTERS
from reconciler.render.kustomization import FILE as KUSTOMIZATION
from reconciler.render.placement_record import ReadPlacement, path_of
from reconciler.render.placement_record import read as read_placement
from reconciler.workloads.cluster_copy import ClusterCopy, PlacedObject
from reconciler.workloads.files import Workloads
from reconciler.workloads.group import GroupKey, WorkloadObject
from reconciler.workloads.grouping import SHARED
from reconciler.workloads.overrides import patched

_Identity = tuple[str, str, str]
"""Kind, name and digest."""

_Objects = tuple[WorkloadObject, ...]

_GROUP_FOLDER_DEPTH = 3
"""Slashes in the path of a group's folder, `clusters/<cluster>/<namespace>/<group>`."""


def read_placements(path: str, data: bytes) -> tuple[ReadPlacement, ...]:
    """Return the Placements in one file of `placements/`. Raises `InputError`."""
    documents = load(data, path).documents
    return tuple(read_placement(document) for document in documents)


def placed_groups(
    files: Mapping[str, bytes],
    rendered: Mapping[str, bytes],
    workloads: Workloads,
    cache: PlanCache,
) -> dict[GroupKey, PlacedGroup]:
    """Return all groups that have a Placement. Raises `InputError` for one that cannot be read.

    `files` are those under `placements/`, `rendered` those in the directories of clusters.
    """
    folders = _folders(rendered)
    by_namespace = _by_namespace(workloads)
    found = {}
    for path, data in sorted(files.items()):
        read = partial(read_placements, path, data)
        for record in cache.records.of((path, data), read):
            group = record.group
            copied = _admitted_copies(group, folders, rendered, cache)
            users = by_namespace.get(group.key.namespace, ())
            # A user's file counts only where the copy is gone or was changed by hand.
            admitted = _admitted(record, (*copied, *users))
            found[group.key] = _placed_group(record, admitted, cache)
    return found


def _placed_group(
    record: ReadPlacement,
    admitted: Mapping[_Identity, WorkloadObject],
    cache: PlanCache,
) -> PlacedGroup:
    key = (Same(record), *map(Same, admitted.values()))
    group = cache.placements.of(key, partial(_with_objects, record, admitted))
    cache.note_read(record, group)
    return group


def _by_namespace(workloads: Workloads) -> dict[str, list[WorkloadObject]]:
    found: dict[str, list[WorkloadObject]] = {}
    for item in workloads.objects:
        found.setdefault(item.key.namespace, []).append(item)
    return found


def _folders(rendered: Mapping[str, bytes]) -> dict[str, list[str]]:
    """Return the object files of each group's folder."""
    folders: dict[str, list[str]] = {}
    for path in rendered:
        folder, _, name = path.rpartition("/")
        if folder.count("/") == _GROUP_FOLDER_DEPTH and name != KUSTOMIZATION:
            folders.setdefault(folder, []).append(path)
    return folders


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
        base = f"{CLUSTERS}/{cluster}/{namespace}"
        # A companion of several groups is not in the folder of any of them.
        for name in (group.key.name, SHARED):
            for path in folders.get(f"{base}/{name}", ()):
                item = cache.read_copy(path, rendered[path], namespace)
                if item is not None:
                    found.append(item)
    return found


def _admitted(
    record: ReadPlacement, offered: Iterable[WorkloadObject]
) -> dict[_Identity, WorkloadObject]:
    """Return the admitted objects of a placed group by kind, name and digest.

    A file in a cluster's directory that is gone, or is not what was admitted, was changed by hand: the object is taken
    from the user's file where that still says the same, else it is left out.
    """
    wanted = _listed_identities(record)
    found: dict[_Identity, WorkloadObject] = {}
    for item in offered if wanted else ():
        identity = (item.key.kind, item.key.name, item.digest)
        if identity in wanted:
            found.setdefault(identity, item)
    # In an order that does not depend on files, since the objects are the key of a cached group.
    return {identity: found[identity] for identity in sorted(found)}


def _listed_identities(record: ReadPlacement) -> set[_Identity]:
    """Return what a Placement lists, for all copies together."""
    wanted: set[_Identity] = set()
    for entries in (record.objects, *record.own):
        # A copy without a list of its own has the objects that are on every cluster.
        if entries is None:
            continue
        wanted |= {(entry.kind, entry.name, entry.digest) for entry in entries}
    return wanted


def _with_objects(
    record: ReadPlacement, admitted: Mapping[_Identity, WorkloadObject]
) -> PlacedGroup:
    """Return a group with the objects of its copies. Raises `InvalidObject` for patches that apply no more."""
    known: dict[tuple[int, str], tuple[_Objects, _Objects]] = {}
    copies = []
    for number, copy in enumerate(record.group.copies):
        entries = record.listed(number)
        # Copies with the same entries and patches share their objects.
        key = (id(entries), repr(copy.patches))
        if key not in known:
            objects = _copied(entries, admitted)
            known[key] = (objects, _deployed(record.group, copy, objects))
        objects, deployed = known[key]
        missing = _missing(entries, objects)
        copies.append(
            replace(copy, admitted=objects, deployed=deployed, missing=missing)
        )
    return replace(record.group, copies=tuple(copies))


def _copied(
    entries: Iterable[PlacedObject], admitted: Mapping[_Identity, WorkloadObject]
) -> _Objects:
    """Return the objects of `entries`, as far as their contents are known."""
    sources: dict[_Identity, str] = {}
    for entry in entries:
        sources[entry.kind, entry.name, entry.digest] = entry.source
    found = []
    for identity, item in admitted.items():
        if identity not in sources:
            continue
        # Messages name the file that its user can edit, not the admitted copy.
        place = Place(sources[identity])
        found.append(replace(item, place=place))
    return tuple(found)


def _deployed(
    group: PlacedGroup,
    copy: ClusterCopy,
    objects: _Objects,
) -> _Objects:
    """Return the objects of a copy as they are deployed, with its patches."""
    if not copy.patches:
        return objects
    try:
        return tuple(patched(item, copy.patches) for item in objects)
    except InvalidObject as error:
        message = f"the patches for {copy.cluster} do not apply: {error.message}; restore this file"
        raise InvalidObject(message, Place(path_of(group.key))) from None


def _missing(
    entries: Iterable[PlacedObject], objects: _Objects
) -> tuple[PlacedObject, ...]:
    """Return the entries of which no object is known."""
    there = {(item.key.kind, item.key.name, item.digest) for item in objects}
    missing = []
    for entry in entries:
        if (entry.kind, entry.name, entry.digest) not in there:
            missing.append(entry)
    return tuple(missing)
