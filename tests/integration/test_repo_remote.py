"""A fleet repository behind a real git server, over http, ssh and file."""

import os
import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.errors import PushRejected, RepoError
from reconciler.repo.address import parse_address
from reconciler.repo.cache import CachedClone
from reconciler.repo.command import GitCommand
from reconciler.repo.ownership import SNAPSHOT_REF
from reconciler.repo.publish import Proposal, publish_loop
from reconciler.repo.repository import GitRepo
from reconciler.repo.writer import Author, CommitDraft
from tests.integration.git_http import GitServer, commit_files, contents, git, served_fleet

ROBOT = Author("SkyRay", "skyray@example.com")
NOW = 1_700_000_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    files = {"fleet.yaml": "kind: Fleet", "workloads/a/job.yaml": "kind: RayJob"}
    with served_fleet(tmp_path / "srv", files) as running:
        yield running


@pytest.fixture
def repo(server: GitServer, tmp_path: Path) -> GitRepo:
    return GitRepo.open(server.url("fleet.git"), cache_dir=tmp_path / "cache")


def place(name: str, content: str = "x") -> CommitDraft:
    path = f"clusters/{name}/kustomization.yaml"
    return CommitDraft(
        f"place {name}", "because", (("SkyRay-Group", name), ("SkyRay-Action", "place")), {path: content.encode()}
    )


def robot_push(repo: GitRepo, *drafts: CommitDraft) -> str:
    base = repo.head()
    new = repo.write_commits(base, drafts, ROBOT, NOW)
    repo.publish(base, new)
    return new


def test_a_remote_is_read_without_a_worktree(repo: GitRepo, fleet: Path) -> None:
    tree = repo.tree(repo.head())
    assert repo.branch == "main"
    assert tree.revision == git(fleet, "rev-parse", "main")
    assert tree.paths() == ("fleet.yaml", "workloads/a/job.yaml")
    assert tree.paths("workloads/") == ("workloads/a/job.yaml",)
    assert tree.read(["workloads/a/job.yaml"]) == {"workloads/a/job.yaml": b"kind: RayJob"}
    with pytest.raises(RepoError, match="no such file"):
        tree.read(["workloads/missing"])


def test_one_push_carries_one_commit_per_draft(repo: GitRepo, fleet: Path) -> None:
    new = robot_push(repo, place("one"), place("two"))
    assert git(fleet, "log", "--format=%s", "main").split("\n") == ["place two", "place one", "first"]
    assert git(fleet, "log", "-1", "--format=%an %ae %at %cn %ct", "main") == (
        f"SkyRay skyray@example.com {NOW} SkyRay {NOW}"
    )
    assert repo.head() == new
    assert "refs/skyray" not in git(fleet, "for-each-ref")


def test_a_stale_push_is_rejected_and_writes_over_nothing(repo: GitRepo, person: Path, fleet: Path) -> None:
    base = repo.head()
    mine = repo.write_commits(base, [place("one")], ROBOT, NOW)
    commit_files(person, {"workloads/b/job.yaml": "b"}, "theirs")
    git(person, "push", "-q")
    with pytest.raises(PushRejected, match="main moved"):
        repo.publish(base, mine)
    assert set(contents(fleet)) == {"fleet.yaml", "workloads/a/job.yaml", "workloads/b/job.yaml"}


def test_a_rewound_branch_is_not_pushed_forward_again(repo: GitRepo, person: Path, fleet: Path) -> None:
    commit_files(person, {"workloads/secret.yaml": "oops"}, "to be taken back")
    git(person, "push", "-q")
    repo.fetch()
    base = repo.head()
    mine = repo.write_commits(base, [place("one")], ROBOT, NOW)
    git(person, "push", "-q", "--force", "origin", "HEAD~1:main")
    with pytest.raises(PushRejected):
        repo.publish(base, mine)
    assert "workloads/secret.yaml" not in contents(fleet)


def test_a_stale_push_is_planned_again_by_the_loop(repo: GitRepo, person: Path, fleet: Path) -> None:
    seen: list[tuple[str, ...]] = []

    def plan(base: str) -> Proposal:
        files = repo.tree(base).paths("workloads/")
        seen.append(files)
        if len(seen) == 1:  # a person pushes while the plan is being made
            commit_files(person, {"workloads/b/job.yaml": "b"}, "theirs")
            git(person, "push", "-q")
        return Proposal((place("all", " ".join(files)),), {"abc.json": lambda: b"{}"})

    done = publish_loop(repo, plan, ROBOT, now=lambda: NOW, sleep=lambda _: None)
    assert done.attempts == 2
    assert contents(fleet)["clusters/all/kustomization.yaml"] == "workloads/a/job.yaml workloads/b/job.yaml"
    assert contents(fleet, SNAPSHOT_REF) == {"abc.json": "{}"}


