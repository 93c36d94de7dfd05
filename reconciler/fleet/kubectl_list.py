"""What `kubectl get nodes,pods -A -o json` (or yaml) printed, as a `ClusterSnapshot`.

Nodes, pods, namespaces and Ray resources are read; other kinds say nothing about capacity and are skipped. An item that
cannot be read is an error that names it: a pod that was dropped would show as free capacity that does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import orjson

from reconciler.errors import InputError, InvalidObject, ManifestError, Place
from reconciler.fleet.apiobjects import (
    RAY_KINDS,
    NamespaceObject,
    NodeObject,
    PodObject,
    PodReader,
    RayObject,
    node_of,
    ray_of,
)
from reconciler.fleet.snapshot import ClusterSnapshot, Node, Pod, RayStatus
from reconciler.manifests.intake import Limits
from reconciler.manifests.loader import load

MAX_BYTES = 64 * 1024 * 1024
"""About 13,000 pods as kubectl prints them."""

YAML_LIMITS = Limits(file_bytes=MAX_BYTES, documents=200_000, nodes=20_000_000)


class _Item(msgspec.Struct, rename="camel"):
    kind: str = ""


class _List(msgspec.Struct, rename="camel"):
    kind: str
    items: list[msgspec.Raw]


_ITEM = msgspec.json.Decoder(_Item)
_LIST = msgspec.json.Decoder(_List)
_NODE = msgspec.json.Decoder(NodeObject)
_POD = msgspec.json.Decoder(PodObject)
_RAY = msgspec.json.Decoder(RayObject)
_NAMESPACE = msgspec.json.Decoder(NamespaceObject)


def read_kubectl_list(
    data: bytes, file: str, cluster: str, taken_at: float
) -> ClusterSnapshot:
    """Return the capacity that the List in `data` shows.

    `taken_at`: when it was printed, in unix seconds, which kubectl does not say. Also reads the NodeList or PodList of
    `kubectl get --raw`. Raises `InputError` that names the item.
    """
    if len(data) > MAX_BYTES:
        raise ManifestError(
            f"the file has {len(data) >> 20} MiB; at most {MAX_BYTES >> 20} are read",
            Place(file),
        )
    if data.lstrip()[:1] != b"{":
        documents = load(data, file, YAML_LIMITS).documents
        return read_items(
            (orjson.dumps(document.body) for document in documents),
            "",
            file,
            cluster,
            taken_at,
        )
    try:
        listed = _LIST.decode(data)
    except msgspec.DecodeError as error:
        raise ManifestError(
            f"not what `kubectl get -o json` prints: {error}", Place(file)
        ) from None
    if not listed.kind.endswith("List"):
        raise InvalidObject(
            f"kind is {listed.kind!r}; expected the List that kubectl prints",
            Place(file),
        )
    return read_items(
        listed.items, listed.kind.removesuffix("List"), file, cluster, taken_at
    )


def read_items(
    items: Iterable[bytes | msgspec.Raw],
    kind: str,
    file: str,
    cluster: str,
    taken_at: float,
) -> ClusterSnapshot:
    """Return the capacity that the objects in `items`, JSON each, show; `kind` is theirs where they name none."""
    reader = _Reader(file)
    for index, item in enumerate(items):
        reader.read(index, item, kind)
    return reader.snapshot(cluster, taken_at)


class _Reader:
    """Collects the items of a list."""

    def __init__(self, file: str) -> None:
        self._place = Place(file)
        self._seen = 0
        self._pod_reader = PodReader()
        self._nodes: dict[str, Node] = {}
        self._pods: dict[tuple[str, str], Pod] = {}
        self._ray: dict[tuple[str, str, str], RayStatus] = {}
        self._namespaces: dict[str, Mapping[str, str]] = {}

    def read(self, index: int, data: bytes | msgspec.Raw, kind: str) -> None:
        """Add an item; `kind` is its kind where it does not name one: the items of a NodeList do not."""
        self._seen += 1
        try:
            kind = _ITEM.decode(data).kind or kind
            if not kind:
                raise InvalidObject("kind is missing")
            self._add(kind, data)
        except msgspec.DecodeError as error:
            raise InvalidObject(
                f"items[{index}]{_named(data)}: {error}", self._place
            ) from None
        except InputError as error:
            raise InvalidObject(
                f"items[{index}]: {error.message}", self._place
            ) from None

    def snapshot(self, cluster: str, taken_at: float) -> ClusterSnapshot:
        """Return what was read. Raises `InvalidObject` for a list that cannot be the whole of a cluster."""
        if not self._seen:
            raise InvalidObject(
                "holds no object, which is no snapshot of a cluster; for a cluster without nodes write "
                "a ClusterSnapshot with `nodes: []`",
                self._place,
            )
        bound = next((pod for pod in self._pods.values() if pod.node), None)
        if bound and not self._nodes:
            raise InvalidObject(
                f"has no Node, yet pod {bound.namespace}/{bound.name} runs on {bound.node}; print both with "
                f"`kubectl get nodes,pods -A -o json`",
                self._place,
            )
        return ClusterSnapshot(
            cluster=cluster,
            taken_at=taken_at,
            nodes=tuple(self._nodes[name] for name in sorted(self._nodes)),
            pods=tuple(self._pods[key] for key in sorted(self._pods)),
            ray=tuple(self._ray[key] for key in sorted(self._ray)),
            namespace_labels={
                name: self._namespaces[name] for name in sorted(self._namespaces)
            },
        )

    def _add(self, kind: str, data: bytes | msgspec.Raw) -> None:
        if kind == "Node":
            node = node_of(_NODE.decode(data))
            _put(self._nodes, node.name, node, f"Node {node.name}")
        elif kind == "Pod":
            pod = self._pod_reader.pod(_POD.decode(data))
            if pod is not None:
                _put(
                    self._pods,
                    (pod.namespace, pod.name),
                    pod,
                    f"Pod {pod.namespace}/{pod.name}",
                )
        elif kind in RAY_KINDS:
            ray = ray_of(kind, _RAY.decode(data))
            _put(
                self._ray,
                (kind, ray.namespace, ray.name),
                ray,
                f"{kind} {ray.namespace}/{ray.name}",
            )
        elif kind == "Namespace":
            metadata = _NAMESPACE.decode(data).metadata
            _put(
                self._namespaces,
                metadata.name,
                metadata.labels or {},
                f"Namespace {metadata.name}",
            )


def _put(known: dict[Any, Any], key: Any, value: Any, title: str) -> None:
    if key in known:
        raise InvalidObject(f"{title} is listed twice; print one cluster, once")
    known[key] = value


def _named(data: bytes | msgspec.Raw) -> str:
    """Return the item's kind and name for a message, as far as it has them."""
    body = orjson.loads(bytes(data))
    if not isinstance(body, dict):
        return ""
    metadata = body.get("metadata")
    if not isinstance(metadata, dict):
        metadata = {}
    path = "/".join(
        str(metadata[part]) for part in ("namespace", "name") if metadata.get(part)
    )
    title = f"{body.get('kind', '')} {path}".strip()
    return f" ({title})"
