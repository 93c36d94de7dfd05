"""What is placed on each cluster, namespace by namespace, brought up to date from one revision to the next.

Only namespaces whose placed groups changed are looked at, so that an update costs what changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.planning.namespaces import NamespaceState
from reconciler.planning.overlays import PlacedCopy
from reconciler.planning.placements import NamespacePlacements


@dataclass(frozen=True, slots=True)
class _Seen:
    """A namespace as the index has it; `meta` is the digest of its Namespace."""

    placed: NamespacePlacements
    meta: str


class PlacedIndex:
    """The copies on each cluster. Not to be shared by threads."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._clusters: dict[str, dict[str, tuple[PlacedCopy, ...]]] = {}
        self._versions: dict[str, int] = {}

    @property
    def clusters(self) -> tuple[str, ...]:
        """Return the clusters that have any copy."""
        return tuple(name for name, placed in self._clusters.items() if placed)

    def on(self, cluster: str) -> Mapping[str, tuple[PlacedCopy, ...]]:
        """Return the copies on a cluster by namespace, each in order of their groups."""
        return self._clusters.get(cluster, {})

    def version(self, cluster: str) -> int:
        """Return a number that is another one after each change of what `on` returns."""
        return self._versions.get(cluster, 0)

    def update(self, namespaces: Mapping[str, NamespaceState]) -> None:
        """Bring the index to `namespaces`."""
        for name, state in namespaces.items():
            known = self._seen.get(name)
            now = _Seen(state.placed, namespace_digest(state))
            if (
                known is not None
                and known.placed is now.placed
                and known.meta == now.meta
            ):
                continue
            self._replace(name, known, now)
        for name in [each for each in self._seen if each not in namespaces]:
            self._replace(name, self._seen[name], None)

    def _replace(self, name: str, old: _Seen | None, new: _Seen | None) -> None:
        before = old.placed.by_cluster if old is not None else {}
        after = new.placed.by_cluster if new is not None else {}
        same_meta = old is not None and new is not None and old.meta == new.meta
        for cluster in before.keys() | after.keys():
            had, has = before.get(cluster, ()), after.get(cluster, ())
            # Equal copies are taken in as well: their objects may be written with another order of keys.
            if not same_meta or had != has:
                self._versions[cluster] = self._versions.get(cluster, 0) + 1
            placed = self._clusters.setdefault(cluster, {})
            if has:
                placed[name] = has
            else:
                placed.pop(name, None)
        if new is None:
            del self._seen[name]
        else:
            self._seen[name] = new


def namespace_digest(state: NamespaceState) -> str:
    """Return the digest of the Namespace that users wrote; empty where they wrote none."""
    written = state.workloads.namespaces.get(state.name)
    return written.digest if written is not None else ""
