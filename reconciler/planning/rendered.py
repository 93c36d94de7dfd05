"""What was rendered of each cluster's directory, kept so that a cycle renders and compares only what changed.

Every entry is kept with all that it follows from, and serves only as long as that is equal.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from reconciler.planning.files import blob_id
from reconciler.render.cluster import (
    ClusterTop,
    NamespacePart,
    RenderedNamespace,
    namespace_part,
)
from reconciler.render.model import GroupOverlay


@dataclass(frozen=True, eq=False)
class RenderedGroup:
    """A group as it is rendered on a cluster: its files by their name in its folder."""

    overlay: GroupOverlay
    files: Mapping[str, bytes]

    @cached_property
    def part(self) -> NamespacePart:
        """The group as a part of its namespace's directory."""
        return namespace_part(self.overlay, self.files)

    @cached_property
    def blobs(self) -> Mapping[str, str]:
        """The blob ids of its files, by their path in the cluster's directory."""
        folder = f"{self.overlay.namespace}/{self.overlay.group}"
        return {f"{folder}/{name}": blob_id(self.files[name]) for name in self.files}


@dataclass(frozen=True, eq=False)
class RenderedPart:
    """One namespace of one cluster's directory. `key` is what it follows from; `groups` are those of its groups."""

    key: Hashable
    rendered: RenderedNamespace
    groups: Mapping[Hashable, RenderedGroup]

    @cached_property
    def blobs(self) -> Mapping[str, str]:
        """The blob ids of its files, by their path in the cluster's directory."""
        found: dict[str, str] = {}
        for group in self.groups.values():
            found |= group.blobs
        for name, data in self.rendered.files.items():
            if name not in found:
                found[name] = blob_id(data)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class KeptTop:
    """The files on top of a cluster's directory, with what they follow from; `sentinel` is the blob that was there."""

    parts: tuple[RenderedPart, ...]
    engine: str
    sentinel: str
    top: ClusterTop


@dataclass(slots=True)
class RenderCache:
    """The last rendering of each cluster.

    `parts` are by cluster and namespace. `same` has the id of the folder that was found to be equal to a part, `clean`
    what a cluster's whole directory followed from when it was.
    """

    parts: dict[tuple[str, str], RenderedPart] = field(default_factory=dict)
    tops: dict[str, KeptTop] = field(default_factory=dict)
    same: dict[tuple[str, str], tuple[RenderedPart, str]] = field(default_factory=dict)
    clean: dict[str, Hashable] = field(default_factory=dict)

    def retain(self, clusters: Collection[str]) -> None:
        """Forget all clusters but these."""
        for cluster in [name for name in self.clean if name not in clusters]:
            del self.clean[cluster]
        for cluster in [name for name in self.tops if name not in clusters]:
            del self.tops[cluster]
            for _, namespace in [each for each in self.parts if each[0] == cluster]:
                self.forget(cluster, namespace)

    def forget(self, cluster: str, namespace: str) -> None:
        """Forget a namespace that has nothing on a cluster any more."""
        self.parts.pop((cluster, namespace), None)
        self.same.pop((cluster, namespace), None)
