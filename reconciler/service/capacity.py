"""Reads the fleet's capacity for a state of the repo: live clusters, snapshot files of the repo, or a given snapshot.

The credentials come only from where the operator put them: `$KUBECONFIG` (default `~/.kube/config`) for contexts,
`$SKYRAY_KUBECONFIG_DIR` for files, `$SKYRAY_SECRETS_DIR` for mounted Secrets. The Kubernetes library is imported for
the first cluster that is read live, since that takes as long as a plan on snapshot files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from reconciler.errors import InputError, InvalidObject, Unreachable, UsageError
from reconciler.fleet.inventory import Cluster, KubeconfigAccess
from reconciler.fleet.observers.kubeconfig import Mounts
from reconciler.fleet.observers.observer import Observer, Read
from reconciler.fleet.observers.snapshot_source import RepoFiles
from reconciler.fleet.snapshot import ClusterSnapshot, FleetSnapshot
from reconciler.fleet.snapshot_file import read_fleet_snapshot
from reconciler.planning.state import RepoState


class CapacityReader:
    """Takes a snapshot for each cycle; keeps the last snapshot of clusters that stop answering."""

    def __init__(
        self,
        snapshot: str | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """`snapshot`: a file with a FleetSnapshot to use instead of the clusters. Raises `UsageError`, `InputError`."""
        self._mounts = mounts_of(environment)
        self._given = _read(snapshot) if snapshot is not None else None
        self._observer: tuple[float, float, _LiveClusters, Observer] | None = None

    def __call__(self, state: RepoState, now: float) -> FleetSnapshot:
        """Return the capacity of the clusters of `state`; `now` is in unix seconds."""
        if self._given is not None:
            return self._given
        files = RepoFiles(state.pictures.get, state.committed_at)
        limits = state.fleet.limits
        live, observer = self._observer_with(
            limits.cluster_timeout, limits.snapshot_max_age
        )
        live.prepare(state.clusters)
        return observer.observe(state.clusters, now, files)

    def _observer_with(
        self, timeout: float, max_age: float
    ) -> tuple[_LiveClusters, Observer]:
        """Return the observer of earlier cycles, or a new one where the limits in fleet.yaml have changed."""
        if self._observer is None or self._observer[:2] != (timeout, max_age):
            live = _LiveClusters(self._mounts, timeout)
            observer = Observer(live.read, timeout=timeout, max_age=max_age)
            self._observer = (timeout, max_age, live, observer)
        return self._observer[2:]


class _LiveClusters:
    """Reads live clusters. Without any it imports nothing."""

    def __init__(self, mounts: Mounts, timeout: float) -> None:
        self._mounts = mounts
        self._timeout = timeout
        self._read: Read | None = None

    def prepare(self, clusters: Iterable[Cluster]) -> None:
        """Import what a live cluster among `clusters` needs, so that this does not count against its deadline."""
        if self._read is not None:
            return
        if any(isinstance(cluster.access, KubeconfigAccess) for cluster in clusters):
            from reconciler.fleet.observers.live import LiveSource

            self._read = LiveSource(self._mounts, self._timeout).read

    def read(self, cluster: Cluster, now: float) -> ClusterSnapshot:
        """Return the cluster as it is. Raises `Unreachable`."""
        if self._read is None:
            raise Unreachable(f"cluster {cluster.name}: it is not read live")
        return self._read(cluster, now)


def mounts_of(environment: Mapping[str, str]) -> Mounts:
    """Return where the operator put credentials, from environment variables."""
    home = Path(environment.get("HOME", "/"))
    default = home / ".kube" / "config"
    kubeconfig = environment.get("KUBECONFIG", "")
    if not kubeconfig and default.is_file():
        kubeconfig = str(default)
    secrets = environment.get("SKYRAY_SECRETS_DIR")
    files = environment.get("SKYRAY_KUBECONFIG_DIR")
    return Mounts(
        kubeconfig,
        Path(secrets) if secrets else None,
        Path(files) if files else None,
    )


def _read(path: str) -> FleetSnapshot:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror}); `skyray snapshot` makes such a file"
        ) from None
    try:
        return read_fleet_snapshot(data, path)
    except InputError as error:
        raise InvalidObject(
            f"{error.message}; `skyray snapshot` makes such a file", error.place
        ) from None
