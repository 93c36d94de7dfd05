"""Puts together what is under `workloads/`: objects, Namespaces, and the files that cannot be read.

A bad file affects only its own objects. A file that cannot be read becomes a `BrokenFile`, so that its objects are
unknown rather than deleted. A Namespace that cannot be used counts as unreadable: its labels are unknown, which is not
the same as no labels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.errors import InputError
from reconciler.workloads.files import (
    ROOT,
    SUFFIXES,
    Contents,
    folder_name,
    is_workload_file,
    read_file,
)
from reconciler.workloads.group import BrokenFile, WorkloadObject

_Identity = tuple[str, str, str, str]
"""API group, kind, namespace and name: equal for one object in two versions of its API."""


@dataclass(frozen=True, slots=True)
class Workloads:
    """Everything under `workloads/`. `namespaces` are the Namespace objects that users wrote, by name."""

    objects: tuple[WorkloadObject, ...]
    broken: tuple[BrokenFile, ...]
    namespaces: Mapping[str, WorkloadObject]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Manifests:
    """What some manifests hold, before it is put together: all in order of path.

    `namespaces` are the Namespaces as written, each maybe more than once. `unusable` are no ordinary files, and of
    `unreadable` ones no object could be read; `beyond` a limit of their namespace none was.
    """

    objects: tuple[WorkloadObject, ...] = ()
    namespaces: tuple[WorkloadObject, ...] = ()
    unusable: tuple[BrokenFile, ...] = ()
    unreadable: tuple[BrokenFile, ...] = ()
    warnings: tuple[str, ...] = ()
    beyond: tuple[BrokenFile, ...] = ()


def read_workloads(
    files: Mapping[str, bytes],
    unusable: Mapping[str, str],
    read: Callable[[str, bytes], Contents] | None = None,
) -> Workloads:
    """Read all manifests.

    `files` maps paths in the repo to contents; files that are no manifests are ignored. `unusable` are paths that are
    no ordinary files (links, unsafe names), with the reason. `read` replaces `read_file`, for instance by a cached one.
    """
    parse = read or read_file
    manifests = read_manifests(files, unusable, lambda path: parse(path, files[path]))
    outside = outside_namespaces((*files, *unusable))
    return workloads_of([manifests], outside)


def read_manifests(
    paths: Iterable[str], unusable: Mapping[str, str], read: Callable[[str], Contents]
) -> Manifests:
    """Read the manifests among `paths`; `read` reads one, as `read_file` does."""
    objects: list[WorkloadObject] = []
    namespaces: list[WorkloadObject] = []
    unreadable: list[BrokenFile] = []
    warnings: list[str] = []
    for path in sorted(paths):
        if not is_workload_file(path):
            continue
        try:
            found, file_warnings = read(path)
        except InputError as error:
            unreadable.append(_broken(path, str(error)))
            continue
        warnings += file_warnings
        for item in found:
            if item.key.kind == "Namespace":
                namespaces.append(item)
            else:
                objects.append(item)
    return Manifests(
        tuple(objects),
        tuple(namespaces),
        tuple(_unusable_files(unusable)),
        tuple(unreadable),
        tuple(warnings),
    )


def workloads_of(parts: Sequence[Manifests], warnings: Sequence[str] = ()) -> Workloads:
    """Return what manifests say together, in the order of their paths; `warnings` come before their own."""
    objects: list[WorkloadObject] = []
    written: list[WorkloadObject] = []
    unusable: list[BrokenFile] = []
    unreadable: list[BrokenFile] = []
    said = [*warnings]
    for part in parts:
        objects += part.objects
        written += part.namespaces
        unusable += part.unusable
        unreadable += (*part.unreadable, *part.beyond)
        said += part.warnings
    namespaces, broken_namespaces = _namespaces(written)
    return Workloads(
        _marked_duplicates(objects),
        (*unusable, *unreadable, *broken_namespaces),
        namespaces,
        tuple(said),
    )


def _broken(path: str, problem: str) -> BrokenFile:
    return BrokenFile(path, folder_name(path), problem)


def _unusable_files(unusable: Mapping[str, str]) -> list[BrokenFile]:
    """Return the manifests among the paths that are no ordinary files; the map has the reason of each."""
    broken = []
    for path, why in sorted(unusable.items()):
        if is_workload_file(path):
            problem = f"{path}: {why}: put an ordinary file in its place, or remove it"
            broken.append(_broken(path, problem))
    return broken


def outside_namespaces(paths: Iterable[str]) -> list[str]:
    """Return a warning for each manifest directly under `workloads/`."""
    warnings = []
    for path in sorted(set(paths)):
        if path.count("/") == 1 and path.endswith(SUFFIXES):
            warnings.append(
                f"{path}: is in no namespace's folder and is not read: move it to {ROOT}/NAMESPACE/"
            )
    return warnings


def _namespaces(
    written: Iterable[WorkloadObject],
) -> tuple[dict[str, WorkloadObject], list[BrokenFile]]:
    """Return the Namespaces that can be used, by name, and the files of all others."""
    by_name: dict[str, list[WorkloadObject]] = defaultdict(list)
    broken: dict[str, BrokenFile] = {}
    for item in written:
        if item.problem:
            path = item.place.file
            broken.setdefault(path, _broken(path, item.problem))
        else:
            by_name[item.key.name].append(item)
    usable: dict[str, WorkloadObject] = {}
    for name, (first, *duplicates) in by_name.items():
        # With a duplicate neither is used, since its labels could be those of either.
        if not duplicates:
            usable[name] = first
        for duplicate in duplicates:
            path = duplicate.place.file
            problem = _duplicate_problem(first, duplicate)
            broken.setdefault(path, BrokenFile(path, name, problem))
    return usable, list(broken.values())


def _marked_duplicates(objects: Iterable[WorkloadObject]) -> tuple[WorkloadObject, ...]:
    """Return each object once; one that is defined again has a problem that names both places."""
    first: dict[_Identity, WorkloadObject] = {}
    duplicate: dict[_Identity, WorkloadObject] = {}
    for item in objects:
        key = item.key
        identity = (key.group, key.kind, key.namespace, key.name)
        if identity in first:
            duplicate[identity] = item
        else:
            first[identity] = item
    for identity, other in duplicate.items():
        item = first[identity]
        problem = _duplicate_problem(item, other)
        first[identity] = replace(item, problem=problem)
    return tuple(first.values())


def _duplicate_problem(first: WorkloadObject, other: WorkloadObject) -> str:
    return f"{other.place}: {other.key} is already defined at {first.place}: keep one of them"
