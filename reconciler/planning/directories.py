"""The cluster directories while a plan is carried out: what is placed there, and which files each decision changes.

A directory is a function of what is placed on its cluster. It is compared with the files that are there, so a change
made by hand, a crash half-way and a stale file all end in the same clean rendering. What was compared once and did not
change since, on either side, is not compared again. A companion that several groups of a namespace refer to is rendered
once, in the folder `shared`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from reconciler.placement.decision import Decision
from reconciler.planning.files import blob_id
from reconciler.planning.overlays import (
    Groups,
    Overlay,
    PlacedCopy,
    give_way,
    overlays_of,
    patches_of,
)
from reconciler.planning.plan_cache import PlanCache
from reconciler.planning.rendered import KeptTop, RenderedGroup, RenderedPart
from reconciler.planning.same import Same, same_objects
from reconciler.planning.state import RepoState
from reconciler.render.addons import FOLDER as ADDONS
from reconciler.render.cluster import (
    ROOT,
    SENTINEL,
    ClusterTop,
    Sentinel,
    directory_of,
    render_namespace,
    render_top,
    sentinel_of,
)
from reconciler.render.engines import engine_renderer
from reconciler.render.group import render_group
from reconciler.render.kustomization import FILE
from reconciler.render.luna import luna_settings
from reconciler.render.model import GroupOverlay, NamespaceMeta
from reconciler.render.placement_record import ROOT as PLACEMENTS
from reconciler.repo.folder import EMPTY, Entry, Folder
from reconciler.workloads.cluster_copy import ClusterCopy
from reconciler.workloads.group import GroupKey
from reconciler.workloads.patch import Patch

Changes = dict[str, bytes | None]
"""Contents by path, None to delete."""

_NO_FILES: Mapping[str, bytes] = {}


@dataclass(slots=True)
class _Open:
    """A cluster's directory as the commits made so far leave it; `top` is None where it has no files."""

    parts: dict[str, RenderedPart]
    top: ClusterTop | None
    groups: dict[str, Groups] = field(default_factory=dict)


