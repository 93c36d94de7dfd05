"""Snapshots of all clusters of a fleet at one time, read in parallel, with the last snapshot of each kept.

A cluster that fails must not delay the others. Each is read on a thread of its own, with a deadline of its own. After a
failure it is read in the background, and counts again once it answers. Until then its last snapshot counts, up to
`max_age`; after that the cluster is `Unreadable`, with the reason. Threads are daemons, because a lookup or a
credential plugin that hangs cannot be ended from outside; after `_MAX_STUCK` of those for a cluster, no more are
started.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.errors import SkyRayError
from reconciler.fleet.inventory import Cluster, KubeconfigAccess
from reconciler.fleet.observers.snapshot_source import RepoFiles, SnapshotSource
from reconciler.fleet.snapshot import ClusterSnapshot, FleetSnapshot, Unreadable
from reconciler.fleet.snapshot_file import Digests, fleet_snapshot

PARALLEL = 32
"""Clusters read at the same time; with more, decoding on two cores takes longer than the deadlines."""

_GRACE = 1.0
"""Seconds beyond its own deadline after which a reader counts as stuck."""

_MAX_STUCK = 4
"""Threads of one cluster that may hang."""

Read = Callable[[Cluster, float], ClusterSnapshot]
"""Reads a cluster; the time (unix seconds) becomes `taken_at`. Raises `SkyRayError`."""


class _Reading:
    """A read of one cluster on a thread of its own; `outcome` is its snapshot, or the reason of its failure."""

    def __init__(
        self, read: Read, cluster: Cluster, now: float, changed: threading.Condition
    ) -> None:
        self.started = time.monotonic()
        self.taken_at = now
        self.outcome: ClusterSnapshot | str | None = None
        self._changed = changed
        threading.Thread(
            target=self._run,
            args=(read, cluster),
            name=f"observe-{cluster.name}",
            daemon=True,
        ).start()

    def _run(self, read: Read, cluster: Cluster) -> None:
        outcome: ClusterSnapshot | str
        try:
            outcome = read(cluster, self.taken_at)
        except SkyRayError as error:
            outcome = str(error)
        except Exception as error:  # noqa: BLE001  (it must not end the others; its text may hold secrets)
            outcome = f"reading it failed unexpectedly ({type(error).__name__})"
        with self._changed:
            self.outcome = outcome
            self._changed.notify_all()


@dataclass(slots=True)
class _LiveCluster:
    """A live cluster: its last snapshot, why the last read failed, and the reads under way."""

    cluster: Cluster
    snapshot: ClusterSnapshot | None = None
    failure: Unreadable | None = None
    reading: _Reading | None = None
    stuck: list[_Reading] = field(default_factory=list)


class Observer:
    """Takes snapshots of a fleet. Not safe to share by threads."""

    def __init__(
        self, read: Read, *, timeout: float, max_age: float, parallel: int = PARALLEL
    ) -> None:
        """`timeout`: seconds that `read` gives a cluster. `max_age`: seconds for which a last snapshot counts."""
        self._read = read
        self._timeout = timeout
        self._max_age = max_age
        self._parallel = parallel
        self._changed = threading.Condition()
        self._known: dict[str, _LiveCluster] = {}
        self._files = SnapshotSource()
        self._digests = Digests()

    @property
    def failing(self) -> Mapping[str, Unreadable]:
        """Clusters whose last read failed, also those whose last snapshot still counts."""
        return {
            name: known.failure
            for name, known in self._known.items()
            if known.failure is not None
        }

    def observe(
        self, clusters: Iterable[Cluster], now: float, files: RepoFiles
    ) -> FleetSnapshot:
        """Return the fleet as of `now` (unix seconds).

        Waits for the clusters whose last read did not fail, at most the timeout (for each batch of `parallel`).
        """
        clusters = tuple(clusters)
        live = [
            cluster
            for cluster in clusters
            if isinstance(cluster.access, KubeconfigAccess)
        ]
        self._update(live)
        with self._changed:
            for known in self._known.values():
                self._collect(known, now)
            healthy = [known for known in self._known.values() if known.failure is None]
            failed = [
                known for known in self._known.values() if known.failure is not None
            ]
            self._read_and_wait(healthy, now)
            self._start_background(failed, now)
        snapshots: list[ClusterSnapshot | Unreadable] = []
        for cluster in clusters:
            if cluster.name in self._known:
                snapshots.append(self._current(self._known[cluster.name], now))
            else:
                snapshots.append(self._files.read(cluster, files))
        return fleet_snapshot(snapshots, self._digests)

    def _update(self, live: list[Cluster]) -> None:
        """Follow the inventory."""
        before, self._known = self._known, {}
        for cluster in live:
            known = before.get(cluster.name)
            # With other access the name may mean another API server, whose past is not this one's.
            if known is None or known.cluster.access != cluster.access:
                known = _LiveCluster(cluster)
            known.cluster = cluster
            self._known[cluster.name] = known

    def _read_and_wait(self, healthy: list[_LiveCluster], now: float) -> None:
        """Read these clusters, `parallel` at the same time, and wait until each has an outcome or is overdue."""
        waiting = deque(healthy)
        active: list[_LiveCluster] = []
        while waiting or active:
            while waiting and len(active) < self._parallel:
                known = waiting.popleft()
                known.reading = _Reading(self._read, known.cluster, now, self._changed)
                active.append(known)
            first_start = min(
                known.reading.started for known in active if known.reading
            )
            overdue = first_start + self._timeout + _GRACE
            self._changed.wait(max(0.0, overdue - time.monotonic()))
            for known in active:
                self._collect(known, now)
            active = [known for known in active if known.reading is not None]

    def _start_background(self, failed: list[_LiveCluster], now: float) -> None:
        """Start to read clusters that failed, `parallel` at the same time, without waiting for them."""
        free = self._parallel - sum(known.reading is not None for known in failed)
        for known in failed:
            if free <= 0:
                return
            # A cluster whose threads hang gets no more of them until one ends.
            if known.reading is None and len(known.stuck) < _MAX_STUCK:
                known.reading = _Reading(self._read, known.cluster, now, self._changed)
                free -= 1

    def _collect(self, known: _LiveCluster, now: float) -> None:
        """Take over the outcome of a read that has one; a read that is overdue has failed."""
        known.stuck = [reading for reading in known.stuck if reading.outcome is None]
        reading = known.reading
        if reading is None:
            return
        outcome = reading.outcome
        if outcome is None:
            if time.monotonic() < reading.started + self._timeout + _GRACE:
                return
            # It cannot be ended, so its thread is counted until it ends by itself.
            known.stuck.append(reading)
            outcome = f"it did not answer within {self._timeout:g} s"
        known.reading = None
        if isinstance(outcome, str):
            since = known.failure.since if known.failure else now
            known.failure = Unreadable(known.cluster.name, outcome, since)
        else:
            known.snapshot, known.failure = outcome, None

    def _current(self, known: _LiveCluster, now: float) -> ClusterSnapshot | Unreadable:
        """Return the last snapshot while it counts, else why there is none."""
        snapshot, failure = known.snapshot, known.failure
        if snapshot is not None and (
            failure is None or now - snapshot.taken_at <= self._max_age
        ):
            return snapshot
        return failure or Unreadable(known.cluster.name, "it was not read yet", now)
