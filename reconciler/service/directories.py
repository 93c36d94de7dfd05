"""The cluster directories while a plan is carried out: what stands there, and which files each decision changes.

The one idea: a directory is always rendered whole from the groups that stand on its cluster, and compared with the
files that are there, so a change made by hand, a crash half-way and a stale file all end in the same clean rendering.
A companion that several groups of a namespace refer to is rendered once, in the folder `shared`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from reconciler.manifests.identity import ObjectKey
from reconciler.placement.group import WorkloadObject
from reconciler.placement.grouping import SHARED
from reconciler.placement.model import GroupKey
from reconciler.placement.outcome import Outcome
from reconciler.placement.workloads import Workloads
from reconciler.render.cluster import directory_of, render_cluster
from reconciler.render.model import ClusterDirectory, Engine, GroupOverlay, NamespaceMeta
from reconciler.render.placement_record import path_of, write
from reconciler.service.state import RepoState

_Objects = tuple[WorkloadObject, ...]


class Directories:
    """Every cluster's directory, as the commits made so far leave it."""

    def __init__(self, state: RepoState) -> None:
        self._state = state
        self._engine = Engine(state.fleet.engine)
        self._namespaces = _namespaces(state.workloads)
        self._groups: dict[str, dict[GroupKey, tuple[str, _Objects]]] = {c.name: {} for c in state.clusters}
        self._files: dict[str, dict[str, bytes]] = {}
        for key, standing in state.standing.items():
            for share in standing.record.clusters:
                self._groups.setdefault(share.name, {})[key] = (standing.record.policy, standing.admitted)

    def settle(self) -> dict[str, bytes | None]:
        """Return the changes that bring SkyRay's folders to what the records say: path -> content, None to delete."""
        wanted = {path_of(key): write(s.record) for key, s in self._state.standing.items()}
        present = self._state.rendered
        for cluster in self._groups:
            base = directory_of(cluster)
            self._files[cluster] = self._render(cluster, present.get(f"{base}skyray.yaml"))
            wanted |= self._files[cluster]
        return _difference(present, wanted)

    def apply(self, outcome: Outcome) -> dict[str, bytes | None]:
        """Carry out one decision; return the changes under `clusters/`. Call `settle` first."""
        decision = outcome.decision
        before = {share.name for share in outcome.before.record.clusters} if outcome.before else set()
        after = {share.name for share in outcome.record.clusters} if outcome.record else set()
        changes: dict[str, bytes | None] = {}
        for cluster in sorted(before | after):
            groups = self._groups.setdefault(cluster, {})
            if cluster in after:
                groups[decision.group] = (decision.policy, outcome.objects)
            else:
                groups.pop(decision.group, None)
            old = self._files.get(cluster, {})
            new = self._render(cluster, old.get(f"{directory_of(cluster)}skyray.yaml"))
            self._files[cluster] = new
            changes |= _difference(old, new)
        return changes

    def _render(self, cluster: str, sentinel: bytes | None) -> dict[str, bytes]:
        directory = ClusterDirectory(cluster, _overlays(self._groups[cluster]), self._namespaces)
        return render_cluster(directory, self._engine, self._state.revision, sentinel)


def _difference(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> dict[str, bytes | None]:
    changes: dict[str, bytes | None] = {path: None for path in old if path not in new}
    changes |= {path: data for path, data in new.items() if old.get(path) != data}
    return changes


def _overlays(groups: Mapping[GroupKey, tuple[str, _Objects]]) -> tuple[GroupOverlay, ...]:
    """Return the overlays of one cluster; companions of several groups are taken out of each and stand in `shared`."""
    uses = Counter(o.key for _, objects in groups.values() for o in objects if o.demand is None)
    shared: dict[str, dict[ObjectKey, WorkloadObject]] = defaultdict(dict)
    overlays = []
    for key, (policy, objects) in sorted(groups.items()):
        own = []
        for item in objects:
            if uses[item.key] > 1:
                shared[key.namespace][item.key] = item
            else:
                own.append(item)
        if own:
            overlays.append(GroupOverlay(key.namespace, key.name, policy, tuple(o.body for o in own)))
    for namespace, items in shared.items():
        bodies = tuple(items[key].body for key in sorted(items))
        overlays.append(GroupOverlay(namespace, SHARED, SHARED, bodies))
    return tuple(overlays)


def _namespaces(workloads: Workloads) -> dict[str, NamespaceMeta]:
    return {name: NamespaceMeta(item.labels, item.annotations) for name, item in workloads.namespaces.items()}
