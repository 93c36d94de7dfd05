"""What autoscalers tell of their pools: Cluster Autoscaler's status, Karpenter's NodePools, Cluster API's objects."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from reconciler.errors import InvalidObject
from reconciler.fleet.karpenter import UNLIMITED, KarpenterPool, karpenter_pools
from reconciler.fleet.machinepools import MachineSet, machine_pools
from reconciler.fleet.nodegroups import NodeGroup, node_groups, pools_of_groups
from reconciler.fleet.pools import together
from reconciler.fleet.snapshot import Node, NodePool
from reconciler.manifests.podshape import Taint

GPU = "nvidia.com/gpu"
ZONE, TYPE = "topology.kubernetes.io/zone", "node.kubernetes.io/instance-type"
ZONAL = "https://x/zones/us-west1-b/instanceGroups"
EKS = "eks-l4-1ec1ed72-4d0a-53a1-1a4f-46f8a44d6f42"
L4 = {"cpu": 15_890, "memory": 58 << 30, "nvidia.com/gpu": 1, "pods": 110}

YAML = """
time: 2026-10-02 14:29:22.999645779 +0000 UTC
autoscalerStatus: Running
clusterWide:
  health:
    status: Healthy
    nodeCounts: {registered: {total: 4, ready: 4, notStarted: 0}}
    lastProbeTime: "2026-10-02T14:29:22Z"
nodeGroups:
- name: aks-user-25795745-vmss
  health:
    status: Healthy
    nodeCounts:
      registered: {total: 3, ready: 2, notStarted: 1}
      longUnregistered: 0
    cloudProviderTarget: 4
    minSize: 2
    maxSize: 8
    lastTransitionTime: 2026-10-02T14:29:02Z
  scaleUp:
    status: InProgress
    backoffInfo: {}
- name: aks-gpu-25795745-vmss
  health: {status: Healthy, nodeCounts: {registered: {total: 0}}, minSize: 0, maxSize: 3}
  scaleUp:
    status: Backoff
    backoffInfo: {errorCode: OUT_OF_RESOURCES, errorMessage: "no capacity"}
"""

TEXT = """
Cluster-autoscaler status at 2021-10-19 19:06:40.008835646 +0000 UTC:
Cluster-wide:
  Health:      Healthy (ready=4 unready=0 notStarted=0 longNotStarted=0 registered=4 longUnregistered=0)
               LastProbeTime:      2021-10-19 19:06:40.008835646 +0000 UTC m=+433068.513173981
  ScaleUp:     NoActivity (ready=4 registered=4)
  ScaleDown:   NoCandidates (candidates=0)

NodeGroups:
  Name:        MachineDeployment/default/md-0
  Health:      Healthy (ready=3 unready=0 (resourceUnready=0) notStarted=0 longNotStarted=0 registered=3 \
longUnregistered=0 cloudProviderTarget=3 (minSize=3, maxSize=10))
               LastProbeTime:      2021-10-19 19:06:40.008835646 +0000 UTC m=+433068.513173981
  ScaleUp:     Backoff (ready=3 cloudProviderTarget=3)
  ScaleDown:   NoCandidates (candidates=0)

  Name:        https://www.googleapis.com/compute/v1/projects/p/zones/us-west1-b/instanceGroups/gke-c-l4-1a2b3c4d-grp
  Health:      Healthy (ready=0 unready=0 notStarted=0 longNotStarted=0 registered=0 longUnregistered=0 \
cloudProviderTarget=0 (minSize=0, maxSize=5))
  ScaleUp:     NoActivity (ready=0 cloudProviderTarget=0)
