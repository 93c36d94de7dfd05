"""The ready-made policies at work: whole cycles on small fleets with the policies' own files."""

from __future__ import annotations

import pytest
import yaml

from reconciler.service.ready_made import ReadyMade, advice, find, ready_made
from tests.fleets import Fleet, cluster, decision, node, picture, ray_job, text

LABELS = "{{app.kubernetes.io/instance: train, placement.class: {}}}"


def grows(price: float | None, *, most: int = 8, spot: bool = False) -> str:
    known = f"pricePerHour: {price}, " if price is not None else ""
    shape = '{cpu: "15", memory: 58Gi, nvidia.com/gpu: "1", pods: "110"}'
    pool = f"{{name: pool, maxNodes: {most}, {known}spot: {str(spot).lower()}, allocatable: {shape}}}"
    return f"autoscaler: {{kind: ClusterAutoscaler, nodePools: [{pool}]}}"


def fleet(policy: str, clusters: dict[str, tuple[str, tuple[str, ...]]]) -> Fleet:
    """Make a fleet with one ready-made policy; `clusters`: name -> (more lines of the spec, nodes)."""
    return Fleet.of(
        {name: (cluster(name, spec=spec), picture(name, *nodes)) for name, (spec, nodes) in clusters.items()},
        {policy: find(policy).data},
    )


def gpus(count: int, each: int = 1) -> tuple[str, ...]:
    return tuple(node(f"n{i}", gpus=each) for i in range(count))


SYSTEM = (node("system", gpus=0, cpu="2"),)


def where(made: Fleet, namespace: str, name: str = "train") -> list[tuple[str, int]]:
    found = decision(made.cycle(), namespace, name)
    return [(copy.cluster, copy.share) for copy in found.copies]


def test_cost_takes_what_is_paid_for_then_the_cheapest_and_what_has_no_price_last() -> None:
    made = fleet(
        "cost",
        {
            "a-unpriced": (grows(None), SYSTEM),
            "b-dear": (grows(2.0), SYSTEM),
            "c-spot": (grows(0.25, most=2, spot=True), SYSTEM),
            "d-owned": ("", gpus(2)),
        },
    )
    went = []
    for number in range(3):
        made.commit(f"workloads/t{number}/job.yaml", ray_job("train", labels=LABELS.format("cost")))
        went += where(made, f"t{number}")
    assert [name for name, _ in went] == ["d-owned", "c-spot", "b-dear"]
    message = made.files["placements/t1/train.yaml"].decode()
    assert "costs 0.50 per hour for 2 nodes of pool pool (spot), b-dear costs 4.00 per hour" in message


def test_pack_leaves_the_large_hole_to_the_gang_that_needs_it() -> None:
    made = fleet("pack", {"a-large": ("", (node("big", gpus=4),)), "b-small": (grows(1.0), gpus(2))})
    made.commit("workloads/one/job.yaml", ray_job("train", workers=1, labels=LABELS.format("pack")))
    made.commit("workloads/two/job.yaml", ray_job("train", workers=1, gpus=4, labels=LABELS.format("pack")))
    assert where(made, "one") == [("b-small", 100)]
    assert made.plan().decisions[1].clusters[0] == "a-large"


def test_cloud_priority_fills_the_first_provider_and_never_uses_an_unnamed_one() -> None:
    made = fleet(
        "cloud-priority",
        {
            "a-gcp": ("provider: gcp", gpus(2)),
            "b-aws": ("provider: aws", gpus(2)),
            "c-azure": ("provider: azure", gpus(8)),
        },
    )
    went = []
    for number in range(3):
        made.commit(f"workloads/t{number}/job.yaml", ray_job("train", labels=LABELS.format("cloud-priority")))
        went.append(where(made, f"t{number}"))
    assert went == [[("b-aws", 100)], [("a-gcp", 100)], []]


SERVICE = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, labels: {labels}}}
spec:
  replicas: 5
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{containers: [{{name: web, image: w, resources: {{requests: {{cpu: "1"}}}}}}]}}
"""


def test_duplicate_everywhere_puts_the_whole_on_each_cluster_also_on_one_that_joins() -> None:
    made = fleet("duplicate-everywhere", {"a": ("", gpus(1)), "b": ("", gpus(1))})
    made.commit("workloads/web/web.yaml", text(SERVICE.format(labels=LABELS.format("duplicate-everywhere"))))
    assert [name for name, _ in where(made, "web")] == ["a", "b"]
    made.files["inventory/c.yaml"] = cluster("c")
    made.show("c", *gpus(1))
    assert [name for name, _ in where(made, "web")] == ["a", "b", "c"]
    for name in "abc":
        copy = yaml.safe_load(made.files[f"clusters/{name}/web/train/deployment-web.yaml"])
        assert copy["spec"]["replicas"] == 5


def test_divide_shares_the_replicas_out_and_loses_none() -> None:
    made = fleet("divide", {"static-cluster": ("", gpus(1)), "dynamic-cluster": ("", gpus(1))})
    made.commit("workloads/web/web.yaml", text(SERVICE.format(labels=LABELS.format("divide"))))
    went = where(made, "web")
    assert sorted(name for name, _ in went) == ["dynamic-cluster", "static-cluster"]
    assert sum(share for _, share in went) == 100
    replicas = {}
    for name, _ in went:
        folder = f"clusters/{name}/web/train/"
        rendered = yaml.safe_load(made.files[f"{folder}kustomization.yaml"])
        steps = [step for patch in rendered["patches"] for step in yaml.safe_load(patch["patch"])]
        replicas[name] = next(s["value"] for s in steps if s["op"] == "replace" and s["path"] == "/spec/replicas")
    assert replicas in ({"static-cluster": 4, "dynamic-cluster": 1}, {"static-cluster": 3, "dynamic-cluster": 2})


@pytest.mark.parametrize("one", ready_made(), ids=lambda one: str(one.name))
def test_the_description_is_a_title_and_when_to_use_it(one: ReadyMade) -> None:
    assert one.title
    assert "." not in one.title
    assert one.use.startswith("Use it ")
    assert one.use.endswith(".")
    assert "#" not in one.title + one.use


def test_advice_names_the_labels_that_no_cluster_has_yet() -> None:
    state = fleet("cost", {"static-cluster": ("", gpus(1))}).state()
    none = ", and inventory/ has none: change it, or label your clusters so"
    assert advice(find("fill-and-spill").policies, state) == (
        "fill-and-spill applies to all objects with training.class=production",
        f"fill-and-spill names clusters with kubernetes.io/metadata.name dynamic-cluster{none}",
    )
    assert advice(find("divide").policies, state)[1] == (
        f"divide names clusters with kubernetes.io/metadata.name dynamic-cluster{none}"
    )
    assert advice(find("right-cluster").policies, state)[3:] == (
        "right-cluster-production applies to all objects in namespaces with kubernetes.io/metadata.name=production",
        f"right-cluster-production names clusters with cluster.class production{none}",
        "right-cluster-production has no cluster to go to yet",
    )
    assert advice(find("available-capacity").policies, state) == (
        "available-capacity applies to RayJob, RayCluster, RayService, RayCronJob",
    )
