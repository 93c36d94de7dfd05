"""The file forms of snapshots."""

from __future__ import annotations

from dataclasses import fields, replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import InputError, ManifestError
from reconciler.fleet.snapshot import ClusterSnapshot, FleetSnapshot, Node, Pod, RayStatus, Unreadable
from reconciler.fleet.snapshot_file import (
    Digests,
    fleet_snapshot,
    read_capacity,
    read_fleet_snapshot,
    write_cluster,
    write_fleet_snapshot,
)
from reconciler.fleet.snapshot_kinds import PodPart
from reconciler.manifests.podshape import PodShape
from tests.unit.fleet.snapshot_strategies import names, snapshots, unreadables

HAND_WRITTEN = b"""\
apiVersion: skyray.dev/v1alpha1
kind: ClusterSnapshot
metadata: {name: a}
takenAt: "2026-11-23T08:00:00Z"
version: v1.34.1
nodes:
- name: gpu-1
  allocatable: {cpu: 15, memory: 58Gi, nvidia.com/gpu: "1"}
  taints: [{key: gpu, effect: NoSchedule}]
pods:
- {name: train, namespace: ml, node: gpu-1, requests: {cpu: 500m, memory: 1G}}
- {name: waiting, requests: {nvidia.com/gpu: 1}}
ray:
- {kind: RayJob, namespace: ml, name: train, state: Running}
namespaces:
- {name: ml, labels: {team: ml}}
"""


def hand_written(old: str = "", new: str = "") -> bytes:
    assert old.encode() in HAND_WRITTEN
    return HAND_WRITTEN.replace(old.encode(), new.encode())


def test_people_can_write_a_snapshot() -> None:
    snapshot = read_capacity(HAND_WRITTEN, "a.yaml", "a", taken_at=1.0)
    assert snapshot.taken_at == 1_795_420_800
    assert snapshot.version == "v1.34.1"
    [node] = snapshot.nodes
    assert node.allocatable == {"cpu": 15_000, "memory": 58 * 2**30, "nvidia.com/gpu": 1, "pods": 110}
    assert node.ready
    assert not node.unschedulable
    waiting, train = snapshot.pods
    assert (train.namespace, train.node, train.shape.node_name) == ("ml", "gpu-1", "gpu-1")
    assert train.shape.requests == {"cpu": 500, "memory": 10**9}
    assert (train.shape.score_cpu, train.shape.score_memory) == (500, 10**9)
    assert (waiting.namespace, waiting.node) == ("default", "")
    assert (waiting.shape.score_cpu, waiting.shape.score_memory) == (100, 200 * 2**20)
    assert snapshot.ray == (RayStatus("RayJob", "ml", "train", "Running"),)
    assert snapshot.namespace_labels == {"ml": {"team": "ml"}}


def test_a_snapshot_without_a_time_is_as_old_as_the_caller_says() -> None:
    data = hand_written('takenAt: "2026-11-23T08:00:00Z"\n')
    assert read_capacity(data, "a.yaml", "a", taken_at=7.5).taken_at == 7.5


@given(snapshots)
def test_what_was_written_is_read_back_exactly(snapshot: ClusterSnapshot) -> None:
    data = write_cluster(snapshot)
    again = read_capacity(data, "a.json", snapshot.cluster, taken_at=-1.0)
    assert again == snapshot
    assert write_cluster(again) == data


@given(snapshots)
def test_a_snapshot_in_yaml_is_the_snapshot_in_json(snapshot: ClusterSnapshot) -> None:
    data = b"# written by hand\n" + write_cluster(snapshot)
    assert read_capacity(data, "a.yaml", snapshot.cluster, taken_at=-1.0) == snapshot


@given(st.dictionaries(names, snapshots | unreadables, max_size=3))
def test_a_fleet_is_read_back_exactly_and_named_by_the_same_digest(
    clusters: dict[str, ClusterSnapshot | Unreadable],
) -> None:
    fleet = fleet_snapshot(replace(snapshot, cluster=name) for name, snapshot in clusters.items())
    data = write_fleet_snapshot(fleet)
    again = read_fleet_snapshot(data, "fleet.json")
    assert again == fleet
    assert list(again.clusters) == sorted(clusters)
    assert write_fleet_snapshot(again) == data
    assert read_fleet_snapshot(b"# yaml\n" + data, "fleet.yaml") == fleet


def test_every_field_of_a_pod_is_in_the_file() -> None:
    in_file = set(PodPart.__struct_fields__)
    assert {field.name for field in fields(PodShape)} - in_file == {"node_name"}
    assert {field.name for field in fields(Pod)} - in_file == {"shape"}


def test_equal_snapshots_are_equal_bytes_whatever_their_order_and_identity() -> None:
    text = "-".join(PodShape().scheduler_name.split("-"))  # equal to the default, not the same object
    shape = PodShape(
        namespace="a", requests={"memory": 1024, "cpu": 1}, labels={"b": "1", "a": "2"}, scheduler_name=text
    )
    other = PodShape(namespace="a", requests={"cpu": 1, "memory": 1024}, labels={"a": "2", "b": "1"})
    equal = [ClusterSnapshot("a", 1.0, (), (Pod("a", "p", one),)) for one in (shape, other)]
    assert equal[0] == equal[1]
    assert write_cluster(equal[0]) == write_cluster(equal[1])
    assert b"scheduler" not in write_cluster(equal[0])


