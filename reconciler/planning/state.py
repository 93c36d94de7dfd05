"""Everything that a plan needs to know of the fleet repo at one revision, as immutable data.

Policies, inventory and fleet.yaml are all or nothing: a file of theirs that cannot be read stops the cycle, since it is
never an empty list. A workload that cannot be read spoils only itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar, cast

from reconciler.errors import InvalidObject, Place
from reconciler.fleet.inventory import FOLDER as INVENTORY
from reconciler.fleet.inventory import Cluster, read_inventory
from reconciler.fleet.settings import FILE as FLEET_FILE
from reconciler.fleet.settings import Fleet, read_fleet
from reconciler.placement.placed_group import PlacedGroup
from reconciler.planning.files import Files
from reconciler.planning.namespaces import (
    NamespaceReader,
    NamespaceState,
    Readers,
    Rules,
    Sources,
)
from reconciler.planning.plan_cache import PlanCache
from reconciler.planning.rules import (
    documents_of,
    is_policy,
    read_class_files,
    read_tenant_files,
)
from reconciler.planning.same import Same
from reconciler.planning.workload_folders import (
    check_workloads,
    manifests_in,
    path_order,
    warnings_outside,
)
from reconciler.policy.addon import AddOn
from reconciler.policy.addon_kind import read_addons
from reconciler.policy.dialects import read_policies
from reconciler.policy.model import SchedulePolicy
from reconciler.policy.priority_class import PriorityClasses
from reconciler.policy.tenant import Tenancy, tenancy_of
from reconciler.reasons.reason import Reason
from reconciler.render.cluster import ROOT as CLUSTERS
from reconciler.render.placement_record import ROOT as PLACEMENTS
from reconciler.workloads.files import ROOT as WORKLOADS
from reconciler.workloads.group import GroupKey, WorkloadObject
from reconciler.workloads.grouping import Grouping
from reconciler.workloads.queue import queue_key
from reconciler.workloads.workloads import (
    Manifests,
    Workloads,
    workloads_of,
)

POLICIES = "policies"
ADDONS = "addons"

READ = (
    FLEET_FILE,
    f"{INVENTORY}/",
    f"{POLICIES}/",
    f"{ADDONS}/",
    f"{WORKLOADS}/",
    f"{PLACEMENTS}/",
    f"{CLUSTERS}/",
)
"""What of the repo a plan reads: paths that start with one of these."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class RepoState:
    """The repo at `revision`.

    `files` are all files, those that SkyRay rendered among them. `namespaces` are what is asked for and what is placed,
    by name. `manifests` are all workload files, in order of path; `outside` are the warnings about those in no
    namespace's folder. `pictures` are the capacity files that the inventory names, as far as they exist; `committed_at`
    (unix seconds) dates them where they do not date themselves.
    """

    revision: str
    fleet: Fleet
    clusters: tuple[Cluster, ...]
    files: Files
    namespaces: Mapping[str, NamespaceState]
    manifests: tuple[Manifests, ...]
    outside: tuple[str, ...]
    rules: Rules
    addons: tuple[AddOn, ...] = ()
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    committed_at: float = 0.0

    @cached_property
    def labels(self) -> Mapping[str, Mapping[str, str]]:
        """The labels of each cluster, by its name."""
        return {cluster.name: cluster.labels for cluster in self.clusters}

    @property
    def policies(self) -> tuple[SchedulePolicy, ...]:
        """Return the policies, sorted by name."""
        return self.rules.policies

    @property
    def tenancy(self) -> Tenancy:
        """Return the tenants, and whether each namespace must have one."""
        return self.rules.tenancy

    @property
    def classes(self) -> PriorityClasses:
        """Return the priority classes."""
        return self.rules.classes

    @cached_property
    def workloads(self) -> Workloads:
        """Everything under `workloads/`, in order of path."""
        every = workloads_of(self.manifests, self.outside)
        namespaces: dict[str, WorkloadObject] = {}
        for state in self.namespaces.values():
            namespaces |= state.workloads.namespaces
        return replace(every, namespaces=namespaces)

    @cached_property
    def grouping(self) -> Grouping:
        """All groups that are asked for, in the order of the queue."""
        parts = [state.grouping for state in self.namespaces.values()]
        groups = [group for part in parts for group in part.groups]
        groups.sort(key=lambda group: queue_key(group, self.classes))
        unplaced = [item for part in parts for item in part.unplaced]
        unplaced.sort(key=lambda item: item.place.file)
        unread: dict[GroupKey, Reason] = {}
        warnings: list[str] = []
        for part in parts:
            unread |= part.unread
            warnings += part.warnings
        return Grouping(tuple(groups), tuple(unplaced), unread, tuple(warnings))

    @cached_property
    def placements(self) -> Mapping[GroupKey, PlacedGroup]:
        """All groups that have a Placement."""
        found: dict[GroupKey, PlacedGroup] = {}
        for state in self.namespaces.values():
            found |= state.placed.groups
        return found

    def only(self, names: Collection[str]) -> RepoState:
        """Return the state with some of its namespaces, as if the repo had no others."""
        namespaces = {
            name: state for name, state in self.namespaces.items() if name in names
        }
        folders = [state.asked_by.folder for state in _in_path_order(namespaces)]
        manifests = tuple(folder.manifests for folder in folders)
        return replace(self, namespaces=namespaces, manifests=manifests, outside=())


