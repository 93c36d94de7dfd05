"""A whole fleet at one time, read in parallel: a failed cluster delays no other, and its last snapshot counts."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from reconciler.errors import Place, Unreachable
from reconciler.fleet.inventory import Cluster, KubeconfigAccess, SnapshotAccess
from reconciler.fleet.observers import observer as observer_module
from reconciler.fleet.observers.kubeconfig import Mounts
from reconciler.fleet.observers.live import LiveSource
from reconciler.fleet.observers.observer import Observer
from reconciler.fleet.observers.snapshot_source import RepoFiles
from reconciler.fleet.snapshot import ClusterSnapshot, FleetSnapshot, Unreadable
from reconciler.fleet.snapshot_file import fleet_snapshot, write_cluster
from tests.integration.fake_apiserver import NODES, FakeApiServer, make_certificate

NO_FILES = RepoFiles(lambda _: None, 0.0)


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observer_module, "_GRACE", 0.0)


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Lets go, at the end, of every thread that a test made hang."""
    event = threading.Event()
    yield event
    event.set()


def cluster(name: str, context: str = "") -> Cluster:
    return Cluster(name, Place(f"inventory/{name}.yaml"), KubeconfigAccess(context=context or name))


def fleet(*names: str) -> list[Cluster]:
    return [cluster(name) for name in names]


def empty_snapshot(target: Cluster, now: float) -> ClusterSnapshot:
    return ClusterSnapshot(target.name, now, (), ())