"""


def node(name: str, labels: dict[str, str] | None = None, **rest: Any) -> Node:
    return Node(name, rest.pop("allocatable", L4), {"kubernetes.io/hostname": name, **(labels or {})}, **rest)


def at(day: int, time: str, year: int = 2026, month: int = 10) -> float:
    hour, minute = map(int, time.split(":"))
    return datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()


YAML_TIME, TEXT_TIME = at(2, "14:30"), at(19, "19:08", 2021)


def test_the_status_of_cluster_autoscaler_gives_sizes_and_backoffs() -> None:
    user, gpu = node_groups(YAML, YAML_TIME)
    assert user == NodeGroup("aks-user-25795745-vmss", 8, 3)
    assert (gpu.max_size, gpu.registered) == (3, 0)
    assert gpu.held == "a scale-up failed (OUT_OF_RESOURCES), and its autoscaler waits before it tries again"


def test_the_older_text_form_of_the_status_is_read_too() -> None:
    first, second = node_groups(TEXT, TEXT_TIME)
    assert (first.name, first.max_size, first.registered) == ("MachineDeployment/default/md-0", 10, 3)
    assert first.held.startswith("a scale-up failed")
    assert (second.name.rpartition("/")[2], second.max_size, second.held) == ("gke-c-l4-1a2b3c4d-grp", 5, "")


@pytest.mark.parametrize(
    "text", ["- a", "nodeGroups: [{name: a}]", "nodeGroups: [{name: a, health: {maxSize: x}}]", "{"]
)
def test_a_status_that_cannot_be_read_is_an_error_and_no_empty_list(text: str) -> None:
    with pytest.raises(InvalidObject, match="no status of Cluster Autoscaler"):
        node_groups(text, YAML_TIME)


@pytest.mark.parametrize(
    ("status", "written", "later"),
    [
        (YAML, "2026-10-02 14:29:22 +0000", at(2, "14:45")),
        (YAML.replace("+0000 UTC", "+0200 CEST"), "2026-10-02 14:29:22 +0200", at(2, "12:45")),
        (YAML.replace("time: 2026-10-02 14:29:22.999645779 +0000 UTC", "time: '2026-10-02 14:29:22 +0000 UTC'"),
         "2026-10-02 14:29:22 +0000", at(2, "14:45")),
        (TEXT, "2021-10-19 19:06:40 +0000", at(19, "19:22", 2021)),
    ],
)  # fmt: skip
def test_an_autoscaler_that_is_silent_adds_nothing(status: str, written: str, later: float) -> None:
    assert {one.held for one in node_groups(status, later)} == {f"its autoscaler has told nothing since {written}"}
    assert not any("told nothing" in one.held for one in node_groups(status, later - 120))


def test_a_status_without_a_time_counts() -> None:
    assert node_groups(YAML.replace("time:", "x:"), at(9, "00:00"))[0].held == ""


def test_an_autoscaler_adds_nothing_to_what_it_takes_for_unhealthy() -> None:
    sick = "its autoscaler takes it for unhealthy, and adds no nodes to it"
    whole = "its autoscaler takes the whole cluster for unhealthy, and adds nothing"
    one = YAML.replace(
        "  health:\n    status: Healthy\n    nodeCounts:\n", "  health:\n    status: Unhealthy\n    nodeCounts:\n"
    )
    assert [group.held == sick for group in node_groups(one, YAML_TIME)] == [True, False]
    all_ = YAML.replace("status: Healthy\n    nodeCounts: {", "status: Unhealthy\n    nodeCounts: {")
    assert {group.held for group in node_groups(all_, YAML_TIME)} == {whole}
    one = TEXT.replace("Healthy (ready=0", "Unhealthy (ready=0")
    assert [group.held for group in node_groups(one, TEXT_TIME)][1] == sick
    all_ = TEXT.replace("Healthy (ready=4", "Unhealthy (ready=4")
    assert {group.held for group in node_groups(all_, TEXT_TIME)} == {whole}


def test_a_status_without_groups_has_none() -> None:
    assert node_groups("autoscalerStatus: Initializing\n", YAML_TIME) == ()


def test_a_group_has_the_shape_of_the_node_that_it_has() -> None:
    labels = {"eks.amazonaws.com/nodegroup": "l4", "team": "ml"}
    taints = (Taint("nvidia.com/gpu", "NoSchedule"), Taint("node.kubernetes.io/not-ready", "NoSchedule"))
    other = node("x", {"eks.amazonaws.com/nodegroup": "l4-large"}, allocatable={"cpu": 1})
    (pool,) = pools_of_groups([NodeGroup(EKS, 8, 1)], [node("ip-1", labels, taints=taints), other])
    assert (pool.name, pool.max_nodes, pool.existing, pool.exact) == ("l4", 8, 1, True)
    assert (pool.allocatable, pool.labels, pool.taints) == (L4, labels, taints[:1])


def test_a_group_without_nodes_has_no_shape_and_nothing_is_guessed() -> None:
    (pool,) = pools_of_groups([NodeGroup(EKS, 8)], [node("ip-1", {"eks.amazonaws.com/nodegroup": "cpu"})])
    assert pool == NodePool("l4", 8, {}, existing=0, exact=False)


@pytest.mark.parametrize(
    ("group", "name", "labels"),
    [
        (f"{ZONAL}/gke-c-l4-1a2b3c4d-grp", "gke-c-l4-1a2b3c4d-abcd", {"cloud.google.com/gke-nodepool": "l4"}),
        ("aks-l4-25795745-vmss", "aks-l4-25795745-vmss000001", {"kubernetes.azure.com/agentpool": "l4"}),
        ("l4.k8s.example.com", "i-0abc", {"kops.k8s.io/instancegroup": "l4"}),
        ("eksctl-prod-nodegroup-l4-NodeGroup-1ABC", "ip-1", {"alpha.eksctl.io/nodegroup-name": "l4"}),
        ("l4", "n1", {"k8s.scaleway.com/pool-name": "l4"}),
    ],
)  # fmt: skip
def test_the_conventions_of_the_clouds_lead_from_a_group_to_its_nodes(
    group: str, name: str, labels: dict[str, str]
) -> None:
    (pool,) = pools_of_groups([NodeGroup(group, 4, 1)], [node(name, labels), node("stranger")])
    assert (pool.name, pool.allocatable) == ("l4", L4)


def test_a_zonal_group_keeps_its_zone_and_a_regional_one_promises_none() -> None:
    labels = {"cloud.google.com/gke-nodepool": "l4", ZONE: "us-west1-b"}
    zonal = NodeGroup(f"{ZONAL}/gke-c-l4-1a2b3c4d-grp", 4, 1)
    (pool,) = pools_of_groups([zonal], [node("gke-c-l4-1a2b3c4d-abcd", labels)])
    assert (pool.labels[ZONE], pool.exact) == ("us-west1-b", True)
    regional = {"eks.amazonaws.com/nodegroup": "l4", ZONE: "us-west-2a"}
    (pool,) = pools_of_groups([NodeGroup(EKS, 4, 1)], [node("ip-1", regional)])
    assert (ZONE in pool.labels, pool.exact) == (False, False)


def test_the_zonal_groups_of_one_pool_are_one_pool() -> None:
    groups, nodes = [], []
    for zone, code, size in (("a", "1a2b3c4d", 1), ("b", "5e6f7a8b", 2)):
        groups.append(NodeGroup(f"https://x/zones/us-west1-{zone}/instanceGroups/gke-c-l4-{code}-grp", 4, size))
        labels = {"cloud.google.com/gke-nodepool": "l4", ZONE: f"us-west1-{zone}", "team": "ml"}
        nodes.append(node(f"gke-c-l4-{code}-x", labels, allocatable={**L4, "cpu": 15_000 + size}))
    (pool,) = pools_of_groups(groups, nodes)
    assert (pool.name, pool.max_nodes, pool.existing, pool.allocatable["cpu"]) == ("l4", 8, 3, 15_001)
    assert pool.labels == {"cloud.google.com/gke-nodepool": "l4", "team": "ml"}


def karpenter(name: str = "gpu", **spec: Any) -> KarpenterPool:
    status, deleted = spec.pop("status", {}), spec.pop("deleted", "")
    metadata = {"name": name, "deletionTimestamp": deleted}
    return msgspec.convert({"metadata": metadata, "spec": spec, "status": status}, KarpenterPool)


def template(*requirements: tuple[str, str, list[str]], taints: Any = (), labels: Any = None) -> dict[str, Any]:
    listed = [{"key": key, "operator": operator, "values": values} for key, operator, values in requirements]
    return {"metadata": {"labels": labels}, "spec": {"requirements": listed, "taints": list(taints)}}


def test_karpenters_pool_has_the_shape_of_its_nodes_the_labels_of_its_rules_and_the_room_of_its_limits() -> None:
    own = node("ip-1", {"karpenter.sh/nodepool": "gpu", TYPE: "g6.4xlarge", ZONE: "a"})
    pool = karpenter(
        limits={"cpu": "100", "nvidia.com/gpu": 9},
        template=template(
            ("kubernetes.io/arch", "In", ["amd64"]), ("karpenter.sh/capacity-type", "In", ["on-demand"]),
            taints=[{"key": "nvidia.com/gpu", "effect": "NoSchedule"}], labels={"team": "ml"},
        ),
        status={"resources": {"cpu": "16", "nvidia.com/gpu": "1", "nodes": "1"}},
    )  # fmt: skip
    (read,) = karpenter_pools([pool], [own], {"ip-1": {"cpu": 16_000, "nvidia.com/gpu": 1}})
    assert (read.name, read.allocatable, read.taints) == ("gpu", L4, (Taint("nvidia.com/gpu", "NoSchedule"),))
    assert (read.max_nodes, read.existing) == (1 + 5, 1)  # (100 - 16) / 16 cores; the GPUs would allow 8 more
    assert read.labels == {
        "karpenter.sh/nodepool": "gpu", TYPE: "g6.4xlarge", "kubernetes.io/arch": "amd64",
        "karpenter.sh/capacity-type": "on-demand", "team": "ml",
    }  # fmt: skip
    assert not read.exact


def test_what_karpenter_may_choose_becomes_a_family_that_shares_its_limit() -> None:
    nodes = [
        node("a", {"karpenter.sh/nodepool": "gpu", TYPE: "g6"}),
        node("b", {"karpenter.sh/nodepool": "gpu", TYPE: "m7"}),
    ]
    pool = karpenter(
        limits={"nodes": "5"},
        template=template((ZONE, "In", ["a", "b"]), ("karpenter.sh/capacity-type", "In", ["spot", "on-demand"])),
    )
    read = karpenter_pools([pool], nodes, {})
    assert len(read) == 8
    assert {one.budget for one in read} == {"gpu"}
    assert {one.max_nodes for one in read} == {5}
    spot = next(one for one in read if one.name == "gpu/g6/spot/b")
    assert (spot.spot, spot.labels[ZONE], spot.labels["karpenter.sh/capacity-type"]) == (True, "b", "spot")


def test_a_pool_of_karpenter_without_nodes_has_no_shape_and_without_limits_no_end() -> None:
    (read,) = karpenter_pools([karpenter(limits=None)], [], {})
    assert (read.allocatable, read.max_nodes, read.exact) == ({}, UNLIMITED, False)


def test_karpenters_pools_come_in_the_order_of_their_weights() -> None:
    names = [one.name for one in karpenter_pools([karpenter("b"), karpenter("a"), karpenter("z", weight=10)], [], {})]
    assert names == ["z", "a", "b"]


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        (("node.kubernetes.io/instance-type", "In", ["g6"]), [4]),
        (("node.kubernetes.io/instance-type", "NotIn", ["g6", "c7"]), [2]),
        (("node.kubernetes.io/instance-type", "DoesNotExist", []), []),
        (("node.kubernetes.io/instance-type", "Exists", []), [4, 2]),
        (("karpenter.k8s.aws/instance-gpu-count", "Gt", ["3"]), [4]),
        (("karpenter.k8s.aws/instance-gpu-count", "Lt", ["4"]), [2]),
        (("karpenter.k8s.aws/instance-gpu-count", "Gt", ["0"]), [4, 2]),
        (("example.com/unseen", "In", ["x"]), [4, 2]),
        ((ZONE, "In", ["z"]), [4, 2]),
        (("karpenter.sh/capacity-type", "NotIn", ["spot"]), [4, 2]),
    ],
)
def test_karpenter_adds_no_more_of_what_its_rules_have_come_to_forbid(
    rule: tuple[str, str, list[str]], allowed: list[int]
) -> None:
    nodes = [
        node(kind, {"karpenter.sh/nodepool": "gpu", TYPE: kind, "karpenter.k8s.aws/instance-gpu-count": gpus, ZONE: "a",
                    "karpenter.sh/capacity-type": "spot"}, allocatable={"nvidia.com/gpu": int(gpus)})
        for kind, gpus in (("g6", "4"), ("m7", "2"))
    ]  # fmt: skip
    read = karpenter_pools([karpenter(template=template(rule))], nodes, {})
    assert [one.allocatable["nvidia.com/gpu"] for one in read if one.allocatable] == allowed
    assert {one.existing for one in read} == {2}, "what it has counts all the same"
    promised = [one.labels.get(rule[0]) for one in read]
    assert rule[1] == "In" or not set(promised) & {*rule[2]}, "a rule that shuts out promises nothing"


@pytest.mark.parametrize(
    ("pool", "held"),
    [
        ({"replicas": 3}, "its size is fixed at 3"),
        ({"deleted": "2026-10-02T14:29:22Z"}, "it is being deleted"),
        (
            {"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "NodeClassNotReady"}]}},
            "Karpenter takes it for not ready (NodeClassNotReady)",
        ),
        ({"status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "X", "status": "False"}]}}, ""),
    ],
)
def test_a_pool_that_karpenter_does_not_grow_is_held(pool: dict[str, Any], held: str) -> None:
    (read,) = karpenter_pools([karpenter(**pool)], [], {})
    assert read.held == held


def test_a_pool_has_its_own_nodes_only_and_counts_them_by_the_largest() -> None:
    own = [node(name, {"karpenter.sh/nodepool": "gpu"}, allocatable={"cpu": cpu}) for name, cpu in (("a", 8), ("b", 2))]
    other = node("c", {"karpenter.sh/nodepool": "cpu"}, allocatable={"cpu": 1})
    (read,) = karpenter_pools([karpenter(limits={"cpu": "26m"})], [*own, other], {})
    assert (read.existing, read.max_nodes, read.allocatable) == (2, 2 + 2, {"cpu": 2})


def test_limits_without_nodes_say_nothing_unless_they_allow_nothing() -> None:
    (open_,) = karpenter_pools([karpenter(limits={"cpu": "10"})], [], {})
    (shut,) = karpenter_pools([karpenter(limits={"cpu": "0", "memory": "1Ti"})], [], {})
    assert (open_.max_nodes, shut.max_nodes) == (UNLIMITED, 0)
    assert open_.left == {"cpu": 10_000}
    started = karpenter(limits={"cpu": "10", "nodes": 3}, status={"resources": {"cpu": "4", "nodes": "1"}})
    (read,) = karpenter_pools([started], [], {})
    assert (read.left, read.max_nodes) == ({"cpu": 6_000, "nodes": 3}, 3)
    own = node("ip-1", {"karpenter.sh/nodepool": "gpu"}, allocatable={"cpu": 2_000})
    (read,) = karpenter_pools([started], [own], {})
    assert (read.left, read.max_nodes) == ({}, 1 + 2)


def test_a_rule_that_leaves_a_choice_promises_none_of_it() -> None:
    rules = (("kubernetes.io/arch", "In", ["amd64", "arm64"]), ("team", "In", ["a"]), ("team", "In", ["b"]))
    (read,) = karpenter_pools([karpenter(template=template(*rules))], [], {})
    assert read.labels == {"karpenter.sh/nodepool": "gpu"}


def test_a_limit_of_what_its_nodes_have_not_is_not_spent() -> None:
    own = node("ip-1", {"karpenter.sh/nodepool": "gpu"}, allocatable={"cpu": 2_000})
    (read,) = karpenter_pools([karpenter(limits={"cpu": "6", "nvidia.com/gpu": 1})], [own], {})
    assert read.max_nodes == 1 + 2


def test_a_spent_limit_leaves_nothing_to_add() -> None:
    own = node("ip-1", {"karpenter.sh/nodepool": "gpu"})
    (read,) = karpenter_pools([karpenter(limits={"cpu": "10"})], [own], {})
    assert read.max_nodes == read.existing == 1


MAX, CAPACITY = (
    "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size",
    "capacity.cluster-autoscaler.kubernetes.io/",
)


def machines(name: str = "md-0", cluster: str = "prod", replicas: int = 1, **told: str) -> MachineSet:
    annotations = {MAX: "6", **{CAPACITY + key.replace("_", "-"): value for key, value in told.items()}}
    body = {
        "metadata": {"name": name, "namespace": "default", "annotations": annotations},
        "spec": {
            "clusterName": cluster,
            "template": {"metadata": {"labels": {"node.cluster.x-k8s.io/pool": name, "machine-only": "x"}}},
        },
        "status": {"replicas": replicas},
    }
    return msgspec.convert(body, MachineSet)


def test_the_annotations_of_cluster_api_give_shape_labels_and_taints() -> None:
    told: dict[str, Any] = {
        "gpu_count": "2",
        "gpu_type": "nvidia.com/gpu",
        "labels": "disk=ssd,team=ml",
        "taints": "gpu=yes:NoSchedule,x:NoExecute",
    }
    (pool,) = machine_pools([machines(cpu="16", memory="128G", **told)], ["prod"], [])
    assert pool.allocatable == {"cpu": 16_000, "memory": 128 * 10**9, "nvidia.com/gpu": 2}
    assert pool.labels == {"disk": "ssd", "team": "ml", "node.cluster.x-k8s.io/pool": "md-0"}
    assert pool.taints == (Taint("gpu", "NoSchedule", "yes"), Taint("x", "NoExecute"))
    assert (pool.max_nodes, pool.existing, pool.exact) == (6, 1, True)


def test_only_what_may_grow_in_the_asked_cluster_is_a_pool() -> None:
    fixed = msgspec.convert({"metadata": {"name": "fixed"}, "spec": {"clusterName": "prod"}}, MachineSet)
    pools = machine_pools([machines(), machines("other", cluster="dev"), fixed], ["prod", ""], [])
    assert [(pool.name, pool.allocatable, pool.exact) for pool in pools] == [("md-0", {}, False)]


def test_half_a_shape_is_none() -> None:
    (pool,) = machine_pools([machines(cpu="16")], ["prod"], [])
    assert (pool.allocatable, pool.exact) == ({}, False)


def test_machines_that_are_being_deleted_are_held() -> None:
    for item in (machines(cpu="16", memory="128G"), machines()):
        (whole,) = machine_pools([item], ["prod"], [])
        metadata = msgspec.structs.replace(item.metadata, deletion_timestamp="2026-10-02T14:29:22Z")
        (gone,) = machine_pools([msgspec.structs.replace(item, metadata=metadata)], ["prod"], [])
        (grown,) = pools_of_groups([NodeGroup("md-0", 6, 1)], [], [gone])
        assert grown.held == gone.held
        (waits,) = pools_of_groups([NodeGroup("md-0", 6, 1, "no room")], [], [whole])
        assert waits.held == "no room"
        assert (whole.held, gone.held) == ("", "it is being deleted")


def test_an_annotation_that_is_no_number_is_an_error() -> None:
    broken = machines(cpu="many", memory="1G")
    with pytest.raises(InvalidObject, match="default/md-0"):
        machine_pools([broken], ["prod"], [])
    words = machines()
    (words.metadata.annotations or {})[MAX] = "six"
    with pytest.raises(InvalidObject, match="max-size is 'six'; write a number of nodes"):
        machine_pools([words], ["prod"], [])


def test_machines_are_counted_as_they_are_and_before_that_as_they_are_asked_for() -> None:
    def count(status: int | None, asked: int | None) -> int | None:
        item = machines(cpu="16", memory="128G")
        item.status.replicas, item.spec.replicas = status, asked
        return machine_pools([item], ["prod"], [])[0].existing

    assert (count(2, 5), count(0, 5), count(None, 5), count(None, None)) == (2, 0, 5, 0)


def test_pools_that_are_one_pool_have_what_all_have_and_are_held_if_all_are() -> None:
    small = NodePool("a", 2, {"cpu": 4, "memory": 9, GPU: 1}, existing=1, held="no room")
    large = NodePool("b", 3, {"cpu": 8, "memory": 7}, existing=1)
    one = together([small, NodePool("c", 1, {}, existing=0), large])
    assert (one.name, one.max_nodes, one.existing, one.allocatable) == ("a", 6, 2, {"cpu": 4, "memory": 7})
    assert (one.held, one.exact) == ("", False)
    assert together([small, replace(large, held="no money")]).held == "no room"
    assert together([replace(small, existing=None), large]).existing is None


def test_cluster_autoscalers_sizes_go_with_cluster_apis_shapes() -> None:
    owned = machine_pools([machines(cpu="16", memory="64G"), machines("md-1", cpu="4", memory="8G")], ["prod"], [])
    first, second = pools_of_groups([NodeGroup("MachineDeployment/default/md-0", 10, 3)], [], owned)
    assert (first.name, first.max_nodes, first.existing, first.allocatable["cpu"]) == ("md-0", 10, 3, 16_000)
    assert (second.name, second.max_nodes, second.existing) == ("md-1", 6, 1)
