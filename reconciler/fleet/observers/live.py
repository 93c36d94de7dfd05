"""Live capacity of one cluster: lists from its API server, in pages, before a deadline.

Any failure of an API server becomes an `Unreachable` with its reason, and never an empty list. The lists are consistent
reads (no resourceVersion) of 500 objects a page; when a page's continuation has expired (410), the whole list is read
again, as client-go's pager does. Nothing is written, and no Secret is read. msgspec decodes just the fields of
`fleet.apiobjects`. Importing the Kubernetes library takes a third of a second, so only `LiveSource` does it.
"""

from __future__ import annotations

import importlib
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from reconciler.errors import InputError, Unreachable
from reconciler.fleet.apiobjects import (
    RAY_KINDS,
    NodeObject,
    PodObject,
    PodReader,
    RayObject,
    node_of,
    ray_of,
)
from reconciler.fleet.inventory import Cluster, KubeconfigAccess
from reconciler.fleet.observers.kubeconfig import Chosen, Mounts, choose
from reconciler.fleet.observers.pools import read_pools
from reconciler.fleet.snapshot import ClusterSnapshot, Pod, RayStatus

PAGE = 500
RAY_API = "/apis/ray.io/v1"
MAX_ANSWER_BYTES = 256 * 1024 * 1024
_CHUNK = 256 * 1024
_RUNNING = "status.phase!=Succeeded,status.phase!=Failed"
_TLS_WHY = re.compile(r"certificate verify failed: ([^(\n]+)")

T = TypeVar("T")

Capacities = Mapping[str, Mapping[str, str | int | float]]
"""`status.capacity` of each node by its name: what it has in all, whether pods can have it or not."""


class _ListMeta(msgspec.Struct):
    next_page: str = msgspec.field(default="", name="continue")


class _Page(msgspec.Struct, Generic[T]):
    items: list[T] | None
    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)


class _Status(msgspec.Struct):
    message: str = ""


class _Version(msgspec.Struct, rename="camel"):
    git_version: str


_NODES = msgspec.json.Decoder(_Page[NodeObject])
_PODS = msgspec.json.Decoder(_Page[PodObject])
_RAYS = msgspec.json.Decoder(_Page[RayObject])
_VERSION = msgspec.json.Decoder(_Version)
_STATUS = msgspec.json.Decoder(_Status)


class LiveSource:
    """Reads clusters through the operator's kubeconfigs. Safe to share by threads; connections are kept open."""

    def __init__(self, mounts: Mounts, timeout: float) -> None:
        """`timeout`: seconds that one cluster may take in all.

        The Kubernetes library is imported here, so that this does not count against the first deadline.
        """
        importlib.import_module("kubernetes.config")
        importlib.import_module("kubernetes.client")
        self._mounts = mounts
        self._timeout = timeout
        self._lock = threading.Lock()
        self._clients: dict[str, tuple[object, Any]] = {}

    def read(self, cluster: Cluster, now: float) -> ClusterSnapshot:
        """Return the cluster as it is; `now` (unix seconds) becomes `taken_at`. Raises `Unreachable`."""
        if not isinstance(cluster.access, KubeconfigAccess):
            raise Unreachable(
                f"cluster {cluster.name}: has no kubeconfig to read it live"
            )
        deadline = time.monotonic() + self._timeout
        try:
            client = self._client(cluster.name, choose(cluster.access, self._mounts))
            server = ApiServer(client, deadline, self._timeout)
            snapshot, capacities = take_snapshot(server, cluster.name, now)
            pools, note = read_pools(server, cluster, snapshot.nodes, capacities, now)
            return replace(snapshot, pools=pools, pools_note=note)
        except Unreachable:
            self._forget(cluster.name)
            raise

    def _client(self, name: str, chosen: Chosen) -> Any:
        """Return the client, a new one when the kubeconfig was changed on disk."""
        version = (chosen, *(_modified(path) for path in chosen.path.split(":")))
        with self._lock:
            known = self._clients.get(name)
        if known is not None and known[0] == version:
            return known[1]
        client = _new_client(chosen)
        with self._lock:
            self._clients[name] = (version, client)
        return client

    def _forget(self, name: str) -> None:
        """Drop the client, so that credentials and connections are made anew after a failure."""
        with self._lock:
            self._clients.pop(name, None)


