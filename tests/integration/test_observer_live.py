"""One cluster, live: what is asked of its API server, and what becomes of every way it can fail."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import Place, Unreachable
from reconciler.fleet.inventory import Cluster, KubeconfigAccess
from reconciler.fleet.kubectl_list import read_kubectl_list
from reconciler.fleet.observers import live
from reconciler.fleet.observers.kubeconfig import Mounts
from reconciler.fleet.observers.live import LiveSource
from reconciler.fleet.snapshot import ClusterSnapshot
from tests.integration.fake_apiserver import (
    NODES,
    PODS,
    RAY_PATHS,
    TOKEN,
    VERSION,
    FakeApiServer,
    Fault,
    Request,
    answers,
    make_certificate,
)

CLUSTER = Cluster("fake", Place("inventory/fake.yaml"), KubeconfigAccess(file="fake"))


@pytest.fixture
def api(certificate: Path) -> Iterator[FakeApiServer]:
    with FakeApiServer(certificate) as server:
        yield server


def source_for(config: dict[str, Any], folder: Path, timeout: float = 20.0) -> LiveSource:
    (folder / "fake").write_text(json.dumps(config))
    return LiveSource(Mounts(files=folder), timeout)


def read(api: FakeApiServer, folder: Path, timeout: float = 20.0) -> ClusterSnapshot:
    return source_for(api.kubeconfig(), folder, timeout).read(CLUSTER, now=5.0)


def reason(api: FakeApiServer, folder: Path, timeout: float = 20.0) -> str:
    with pytest.raises(Unreachable) as caught:
        read(api, folder, timeout)
    assert TOKEN not in str(caught.value)
    return str(caught.value)


def node(name: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {},
        "status": {
            "allocatable": {"cpu": "4", "memory": "16Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def pod(name: str, cpu: str = "1") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "ml", "labels": {"ray.io/cluster": "train"}},
        "spec": {"nodeName": "n0", "containers": [{"name": "ray", "resources": {"requests": {"cpu": cpu}}}]},
        "status": {"phase": "Running"},
    }


def ray(name: str, **status: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "ml"}, "status": status}


def test_a_live_cluster_is_the_snapshot_that_kubectl_gives(api: FakeApiServer, tmp_path: Path) -> None:
    api.objects[NODES] = [node("n1"), node("n0")]
    api.objects[PODS] = [pod("b", "1500m"), pod("a")]
    api.objects.update(
        dict(zip(RAY_PATHS, ([ray("job", jobStatus="RUNNING")], [ray("rc", state="ready")], []), strict=True))
    )
    kinds = {NODES: "Node", PODS: "Pod", RAY_PATHS[0]: "RayJob", RAY_PATHS[1]: "RayCluster"}
    items = [{"kind": kind, **item} for path, kind in kinds.items() for item in api.objects[path]]
    printed = read_kubectl_list(json.dumps({"kind": "List", "items": items}).encode(), "k.json", "fake", 5.0)
    snapshot = read(api, tmp_path)
    assert snapshot.version == "v1.34.1"
    assert (snapshot.nodes, snapshot.pods, snapshot.ray) == (printed.nodes, printed.pods, printed.ray)
    assert (snapshot.cluster, snapshot.taken_at) == ("fake", 5.0)


def test_only_these_lists_are_read(api: FakeApiServer, tmp_path: Path) -> None:
    read(api, tmp_path)
    assert [path for path, _ in api.requests] == [VERSION, NODES, PODS, *RAY_PATHS]
    pods = dict(api.requests)[PODS]
    assert pods == {"limit": "500", "fieldSelector": "status.phase!=Succeeded,status.phase!=Failed"}


def test_without_ray_a_cluster_has_no_ray_resources(api: FakeApiServer, tmp_path: Path) -> None:
    api.objects[NODES] = [node("n0")]
    assert read(api, tmp_path).ray == ()


def test_lists_are_read_in_pages_of_500(api: FakeApiServer, tmp_path: Path) -> None:
    api.objects[PODS] = [pod(f"p{number:04}") for number in range(1203)]
    assert [item.name for item in read(api, tmp_path).pods] == [f"p{number:04}" for number in range(1203)]
    asked = [query.get("continue") for path, query in api.requests if path == PODS]
    assert asked == [None, "500", "1000"]


def test_an_expired_page_makes_the_list_be_read_again_whole(api: FakeApiServer, tmp_path: Path) -> None:
    api.objects[PODS] = [pod(f"p{number:04}") for number in range(1203)]

    def expire(request: Request) -> None:
        if request.query.get("continue") == "1000":
            request.reply(410, {"kind": "Status", "reason": "Expired", "message": "too old"})
        else:
            request.serve(PODS)

    api.faults[PODS] = expire
    names = [item.name for item in read(api, tmp_path).pods]
    assert names == [f"p{number:04}" for number in range(1203)]
    assert "limit" not in api.requests[-4][1]


def test_compressed_answers_are_read(api: FakeApiServer, tmp_path: Path) -> None:
    body = gzip.compress(json.dumps({"items": [node(f"n{number}") for number in range(500)]}).encode())

    def compressed(request: Request) -> None:
        assert "gzip" in request.headers["Accept-Encoding"]
        request.send_response(200)
        request.send_header("Content-Encoding", "gzip")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    api.faults[NODES] = compressed
    assert len(read(api, tmp_path).nodes) == 500


def test_connections_are_kept_open_between_lists_and_readings(api: FakeApiServer, tmp_path: Path) -> None:
    ports: set[int] = set()

    def noting(path: str) -> Fault:
        def serve(request: Request) -> None:
            ports.add(request.client_address[1])
            request.serve(path)

        return serve

    api.faults.update({path: noting(path) for path in (VERSION, NODES, PODS)})
    source = source_for(api.kubeconfig(), tmp_path)
    source.read(CLUSTER, 1.0)
    source.read(CLUSTER, 2.0)
    assert len(ports) == 1


def dribble(request: Request) -> None:
    """Send a byte at a time, for ever: each arrives in time, all of them never."""
    request.send_response(200)
    request.send_header("Content-Length", "1000000")
    request.end_headers()
    while not request.api.released.wait(0.02):
        request.wfile.write(b" ")


def cut_off(request: Request) -> None:
    request.connection.shutdown(socket.SHUT_RDWR)
    request.close_connection = True


@pytest.mark.parametrize(
    ("path", "fault", "said"),
    [
        (NODES, answers(500, {"message": "etcdserver: leader changed"}), "with 500: etcdserver: leader changed"),
        (NODES, answers(503, b"<html>busy</html>"), "answered /api/v1/nodes with 503"),
        (NODES, answers(302, b""), "answered /api/v1/nodes with 302"),
        (NODES, answers(404, {}), "does not know /api/v1/nodes (404)"),
        (PODS, answers(403, {"message": 'User "x" cannot list'}), 'may not list pods (403); allow it to get'),
        (RAY_PATHS[1], answers(403, {}), "may not list rayclusters (403)"),
        (RAY_PATHS[0], answers(500, {}), "answered /apis/ray.io/v1/rayjobs with 500"),
        (NODES, answers(200, b'{"items": [{"metadata":'), "answered /api/v1/nodes with something other than a list"),
        (NODES, answers(200, b'{"items": []', promise=100), "its API server broke off"),
        (NODES, answers(200, {"kind": "Status"}), "Object missing required field `items`"),
        (NODES, answers(200, b"<html>hello</html>"), "with something other than a list"),
        (NODES, answers(200, {"items": [{"metadata": {"name": "n", "labels": 5}}]}), "with something other than"),
        (NODES, answers(200, b"\xff\xfe"), "with something other than a list"),
        (NODES, cut_off, "its API server broke off"),
        (VERSION, answers(200, {}), "with something other than a list"),
    ],
)  # fmt: skip
def test_a_fault_is_a_reason_and_never_an_empty_list(
    api: FakeApiServer, tmp_path: Path, path: str, fault: Fault, said: str
) -> None:
    api.faults[path] = fault
    assert said in reason(api, tmp_path)


def test_a_list_that_the_server_writes_as_null_is_empty(api: FakeApiServer, tmp_path: Path) -> None:
    api.faults[NODES] = answers(200, {"items": None})
    assert read(api, tmp_path).nodes == ()


def test_a_pod_that_cannot_be_read_makes_the_snapshot_unreadable(api: FakeApiServer, tmp_path: Path) -> None:
    api.objects[PODS] = [pod("a"), pod("b", cpu="many")]
    assert "Pod ml/b: spec.containers[0].resources.requests.cpu" in reason(api, tmp_path)


def test_a_fault_on_a_later_page_loses_no_pods(api: FakeApiServer, tmp_path: Path) -> None:
    api.objects[PODS] = [pod(f"p{number:04}") for number in range(600)]
    api.faults[PODS] = lambda request: request.reply(500, {}) if "continue" in request.query else request.serve(PODS)
    assert "with 500" in reason(api, tmp_path)


@pytest.mark.parametrize("path", [VERSION, PODS, RAY_PATHS[2]])
def test_a_server_that_hangs_is_given_up_at_the_deadline(api: FakeApiServer, tmp_path: Path, path: str) -> None:
    api.faults[path] = api.hang
    assert reason(api, tmp_path, timeout=0.4) == "its API server did not answer within 0.4 s"


def test_a_server_that_dribbles_is_given_up_at_the_deadline(api: FakeApiServer, tmp_path: Path) -> None:
    api.faults[NODES] = dribble
    started = time.monotonic()
    assert reason(api, tmp_path, timeout=0.4) == "its API server did not answer within 0.4 s"
    assert time.monotonic() - started < 10


def test_a_half_open_connection_is_given_up_at_the_deadline(api: FakeApiServer, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel accepts, no program ever speaks TLS
        config = api.kubeconfig()
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unreachable, match=r"did not answer within 0\.4 s"):
            source_for(config, tmp_path, timeout=0.4).read(CLUSTER, 1.0)


def test_a_refused_connection_says_so(api: FakeApiServer, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    config = api.kubeconfig()
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
    with pytest.raises(Unreachable, match=r"its API server refuses the connection \(Connection refused\)"):
        source_for(config, tmp_path).read(CLUSTER, 1.0)


def test_a_name_that_does_not_resolve_says_so(api: FakeApiServer, tmp_path: Path) -> None:
    config = api.kubeconfig()
    config["clusters"][0]["cluster"]["server"] = "https://no-such-host.invalid"
    with pytest.raises(Unreachable, match="does not resolve"):
        source_for(config, tmp_path).read(CLUSTER, 1.0)


def test_an_expired_certificate_says_so(tmp_path: Path) -> None:
    expired = make_certificate(tmp_path / "tls", valid_until=datetime(2021, 1, 1, tzinfo=UTC))
    with FakeApiServer(expired) as api:
        assert reason(api, tmp_path) == "TLS to its API server fails: certificate has expired"


def test_a_server_with_another_certificate_is_not_trusted(certificate: Path, tmp_path: Path) -> None:
    other = make_certificate(tmp_path / "tls")
    with FakeApiServer(certificate, authority=other) as api:
        assert reason(api, tmp_path).startswith("TLS to its API server fails: ")
        assert api.requests == [], "the token must not be sent"


def test_refused_credentials_say_so_and_are_read_anew(api: FakeApiServer, tmp_path: Path) -> None:
    token = tmp_path / "token"  # as a mounted Secret: it is renewed, the kubeconfig that names it stays
    token.write_text("old")
    config = api.kubeconfig()
    config["users"][0]["user"] = {"tokenFile": str(token)}
    source = source_for(config, tmp_path)
    with pytest.raises(Unreachable, match=r"does not accept the credentials \(401\); renew them"):
        source.read(CLUSTER, 1.0)
    token.write_text(TOKEN)
    assert source.read(CLUSTER, 2.0).taken_at == 2.0


def test_a_rotated_kubeconfig_is_used_at_once(api: FakeApiServer, certificate: Path, tmp_path: Path) -> None:
    source = source_for(api.kubeconfig(), tmp_path)
    source.read(CLUSTER, 1.0)
    with FakeApiServer(certificate) as moved:
        moved.objects[NODES] = [node("new")]
        (tmp_path / "fake").write_text(json.dumps(moved.kubeconfig()))
        assert [item.name for item in source.read(CLUSTER, 2.0).nodes] == ["new"]


def test_a_redirect_does_not_carry_the_token_away(api: FakeApiServer, certificate: Path, tmp_path: Path) -> None:
    with FakeApiServer(certificate) as elsewhere:

        def redirect(request: Request) -> None:
            request.send_response(307)
            request.send_header("Location", f"https://127.0.0.1:{elsewhere.port}{NODES}")
            request.send_header("Content-Length", "0")
            request.end_headers()

        api.faults[NODES] = redirect
        assert "with 307" in reason(api, tmp_path)
        assert elsewhere.requests == []


def test_an_answer_without_end_is_cut_at_the_limit(
    api: FakeApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MAX_ANSWER_BYTES", 1 << 20)
    api.faults[NODES] = answers(200, b" " * (3 << 20))
    assert "sent more than 1 MiB" in reason(api, tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "a: {", "apiVersion: v1\nkind: Config\n", "\x00"])
def test_a_kubeconfig_that_is_none_says_so(tmp_path: Path, content: str) -> None:
    (tmp_path / "fake").write_text(content)
    with pytest.raises(Unreachable, match="its kubeconfig is not usable"):
        LiveSource(Mounts(files=tmp_path), 5.0).read(CLUSTER, 1.0)


def test_a_context_is_found_in_the_operators_kubeconfig(api: FakeApiServer, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(json.dumps(api.kubeconfig("prod")))
    source = LiveSource(Mounts(kubeconfig=str(config)), 20.0)
    known = Cluster("fake", Place("f"), KubeconfigAccess(context="prod"))
    assert source.read(known, 1.0).version == "v1.34.1"
    unknown = Cluster("other", Place("f"), KubeconfigAccess(context="prd"))
    with pytest.raises(Unreachable, match=r"its kubeconfig is not usable: .*prd"):
        source.read(unknown, 1.0)