def _in_path_order(namespaces: Mapping[str, NamespaceState]) -> list[NamespaceState]:
    """Return namespaces in the order of the paths of their folders."""
    return [namespaces[name] for name in sorted(namespaces, key=path_order)]


def read_state(
    revision: str,
    files: Files,
    sources: Sources,
    cache: PlanCache | None = None,
) -> RepoState:
    """Read the state from `files`.

    `sources` tells which commit changed each file last; `cache` is that of earlier cycles. Raises `InputError` for
    fleet.yaml, inventory, policies, add-ons and placement records that cannot be read.
    """
    cache = cache or PlanCache()
    fleet = _read_settings(files, cache)
    for folder in (INVENTORY, POLICIES):
        files.check(folder)
    clusters = _of_folders(
        cache, files, (INVENTORY,), lambda: read_inventory(files.below(INVENTORY))
    )
    policies = _of_folders(
        cache, files, (POLICIES,), lambda: read_policy_files(files.below(POLICIES))
    )
    check_workloads(files)
    rules, addons = _read_rules(files, fleet, policies, cache)
    readers = Readers(
        cache.read_file,
        cache.read_placements,
        cache.read_copy,
        cache.is_own,
        cache.check_object,
    )
    limits = fleet.limits.per_namespace
    reader = NamespaceReader(files, limits, rules, sources, readers, cache.namespaces)
    read = cache.namespaces = reader.read()
    return RepoState(
        revision,
        fleet,
        clusters,
        files,
        read.states,
        manifests_in(read.folders),
        warnings_outside(files),
        rules,
        addons,
    )


def _read_settings(files: Files, cache: PlanCache) -> Fleet:
    files.check(FLEET_FILE)
    entry = files.root.files.get(FLEET_FILE)
    data = files.get(FLEET_FILE)
    if entry is None or data is None:
        raise InvalidObject("is missing: `skyray init` makes one", Place(FLEET_FILE))
    return cache.settings.of(entry.blob, lambda: read_fleet(data))


def _read_rules(
    files: Files,
    fleet: Fleet,
    policies: tuple[SchedulePolicy, ...],
    cache: PlanCache,
) -> tuple[Rules, tuple[AddOn, ...]]:
    classes = _of_folders(
        cache,
        files,
        (POLICIES, ADDONS),
        lambda: read_class_files(files.below(POLICIES), addon_files(files)),
    )
    files.check(ADDONS)
    addons = _of_folders(
        cache, files, (ADDONS,), lambda: read_addons(files.below(ADDONS))
    )
    tenants = _of_folders(
        cache,
        files,
        (POLICIES,),
        lambda: read_tenant_files(files.below(POLICIES)),
        what="tenants",
    )
    key = (Same(policies), Same(classes), Same(tenants), fleet.tenancy)
    rules = cache.rules.of(
        key, lambda: Rules(policies, classes, tenancy_of(tenants, fleet.tenancy))
    )
    return rules, addons


def _of_folders(
    cache: PlanCache,
    files: Files,
    folders: tuple[str, ...],
    read: Callable[[], _T],
    what: str = "",
) -> _T:
    """Return what `read` makes of some folders: once for the same contents."""
    ids = tuple(files.folder(folder).id for folder in folders)
    return cast("_T", cache.operators.of((what, folders, ids), read))


def read_policy_files(files: Mapping[str, bytes]) -> tuple[SchedulePolicy, ...]:
    """Return all policies of `policies/`, sorted by name. Raises `InputError` for any that cannot be read."""
    return read_policies(
        document for document in documents_of(files) if is_policy(document)
    )


def addon_files(files: Files) -> dict[str, bytes]:
    """Return the contents under `addons/`."""
    return files.read(files.folder(ADDONS))
