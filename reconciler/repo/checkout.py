"""A checkout on this machine: its uncommitted files, and letting a worktree follow a published commit.

Uncommitted edits are never lost. Git itself checks for collisions (`read-tree -m -u` refuses before it touches a file),
and it does so before the branch moves, so a collision leaves branch, index and files as they were.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from reconciler.errors import PushRejected, RepoError
from reconciler.repo.address import check_ref, check_sha, is_remote, parse_address
from reconciler.repo.command import GitCommand, last_words
from reconciler.repo.contents import HeldContents
from reconciler.repo.folder import SUBMODULE_MODE, SYMLINK_MODE, Entry, Unusable
from reconciler.repo.push import lost_race, refused
from reconciler.repo.tree import Tree, readable_path

_BEHIND = ("fetch first", "non-fast-forward", "stale info")
"""What `git push` prints of a branch that lacks commits of the upstream."""


@dataclass(frozen=True, slots=True)
class Found:
    """A repository on this machine. `top` is the checkout's top directory, empty for a bare repository.

    `head` is the full name of the branch that HEAD is on, also of one without a commit; empty or `HEAD` when detached.
    """

    git_dir: str
    top: str
    head: str


def find(path: Path) -> Found:
    """Return the repository that the directory `path` is in. Raises `RepoError` where there is none."""
    finder = GitCommand(None, path)
    asked = ("--is-bare-repository", "--absolute-git-dir")
    # One run says all of a checkout with a commit.
    found = finder.run(
        "rev-parse",
        *asked,
        "--symbolic-full-name",
        "HEAD",
        "--show-toplevel",
        check=False,
    )
    lines = found.text.split("\n")
    if not found.status and len(lines) == 4:
        _, git_dir, head, top = lines
        return Found(git_dir, top, head)
    # It is bare, has no commit, or is none; or a name is ambiguous or has a line end in it.
    found = finder.run("rev-parse", *asked, check=False)
    if found.status:
        if "not a git repository" in found.stderr:
            raise RepoError(
                f"{path} is not in a git repository; run `skyray init` or name one with --repo"
            )
        raise finder.failure("rev-parse", found.stderr)
    bare, git_dir = found.text.split("\n", 1)
    top = "" if bare == "true" else finder.run("rev-parse", "--show-toplevel").text
    command = GitCommand(Path(git_dir), Path(top) if top else None)
    head = command.run("symbolic-ref", "--quiet", "HEAD", check=False).text
    return Found(git_dir, top, head)


def follow(
    command: GitCommand, old: str, new: str, move_branch: Callable[[], None]
) -> None:
    """Take index and worktree from `old` to `new`, then call `move_branch`; take them back when that fails.

    Files that differ from `old` and are not touched by the change stay as they are. Raises `RepoError`, with nothing
    changed, when an uncommitted change is in the way. A crash in between leaves SkyRay's change staged.
    """
    command.run("update-index", "-q", "--refresh", check=False)
    result = command.run(
        "read-tree", "-m", "-u", check_sha(old), check_sha(new), check=False
    )
    if result.status:
        remedy = (
            "another git is at work there (or crashed: then remove the lock file)"
            if ".lock" in result.stderr
            else "commit or stash those changes first; nothing was changed"
        )
        raise RepoError(
            f"the checkout {command.work_tree} cannot follow: {last_words(result.stderr)} ({remedy})"
        )
    try:
        move_branch()
    except RepoError:
        command.run("read-tree", "-m", "-u", new, old)
        raise


def worktree(command: GitCommand, revision: str) -> Tree:
    """Return the files as they are in the worktree: tracked or not, ignored ones left out. `revision` names the tree.

    Contents are read now, so the tree stays the same while the files go on changing.
    """
    if command.work_tree is None:
        raise RepoError("a bare repository has no uncommitted files")
    root = command.work_tree
    listing = command.run(
        "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--full-name"
    ).stdout
    real_root = root.resolve()
    linked: dict[Path, bool] = {}
    entries, misnamed, contents = [], [], {}
    for raw_path in dict.fromkeys(listing.split(b"\0")[:-1]):
        path, fault = readable_path(raw_path)
        if fault:
            misnamed.append(Unusable(path, fault))
            continue
        at = root / path
        folder = at.parent
        if folder not in linked:
            linked[folder] = folder.resolve() != real_root / Path(path).parent
        if linked[folder]:
            # Tracked below a directory that is now a link: gone, as far as git is concerned.
            continue
        mode, content = _read_file(at)
        if mode is None:
            continue
        blob = hashlib.sha1(
            b"blob %d\0" % len(content) + content, usedforsecurity=False
        ).hexdigest()
        entries.append(Entry(path, mode, blob))
        contents[path] = content

    return Tree.of(revision, entries, misnamed, HeldContents(contents))


def _read_file(at: Path) -> tuple[str | None, bytes]:
    """Return a worktree file's mode and content without following links; mode None when there is no file."""
    try:
        found = at.lstat()
        if stat.S_ISLNK(found.st_mode):
            return SYMLINK_MODE, os.fsencode(at.readlink())
        if stat.S_ISDIR(found.st_mode):
            return SUBMODULE_MODE, b""
        if not stat.S_ISREG(found.st_mode):
            return None, b""
        return ("100755" if found.st_mode & stat.S_IXUSR else "100644"), at.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None, b""


def upstream(command: GitCommand, branch: str) -> tuple[str, str]:
    """Return the remote and the full name of the branch there that `branch` tracks. Raises `RepoError` without one."""
    fields = "%(upstream:remotename)%00%(upstream:remoteref)"
    printed = command.run(
        "for-each-ref", f"--format={fields}", f"refs/heads/{branch}"
    ).text
    remote, _, target = printed.partition("\0")
    if not remote or not target or remote.startswith("-"):
        raise RepoError(
            f"{branch} tracks no remote branch; set one with: git push -u origin {branch}"
        )
    return remote, target


def push_upstream(
    command: GitCommand,
    branch: str,
    own_refs: Iterable[str],
    *,
    allow_http: bool = False,
) -> None:
    """Push a checkout's branch to the branch it tracks, and `own_refs` beside it, fast-forward only.

    Raises `PushRejected` when the upstream has commits that the checkout lacks.
    """
    remote, target = upstream(command, branch)
    url = command.run("remote", "get-url", "--push", "--", remote).text
    if is_remote(url):
        command = replace(command, address=parse_address(url, allow_http=allow_http))
    moves = [
        f"refs/heads/{branch}:{check_ref(target)}",
        *(f"{check_ref(ref)}:{ref}" for ref in own_refs),
    ]
    flags = ("--porcelain", "--atomic", "--no-verify")
    result = command.run(
        "push", *flags, "--", remote, *moves, check=False, network=True
    )
    if result.status == 0:
        return
    reasons = [line for line in result.text.splitlines() if line.startswith("!\t")]
    for reason in reasons:
        if any(sign in reason for sign in _BEHIND):
            raise PushRejected(f"{lost_race(target)} (pull first)")
    raise refused(
        command,
        "push",
        "\n".join([result.stderr, *(reason.split("\t")[-1] for reason in reasons)]),
    )
