"""Reads `placements/` and the admitted copies in the directories of clusters into placed groups.

A record says by digest which objects were admitted. Their contents are in the directories of the clusters, and mostly
in `workloads/` as well: where the file of a copy has the bytes that the user's object is rendered to, it is not parsed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from reconciler.errors import InvalidObject, Place
from reconciler.manifests.emitter import emit
from reconciler.placement.placed_group import PlacedGroup
from reconciler.planning.files import Files, blob_id
from reconciler.planning.overlays import PlacedCopy
from reconciler.planning.same import same_objects
from reconciler.render.cluster import ROOT as CLUSTERS
from reconciler.render.kustomization import FILE as KUSTOMIZATION
from reconciler.render.kustomization import file_name
from reconciler.render.placement_record import ReadPlacement, path_of, write
from reconciler.repo.folder import Entry, Folder
from reconciler.workloads.cluster_copy import ClusterCopy, PlacedObject
from reconciler.workloads.group import GroupKey, WorkloadObject
from reconciler.workloads.grouping import SHARED
from reconciler.workloads.overrides import patched

_Identity = tuple[str, str, str]
"""Kind, name and digest."""


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One Placement in the file `path`, which has the blob id `blob`."""

    path: str
    blob: str
    placement: ReadPlacement


@dataclass(frozen=True, slots=True, eq=False)
class RecordFolder:
    """The Placements in one folder: of each file, by path. `foreign` are those of other namespaces."""

    id: str
    files: Mapping[str, tuple[Record, ...]] = field(default_factory=dict)
    own: tuple[Record, ...] = ()
    foreign: tuple[Record, ...] = ()


NO_RECORDS = RecordFolder("")

ReadRecords = Callable[[str, bytes], tuple[ReadPlacement, ...]]


def read_record_folder(
    name: str,
    id_: str,
    entries: Iterable[Entry],
    files: Files,
    read: ReadRecords,
    before: RecordFolder,
) -> RecordFolder:
    """Return the Placements of `entries`, the files of the folder of namespace `name`. Raises `InputError`.

    `before` is what was read of it in an earlier revision.
    """
    if before.id == id_:
        return before
    entries = list(entries)
    fresh = []
    for entry in entries:
        known = before.files.get(entry.path)
        if not known or known[0].blob != entry.blob:
            fresh.append(entry)
    contents = files.fetch(fresh)
    found: dict[str, tuple[Record, ...]] = {}
    for entry in entries:
        path = entry.path
        if path in contents:
            placements = read(path, contents[path])
            found[path] = tuple(Record(path, entry.blob, one) for one in placements)
        else:
            found[path] = before.files[path]
    own: list[Record] = []
    foreign: list[Record] = []
    for path in sorted(found):
        for record in found[path]:
            at_home = record.placement.group.key.namespace == name
            (own if at_home else foreign).append(record)
    return RecordFolder(id_, found, tuple(own), tuple(foreign))


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """A placed group, and what it was made of."""

    record: Record
    admitted: tuple[WorkloadObject, ...]
    group: PlacedGroup
    written: bytes | None
    """What its file should be; None where the file is that."""


@dataclass(frozen=True, slots=True, eq=False)
class _Copy:
    """An admitted copy in a cluster's directory; None where it cannot be read."""

    blob: str
    item: WorkloadObject | None


@dataclass(frozen=True, eq=False)
class NamespacePlacements:
    """The placed groups of one namespace.

    `repairs` are the changes that make its folder what the groups say: contents by path, None to delete.
    """

    groups: Mapping[GroupKey, PlacedGroup] = field(default_factory=dict)
    repairs: Mapping[str, bytes | None] = field(default_factory=dict)
    made: Mapping[GroupKey, _Made] = field(default_factory=dict)
    copies: Mapping[str, _Copy] = field(default_factory=dict)

    @cached_property
    def count(self) -> int:
        """How many copies these groups have."""
        return sum(len(group.copies) for group in self.groups.values())

    @cached_property
    def by_cluster(self) -> Mapping[str, tuple[PlacedCopy, ...]]:
        """The copies on each cluster, in order of their groups: of a group with several there, the last."""
        found: dict[str, dict[GroupKey, PlacedCopy]] = {}
        for key in sorted(self.groups):
            group = self.groups[key]
            for copy in group.copies:
                on = found.setdefault(copy.cluster, {})
                on[key] = PlacedCopy(key, group.policy, copy)
        return {cluster: tuple(on.values()) for cluster, on in found.items()}


NOTHING_PLACED = NamespacePlacements()


