"""The inventory: what Cluster files may say, and what becomes of it."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import InputError, ManifestError
from reconciler.fleet.cluster_kind import ClusterKind
from reconciler.fleet.inventory import (
    Cluster,
    Headroom,
    KubeconfigAccess,
    SnapshotAccess,
    Standby,
    read_cluster,
    read_inventory,
)
from reconciler.fleet.snapshot import NodePool
from reconciler.manifests.kinds import json_schema, problems
from reconciler.manifests.podshape import Taint

FULL = b"""\
apiVersion: skyray.dev/v1alpha1
kind: Cluster
metadata:
  name: static-cluster
  labels: {cluster.class: production}
spec:
  provider: aws
  region: us-west-2
  zone: us-west-2d
  kubernetesCluster: gpu-us-west-2
  kubernetesVersion: "1.34"
  access:
    kubeconfig: {context: static-cluster}
  autoscaler:
    kind: ClusterAutoscaler
    nodePools:
    - {name: l4, maxNodes: 8, pricePerHour: 0.71, spot: false,
       allocatable: {cpu: "15", memory: 58Gi, nvidia.com/gpu: "1", pods: "58"}, labels: {gpu: l4},
       taints: [{key: gpu, effect: NoSchedule}]}
    - {name: cpu, maxNodes: 0, allocatable: {cpu: 3920m, memory: 12Gi}}
  headroom: {cpu: 5%, memory: 2Gi, nvidia.com/gpu: 1}
  scheduler: {scoring: MostAllocated}
  taints: [{key: spot, value: "yes", effect: NoPlace}]
  cordoned: true
  standby: {mode: Suspend, idleAfter: 30m}
