"""Reads `workloads/<namespace>/`: of a folder that changed, only the files that did are read again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reconciler.errors import InputError, InvalidObject
from reconciler.planning.files import Files
from reconciler.repo.folder import Folder
from reconciler.workloads.files import Contents, is_workload_file
from reconciler.workloads.group import WorkloadObject
from reconciler.workloads.workloads import Manifests, read_manifests

ReadFile = Callable[[str, bytes], Contents]
"""Reads one manifest file, as `workloads.files.read_file` does."""


@dataclass(frozen=True, slots=True)
class _File:
    """A file as it was read: its objects and warnings, or the error."""

    blob: str
    contents: Contents
    error: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class WorkloadFolder:
    """`workloads/<namespace>/` as it was read.

    `id` and `unusable` are what it follows from. `foreign` are objects that name another namespace; each is a problem
    of a group there.
    """

    id: str
    unusable: Mapping[str, str]
    manifests: Manifests
    files: Mapping[str, _File]
    foreign: tuple[WorkloadObject, ...]


NO_WORKLOADS = WorkloadFolder("", {}, Manifests(), {}, ())


def read_workload_folder(
    name: str,
    folder: Folder,
    unusable: Mapping[str, str],
    files: Files,
    read_file: ReadFile,
    before: WorkloadFolder,
) -> WorkloadFolder:
    """Return the folder of namespace `name`; `before` is what was read of it in an earlier revision."""
    if before.id == folder.id and before.unusable == unusable:
        return before
    wanted = []
    for entry in folder.walk():
        if entry.is_file and is_workload_file(entry.path):
            wanted.append(entry)
    fresh = []
    for entry in wanted:
        known = before.files.get(entry.path)
        if known is None or known.blob != entry.blob:
            fresh.append(entry)
    contents = files.fetch(fresh)
    read: dict[str, _File] = {}
    for entry in wanted:
        if entry.path in contents:
            read[entry.path] = _read(
                entry.path, entry.blob, contents[entry.path], read_file
            )
        elif entry.path not in unusable:
            read[entry.path] = before.files[entry.path]

    def contents_of(path: str) -> Contents:
        file = read[path]
        if file.error:
            raise InvalidObject(file.error)
        return file.contents

    manifests = read_manifests(read, unusable, contents_of)
    foreign = []
    for item in manifests.objects:
        if item.key.namespace != name:
            foreign.append(item)
    return WorkloadFolder(folder.id, unusable, manifests, read, tuple(foreign))


def _read(path: str, blob: str, data: bytes, read_file: ReadFile) -> _File:
    try:
        return _File(blob, read_file(path, data))
    except InputError as error:
        return _File(blob, ((), ()), str(error))
