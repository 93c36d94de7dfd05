"""For how many pods of a kind each node has room, and what its free resources score for them.

Both follow from the node alone, so binding a pod changes them for one node. They are therefore kept with the arrays
that they were computed from (`KeptRooms`): where pods were bound since, only the nodes of those pods are looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reconciler.kube_scheduler.node_table import (
    SLOTS,
    Ints,
    NodeTable,
    clamped,
    load_of,
)
from reconciler.kube_scheduler.scores import NodeArrays, RoomScore
from reconciler.manifests.podshape import PodShape

UNLIMITED = 1 << 30
"""The most pods that count as places of one node."""

CLOSED = -1
"""The score of a node without room, below every other score."""

_MOST_KEPT = 256
"""Kinds of pods that are kept for one state of the nodes."""

_FEW_NODES = 8
"""Up to so many nodes are looked at one by one; above, numpy costs less."""


class PodRequest(NamedTuple):
    """What equal pods ask of a node: `taken`, (row, amount) with the pod slot first, and `load`, as in `load_of`.

    Pods with equal requests have the same room on every node, whatever else differs.
    """

    taken: tuple[tuple[int, int], ...]
    load: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class PodRoom:
    """`places`: how many more of the pods each node can hold. `scores`: its `RoomScore`; `CLOSED` without a place.

    The arrays may be shared, hence are not to be changed.
    """

    places: Ints
    scores: Ints


class KeptRooms:
    """The arrays of one state of the nodes, which never change again, and the rooms that were computed from them.

    Several threads may read it at a time: what two of them compute is equal, and either may be kept.
    """

    __slots__ = ("_outdated", "_rooms", "free", "load", "most_allocated", "table")

    def __init__(
        self, table: NodeTable, free: Ints, load: Ints, most_allocated: bool
    ) -> None:
        self.table = table
        self.free = free
        self.load = load
        self.most_allocated = most_allocated
        self._rooms: dict[PodRequest, PodRoom] = {}
        self._outdated: dict[PodRequest, tuple[PodRoom, frozenset[int]]] = {}

    def room(self, request: PodRequest) -> PodRoom:
        """Return the room for pods with this request."""
        found = self._rooms.get(request)
        if found is not None:
            return found
        outdated = self._outdated.pop(request, None)
        if outdated is None:
            found = room_on_all(self, request, self.most_allocated)
        else:
            found = room_again(self, request, self.most_allocated, *outdated)
        # What is looked for again is computed again, so it does not matter which are dropped.
        if len(self._rooms) >= _MOST_KEPT:
            self._rooms = {}
        self._rooms[request] = found
        return found

    def after(self, changed: Collection[int], free: Ints, load: Ints) -> KeptRooms:
        """Return those of the state in which the nodes `changed` differ; `free` and `load` are its arrays."""
        following = KeptRooms(self.table, free, load, self.most_allocated)
        nodes = frozenset(changed)
        outdated = following._outdated
        for request, (room, before) in list(self._outdated.items()):
            # Where much has changed, nothing is saved.
            if len(before) * 2 < self.table.size:
                outdated[request] = room, before | nodes
        for request, room in list(self._rooms.items()):
            outdated[request] = room, nodes
        return following


def room_on_all(
    nodes: NodeArrays, request: PodRequest, most_allocated: bool
) -> PodRoom:
    """Return the room for pods with `request` on all nodes."""
    places = places_of(nodes.free, request)
    scores = RoomScore(*request.load, most_allocated).many(nodes)[0]
    scores[places == 0] = CLOSED
    return PodRoom(places, scores)


def room_again(
    nodes: NodeArrays,
    request: PodRequest,
    most_allocated: bool,
    room: PodRoom,
    changed: Collection[int],
) -> PodRoom:
    """Return `room` with the nodes `changed`, and no others, looked at again."""
    places, scores = room.places.copy(), room.scores.copy()
    score = RoomScore(*request.load, most_allocated)
    if len(changed) <= _FEW_NODES:
        for node in changed:
            places[node], scores[node] = room_on_node(nodes, request, score, node)
        return PodRoom(places, scores)
    index = np.fromiter(changed, np.int64, len(changed))
    again = places_of(nodes.free.take(index, axis=1), request)
    scores_again = score.many(nodes, index)[0]
    scores_again[again == 0] = CLOSED
    places[index] = again
    scores[index] = scores_again
    return PodRoom(places, scores)


def room_on_node(
    nodes: NodeArrays, request: PodRequest, score: RoomScore, node: int
) -> tuple[int, int]:
    """Return the places and the score of one node."""
    free: list[int] = nodes.free[:, node].tolist()
    places = places_on_node(free, request.taken)
    if not places:
        return 0, CLOSED
    load: list[int] = nodes.load[:, node].tolist()
    return places, score.one(load, nodes.table.caps[node])


def places_on_node(free: list[int], taken: Iterable[tuple[int, int]]) -> int:
    """Return for how many pods a node with `free` has room."""
    places = UNLIMITED
    for row, amount in taken:
        places = min(places, free[row] // amount)
    return max(places, 0)


def places_of(free: Ints, request: PodRequest) -> Ints:
    """Return for how many pods nodes with `free` have room."""
    slots, *others = request.taken
    places: Ints = np.minimum(free[slots[0]], UNLIMITED)
    for row, amount in others:
        np.minimum(places, free[row] // amount, out=places)
    return np.maximum(places, 0, out=places)


def request_of(table: NodeTable, shape: PodShape) -> PodRequest | None:
    """Return what pods of a shape ask of these nodes; None when no node has a resource that they request."""
    # One fit asks for the same few shapes many times over.
    return table.of_shape("request", shape, _request_of)


def _request_of(table: NodeTable, shape: PodShape) -> PodRequest | None:
    taken = [(SLOTS, 1)]
    for name, amount in shape.requests.items():
        if amount > 0:
            row = table.rows.get(name)
            if row is None:
                return None
            taken.append((row, clamped(amount)))
    return PodRequest(tuple(taken), load_of(shape))
