"""The cluster directories while a plan is carried out: what is placed there, and which files each decision changes.

A directory is always rendered whole from the groups that are placed on its cluster, and compared with the files that
are there, so a change made by hand, a crash half-way and a stale file all end in the same clean rendering.
A companion that several groups of a namespace refer to is rendered once, in the folder `shared`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
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
        self._groups: dict[str, dict[GroupKey, tuple[str, ClusterCopy]]] = {
            c.name: {} for c in state.clusters
        }
        self._known = frozenset(self._groups)
        self._clusters = {cluster.name: cluster for cluster in state.clusters}
        self._files: dict[str, dict[str, bytes]] = {}
        for key, group in state.placements.items():
            for copy in group.copies:
                self._groups.setdefault(copy.cluster, {})[key] = (group.policy, copy)

    def repair(self) -> dict[str, bytes | None]:
        """Return the changes that bring SkyRay's folders to what the records say: path -> content, None to delete."""
        wanted = {
            path_of(key): self._written(group)
            for key, group in self._state.placements.items()
        }
        wanted |= self._addons
        present = self._state.rendered
        for cluster in self._groups:
            base = directory_of(cluster)
            self._files[cluster] = self._render(
                cluster, present.get(f"{base}{SENTINEL}")
            )
            wanted |= self._files[cluster]
        return _difference(present, wanted)

    def apply(self, decision: Decision) -> dict[str, bytes | None]:
        """Carry out one decision; return the changes under `clusters/`. Call `repair` first."""
        before = set(decision.before.clusters) if decision.before else set()
        after = (
            {copy.cluster: copy for copy in decision.after.copies}
            if decision.after
            else {}
        )
        changes: dict[str, bytes | None] = {}
        for cluster in sorted(before | after.keys()):
            groups = self._groups.setdefault(cluster, {})
            if cluster in after:
                _give_way(groups, after[cluster])
                groups[decision.group] = (decision.policy, after[cluster])
            else:
                groups.pop(decision.group, None)
            old = self._files.get(cluster, {})
            new = self._render(cluster, old.get(f"{directory_of(cluster)}{SENTINEL}"))
            self._files[cluster] = new
            changes |= _difference(old, new)
        return changes

    def _render(self, cluster: str, sentinel: bytes | None) -> dict[str, bytes]:
        groups = self._groups[cluster]
        if not groups and cluster not in self._known:
            return {}
        follows_from = (
            self._engine,
            cluster,
            luna_settings(self._clusters.get(cluster)),
            tuple(
                (key, policy, _likeness(part))
                for key, (policy, part) in sorted(groups.items())
            ),
            tuple(self._namespace_digest(key.namespace) for key in sorted(groups)),
        )
        path = f"{directory_of(cluster)}{SENTINEL}"
        # An unchanged directory keeps its sentinel, whatever the revision; only then is it the same as before.
        return self._cache.directories.of(
            follows_from,
            partial(self._rendered, cluster, sentinel),
            holds=lambda known: known[path] == sentinel,
        )

    def _rendered(self, cluster: str, sentinel: bytes | None) -> dict[str, bytes]:
        directory = ClusterDirectory(
            cluster, self._overlays(self._groups[cluster]), self._namespaces
        )
        return render_cluster(
            directory, self._engine, self._state.revision, sentinel, self._group
        )

    def _group(
        self, overlay: GroupOverlay, engine: EngineRenderer
    ) -> Mapping[str, bytes]:
        return self._cache.groups.of(
            (Same(overlay), engine), partial(render_group, overlay, engine)
        )

    def _written(self, group: PlacedGroup) -> bytes:
        return self._cache.written.of(Same(group), partial(write, group))

    def _namespace_digest(self, namespace: str) -> str:
        written = self._state.workloads.namespaces.get(namespace)
        return written.digest if written else ""

    def _overlays(
        self, groups: Mapping[GroupKey, tuple[str, ClusterCopy]]
    ) -> tuple[GroupOverlay, ...]:
        """Return the overlays of one cluster.

        Companions of several groups are taken out of each and stand in `shared`, as the last of these has them.
        """
        uses = Counter(
            o.key
            for _, part in groups.values()
            for o in part.admitted
            if o.demand is None
        )
        shared: dict[str, dict[ObjectKey, tuple[WorkloadObject, ClusterCopy]]] = (
            defaultdict(dict)
        )
        overlays = []
        for key, (policy, part) in sorted(groups.items()):
            own = []
            for item in part.admitted:
                if uses[item.key] > 1:
                    shared[key.namespace][item.key] = (item, part)
                else:
                    own.append(item)
            if own:
                patches = tuple(
                    patch for item in own for patch in self._patches(item, part)
                )
                overlays.append(
                    self._overlay(key.namespace, key.name, policy, tuple(own), patches)
                )
        for namespace, items in shared.items():
            each = [items[key] for key in sorted(items)]
            patches = tuple(
                patch for item, part in each for patch in self._patches(item, part)
            )
            overlays.append(
                self._overlay(
                    namespace, SHARED, SHARED, tuple(item for item, _ in each), patches
                )
            )
        return tuple(overlays)

    def _patches(self, item: WorkloadObject, part: ClusterCopy) -> Iterator[Patch]:
        """Yield what changes `item` for the cluster of `part`: what its policy says, then what its autoscaler needs."""
        yield from (patch for patch in part.patches if patch.is_for(item.key))
        cluster = self._clusters.get(part.cluster)
        if cluster is not None and item.demand is not None:
            yield from luna_patches(
                (one.body for one in part.deployed if one.key == item.key), cluster
            )

    def _overlay(
        self,
        namespace: str,
        group: str,
        policy: str,
        objects: _Objects,
        patches: tuple[Patch, ...],
    ) -> GroupOverlay:
        return self._cache.overlays.of(
            (namespace, group, policy, _digests(objects), repr(patches)),
            lambda: GroupOverlay(
                namespace, group, policy, tuple(o.body for o in objects), patches
            ),
        )


