"""What is asked of a live cluster about its autoscaler, and that no answer ever makes the cluster unreadable."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import Place
from reconciler.fleet.autoscalers.cluster_api import GROUP
from reconciler.fleet.autoscalers.cluster_autoscaler import STATUS
from reconciler.fleet.autoscalers.karpenter import NODE_POOLS
from reconciler.fleet.inventory import Cluster, KubeconfigAccess
from reconciler.fleet.observers.kubeconfig import Mounts
from reconciler.fleet.observers.live import LiveSource
from reconciler.fleet.snapshot import ClusterSnapshot
from tests.integration.fake_apiserver import NODES, PODS, RAY_PATHS, VERSION, FakeApiServer, Request, answers

CLUSTER_API = f"/apis/{GROUP}"
BASE = [VERSION, NODES, PODS, *RAY_PATHS]
MACHINES, MACHINE_POOLS = (f"{CLUSTER_API}/v1beta2/{plural}" for plural in ("machinedeployments", "machinepools"))
BROKEN = {"metadata": {"name": "a"}, "spec": {"limits": {"cpu": "x"}}}
LABELS = {"karpenter.sh/nodepool": "gpu", "eks.amazonaws.com/nodegroup": "l4"}


@pytest.fixture
def api(certificate: Path) -> Iterator[FakeApiServer]:
    with FakeApiServer(certificate) as server:
        server.objects[NODES] = [node("n0")]
        yield server


def node(name: str) -> dict[str, Any]:
    status = {
        "capacity": {"cpu": "4", "memory": "16Gi"},
        "allocatable": {"cpu": "3900m", "memory": "15Gi", "pods": "110"},
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    return {"metadata": {"name": name, "labels": LABELS}, "spec": {}, "status": status}


def read(api: FakeApiServer, folder: Path, kind: str, timeout: float = 20.0, now: float = 5.0) -> ClusterSnapshot:
    (folder / "east").write_text(json.dumps(api.kubeconfig()))
    cluster = Cluster("east", Place("inventory/east.yaml"), KubeconfigAccess(file="east"), autoscaler=kind)
    return LiveSource(Mounts(files=folder), timeout).read(cluster, now=now)


def asked(api: FakeApiServer) -> list[str]:
    return [path for path, _ in api.requests if path not in BASE]


def group(name: str = "l4", most: int = 5) -> str:
    health = {"status": "Healthy", "nodeCounts": {"registered": {"total": 1}}, "minSize": 0, "maxSize": most}
    return json.dumps({"time": "2026-10-02 14:29:22 +0000 UTC", "nodeGroups": [{"name": name, "health": health}]})


def test_a_cluster_without_an_autoscaler_is_asked_nothing_more(api: FakeApiServer, tmp_path: Path) -> None:
    for kind in ("None", "Luna"):
        assert read(api, tmp_path, kind).pools == ()
    assert asked(api) == []


def test_cluster_autoscalers_status_becomes_pools(api: FakeApiServer, tmp_path: Path) -> None:
    api.faults[STATUS] = answers(200, {"kind": "ConfigMap", "data": {"status": group()}})
    snapshot = read(api, tmp_path, "ClusterAutoscaler")
    (pool,) = snapshot.pools
    assert (pool.name, pool.max_nodes, pool.existing, pool.allocatable["cpu"]) == ("l4", 5, 1, 3900)
    assert snapshot.pools_note == ""
    assert asked(api) == [CLUSTER_API, STATUS]


def test_an_autoscaler_that_writes_its_status_no_more_is_not_counted_on(api: FakeApiServer, tmp_path: Path) -> None:
    status = f"time: 2026-10-02 14:29:22 +0000 UTC\nnodeGroups: {json.dumps(json.loads(group())['nodeGroups'])}\n"
    api.faults[STATUS] = answers(200, {"kind": "ConfigMap", "data": {"status": status}})
    then = datetime(2026, 10, 2, 14, 30, tzinfo=UTC).timestamp()
    assert [pool.held for pool in read(api, tmp_path, "ClusterAutoscaler", now=then).pools] == [""]
    (pool,) = read(api, tmp_path, "ClusterAutoscaler", now=then + 3600).pools
    assert pool.held == "its autoscaler has written no status since 2026-10-02 14:29:22 +0000"


def test_cluster_api_is_read_in_the_version_that_the_cluster_prefers(api: FakeApiServer, tmp_path: Path) -> None:
    api.faults[CLUSTER_API] = answers(200, {"preferredVersion": {"groupVersion": "cluster.x-k8s.io/v1beta2"}})
    prefix = "capacity.cluster-autoscaler.kubernetes.io/"
    annotations = {"cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size": "7", f"{prefix}cpu": "8"}
    metadata = {"name": "md-0", "namespace": "x", "annotations": {**annotations, f"{prefix}memory": "32G"}}
    api.objects[MACHINES] = [{"metadata": metadata, "spec": {"clusterName": "east"}, "status": {"replicas": 2}}]
    snapshot = read(api, tmp_path, "ClusterAutoscaler")
    assert [(pool.name, pool.max_nodes, pool.existing) for pool in snapshot.pools] == [("md-0", 7, 2)]
    assert asked(api) == [CLUSTER_API, MACHINES, MACHINE_POOLS, STATUS]


def test_karpenters_limits_count_what_nodes_have_in_all(api: FakeApiServer, tmp_path: Path) -> None:
    api.objects[NODE_POOLS] = [{"metadata": {"name": "gpu"}, "spec": {"limits": {"cpu": "12"}}}]
    (pool,) = read(api, tmp_path, "Karpenter").pools
    assert (pool.name, pool.max_nodes, pool.existing) == ("gpu", 3, 1)
    assert asked(api) == [NODE_POOLS]


def forbid(request: Request) -> None:
    request.reply(403, {"kind": "Status", "message": "forbidden: canary"})


@pytest.mark.parametrize(
    ("kind", "path", "fault", "note"),
    [
        ("ClusterAutoscaler", STATUS, None, f"its API server answered {STATUS} with 404"),
        ("ClusterAutoscaler", STATUS, forbid, f"may not get {STATUS} (403); kustomize/workload-cluster-rbac"),
        ("ClusterAutoscaler", STATUS, answers(200, {"data": {"status": "{"}}), "is no status of Cluster Autoscaler"),
        ("ClusterAutoscaler", STATUS, answers(200, b"<html>"), f"answered {STATUS} with what cannot be read"),
        ("ClusterAutoscaler", CLUSTER_API, forbid, "Cluster API's machine deployments cannot be read"),
        ("Karpenter", NODE_POOLS, None, f"its API server answered {NODE_POOLS} with 404"),
        ("Karpenter", NODE_POOLS, forbid, "its account may not get"),
        ("Karpenter", NODE_POOLS, answers(200, {"items": [{"metadata": 1}]}), "metadata"),
        ("Karpenter", NODE_POOLS, answers(200, {"items": [BROKEN]}), "NodePool a"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_of_pools_is_said_and_the_cluster_stays_readable(
    api: FakeApiServer, tmp_path: Path, kind: str, path: str, fault: Any, note: str
) -> None:
    if fault is not None:
        api.faults[path] = fault
    snapshot = read(api, tmp_path, kind)
    assert [node.name for node in snapshot.nodes] == ["n0"]
    assert snapshot.pools == ()
    assert note in snapshot.pools_note
    assert "canary" not in snapshot.pools_note


def test_an_autoscaler_that_does_not_answer_in_time_costs_the_pools_only(api: FakeApiServer, tmp_path: Path) -> None:
    api.faults[NODE_POOLS] = api.hang
    snapshot = read(api, tmp_path, "Karpenter", timeout=3.0)
    assert [node.name for node in snapshot.nodes] == ["n0"]
    assert "did not answer within 3 s" in snapshot.pools_note


def test_one_source_that_fails_does_not_hide_the_other(api: FakeApiServer, tmp_path: Path) -> None:
    api.faults[CLUSTER_API] = forbid
    api.faults[STATUS] = answers(200, {"data": {"status": group()}})
    snapshot = read(api, tmp_path, "ClusterAutoscaler")
    assert [pool.name for pool in snapshot.pools] == ["l4"]
    assert "Cluster API" in snapshot.pools_note
