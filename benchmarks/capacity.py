"""How fast capacity is read: one cluster of 10,000 pods, and the digest of a fleet of 1,000 clusters.

    python -m benchmarks.capacity [pods]

The floor is `orjson.loads` of the same bytes in the same run: what it costs merely to parse them. Ratios below 1 are
faster than that. Medians of five.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import orjson

from benchmarks.measuring import Row, Table, show
from reconciler.fleet.apiobjects import PodObject, PodReader
from reconciler.fleet.kubectl_list import read_kubectl_list
from reconciler.fleet.snapshot import ClusterSnapshot
from reconciler.fleet.snapshot_file import (
    Digests,
    fleet_snapshot,
    read_capacity,
    write_cluster,
)

ROUNDS = 5
PAGE = 500


def node(number: int) -> dict[str, Any]:
    room = {
        "cpu": "95550m",
        "memory": "740Gi",
        "nvidia.com/gpu": "8",
        "pods": "110",
        "ephemeral-storage": "900Gi",
    }
    name = f"node-{number}"
    labels = {
        "kubernetes.io/hostname": name,
        "topology.kubernetes.io/zone": f"zone-{number % 3}",
    }
    conditions = [
        {"type": kind, "status": "True"}
        for kind in ("MemoryPressure", "DiskPressure", "Ready")
    ]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {},
        "status": {"allocatable": room, "capacity": room, "conditions": conditions},
    }


def pod(number: int, nodes: int) -> dict[str, Any]:
    """Return a Ray worker as an API server tells it, some 5 kB with its managed fields and status."""
    cluster = f"raycluster-{number % 300}"
    managed = [
        {
            "manager": "kubelet",
            "operation": "Update",
            "fieldsV1": {f"f:field{n}": {"f:x": {}} for n in range(60)},
        }
    ]
    not_ready = [
        {
            "key": f"node.kubernetes.io/{why}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": 300,
        }
        for why in ("not-ready", "unreachable")
    ]
    requests = {"cpu": str(number % 8 + 1), "memory": "16Gi", "nvidia.com/gpu": "1"}
    container = {
        "name": "ray-worker",
        "image": "rayproject/ray:2.52.0",
        "args": [
            "ulimit -n 65536; ray start --address=head:6379 --block "
            + "--metrics-export-port=8080 " * 10
        ],
        "env": [{"name": f"RAY_VARIABLE_{n}", "value": "v" * 20} for n in range(20)],
        "resources": {"requests": requests, "limits": requests},
        "ports": [{"name": "metrics", "containerPort": 8080, "protocol": "TCP"}],
        "volumeMounts": [
            {"name": "token", "mountPath": "/var/run/secrets", "readOnly": True}
        ],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"worker-{number}",
            "namespace": f"team-{number % 50}",
            "uid": "b5f2d6f2-5a0b-4c0e-9d7c-1f1f0d9a6b11",
            "labels": {
                "ray.io/cluster": cluster,
                "ray.io/node-type": "worker",
                "ray.io/group": "gpu-group",
            },
            "ownerReferences": [
                {
                    "apiVersion": "ray.io/v1",
                    "kind": "RayCluster",
                    "name": cluster,
                    "controller": True,
                }
            ],
            "managedFields": managed,
        },
        "spec": {
            "containers": [container],
            "nodeName": f"node-{number % nodes}",
            "schedulerName": "default-scheduler",
            "tolerations": not_ready,
            "volumes": [
                {
                    "name": "token",
                    "projected": {
                        "sources": [{"serviceAccountToken": {"path": "token"}}]
                    },
                }
            ],
        },
        "status": {
            "phase": "Running",
            "conditions": [
                {"type": kind, "status": "True"}
                for kind in ("Initialized", "Ready", "PodScheduled")
            ],
            "containerStatuses": [
                {"name": "ray-worker", "ready": True, "imageID": "sha256:" + "a" * 64}
            ],
        },
    }


class Page(msgspec.Struct):
    """One page of an API server's answer."""

    items: list[PodObject]


def live_pages(pages: list[bytes]) -> int:
    decoder, reader = msgspec.json.Decoder(Page), PodReader()
    return sum(
        reader.pod(item) is not None
        for page in pages
        for item in decoder.decode(page).items
    )


def median(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(ROUNDS):
        gc.collect()
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def main() -> list[Table]:
    pods = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    nodes = max(1, pods // 10)
    items = [pod(number, nodes) for number in range(pods)]
    listing = orjson.dumps(
        {"kind": "List", "items": [node(number) for number in range(nodes)] + items}
    )
    pages = [
        orjson.dumps({"items": items[first : first + PAGE]})
        for first in range(0, pods, PAGE)
    ]
    del items
    picture = read_kubectl_list(listing, "list.json", "bench", 0.0)
    written = write_cluster(picture)
    works: dict[str, Callable[[], object]] = {
        "kubectl's list -> snapshot": lambda: read_kubectl_list(
            listing, "list.json", "bench", 0.0
        ),
        f"pages of {PAGE}, as the API server sends them": lambda: live_pages(pages),
        f"snapshot -> its file ({len(written) / 1e6:.1f} MB)": lambda: write_cluster(
            picture
        ),
        "its file -> snapshot": lambda: read_capacity(written, "s.json", "bench", 0.0),
    }
    floor = median(lambda: orjson.loads(listing))
    rows = [
        Row(what, median(work), "orjson.loads of kubectl's list", floor, ROUNDS)
        for what, work in works.items()
    ]
    size = f"{len(listing) / 1e6:.1f} MB as kubectl prints them"
    title = f"capacity: {pods:,} pods on {nodes:,} nodes: {size}"
    return [show(title, rows), fleet_of_1000(picture)]


def fleet_of_1000(picture: ClusterSnapshot) -> Table:
    """Show what the fleet's digest costs when one of 1,000 clusters, 100 pods each, has changed."""
    small = replace(picture, pods=picture.pods[:100], nodes=picture.nodes[:10])
    clusters = {
        f"c{number}": replace(small, cluster=f"c{number}") for number in range(1000)
    }
    digests = Digests()
    first = median(lambda: fleet_snapshot(clusters.values()))
    fleet_snapshot(clusters.values(), digests)

    def one_changed() -> None:
        clusters["c7"] = replace(clusters["c7"], taken_at=clusters["c7"].taken_at + 1)
        fleet_snapshot(clusters.values(), digests)

    row = Row("one of them changed", median(one_changed), "all of them", first, ROUNDS)
    return show("capacity: digest of 1,000 clusters of 100 pods", [row])


if __name__ == "__main__":
    main()
