"""Running `skyray` in tests: in this process for speed, or as the installed program where processes matter."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from reconciler.cli.main import main
from tests.fleets import Fleet, ray_job, static_and_dynamic
from tests.integration.git_http import commit_files, git

PROGRAM = str(Path(sys.executable).with_name("skyray"))


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    status: int
    out: str
    err: str


def environment(home: Path) -> dict[str, str]:
    """Return an environment in which nothing of this machine's user is found: kubeconfig, caches."""
    kept = {name: os.environ[name] for name in ("PATH", "GIT_SSH_COMMAND") if name in os.environ}
    return kept | {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache"), "LC_ALL": "C.UTF-8"}


def skyray(*arguments: str, cwd: Path, stdin: bytes = b"") -> Said:
    """Run the command in this process, in `cwd`; an error that it does not handle comes through."""
    out, err, asked = (io.TextIOWrapper(io.BytesIO(data)) for data in (b"", b"", stdin))
    status: object = None
    with (
        mock.patch.object(sys, "argv", ["skyray", *arguments]),
        mock.patch.object(sys, "stdin", asked),
        mock.patch.dict(os.environ, environment(cwd.parent), clear=True),
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as stop:
            status = stop.code
    assert isinstance(status, int)
    return Said(status, *(_text(stream) for stream in (out, err)))


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    stream.seek(0)
    return stream.read()


def program(*arguments: str, cwd: Path, more: Mapping[str, str] | None = None) -> Said:
    """Run the installed program in a process of its own."""
    done = subprocess.run(
        [PROGRAM, *arguments],
        cwd=cwd,
        env=environment(cwd.parent) | dict(more or {}),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def write(top: Path, files: Mapping[str, bytes]) -> None:
    """Write files below `top`, as they are."""
    for path, data in files.items():
        target = top / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def fleet_with_job() -> Fleet:
    """The demo's fleet, for which team1 has written a job that is not placed yet."""
    fleet = static_and_dynamic()
    fleet.files["workloads/team1/job.yaml"] = ray_job("train")
    return fleet


def checkout_of(fleet: Fleet, top: Path) -> Path:
    """Make a checkout with the files of `fleet` in one commit."""
    git(top.parent, "init", "-q", "-b", "main", str(top))
    write(top, fleet.files)
    commit_files(top, {}, "a fleet")
    return top


@contextlib.contextmanager
def unchanged(top: Path) -> Iterator[None]:
    """What is done in this block leaves a checkout's refs, its uncommitted changes and its HEAD as they are."""
    before = _standing(top)
    yield
    after = _standing(top)
    assert after == before, f"{before} became {after}"


def _standing(top: Path) -> tuple[str, str, str]:
    return git(top, "for-each-ref"), git(top, "status", "--porcelain", "-uall"), git(top, "rev-parse", "HEAD")
