"""The cluster directories while a plan is carried out: what is placed there, and which files each decision changes.

A directory is always rendered whole from the groups that are placed on its cluster, and compared with the files that
are there, so a change made by hand, a crash half-way and a stale file all end in the same clean rendering.
A companion that several groups of a namespace refer to is rendered once, in the folder `shared`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from reconciler.manifests.identity import ObjectKey
from reconciler.placement.decision import Decision
from reconciler.placement.placed_group import PlacedGroup
from reconciler.planning.plan_cache import PlanCache, Same
from reconciler.planning.state import RepoState
from reconciler.render.cluster import SENTINEL, directory_of, render_cluster
from reconciler.render.engine import EngineRenderer
from reconciler.render.engines import engine_renderer
from reconciler.render.group import render_group
from reconciler.render.luna import luna_patches, luna_settings
from reconciler.render.model import ClusterDirectory, GroupOverlay, NamespaceMeta
from reconciler.render.placement_record import path_of, write
from reconciler.workloads.cluster_copy import ClusterCopy
from reconciler.workloads.files import Workloads
from reconciler.workloads.group import GroupKey, WorkloadObject
from reconciler.workloads.grouping import SHARED
from reconciler.workloads.patch import Patch

_Objects = tuple[WorkloadObject, ...]

_Placed = tuple[str, ClusterCopy]
"""What a cluster has of a group: the name of the group's policy, and the copy."""

_OnCluster = tuple[WorkloadObject, ClusterCopy]
"""An admitted object, and the copy that has it."""


class Directories:
    """Every cluster's directory, as the commits made so far leave it."""

    def __init__(
        self,
        state: RepoState,
        cache: PlanCache,
        addons: Mapping[str, bytes] | None = None,
    ) -> None:
        self._state = state
        self._addons = addons or {}
        self._cache = cache
        self._engine = engine_renderer(state.fleet.engine)
        self._namespaces = _namespaces(state.workloads)
        self._clusters = {cluster.name: cluster for cluster in state.clusters}
        self._known = frozenset(self._clusters)
        self._groups: dict[str, dict[GroupKey, _Placed]] = {}
        self._files: dict[str, dict[str, bytes]] = {}
        # A cluster of the inventory has a directory before it has any group.
        for cluster in state.clusters:
            self._groups[cluster.name] = {}
        for key, group in state.placements.items():
            for copy in group.copies:
                groups = self._groups.setdefault(copy.cluster, {})
                groups[key] = (group.policy, copy)

    def repair(self) -> dict[str, bytes | None]:
        """Return the changes that bring SkyRay's folders to what the records say: path -> content, None to delete."""
        wanted: dict[str, bytes] = {}
        for key, group in self._state.placements.items():
            wanted[path_of(key)] = self._written(group)
        wanted |= self._addons
        present = self._state.rendered
        for cluster in self._groups:
            sentinel = present.get(_sentinel_of(cluster))
            self._files[cluster] = self._render(cluster, sentinel)
            wanted |= self._files[cluster]
        return _difference(present, wanted)

    def apply(self, decision: Decision) -> dict[str, bytes | None]:
        """Carry out one decision; return the changes under `clusters/`. Call `repair` first."""
        before = decision.before.clusters if decision.before else ()
        copies = decision.after.copies if decision.after else ()
        after = {copy.cluster: copy for copy in copies}
        changes: dict[str, bytes | None] = {}
        for cluster in sorted({*before, *after}):
            groups = self._groups.setdefault(cluster, {})
            if cluster in after:
                copy = after[cluster]
                _give_way(groups, copy)
                groups[decision.group] = (decision.policy, copy)
            else:
                groups.pop(decision.group, None)
            changes |= self._render_anew(cluster)
        return changes

    def _render_anew(self, cluster: str) -> dict[str, bytes | None]:
        """Render a directory whose groups have changed; return the changes of its files."""
        old = self._files.get(cluster, {})
        sentinel = old.get(_sentinel_of(cluster))
        new = self._render(cluster, sentinel)
        self._files[cluster] = new
        return _difference(old, new)

    def _render(
        self,
        cluster: str,
        sentinel: bytes | None,
    ) -> dict[str, bytes]:
        """Return the files of a directory; `sentinel` is what its sentinel has now."""
        groups = self._groups[cluster]
        # A cluster outside the inventory has a directory only as long as groups are placed there.
        if not groups and cluster not in self._known:
            return {}
        contents = []
        digests = []
        for key, (policy, part) in sorted(groups.items()):
            contents.append((key, policy, _likeness(part)))
            digests.append(self._namespace_digest(key.namespace))
        follows_from = (
            self._engine,
            cluster,
            luna_settings(self._clusters.get(cluster)),
            tuple(contents),
            tuple(digests),
        )
        path = _sentinel_of(cluster)
        # An unchanged directory keeps its sentinel, whatever the revision; only then is it the same as before.
        return self._cache.directories.of(
            follows_from,
            partial(self._rendered, cluster, sentinel),
            holds=lambda known: known[path] == sentinel,
        )

    def _rendered(
        self,
        cluster: str,
        sentinel: bytes | None,
    ) -> dict[str, bytes]:
        overlays = self._overlays(self._groups[cluster])
        directory = ClusterDirectory(cluster, overlays, self._namespaces)
        revision = self._state.revision
        return render_cluster(directory, self._engine, revision, sentinel, self._group)

    def _group(
        self,
        overlay: GroupOverlay,
        engine: EngineRenderer,
    ) -> Mapping[str, bytes]:
        key = (Same(overlay), engine)
        return self._cache.groups.of(key, partial(render_group, overlay, engine))

    def _written(self, group: PlacedGroup) -> bytes:
        return self._cache.written.of(Same(group), partial(write, group))

    def _namespace_digest(self, namespace: str) -> str:
        written = self._state.workloads.namespaces.get(namespace)
        return written.digest if written else ""

    def _overlays(self, groups: Mapping[GroupKey, _Placed]) -> tuple[GroupOverlay, ...]:
        """Return the overlays of one cluster.

        Companions of several groups are taken out of each and stand in `shared`, as the last of these has them.
        """
        uses = _companion_uses(groups)
        shared: dict[str, dict[ObjectKey, _OnCluster]] = defaultdict(dict)
        overlays = []
        for key, (policy, part) in sorted(groups.items()):
            own = []
            for item in part.admitted:
                if uses[item.key] > 1:
                    shared[key.namespace][item.key] = (item, part)
                else:
                    own.append((item, part))
            # A group may have nothing but shared companions, and then no folder of its own.
            if own:
                overlays.append(self._overlay(key.namespace, key.name, policy, own))
        for namespace, items in shared.items():
            each = [items[key] for key in sorted(items)]
            overlays.append(self._overlay(namespace, SHARED, SHARED, each))
        return tuple(overlays)

    def _overlay(
        self,
        namespace: str,
        group: str,
        policy: str,
        items: Iterable[_OnCluster],
    ) -> GroupOverlay:
        """Return the overlay of some objects, with their patches in the same order."""
        admitted = []
        patches: list[Patch] = []
        for item, part in items:
            admitted.append(item)
            patches += self._patches(item, part)
        objects = tuple(admitted)

        def overlay() -> GroupOverlay:
            bodies = tuple(item.body for item in objects)
            return GroupOverlay(namespace, group, policy, bodies, tuple(patches))

        key = (namespace, group, policy, _digests(objects), repr(patches))
        return self._cache.overlays.of(key, overlay)

    def _patches(
        self,
        item: WorkloadObject,
        part: ClusterCopy,
    ) -> Iterator[Patch]:
        """Yield what changes `item` for the cluster of `part`: what its policy says, then what its autoscaler needs."""
        yield from (patch for patch in part.patches if patch.is_for(item.key))
        cluster = self._clusters.get(part.cluster)
        # Only objects with pods make an autoscaler add nodes.
        if cluster is not None and item.demand is not None:
            bodies = (one.body for one in part.deployed if one.key == item.key)
            yield from luna_patches(bodies, cluster)


