"""A small client of one API server: JSON over a kept-open connection, and server-side apply.

The end-to-end tests look at a cluster through this client, not through SkyRay's own observers, so that the two cannot
share a mistake.
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Object = dict[str, Any]

_MANAGER = "skyray-e2e"
_SECONDS = 30


class ApiError(RuntimeError):
    """The API server refused a request. `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Api:
    """Requests to the API server at `127.0.0.1:port`, whose certificate `ca` vouches for. Safe to share by threads."""

    def __init__(self, port: int, token: str, ca: Path) -> None:
        self._port = port
        self._token = token
        self._ca = ca
        self._lock = threading.Lock()
        self._connection: http.client.HTTPSConnection | None = None
        self._resources: dict[tuple[str, str], tuple[str, bool]] = {}

    def request(
        self, method: str, path: str, body: Object | bytes | None = None, content_type: str = "application/json"
    ) -> Any:
        """Send one request and return the decoded answer (text where it is no JSON).

        Raises `ApiError` when refused, and `OSError` or `http.client.HTTPException` when the server is away.
        """
        sent = json.dumps(body).encode() if isinstance(body, Mapping) else body
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        if sent is not None:
            headers["Content-Type"] = content_type
        with self._lock:
            status, answer, kind = self._exchange(method, path, sent, headers)
        if "json" not in kind:
            decoded: Any = answer.decode(errors="replace")
        else:
            decoded = json.loads(answer)
        if status >= 400:
            message = decoded["message"] if isinstance(decoded, dict) and "message" in decoded else str(decoded)
            raise ApiError(status, f"{method} {path}: {message}")
        return decoded

    def apply(self, objects: Iterable[Mapping[str, Any]]) -> list[Object]:
        """Apply the objects server-side, in order, and return what the server made of them."""
        return [
            self.request(
                "PATCH",
                f"{self.path(one)}?fieldManager={_MANAGER}&force=true",
                dict(one),
                "application/apply-patch+yaml",
            )
            for one in objects
        ]

    def path(self, one: Mapping[str, Any]) -> str:
        """Return the object's own path; a namespaced object without a namespace is in `default`."""
        metadata = one["metadata"]
        namespace = metadata.get("namespace", "default")
        return f"{self.collection(one['apiVersion'], one['kind'], namespace)}/{metadata['name']}"

    def collection(self, api_version: str, kind: str, namespace: str = "default") -> str:
        """Return the path of the collection of `kind` (in `namespace` where it is namespaced)."""
        base = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
        if (api_version, kind) not in self._resources:
            for resource in self.request("GET", base)["resources"]:
                if "/" not in resource["name"]:
                    self._resources[api_version, resource["kind"]] = (resource["name"], resource["namespaced"])
        try:
            plural, namespaced = self._resources[api_version, kind]
        except KeyError:
            raise ApiError(404, f"the server has no kind {kind} in {api_version}") from None
        return f"{base}/namespaces/{namespace}/{plural}" if namespaced else f"{base}/{plural}"

    def close(self) -> None:
        """Drop the connection; the next request opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes, str]:
        """Send over the open connection; over a fresh one when the server had closed it in the meantime."""
        reused = self._connection is not None
        connection = self._connection or self._connect()
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.getheader("Content-Type", "")
        except (OSError, http.client.HTTPException):
            self.close()
            if reused and method in ("GET", "PATCH", "PUT"):  # sent twice, these do no harm
                return self._exchange(method, path, body, headers)
            raise

    def _connect(self) -> http.client.HTTPSConnection:
        trust = ssl.create_default_context(cafile=str(self._ca))
        self._connection = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=_SECONDS, context=trust)
        return self._connection
