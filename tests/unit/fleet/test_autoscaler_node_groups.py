"""Node groups become pools with the shape of their nodes, by the naming conventions of the clouds."""

from __future__ import annotations

import pytest

from reconciler.fleet.autoscalers.node_groups import NodeGroup, pools_of_groups
from reconciler.fleet.snapshot import NodePool
from reconciler.manifests.podshape import Taint
from tests.unit.fleet.pool_nodes import L4, ZONE, node

ZONAL = "https://x/zones/us-west1-b/instanceGroups"
EKS = "eks-l4-1ec1ed72-4d0a-53a1-1a4f-46f8a44d6f42"


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
