"""Starts a repository and commits a user's files in it, for `skyray init` and `skyray demo`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from reconciler.errors import RepoError
from reconciler.repo.address import check_branch
from reconciler.repo.command import GitCommand
from reconciler.repo.writer import Author


def enclosing_checkout(directory: Path) -> Path | None:
    """Return the top of the checkout that `directory` lies in (or would, when it is made), or None.

    Raises `RepoError` inside a bare repository, which has no files of users.
    """
    there = directory.absolute()
    while not there.is_dir():
        there = there.parent
    found = GitCommand(None, there).run(
        "rev-parse", "--is-inside-work-tree", "--show-toplevel", check=False
    )
    if found.text.startswith("false"):
        raise RepoError(
            f"{directory} is in a bare repository: clone it, and use the clone"
        )
    if found.status:
        return None
    _, top = found.text.split("\n", 1)
    return Path(top)


def start_repo(directory: Path, branch: str = "main") -> bool:
    """Make `directory` the top of a git repository on `branch`, unless it is already; return whether it was made.

    A checkout further up does not count: what is committed here must not land there.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if enclosing_checkout(directory) == directory.resolve():
        return False
    GitCommand(None, directory).run(
        "init", "--quiet", "--template=", f"--initial-branch={check_branch(branch)}"
    )
    return True


def commit_files(
    directory: Path, paths: Iterable[str], message: str, author: Author
) -> None:
    """Commit `paths` of the checkout at `directory`, as `author`. Raises `RepoError`."""
    command = GitCommand(None, directory)
    command.run("add", "--", *paths)
    who = (
        "-c",
        f"user.name={author.name}",
        "-c",
        f"user.email={author.email}",
        "-c",
        "commit.gpgSign=false",
    )
    command.run(*who, "commit", "--quiet", "--message", message)
