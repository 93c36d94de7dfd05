"""All clusters of a fleet at one moment: asked side by side, each on its own, with the last picture kept.

The one idea: nobody waits for a sick cluster. Each is asked on a thread of its own with its own deadline. One that
failed is from then on asked in the background, and counts again once it answers; until then its last picture counts,
up to `max_age`, and after that it is `Unreadable`, with the reason. Threads are daemons, because a hanging lookup or
credential plugin cannot be ended from outside; a few of those a cluster are borne, and no more are started.
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
"""Clusters asked at once; more would share two cores, and the deadlines with them."""

_GRACE = 1.0
"""Seconds beyond its own deadline after which a reader counts as stuck."""

_MAX_STUCK = 4

Read = Callable[[Cluster, float], ClusterSnapshot]
"""Asks one cluster, with the time that becomes `taken_at`; raises `SkyRayError`."""


class _Asking:
    """One cluster being asked on a thread of its own."""

    def __init__(self, read: Read, cluster: Cluster, now: float, changed: threading.Condition) -> None:
        self.started = time.monotonic()
        self.asked_at = now
        self.outcome: ClusterSnapshot | str | None = None
        self._changed = changed
        threading.Thread(target=self._run, args=(read, cluster), name=f"observe-{cluster.name}", daemon=True).start()

    def _run(self, read: Read, cluster: Cluster) -> None:
        outcome: ClusterSnapshot | str
        try:
            outcome = read(cluster, self.asked_at)
        except SkyRayError as error:
            outcome = str(error)
        except Exception as error:  # noqa: BLE001  (one sick cluster hurts nobody else; its text may hold secrets)
            outcome = f"reading it failed unexpectedly ({type(error).__name__})"
        with self._changed:
            self.outcome = outcome
            self._changed.notify_all()


@dataclass(slots=True)
class _Known:
    """What is known of one live cluster."""

    cluster: Cluster
    picture: ClusterSnapshot | None = None
    failure: Unreadable | None = None
    asking: _Asking | None = None
    stuck: list[_Asking] = field(default_factory=list)


class Observer:
    """Takes snapshots of a fleet, one after another. Not to be shared by threads."""

    def __init__(self, read: Read, *, timeout: float, max_age: float, parallel: int = PARALLEL) -> None:
        """Set the seconds: `timeout` that `read` gives a cluster, `max_age` for which a last picture counts."""
        self._read = read
        self._timeout = timeout
        self._max_age = max_age
        self._parallel = parallel
        self._changed = threading.Condition()
        self._known: dict[str, _Known] = {}
        self._files = SnapshotSource()
        self._digests = Digests()

    @property
    def failing(self) -> Mapping[str, Unreadable]:
        """Clusters that did not answer when last asked, also those whose last picture still counts."""
        return {name: known.failure for name, known in self._known.items() if known.failure is not None}

    def observe(self, clusters: Iterable[Cluster], now: float, files: RepoFiles) -> FleetSnapshot:
        """Return the fleet as of `now` (unix seconds).

        Waits for the clusters that were well when last asked, at most the timeout (for each batch of `parallel`).
        """
        clusters = tuple(clusters)
        live = [cluster for cluster in clusters if isinstance(cluster.access, KubeconfigAccess)]
        self._update(live)
        with self._changed:
            for known in self._known.values():
                self._collect(known, now)
            well = [known for known in self._known.values() if known.failure is None]
            sick = [known for known in self._known.values() if known.failure is not None]
            self._ask_and_wait(well, now)
            self._ask(sick, now)
        pictures = [
            self._shown(self._known[cluster.name], now)
            if cluster.name in self._known
            else self._files.read(cluster, files)
            for cluster in clusters
        ]
        return fleet_snapshot(pictures, self._digests)

    def _update(self, live: list[Cluster]) -> None:
        """Follow the inventory; a name that now means another API server has no past."""
        before, self._known = self._known, {}
        for cluster in live:
            known = before.get(cluster.name)
            if known is None or known.cluster.access != cluster.access:
                known = _Known(cluster)
            known.cluster = cluster
            self._known[cluster.name] = known

    def _ask_and_wait(self, well: list[_Known], now: float) -> None:
        waiting, asked = deque(well), list[_Known]()
        while waiting or asked:
            while waiting and len(asked) < self._parallel:
                known = waiting.popleft()
                known.asking = _Asking(self._read, known.cluster, now, self._changed)
                asked.append(known)
            overdue = min(known.asking.started for known in asked if known.asking) + self._timeout + _GRACE
            self._changed.wait(max(0.0, overdue - time.monotonic()))
            for known in asked:
                self._collect(known, now)
            asked = [known for known in asked if known.asking is not None]

    def _ask(self, sick: list[_Known], now: float) -> None:
        """Ask those that failed, without waiting, as many at once as others."""
        free = self._parallel - sum(known.asking is not None for known in sick)
        for known in sick:
            if free > 0 and known.asking is None and len(known.stuck) < _MAX_STUCK:
                known.asking = _Asking(self._read, known.cluster, now, self._changed)
                free -= 1

    def _collect(self, known: _Known, now: float) -> None:
        """Take the outcome, if there is one, or give up on one that is long overdue."""
        known.stuck = [asking for asking in known.stuck if asking.outcome is None]
        asking = known.asking
        if asking is None:
            return
        outcome = asking.outcome
        if outcome is None:
            if time.monotonic() < asking.started + self._timeout + _GRACE:
                return
            known.stuck.append(asking)
            outcome = f"it did not answer within {self._timeout:g} s"
        known.asking = None
        if isinstance(outcome, str):
            since = known.failure.since if known.failure else now
            known.failure = Unreadable(known.cluster.name, outcome, since)
        else:
            known.picture, known.failure = outcome, None

    def _shown(self, known: _Known, now: float) -> ClusterSnapshot | Unreadable:
        picture, failure = known.picture, known.failure
        if picture is not None and (failure is None or now - picture.taken_at <= self._max_age):
            return picture
        return failure or Unreadable(known.cluster.name, "it was not asked yet", now)
