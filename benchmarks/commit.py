"""Committing and pushing four files of 10,000: SkyRay without a worktree, beside git in one, and beside bare plumbing.

Every contender has a remote of its own, a bare repository on this disk.
"""

from __future__ import annotations

import tempfile
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks.measuring import Table, race, show
from benchmarks.synthetic import NOW, git, stream
from reconciler.repo.repository import GitRepo
from reconciler.repo.writer import Author, CommitDraft

FILES, CHANGED, COMMITS = 10_000, 4, 20
AUTHOR = Author("SkyRay", "skyray@example.com")


def main() -> list[Table]:
    content = {
        f"clusters/c-{n % 200}/ns/g-{n}/rayjob.yaml": b"kind: RayJob\nnumber: %d\n" % n
        for n in range(FILES)
    }
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        remotes = {
            name: _remote(root / f"{name}.git", content)
            for name in ("ours", "worktree", "plumbing")
        }
        ours = _Ours(
            GitRepo.open(f"file://{remotes['ours']}", cache_dir=root / "cache")
        )
        worktree = _Worktree(root / "checkout", remotes["worktree"])
        plumbing = _Plumbing(root / "bare.git", remotes["plumbing"])
        rows = [
            race(
                what,
                partial(ours.go, commits),
                f"{name}, push",
                partial(other.go, commits),
                runs=5,
            )
            for what, commits in (
                ("a commit, pushed", 1),
                (f"{COMMITS} commits, one push", COMMITS),
            )
            for name, other in (
                ("git add, commit in a worktree", worktree),
                ("git fast-import", plumbing),
            )
        ]
    return [show(f"commit: {CHANGED} files of {FILES:,} in a commit", rows)]


def _remote(path: Path, content: dict[str, bytes]) -> Path:
    path.mkdir()
    git(path, "init", "--quiet", "--bare", "--initial-branch=main", ".")
    git(path, "fast-import", "--quiet", stdin=stream(content))
    return path


class _Changes:
    """Changes that nobody has made before."""

    def __init__(self) -> None:
        self._numbers = count()

    def next(self) -> dict[str, bytes]:
        number = next(self._numbers)
        at = [number * CHANGED + n for n in range(CHANGED)]
        return {
            f"clusters/c-{n % 200}/ns/g-{n % FILES}/rayjob.yaml": b"kind: RayJob\nedit: %d\n"
            % n
            for n in at
        }


class _Ours(_Changes):
    def __init__(self, repo: GitRepo) -> None:
        super().__init__()
        self._repo = repo

    def go(self, commits: int) -> None:
        self._repo.fetch()
        base = self._repo.head()
        drafts = [CommitDraft("bench", changes=self.next()) for _ in range(commits)]
        self._repo.publish(base, self._repo.write_commits(base, drafts, AUTHOR, NOW))


class _Worktree(_Changes):
    def __init__(self, path: Path, remote: Path) -> None:
        super().__init__()
        self._path = path
        git(path.parent, "clone", "--quiet", f"file://{remote}", str(path))

    def go(self, commits: int) -> None:
        git(self._path, "fetch", "--quiet")
        for _ in range(commits):
            changes = self.next()
            for path, data in changes.items():
                (self._path / path).write_bytes(data)
            git(self._path, "add", *changes)
            git(self._path, "commit", "--quiet", "-m", "bench")
        git(self._path, "push", "--quiet", "origin", "main")


class _Plumbing(_Changes):
    def __init__(self, path: Path, remote: Path) -> None:
        super().__init__()
        self._path = path
        git(path.parent, "clone", "--quiet", "--bare", f"file://{remote}", str(path))

    def go(self, commits: int) -> None:
        git(self._path, "fetch", "--quiet", "origin")
        parts = [
            stream(self.next(), parent="" if n else "refs/heads/main^0")
            for n in range(commits)
        ]
        git(self._path, "fast-import", "--quiet", stdin=b"".join(parts))
        git(self._path, "push", "--quiet", "origin", "main")
