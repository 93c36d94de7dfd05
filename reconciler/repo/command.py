"""Runs git: every git process of SkyRay is started here.

Nothing that comes from outside can steer git. `GitCommand` says how; the user's own configuration (credential helpers,
proxies, ssh) stays in force. `subprocess` starts the processes; importing GitPython takes as long as ten runs of git
(docs/decisions/0011-gitpython.md).
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from reconciler.errors import RepoError
from reconciler.repo.address import Address, redact

LOCAL_SECONDS = 120.0
"""Time limit of a command that touches only this machine."""
NETWORK_SECONDS = 300.0
"""Time limit of a fetch or push; the first fetch of a large repository has to fit in."""
REMOTE = "skyray"
"""The name under which a cache knows its remote."""

# Variables that would point git at another repository, index, object store or configuration (a caller may itself run
# in a git hook). GIT_SSH_COMMAND, GIT_ASKPASS and the proxy variables are the operator's and stay.
_REDIRECTING = frozenset(
    (
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_COMMON_DIR",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_QUARANTINE_PATH",
        "GIT_NAMESPACE",
        "GIT_PREFIX",
        "GIT_GRAFT_FILE",
        "GIT_SHALLOW_FILE",
        "GIT_CONFIG",
        "GIT_CONFIG_PARAMETERS",
        "GIT_EXTERNAL_DIFF",
        "GIT_DIFF_OPTS",
        "GIT_TEMPLATE_DIR",
        "GIT_DEFAULT_HASH",
    )
)
_ENVIRONMENT = {
    "LC_ALL": "C",
    "LANGUAGE": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "GIT_MERGE_AUTOEDIT": "no",
}
_CONFIGURATION = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.protectHFS": "true",
    "core.protectNTFS": "true",
    "core.pager": "cat",
    "color.ui": "false",
    "log.showSignature": "false",
    "i18n.logOutputEncoding": "UTF-8",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "push.recurseSubmodules": "no",
    "push.followTags": "false",
    "push.gpgSign": "false",
    "gc.autoDetach": "false",
    "maintenance.autoDetach": "false",
    "http.followRedirects": "initial",
    # A half-open connection ends after a minute instead of at the time limit.
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": "60",
}
_DAMAGE = (
    "is corrupt",
    "object file",
    "unable to read tree",
    "unable to read sha1",
    "inflate:",
    "packfile",
    "not a git repository",
    "bad tree object",
    "missing blob",
    "invalid sha1 pointer",
    "did not send all necessary objects",
    "bad object HEAD",
    "does not point to a valid object",
    "unresolved deltas",
)


class DamagedRepo(RepoError):
    """The stored repository itself is broken: objects are missing or unreadable."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one git run gave. `stderr` is redacted text."""

    status: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """`stdout` as text without the last line end."""
        return self.stdout.decode("utf-8", "replace").removesuffix("\n")


