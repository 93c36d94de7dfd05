"""The files of one revision, read without a worktree.

A `Tree` has the folders of the revision as values. A folder that did not change between two revisions is the same
object in both, so what follows from it can be kept under it. `read` fetches many blobs with one `git cat-file --batch`.
Symbolic links and submodules are listed and reported, never followed.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from reconciler.errors import RepoError
from reconciler.repo.address import check_sha, path_fault
from reconciler.repo.command import GitCommand
from reconciler.repo.contents import Contents
from reconciler.repo.folder import (
    SUBMODULE_MODE,
    Entry,
    Folder,
    Unusable,
    folder_of,
    patched,
)

NO_COMMIT = "0" * 40
"""The revision of a checkout in which nothing is committed yet."""
_TREE_MODE = "040000"
_CACHE_BYTES = 32 * 2**20

_STREAMED_IDS = 1000
"""So many ids fit into a pipe at once, so that git can be asked for all before its answer is read."""


@dataclass(frozen=True)
class Tree:
    """All paths of one revision. `revision` is the commit id, `root` its folder, `fetch` what reads contents."""

    revision: str
    root: Folder
    fetch: Contents = field(repr=False, compare=False)

    @classmethod
    def of(
        cls,
        revision: str,
        entries: Iterable[Entry],
        misnamed: Iterable[Unusable],
        fetch: Contents,
    ) -> Tree:
        """Build a tree from entries in any order. `fetch` returns contents by path."""
        return cls(revision, folder_of(entries, misnamed), fetch)

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """Every entry by its path, in path order."""
        return {entry.path: entry for entry in self.root.walk()}

    def __contains__(self, path: str) -> bool:
        return self.root.entry(path) is not None

    def entry(self, path: str) -> Entry | None:
        """Return what is at `path`, if it is no folder."""
        return self.root.entry(path)

    def under(self, prefix: str = "") -> tuple[Entry, ...]:
        """Return every entry whose path starts with `prefix`, links and submodules too, in path order."""
        return tuple(self._under(prefix))

    def paths(self, prefix: str = "") -> tuple[str, ...]:
        """Return the paths of ordinary files that start with `prefix` (such as `workloads/`), in path order."""
        return tuple(entry.path for entry in self._under(prefix) if entry.is_file)

    def unusable(self, prefix: str = "") -> tuple[Unusable, ...]:
        """Return what is under `prefix` and is not an ordinary file with a safe name."""
        found = []
        for entry in self.root.links:
            if entry.path.startswith(prefix):
                found.append(Unusable(entry.path, _why_unusable(entry)))
        for item in self.root.misnamed:
            if item.path.startswith(prefix):
                found.append(item)
        return tuple(found)

    def read(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Return the contents of ordinary files by path, in the order asked.

        Raises `RepoError` for a path that is not in the tree or not an ordinary file: absence is never an empty file.
        """
        wanted = []
        for path in paths:
            entry = self.entry(path)
            if entry is None:
                raise RepoError(f"{path}: no such file at {self.revision[:12]}")
            if not entry.is_file:
                raise RepoError(
                    f"{path}: is a link or a submodule, which is not followed"
                )
            wanted.append(entry)
        return self.fetch(wanted)

    def _under(self, prefix: str) -> Iterator[Entry]:
        folder, _, start = prefix.rpartition("/")
        top = self.root.folder(folder) if folder else self.root
        for entry in top.walk() if top is not None else ():
            if not start or entry.path.startswith(prefix):
                yield entry


