"""A fleet repository on this machine: bare, or a checkout that somebody works in."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from reconciler.errors import PushRejected, RepoError
from reconciler.repo.ownership import SNAPSHOT_REF
from reconciler.repo.publish import Proposal, publish_loop
from reconciler.repo.repository import GitRepo
from reconciler.repo.writer import TEMPORARY_REFS, Author, CommitDraft
from tests.integration.git_http import commit_files, contents, git, make_bare, served_fleet

ROBOT = Author("SkyRay", "skyray@example.com")
NOW = 1_700_000_000
OWN = "clusters/one/kustomization.yaml"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    work = tmp_path / "fleet"
    git(tmp_path, "init", "-q", "-b", "main", str(work))
    commit_files(work, {"fleet.yaml": "kind: Fleet", OWN: "old", "workloads/a/job.yaml": "a"}, "first")
    return work


def publish(repo: GitRepo, changes: Mapping[str, bytes | None]) -> str:
    base = repo.head()
    new = repo.write_commits(base, [CommitDraft("place", changes=changes)], ROBOT, NOW)
    repo.publish(base, new)
    return new


def status(work: Path) -> str:
    return git(work, "status", "--porcelain")


def test_a_clean_worktree_follows(checkout: Path) -> None:
    repo = GitRepo.open(checkout)
    new = publish(repo, {OWN: b"new", "clusters/two/a.yaml": b"2", "placements/x.yaml": b"p"})
    assert git(checkout, "rev-parse", "HEAD") == new
    assert status(checkout) == ""
    assert (checkout / OWN).read_text() == "new"
    publish(repo, {"clusters/two/a.yaml": None})
    assert status(checkout) == ""
    assert not (checkout / "clusters/two").exists()


def test_a_checkout_is_found_from_a_directory_inside_it(checkout: Path) -> None:
    repo = GitRepo.open(checkout / "workloads" / "a")
    assert repo.work_tree == checkout
    publish(repo, {OWN: b"new"})
    assert status(checkout) == ""


def test_uncommitted_work_on_other_files_is_left_alone(checkout: Path) -> None:
    (checkout / "workloads/a/job.yaml").write_text("edited")
    (checkout / "workloads/a/new.yaml").write_text("new")
    (checkout / "fleet.yaml").write_text("staged")
    git(checkout, "add", "fleet.yaml")
    before = status(checkout)
    publish(GitRepo.open(checkout), {OWN: b"new"})
    assert status(checkout) == before
    assert (checkout / "workloads/a/job.yaml").read_text() == "edited"
    assert (checkout / OWN).read_text() == "new"


@pytest.mark.parametrize("staged", [False, True])
def test_an_uncommitted_change_in_the_way_is_never_lost_and_nothing_moves(checkout: Path, staged: bool) -> None:
    (checkout / OWN).write_text("precious")
    if staged:
        git(checkout, "add", OWN)
    head, before = git(checkout, "rev-parse", "HEAD"), status(checkout)
    with pytest.raises(RepoError, match=f"{OWN}.*commit or stash") as error:
        publish(GitRepo.open(checkout), {OWN: b"new", "clusters/two/a.yaml": b"2"})
    assert not isinstance(error.value, PushRejected)
    assert (checkout / OWN).read_text() == "precious"
    assert git(checkout, "rev-parse", "HEAD") == head
    assert status(checkout) == before


def test_an_untracked_file_in_the_way_is_never_lost(checkout: Path) -> None:
    (checkout / "clusters/two").mkdir()
    (checkout / "clusters/two/a.yaml").write_text("precious")
    with pytest.raises(RepoError, match=r"clusters/two/a\.yaml"):
        publish(GitRepo.open(checkout), {"clusters/two/a.yaml": b"2"})
    assert (checkout / "clusters/two/a.yaml").read_text() == "precious"


def test_a_lock_left_in_the_index_is_reported_and_left(checkout: Path) -> None:
    lock = checkout / ".git/index.lock"
    lock.touch()
    head = git(checkout, "rev-parse", "HEAD")
    with pytest.raises(RepoError, match="another git is at work"):
        publish(GitRepo.open(checkout), {OWN: b"new"})
    assert lock.exists()
    assert git(checkout, "rev-parse", "HEAD") == head


def test_a_commit_made_meanwhile_wins_and_the_worktree_stays_with_it(checkout: Path) -> None:
    repo = GitRepo.open(checkout)
    base = repo.head()
    new = repo.write_commits(base, [CommitDraft("place", changes={OWN: b"new"})], ROBOT, NOW)
    theirs = commit_files(checkout, {"workloads/b.yaml": "b"}, "theirs")
    with pytest.raises(PushRejected):
        repo.publish(base, new)
    assert git(checkout, "rev-parse", "HEAD") == theirs
    assert status(checkout) == ""
    assert (checkout / "workloads/b.yaml").read_text() == "b"


def test_another_branch_than_the_checked_out_one_moves_without_the_worktree(checkout: Path) -> None:
    git(checkout, "branch", "rendered")
    repo = GitRepo.open(checkout, "rendered")
    new = publish(repo, {OWN: b"new"})
    assert git(checkout, "rev-parse", "rendered") == new
    assert (checkout / OWN).read_text() == "old"
    assert status(checkout) == ""


def test_a_linked_worktree_follows_too(checkout: Path, tmp_path: Path) -> None:
    git(checkout, "worktree", "add", "-q", "-b", "side", str(tmp_path / "linked"))
    new = publish(GitRepo.open(tmp_path / "linked"), {OWN: b"new"})
    assert git(tmp_path / "linked", "rev-parse", "HEAD") == new
    assert status(tmp_path / "linked") == ""
    assert git(checkout, "rev-parse", "main") != new


def test_a_detached_head_can_be_read_but_not_published_to(checkout: Path) -> None:
    git(checkout, "checkout", "-q", "--detach")
    repo = GitRepo.open(checkout)
    assert OWN in repo.tree(repo.head())
    with pytest.raises(RepoError, match="on no branch"):
        publish(repo, {OWN: b"new"})


def test_a_repository_without_commits_says_so(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main", "empty")
    with pytest.raises(RepoError, match="no branch 'main' with a commit"):
        GitRepo.open(tmp_path / "empty").head()


def test_a_directory_without_a_repository_says_so(tmp_path: Path) -> None:
    with pytest.raises(RepoError, match="not in a git repository"):
        GitRepo.open(tmp_path)
    with pytest.raises(RepoError, match="not a directory"):
        GitRepo.open(tmp_path / "missing")


def test_a_bare_repository_is_a_compare_and_swap_too(tmp_path: Path) -> None:
    make_bare(tmp_path / "fleet.git")
    repo = GitRepo.open(tmp_path / "fleet.git", "main")
    base = repo.head()
    mine = repo.write_commits(base, [CommitDraft("mine", changes={OWN: b"1"})], ROBOT, NOW)
    theirs = repo.write_commits(base, [CommitDraft("theirs", changes={OWN: b"2"})], ROBOT, NOW)
    kept = repo.write_ref_files(SNAPSHOT_REF, {"a.json": b"1"}, "keep", ROBOT, NOW)
    assert kept is not None
    repo.publish(base, theirs)
    with pytest.raises(PushRejected):
        repo.publish(base, mine, extra_refs=[kept])
    assert repo.head() == theirs
    assert repo.ref(SNAPSHOT_REF) is None
    repo.publish(theirs, theirs, extra_refs=[kept])
    assert contents(tmp_path / "fleet.git", SNAPSHOT_REF) == {"a.json": "1"}
    with pytest.raises(PushRejected):
        repo.publish(theirs, theirs, extra_refs=[kept])


def test_a_branch_locked_by_another_git_is_a_race(tmp_path: Path) -> None:
    make_bare(tmp_path / "fleet.git")
    (tmp_path / "fleet.git/refs/heads/main.lock").touch()
    with pytest.raises(PushRejected, match="could not be moved"):
        publish(GitRepo.open(tmp_path / "fleet.git"), {OWN: b"1"})


def test_what_a_crashed_writer_left_is_swept_and_a_finished_one_leaves_nothing(checkout: Path) -> None:
    git(checkout, "update-ref", f"{TEMPORARY_REFS}left", "HEAD")
    repo = GitRepo.open(checkout)
    repo.write_commits(repo.head(), [CommitDraft("place", changes={OWN: b"new"})], ROBOT, NOW)
    assert git(checkout, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_the_worktree_shows_uncommitted_files_and_no_ignored_ones(checkout: Path) -> None:
    (checkout / ".gitignore").write_text("*.log\n")
    (checkout / "x.log").write_text("noise")
    (checkout / "workloads/a/new.yaml").write_text("new")
    (checkout / "workloads/a/job.yaml").write_text("edited")
    (checkout / "fleet.yaml").unlink()
    (checkout / "workloads/link.yaml").symlink_to("/etc/passwd")
    (checkout / "workloads/dir").symlink_to("/etc")
    repo = GitRepo.open(checkout)
    tree = repo.worktree()
    assert tree.revision == repo.head()
    assert tree.paths() == (".gitignore", OWN, "workloads/a/job.yaml", "workloads/a/new.yaml")
    assert tree.read(["workloads/a/job.yaml"]) == {"workloads/a/job.yaml": b"edited"}
    assert {(item.path, item.reason) for item in tree.unusable()} == {
        ("workloads/link.yaml", "is a symbolic link"),
        ("workloads/dir", "is a symbolic link"),
    }
    committed = repo.tree(repo.head())
    assert tree.entries[OWN] == committed.entries[OWN]


def test_a_tracked_file_below_a_directory_that_became_a_link_is_not_read_through_it(
    checkout: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/job.yaml").write_text("secret")
    (checkout / "workloads/a/job.yaml").unlink()
    (checkout / "workloads/a").rmdir()
    (checkout / "workloads/a").symlink_to(tmp_path / "elsewhere")
    assert "workloads/a/job.yaml" not in GitRepo.open(checkout).worktree()


def test_a_checkout_is_pushed_to_where_it_came_from(tmp_path: Path) -> None:
    with served_fleet(tmp_path / "srv") as server:
        git(tmp_path, "clone", "-q", server.url("fleet.git"), "work")
        git(tmp_path, "clone", "-q", server.url("fleet.git"), "person")
        repo = GitRepo.open(tmp_path / "work")

        def plan(_: str) -> Proposal:
            return Proposal((CommitDraft("place", changes={OWN: b"1"}),), {"a.json": lambda: b"1"})

        done = publish_loop(repo, plan, ROBOT, now=lambda: NOW)
        repo.push_upstream([SNAPSHOT_REF])
        assert git(tmp_path / "srv/fleet.git", "rev-parse", "main") == done.tip
        assert contents(tmp_path / "srv/fleet.git", SNAPSHOT_REF) == {"a.json": "1"}

        publish(repo, {OWN: b"2"})
        git(tmp_path / "person", "pull", "-q")
        theirs = commit_files(tmp_path / "person", {"workloads/b.yaml": "b"}, "theirs")
        git(tmp_path / "person", "push", "-q")
        with pytest.raises(PushRejected, match="pull first"):
            repo.push_upstream()
        assert git(tmp_path / "srv/fleet.git", "rev-parse", "main") == theirs


def test_a_branch_without_an_upstream_cannot_be_pushed(checkout: Path) -> None:
    with pytest.raises(RepoError, match="git push -u"):
        GitRepo.open(checkout).push_upstream()


def test_an_upstream_with_a_hostile_address_is_refused(checkout: Path, tmp_path: Path) -> None:
    git(checkout, "remote", "add", "origin", f"ext::touch {tmp_path / 'ran'}")
    git(checkout, "config", "branch.main.remote", "origin")
    git(checkout, "config", "branch.main.merge", "refs/heads/main")
    git(checkout, "config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")
    git(checkout, "update-ref", "refs/remotes/origin/main", "HEAD")
    with pytest.raises(RepoError, match="remote helpers"):
        GitRepo.open(checkout).push_upstream()
    assert not (tmp_path / "ran").exists()