def _sentinel_of(cluster: str) -> str:
    return f"{directory_of(cluster)}{SENTINEL}"


def _companion_uses(groups: Mapping[GroupKey, _Placed]) -> Counter[ObjectKey]:
    """Return how many groups of a cluster have each companion."""
    uses: Counter[ObjectKey] = Counter()
    for _, part in groups.values():
        # An object with pods is of one group only, and is never shared.
        uses.update(item.key for item in part.admitted if item.demand is None)
    return uses


def _give_way(groups: dict[GroupKey, _Placed], fresh: ClusterCopy) -> None:
    """Bring the other groups of a cluster in line with `fresh`, since each commit must render without the next ones.

    Objects that it takes over leave their former group, and objects that it shares are the ones that it has now.
    """
    taken = set()
    shared = {}
    for item in fresh.admitted:
        if item.demand is not None:
            taken.add(item.key)
        elif not _patched(fresh, item):
            shared[item.key] = item
    for key, (policy, part) in groups.items():
        admitted = _beside(part, taken, shared)
        # Most groups of a cluster have nothing in common with the fresh copy.
        if _digests(admitted) == _digests(part.admitted):
            continue
        deployed = tuple(item for item in part.deployed if item.key not in taken)
        changed = replace(part, admitted=admitted, deployed=deployed)
        groups[key] = (policy, changed)


def _beside(
    part: ClusterCopy,
    taken: Collection[ObjectKey],
    shared: Mapping[ObjectKey, WorkloadObject],
) -> _Objects:
    """Return the objects of a copy without those that are `taken`, and with the `shared` ones as they are now."""
    admitted = []
    for item in part.admitted:
        if item.key in taken:
            continue
        # A patch was made for the object that the copy has, and may not apply to another one.
        known = item if _patched(part, item) else shared.get(item.key, item)
        admitted.append(known)
    return tuple(admitted)


def _patched(part: ClusterCopy, item: WorkloadObject) -> bool:
    return any(patch.is_for(item.key) for patch in part.patches)


def _likeness(part: ClusterCopy) -> tuple[object, ...]:
    return (_digests(part.admitted), repr(part.patches))


def _digests(objects: _Objects) -> tuple[str, ...]:
    return tuple(item.digest for item in objects)


def _difference(
    old: Mapping[str, bytes], new: Mapping[str, bytes]
) -> dict[str, bytes | None]:
    changes: dict[str, bytes | None] = {path: None for path in old if path not in new}
    changes |= {path: data for path, data in new.items() if old.get(path) != data}
    return changes


def _namespaces(workloads: Workloads) -> dict[str, NamespaceMeta]:
    found = {}
    for name, item in workloads.namespaces.items():
        found[name] = NamespaceMeta(item.labels, item.annotations)
    return found