def observe_until(take: Callable[[], FleetSnapshot], wanted: Callable[[FleetSnapshot], bool]) -> FleetSnapshot:
    """Observe again and again until the snapshot is as wanted: background readings end when they end."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        taken = take()
        if wanted(taken):
            return taken
        threading.Event().wait(0.005)
    raise AssertionError(f"still {taken.clusters}")


def test_clusters_are_asked_side_by_side() -> None:
    together = threading.Barrier(5, timeout=20)

    def read(target: Cluster, now: float) -> ClusterSnapshot:
        together.wait()  # breaks unless all five are being asked at once
        return empty_snapshot(target, now)

    taken = Observer(read, timeout=30, max_age=600).observe(fleet(*"abcde"), 7.0, NO_FILES)
    assert list(taken.clusters) == list("abcde")
    assert {snapshot.taken_at for snapshot in taken.clusters.values() if isinstance(snapshot, ClusterSnapshot)} == {7.0}


def test_no_more_than_so_many_are_asked_at_once() -> None:
    lock, now_asked, most = threading.Lock(), 0, 0

    def read(target: Cluster, now: float) -> ClusterSnapshot:
        nonlocal now_asked, most
        with lock:
            now_asked += 1
            most = max(most, now_asked)
        threading.Event().wait(0.002)
        with lock:
            now_asked -= 1
        return empty_snapshot(target, now)

    names = [f"c{number}" for number in range(40)]
    taken = Observer(read, timeout=30, max_age=600, parallel=3).observe(fleet(*names), 1.0, NO_FILES)
    assert all(isinstance(snapshot, ClusterSnapshot) for snapshot in taken.clusters.values())
    assert most <= 3


def test_a_hanging_cluster_is_given_up_once_and_then_never_waited_for(released: threading.Event) -> None:
    hanging = threading.Semaphore(0)

    def read(target: Cluster, now: float) -> ClusterSnapshot:
        if target.name == "dead":
            hanging.release()
            released.wait(60)
        return empty_snapshot(target, now)

    observer = Observer(read, timeout=0.3, max_age=600)
    first = observer.observe(fleet("dead", "well"), 1.0, NO_FILES)
    assert first.clusters["dead"] == Unreadable("dead", "it did not answer within 0.3 s", 1.0)
    assert isinstance(first.clusters["well"], ClusterSnapshot)
    observer._timeout = 3600.0  # whoever waits for it now waits beyond this test's limit
    second = observer.observe(fleet("dead", "well"), 2.0, NO_FILES)
    assert hanging.acquire(timeout=20)
    assert hanging.acquire(timeout=20), "it must have been asked again, in the background"
    assert second.clusters["dead"] == first.clusters["dead"]
    assert second.clusters["well"] == empty_snapshot(cluster("well"), 2.0)


def test_a_cluster_that_hangs_for_ever_costs_a_few_threads_and_no_more(released: threading.Event) -> None:
    asked = 0

    def read(target: Cluster, now: float) -> ClusterSnapshot:
        nonlocal asked
        asked += 1
        released.wait(60)
        return empty_snapshot(target, now)

    observer = Observer(read, timeout=0.0, max_age=600)
    for number in range(20):
        observer.observe(fleet("dead"), float(number), NO_FILES)
    assert asked == 4
    released.set()
    observe_until(
        lambda: observer.observe(fleet("dead"), 50.0, NO_FILES),
        lambda taken: isinstance(taken.clusters["dead"], ClusterSnapshot),
    )


def test_the_last_snapshot_counts_until_it_is_too_old_and_then_the_reason() -> None:
    well = True

    def read(target: Cluster, now: float) -> ClusterSnapshot:
        if not well:
            raise Unreachable("its API server refuses the connection")
        return empty_snapshot(target, now)

    observer = Observer(read, timeout=20, max_age=600)

    def take(now: float) -> ClusterSnapshot | Unreadable:
        return observer.observe(fleet("a"), now, NO_FILES).clusters["a"]

    assert take(1000.0) == empty_snapshot(cluster("a"), 1000.0)
    assert observer.failing == {}
    well = False
    gone = Unreadable("a", "its API server refuses the connection", 1100.0)
    assert take(1100.0) == empty_snapshot(cluster("a"), 1000.0), "the old snapshot, with its own date"
    assert observer.failing == {"a": gone}
    assert take(1600.0) == empty_snapshot(cluster("a"), 1000.0)
    assert take(1600.1) == gone
    well = True
    back = observe_until(
        lambda: observer.observe(fleet("a"), 2000.0, NO_FILES),
        lambda taken: isinstance(taken.clusters["a"], ClusterSnapshot),
    )
    assert back.clusters["a"] == empty_snapshot(cluster("a"), 2000.0)
    assert observer.failing == {}


def test_an_unexpected_error_stays_with_its_cluster_and_keeps_its_secrets() -> None:
    def read(target: Cluster, now: float) -> ClusterSnapshot:
        if target.name == "odd":
            raise RuntimeError("token canary-4f1d0c")
        return empty_snapshot(target, now)

    taken = Observer(read, timeout=20, max_age=600).observe(fleet("odd", "well"), 1.0, NO_FILES)
    assert taken.clusters["odd"] == Unreadable("odd", "reading it failed unexpectedly (RuntimeError)", 1.0)
    assert isinstance(taken.clusters["well"], ClusterSnapshot)


def test_a_cluster_that_left_the_inventory_is_gone_and_a_new_one_of_its_name_has_no_past() -> None:
    failing = False

    def read(target: Cluster, now: float) -> ClusterSnapshot:
        if failing:
            raise Unreachable("no")
        return empty_snapshot(target, now)

    observer = Observer(read, timeout=20, max_age=600)
    observer.observe(fleet("a", "b"), 1.0, NO_FILES)
    failing = True
    taken = observer.observe([cluster("a", context="elsewhere")], 2.0, NO_FILES)
    assert taken.clusters == {"a": Unreadable("a", "no", 2.0)}


def test_snapshots_in_the_repo_are_read_beside_live_ones() -> None:
    stored = ClusterSnapshot("stored", 3.0, (), (), version="v1.33.0")
    files = {"s/stored.json": write_cluster(stored), "s/broken.json": b'{"kind": "ClusterSnapshot"}'}

    def from_file(name: str) -> Cluster:
        return Cluster(name, Place(f"inventory/{name}.yaml"), SnapshotAccess(f"s/{name}.json"))

    clusters = [from_file("stored"), from_file("broken"), from_file("missing"), cluster("live")]
    observer = Observer(empty_snapshot, timeout=20, max_age=1.0)
    taken = observer.observe(clusters, 1000.0, RepoFiles(files.get, 500.0))
    assert list(taken.clusters) == ["broken", "live", "missing", "stored"]
    assert taken.clusters["stored"] == stored, "however old: it is what the repo says"
    broken, missing = taken.clusters["broken"], taken.clusters["missing"]
    assert isinstance(broken, Unreadable)
    assert broken.reason.startswith("s/broken.json: ")
    assert missing == Unreadable("missing", "s/missing.json: there is no such file in the fleet repo", 500.0)
    assert taken.digest == fleet_snapshot(taken.clusters.values()).digest
    again = observer.observe(clusters, 1001.0, RepoFiles(files.get, 500.0))
    assert again.clusters["stored"] is taken.clusters["stored"]


def test_a_changed_file_is_a_new_snapshot() -> None:
    stored = Cluster("a", Place("inventory/a.yaml"), SnapshotAccess("a.json"))
    observer = Observer(empty_snapshot, timeout=20, max_age=1.0)
    for taken_at in (1.0, 2.0):
        files = RepoFiles({"a.json": write_cluster(ClusterSnapshot("a", taken_at, (), ()))}.get, 0.0)
        assert observer.observe([stored], 9.0, files).clusters["a"] == ClusterSnapshot("a", taken_at, (), ())


def test_real_servers_one_of_them_hanging(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path / "tls")
    with ExitStack() as stack:
        servers = {name: stack.enter_context(FakeApiServer(certificate)) for name in ("a", "b", "c")}
        for name, server in servers.items():
            (tmp_path / name).write_text(json.dumps(server.kubeconfig()))
        clusters = [Cluster(name, Place(name), KubeconfigAccess(file=name)) for name in servers]
        source = LiveSource(Mounts(files=tmp_path), timeout=1.0)
        observer = Observer(source.read, timeout=1.0, max_age=600)
        servers["b"].faults[NODES] = servers["b"].hang
        taken = observe_until(
            lambda: observer.observe(clusters, 1.0, NO_FILES),
            lambda taken: all(isinstance(taken.clusters[name], ClusterSnapshot) for name in ("a", "c")),
        )
        hung = taken.clusters["b"]
        assert isinstance(hung, Unreadable)
        assert "did not answer within 1 s" in hung.reason
        servers["b"].faults.clear()
        servers["b"].released.set()
        observe_until(
            lambda: observer.observe(clusters, 2.0, NO_FILES),
            lambda taken: isinstance(taken.clusters["b"], ClusterSnapshot),
        )