def test_planning_the_same_again_pushes_nothing(repo: GitRepo, fleet: Path) -> None:
    def plan(_: str) -> Proposal:
        return Proposal((place("one"),), {"abc.json": lambda: b"{}"})

    first = publish_loop(repo, plan, ROBOT, now=lambda: NOW)
    again = publish_loop(repo, plan, ROBOT, now=lambda: NOW + 60)
    assert first.changed
    assert not again.changed
    assert git(fleet, "rev-parse", "main") == first.tip


def test_branch_and_snapshots_land_together_or_not_at_all(
    repo: GitRepo, server: GitServer, fleet: Path, tmp_path: Path
) -> None:
    other = GitRepo.open(server.url("fleet.git"), cache_dir=tmp_path / "other")
    theirs = other.write_ref_files(SNAPSHOT_REF, {"theirs.json": b"1"}, "keep", ROBOT, NOW)
    assert theirs is not None
    other.publish(other.head(), other.head(), extra_refs=[theirs])
    base = repo.head()
    mine = repo.write_ref_files(SNAPSHOT_REF, {"mine.json": b"2"}, "keep", ROBOT, NOW)
    assert mine is not None
    new = repo.write_commits(base, [place("one")], ROBOT, NOW)
    with pytest.raises(PushRejected):
        repo.publish(base, new, extra_refs=[mine])
    assert git(fleet, "rev-parse", "main") == base
    repo.fetch()
    again = repo.write_ref_files(SNAPSHOT_REF, {"mine.json": b"2"}, "keep", ROBOT, NOW)
    assert again is not None
    repo.publish(base, new, extra_refs=[again])
    assert git(fleet, "rev-parse", "main") == new
    assert contents(fleet, SNAPSHOT_REF) == {"mine.json": "2", "theirs.json": "1"}
    assert repo.ref(SNAPSHOT_REF) == again.new


def test_history_is_never_rewritten(repo: GitRepo) -> None:
    base = repo.head()
    new = repo.write_commits(base, [place("one")], ROBOT, NOW)
    side = repo.write_commits(base, [place("two")], ROBOT, NOW)
    with pytest.raises(RepoError, match="does not build on"):
        repo.publish(new, side)


@pytest.mark.parametrize("how", ["drop", "cut"])
def test_a_lost_answer_after_the_server_accepted_is_a_success(
    repo: GitRepo, server: GitServer, fleet: Path, how: str
) -> None:
    server.lose_answer = how
    new = robot_push(repo, place("one"))
    assert not server.lose_answer
    assert git(fleet, "rev-parse", "main") == new
    assert repo.head() == new


def test_a_push_that_broke_before_the_server_saw_it_is_an_error_and_works_later(
    repo: GitRepo, server: GitServer, fleet: Path
) -> None:
    base = repo.head()
    server.deaf_to_pushes = True
    with pytest.raises(RepoError) as error:
        robot_push(repo, place("one"))
    assert not isinstance(error.value, PushRejected)
    assert git(fleet, "rev-parse", "main") == base
    server.deaf_to_pushes = False
    assert robot_push(repo, place("one")) == git(fleet, "rev-parse", "main")


def test_a_hook_that_declines_is_a_final_error_with_its_words(repo: GitRepo, fleet: Path) -> None:
    hook = fleet / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'changes need a review' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(RepoError, match="changes need a review") as error:
        robot_push(repo, place("one"))
    assert not isinstance(error.value, PushRejected)


def test_a_held_lock_on_the_server_is_a_race(repo: GitRepo, fleet: Path) -> None:
    (fleet / "refs/heads/main.lock").touch()
    with pytest.raises(PushRejected):
        robot_push(repo, place("one"))


def test_a_wrong_password_is_a_clear_error_without_the_password(tmp_path: Path, server: GitServer) -> None:
    server.login = ("robot", "correct-horse")
    with pytest.raises(RepoError, match="check the credentials") as error:
        GitRepo.open(server.url("fleet.git", "robot:wrong-battery"), cache_dir=tmp_path / "cache")
    assert "wrong-battery" not in str(error.value)
    assert "127.0.0.1" in str(error.value)


def test_missing_credentials_do_not_prompt(tmp_path: Path, server: GitServer) -> None:
    server.login = ("robot", "correct-horse")
    with pytest.raises(RepoError, match="check the credentials"):
        GitRepo.open(server.url("fleet.git"), cache_dir=tmp_path / "cache")


def test_credentials_in_the_address_work_and_are_stored_nowhere(tmp_path: Path, server: GitServer, fleet: Path) -> None:
    server.login = ("robot", "correct-horse")
    repo = GitRepo.open(server.url("fleet.git", "robot:correct-horse"), cache_dir=tmp_path / "cache")
    new = robot_push(repo, place("one"))
    assert git(fleet, "rev-parse", "main") == new
    assert "correct-horse" not in repo.shown
    stored = [at for at in (tmp_path / "cache").rglob("*") if at.is_file() and b"correct-horse" in at.read_bytes()]
    assert stored == []


