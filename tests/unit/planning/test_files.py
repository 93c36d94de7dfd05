"""The files that a plan reads: what can be read, what cannot, and the folders of two revisions together."""

from __future__ import annotations

from reconciler.planning.files import Files, blob_id
from reconciler.repo.folder import Entry, folder_of
from tests.reading import NotedContents


def with_link(contents: dict[str, bytes], link: str) -> tuple[Files, list[str]]:
    """Files with a link among them, and the paths that are read of them, as they are read."""
    entries = [Entry(path, "100644", blob_id(data)) for path, data in contents.items()]
    entries.append(Entry(link, "120000", blob_id(b"elsewhere")))
    read: list[str] = []

    noted = NotedContents(contents, read.extend)
    return Files.lazy(folder_of(entries), {link: "is a symbolic link"}, noted), read


def test_links_are_listed_and_never_read() -> None:
    files, read = with_link({"a/x": b"1", "a/y": b"2"}, "a/link")
    assert sorted(files.folder("a").files) == ["link", "x", "y"]
    assert files.read(files.folder("a")) == {"a/x": b"1", "a/y": b"2"}
    assert files.get("a/link") is None
    assert read == ["a/x", "a/y"]


def test_nothing_is_fetched_where_nothing_can_be_read() -> None:
    files, read = with_link({"a/x": b"1"}, "b/link")
    assert files.below("c") == {}
    assert files.read(files.folder("b")) == {}
    assert files.get("a/other") is None
    assert read == []


def test_a_folder_with_the_same_files_has_the_same_id_wherever_it_is() -> None:
    one, other = Files({"a/x": b"1", "b/x": b"1"}), Files({"a/x": b"1", "b/x": b"2"})
    assert one.folder("a").id == other.folder("a").id == one.folder("b").id
    assert one.folder("b").id != other.folder("b").id


def test_one_folder_of_another_revision_takes_the_place_of_the_own_one() -> None:
    settled = Files({"policies/p": b"1", "workloads/a/x": b"old", "workloads/b/x": b"gone"}, {"workloads/l": "link"})
    proposed = Files({"policies/p": b"2", "workloads/a/x": b"new"}, {"workloads/m": "link", "policies/n": "link"})
    merged = settled.with_folder("workloads", proposed)
    assert merged.contents == {"policies/p": b"1", "workloads/a/x": b"new"}
    assert merged.unusable == {"workloads/m": "link"}


def test_a_folder_that_the_other_revision_does_not_have_is_gone() -> None:
    settled = Files({"policies/p": b"1", "workloads/a/x": b"old"})
    assert settled.with_folder("workloads", Files({})).contents == {"policies/p": b"1"}
    assert Files({}).with_folder("workloads", settled).contents == {"workloads/a/x": b"old"}


def test_a_file_in_the_place_of_the_folder_is_not_taken_over() -> None:
    settled = Files({"workloads": b"a file", "policies/p": b"1"})
    assert settled.with_folder("workloads", Files({"workloads/a/x": b"2"})).contents == {
        "policies/p": b"1",
        "workloads/a/x": b"2",
    }


def test_files_without_one_keep_the_others() -> None:
    files = Files({"a/x": b"1", "a/y": b"2"}, {"b": "link"}).without("a/x")
    assert (files.contents, files.unusable) == ({"a/y": b"2"}, {"b": "link"})
