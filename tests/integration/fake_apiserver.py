"""An HTTPS server that speaks the API server's JSON and fails as told, in ways that a real one cannot be made to.

Lists come in pages, with `limit` and `continue`, as from the real server. A test puts a function under a path in
`faults`, and it is called with the request instead.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.certificates import write_server
from tests.loopback import LoopbackServer

TOKEN = "canary-4f1d0c"
NODES, PODS, VERSION = "/api/v1/nodes", "/api/v1/pods", "/version"
RAY_PATHS = tuple(f"/apis/ray.io/v1/{plural}" for plural in ("rayjobs", "rayclusters", "rayservices"))

FAR = datetime(2099, 12, 31, tzinfo=UTC)

Fault = Callable[["Request"], None]


def make_certificate(folder: Path, *, valid_until: datetime = FAR) -> Path:
    """Make a self-signed certificate for 127.0.0.1, with its key in the same file."""
    folder.mkdir(parents=True, exist_ok=True)
    write_server(folder / "both.pem", valid_until=valid_until)
    return folder / "both.pem"


class Request(BaseHTTPRequestHandler):
    """One request; faults use `reply`, `serve` and the raw `wfile`."""

    protocol_version = "HTTP/1.1"
    api: FakeApiServer

    def do_GET(self) -> None:
        api = self.api
        url = urlsplit(self.path)
        self.query = {key: values[0] for key, values in parse_qs(url.query).items()}
        api.requests.append((url.path, self.query))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.reply(401, {"kind": "Status", "message": "Unauthorized"})
        elif url.path in api.faults:
            api.faults[url.path](self)
        else:
            self.serve(url.path)

    def serve(self, path: str) -> None:
        """Answer as the real server does."""
        api = self.api
        if path == VERSION:
            self.reply(200, {"major": "1", "minor": "34", "gitVersion": "v1.34.1"})
        elif path in api.objects:
            items = api.objects[path]
            first = int(self.query.get("continue", 0))
            end = first + int(self.query.get("limit", len(items) or 1))
            metadata = {"resourceVersion": "7"} | ({"continue": str(end)} if end < len(items) else {})
            self.reply(200, {"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items[first:end]})
        else:
            self.reply(404, {"kind": "Status", "message": "the server could not find the requested resource"})

    def reply(self, status: int, body: Any, *, promise: int = 0) -> None:
        """Send a body: bytes as they are, else as JSON; `promise` adds to the Content-Length."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data) + promise))
        self.end_headers()
        self.wfile.write(data)
        if promise:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class's name)
        """Keep quiet."""


def answers(status: int, body: Any, *, promise: int = 0) -> Fault:
    """A fault that replies with this instead."""
    return lambda request: request.reply(status, body, promise=promise)


class _QuietServer(ThreadingHTTPServer):
    """Says nothing of broken connections, which are what the tests are about."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet."""


class FakeApiServer(LoopbackServer):
    """A running server. `objects`: path -> items; `requests`: what was asked; `faults`: path -> fault."""

    def __init__(self, certificate: Path, authority: Path | None = None) -> None:
        """`authority`: the certificate that the kubeconfig trusts, when not the server's own."""
        self.objects: dict[str, list[dict[str, Any]]] = {NODES: [], PODS: []}
        self.faults: dict[str, Fault] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.hanging = threading.Semaphore(0)
        self.released = threading.Event()
        self._authority = authority or certificate
        super().__init__(type("Handler", (Request,), {"api": self}), _QuietServer)
        trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trust.load_cert_chain(certificate)
        # The handshake happens on the request's own thread, so that one bad client does not hold the others.
        self._server.socket = trust.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.released.set()
        super().__exit__(kind, error, trace)

    def hang(self, request: Request) -> None:
        """Take the request and say nothing until released; then break off."""
        self.hanging.release()
        self.released.wait(30)
        request.close_connection = True

    def kubeconfig(self, name: str = "fake", token: str = TOKEN) -> dict[str, Any]:
        """Return a kubeconfig with one context, `name`."""
        pem = self._authority.read_text().partition("-----BEGIN PRIVATE KEY")[0]
        cluster = {
            "server": f"https://127.0.0.1:{self.port}",
            "certificate-authority-data": base64.b64encode(pem.encode()).decode(),
        }
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        }
