"""The files that operators write: which of them are manifests, and where in them a field is."""

from __future__ import annotations

from dataclasses import replace

from reconciler.planning.rules import documents_of, locator
from tests.copies import config_map, from_file
from tests.fleets import policy


def test_files_that_are_no_manifests_are_passed_over() -> None:
    files = {"policies/README.md": b"# Policies: [\n", "policies/a.yaml": policy("a")}
    assert [one.place.file for one in documents_of(files)] == ["policies/a.yaml"]


def test_a_field_is_found_in_the_document_of_its_object() -> None:
    data = b"kind: A\n---\nkind: B\nmetadata: {name: b}\n"
    second = documents_of({"workloads/team/x.yaml": data})[1]
    item = from_file(config_map(), "workloads/team/x.yaml")
    locate = locator(lambda _: data)
    found = locate(replace(item, place=second.place), ("metadata", "name"))
    assert (found.line, found.column) == (4, 18)


def test_a_field_of_an_object_whose_file_cannot_be_read_is_at_the_object() -> None:
    item = from_file(config_map(), "workloads/team/x.yaml")
    assert locator(lambda _: None)(item, ("metadata",)) == item.place