class ApiServer:
    """GETs from one API server, all before one deadline (of `time.monotonic`); `timeout` is for messages only."""

    def __init__(self, client: Any, deadline: float, timeout: float) -> None:
        self._client = client
        self._deadline = deadline
        self._timeout = timeout

    def get(self, path: str, query: dict[str, str] | None = None) -> tuple[int, bytes]:
        """Return the HTTP status and the body. Raises `Unreachable` where none comes in time."""
        import urllib3.exceptions as http
        from kubernetes.client.exceptions import ApiException

        try:
            request = self._client.param_serialize(
                "GET",
                path,
                query_params=list((query or {}).items()),
                header_params={"Accept": "application/json", "Accept-Encoding": "gzip"},
                auth_settings=["BearerToken"],
            )
            answer = self._client.call_api(*request, _request_timeout=self._left())
            return answer.status, self._body(answer.response)
        except http.NameResolutionError:
            raise Unreachable("the name of its API server does not resolve") from None
        except http.NewConnectionError as error:
            raise Unreachable(
                f"its API server refuses the connection{_errno(error)}"
            ) from None
        except http.TimeoutError:
            raise self._late() from None
        except http.ProxyError:
            raise Unreachable("the proxy to its API server does not answer") from None
        except (
            ApiException,
            http.SSLError,
        ) as error:  # the library wraps TLS errors, and only these
            raise Unreachable(
                f"TLS to its API server fails: {_tls_reason(str(error))}"
            ) from None
        except (http.HTTPError, OSError, ValueError) as error:
            raise Unreachable(
                f"its API server broke off ({type(error).__name__})"
            ) from None

    def items(
        self, path: str, decoder: msgspec.json.Decoder[_Page[T]], **query: str
    ) -> list[T]:
        """Return all objects of a list, got page by page. Raises `Unreachable`: `NotServed` for an unknown path."""
        listed: list[T] = []
        after = ""
        while True:
            page_query = {**query, "limit": str(PAGE)}
            if after:
                page_query["continue"] = after
            status, body = self.get(path, page_query)
            # The continuation expires after minutes. What was listed before may have changed since, so it is dropped.
            if status == 410:
                listed.clear()
                status, body = self.get(path, query)
            page = _decoded(decoder, status, body, path)
            listed.extend(page.items or ())
            after = page.metadata.next_page
            if not after:
                return listed

    def version(self) -> str:
        """Return the server's version, like `v1.34.1`."""
        return _decoded(_VERSION, *self.get("/version"), "/version").git_version

    def _body(self, response: Any) -> bytes:
        """Read the body in chunks, so that a server that sends byte by byte cannot exceed the deadline."""
        chunks: list[bytes] = []
        size = 0
        while chunk := response.read1(_CHUNK):
            chunks.append(chunk)
            size += len(chunk)
            if size > MAX_ANSWER_BYTES:
                response.close()
                raise Unreachable(
                    f"its API server sent more than {MAX_ANSWER_BYTES >> 20} MiB in one answer"
                )
            if time.monotonic() > self._deadline:
                response.close()
                raise self._late()
        response.release_conn()
        return b"".join(chunks)

    def _left(self) -> float:
        """Return the seconds until the deadline. Raises `Unreachable` once it has passed."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._late()
        return left

    def _late(self) -> Unreachable:
        return Unreachable(f"its API server did not answer within {self._timeout:g} s")


class NotServed(Unreachable):
    """The API server does not know the path: the kind is not installed there."""


def take_snapshot(
    server: ApiServer, cluster: str, taken_at: float
) -> tuple[ClusterSnapshot, Capacities]:
    """Return nodes, pods and Ray resources as the API server lists them now, and the capacity of its nodes.

    Raises `Unreachable`, also for an object that cannot be read.
    """
    version = server.version()
    reader = PodReader()
    try:
        listed = server.items("/api/v1/nodes", _NODES)
        nodes = [node_of(item) for item in listed]
        found = [
            reader.pod(item)
            for item in server.items("/api/v1/pods", _PODS, fieldSelector=_RUNNING)
        ]
        ray = [status for kind in RAY_KINDS for status in _ray(server, kind)]
    except InputError as error:
        raise Unreachable(
            f"its API server returned an object that cannot be read: {error.message}"
        ) from None
    pods: list[Pod] = [pod for pod in found if pod is not None]
    capacities = {item.metadata.name: item.status.capacity or {} for item in listed}
    snapshot = ClusterSnapshot(
        cluster=cluster,
        taken_at=taken_at,
        nodes=tuple(sorted(nodes, key=lambda node: node.name)),
        pods=tuple(sorted(pods, key=lambda pod: (pod.namespace, pod.name))),
        ray=tuple(
            sorted(ray, key=lambda status: (status.kind, status.namespace, status.name))
        ),
        version=version,
    )
    return snapshot, capacities


def _ray(server: ApiServer, kind: str) -> list[RayStatus]:
    """Return the Ray resources of a kind; none where KubeRay is not installed."""
    try:
        return [
            ray_of(kind, item)
            for item in server.items(f"{RAY_API}/{RAY_KINDS[kind]}", _RAYS)
        ]
    except NotServed:
        return []


D = TypeVar("D")


def _decoded(
    decoder: msgspec.json.Decoder[D], status: int, body: bytes, path: str
) -> D:
    if status != 200:
        raise _refusal(status, body, path)
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreachable(
            f"its API server answered {path} with something other than a list: {error}"
        ) from None


def _refusal(status: int, body: bytes, path: str) -> Unreachable:
    """Return the error for an answer that is no list, with what to do."""
    plural = path.rpartition("/")[2]
    try:
        message = _STATUS.decode(body).message[:200]
    except (msgspec.DecodeError, UnicodeDecodeError):
        message = ""
    reason = f": {message}" if message else ""
    match status:
        case 401:
            return Unreachable(
                "its API server does not accept the credentials (401); renew them in the kubeconfig"
            )
        case 403:
            return Unreachable(
                f"its account may not list {plural} (403); allow it to get, list and watch nodes, pods and Ray's kinds"
                f"{reason}"
            )
        case 404:
            return NotServed(f"its API server does not know {path} (404)")
        case _:
            return Unreachable(f"its API server answered {path} with {status}{reason}")


def _new_client(chosen: Chosen) -> Any:
    from kubernetes import config
    from kubernetes.client import Configuration

    settings = Configuration()
    settings.retries = False
    make: Any = config.new_client_from_config  # the library does not type it
    try:
        return make(
            config_file=chosen.path,
            context=chosen.context,
            persist_config=False,
            client_configuration=settings,
        )
    except config.ConfigException as error:
        raise Unreachable(
            f"its kubeconfig is not usable: {str(error).splitlines()[0][:200]}"
        ) from None
    except Exception as error:  # noqa: BLE001  (the library does not catch YAML, key and type errors of a bad file)
        raise Unreachable(
            f"its kubeconfig is not usable ({type(error).__name__}); check the file"
        ) from None


def _modified(path: str) -> int:
    """Return when a file was changed, in nanoseconds; 0 where it does not exist."""
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return 0


def _tls_reason(text: str) -> str:
    why = _TLS_WHY.search(text)
    return why[1].strip() if why else "the handshake was broken off"


def _errno(error: BaseException) -> str:
    """Return the operating system's message in brackets, which holds no secrets; empty where there is none."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return f" ({cause.strerror})"
        cause = cause.__cause__ or cause.__context__
    return ""
