"""The bare copy of a remote repository, which SkyRay reads from and pushes from.

It has one branch and `refs/skyray/*`, under the remote's own names. It is disposable: a force-pushed branch replaces
the old one, and a damaged copy is deleted and made again. A file lock lets one process at a time change it; readers
need no lock, since they name commits by id.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reconciler.errors import RepoError
from reconciler.repo.address import Address, check_branch
from reconciler.repo.command import NETWORK_SECONDS, REMOTE, DamagedRepo, GitCommand
from reconciler.repo.ownership import OWN_REFS
from reconciler.repo.push import refused
from reconciler.repo.writer import TEMPORARY_REFS

_DAMAGED = "skyray-damaged"
_LOCK_POLL_SECONDS = 0.05
_REF_LOCKS = (
    "HEAD.lock",
    "packed-refs.lock",
    "config.lock",
    "shallow.lock",
    "refs/**/*.lock",
)


def default_cache_dir() -> Path:
    """Return where copies are kept by default: `$XDG_CACHE_HOME/skyray/repos`, else `~/.cache/skyray/repos`."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        # The XDG specification has relative paths ignored.
        base = Path.home() / ".cache"
    return base / "skyray" / "repos"


class CachedClone:
    """A bare copy of `address` below `cache_dir`. `command` runs git in it."""

    def __init__(
        self,
        address: Address,
        cache_dir: Path,
        network_seconds: float = NETWORK_SECONDS,
    ) -> None:
        self.address = address
        self.path = (cache_dir / f"{address.slug}.git").absolute()
        self._lock_file = self.path.with_suffix(".lock")
        self._lock_seconds = 2 * network_seconds
        # Whether this process has seen the copy whole; what breaks later is found by what reads it.
        self._checked = False
        self.command = GitCommand(
            self.path,
            address=address,
            on_damage=self.mark_damaged,
            network_seconds=network_seconds,
        )
        cache_dir.mkdir(parents=True, exist_ok=True, mode=0o700)

    def mark_damaged(self) -> None:
        """Mark the copy as damaged; the next fetch makes a new copy."""
        self._checked = False
        with suppress(OSError):
            (self.path / _DAMAGED).touch()

    def default_branch(self) -> str:
        """Ask the remote which branch its HEAD is."""
        with self.locked():
            self._prepare()
            result = self.command.run(
                "ls-remote", "--symref", "--", REMOTE, "HEAD", check=False, network=True
            )
        if result.status:
            raise refused(self.command, "ls-remote", result.stderr)
        for line in result.text.splitlines():
            if line.startswith("ref: refs/heads/"):
                return check_branch(
                    line.removeprefix("ref: refs/heads/").partition("\t")[0]
                )
        raise RepoError(
            f"{self.address.shown} does not say what its default branch is; name the branch"
        )

    def fetch(self, branch: str) -> None:
        """Bring the branch and SkyRay's own refs up to date, making or re-making the copy where needed."""
        with self.locked():
            self._prepare()
            try:
                self._fetch(branch)
            except DamagedRepo:
                self._discard()
                self._prepare()
                self._fetch(branch)

    def _fetch(self, branch: str) -> None:
        refspecs = (
            f"+refs/heads/{branch}:refs/heads/{branch}",
            f"+{OWN_REFS}*:{OWN_REFS}*",
            f"^{TEMPORARY_REFS}*",
        )
        flags = (
            "--quiet",
            "--no-tags",
            "--prune",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
        )
        result = self.command.run(
            "fetch", *flags, "--", REMOTE, *refspecs, check=False, network=True
        )
        if result.status:
            raise refused(self.command, "fetch", result.stderr)
        if not self._checked:
            self.command.run(
                "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}^{{tree}}"
            )
            self._checked = True

    def _prepare(self) -> None:
        """Make sure there is a usable bare repository. Call with the lock held."""
        if (self.path / _DAMAGED).exists():
            self._discard()
        if self.path.exists() and not self._is_repository():
            self._discard()
        if not self.path.exists():
            fresh = self.path.with_name(f"{self.path.name}.{uuid.uuid4().hex}.new")
            fresh.mkdir(mode=0o700)
            GitCommand(fresh).run("init", "--quiet", "--bare", "--template=")
            fresh.rename(self.path)
        self._drop_abandoned_locks()

    def _is_repository(self) -> bool:
        if self._checked and (self.path / "HEAD").exists():
            return True
        return not self.command.run("rev-parse", "--git-dir", check=False).status

    def _discard(self) -> None:
        self._checked = False
        # Renamed first, so that no other process finds half of it.
        removed = self.path.with_name(f"{self.path.name}.{uuid.uuid4().hex}.old")
        with suppress(FileNotFoundError):
            self.path.rename(removed)
            shutil.rmtree(removed, ignore_errors=True)

    def _drop_abandoned_locks(self) -> None:
        """Remove git's lock files that are older than the time limit of a git run: their owner has ended."""
        oldest = time.time() - self._lock_seconds
        for pattern in _REF_LOCKS:
            for lock in self.path.glob(pattern):
                with suppress(FileNotFoundError):
                    if lock.stat().st_mtime < oldest:
                        lock.unlink()

    @contextmanager
    def locked(self, monotonic: Callable[[], float] = time.monotonic) -> Iterator[None]:
        """Hold the copy's file lock, which keeps other threads and processes from changing it."""
        descriptor = os.open(
            self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            give_up = monotonic() + self._lock_seconds
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if monotonic() > give_up:
                        raise RepoError(
                            f"another process has held {self._lock_file} for too long; end it"
                        ) from None
                    time.sleep(_LOCK_POLL_SECONDS)
            yield
        finally:
            os.close(descriptor)