class Directories:
    """Every cluster's directory, as the commits made so far leave it. `addons` are those of each cluster, by path."""

    def __init__(
        self,
        state: RepoState,
        cache: PlanCache,
        addons: Mapping[str, Mapping[str, bytes]] | None = None,
    ) -> None:
        self._state = state
        self._addons = addons or {}
        self._cache = cache
        self._engine = engine_renderer(state.fleet.engine)
        self._clusters = {cluster.name: cluster for cluster in state.clusters}
        self._placed = cache.placed
        self._placed.update(state.namespaces)
        self._opened: dict[str, _Open] = {}

    def repair(self) -> Changes:
        """Return the changes that bring SkyRay's folders to what the records say."""
        files = self._state.files
        changes: Changes = {}
        for entry in files.folder(PLACEMENTS).files.values():
            changes[entry.path] = None
        for namespace in self._state.namespaces.values():
            changes |= namespace.placed.repairs
        top = files.folder(ROOT)
        for entry in top.files.values():
            changes[entry.path] = None
        every = {*self._clusters, *top.folders, *self._placed.clusters}
        for cluster in sorted(every):
            changes |= self._repaired(cluster, top.folders.get(cluster, EMPTY))
        self._cache.rendered.retain(every)
        return changes

    def apply(self, decision: Decision) -> Changes:
        """Carry out one decision; return the changes under `clusters/`. Call `repair` first."""
        before = set(decision.before.clusters) if decision.before else set()
        after: dict[str, ClusterCopy] = {}
        if decision.after is not None:
            after = {copy.cluster: copy for copy in decision.after.copies}
        changes: Changes = {}
        for cluster in sorted(before | after.keys()):
            changes |= self._applied(cluster, decision, after.get(cluster))
        return changes

    def _applied(
        self, cluster: str, decision: Decision, copy: ClusterCopy | None
    ) -> Changes:
        """Carry out what a decision does on one cluster: the group has `copy` there, or nothing any more."""
        opened = self._open(cluster)
        namespace = decision.group.namespace
        groups = self._groups(opened, cluster, namespace)
        if copy is None:
            groups.pop(decision.group, None)
        else:
            # Each commit must render without the next ones, so the others make way in this one.
            give_way(groups, copy)
            groups[decision.group] = PlacedCopy(decision.group, decision.policy, copy)
        old_part = opened.parts.pop(namespace, None)
        new_part = self._part(cluster, namespace, groups)
        if new_part is not None:
            opened.parts[namespace] = new_part
        old_top = opened.top
        previous = old_top.sentinel if old_top is not None else None
        opened.top = self._top(cluster, opened.parts, previous)
        changes = _difference(_part_files(old_part), _part_files(new_part))
        changes |= _difference(_top_files(old_top), _top_files(opened.top))
        base = directory_of(cluster)
        return {f"{base}{name}": changes[name] for name in changes}

    def _groups(self, opened: _Open, cluster: str, namespace: str) -> Groups:
        """Return the groups of a namespace on a cluster as the commits made so far leave them."""
        groups = opened.groups.get(namespace)
        if groups is None:
            placed = self._placed.on(cluster).get(namespace, ())
            groups = {one.group: one for one in placed}
            opened.groups[namespace] = groups
        return groups

    def _open(self, cluster: str) -> _Open:
        """Return the directory of a cluster as it should be before this plan's decisions."""
        found = self._opened.get(cluster)
        if found is not None:
            return found
        parts: dict[str, RenderedPart] = {}
        for namespace, copies in self._placed.on(cluster).items():
            groups = {one.group: one for one in copies}
            part = self._part(cluster, namespace, groups)
            if part is not None:
                parts[namespace] = part
        path = f"{directory_of(cluster)}{SENTINEL}"
        entry = self._state.files.root.entry(path)
        # What a link in its place has as contents is no sentinel.
        blob = entry.blob if entry is not None and entry.is_file else ""
        known = self._cache.rendered.tops.get(cluster)
        ordered = _in_order(parts)
        stays = bool(parts) or cluster in self._clusters
        if (
            known is not None
            and stays
            and known.engine == self._state.fleet.engine
            and known.sentinel == blob
            and same_objects(known.parts, ordered)
        ):
            top: ClusterTop | None = known.top
        else:
            previous = sentinel_of(self._state.files.get(path))
            top = self._top(cluster, parts, previous)
        found = self._opened[cluster] = _Open(parts, top)
        return found

    def _top(
        self,
        cluster: str,
        parts: Mapping[str, RenderedPart],
        previous: Sentinel | None,
    ) -> ClusterTop | None:
        """Return the files on top; None for a cluster that is not in the inventory and has nothing."""
        if not parts and cluster not in self._clusters:
            return None
        ordered = _in_order(parts)
        top = render_top(
            cluster,
            [part.rendered for part in ordered],
            self._engine,
            self._state.revision,
            previous,
        )
        blob = blob_id(top.sentinel.data)
        self._cache.rendered.tops[cluster] = KeptTop(
            ordered, self._state.fleet.engine, blob, top
        )
        return top

    def _repaired(self, cluster: str, folder: Folder) -> Changes:
        """Return the changes that bring one cluster's directory to what is placed there."""
        addons = self._addons.get(cluster, _NO_FILES)
        follows_from = (
            self._placed.version(cluster),
            folder.id,
            self._state.fleet.engine,
            luna_settings(self._clusters.get(cluster)),
            cluster in self._clusters,
            Same(addons),
        )
        clean = self._cache.rendered.clean
        if clean.get(cluster) == follows_from:
            return {}
        opened = self._open(cluster)
        base = directory_of(cluster)
        top = {name: blob_id(data) for name, data in _top_files(opened.top).items()}
        changes = _compared(base, folder.files, top, _top_files(opened.top))
        for name in folder.folders.keys() | opened.parts.keys() | {ADDONS}:
            inner = folder.folders.get(name, EMPTY)
            if name == ADDONS:
                changes |= _addon_changes(inner, addons)
            else:
                changes |= self._part_changes(cluster, name, inner, opened.parts)
        if changes:
            clean.pop(cluster, None)
        else:
            clean[cluster] = follows_from
        return changes

    def _part_changes(
        self,
        cluster: str,
        namespace: str,
        folder: Folder,
        parts: Mapping[str, RenderedPart],
    ) -> Changes:
        part = parts.get(namespace)
        if part is None:
            self._cache.rendered.forget(cluster, namespace)
            return {entry.path: None for entry in folder.walk()}
        same = self._cache.rendered.same
        if same.get((cluster, namespace)) == (part, folder.id):
            return {}
        base = directory_of(cluster)
        present = {entry.path.removeprefix(base): entry for entry in folder.walk()}
        changes = _compared(base, present, part.blobs, part.rendered.files)
        if not changes:
            same[cluster, namespace] = (part, folder.id)
        return changes

    def _part(
        self, cluster: str, namespace: str, groups: Mapping[GroupKey, PlacedCopy]
    ) -> RenderedPart | None:
        """Return one namespace of a cluster's directory; None where no group has anything there."""
        cache = self._cache.rendered.parts
        known = cache.get((cluster, namespace))
        settings = luna_settings(self._clusters.get(cluster))
        engine = self._state.fleet.engine
        wanted: dict[Hashable, Overlay] = {}
        for overlay in overlays_of(groups):
            wanted[overlay.key, settings, engine] = overlay
        written = self._state.namespaces[namespace].workloads.namespaces.get(namespace)
        digest = written.digest if written is not None else ""
        key = (digest, tuple(wanted))
        if known is not None and known.key == key:
            return known
        if not wanted:
            self._cache.rendered.forget(cluster, namespace)
            return None
        before = known.groups if known is not None else {}
        rendered: dict[Hashable, RenderedGroup] = {}
        for own_key, overlay in wanted.items():
            # Most groups of a namespace are as they were, so they are not even looked up by their contents.
            same = before.get(own_key)
            rendered[own_key] = same or self._group(own_key, overlay, cluster)
        meta = NamespaceMeta()
        if written is not None:
            meta = NamespaceMeta(written.labels, written.annotations)
        group_parts = [one.part for one in rendered.values()]
        files = render_namespace(namespace, meta, group_parts, self._engine)
        part = RenderedPart(key, files, rendered)
        cache[cluster, namespace] = part
        return part

    def _group(self, key: Hashable, overlay: Overlay, cluster: str) -> RenderedGroup:
        """Return a rendered group: once for all clusters on which it is the same."""
        there = self._clusters.get(cluster)

        def rendered() -> RenderedGroup:
            patches: list[Patch] = []
            for item, copy in overlay.items:
                patches += patches_of(item, copy, there)
            made = GroupOverlay(
                overlay.namespace,
                overlay.name,
                overlay.policy,
                tuple(item.body for item, _ in overlay.items),
                tuple(patches),
            )
            return RenderedGroup(made, render_group(made, self._engine))

        return self._cache.groups.of(key, rendered)


