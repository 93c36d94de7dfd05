"""The files of one revision, read without a worktree.

A `Tree` is an immutable listing (one `git ls-tree`), and `read` fetches many blobs with one `git cat-file --batch`,
keeping them by blob id, so a file that did not change between two revisions is read once. Symbolic links and
submodules are listed and reported, never followed.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from reconciler.errors import RepoError
from reconciler.repo.address import check_sha, path_fault
from reconciler.repo.command import GitCommand

FILE_MODES = frozenset({"100644", "100755", "100664"})
SYMLINK_MODE = "120000"
SUBMODULE_MODE = "160000"
NO_COMMIT = "0" * 40
"""The revision of a checkout in which nothing is committed yet."""
_CACHE_BYTES = 128 * 2**20


@dataclass(frozen=True, slots=True)
class Entry:
    """One path of a tree: its mode as git writes it, its blob id, and its size in bytes (0 for a submodule)."""

    path: str
    mode: str
    blob: str
    size: int

    @property
    def is_file(self) -> bool:
        """Whether this is an ordinary file, which alone can be read."""
        return self.mode in FILE_MODES


@dataclass(frozen=True, slots=True)
class Unusable:
    """A path that SkyRay will not read, and why: a link, a submodule, or a name that is unsafe or not UTF-8."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Tree:
    """All paths of one revision. `revision` is the commit id; `entries` maps each path to its entry, in path order."""

    revision: str
    entries: Mapping[str, Entry]
    misnamed: tuple[Unusable, ...]
    fetch: Callable[[Iterable[Entry]], dict[str, bytes]] = field(
        repr=False, compare=False
    )
    _order: tuple[str, ...] = field(repr=False, compare=False, default=())

    @classmethod
    def of(
        cls,
        revision: str,
        entries: Iterable[Entry],
        misnamed: Iterable[Unusable],
        fetch: Callable[[Iterable[Entry]], dict[str, bytes]],
    ) -> Tree:
        """Build a tree from entries in any order. `fetch` returns contents by path."""
        by_path = {
            entry.path: entry for entry in sorted(entries, key=lambda entry: entry.path)
        }
        return cls(
            revision, MappingProxyType(by_path), tuple(misnamed), fetch, tuple(by_path)
        )

    def __contains__(self, path: str) -> bool:
        return path in self.entries

    def under(self, prefix: str = "") -> tuple[Entry, ...]:
        """Return every entry whose path starts with `prefix`, links and submodules too, in path order."""
        start = bisect_left(self._order, prefix)
        found = []
        for path in self._order[start:]:
            if not path.startswith(prefix):
                break
            found.append(self.entries[path])
        return tuple(found)

    def paths(self, prefix: str = "") -> tuple[str, ...]:
        """Return the paths of ordinary files that start with `prefix` (such as `workloads/`), in path order."""
        return tuple(entry.path for entry in self.under(prefix) if entry.is_file)

    def unusable(self, prefix: str = "") -> tuple[Unusable, ...]:
        """Return what is under `prefix` and is not an ordinary file with a safe name."""
        found = []
        for entry in self.under(prefix):
            if not entry.is_file:
                why = (
                    "is a submodule"
                    if entry.mode == SUBMODULE_MODE
                    else "is a symbolic link"
                )
                found.append(Unusable(entry.path, why))
        found += [item for item in self.misnamed if item.path.startswith(prefix)]
        return tuple(found)

    def read(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Return the contents of ordinary files by path, in the order asked.

        Raises `RepoError` for a path that is not in the tree or not an ordinary file: absence is never an empty file.
        """
        wanted = []
        for path in paths:
            entry = self.entries.get(path)
            if entry is None:
                raise RepoError(f"{path}: no such file at {self.revision[:12]}")
            if not entry.is_file:
                raise RepoError(
                    f"{path}: is a link or a submodule, which is not followed"
                )
            wanted.append(entry)
        return self.fetch(wanted)


class BlobReader:
    """Reads blobs in batches and keeps the most recently used by id, up to a fixed number of bytes. Thread-safe."""

    def __init__(self, command: GitCommand, limit: int = _CACHE_BYTES) -> None:
        self._command = command
        self._limit = limit
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __call__(self, entries: Iterable[Entry]) -> dict[str, bytes]:
        """Return contents by path."""
        wanted = list(entries)
        blobs: dict[str, bytes] = {}
        with self._lock:
            for entry in wanted:
                if entry.blob in self._kept:
                    self._kept.move_to_end(entry.blob)
                    blobs[entry.blob] = self._kept[entry.blob]
        missing = list(
            dict.fromkeys(entry.blob for entry in wanted if entry.blob not in blobs)
        )
        if missing:
            fresh = self._batch(missing)
            blobs.update(fresh)
            self._keep(fresh)
        return {entry.path: blobs[entry.blob] for entry in wanted}

    def _batch(self, ids: list[str]) -> dict[str, bytes]:
        asked = "".join(f"{check_sha(blob)}\n" for blob in ids).encode()
        output = memoryview(
            self._command.run("cat-file", "--batch", stdin=asked).stdout
        )
        blobs = {}
        position = 0
        for blob in ids:
            # A header is `<id> blob <size>`, well under 200 bytes.
            line_end = bytes(output[position : position + 200]).find(b"\n") + position
            header = bytes(output[position:line_end]).split(b" ")
            if len(header) != 3 or header[1] != b"blob":
                raise self._command.damaged(
                    f"blob {blob} is missing from the repository"
                )
            size = int(header[2])
            blobs[blob] = bytes(output[line_end + 1 : line_end + 1 + size])
            position = line_end + 1 + size + 1
        return blobs

    def _keep(self, fresh: dict[str, bytes]) -> None:
        with self._lock:
            for blob, content in fresh.items():
                if blob not in self._kept:
                    self._kept[blob] = content
                    self._bytes += len(content)
            while self._bytes > self._limit:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= len(dropped)


def list_tree(command: GitCommand, revision: str, fetch: BlobReader) -> Tree:
    """Return the tree of a commit given by its full id."""
    listing = command.run(
        "ls-tree", "-r", "-z", "-l", "--full-tree", check_sha(revision)
    ).stdout
    entries, misnamed = [], []
    for record in listing.split(b"\0")[:-1]:
        head, _, raw_path = record.partition(b"\t")
        mode, _, blob, size = head.decode("ascii").split()
        path, fault = readable_path(raw_path)
        if fault:
            misnamed.append(Unusable(path, fault))
        else:
            entries.append(Entry(path, mode, blob, 0 if size == "-" else int(size)))
    return Tree.of(revision, entries, misnamed, fetch)


def readable_path(raw: bytes) -> tuple[str, str | None]:
    """Return a path of a git listing as text, and why it cannot be used (None when it can)."""
    try:
        path = raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "backslashreplace"), "has a name that is not UTF-8"
    fault = path_fault(path)
    if fault is None:
        return path, None
    # Escaped, since the path gets into messages.
    return path.encode("unicode_escape").decode("ascii"), f"has a name that {fault}"
