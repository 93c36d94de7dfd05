"""What a running service keeps from one cycle to the next, so that a cycle costs what changed.

Nothing in here can be stale: a result is kept under everything that it follows from (the bytes of a file, the digests
of a group's objects), never under a name alone, and is forgotten once a whole cycle did without it. A cycle without it
makes the same plan, only later.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, fields
from typing import Generic, TypeVar

from reconciler.errors import InputError
from reconciler.fleet.settings import Fleet
from reconciler.placement.assign import Clusters
from reconciler.placement.fleet_state import BaselineCache
from reconciler.placement.placed_group import PlacedGroup
from reconciler.planning.files import blob_id
from reconciler.planning.namespaces import ReadNamespaces, Rules
from reconciler.planning.placed_index import PlacedIndex
from reconciler.planning.rendered import RenderCache, RenderedGroup
from reconciler.planning.resting import Resting
from reconciler.planning.same import Same
from reconciler.policy.tenant import Denial, Tenant
from reconciler.render import placement_record
from reconciler.render.addons import KeptAddOn
from reconciler.render.placement_record import ReadPlacement, read_back
from reconciler.workloads.files import Contents, read_admitted, read_file
from reconciler.workloads.governance import check_object
from reconciler.workloads.group import WorkloadObject

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class GenerationCache(Generic[K, V]):
    """Answers by what they follow from, for as long as each turn asks for them."""

    def __init__(self) -> None:
        self._now: dict[K, V] = {}
        self._before: dict[K, V] = {}

    def of(
        self, key: K, work: Callable[[], V], holds: Callable[[V], bool] = lambda _: True
    ) -> V:
        """Return the answer to `key`, worked out by `work` where none is known that still `holds`.

        Errors of `work` are not kept.
        """
        for known in (self._now, self._before):
            if key in known and holds(known[key]):
                found = self._now[key] = known[key]
                return found
        found = self._now[key] = work()
        return found

    def known(self, key: K) -> V | None:
        """Return the answer to `key` where one is known."""
        if key not in self._now and key not in self._before:
            return None
        found = self._now[key] = (
            self._now[key] if key in self._now else self._before[key]
        )
        return found

    def note(self, key: K, answer: V) -> None:
        """Take in an answer that is known without work."""
        self._now[key] = answer

    def start_generation(self) -> None:
        """Forget what was not asked for since the last turn."""
        self._before, self._now = self._now, {}


@dataclass(slots=True)
class PlanCache:
    """All that is remembered. Not to be shared by threads.

    `namespaces` are those of the revision that was read last; within them lies what was read of each file.
    """

    baselines: BaselineCache = field(default_factory=BaselineCache)
    namespaces: ReadNamespaces = field(default_factory=ReadNamespaces)
    settings: GenerationCache[str, Fleet] = field(default_factory=GenerationCache)
    operators: GenerationCache[Hashable, object] = field(
        default_factory=GenerationCache
    )
    rules: GenerationCache[Hashable, Rules] = field(default_factory=GenerationCache)
    denials: GenerationCache[Hashable, tuple[Denial, ...]] = field(
        default_factory=GenerationCache
    )
    workloads: GenerationCache[Hashable, Contents] = field(
        default_factory=GenerationCache
    )
    records: GenerationCache[Hashable, tuple[ReadPlacement, ...]] = field(
        default_factory=GenerationCache
    )
    own_files: GenerationCache[Hashable, bool] = field(default_factory=GenerationCache)
    clusters: GenerationCache[Hashable, Clusters] = field(
        default_factory=GenerationCache
    )
    resting: Resting = field(default_factory=Resting)
    placed: PlacedIndex = field(default_factory=PlacedIndex)
    rendered: RenderCache = field(default_factory=RenderCache)
    groups: GenerationCache[Hashable, RenderedGroup] = field(
        default_factory=GenerationCache
    )
    addons_there: GenerationCache[Hashable, tuple[KeptAddOn, ...]] = field(
        default_factory=GenerationCache
    )
    addon_files: GenerationCache[Hashable, dict[str, bytes]] = field(
        default_factory=GenerationCache
    )

    @property
    def is_new(self) -> bool:
        """Tell whether no plan has read a namespace yet."""
        return not self.namespaces.states

    def start_generation(self) -> None:
        """Begin a new cycle: forget what the last one did without."""
        for part in fields(self):
            kept = getattr(self, part.name)
            if isinstance(kept, GenerationCache):
                kept.start_generation()

    def read_file(self, path: str, data: bytes) -> Contents:
        """Read a workload file, as `workloads.files.read_file` does."""
        key = (path, blob_id(data))
        return self.workloads.of(key, lambda: read_file(path, data))

    def read_placements(self, path: str, data: bytes) -> tuple[ReadPlacement, ...]:
        """Read the Placements of a file, as `placement_record.read` does."""
        key = (path, blob_id(data))
        return self.records.of(key, lambda: placement_record.read_file(path, data))

    def read_copy(
        self, path: str, data: bytes, namespace: str
    ) -> WorkloadObject | None:
        """Read an admitted copy; None where it cannot be read."""
        try:
            return read_admitted(path, data, namespace)
        except InputError:
            return None

    def check_object(self, tenant: Tenant, item: WorkloadObject) -> tuple[Denial, ...]:
        """Return what of an object its tenant may not have, as `workloads.governance.check_object` does."""
        return self.denials.of(
            (Same(tenant), item.digest), lambda: check_object(tenant, item)
        )

    def note_written(self, path: str, group: PlacedGroup, data: bytes) -> None:
        """Take in that the file `data`, just written for `group`, will be read as that group."""
        read = read_back(group)
        self.records.note((path, blob_id(data)), (read,))
        self.own_files.note(Same(read), True)

    def is_own(self, read: ReadPlacement) -> bool:
        """Tell whether a Placement is one that was just written: its file would be written the same again."""
        return self.own_files.known(Same(read)) is not None
