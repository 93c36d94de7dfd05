"""The pools of a live cluster, from the API objects of its autoscaler.

`fleet.autoscalers` says which objects are wanted and what they mean; this module requests them, after the cluster's
nodes and pods. Objects that cannot be read (a 404, a 403, a late answer) become a note beside the pools that can: the
cluster's snapshot counts all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

import msgspec

from reconciler.errors import InvalidObject, Unreachable
from reconciler.fleet.autoscalers.reader import (
    AutoscalerReader,
    ObjectPath,
    ObservedCluster,
)
from reconciler.fleet.autoscalers.registry import readers_of
from reconciler.fleet.inventory import Cluster
from reconciler.fleet.snapshot import Node, NodePool

_MAX_OBJECTS = 2000

T = TypeVar("T")


class Server(Protocol):
    """The part of `live.ApiServer` that is needed here."""

    def get(self, path: str, query: dict[str, str] | None = None) -> tuple[int, bytes]:
        """Return the HTTP status and the body. Raises `Unreachable` where none comes in time."""


class _Listed(msgspec.Struct):
    items: list[msgspec.Raw] | None = None


class _Version(msgspec.Struct, rename="camel"):
    group_version: str


class _Group(msgspec.Struct, rename="camel"):
    preferred_version: _Version


# Made while the module is imported: msgspec 0.22 crashes where two threads make it learn a type at the same time.
_LIST = msgspec.json.Decoder(_Listed)
_GROUP = msgspec.json.Decoder(_Group)


def read_pools(
    server: Server,
    cluster: Cluster,
    nodes: Sequence[Node],
    capacities: Mapping[str, Mapping[str, str | int | float]],
    now: float,
) -> tuple[tuple[NodePool, ...], str]:
    """Return the pools that the autoscaler of `cluster` may grow, and why these may not be all; empty if they are.

    `nodes` and `capacities` (`status.capacity` of each node, by name) are those of its snapshot, taken at `now`, unix
    seconds.
    """
    observed = ObservedCluster(
        (cluster.name, cluster.kubernetes_cluster), nodes, capacities, now
    )
    notes = []
    for reader in readers_of(cluster.autoscaler):
        try:
            pools = reader.pools(_objects(server, reader), observed)
        except (Unreachable, InvalidObject) as error:
            notes.append(f"{reader.subject} cannot be read: {error}")
            continue
        observed = replace(observed, pools=pools)
    return observed.pools, "; ".join(notes)


def _objects(server: Server, reader: AutoscalerReader[T]) -> list[T]:
    """Return all objects that a reader wants; raises for the first that cannot be read, as a part would mislead."""
    objects: list[T] = []
    versions: dict[str, str] = {}
    for wanted in reader.wants:
        if wanted.group and wanted.group not in versions:
            versions[wanted.group] = _preferred_version(server, wanted.group)
        objects.extend(
            _objects_at(server, wanted, versions.get(wanted.group, ""), reader.decoder)
        )
    return objects


def _preferred_version(server: Server, group: str) -> str:
    """Return an API group's version that the server prefers, like `cluster.x-k8s.io/v1beta2`; empty without it."""
    path = f"/apis/{group}"
    status, body = server.get(path)
    if status == 404:
        return ""
    return _decoded(status, body, _GROUP, path).preferred_version.group_version


def _objects_at(
    server: Server, wanted: ObjectPath, version: str, decoder: msgspec.json.Decoder[T]
) -> list[T]:
    path = wanted.path
    if wanted.group:
        if not version:
            return []
        path = f"/apis/{version}/{wanted.path}"
    if not wanted.is_list:
        return [_decoded(*server.get(path), decoder, path)]
    status, body = server.get(path, {"limit": str(_MAX_OBJECTS)})
    # An API group need not serve every kind: clusters without MachinePools are common.
    if wanted.group and status == 404:
        return []
    items = _decoded(status, body, _LIST, path).items or []
    return [_item(raw, decoder, path) for raw in items]


def _item(raw: msgspec.Raw, decoder: msgspec.json.Decoder[T], path: str) -> T:
    try:
        return decoder.decode(raw)
    except msgspec.DecodeError as error:
        raise InvalidObject(f"{path}: {error}") from None


def _decoded(
    status: int, body: bytes, decoder: msgspec.json.Decoder[T], path: str
) -> T:
    if status == 403:
        raise Unreachable(
            f"its account may not get {path} (403); kustomize/workload-cluster-rbac has what it takes"
        )
    if status != 200:
        raise Unreachable(f"its API server answered {path} with {status}")
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreachable(
            f"its API server answered {path} with what cannot be read: {error}"
        ) from None
