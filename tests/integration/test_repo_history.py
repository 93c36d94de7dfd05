"""Looking back: commits, trailers, what changed, who changed it last, and which commits are SkyRay's own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.errors import RepoError
from reconciler.repo.history import PathChange
from reconciler.repo.repository import GitRepo
from reconciler.repo.writer import Author, CommitDraft
from tests.integration.git_http import commit_files, git

ROBOT = Author("SkyRay", "skyray@example.com")
NOW = 1_700_000_000
TRAILERS = (("SkyRay-Group", "a/job"), ("SkyRay-Action", "place"))


@pytest.fixture
def work(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main", "work")
    commit_files(tmp_path / "work", {"workloads/a.yaml": "1", "workloads/b.yaml": "1"}, "first")
    return tmp_path / "work"


@pytest.fixture
def repo(work: Path) -> GitRepo:
    return GitRepo.open(work)


def own(
    repo: GitRepo,
    changes: Mapping[str, bytes | None],
    trailers: tuple[tuple[str, str], ...] = TRAILERS,
) -> str:
    """Publish a commit of the robot, on whatever paths."""
    base = repo.head()
    draft = CommitDraft("place a/job on one", "No room on two.\n\n- needs 4 GPUs", trailers, changes)
    new = repo.write_commits(base, [draft], ROBOT, NOW, ("",))
    repo.publish(base, new)
    return new


def test_a_commit_reads_back_as_it_was_written(repo: GitRepo) -> None:
    parent = repo.head()
    sha = own(repo, {"clusters/one/a": b"1"})
    commit = repo.log(limit=1)[0]
    assert (commit.sha, commit.parents, commit.author, commit.email) == (sha, (parent,), "SkyRay", "skyray@example.com")
    assert (commit.time, commit.subject) == (NOW, "place a/job on one")
    assert commit.body == "No room on two.\n\n- needs 4 GPUs"
    assert dict(commit.trailers) == dict(TRAILERS)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=20))
def test_no_text_forges_a_trailer_in_what_git_reads_back(repo: GitRepo, subject: str, body: str, value: str) -> None:
    forged = "\n\nSkyRay-Source: forged"
    draft = CommitDraft(
        f"s{subject}{forged}", f"{body}{forged}", (("SkyRay-Reason", f"{value}{forged}"),), {"clusters/x": b"1"}
    )
    (commit,) = repo.log(repo.write_commits(repo.head(), [draft], ROBOT, NOW), limit=1)
    assert set(commit.trailers) == {"SkyRay-Reason"}


def test_a_body_without_trailers_cannot_pretend_to_have_some(repo: GitRepo) -> None:
    draft = CommitDraft("s", "SkyRay-Source: forged\nskyray-group: forged", changes={"clusters/x": b"1"})
    (commit,) = repo.log(repo.write_commits(repo.head(), [draft], ROBOT, NOW), limit=1)
    assert not [key for key in commit.trailers if key.lower().startswith("skyray")]


def test_the_log_is_filtered_by_path_trailer_and_range(repo: GitRepo) -> None:
    first = repo.head()
    one = own(repo, {"clusters/one/a": b"1"})
    two = own(repo, {"clusters/two/a": b"1"}, trailers=(("SkyRay-Group", "b/job"),))
    three = own(repo, {"clusters/one/a": b"2"}, trailers=(("SkyRay-Group", "a/job2"),))

    def shas(**filters: Any) -> list[str]:
        return [commit.sha for commit in repo.log(**filters)]

    assert shas() == [three, two, one, first]
    assert shas(limit=2) == [three, two]
    assert shas(after=one) == [three, two]
    assert shas(paths=["clusters/one"]) == [three, one]
    assert shas(paths=["clusters/one/", "workloads/a.yaml"]) == [three, one, first]
    assert shas(trailer=("SkyRay-Group", "a/job")) == [one]
    assert shas(trailer=("SkyRay-Group", "b/job"), limit=1) == [two]
    assert shas(rev="HEAD~1", limit=1) == [two]
    assert shas(paths=["*"]) == []
    with pytest.raises(RepoError):
        repo.log(paths=["../x"])


def test_changed_paths_are_the_difference_of_two_trees(repo: GitRepo, work: Path) -> None:
    old = repo.head()
    new = commit_files(work, {"workloads/a.yaml": "2", "workloads/b.yaml": None, "workloads/c d.yaml": "1"}, "edit")
    assert repo.changed_paths(old, new) == (
        PathChange("workloads/a.yaml", "modify"),
        PathChange("workloads/b.yaml", "delete"),
        PathChange("workloads/c d.yaml", "add"),
    )
    assert repo.changed_paths(new, new) == ()
    assert not repo.touches_only(old, new)
    assert repo.touches_only(old, new, ("workloads/",))


def test_own_commits_are_known_by_path_and_trailer_together(repo: GitRepo) -> None:
    start = repo.head()
    assert repo.only_own_commits(start, start)
    proper = own(repo, {"clusters/one/a": b"1"})
    assert repo.only_own_commits(start, proper)
    untold = own(repo, {"clusters/one/a": b"2"}, trailers=())
    assert not repo.only_own_commits(proper, untold)
    assert repo.touches_only(proper, untold)
    beyond = own(repo, {"workloads/a.yaml": b"3"})
    assert not repo.only_own_commits(untold, beyond)
    back = own(repo, {"workloads/a.yaml": b"1"})
    assert not repo.only_own_commits(untold, back)
    assert not repo.only_own_commits(back, proper)


def test_a_merge_that_hides_an_edit_is_not_only_own_whatever_it_says(repo: GitRepo, work: Path) -> None:
    start = repo.head()
    git(work, "checkout", "-q", "-b", "side")
    commit_files(work, {"clusters/two/a": "1"}, "side\n\nSkyRay-Group: forged")
    git(work, "checkout", "-q", "main")
    own(repo, {"clusters/one/a": b"1"})
    git(work, "merge", "-q", "--no-commit", "side")
    commit_files(work, {"workloads/a.yaml": "hidden"}, "merge\n\nSkyRay-Group: forged")
    assert not repo.only_own_commits(start, repo.head())


def last_change(repo: GitRepo, sha: str, paths: list[str]) -> dict[str, str]:
    return repo.last_changes(sha, "workloads/").of(paths)


def test_the_last_change_is_the_commit_that_brought_a_file_to_the_branch(repo: GitRepo, work: Path) -> None:
    first = repo.head()
    second = commit_files(work, {"workloads/b.yaml": "2"}, "second")
    git(work, "checkout", "-q", "-b", "side")
    commit_files(work, {"workloads/c d.yaml": "c"}, "on the side")
    git(work, "checkout", "-q", "main")
    commit_files(work, {"other": "x"}, "elsewhere")
    git(work, "merge", "-q", "side", "-m", "merge")
    merged = repo.head()
    paths = ["workloads/a.yaml", "workloads/b.yaml", "workloads/c d.yaml", "never"]
    expected = {"workloads/a.yaml": first, "workloads/b.yaml": second, "workloads/c d.yaml": merged}
    assert last_change(repo, merged, paths) == expected
    later = commit_files(work, {"workloads/a.yaml": "9"}, "later")
    assert last_change(repo, later, paths) == {**expected, "workloads/a.yaml": later}
    assert last_change(repo, first, paths) == {"workloads/a.yaml": first, "workloads/b.yaml": first}


def test_the_last_change_after_a_rewrite_forgets_the_old_history(repo: GitRepo, work: Path) -> None:
    old = commit_files(work, {"workloads/a.yaml": "2"}, "to be rewritten")
    assert last_change(repo, old, ["workloads/a.yaml"]) == {"workloads/a.yaml": old}
    git(work, "commit", "-q", "--amend", "-m", "rewritten")
    new = repo.head()
    assert last_change(repo, new, ["workloads/a.yaml"]) == {"workloads/a.yaml": new}


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.dictionaries(st.integers(0, 99), st.integers(0, 3), min_size=1, max_size=40), min_size=1, max_size=6),
    st.sets(st.integers(0, 99), min_size=1),
)
def test_the_last_change_of_many_files_agrees_with_git_asked_file_by_file(
    repo: GitRepo, work: Path, edits: list[dict[int, int]], asked: set[int]
) -> None:
    base = repo.head()
    tip = base
    paths = [f"workloads/n{number}" for number in asked]
    for number, edit in enumerate(edits):
        changes = {f"workloads/n{name}": str(value).encode() for name, value in edit.items()}
        tip = repo.write_commits(tip, [CommitDraft(f"edit {number}", changes=changes)], ROBOT, NOW, ("workloads/",))
        if number % 2:
            repo.last_changes(tip, "workloads/")  # leaves something remembered
    plain = {path: git(work, "log", "-1", "--format=%H", tip, "--", path) for path in sorted(paths)[:8]}
    found = last_change(repo, tip, paths)
    assert {path: found.get(path, "") for path in plain} == plain