"""


def cluster_file(spec: str, name: str = "a", labels: str = "{}") -> bytes:
    head = f"apiVersion: skyray.dev/v1alpha1\nkind: Cluster\nmetadata: {{name: {name}, labels: {labels}}}\nspec:\n"
    return (head + textwrap.indent(textwrap.dedent(spec), "  ")).encode()


def complaints(spec: str, **more: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        read_cluster(cluster_file(spec, **more), "inventory/a.yaml")
    return [str(problem) for problem in problems(caught.value)]


ACCESS = "access: {kubeconfig: {context: a}}\n"


def test_every_field_of_a_cluster_is_read() -> None:
    cluster = read_cluster(FULL, "inventory/static-cluster.yaml")
    facts = {"provider": "aws", "region": "us-west-2", "zone": "us-west-2d", "version": "1.34"}
    assert cluster == Cluster(
        name="static-cluster",
        place=cluster.place,
        access=KubeconfigAccess(context="static-cluster"),
        labels={
            "cluster.class": "production",
            "kubernetes.io/metadata.name": "static-cluster",
            **{f"skyray.dev/cluster.{name}": value for name, value in facts.items()},
            **{f"nova.elotl.co/cluster.{name}": value for name, value in facts.items()},
        },
        provider="aws",
        region="us-west-2",
        zone="us-west-2d",
        kubernetes_cluster="gpu-us-west-2",
        kubernetes_version="1.34",
        autoscaler="ClusterAutoscaler",
        pools=(
            NodePool(
                "l4",
                8,
                {"pods": 58, "cpu": 15_000, "memory": 58 * 2**30, "nvidia.com/gpu": 1},
                {"gpu": "l4"},
                (Taint("gpu", "NoSchedule"),),
                0.71,
            ),
            NodePool("cpu", 0, {"pods": 110, "cpu": 3_920, "memory": 12 * 2**30}),
        ),
        headroom=Headroom({"cpu": 500}, {"memory": 2 * 2**30, "nvidia.com/gpu": 1}),
        scoring="MostAllocated",
        taints=(Taint("spot", "NoPlace", "yes"),),
        cordoned=True,
        standby=Standby("Suspend", 1800),
    )
    assert str(cluster.place) == "inventory/static-cluster.yaml:1:1"


def test_everything_but_access_has_a_default() -> None:
    cluster = read_cluster(cluster_file(ACCESS), "inventory/a.yaml")
    assert cluster == Cluster("a", cluster.place, KubeconfigAccess(context="a"), {"kubernetes.io/metadata.name": "a"})
    assert cluster.scoring == "LeastAllocated"


def test_a_version_with_v_and_build_becomes_a_label_value() -> None:
    cluster = read_cluster(cluster_file(ACCESS + "kubernetesVersion: v1.34.1+k3s1\n"), "inventory/a.yaml")
    assert cluster.labels["skyray.dev/cluster.version"] == "1.34.1-k3s1"


@pytest.mark.parametrize(
    ("access", "meant"),
    [
        ("{kubeconfig: {context: 'arn:aws:eks:us-west-2:1:cluster/a'}}", "context"),
        ("{kubeconfig: {secret: a-kubeconfig}}", "secret"),
        ("{kubeconfig: {file: prod/a.yaml}}", "file"),
    ],
)
def test_a_kubeconfig_is_named_one_way(access: str, meant: str) -> None:
    cluster = read_cluster(cluster_file(f"access: {access}\n"), "inventory/a.yaml")
    assert isinstance(cluster.access, KubeconfigAccess)
    assert getattr(cluster.access, meant)
    assert sum(bool(getattr(cluster.access, field)) for field in ("context", "secret", "file")) == 1


@pytest.mark.parametrize(
    ("access", "said"),
    [
        ("{}", "set exactly one of kubeconfig and snapshot"),
        ("{kubeconfig: {context: a}, snapshot: {file: a.json}}", "set exactly one of kubeconfig and snapshot"),
        ("{kubeconfig: {}}", "set exactly one of context, secret and file"),
        ("{kubeconfig: {context: a, file: a}}", "set exactly one of context, secret and file"),
        ("{kubeconfig: {secret: ../../etc}}", "is not the name of a Secret"),
        ("{kubeconfig: {secret: a/b}}", "is not the name of a Secret"),
    ],
)
def test_access_is_exactly_one_thing(access: str, said: str) -> None:
    [complaint] = complaints(f"access: {access}\n")
    assert said in complaint


@pytest.mark.parametrize(
    "path", ["../a", "/etc/a", "a/../../b", "a//b", "./a", "a/.", "", ".git/config", "a\\b", "a/.."]
)
@pytest.mark.parametrize("field", ["snapshot: {file: %s}", "kubeconfig: {file: %s}"])
def test_no_path_leads_out(field: str, path: str) -> None:
    [complaint] = complaints(f"access: {{{field % repr(path)}}}\n")
    assert "is not a path below its folder" in complaint


def test_a_snapshot_file_is_a_path_in_the_repo() -> None:
    cluster = read_cluster(cluster_file("access: {snapshot: {file: snapshots/a.json}}\n"), "inventory/a.yaml")
    assert cluster.access == SnapshotAccess("snapshots/a.json")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("region: us west", "inventory/a.yaml:6:11: spec.region: 'us west' cannot be a label's value"),
        ("kubernetesVersion: 1.34", "spec.kubernetesVersion is 1.34, which is not a text; quote it"),
        ("kubernetesVersion: latest", "'latest' is not a version"),
        ("headroom: {cpu: 100%}", "'100%' is not a percentage below 100%"),
        ("headroom: {cpu: 1.234%}", "is not a percentage"),
        ("headroom: {cpu: -1}", "-1 is negative"),
        ("headroom: {cpu: true}", "neither a percentage nor a quantity"),
        ("headroom: {'a b': 5%}", "is not the name of a resource"),
        ("headroom: {mem: 5%}", "is not the name of a resource"),
        (
            "autoscaler: {kind: Luna, nodePools: [{name: a, maxNodes: 1, allocatable: {cpu: 1, memory: 1Gi, gpu: 1}}]}",
            "'gpu' is not the name of a resource that pods request; did you mean 'nvidia.com/gpu'?",
        ),
        (
            "autoscaler: {kind: Luna, nodePools: [{name: a, maxNodes: 1, allocatable: {cpu: 1, memory: 1, a/b: 1.5}}]}",
            "allocatable has 1500m a/b; a node has whole devices only",
        ),
        ("taints: [{key: a, effect: NoSchedule}]", "use NoPlace or NoExecute"),
        ("standby: {mode: Sleep}", "use Suspend or Delete"),
        ("standby: {idleAfter: 1h}", "spec.standby.mode is missing"),
        ("scheduler: {scoring: RequestedToCapacityRatio}", "use LeastAllocated or MostAllocated"),
        ("cordoned: 'true'", "write true or false"),
        ("autoscaler: {kind: Karpentr}", "use None or ClusterAutoscaler or Karpenter or Luna"),
        (
            "autoscaler: {nodePools: [{name: a, maxNodes: 1, allocatable: {cpu: 1, memory: 1Gi}}]}",
            "needs an autoscaler",
        ),
        ("autoscaler: {kind: Luna, nodePools: [{name: a, maxNodes: 1, allocatable: {cpu: 1}}]}", "lacks memory"),
        (
            "autoscaler: {kind: Luna, nodePools: [{name: a, maxNodes: -1, allocatable: {cpu: 1, memory: 1Gi}}]}",
            "spec.autoscaler.nodePools[0].maxNodes is -1: input should be greater than or equal to 0",
        ),
        (
            "autoscaler: {kind: Luna, nodePools: [&a {name: a, maxNodes: 1, allocatable: {cpu: 1, memory: 1Gi}}, *a]}",
            "refused",
        ),
    ],
)
def test_a_wrong_field_is_named_with_the_remedy(spec: str, said: str) -> None:
    [complaint] = complaints(f"{ACCESS}{spec}\n")
    assert said in complaint


def test_two_pools_of_one_name_are_refused() -> None:
    pool = "{name: a, maxNodes: 1, allocatable: {cpu: 1, memory: 1Gi}}"
    [complaint] = complaints(f"{ACCESS}autoscaler: {{kind: Luna, nodePools: [{pool}, {pool}]}}\n")
    assert "nodePools has 'a' more than once" in complaint


def test_a_label_that_contradicts_the_cluster_is_refused() -> None:
    [complaint] = complaints(ACCESS + "region: us\n", labels="{skyray.dev/cluster.region: eu}")
    assert complaint == (
        "inventory/a.yaml:3:57: metadata.labels.skyray.dev/cluster.region is 'eu', but spec or name say 'us'; "
        "remove the label"
    )


def test_a_label_may_stand_for_a_field_that_is_not_given() -> None:
    data = cluster_file(ACCESS, labels="{nova.elotl.co/cluster.region: eu}")
    assert read_cluster(data, "inventory/a.yaml").labels["nova.elotl.co/cluster.region"] == "eu"


def test_clusters_are_sorted_by_name() -> None:
    files = {f"inventory/{name}.yaml": cluster_file(ACCESS, name) for name in ("b", "a2", "a")}
    assert [cluster.name for cluster in read_inventory(files)] == ["a", "a2", "b"]


def test_an_empty_folder_is_an_empty_fleet() -> None:
    assert read_inventory({"inventory/README.md": b"# hello"}) == ()


def test_one_unreadable_file_fails_the_inventory_and_all_problems_are_reported() -> None:
    files = {
        "inventory/a.yaml": cluster_file(ACCESS),
        "inventory/b.yaml": b"{",
        "inventory/c.yaml": cluster_file("cordoned: 1\n", "c"),
    }
    with pytest.raises(InputError) as caught:
        read_inventory(files)
    reported = [str(problem) for problem in problems(caught.value)]
    assert [line.split(": ")[0].partition(":")[0] for line in reported] == [
        "inventory/b.yaml",
        "inventory/c.yaml",
        "inventory/c.yaml",
    ]


def test_a_single_unreadable_file_keeps_its_own_error() -> None:
    with pytest.raises(ManifestError):
        read_inventory({"inventory/a.yaml": b"a: &x 1"})


@pytest.mark.parametrize(
    "path", ["inventory/a.yml", "inventory/a.yaml.bak", "inventory/eu/a.yaml", "inventory/a.json", "inventory/a"]
)
def test_a_file_with_another_name_in_the_folder_is_an_error(path: str) -> None:
    with pytest.raises(InputError, match=r"is not a file <cluster>\.yaml of inventory/"):
        read_inventory({path: cluster_file(ACCESS)})


@pytest.mark.parametrize("data", [b"", cluster_file(ACCESS) + b"---\n" + cluster_file(ACCESS)])
def test_a_file_holds_exactly_one_cluster(data: bytes) -> None:
    with pytest.raises(InputError, match="exactly one Cluster"):
        read_inventory({"inventory/a.yaml": data})


def test_a_file_is_named_like_its_cluster() -> None:
    with pytest.raises(InputError, match=r"inventory/b.yaml:3:18: metadata.name is 'a', but the file is named 'b'"):
        read_inventory({"inventory/b.yaml": cluster_file(ACCESS)})


def test_headroom_is_rounded_up_and_only_of_what_the_node_has() -> None:
    headroom = Headroom({"cpu": 250, "nvidia.com/gpu": 100}, {"memory": 7, "other": 1})
    assert headroom.of({"cpu": 3_901, "memory": 100, "pods": 110}) == {"cpu": 98, "memory": 7}


@given(st.integers(0, 10**18), st.integers(0, 9_999))
def test_headroom_never_exceeds_the_node_nor_falls_short_of_its_share(amount: int, share: int) -> None:
    kept = Headroom({"cpu": share}).of({"cpu": amount})["cpu"]
    assert kept <= amount
    assert kept * 10_000 >= amount * share
    assert (kept - 1) * 10_000 < amount * share or kept == 0


def test_the_schema_of_a_cluster_knows_every_field_of_the_full_example() -> None:
    schema = json_schema(ClusterKind, "Cluster")
    spec = schema["$defs"]["ClusterSpec"]
    assert spec["required"] == ["access"]
    assert {"provider", "kubernetesVersion", "autoscaler", "headroom", "standby"} <= set(spec["properties"])
    assert spec["additionalProperties"] is False
