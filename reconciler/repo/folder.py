"""The folders of a revision as values, each with the id that git gives its contents.

Two folders with equal ids have equal contents, all the way down. `patched` makes the folders of the next revision and
takes over those that did not change, so it costs what changed and not what the repository holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

FILE_MODES = frozenset({"100644", "100755", "100664"})
SYMLINK_MODE = "120000"
SUBMODULE_MODE = "160000"


@dataclass(frozen=True, slots=True)
class Entry:
    """One path of a revision that is no folder: its mode as git writes it, and its blob id."""

    path: str
    mode: str
    blob: str

    @property
    def is_file(self) -> bool:
        """Whether this is an ordinary file, which alone can be read."""
        return self.mode in FILE_MODES


@dataclass(frozen=True, slots=True)
class Unusable:
    """A path that SkyRay will not read, and why: a link, a submodule, or a name that is unsafe or not UTF-8."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Folder:
    """One folder. `files` by name, links and submodules among them; `folders` by name.

    `id` stands for the contents. `links` are all links and submodules below. `misnamed`, at the top folder only, are
    the paths of the whole revision that cannot be used because of their names.
    """

    id: str
    files: Mapping[str, Entry] = field(default_factory=dict)
    folders: Mapping[str, Folder] = field(default_factory=dict)
    links: tuple[Entry, ...] = ()
    misnamed: tuple[Unusable, ...] = ()

    def folder(self, path: str) -> Folder | None:
        """Return the folder at `path`, without a slash at its end; None where there is none."""
        found: Folder | None = self
        for name in path.split("/"):
            if found is None:
                return None
            found = found.folders.get(name)
        return found

    def entry(self, path: str) -> Entry | None:
        """Return what is at `path`, if it is no folder."""
        parent, _, name = path.rpartition("/")
        holder = self.folder(parent) if parent else self
        return holder.files.get(name) if holder is not None else None

    def walk(self) -> Iterator[Entry]:
        """Yield all entries below, in order of their paths."""
        for name in sorted((*self.files, *(f"{each}/" for each in self.folders))):
            if name.endswith("/"):
                yield from self.folders[name[:-1]].walk()
            else:
                yield self.files[name]


EMPTY = Folder("")


class _Draft:
    """A folder while it is put together."""

    __slots__ = ("files", "folders")

    def __init__(self) -> None:
        self.files: dict[str, Entry] = {}
        self.folders: dict[str, _Draft] = {}


def folder_of(
    entries: Iterable[Entry],
    misnamed: Iterable[Unusable] = (),
    ids: Mapping[str, str] | None = None,
) -> Folder:
    """Return the top folder of a revision. `ids` are git's ids of the folders by path; without them they are made."""
    top = _Draft()
    drafts = {"": top}
    for entry in entries:
        parent, _, name = entry.path.rpartition("/")
        _draft_at(drafts, parent).files[name] = entry
    bad = tuple(sorted(misnamed, key=lambda item: item.path))
    return _finished(top, "", ids, bad)


def _draft_at(drafts: dict[str, _Draft], path: str) -> _Draft:
    found = drafts.get(path)
    if found is None:
        parent, _, name = path.rpartition("/")
        found = drafts[path] = _Draft()
        _draft_at(drafts, parent).folders[name] = found
    return found


def _finished(
    draft: _Draft,
    path: str,
    ids: Mapping[str, str] | None,
    misnamed: tuple[Unusable, ...],
) -> Folder:
    below = f"{path}/" if path else ""
    folders = {}
    for name, inner in draft.folders.items():
        folders[name] = _finished(inner, f"{below}{name}", ids, misnamed)
    known = ids.get(path) if ids is not None else None
    if known is None:
        known = _id_of(draft.files, folders, below, misnamed)
    return _folder(known, draft.files, folders, () if path else misnamed)


def _folder(
    known: str,
    files: Mapping[str, Entry],
    folders: Mapping[str, Folder],
    misnamed: tuple[Unusable, ...],
) -> Folder:
    links = [entry for entry in files.values() if not entry.is_file]
    for inner in folders.values():
        links += inner.links
    links.sort(key=lambda entry: entry.path)
    return Folder(known, files, folders, tuple(links), misnamed)


def _id_of(
    files: Mapping[str, Entry],
    folders: Mapping[str, Folder],
    below: str,
    misnamed: Iterable[Unusable],
) -> str:
    """Return an id for contents that git has none for: the top folder, and folders of a worktree."""
    lines = [f"{name} {entry.mode} {entry.blob}" for name, entry in files.items()]
    lines += [f"{name}/ {folder.id}" for name, folder in folders.items()]
    # A misnamed folder has no id of its own, so its paths count here.
    lines += [f"? {item.path}" for item in misnamed if item.path.startswith(below)]
    text = "\n".join(sorted(lines))
    digest = hashlib.sha1(text.encode(), usedforsecurity=False)
    return digest.hexdigest()


def patched(
    base: Folder,
    changes: Mapping[str, Entry | None],
    misnamed: Mapping[str, Unusable | None],
    ids: Mapping[str, str],
) -> Folder:
    """Return the top folder with `changes` made to it: an entry by path, or None where it is gone.

    `misnamed` are changes of paths that cannot be used. `ids` are the ids of all folders that change, by path.
    """
    touched: dict[str, dict[str, Entry | None]] = {path: {} for path in ids}
    for path, entry in changes.items():
        parent, _, name = path.rpartition("/")
        touched.setdefault(parent, {})[name] = entry
    bad = {item.path: item for item in base.misnamed}
    for path, item in misnamed.items():
        if item is None:
            bad.pop(path, None)
        else:
            bad[path] = item
    inner: dict[str, set[str]] = {}
    for path in touched:
        _note_parents(path, inner)
    kept = tuple(bad[path] for path in sorted(bad))
    made = _patched(base, "", touched, inner, ids, kept)
    return made if made is not None else folder_of((), kept)


def _note_parents(path: str, inner: dict[str, set[str]]) -> None:
    """Note for each folder on the way to `path` which of its folders has changes below."""
    while path:
        parent, _, name = path.rpartition("/")
        names = inner.setdefault(parent, set())
        if name in names:
            return
        names.add(name)
        path = parent


def _patched(
    folder: Folder,
    path: str,
    touched: Mapping[str, Mapping[str, Entry | None]],
    inner: Mapping[str, set[str]],
    ids: Mapping[str, str],
    misnamed: tuple[Unusable, ...],
) -> Folder | None:
    """Return the folder at `path` with the changes below it; None where nothing is left of it."""
    below = f"{path}/" if path else ""
    files = dict(folder.files)
    for name, entry in touched.get(path, {}).items():
        if entry is None:
            files.pop(name, None)
        else:
            files[name] = entry
    folders = dict(folder.folders)
    for name in inner.get(path, ()):
        at = f"{below}{name}"
        made = _patched(folders.get(name, EMPTY), at, touched, inner, ids, misnamed)
        if made is None:
            folders.pop(name, None)
        else:
            folders[name] = made
    # A folder of nothing but misnamed paths has no files, as in `folder_of`.
    if not files and not folders:
        return None
    known = ids.get(path) or _id_of(files, folders, below, misnamed)
    return _folder(known, files, folders, () if path else misnamed)