def test_a_forbidden_push_names_the_remedy(repo: GitRepo, server: GitServer) -> None:
    base = repo.head()
    new = repo.write_commits(base, [place("one")], ROBOT, NOW)
    server.forbidden = True
    with pytest.raises(RepoError, match="grant it access"):
        repo.publish(base, new)


def test_a_repository_or_branch_that_is_not_there_is_an_error(server: GitServer, tmp_path: Path) -> None:
    with pytest.raises(RepoError, match="check the address"):
        GitRepo.open(server.url("nothing.git"), cache_dir=tmp_path / "cache")
    with pytest.raises(RepoError, match="create the branch"):
        GitRepo.open(server.url("fleet.git"), "nowhere", cache_dir=tmp_path / "cache")


def test_a_force_pushed_branch_replaces_the_old_one(repo: GitRepo, person: Path) -> None:
    old = repo.head()
    git(person, "commit", "-q", "--amend", "-m", "rewritten")
    commit_files(person, {"new.yaml": "n"}, "on top")
    git(person, "push", "-q", "--force")
    repo.fetch()
    assert repo.head() == git(person, "rev-parse", "HEAD")
    assert "new.yaml" in repo.tree(repo.head())
    assert not repo.is_ancestor(old, repo.head())
    robot_push(repo, place("one"))


def _clone_dir(tmp_path: Path) -> Path:
    (found,) = (tmp_path / "cache").glob("*.git")
    return found


def _make_writable(top: Path) -> None:
    for at in top.rglob("*"):
        at.chmod(at.stat().st_mode | stat.S_IWUSR)


@pytest.mark.usefixtures("repo")
@pytest.mark.parametrize("damage", ["objects", "empty-objects", "head", "refs", "config", "all"])
def test_a_damaged_copy_is_made_again(server: GitServer, tmp_path: Path, damage: str) -> None:
    clone = _clone_dir(tmp_path)
    _make_writable(clone)
    if damage == "all":
        shutil.rmtree(clone)
    elif damage == "objects":
        shutil.rmtree(clone / "objects")
        (clone / "objects").mkdir()
    elif damage == "empty-objects":
        for at in (clone / "objects").rglob("*"):
            if at.is_file():
                at.write_bytes(b"")
    elif damage == "head":
        (clone / "HEAD").write_bytes(b"")
    elif damage == "config":
        (clone / "config").write_text("[core\nbare = what")
    else:
        (clone / "refs/heads/main").write_text("\0" * 41)
    again = GitRepo.open(server.url("fleet.git"), cache_dir=tmp_path / "cache")
    assert again.tree(again.head()).read(["fleet.yaml"]) == {"fleet.yaml": b"kind: Fleet"}


def test_damage_found_while_reading_is_an_error_and_heals_at_the_next_fetch(tmp_path: Path, repo: GitRepo) -> None:
    tree = repo.tree(repo.head())
    blob = tree.entries["fleet.yaml"].blob
    stored = _clone_dir(tmp_path) / "objects" / blob[:2] / blob[2:]
    stored.chmod(0o644)
    stored.unlink()
    with pytest.raises(RepoError, match="missing"):
        tree.read(["fleet.yaml"])
    repo.fetch()
    assert repo.tree(repo.head()).read(["fleet.yaml"]) == {"fleet.yaml": b"kind: Fleet"}


def test_a_lock_file_left_by_a_crash_long_ago_is_cleared_and_a_fresh_one_is_not(
    tmp_path: Path, repo: GitRepo, person: Path
) -> None:
    clone = _clone_dir(tmp_path)
    commit_files(person, {"new.yaml": "n"}, "theirs")
    git(person, "push", "-q")
    left = clone / "refs/heads/main.lock"
    left.touch()
    with pytest.raises(RepoError, match="lock"):
        repo.fetch()
    assert left.exists()
    os.utime(left, (1, 1))
    repo.fetch()
    assert "new.yaml" in repo.tree(repo.head())


def test_writers_that_share_one_copy_wait_for_each_other(server: GitServer, tmp_path: Path, fleet: Path) -> None:
    handles = [GitRepo.open(server.url("fleet.git"), cache_dir=tmp_path / "cache") for _ in range(3)]
    faults: list[RepoError] = []

    def write(number: int) -> None:
        def plan(_: str) -> Proposal:
            return Proposal((place(f"c{number}"),))

        try:
            publish_loop(handles[number], plan, ROBOT, sleep=lambda _: None)
        except RepoError as error:
            faults.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert {f"clusters/c{number}/kustomization.yaml" for number in range(3)} <= set(contents(fleet))


