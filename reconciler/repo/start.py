"""Starting a repository, and committing a person's files in it: what `skyray init` and `skyray demo` do."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from reconciler.repo.address import check_branch
from reconciler.repo.command import GitCommand
from reconciler.repo.writer import Author


def start_repo(directory: Path, branch: str = "main") -> bool:
    """Make `directory` a git repository on `branch`, unless it lies in one; return whether one was made."""
    directory.mkdir(parents=True, exist_ok=True)
    command = GitCommand(None, directory)
    if command.run("rev-parse", "--git-dir", check=False).status == 0:
        return False
    command.run("init", "--quiet", "--template=", f"--initial-branch={check_branch(branch)}")
    return True


def commit_files(directory: Path, paths: Iterable[str], message: str, author: Author) -> None:
    """Commit `paths` of the checkout at `directory`, as `author`. Raises `RepoError`."""
    command = GitCommand(None, directory)
    command.run("add", "--", *paths)
    who = ("-c", f"user.name={author.name}", "-c", f"user.email={author.email}", "-c", "commit.gpgSign=false")
    command.run(*who, "commit", "--quiet", "--message", message)
