"""The files that a plan reads, folder by folder, each with an id that stands for its contents.

What follows from a folder can be kept under its id, so that a plan reads only what changed. Contents are read when they
are asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from reconciler.errors import InvalidObject, Place
from reconciler.repo.contents import Contents, HeldContents
from reconciler.repo.folder import EMPTY, Entry, Folder, folder_of


class Files:
    """The files of a revision, and of the `unusable` ones (links, unsafe names) the reason.

    Made of contents by path, or by `lazy` of folders whose contents are fetched when they are needed.
    """

    def __init__(
        self, contents: Mapping[str, bytes], unusable: Mapping[str, str] | None = None
    ) -> None:
        entries = [Entry(path, "100644", blob_id(contents[path])) for path in contents]
        self.root = folder_of(entries)
        self.unusable: Mapping[str, str] = unusable or {}
        self._fetch: Contents = HeldContents(contents)

    @classmethod
    def lazy(cls, root: Folder, unusable: Mapping[str, str], fetch: Contents) -> Files:
        """Return the files below `root`, read by `fetch`."""
        made = cls.__new__(cls)
        made.root = root
        made.unusable = unusable
        made._fetch = fetch  # noqa: SLF001  (its own)
        return made

    def with_folder(self, name: str, other: Files) -> Files:
        """Return the files with the folder `name` of `other` in place of the own one."""
        folders = {each: self.root.folders[each] for each in self.root.folders}
        folders.pop(name, None)
        own = {each: self.root.files[each] for each in self.root.files if each != name}
        if name in other.root.folders:
            folders[name] = other.root.folders[name]
        unusable = {
            path: reason
            for path, reason in self.unusable.items()
            if not _is_at(path, name)
        }
        unusable |= other.unusable_below(name)
        root = Folder(f"{self.root.id} {other.root.id}", own, folders)

        fetch = _JoinedContents(self._fetch, name, other._fetch)
        return Files.lazy(root, unusable, fetch)

    @cached_property
    def contents(self) -> Mapping[str, bytes]:
        """The contents of all files by path."""
        return self.read(self.root)

    def get(self, path: str) -> bytes | None:
        """Return the contents of one file; None where there is none that can be read."""
        entry = self.root.entry(path)
        if entry is None or not entry.is_file or path in self.unusable:
            return None
        return self._fetch([entry])[path]

    def folder(self, path: str) -> Folder:
        """Return the folder at `path`; an empty one where there is none."""
        return self.root.folder(path) or EMPTY

    def read(self, folder: Folder) -> dict[str, bytes]:
        """Return the contents below `folder` by path."""
        return self.fetch(folder.walk())

    def fetch(self, entries: Iterable[Entry]) -> dict[str, bytes]:
        """Return the contents of those `entries` that can be read, by path."""
        wanted = self._readable(entries)
        return self._fetch(wanted) if wanted else {}

    def fetch_at_most(
        self, entries: Iterable[Entry], limit: int
    ) -> dict[str, bytes] | None:
        """Return what `fetch` does; None where that is more than `limit` bytes, or more files than are read at once."""
        wanted = self._readable(entries)
        return self._fetch.at_most(wanted, limit) if wanted else {}

    def sizes(self, entries: Iterable[Entry]) -> dict[str, int]:
        """Return the bytes of those `entries` that can be read, by path; what they contain is not read."""
        wanted = self._readable(entries)
        return self._fetch.sizes(wanted) if wanted else {}

    def _readable(self, entries: Iterable[Entry]) -> list[Entry]:
        wanted = []
        for entry in entries:
            if entry.is_file and entry.path not in self.unusable:
                wanted.append(entry)
        return wanted

    def unusable_below(self, folder: str) -> dict[str, str]:
        """Return what is unusable at `folder` or below it, with the reason."""
        return {
            path: reason
            for path, reason in self.unusable.items()
            if _is_at(path, folder)
        }

    def below(self, folder: str) -> dict[str, bytes]:
        """Return the contents under `folder`. Raises `InvalidObject` when anything there is unusable."""
        self.check(folder)
        return self.read(self.folder(folder))

    def check(self, folder: str) -> None:
        """Raise `InvalidObject` when anything at `folder` or below it is unusable."""
        for path, reason in sorted(self.unusable_below(folder).items()):
            raise InvalidObject(
                f"{reason}: put an ordinary file or folder in its place, or take it out",
                Place(path),
            )

    def without(self, path: str | None) -> Files:
        """Return them without one file."""
        return Files(
            {name: data for name, data in self.contents.items() if name != path},
            self.unusable,
        )


@dataclass(frozen=True, slots=True)
class _JoinedContents:
    """Contents of which the folder `name` is that of `theirs`."""

    ours: Contents
    name: str
    theirs: Contents

    def __call__(self, entries: Iterable[Entry]) -> dict[str, bytes]:
        ours, theirs = self._divided(entries)
        return {**self.ours(ours), **self.theirs(theirs)}

    def sizes(self, entries: Iterable[Entry]) -> dict[str, int]:
        ours, theirs = self._divided(entries)
        return {**self.ours.sizes(ours), **self.theirs.sizes(theirs)}

    def at_most(self, entries: Iterable[Entry], limit: int) -> dict[str, bytes] | None:
        ours, theirs = self._divided(entries)
        found = self.ours.at_most(ours, limit)
        if found is None:
            return None
        left = limit - sum(map(len, found.values()))
        others = self.theirs.at_most(theirs, left)
        return None if others is None else {**found, **others}

    def _divided(self, entries: Iterable[Entry]) -> tuple[list[Entry], list[Entry]]:
        ours: list[Entry] = []
        theirs: list[Entry] = []
        for entry in entries:
            there = _is_at(entry.path, self.name)
            (theirs if there else ours).append(entry)
        return ours, theirs


def _is_at(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def blob_id(content: bytes) -> str:
    """Return the id that git gives contents."""
    header = b"blob %d\0" % len(content)
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()
