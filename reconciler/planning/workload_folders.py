"""Reads `workloads/<namespace>/`: of a folder that changed, only the files that did are read again.

What is behind the first so many files or bytes of a namespace, in order of path, is neither read nor parsed, so a
namespace costs the others no more than its limits. Which files count follows from the repo alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.errors import InputError, InvalidObject
from reconciler.fleet.settings import NamespaceLimits
from reconciler.planning.files import Files
from reconciler.reasons.limits import TooManyBytes, TooManyFiles
from reconciler.reasons.reason import Reason
from reconciler.repo.folder import Entry, Folder
from reconciler.workloads.files import ROOT as WORKLOADS
from reconciler.workloads.files import Contents, is_workload_file
from reconciler.workloads.group import BrokenFile, WorkloadObject
from reconciler.workloads.workloads import (
    Manifests,
    outside_namespaces,
    read_manifests,
)

ReadFile = Callable[[str, bytes], Contents]
"""Reads one manifest file, as `workloads.files.read_file` does."""

_READ_AT_ONCE = 16 * 2**20
"""Bytes of contents that one run of git brings, unless a single namespace has more."""
_REPORTED = 20
"""So many files of a namespace are reported by name as beyond a limit; each costs a Placement and a commit."""


@dataclass(frozen=True, slots=True)
class _File:
    """A file as it was read: its objects and warnings, or the error."""

    blob: str
    contents: Contents
    error: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class WorkloadFolder:
    """`workloads/<namespace>/` as it was read.

    `id`, `unusable` and `limits` are what it follows from. `foreign` are objects that name another namespace; each is
    a problem of a group there. `sizes` are the bytes of its blobs, as far as they were asked for.
    """

    id: str
    unusable: Mapping[str, str]
    manifests: Manifests
    files: Mapping[str, _File]
    foreign: tuple[WorkloadObject, ...]
    limits: NamespaceLimits
    sizes: Mapping[str, int]

    def shows(
        self, folder: Folder, unusable: Mapping[str, str], limits: NamespaceLimits
    ) -> bool:
        """Tell whether reading `folder` would give this again."""
        return (
            self.id == folder.id and self.unusable == unusable and self.limits == limits
        )


NO_WORKLOADS = WorkloadFolder("", {}, Manifests(), {}, (), NamespaceLimits(), {})


@dataclass(frozen=True, slots=True)
class ListedFolder:
    """A folder that has to be read: `counted` are the manifests that it may have, `uncounted` those behind them.

    `before` is what was read of it in an earlier revision.
    """

    name: str
    id: str
    unusable: Mapping[str, str]
    limits: NamespaceLimits
    counted: tuple[Entry, ...]
    uncounted: tuple[Entry, ...]
    before: WorkloadFolder

    @property
    def fresh(self) -> tuple[Entry, ...]:
        """Return the entries of which the size is not known."""
        known = self.before.sizes
        return tuple(entry for entry in self.counted if entry.blob not in known)

    @property
    def bytes_left(self) -> int:
        """Return how many bytes the files of unknown size may have, so that all are within the limit."""
        known = self.before.sizes
        used = sum(known.get(entry.blob, 0) for entry in self.counted)
        return self.limits.bytes - used

    def within_bytes(self, sizes: Mapping[str, int]) -> int:
        """Return how many of the counted files lie within the limit of bytes; `sizes` are by blob."""
        left = self.limits.bytes
        for number, entry in enumerate(self.counted):
            left -= sizes[entry.blob]
            if left < 0:
                return number
        return len(self.counted)


def check_workloads(files: Files) -> None:
    """Raise `InvalidObject` when `workloads` itself is no folder: that is not the same as having no workloads."""
    if WORKLOADS in files.unusable:
        files.check(WORKLOADS)


def read_workloads_of(
    files: Files,
    limits: NamespaceLimits,
    read_file: ReadFile,
    before: Mapping[str, WorkloadFolder],
) -> dict[str, WorkloadFolder]:
    """Return the folder of each namespace by name; `before` are those of an earlier revision."""
    unusable: dict[str, dict[str, str]] = {}
    for path, reason in files.unusable_below(WORKLOADS).items():
        parts = path.split("/")
        if len(parts) > 2:
            unusable.setdefault(parts[1], {})[path] = reason
    top = files.folder(WORKLOADS)
    found: dict[str, WorkloadFolder] = {}
    listed = []
    for name in sorted(top.folders.keys() | unusable.keys()):
        folder = files.folder(f"{WORKLOADS}/{name}")
        known = before.get(name, NO_WORKLOADS)
        bad = unusable.get(name, {})
        if known.shows(folder, bad, limits):
            found[name] = known
            continue
        listed.append(list_workload_folder(name, folder, bad, limits, known))
    found.update(read_workload_folders(listed, files, read_file))
    return found


def manifests_in(folders: Mapping[str, WorkloadFolder]) -> tuple[Manifests, ...]:
    """Return what the folders hold, in order of their paths."""
    return tuple(folders[name].manifests for name in sorted(folders, key=path_order))


def path_order(name: str) -> str:
    """Return what to sort the names of namespaces by, to have their folders in the order of their paths."""
    return f"{name}/"


def warnings_outside(files: Files) -> tuple[str, ...]:
    """Return a warning for each manifest that lies directly in `workloads/`."""
    paths = [entry.path for entry in files.folder(WORKLOADS).files.values()]
    return tuple(outside_namespaces((*paths, *files.unusable_below(WORKLOADS))))


def list_workload_folder(
    name: str,
    folder: Folder,
    unusable: Mapping[str, str],
    limits: NamespaceLimits,
    before: WorkloadFolder,
) -> ListedFolder:
    """Return the manifests of namespace `name` as they are listed; nothing is read."""
    wanted = []
    for entry in folder.walk():
        is_manifest = entry.is_file and is_workload_file(entry.path)
        if is_manifest and entry.path not in unusable:
            wanted.append(entry)
    counted = tuple(wanted[: limits.files])
    uncounted = tuple(wanted[limits.files :])
    return ListedFolder(name, folder.id, unusable, limits, counted, uncounted, before)


def read_workload_folders(
    listed: Sequence[ListedFolder], files: Files, read_file: ReadFile
) -> Iterator[tuple[str, WorkloadFolder]]:
    """Yield the folder of each namespace with its name; contents of several are brought at once."""
    if not listed:
        return
    fresh = [entry for folder in listed for entry in folder.fresh]
    # So few bytes are within all limits, wherever they are.
    few = min(_READ_AT_ONCE, *(folder.bytes_left for folder in listed))
    contents = files.fetch_at_most(fresh, few)
    if contents is not None:
        # What changes from one cycle to the next is small, and needs no run of git for its sizes.
        sizes = {entry.blob: len(contents[entry.path]) for entry in fresh}
        for folder in listed:
            yield folder.name, _read_folder(folder, sizes, files, contents, read_file)
        return
    lengths = files.sizes(fresh)
    sizes = {entry.blob: lengths[entry.path] for entry in fresh}
    for batch in _batches(listed, sizes):
        wanted = []
        for folder in batch:
            wanted += _to_read(folder, sizes)
        contents = files.fetch(wanted)
        for folder in batch:
            yield folder.name, _read_folder(folder, sizes, files, contents, read_file)


def _batches(
    listed: Iterable[ListedFolder], sizes: Mapping[str, int]
) -> Iterator[list[ListedFolder]]:
    """Yield the folders in runs of which the contents are brought at once."""
    batch: list[ListedFolder] = []
    total = 0
    for folder in listed:
        size = sum(sizes.get(entry.blob, 0) for entry in _to_read(folder, sizes))
        if batch and total + size > _READ_AT_ONCE:
            yield batch
            batch = []
            total = 0
        batch.append(folder)
        total += size
    if batch:
        yield batch


def _to_read(folder: ListedFolder, sizes: Mapping[str, int]) -> list[Entry]:
    """Return the entries within the limits that were not read before."""
    known = folder.before.files
    found = []
    for entry in folder.counted[: folder.within_bytes(_sizes(folder, sizes))]:
        before = known.get(entry.path)
        if before is None or before.blob != entry.blob:
            found.append(entry)
    return found


def _sizes(folder: ListedFolder, fresh: Mapping[str, int]) -> dict[str, int]:
    """Return the bytes of the folder's counted blobs."""
    known = folder.before.sizes
    found = {}
    for entry in folder.counted:
        size = known.get(entry.blob)
        found[entry.blob] = fresh[entry.blob] if size is None else size
    return found