@dataclass(slots=True)
class PlacedGroupReader:
    """Makes the placed groups of one namespace of its records.

    `asked` are its objects in `workloads/`. `read_copy` parses an admitted copy: path, contents and namespace.
    `is_own` tells whether a Placement is what was written last, so that it need not be written again to compare.
    """

    files: Files
    namespace: str
    asked: Iterable[WorkloadObject]
    before: NamespacePlacements
    read_copy: Callable[[str, bytes, str], WorkloadObject | None]
    is_own: Callable[[ReadPlacement], bool]
    _copies: dict[str, _Copy] = field(default_factory=dict)
    _by_identity: dict[_Identity, WorkloadObject] = field(default_factory=dict)

    def read(
        self, records: Iterable[Record], folder: RecordFolder
    ) -> NamespacePlacements:
        """Return the placed groups; `folder` is that of the namespace. Raises `InvalidObject` for patches that fail."""
        for item in self.asked:
            self._by_identity.setdefault(_identity(item), item)
        made: dict[GroupKey, _Made] = {}
        for record in records:
            made[record.placement.group.key] = self._made(record)
        repairs: dict[str, bytes | None] = dict.fromkeys(folder.files)
        for key, one in made.items():
            path = path_of(key)
            at_home = one.record.path == path and len(folder.files.get(path, ())) == 1
            if at_home and one.written is None:
                repairs.pop(path, None)
            else:
                repairs[path] = one.written or write(one.group)
        groups = {key: one.group for key, one in made.items()}
        return NamespacePlacements(groups, repairs, made, self._copies)

    def _made(self, record: Record) -> _Made:
        placement = record.placement
        admitted = self._admitted(placement)
        known = self.before.made.get(placement.group.key)
        same = known is not None and same_objects(known.admitted, admitted.values())
        if known is not None and same and known.record.placement is placement:
            return known if known.record is record else replace(known, record=record)
        group = _with_objects(placement, admitted)
        written = None
        if not self.is_own(placement):
            data = write(group)
            written = None if blob_id(data) == record.blob else data
        return _Made(record, tuple(admitted.values()), group, written)

    def _admitted(self, placement: ReadPlacement) -> dict[_Identity, WorkloadObject]:
        """Return the admitted objects of a placed group by kind, name and digest.

        A file in a cluster's directory that is gone, or is not what was admitted, was changed by hand: the object is
        taken from the user's file where that still says the same, else it is left out.
        """
        wanted: set[_Identity] = set()
        for entries in (placement.objects, *placement.own):
            for entry in entries or ():
                wanted.add((entry.kind, entry.name, entry.digest))
        found: dict[_Identity, WorkloadObject] = {}
        for item in self._copies_of(placement.group, wanted) if wanted else ():
            identity = _identity(item)
            if identity in wanted:
                found.setdefault(identity, item)
        for identity in wanted - found.keys():
            asked = self._by_identity.get(identity)
            if asked is not None:
                found[identity] = asked
        return {identity: found[identity] for identity in sorted(found)}

    def _copies_of(
        self, group: PlacedGroup, wanted: set[_Identity]
    ) -> list[WorkloadObject]:
        """Return what can be read of the objects in the group's folders."""
        likely = {}
        for identity in wanted:
            asked = self._by_identity.get(identity)
            if asked is not None and not asked.problem:
                likely[file_name(asked.key)] = asked
        found = []
        for cluster in group.clusters:
            for name in (group.key.name, SHARED):
                path = f"{CLUSTERS}/{cluster}/{self.namespace}/{name}"
                folder = self.files.root.folder(path)
                for entry in _object_files(folder) if folder else ():
                    name_in_folder = entry.path.rpartition("/")[2]
                    item = self._copy(entry, likely.get(name_in_folder))
                    if item is not None:
                        found.append(item)
        return found

    def _copy(
        self, entry: Entry, likely: WorkloadObject | None
    ) -> WorkloadObject | None:
        """Return the object in a file; `likely` is an object of `workloads/` that may be the same."""
        known = self._copies.get(entry.path) or self.before.copies.get(entry.path)
        if known is None or known.blob != entry.blob:
            known = _Copy(entry.blob, self._read(entry, likely))
        self._copies[entry.path] = known
        return known.item

    def _read(
        self, entry: Entry, likely: WorkloadObject | None
    ) -> WorkloadObject | None:
        if likely is not None and blob_id(emit(likely.body)) == entry.blob:
            return likely
        data = self.files.fetch([entry])[entry.path]
        return self.read_copy(entry.path, data, self.namespace)


def _object_files(folder: Folder) -> list[Entry]:
    found = []
    for name in sorted(folder.files):
        entry = folder.files[name]
        # What a link points at was not admitted.
        if name != KUSTOMIZATION and entry.is_file:
            found.append(entry)
    return found


def _identity(item: WorkloadObject) -> _Identity:
    return item.key.kind, item.key.name, item.digest


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
