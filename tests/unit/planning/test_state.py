"""Reading the repo's state: what cannot be used is an error with its place, never an empty folder."""

from __future__ import annotations

import pytest

from reconciler.errors import InvalidObject
from reconciler.planning.files import Files
from reconciler.planning.namespaces import Sources
from reconciler.planning.state import read_state
from reconciler.planning.workload_folders import check_workloads


def test_a_folder_with_something_unusable_is_an_error_that_names_it() -> None:
    files = Files({"policies/a.yaml": b"a"}, {"policies/link.yaml": "it is a symbolic link"})
    with pytest.raises(InvalidObject, match=r"policies/link\.yaml: it is a symbolic link: put an ordinary file"):
        files.below("policies")
    with pytest.raises(InvalidObject, match="it is a submodule"):
        Files({}, {"policies": "it is a submodule"}).below("policies")


def test_what_is_unusable_elsewhere_does_not_matter() -> None:
    files = Files({"policies/a.yaml": b"a", "inventory/b.yaml": b"b"}, {"docs/link.md": "it is a symbolic link"})
    assert files.below("policies") == {"policies/a.yaml": b"a"}


def test_a_repo_without_settings_is_an_error_with_the_remedy() -> None:
    with pytest.raises(InvalidObject, match="is missing: `skyray init` makes one"):
        read_state("0" * 40, Files({}), Sources(lambda _: {}))


def test_workloads_that_are_no_folder_are_not_the_same_as_no_workloads() -> None:
    check_workloads(Files({}))
    with pytest.raises(InvalidObject, match="it is a submodule"):
        check_workloads(Files({}, {"workloads": "it is a submodule"}))