def _read_folder(
    folder: ListedFolder,
    fresh_sizes: Mapping[str, int],
    files: Files,
    contents: Mapping[str, bytes],
    read_file: ReadFile,
) -> WorkloadFolder:
    """Return a folder of which `contents` has what is new, or reads it where it was known under another path."""
    sizes = _sizes(folder, fresh_sizes)
    within = folder.within_bytes(sizes)
    before = folder.before.files
    to_read = _to_read(folder, fresh_sizes)
    missing = [entry for entry in to_read if entry.path not in contents]
    contents = {**contents, **files.fetch(missing)} if missing else contents
    new = {entry.path for entry in to_read}
    read: dict[str, _File] = {}
    for entry in folder.counted[:within]:
        path = entry.path
        if path in new:
            read[path] = _read(path, entry.blob, contents[path], read_file)
        else:
            read[path] = before[path]

    def contents_of(path: str) -> Contents:
        file = read[path]
        if file.error:
            raise InvalidObject(file.error)
        return file.contents

    manifests = read_manifests(read, folder.unusable, contents_of)
    beyond = _beyond(folder, folder.counted[within:], sizes)
    if beyond:
        manifests = replace(manifests, beyond=beyond)
    foreign = []
    for item in manifests.objects:
        if item.key.namespace != folder.name:
            foreign.append(item)
    return WorkloadFolder(
        folder.id,
        folder.unusable,
        manifests,
        read,
        tuple(foreign),
        folder.limits,
        sizes,
    )


def _beyond(
    folder: ListedFolder, too_large: Iterable[Entry], sizes: Mapping[str, int]
) -> tuple[BrokenFile, ...]:
    """Return the files beyond the limits: `too_large` those beyond that of bytes, in order of path."""
    size = sum(sizes[entry.blob] for entry in folder.counted)
    number = len(folder.counted) + len(folder.uncounted)
    allowed = folder.limits
    reasons: list[tuple[str, Reason]] = []
    for entry in too_large:
        path = entry.path
        reasons.append((path, TooManyBytes(path, folder.name, size, allowed.bytes)))
    for entry in folder.uncounted:
        path = entry.path
        reasons.append((path, TooManyFiles(path, folder.name, number, allowed.files)))
    found = []
    for position, (path, reason) in enumerate(reasons):
        reported = position < _REPORTED
        file = BrokenFile(path, folder.name, reason.text, reason, reported)
        found.append(file)
    return tuple(found)


def _read(path: str, blob: str, data: bytes, read_file: ReadFile) -> _File:
    try:
        return _File(blob, read_file(path, data))
    except InputError as error:
        return _File(blob, ((), ()), str(error))
