"""The interface of an autoscaler's reader: the API objects that it wants, and what it makes of them.

A reader is pure, so that it is tested on plain objects; `observers.pools` does all requests. To add one, write a module
beside this one, add a line to `registry.READERS` and the kind to `cluster_kind.AutoscalerPart`, and write a test file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import msgspec

from reconciler.fleet.snapshot import Node, NodePool

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ObjectPath:
    """Where the API server serves objects that a reader wants.

    Without `group`, `path` is absolute, and an answer of 404 makes the reader's objects unreadable. With `group`, such
    as `cluster.x-k8s.io`, `path` is a plural below the version that the server prefers, and 404 of the group or of the
    plural means that there are no such objects. `is_list` is false for a single object.
    """

    path: str
    group: str = ""
    is_list: bool = True


@dataclass(frozen=True, slots=True)
class ObservedCluster:
    """What is known of a live cluster when its autoscaler's objects are read.

    `names`: how the cluster is called, in the inventory and by its cloud. `capacities`: `status.capacity` of each node
    by its name, as the API server writes it. `taken_at`: unix seconds. `pools`: the result of the readers of the same
    autoscaler that come earlier in the registry.
    """

    names: tuple[str, ...] = ()
    nodes: Sequence[Node] = ()
    capacities: Mapping[str, Mapping[str, str | int | float]] = field(
        default_factory=dict
    )
    taken_at: float = 0.0
    pools: tuple[NodePool, ...] = ()


class AutoscalerReader(Protocol[T]):
    """Reads what one autoscaler may add from API objects of type `T`."""

    @property
    def kind(self) -> str:
        """Return `spec.autoscaler.kind` of the clusters that it is for."""

    @property
    def subject(self) -> str:
        """Return the words for its objects, as in `SUBJECT cannot be read: ...`."""

    @property
    def wants(self) -> tuple[ObjectPath, ...]:
        """Return where its objects are, in the order in which they are requested."""

    @property
    def decoder(self) -> msgspec.json.Decoder[T]:
        """Return the decoder of one object.

        It is made when the module is imported: clusters are read on several threads, and msgspec 0.22 crashes where two
        threads make it learn a type at the same time.
        """

    def pools(
        self, objects: Sequence[T], cluster: ObservedCluster
    ) -> tuple[NodePool, ...]:
        """Return the pools that `objects` describe, together with `cluster.pools`.

        Raises `InvalidObject` for an object that cannot be understood; then `cluster.pools` stays as it is.
        """