def test_a_file_address_works_like_any_remote(tmp_path: Path, fleet: Path) -> None:
    repo = GitRepo.open(f"file://{fleet}", cache_dir=tmp_path / "cache")
    new = robot_push(repo, place("one"))
    assert git(fleet, "rev-parse", "main") == new


@pytest.mark.parametrize("form", ["ssh://git@fleet.example.com{path}", "git@fleet.example.com:{path}"])
def test_ssh_addresses_work(tmp_path: Path, fleet: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    fake = tmp_path / "ssh"
    fake.write_text(
        '#!/bin/sh\nfor last; do :; done\necho "$@" >> ' + str(tmp_path / "ssh.log") + '\nexec sh -c "$last"\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(fake))
    repo = GitRepo.open(form.format(path=fleet), cache_dir=tmp_path / "cache")
    new = robot_push(repo, place("one"))
    assert git(fleet, "rev-parse", "main") == new
    assert "git@fleet.example.com git-receive-pack" in (tmp_path / "ssh.log").read_text()


def test_a_remote_that_hangs_is_given_up_and_its_helper_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "ssh"
    fake.write_text(f"#!/bin/sh\necho $$ > {tmp_path / 'pid'}\nexec sleep 600\n")
    fake.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(fake))
    with pytest.raises(RepoError, match=r"took longer than 0\.5 s"):
        GitRepo.open("git@fleet.example.com:fleet.git", cache_dir=tmp_path / "cache", network_seconds=0.5)
    helper = (tmp_path / "pid").read_text().strip()
    # It is gone once the kernel has got round to its signal, which may be a moment later on a busy machine.
    give_up = time.monotonic() + 30
    while state_of(helper) not in {"", "Z"}:
        assert time.monotonic() < give_up, "the helper runs on"


def state_of(process: str) -> str:
    """The first letter of a process's state; empty when there is none."""
    command = [shutil.which("ps") or "ps", "-o", "stat=", "-p", process]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return said.strip()[:1]


def test_the_remote_may_not_choose_another_transport(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = tmp_path / "ran"
    config = tmp_path / "gitconfig"
    config.write_text(f'[url "ext::touch {marker} "]\n\tinsteadOf = "file:///elsewhere"\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "ext:file")
    with pytest.raises(RepoError):
        GitRepo.open("file:///elsewhere/x", cache_dir=tmp_path / "cache")
    assert not marker.exists()


def test_inherited_git_variables_and_hooks_do_not_steer_git(
    tmp_path: Path, fleet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("reference-transaction", "pre-push", "post-checkout"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path / 'hook-ran'}\n")
        (hooks / name).chmod(0o755)
    config = tmp_path / "gitconfig"
    config.write_text(f"[core]\n\thooksPath = {hooks}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"):
        monkeypatch.setenv(name, str(tmp_path / "nonsense"))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.hooksPath'='nonsense'")
    local = GitRepo.open(fleet)
    robot_push(local, place("one"))
    assert local.tree(local.head()).paths("clusters/") == ("clusters/one/kustomization.yaml",)
    assert not (tmp_path / "hook-ran").exists()


def test_the_password_is_in_no_argument(tmp_path: Path, server: GitServer) -> None:
    server.login = ("robot", "correct-horse")
    log = tmp_path / "argv"
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    real = shutil.which("git")
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec {real} "$@"\n')
    wrapper.chmod(0o755)
    script = (
        "import sys, pathlib; from reconciler.repo.repository import GitRepo;"
        "print(GitRepo.open(sys.stdin.read(), cache_dir=pathlib.Path(sys.argv[1])).head())"
    )
    subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "cache")],
        input=server.url("fleet.git", "robot:correct-horse"),
        env={**os.environ, "PATH": f"{wrapper.parent}:{os.environ['PATH']}"},
        text=True,
        check=True,
    )
    assert "fetch" in log.read_text()
    assert "correct-horse" not in log.read_text()


def test_a_failing_git_tells_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(RepoError, match=r"git rev-parse failed in .*: fatal"):
        GitCommand(None, tmp_path).run("rev-parse", "--git-dir")


def test_whatever_git_says_is_redacted(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "fleet.git")
    address = parse_address("https://robot:correct-horse@git.example.com/fleet")
    with pytest.raises(RepoError, match="unknown revision") as error:
        GitCommand(tmp_path / "fleet.git", address=address).run("log", "correct-horse")
    assert "correct-horse" not in str(error.value)


def test_the_copy_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    address = parse_address("file:///srv/fleet.git")
    first, second = (CachedClone(address, tmp_path, network_seconds=0.05) for _ in range(2))
    with first.locked(), pytest.raises(RepoError, match="another process has held"), second.locked():
        pytest.fail("both hold it")
    with second.locked():
        assert second.path == first.path
