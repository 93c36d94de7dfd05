"""The operators' rules beside the policies, as they stand in the repo: tenants and priority classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from reconciler.errors import InputError, Place
from reconciler.manifests.fields import Path
from reconciler.manifests.loader import Document, load
from reconciler.policy.priority_class import KIND as PRIORITY_CLASS
from reconciler.policy.priority_class import (
    PriorityClasses,
    is_priority_class,
    read_priority_classes,
)
from reconciler.policy.tenant import Tenant
from reconciler.policy.tenant_kind import is_tenant, read_tenants
from reconciler.workloads.group import WorkloadObject

SUFFIXES = (".yaml", ".yml", ".json")


def documents_of(files: Mapping[str, bytes]) -> list[Document]:
    """Return all documents in `files`, in order of path. Raises `InputError`."""
    return [
        d
        for path in sorted(files)
        if path.endswith(SUFFIXES)
        for d in load(files[path], path).documents
    ]


def is_policy(document: Document) -> bool:
    """Tell whether a document of `policies/` means to be a SchedulePolicy: whatever is nothing else does."""
    return not is_tenant(document) and not is_priority_class(document)


def read_tenant_files(policies: Mapping[str, bytes]) -> tuple[Tenant, ...]:
    """Return the tenants in the files of `policies/`. Raises `InputError` for any that cannot be read."""
    return read_tenants(documents_of(policies))


def read_class_files(
    policies: Mapping[str, bytes], addons: Mapping[str, bytes]
) -> PriorityClasses:
    """Return the priority classes in the files of `policies/` and `addons/`.

    Raises `InputError` for one that is wrong. An add-on's file that cannot be read has none: add-ons are not always
    manifests, and `policy.addon_kind` reports what is wrong with them.
    """
    return read_priority_classes([*documents_of(policies), *_readable(addons)])


def locator(
    contents: Callable[[str], bytes | None],
) -> Callable[[WorkloadObject, Path], Place]:
    """Return what finds a field of an object in its file, for messages; `contents` reads the file once more."""

    def locate(item: WorkloadObject, path: Path) -> Place:
        data = contents(item.place.file) or b""
        found = (
            d for d in load(data, item.place.file).documents if d.place == item.place
        )
        document = next(found, None)
        return document.locate(*path) if document else item.place

    return locate


def _readable(files: Mapping[str, bytes]) -> Iterable[Document]:
    for path in sorted(files):
        if path.endswith(SUFFIXES) and PRIORITY_CLASS.encode() in files[path]:
            try:
                yield from load(files[path], path).documents
            except InputError:
                continue