def _why_unusable(entry: Entry) -> str:
    """Return why an entry that is no ordinary file is not read."""
    if entry.mode == SUBMODULE_MODE:
        return "is a submodule"
    return "is a symbolic link"


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
        blobs, missing = self._known(wanted)
        if missing:
            fresh = self._batch(missing)
            blobs.update(fresh)
            self._keep(fresh)
        return {entry.path: blobs[entry.blob] for entry in wanted}

    def sizes(self, entries: Iterable[Entry]) -> dict[str, int]:
        """Return the bytes of entries by path, without reading what they contain."""
        wanted = list(entries)
        blobs, missing = self._known(wanted)
        found = {blob: len(content) for blob, content in blobs.items()}
        if missing:
            asked = "".join(f"{check_sha(blob)}\n" for blob in missing).encode()
            result = self._command.run("cat-file", "--batch-check", stdin=asked)
            for blob, line in zip(missing, result.stdout.splitlines(), strict=True):
                found[blob] = self._size(blob, line)
        return {entry.path: found[entry.blob] for entry in wanted}

    def at_most(self, entries: Iterable[Entry], limit: int) -> dict[str, bytes] | None:
        """Return contents by path; None where they have more than `limit` bytes, or are too many for one answer."""
        wanted = list(entries)
        blobs, missing = self._known(wanted)
        left = limit - sum(map(len, blobs.values()))
        if left < 0 or len(missing) > _STREAMED_IDS:
            return None
        if missing:
            fresh = self._stream(missing, left)
            if fresh is None:
                return None
            blobs.update(fresh)
            self._keep(fresh)
        return {entry.path: blobs[entry.blob] for entry in wanted}

    def _known(self, wanted: Iterable[Entry]) -> tuple[dict[str, bytes], list[str]]:
        """Return the blobs of entries that are kept, by id, and the ids of the others."""
        blobs: dict[str, bytes] = {}
        missing: dict[str, None] = {}
        with self._lock:
            for entry in wanted:
                if entry.blob in self._kept:
                    self._kept.move_to_end(entry.blob)
                    blobs[entry.blob] = self._kept[entry.blob]
                else:
                    missing[entry.blob] = None
        return blobs, list(missing)

    def _stream(self, ids: list[str], limit: int) -> dict[str, bytes] | None:
        """Return blobs by id; None as soon as git announces more than `limit` bytes."""
        asked = "".join(f"{check_sha(blob)}\n" for blob in ids).encode()
        blobs = {}
        buffer = bytearray()
        size: int | None = None
        remaining = iter(ids)
        blob = next(remaining)
        with self._command.stream("cat-file", "--batch", stdin=asked) as pieces:
            for piece in pieces:
                buffer += piece
                while True:
                    if size is None:
                        line_end = buffer.find(b"\n")
                        if line_end < 0:
                            break
                        size = self._size(blob, bytes(buffer[:line_end]))
                        del buffer[: line_end + 1]
                        limit -= size
                        if limit < 0:
                            return None
                    # A line end follows the contents.
                    if len(buffer) <= size:
                        break
                    blobs[blob] = bytes(buffer[:size])
                    del buffer[: size + 1]
                    size = None
                    blob = next(remaining, "")
        if len(blobs) != len(ids):
            raise self._command.damaged(f"blob {blob} cannot be read")
        return blobs

    def _size(self, blob: str, line: bytes) -> int:
        """Return the size in a header of git, `<id> blob <size>`."""
        header = line.split(b" ")
        if len(header) != 3 or header[1] != b"blob":
            raise self._command.damaged(f"blob {blob} is missing from the repository")
        return int(header[2])

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
            size = self._size(blob, bytes(output[position:line_end]))
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
        "ls-tree", "-r", "-t", "-z", "--full-tree", check_sha(revision)
    ).stdout
    entries, misnamed, ids = [], [], {}
    for record in listing.split(b"\0")[:-1]:
        head, _, raw_path = record.partition(b"\t")
        mode, kind, blob = head.decode("ascii").split()
        path, fault = readable_path(raw_path)
        if kind == "tree":
            ids[path] = blob
        elif fault:
            misnamed.append(Unusable(path, fault))
        else:
            entries.append(Entry(path, mode, blob))
    return Tree(revision, folder_of(entries, misnamed, ids), fetch)


def next_tree(command: GitCommand, revision: str, base: Tree) -> Tree | None:
    """Return the tree of a commit from that of another one: only the folders that differ are made anew.

    None where the repository does not have the other commit any more, for instance after a forced push.
    """
    result = command.run(
        "diff-tree",
        "-r",
        "-t",
        "-z",
        "--raw",
        "--no-renames",
        check_sha(base.revision),
        check_sha(revision),
        check=False,
    )
    if result.status:
        return None
    tokens = result.stdout.split(b"\0")[:-1]
    changes: dict[str, Entry | None] = {}
    misnamed: dict[str, Unusable | None] = {}
    ids: dict[str, str] = {}
    for head, raw_path in zip(tokens[::2], tokens[1::2], strict=True):
        _, mode, _, blob, status = head.decode("ascii").split(" ")
        path, fault = readable_path(raw_path)
        gone = status == "D"
        if mode == _TREE_MODE and not gone:
            ids[path] = blob
        # A file that became a folder, or the other way round, is a deletion and an addition.
        elif head.startswith(b":" + _TREE_MODE.encode()) and gone:
            continue
        elif fault:
            misnamed[path] = None if gone else Unusable(path, fault)
        else:
            changes[path] = None if gone else Entry(path, mode, blob)
    return Tree(revision, patched(base.root, changes, misnamed, ids), base.fetch)


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
