"""Snapshots that are files of the fleet repo: `access: {snapshot: {file: ...}}`.

Such a file is the cluster's capacity at that revision, however old it is: behind an air gap it cannot be renewed each
minute. A file that is missing or wrong makes its own cluster unreadable and no other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.errors import InputError
from reconciler.fleet.inventory import Cluster, SnapshotAccess
from reconciler.fleet.snapshot import ClusterSnapshot, Unreadable
from reconciler.fleet.snapshot_file import read_capacity


@dataclass(frozen=True, slots=True)
class RepoFiles:
    """The fleet repo at one revision: `read` gives a file's content, None where there is none.

    `committed_at` (unix seconds) dates the snapshots without a time of their own.
    """

    read: Callable[[str], bytes | None]
    committed_at: float


class SnapshotSource:
    """Reads snapshots from the repo; a file that did not change is not parsed again."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[bytes, float, ClusterSnapshot]] = {}

    def read(self, cluster: Cluster, files: RepoFiles) -> ClusterSnapshot | Unreadable:
        """Return the snapshot of a cluster whose access is a snapshot file."""
        if not isinstance(cluster.access, SnapshotAccess):
            raise TypeError(f"cluster {cluster.name} is not read from a file")
        path = cluster.access.file
        data = files.read(path)
        if data is None:
            return Unreadable(
                cluster.name,
                f"{path}: there is no such file in the fleet repo",
                files.committed_at,
            )
        known = self._known.get(cluster.name)
        if known is not None and known[:2] == (data, files.committed_at):
            return known[2]
        try:
            snapshot = read_capacity(data, path, cluster.name, files.committed_at)
        except InputError as error:
            return Unreadable(cluster.name, str(error), files.committed_at)
        self._known[cluster.name] = (data, files.committed_at, snapshot)
        return snapshot