def _in_order(parts: Mapping[str, RenderedPart]) -> tuple[RenderedPart, ...]:
    return tuple(parts[name] for name in sorted(parts))


def _part_files(part: RenderedPart | None) -> Mapping[str, bytes]:
    return part.rendered.files if part is not None else _NO_FILES


def _top_files(top: ClusterTop | None) -> dict[str, bytes]:
    if top is None:
        return {}
    return {FILE: top.kustomization, SENTINEL: top.sentinel.data}


def _difference(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> Changes:
    changes: Changes = {name: None for name in old if name not in new}
    for name, data in new.items():
        if old.get(name) != data:
            changes[name] = data
    return changes


def _compared(
    base: str,
    present: Mapping[str, Entry],
    blobs: Mapping[str, str],
    contents: Mapping[str, bytes],
) -> Changes:
    """Return what must change for the files `present` to be `contents`, whose ids are `blobs`, all below `base`."""
    changes: Changes = {}
    for name in present:
        if name not in blobs:
            changes[f"{base}{name}"] = None
    for name, blob in blobs.items():
        entry = present.get(name)
        if entry is None or not entry.is_file or entry.blob != blob:
            changes[f"{base}{name}"] = contents[name]
    return changes


def _addon_changes(folder: Folder, wanted: Mapping[str, bytes]) -> Changes:
    present = {entry.path: entry for entry in folder.walk()}
    blobs = {path: blob_id(data) for path, data in wanted.items()}
    return _compared("", present, blobs, wanted)
