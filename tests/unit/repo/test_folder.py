"""Folders made of those of the last revision and of what changed since are those that a whole reading gives."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from reconciler.repo.folder import Entry, Folder, Unusable, folder_of, patched

NAMES = st.sampled_from(["a", "b", "bad", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
KINDS = st.sampled_from(["100644 one", "100644 two", "100755 one", "120000 one", "160000 one"])


@st.composite
def revisions(draw: st.DrawFn) -> dict[str, str]:
    """Mode and blob by path; no path is both a file and a folder."""
    found: dict[str, str] = {}
    for path, kind in draw(st.dictionaries(PATHS, KINDS, max_size=7)).items():
        if not any(_is_within(path, other) or _is_within(other, path) for other in found):
            found[path] = kind
    return found


def _is_within(path: str, folder: str) -> bool:
    return path.startswith(f"{folder}/")


def tree_ids(files: Mapping[str, str]) -> dict[str, str]:
    """An id for each folder below the top one that stands for all that is in it, as git has them."""
    lines: dict[str, list[str]] = {}
    for path in sorted(files):
        parts = path.split("/")
        for depth in range(1, len(parts)):
            inside = "/".join(parts[depth:])
            lines.setdefault("/".join(parts[:depth]), []).append(f"{inside} {files[path]}")
    return {path: hashlib.sha1("\n".join(lines[path]).encode()).hexdigest() for path in lines}  # noqa: S324


def entry_of(path: str, kind: str) -> Entry:
    mode, _, blob = kind.partition(" ")
    return Entry(path, mode, blob)


def is_bad(path: str) -> bool:
    return "bad" in path.split("/")


def read_whole(files: Mapping[str, str]) -> Folder:
    entries = [entry_of(path, files[path]) for path in files if not is_bad(path)]
    misnamed = [Unusable(path, "bad") for path in files if is_bad(path)]
    return folder_of(entries, misnamed, tree_ids(files))


def read_on(base: Folder, before: Mapping[str, str], after: Mapping[str, str]) -> Folder:
    """Return what is made of `base` and of the differences that git would tell."""
    changes: dict[str, Entry | None] = {}
    misnamed: dict[str, Unusable | None] = {}
    for path in before.keys() | after.keys():
        if before.get(path) == after.get(path):
            continue
        kind = after.get(path)
        if is_bad(path):
            misnamed[path] = None if kind is None else Unusable(path, "bad")
        else:
            changes[path] = None if kind is None else entry_of(path, kind)
    old, new = tree_ids(before), tree_ids(after)
    ids = {path: new[path] for path in new if old.get(path) != new[path]}
    return patched(base, changes, misnamed, ids)


def as_data(folder: Folder) -> tuple[object, ...]:
    inner = {name: as_data(folder.folders[name]) for name in folder.folders}
    return folder.id, dict(folder.files), inner, folder.links, folder.misnamed


@given(st.lists(revisions(), min_size=2, max_size=4))
def test_what_is_read_step_by_step_is_what_is_read_at_once(history: list[dict[str, str]]) -> None:
    folder = read_whole(history[0])
    for before, after in pairwise(history):
        folder = read_on(folder, before, after)
        assert as_data(folder) == as_data(read_whole(after))


def test_a_folder_with_nothing_but_a_misnamed_file_is_no_folder() -> None:
    before, after = {"a/b": "100644 one", "a/bad": "100644 one"}, {"a/bad": "100644 one"}
    left = read_on(read_whole(before), before, after)
    assert left.folders == {}
    assert [item.path for item in left.misnamed] == ["a/bad"]
    gone = read_on(left, after, {})
    assert (gone.folders, gone.misnamed) == ({}, ())


def test_folders_that_did_not_change_are_taken_over() -> None:
    before = {"a/x": "100644 one", "b/x": "100644 one"}
    after = {**before, "b/x": "100644 two"}
    base = read_whole(before)
    following = read_on(base, before, after)
    assert following.folders["a"] is base.folders["a"]
    assert following.folders["b"] is not base.folders["b"]


def test_a_file_in_the_place_of_a_folder_leaves_nothing_of_it() -> None:
    before, after = {"a/b/x": "100644 one", "a/b/y": "120000 one"}, {"a/b": "100644 one"}
    following = read_on(read_whole(before), before, after)
    assert following.folder("a/b") is None
    assert following.entry("a/b") == Entry("a/b", "100644", "one")
    assert following.links == ()
