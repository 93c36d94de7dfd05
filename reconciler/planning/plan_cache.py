"""What a running service keeps from one cycle to the next, so that a cycle costs what changed.

Nothing in here can be stale: a result is kept under everything that it follows from (the bytes of a file, the digests
of a group's objects), never under a name alone, and is forgotten once a whole cycle did without it. A cycle without it
makes the same plan, only later.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Generic, TypeVar

from reconciler.errors import InputError
from reconciler.fleet.inventory import Cluster
from reconciler.placement.fleet_state import BaselineCache
from reconciler.placement.placed_group import PlacedGroup
from reconciler.policy.addon import AddOn
from reconciler.policy.model import SchedulePolicy
from reconciler.policy.priority_class import PriorityClasses
from reconciler.policy.tenant import Denial, Tenant
from reconciler.render.model import GroupOverlay
from reconciler.render.placement_record import ReadPlacement, read_back
from reconciler.workloads.files import read_admitted, read_file
from reconciler.workloads.governance import check_object
from reconciler.workloads.group import WorkloadObject

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def _always(_: object) -> bool:
    return True


class GenerationCache(Generic[K, V]):
    """Answers by what they follow from, for as long as each turn asks for them."""

    def __init__(self) -> None:
        self._now: dict[K, V] = {}
        self._before: dict[K, V] = {}

    def of(
        self,
        key: K,
        work: Callable[[], V],
        holds: Callable[[V], bool] = _always,
    ) -> V:
        """Return the answer to `key`, worked out by `work` where none is known that still `holds`.

        Errors of `work` are not kept.
        """
        for known in (self._now, self._before):
            if key in known and holds(known[key]):
                # An answer of the turn before is taken over, since this turn asked for it as well.
                found = known[key]
                self._now[key] = found
                return found
        found = work()
        self._now[key] = found
        return found

    def known(self, key: K) -> V | None:
        """Return the answer to `key` where one is known."""
        for known in (self._now, self._before):
            if key in known:
                found = known[key]
                self._now[key] = found
                return found
        return None

    def note(
        self,
        key: K,
        answer: V,
    ) -> None:
        """Take in an answer that is known without work."""
        self._now[key] = answer

    def start_generation(self) -> None:
        """Forget what was not asked for since the last turn."""
        self._before = self._now
        self._now = {}


_Answers = GenerationCache[Hashable, V]
"""Answers by keys of any kind."""


class Same:
    """A key that is equal for one and the same object only: it stands for what is too large to be compared."""

    __slots__ = ("_it",)

    def __init__(self, it: object) -> None:
        self._it = it  # held, so that nothing else can get its id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self._it is other._it

    def __hash__(self) -> int:
        return id(self._it)


@dataclass(slots=True)
class PlanCache:
    """All that is remembered. Not to be shared by threads."""

    baselines: BaselineCache = field(default_factory=BaselineCache)
    inventory: _Answers[tuple[Cluster, ...]] = field(default_factory=GenerationCache)
    policies: _Answers[tuple[SchedulePolicy, ...]] = field(
        default_factory=GenerationCache
    )
    tenants: _Answers[tuple[Tenant, ...]] = field(default_factory=GenerationCache)
    classes: _Answers[PriorityClasses] = field(default_factory=GenerationCache)
    addons: _Answers[tuple[AddOn, ...]] = field(default_factory=GenerationCache)
    denials: _Answers[tuple[Denial, ...]] = field(default_factory=GenerationCache)
    workloads: _Answers[tuple[tuple[WorkloadObject, ...], tuple[str, ...]]] = field(
        default_factory=GenerationCache
    )
    admitted: _Answers[WorkloadObject | None] = field(default_factory=GenerationCache)
    records: _Answers[tuple[ReadPlacement, ...]] = field(
        default_factory=GenerationCache
    )
    own_files: _Answers[bytes] = field(default_factory=GenerationCache)
    written: _Answers[bytes] = field(default_factory=GenerationCache)
    placements: _Answers[PlacedGroup] = field(default_factory=GenerationCache)
    overlays: _Answers[GroupOverlay] = field(default_factory=GenerationCache)
    groups: _Answers[dict[str, bytes]] = field(default_factory=GenerationCache)
    directories: _Answers[dict[str, bytes]] = field(default_factory=GenerationCache)
    addon_files: _Answers[dict[str, bytes]] = field(default_factory=GenerationCache)

    def start_generation(self) -> None:
        """Begin a new cycle: forget what the last one did without."""
        for part in fields(self):
            kept = getattr(self, part.name)
            # The baselines are not by generation: they hold one entry a cluster, and `retain` bounds them.
            if isinstance(kept, GenerationCache):
                kept.start_generation()

    def read_file(
        self,
        path: str,
        data: bytes,
    ) -> tuple[tuple[WorkloadObject, ...], tuple[str, ...]]:
        """Read a workload file, as `workloads.files.read_file` does."""
        key = (path, data)
        return self.workloads.of(key, partial(read_file, path, data))

    def check_object(
        self,
        tenant: Tenant,
        item: WorkloadObject,
    ) -> tuple[Denial, ...]:
        """Return what of an object its tenant may not have, as `workloads.governance.check_object` does."""
        key = (Same(tenant), item.digest)
        return self.denials.of(key, partial(check_object, tenant, item))

    def note_written(
        self,
        path: str,
        group: PlacedGroup,
        data: bytes,
    ) -> None:
        """Take in that the file `data`, just written for `group`, will be read as that group."""
        # What will be read follows from what was written, so the next cycle need not parse the file.
        read = read_back(group)
        self.records.note((path, data), (read,))
        self.own_files.note(Same(read), data)

    def note_read(
        self,
        read: ReadPlacement,
        group: PlacedGroup,
    ) -> None:
        """Take in that `group` was made of `read`: where that is a file of ours, it would be written the same again."""
        data = self.own_files.known(Same(read))
        # Only of a file that was written here is it known that it would be written the same.
        if data is not None:
            self.written.note(Same(group), data)

    def read_copy(
        self,
        path: str,
        data: bytes,
        namespace: str,
    ) -> WorkloadObject | None:
        """Read an admitted copy; None where it cannot be read."""
        key = (path, data, namespace)
        return self.admitted.of(key, partial(_copy, path, data, namespace))


def _copy(
    path: str,
    data: bytes,
    namespace: str,
) -> WorkloadObject | None:
    try:
        return read_admitted(path, data, namespace)
    except InputError:
        # A copy that was changed by hand is rendered anew, so it stops nothing.
        return None
