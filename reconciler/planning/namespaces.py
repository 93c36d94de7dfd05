"""Reads a fleet repo namespace by namespace: what is asked for in each, and what is placed for it.

Nothing in one namespace depends on the files of another, so a namespace whose folders did not change is taken over from
the state that was read before. Within one that did change, files that did not are not read again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from reconciler.errors import Place
from reconciler.fleet.settings import NamespaceLimits
from reconciler.manifests.identity import ObjectKey, canonical_digest
from reconciler.planning.files import Files
from reconciler.planning.group_limit import within_limit
from reconciler.planning.placements import (
    NO_RECORDS,
    NOTHING_PLACED,
    NamespacePlacements,
    PlacedGroupReader,
    Record,
    RecordFolder,
    read_record_folder,
)
from reconciler.planning.rules import locator
from reconciler.planning.same import same_objects
from reconciler.planning.workload_folders import (
    NO_WORKLOADS,
    ReadFile,
    WorkloadFolder,
    read_workloads_of,
)
from reconciler.policy.model import SchedulePolicy
from reconciler.policy.priority_class import PriorityClasses
from reconciler.policy.tenant import Denial, Tenancy, Tenant
from reconciler.render.cluster import NAMESPACE, namespace_meta
from reconciler.render.cluster import ROOT as CLUSTERS
from reconciler.render.placement_record import ROOT as PLACEMENTS
from reconciler.render.placement_record import ReadPlacement
from reconciler.workloads.files import ROOT as WORKLOADS
from reconciler.workloads.governance import govern
from reconciler.workloads.group import Source, WorkloadObject
from reconciler.workloads.grouping import Grouping, group_objects
from reconciler.workloads.workloads import Workloads, workloads_of

_OWN_FILES = ""
"""Stands for the files that lie directly in `placements/`, in no namespace's folder."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Which commit changed files last.

    `of` returns it for each of some paths, where it is known. `version` of a namespace is equal as long as no commit
    touched a file of it; None where that is not known.
    """

    of: Callable[[Iterable[str]], Mapping[str, Source]]
    version: Callable[[str], Hashable] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """What operators say of all namespaces. Equal rules are the same object."""

    policies: tuple[SchedulePolicy, ...]
    classes: PriorityClasses
    tenancy: Tenancy


@dataclass(frozen=True, slots=True)
class Readers:
    """What parses files, perhaps with a cache: manifests, Placements and admitted copies.

    `is_own` tells whether a Placement is what SkyRay wrote last. `check` returns what of an object its tenant may not
    have.
    """

    manifest: ReadFile
    placements: Callable[[str, bytes], tuple[ReadPlacement, ...]]
    copy: Callable[[str, bytes, str], WorkloadObject | None]
    is_own: Callable[[ReadPlacement], bool]
    check: Callable[[Tenant, WorkloadObject], tuple[Denial, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """What the groups of a namespace follow from; without `sources` they are formed anew each time."""

    folder: WorkloadFolder
    foreign: tuple[WorkloadObject, ...]
    rules: Rules
    sources: Hashable

    def equals(self, other: _Asked) -> bool:
        """Tell whether `other` leads to the same groups."""
        return (
            self.folder is other.folder
            and self.rules is other.rules
            and self.sources is not None
            and self.sources == other.sources
            and same_objects(self.foreign, other.foreign)
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Placed:
    """What the placed groups of a namespace follow from, besides the objects that are asked for.

    `rendered` are the ids of its folders in the directories of the clusters that have groups of it.
    """

    folder: RecordFolder
    foreign: tuple[Record, ...]
    rendered: tuple[str, ...]

    def equals(self, other: _Placed) -> bool:
        """Tell whether `other` leads to the same placed groups."""
        return (
            self.folder is other.folder
            and self.rendered == other.rendered
            and same_objects(self.foreign, other.foreign)
        )


@dataclass(frozen=True, slots=True, eq=False)
class NamespaceState:
    """One namespace at a revision: what is asked for in it, sorted into groups, and what is placed for it.

    `formed` are its groups as they are formed, `grouping` the same with those rejected that are beyond a limit.
    """

    name: str
    workloads: Workloads
    formed: Grouping
    grouping: Grouping
    placed: NamespacePlacements
    asked_by: _Asked
    placed_by: _Placed


@dataclass(frozen=True, slots=True, eq=False)
class ReadNamespaces:
    """All namespaces by name, and the folders that they were read from; kept for the next revision."""

    states: Mapping[str, NamespaceState] = field(default_factory=dict)
    folders: Mapping[str, WorkloadFolder] = field(default_factory=dict)
    records: Mapping[str, RecordFolder] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NamespaceReader:
    """Reads the namespaces of `files`, each within `limits`; `before` are those of an earlier revision."""

    files: Files
    limits: NamespaceLimits
    rules: Rules
    sources: Sources
    readers: Readers
    before: ReadNamespaces

    def read(self) -> ReadNamespaces:
        """Return all namespaces. Raises `InputError` for Placements that cannot be read."""
        folders = read_workloads_of(
            self.files, self.limits, self.readers.manifest, self.before.folders
        )
        records = self._records()
        foreign: dict[str, list[WorkloadObject]] = {}
        for folder in folders.values():
            for item in folder.foreign:
                foreign.setdefault(item.key.namespace, []).append(item)
        strays: dict[str, list[Record]] = {}
        for read in records.values():
            for record in read.foreign:
                key = record.placement.group.key
                strays.setdefault(key.namespace, []).append(record)
        names = {*folders, *records, *foreign, *strays} - {_OWN_FILES}
        states = {}
        for name in sorted(names):
            states[name] = self._state(
                name,
                folders.get(name, NO_WORKLOADS),
                tuple(foreign.get(name, ())),
                records.get(name, NO_RECORDS),
                tuple(strays.get(name, ())),
            )
        return ReadNamespaces(states, folders, records)

    def _records(self) -> dict[str, RecordFolder]:
        self.files.check(PLACEMENTS)
        top = self.files.folder(PLACEMENTS)
        entries = {
            name: (inner.id, inner.walk()) for name, inner in top.folders.items()
        }
        if top.files:
            entries[_OWN_FILES] = (top.id, iter(top.files.values()))
        found = {}
        for name in sorted(entries):
            id_, walk = entries[name]
            found[name] = read_record_folder(
                name,
                id_,
                walk,
                self.files,
                self.readers.placements,
                self.before.records.get(name, NO_RECORDS),
            )
        return found

    def _state(
        self,
        name: str,
        folder: WorkloadFolder,
        foreign: tuple[WorkloadObject, ...],
        records: RecordFolder,
        strays: tuple[Record, ...],
    ) -> NamespaceState:
        before = self.before.states.get(name)
        version = self._version(name, foreign)
        asked_by = _Asked(folder, foreign, self.rules, version)
        own = tuple(sorted((*records.own, *strays), key=lambda one: one.path))
        placed_by = _Placed(records, strays, self._rendered(name, own))
        same_asked = before is not None and before.asked_by.equals(asked_by)
        if before is not None and same_asked:
            workloads, formed = before.workloads, before.formed
            if before.placed_by.equals(placed_by):
                return before
        else:
            workloads, kept = self._workloads(name, folder, foreign)
            if kept:
                # The rendered files of all clusters count as well, so nothing is taken over next time.
                asked_by = replace(asked_by, sources=None)
            formed = self._grouping(workloads)
        reader = PlacedGroupReader(
            self.files,
            name,
            workloads.objects,
            before.placed if before is not None else NOTHING_PLACED,
            self.readers.copy,
            self.readers.is_own,
        )
        placed = reader.read(own, records)
        grouping = within_limit(formed, placed.groups, self.limits.groups)
        return NamespaceState(
            name, workloads, formed, grouping, placed, asked_by, placed_by
        )

    def _version(self, name: str, foreign: Iterable[WorkloadObject]) -> Hashable:
        """Return what is equal as long as no commit touched a file of the namespace; None where it is not known."""
        version = self.sources.version
        if version is None:
            return None
        # An edit that was taken back leaves the same object, with another commit.
        folders = {item.place.file.split("/")[1] for item in foreign}
        return version(name), *(version(folder) for folder in sorted(folders))

    def _rendered(self, name: str, records: Iterable[Record]) -> tuple[str, ...]:
        clusters: set[str] = set()
        for record in records:
            clusters.update(record.placement.group.clusters)
        top = self.files.folder(CLUSTERS)
        found = []
        for cluster in sorted(clusters):
            directory = top.folders.get(cluster)
            inner = directory.folders.get(name) if directory is not None else None
            found.append(inner.id if inner is not None else "")
        return tuple(found)

    def _workloads(
        self, name: str, folder: WorkloadFolder, foreign: tuple[WorkloadObject, ...]
    ) -> tuple[Workloads, bool]:
        """Return what is asked for, and whether its Namespace was taken from a rendered file."""
        manifests = folder.manifests
        if foreign or folder.foreign:
            here = [item for item in manifests.objects if item.key.namespace == name]
            objects = sorted((*here, *foreign), key=lambda item: item.place.file)
            manifests = replace(manifests, objects=tuple(objects))
        workloads = workloads_of([manifests])
        if not workloads.broken or name in workloads.namespaces:
            return workloads, False
        kept = self._kept_namespace(name)
        if kept is not None:
            workloads = replace(workloads, namespaces={name: kept})
        return workloads, True

    def _kept_namespace(self, name: str) -> WorkloadObject | None:
        """Return the Namespace that may stand in a file that cannot be read, as it was rendered last.

        A namespace that lost its labels could fall under another policy or tenant, or refuse the pods that run in it.
        """
        top = self.files.folder(CLUSTERS)
        for cluster in sorted(top.folders, key=lambda each: f"{each}/"):
            path = f"{CLUSTERS}/{cluster}/{name}/{NAMESPACE}"
            written = self.files.get(path)
            meta = namespace_meta(written, path) if written is not None else None
            if meta is None:
                continue
            metadata = {
                "name": name,
                "labels": dict(meta.labels),
                "annotations": dict(meta.annotations),
            }
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
            key = ObjectKey("v1", "Namespace", "", name)
            place = Place(f"{WORKLOADS}/{name}")
            return WorkloadObject(key, body, canonical_digest(body), place)
        return None

    def _grouping(self, workloads: Workloads) -> Grouping:
        paths = {item.place.file for item in workloads.objects}
        rules = self.rules
        formed = group_objects(
            workloads, rules.policies, self.sources.of(paths), rules.classes
        )
        return govern(
            formed,
            rules.tenancy,
            workloads.namespaces,
            locator(self.files.get),
            self.readers.check,
        ).grouping
