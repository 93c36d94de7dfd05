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
    documents: list[Document] = []
    for path in sorted(files):
        # A folder of rules may have a README, or other files that are no manifests.
        if path.endswith(SUFFIXES):
            documents += load(files[path], path).documents
    return documents


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
    documents = documents_of(policies)
    return read_priority_classes([*documents, *_readable(addons)])


def locator(
    contents: Callable[[str], bytes | None],
) -> Callable[[WorkloadObject, Path], Place]:
    """Return what finds a field of an object in its file, for messages; `contents` reads the file once more."""

    def locate(item: WorkloadObject, path: Path) -> Place:
        place = item.place
        data = contents(place.file) or b""
        for document in load(data, place.file).documents:
            # A file may have several documents, each with the place where it begins.
            if document.place == place:
                return document.locate(*path)
        return place

    return locate


def _readable(files: Mapping[str, bytes]) -> Iterable[Document]:
    for path in sorted(files):
        data = files[path]
        # Add-ons are large, and most have no priority class: only files that name the kind are parsed.
        if not path.endswith(SUFFIXES) or PRIORITY_CLASS.encode() not in data:
            continue
        try:
            documents = load(data, path).documents
        except InputError:
            continue
        yield from documents
