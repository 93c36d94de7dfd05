"""Everything that a plan needs to know of the fleet repo at one revision, as immutable data.

The one idea: policies, inventory and fleet.yaml are all or nothing (a file of theirs that cannot be read stops the
cycle, since it is never an empty list), while a workload that cannot be read spoils only itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from reconciler.errors import InputError, InvalidObject, Place
from reconciler.fleet.inventory import FOLDER as INVENTORY
from reconciler.fleet.inventory import Cluster, read_inventory
from reconciler.fleet.settings import FILE as FLEET_FILE
from reconciler.fleet.settings import Fleet, read_fleet
from reconciler.manifests.loader import load
from reconciler.placement.group import Source, WorkloadObject
from reconciler.placement.grouping import SHARED, Grouping, group_objects
from reconciler.placement.model import GroupKey
from reconciler.placement.outcome import Standing
from reconciler.placement.record import PlacementRecord
from reconciler.placement.workloads import ROOT as WORKLOADS
from reconciler.placement.workloads import Workloads, read_admitted, read_workloads
from reconciler.policy.dialects import read_policies
from reconciler.policy.model import SchedulePolicy
from reconciler.render.cluster import ROOT as CLUSTERS
from reconciler.render.group import FILE as KUSTOMIZATION
from reconciler.render.placement_record import ROOT as PLACEMENTS
from reconciler.render.placement_record import read as read_record

POLICIES = "policies"
_OWN = (f"{CLUSTERS}/", f"{PLACEMENTS}/")

READ = (FLEET_FILE, f"{INVENTORY}/", f"{POLICIES}/", f"{WORKLOADS}/", f"{PLACEMENTS}/", f"{CLUSTERS}/")
"""What of the repo a plan reads: paths that start with one of these."""


@dataclass(frozen=True, slots=True)
class RepoState:
    """The repo at `revision`.

    `rendered` are the files under SkyRay's own folders, path -> content. `pictures` are the capacity files that the
    inventory names, as far as they exist; `committed_at` (unix seconds) dates them where they do not date themselves.
    """

    revision: str
    fleet: Fleet
    clusters: tuple[Cluster, ...]
    policies: tuple[SchedulePolicy, ...]
    workloads: Workloads
    grouping: Grouping
    standing: Mapping[GroupKey, Standing]
    rendered: Mapping[str, bytes]
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    committed_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Files:
    """The files that a plan reads: `contents` by path, and of the `unusable` ones (links, unsafe names) the reason."""

    contents: Mapping[str, bytes]
    unusable: Mapping[str, str] = field(default_factory=dict)

    def below(self, folder: str) -> dict[str, bytes]:
        """Return the contents under `folder`. Raises `InvalidObject` when anything there is unusable."""
        for path, reason in sorted(self.unusable.items()):
            if path.startswith(f"{folder}/") or path == folder:
                raise InvalidObject(f"{reason}: put an ordinary file in its place, or take it out", Place(path))
        return {path: data for path, data in self.contents.items() if path.startswith(f"{folder}/")}


def read_state(revision: str, files: Files, sources: Callable[[Iterable[str]], Mapping[str, Source]]) -> RepoState:
    """Read the state from `files`.

    `sources` tells which commit changed each of some paths last. Raises `InputError` for fleet.yaml, inventory,
    policies and placement records that cannot be read.
    """
    files.below(FLEET_FILE)
    if FLEET_FILE not in files.contents:
        raise InvalidObject("is missing: `skyray init` makes one", Place(FLEET_FILE))
    fleet = read_fleet(files.contents[FLEET_FILE])
    clusters = read_inventory(files.below(INVENTORY))
    policies = read_policy_files(files.below(POLICIES))
    workloads = read_workloads(*workload_files(files))
    grouping = group_objects(workloads, policies, sources({o.place.file for o in workloads.objects}))
    rendered = {p: d for p, d in files.contents.items() if p.startswith(_OWN)}
    rendered |= {p: b"" for p in files.unusable if p.startswith(_OWN)}
    records = [r for path, data in sorted(files.below(PLACEMENTS).items()) for r in read_records(path, data)]
    folders = _folders(rendered)
    standing = {r.group: Standing(r, _admitted(r, folders, rendered, workloads)) for r in records}
    return RepoState(revision, fleet, clusters, policies, workloads, grouping, standing, rendered)


def read_records(path: str, data: bytes) -> list[PlacementRecord]:
    """Return the decision records in one file of `placements/`. Raises `InputError`."""
    return [read_record(document) for document in load(data, path).documents]


def read_policy_files(files: Mapping[str, bytes]) -> tuple[SchedulePolicy, ...]:
    """Return all policies of `policies/`, sorted by name. Raises `InputError` for any that cannot be read."""
    documents = [
        document
        for path in sorted(files)
        if path.endswith((".yaml", ".yml", ".json"))
        for document in load(files[path], path).documents
    ]
    return read_policies(documents)


def workload_files(files: Files) -> tuple[dict[str, bytes], dict[str, str]]:
    """Return the contents under `workloads/`, and the paths there that cannot be read, with the reason."""
    contents = {path: data for path, data in files.contents.items() if path.startswith(f"{WORKLOADS}/")}
    return contents, {path: why for path, why in files.unusable.items() if path.startswith(f"{WORKLOADS}/")}


def _admitted(
    record: PlacementRecord, folders: Mapping[str, list[str]], rendered: Mapping[str, bytes], workloads: Workloads
) -> tuple[WorkloadObject, ...]:
    """Return the admitted copies of a placed group, as they stand in its cluster's directory.

    A copy that is gone, or is not what the record says was admitted, was changed by hand: it is taken from the user's
    file where that still says the same, else it is left out.
    """
    wanted = {(entry.kind, entry.name, entry.digest): entry for entry in record.objects}
    found: dict[tuple[str, str, str], WorkloadObject] = {}
    for share in record.clusters:
        for name in (record.group.name, SHARED):
            for path in folders.get(f"{CLUSTERS}/{share.name}/{record.group.namespace}/{name}", ()):
                item = _copy(path, rendered[path], record.group.namespace)
                if item is not None:
                    found.setdefault((item.key.kind, item.key.name, item.digest), item)
    for item in workloads.objects:
        if item.key.namespace == record.group.namespace:
            found.setdefault((item.key.kind, item.key.name, item.digest), item)
    return tuple(replace(found[key], place=Place(wanted[key].source)) for key in sorted(wanted) if key in found)


def _copy(path: str, data: bytes, namespace: str) -> WorkloadObject | None:
    try:
        return read_admitted(path, data, namespace)
    except InputError:
        return None


def _folders(rendered: Mapping[str, bytes]) -> dict[str, list[str]]:
    """Return the object files of each group's folder."""
    folders: dict[str, list[str]] = {}
    for path in rendered:
        folder, _, name = path.rpartition("/")
        if folder.count("/") == 3 and name != KUSTOMIZATION:
            folders.setdefault(folder, []).append(path)
    return folders