def test_amounts_are_written_as_kubernetes_writes_them() -> None:
    node = Node(
        "n", {"cpu": 3_920, "memory": 58 * 2**30, "pods": 110, "nvidia.com/gpu": 1_000, "ephemeral-storage": 10**9}
    )
    written = orjson.loads(write_cluster(ClusterSnapshot("a", 1_795_420_800, (node,), ())))
    assert written["takenAt"] == "2026-11-23T08:00:00Z"
    assert written["nodes"] == [
        {
            "name": "n",
            "allocatable": {
                "cpu": "3920m",
                "memory": "58Gi",
                "pods": "110",
                "nvidia.com/gpu": "1000",
                "ephemeral-storage": "1000000000",
            },
        }
    ]


def test_the_digest_changes_with_any_cluster_and_with_nothing_else() -> None:
    a, b = ClusterSnapshot("a", 1.0, (), ()), Unreadable("b", "no answer", 1.0)
    digest = fleet_snapshot([a, b]).digest
    assert digest.startswith("sha256:")
    assert fleet_snapshot([b, a]).digest == digest
    assert fleet_snapshot([replace(a, taken_at=2.0), b]).digest != digest
    assert fleet_snapshot([a, replace(b, reason="no")]).digest != digest
    assert fleet_snapshot([a]).digest != digest


def test_only_a_changed_cluster_is_encoded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[str] = []

    def spy(snapshot: ClusterSnapshot | Unreadable) -> bytes:
        encoded.append(snapshot.cluster)
        return write_cluster(snapshot)

    monkeypatch.setattr("reconciler.fleet.snapshot_file.write_cluster", spy)
    digests = Digests()
    a, b = ClusterSnapshot("a", 1.0, (), ()), ClusterSnapshot("b", 1.0, (), ())
    fleet_snapshot([a, b], digests)
    changed = fleet_snapshot([a, replace(b, taken_at=2.0)], digests)
    assert encoded == ["a", "b", "b"]
    assert changed == fleet_snapshot([a, replace(b, taken_at=2.0)])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("58Gi", "58Gj", "a.yaml:8:34: nodes[0].allocatable.memory is wrong: '58Gj' is not a quantity"),
        ("500m", "-500m", "pods[0].requests.cpu is -500m; write 0 or more"),
        ("node: gpu-1", "nod: gpu-1", "a.yaml:11:3: pods[0]: Object contains unknown field `nod`"),
        ("name: waiting", "name: 1", "a.yaml:12:10: pods[1].name: Expected `str`, got `int`"),
        ("- name: gpu-1", "- nam: gpu-1", "nodes[0]: Object contains unknown field `nam`"),
        ("T08:00:00Z", "T08:00:00", "a.yaml:4:10: takenAt is '2026-11-23T08:00:00'; write a time such as"),
        ("T08:00:00Z", " at eight", "takenAt is '2026-11-23 at eight'"),
        ('takenAt: "2026-11-23T08:00:00Z"', "takenAt: 2026-11-23T08:00:00Z", "quote it"),
        ("{name: a}", "{name: b}", "is the snapshot of 'b', not of 'a'"),
        ("name: waiting", "name: train, namespace: ml", "pods[1] has 'ml/train' again"),
        ("v1alpha1", "v2", "apiVersion: Invalid enum value 'skyray.dev/v2'"),
        ("kind: ClusterSnapshot", "kind: FleetSnapshot", "kind"),
        ("nodes:", "node:", "unknown field `node`"),
    ],
)
def test_a_wrong_file_is_reported_with_the_place(old: str, new: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        read_capacity(hand_written(old, new), "a.yaml", "a", 1.0)
    assert str(caught.value).startswith("a.yaml")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "data", [b"{", b'{"kind":"ClusterSnapshot"', b'{"kind": "ClusterSnapshot"}', b"{}", b"[]", b"", b"\xff"]
)
def test_no_broken_file_is_an_empty_cluster(data: bytes) -> None:
    with pytest.raises(InputError, match=r"^a.json"):
        read_capacity(data, "a.json", "a", 1.0)


def test_a_fleet_names_each_cluster_once_and_dates_it() -> None:
    cluster = {"apiVersion": "skyray.dev/v1alpha1", "kind": "ClusterSnapshot", "metadata": {"name": "a"}, "nodes": []}
    fleet = {"apiVersion": "skyray.dev/v1alpha1", "kind": "FleetSnapshot", "clusters": [cluster]}
    with pytest.raises(InputError, match="takenAt of cluster 'a' is missing"):
        read_fleet_snapshot(orjson.dumps(fleet), "f.json")
    fleet["clusters"] = [{**cluster, "takenAt": 1}] * 2
    with pytest.raises(InputError, match="cluster 'a' is listed twice"):
        read_fleet_snapshot(orjson.dumps(fleet), "f.json")


@pytest.mark.parametrize("data", [b"{", b"", b'{"kind":"ClusterSnapshot"}', b'{"kind":"FleetSnapshot"}', b"a: b"])
def test_no_broken_file_is_an_empty_fleet(data: bytes) -> None:
    with pytest.raises(InputError, match=r"^f.json"):
        read_fleet_snapshot(data, "f.json")


def test_json_that_is_cut_off_is_no_json() -> None:
    data = write_fleet_snapshot(FleetSnapshot({}, ""))
    with pytest.raises(ManifestError, match="not JSON"):
        read_fleet_snapshot(data[:-2], "f.json")


def test_a_pod_whose_shape_stands_elsewhere_is_not_written() -> None:
    pod = Pod("a", "p", PodShape(namespace="b"))
    with pytest.raises(ValueError, match="a/p"):
        write_cluster(ClusterSnapshot("a", 1.0, (), (pod,)))