@dataclass(frozen=True, slots=True)
class GitCommand:
    """A git that works on one repository.

    The argument list is fixed by the caller in this package. Addresses travel as configuration in the environment and
    never as arguments, so that neither `ps` nor an option parser sees them. Inherited `GIT_*` variables that would
    redirect git are dropped. System configuration, hooks, templates, submodules, file-system monitors and replace refs
    are off, and git may speak only the protocols of the repository's own address. Every run has a time limit, after
    which git and its children are killed.

    `git_dir` None lets git find the repository from `work_tree`, the directory it then starts in. `address` is the
    remote that the name `skyray` stands for. `on_damage` is called when git finds the stored repository broken.
    """

    git_dir: Path | None
    work_tree: Path | None = None
    address: Address | None = None
    on_damage: Callable[[], None] | None = None
    network_seconds: float = NETWORK_SECONDS

    def run(
        self,
        *arguments: str,
        stdin: bytes | IO[bytes] | None = None,
        check: bool = True,
        network: bool = False,
    ) -> Result:
        """Run `git ARGUMENTS` to its end and return what it printed.

        `stdin` is what it reads, or an open file that it reads from its start. With `check`, a status other than 0
        raises `RepoError` with git's own last words. `network` picks the longer time limit. Running out of time always
        raises.
        """
        seconds = self.network_seconds if network else LOCAL_SECONDS
        file = None if stdin is None or isinstance(stdin, bytes) else stdin
        given = stdin if isinstance(stdin, bytes) else None
        piped = given is not None
        with self._process(arguments, piped=piped, file=file) as process:
            try:
                stdout, stderr = process.communicate(given, timeout=seconds)
            except subprocess.TimeoutExpired:
                _kill(process)
                raise RepoError(
                    f"git {arguments[0]} took longer than {seconds:g} s{self._where()} and was stopped"
                ) from None
        result = Result(
            process.returncode, stdout, self.redact(stderr.decode("utf-8", "replace"))
        )
        if check and result.status:
            raise self.failure(arguments[0], result.stderr)
        return result

    @contextmanager
    def stream(self, *arguments: str, stdin: bytes) -> Iterator[Iterator[bytes]]:
        """Start `git ARGUMENTS`, hand it `stdin` (small) and yield its output in pieces; leaving early ends git."""
        with self._process(arguments, piped=True) as process:
            if process.stdin is not None:
                with suppress(BrokenPipeError):
                    process.stdin.write(stdin)
                    process.stdin.close()
            yield self._pieces(arguments[0], process)

    def _pieces(self, verb: str, process: subprocess.Popen[bytes]) -> Iterator[bytes]:
        stdout, stderr = (
            cast("IO[bytes]", process.stdout),
            cast("IO[bytes]", process.stderr),
        )
        while piece := os.read(stdout.fileno(), 65536):
            yield piece
        if process.wait(LOCAL_SECONDS):
            raise self.failure(
                verb, self.redact(stderr.read().decode("utf-8", "replace"))
            )

    def failure(self, verb: str, stderr: str) -> RepoError:
        """Return the error for a failed `git VERB`: its last words, and `DamagedRepo` when the repository is broken."""
        message = f"git {verb} failed{self._where()}: {last_words(stderr)}"
        own_lines = "\n".join(
            line for line in stderr.splitlines() if not line.startswith("remote:")
        )
        signs = (*_DAMAGE, f"in file {self.git_dir}/config")
        # A server's words say nothing of the repository on this machine.
        if any(sign in own_lines for sign in signs):
            return self.damaged(message)
        return RepoError(message)

    def damaged(self, message: str) -> DamagedRepo:
        """Report damage to the owner of the repository and return the error to raise."""
        if self.on_damage is not None:
            self.on_damage()
        return DamagedRepo(message)

    def redact(self, text: str) -> str:
        """Return `text` without credentials."""
        return self.address.redact(text) if self.address else redact(text)

    def _where(self) -> str:
        place = (
            self.address.shown if self.address else str(self.work_tree or self.git_dir)
        )
        return f" in {place}"

    @contextmanager
    def _process(
        self,
        arguments: Sequence[str],
        *,
        piped: bool,
        file: IO[bytes] | None = None,
    ) -> Iterator[subprocess.Popen[bytes]]:
        command = ["git", "--no-pager"]
        start = self.work_tree or self.git_dir
        if self.git_dir is not None:
            # Where the directory is gone, git itself says what is missing.
            if start is not None and not os.access(start, os.X_OK):
                start = None
            command.append(f"--git-dir={self.git_dir}")
            if self.work_tree is not None:
                command.append(f"--work-tree={self.work_tree}")
        try:
            process = subprocess.Popen(
                [*command, *arguments],
                stdin=file or (subprocess.PIPE if piped else subprocess.DEVNULL),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=start,
                env=self._environment(),
                start_new_session=True,
            )
        except FileNotFoundError:
            raise RepoError(
                "the program git is not installed, or is not on PATH"
            ) from None
        try:
            yield process
        finally:
            if process.poll() is None:
                _kill(process)
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()

    def _environment(self) -> dict[str, str]:
        settings = dict(_CONFIGURATION)
        # Without an address: a checkout's own remotes, for `push_upstream`.
        allowed: tuple[str, ...] = ("https", "ssh", "file")
        if self.address is not None:
            settings[f"remote.{REMOTE}.url"] = self.address.url
            allowed = self.address.protocols
        numbered = {"GIT_CONFIG_COUNT": str(len(settings))}
        for index, (key, value) in enumerate(settings.items()):
            numbered[f"GIT_CONFIG_KEY_{index}"] = key
            numbered[f"GIT_CONFIG_VALUE_{index}"] = value
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in _REDIRECTING
        }
        return {
            **inherited,
            **_ENVIRONMENT,
            **numbered,
            "GIT_ALLOW_PROTOCOL": ":".join(allowed),
        }


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End git and the processes that it started: it leads a process group of its own."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def last_words(stderr: str, lines: int = 3) -> str:
    """Return the last lines of git's stderr that give a reason, as one line."""
    printed = [
        line.strip()
        for line in stderr.splitlines()
        if line.strip() and not line.startswith("hint:")
    ]
    reasons = [
        line
        for line in printed
        if line.startswith(("fatal:", "error:", "remote:", "["))
    ]
    return "; ".join((reasons or printed)[-lines:]) or "it gave no reason"
