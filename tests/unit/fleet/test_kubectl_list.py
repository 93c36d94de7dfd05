"""What kubectl prints, as a snapshot."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
import yaml

from reconciler.errors import InputError
from reconciler.fleet import kubectl_list
from reconciler.fleet.kubectl_list import read_kubectl_list
from reconciler.fleet.snapshot import ClusterSnapshot, Node, Pod, RayStatus
from reconciler.fleet.snapshot_file import read_capacity
from reconciler.manifests.podshape import Taint, Toleration
from reconciler.manifests.selector import LabelSelector, Requirement


def node(name: str = "gpu-1", **status: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "annotations": {"node.alpha.kubernetes.io/ttl": "0"},
            "creationTimestamp": "2026-11-01T00:00:00Z",
            "labels": {"kubernetes.io/hostname": name},
            "name": name,
            "uid": "b5f2d6f2-5a0b-4c0e-9d7c-1f1f0d9a6b11",
        },
        "spec": {"podCIDR": "10.0.0.0/24", "taints": [{"effect": "NoSchedule", "key": "gpu", "timeAdded": None}]},
        "status": {
            "addresses": [{"address": "10.0.0.1", "type": "InternalIP"}],
            "allocatable": {"cpu": "3920m", "memory": "15Gi", "nvidia.com/gpu": "1", "pods": "58"},
            "capacity": {"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": "1", "pods": "58"},
            "conditions": [
                {"type": "MemoryPressure", "status": "False"},
                {"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-11-01T00:00:00Z"},
            ],
            **status,
        },
    }


def pod(name: str = "train-head", phase: str = "Running", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "labels": {"ray.io/cluster": "train", "ray.io/node-type": "head", "ray.io/group": "headgroup"},
            "name": name,
            "namespace": "ml",
            "ownerReferences": [
                {"apiVersion": "ray.io/v1", "controller": True, "kind": "RayCluster", "name": "train", "uid": "u"}
            ],
        },
        "spec": {
            "containers": [
                {
                    "name": "ray",
                    "image": "ray",
                    "resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "2Gi"}},
                },
                {"name": "sidecar", "image": "proxy", "resources": {}},
            ],
            "nodeName": "gpu-1",
            "restartPolicy": "Always",
            "tolerations": [{"key": "gpu", "operator": "Exists", "tolerationSeconds": 300}],
            **spec,
        },
        "status": {"phase": phase, "podIP": "10.0.0.7"},
    }


def listing(*items: dict[str, Any], kind: str = "List") -> bytes:
    return orjson.dumps({"apiVersion": "v1", "items": items, "kind": kind, "metadata": {"resourceVersion": ""}})


def read(*items: dict[str, Any]) -> ClusterSnapshot:
    return read_kubectl_list(listing(*items), "a.json", "a", 5.0)


def only_pod(item: dict[str, Any]) -> Pod:
    [found] = read(node(), item).pods
    return found


def test_a_node_is_read_with_its_room_taints_and_condition() -> None:
    assert read(node()).nodes == (
        Node(
            "gpu-1",
            {"cpu": 3_920, "memory": 15 * 2**30, "nvidia.com/gpu": 1, "pods": 58},
            {"kubernetes.io/hostname": "gpu-1"},
            (Taint("gpu", "NoSchedule"),),
        ),
    )


def test_a_node_that_is_cordoned_or_not_ready_says_so() -> None:
    cordoned = node("a")
    cordoned["spec"]["unschedulable"] = True
    unready = node("b", conditions=[{"type": "Ready", "status": "Unknown"}])
    silent = {"kind": "Node", "metadata": {"name": "c"}, "spec": {}, "status": {}}
    snapshot = read(unready, silent, cordoned)
    assert [(node.name, node.ready, node.unschedulable) for node in snapshot.nodes] == [
        ("a", True, True),
        ("b", False, False),
        ("c", False, False),
    ]
    assert snapshot.nodes[2].allocatable == {}


def test_a_pod_is_read_as_the_scheduler_sees_it() -> None:
    found = only_pod(pod())
    assert (found.namespace, found.name, found.node) == ("ml", "train-head", "gpu-1")
    assert (found.owner, found.node_type, found.deleting) == ("train", "head", False)
    assert found.shape.requests == {"cpu": 500, "memory": 2 * 2**30}
    assert (found.shape.score_cpu, found.shape.score_memory) == (600, 2 * 2**30 + 200 * 2**20)
    assert found.shape.tolerations == (Toleration("gpu", "Exists"),)


def test_ended_pods_hold_nothing_and_pending_ones_count() -> None:
    waiting = pod("waiting", phase="Pending")
    del waiting["spec"]["nodeName"]
    snapshot = read(node(), pod("done", "Succeeded"), pod("broken", "Failed"), pod("lost", "Unknown"), waiting)
    assert [(pod_read.name, pod_read.node) for pod_read in snapshot.pods] == [("lost", "gpu-1"), ("waiting", "")]


def test_a_pod_that_is_being_deleted_still_counts() -> None:
    item = pod()
    item["metadata"]["deletionTimestamp"] = "2026-11-01T00:00:00Z"
    assert only_pod(item).deleting


def test_the_owner_of_a_plain_pod_is_its_controller() -> None:
    item = pod()
    item["metadata"]["labels"] = {}
    item["metadata"]["ownerReferences"] = [
        {"kind": "Node", "name": "gpu-1", "apiVersion": "v1", "uid": "u"},
        {"kind": "ReplicaSet", "name": "web-5d", "apiVersion": "apps/v1", "uid": "u", "controller": True},
    ]
    assert (only_pod(item).owner, only_pod(item).node_type) == ("web-5d", "")
    del item["metadata"]["ownerReferences"]
    assert only_pod(item).owner == ""


def test_equal_specs_keep_their_own_names_labels_and_nodes() -> None:
    spread = [
        {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "matchLabelKeys": ["app"]}
        | {"labelSelector": {"matchLabels": {"a": "b"}}}
    ]
    one, two = (pod(f"p{n}", nodeName=f"gpu-{n}", topologySpreadConstraints=spread) for n in (1, 2))
    one["metadata"]["labels"], two["metadata"]["labels"] = {"app": "one"}, {"app": "two"}
    two["metadata"]["namespace"] = "other"
    first, second = read(node(), one, two).pods
    assert (first.shape.namespace, first.node, first.shape.labels) == ("ml", "gpu-1", {"app": "one"})
    assert (second.shape.namespace, second.node, second.shape.labels) == ("other", "gpu-2", {"app": "two"})
    for found, app in ((first, "one"), (second, "two")):
        assert found.shape.spread[0].selector == LabelSelector(
            (Requirement("a", "In", ("b",)), Requirement("app", "In", (app,)))
        )


def test_ray_resources_say_how_they_are_and_whose_they_are() -> None:
    origin = {"ray.io/originated-from-cr-name": "train", "ray.io/originated-from-crd": "RayJob"}
    job_status = {"jobDeploymentStatus": "Failed", "jobStatus": "FAILED", "reason": "AppFailed", "message": "exit 1"}
    items: list[dict[str, Any]] = [
        {"kind": "RayJob", "metadata": {"namespace": "ml", "name": "train"}, "status": job_status},
        {
            "kind": "RayCluster",
            "metadata": {"namespace": "ml", "name": "train-x7", "labels": origin},
            "status": {"state": "ready"},
        },
        {"kind": "RayCluster", "metadata": {"namespace": "ml", "name": "own"}},
        {"kind": "RayService", "metadata": {"namespace": "ml", "name": "llm"}, "status": {"serviceStatus": "Running"}},
    ]
    assert read(node(), *items).ray == (
        RayStatus("RayCluster", "ml", "own"),
        RayStatus("RayCluster", "ml", "train-x7", "ready", owner="RayJob/train"),
        RayStatus("RayJob", "ml", "train", "Failed", "FAILED", "AppFailed", "exit 1"),
        RayStatus("RayService", "ml", "llm", "Running"),
    )


def test_labels_of_namespaces_are_kept_and_other_kinds_let_be() -> None:
    items: list[dict[str, Any]] = [
        {"kind": "Namespace", "metadata": {"name": "ml", "labels": {"team": "ml"}}},
        {"kind": "Namespace", "metadata": {"name": "bare"}},
        {"kind": "Service", "metadata": {"name": "web", "namespace": "ml"}, "spec": {}},
    ]
    assert read(node(), *items).namespace_labels == {"bare": {}, "ml": {"team": "ml"}}


def test_yaml_is_read_like_json() -> None:
    items = [node(), pod(), {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "ml"}}]
    whole = {"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}}
    text = yaml.safe_dump(whole).encode()
    assert read_kubectl_list(text, "a.yaml", "a", 5.0) == read(*items)
    assert read_capacity(text, "a.yaml", "a", 5.0) == read(*items)
    assert read_capacity(listing(*items), "a.json", "a", 5.0) == read(*items)


def test_items_of_a_raw_list_need_not_name_their_kind() -> None:
    bare = {key: value for key, value in node().items() if key not in {"kind", "apiVersion"}}
    assert read_kubectl_list(listing(bare, kind="NodeList"), "a.json", "a", 5.0) == read(node())


def broken(item: dict[str, Any], *path: str | int, value: Any) -> dict[str, Any]:
    here: Any = item
    for step in path[:-1]:
        here = here[step]
    here[path[-1]] = value
    return item


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (broken(node("n"), "status", "allocatable", "cpu", value="four"), "Node n: status.allocatable: 'four' is not"),
        (broken(node("n"), "status", "allocatable", value=[]), "(Node n): Expected `object | null`, got `array`"),
        (
            broken(pod(), "spec", "containers", 0, "resources", "requests", value={"cpu": "1x"}),
            "Pod ml/train-head: spec",
        ),
        (broken(pod(), "spec", "containers", value="x"), "(Pod ml/train-head): Expected `array | null`, got `str`"),
        (broken(pod(), "spec", "nodeName", value=5), "(Pod ml/train-head): Expected `str | null`, got `int`"),
        (broken(pod(), "metadata", value={}), "(Pod): Object missing required field `name`"),
        (broken(pod(), "kind", value=""), "kind is missing"),
        (broken(pod(), "spec", value=None), "(Pod ml/train-head): Expected `object`, got `null`"),
        ({"kind": "RayJob", "metadata": {"name": "j"}, "status": []}, "(RayJob j): Expected `object | null`"),
        (node(), "Node gpu-1 is listed twice"),
    ],
)
def test_an_item_that_cannot_be_read_is_named_never_dropped(item: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        read(node(), pod("other"), item)
    assert str(caught.value).startswith("a.json: items[2]")
    assert said in str(caught.value)


@pytest.mark.parametrize("items", [("x",), (None,), ([],)])
def test_an_item_that_is_no_object_is_an_error(items: tuple[Any, ...]) -> None:
    with pytest.raises(InputError, match=r"items\[0\]: Expected `object`"):
        read(*items)


def test_pods_without_any_node_are_half_a_snapshot() -> None:
    with pytest.raises(InputError, match=r"has no Node, yet pod ml/train-head runs on gpu-1; print both"):
        read(pod())


@pytest.mark.parametrize("data", [listing(), b"apiVersion: v1\nkind: List\nitems: []\n", b"", b"# nothing\n"])
def test_a_list_of_nothing_is_no_empty_cluster(data: bytes) -> None:
    with pytest.raises(InputError, match="holds no object"):
        read_kubectl_list(data, "a", "a", 5.0)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (listing(node())[:-10], "not what `kubectl get -o json` prints"),
        (b'{"kind": "List"}', "not what `kubectl get -o json` prints"),
        (orjson.dumps(node()), "not what `kubectl get -o json` prints"),
        (b'{"kind": "Pod", "items": []}', "kind is 'Pod'; expected the List that kubectl prints"),
    ],
)
def test_what_kubectl_did_not_print_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(InputError) as caught:
        read_kubectl_list(data, "a.json", "a", 5.0)
    assert str(caught.value).startswith("a.json: ")
    assert said in str(caught.value)


def test_a_file_beyond_the_limit_is_not_even_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubectl_list, "MAX_BYTES", 1024)
    with pytest.raises(InputError, match="at most 0 are read"):
        read_kubectl_list(b"{" + b" " * 1024, "a.json", "a", 5.0)
