"""Floors: the least that any program would have to do for the same result, with plain git, in the same minute."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.synthetic import git, read_all, stream

READ_ALL = "git ls-tree, cat-file of all files"
REPLAY = "git fast-import of the same commits"
COMMIT = "git fast-import of the same files, push"


@dataclass(slots=True)
class Replay:
    """Writes commits that a side made once more, into copies of the repository that they were made on."""

    base: Path
    commits: bytes
    folder: Path
    _runs: int = 0

    def measure(self, *, push: bool) -> float:
        """Return the seconds of `git fast-import`, and of a push to a bare repository on this disk."""
        self._runs += 1
        folder = self.folder / f"replay-{self._runs}"
        clone = folder / "clone.git"
        shutil.copytree(self.base, clone)
        if push:
            shutil.copytree(self.base, folder / "remote.git")
        started = time.perf_counter()
        git(clone, "fast-import", "--quiet", stdin=self.commits)
        if push:
            git(clone, "push", "--quiet", f"file://{folder}/remote.git", "main")
        seconds = time.perf_counter() - started
        shutil.rmtree(folder)
        return seconds


def commits_since(repo: Path, base: str) -> bytes:
    """Return the commits of the branch main after `base`, as `git fast-import` reads them."""
    return git(
        repo,
        "fast-export",
        "--reference-excluded-parents",
        f"{base}..main",
    )


def tip(repo: Path) -> str:
    """Return the commit id of the branch main."""
    return git(repo, "rev-parse", "main").decode().strip()


def reading(repo: Path) -> float:
    """Return the seconds in which plain git lists and reads all files of the branch main."""
    started = time.perf_counter()
    read_all(repo)
    return time.perf_counter() - started


@dataclass(frozen=True, slots=True)
class PlainGit:
    """A clone and its remote, in which plain git commits and pushes what a side has written."""

    clone: Path
    remote: Path

    @classmethod
    def of(cls, repo: Path, folder: Path) -> PlainGit:
        """Make both as copies of a bare repository."""
        shutil.copytree(repo, folder / "clone.git")
        shutil.copytree(repo, folder / "remote.git")
        return cls(folder / "clone.git", folder / "remote.git")

    def commit(self, files: Mapping[str, bytes]) -> float:
        """Return the seconds of one commit of `files` and its push."""
        commit = stream(files, parent="refs/heads/main^0")
        started = time.perf_counter()
        git(self.clone, "fast-import", "--quiet", stdin=commit)
        git(self.clone, "push", "--quiet", f"file://{self.remote}", "main")
        return time.perf_counter() - started


def changed_files(repo: Path, base: str) -> dict[str, bytes]:
    """Return the files that the branch main has added or changed since `base`."""
    listed = git(
        repo,
        "diff",
        "--name-only",
        "-z",
        "--no-renames",
        "--diff-filter=AM",
        base,
        "main",
    )
    paths = [path.decode() for path in listed.split(b"\0") if path]
    return {path: git(repo, "show", f"main:{path}") for path in paths}