def _give_way(
    groups: dict[GroupKey, tuple[str, ClusterCopy]], fresh: ClusterCopy
) -> None:
    """Bring the other groups of a cluster in line with `fresh`, since each commit must render without the next ones.

    Objects that it takes over leave their former group, and objects that it shares are the ones that it has now.
    """
    taken = {item.key for item in fresh.admitted if item.demand is not None}
    shared = {
        item.key: item
        for item in fresh.admitted
        if item.demand is None and not _patched(fresh, item)
    }
    for key, (policy, part) in groups.items():
        admitted = tuple(
            shared.get(item.key, item) if not _patched(part, item) else item
            for item in part.admitted
            if item.key not in taken
        )
        if _digests(admitted) != _digests(part.admitted):
            deployed = tuple(item for item in part.deployed if item.key not in taken)
            groups[key] = (policy, replace(part, admitted=admitted, deployed=deployed))


def _patched(part: ClusterCopy, item: WorkloadObject) -> bool:
    return any(patch.is_for(item.key) for patch in part.patches)


def _likeness(part: ClusterCopy) -> tuple[object, ...]:
    return (_digests(part.admitted), repr(part.patches))


def _digests(objects: _Objects) -> tuple[str, ...]:
    return tuple(o.digest for o in objects)


def _difference(
    old: Mapping[str, bytes], new: Mapping[str, bytes]
) -> dict[str, bytes | None]:
    changes: dict[str, bytes | None] = {path: None for path in old if path not in new}
    changes |= {path: data for path, data in new.items() if old.get(path) != data}
    return changes


def _namespaces(workloads: Workloads) -> dict[str, NamespaceMeta]:
    return {
        name: NamespaceMeta(item.labels, item.annotations)
        for name, item in workloads.namespaces.items()
    }
