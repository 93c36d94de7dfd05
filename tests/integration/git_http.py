"""A real Git server for tests: `git http-backend` behind Python's own HTTP server, on loopback.

Everything that decides whether a push is accepted is git's own server code. Faults of the network are made here, on
purpose: an answer can be lost after the server has accepted, and basic auth can be required.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.loopback import LoopbackServer

GIT = shutil.which("git") or "git"


class GitServer(LoopbackServer):
    """Serves every bare repository below `root`. `login` is (user, password) when credentials are required."""

    def __init__(self, root: Path, login: tuple[str, str] | None = None) -> None:
        self.root = root
        self.login = login
        self.forbidden = False
        self.lose_answer: str | None = None
        """How the next push loses its answer once git has accepted it: "drop" (nothing comes) or "cut" (half of it)."""
        self.deaf_to_pushes = False
        """Whether pushes are dropped before git sees them."""
        super().__init__(type("Handler", (_Handler,), {"git": self}))

    def url(self, name: str, login: str | None = None) -> str:
        """Return the address of repository `name`; `login` is put in as `user:password`."""
        return f"http://{login + '@' if login else ''}127.0.0.1:{self.port}/{name}"


class _Handler(BaseHTTPRequestHandler):
    git: GitServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b"".join(self._chunks())
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._serve(body)

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _serve(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        if self.git.login is not None and not self._authorised(self.git.login):
            self._answer(401, [("WWW-Authenticate", 'Basic realm="git"')], b"who are you?")
            return
        if self.git.forbidden:
            self._answer(403, [], b"not you")
            return
        pushes = self.command == "POST" and path.endswith("/git-receive-pack")
        if pushes and self.git.deaf_to_pushes:
            self.close_connection = True
            return
        environment = {
            "GIT_PROJECT_ROOT": str(self.git.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.receivepack",
            "GIT_CONFIG_VALUE_0": "true",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "REMOTE_ADDR": "127.0.0.1",
            "REMOTE_USER": "tester",
        }
        done = subprocess.run([GIT, "http-backend"], input=body, env=environment, capture_output=True, check=False)
        fault = self.git.lose_answer if pushes else None
        if fault is not None:
            self.git.lose_answer = None
            self.close_connection = True
        if fault == "drop":
            return
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = [line.decode().split(": ", 1) for line in head.split(b"\r\n") if line]
        headers = [(name, value) for name, value in fields if name != "Status"]
        status = next((int(value.split()[0]) for name, value in fields if name == "Status"), 200)
        self._answer(status, headers, content, cut=fault == "cut")

    def _authorised(self, login: tuple[str, str]) -> bool:
        wanted = base64.b64encode(":".join(login).encode()).decode()
        return self.headers.get("Authorization") == f"Basic {wanted}"

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes, *, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:4] if cut else content)

    def log_message(self, *_: object) -> None:
        """Stay quiet: the test reports what matters."""


def git(where: Path, *arguments: str, check: bool = True, stdin: str | None = None) -> str:
    """Run git as a person would, in `where`, and return what it printed."""
    done = subprocess.run(
        [GIT, "-c", "user.name=Ada", "-c", "user.email=ada@example.com", *arguments],
        cwd=where,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    if check and done.returncode:
        raise AssertionError(f"git {' '.join(arguments)}: {done.stderr}")
    return done.stdout.strip()


def make_bare(path: Path, files: Mapping[str, str] | None = None) -> str:
    """Make a bare repository with one commit on `main` and return the commit's id."""
    git(path.parent, "init", "-q", "--bare", "-b", "main", str(path))
    work = path.parent / f"{path.name}.first"
    git(path.parent, "init", "-q", "-b", "main", str(work))
    commit_files(work, files or {"fleet.yaml": "kind: Fleet\n"}, "first")
    git(work, "push", "-q", str(path), "main")
    return git(work, "rev-parse", "HEAD")


@contextmanager
def served_fleet(folder: Path, files: Mapping[str, str] | None = None) -> Iterator[GitServer]:
    """A server of a new folder with the repository `fleet.git`, which has one commit with these files."""
    folder.mkdir()
    make_bare(folder / "fleet.git", files)
    with GitServer(folder) as running:
        yield running


def commit_files(work: Path, files: Mapping[str, str | None], message: str) -> str:
    """Commit files (None deletes) in a checkout the way a person does, and return the commit's id."""
    for name, text in files.items():
        at = work / name
        if text is None:
            at.unlink()
        else:
            at.parent.mkdir(parents=True, exist_ok=True)
            at.write_text(text)
    git(work, "add", "-A")
    git(work, "commit", "-q", "--allow-empty", "-m", message)
    return git(work, "rev-parse", "HEAD")


def contents(repository: Path, revision: str = "main") -> dict[str, str]:
    """Return every file of a revision, read by plain git and not by the code under test."""
    names = git(repository, "ls-tree", "-r", "-z", "--name-only", revision).split("\0")
    return {name: git(repository, "show", f"{revision}:{name}") for name in names if name}
