"""How many pods KubeRay makes of a Ray resource, with which labels, in which order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import InvalidObject
from reconciler.manifests.fields import MAX_INT32, InvalidField
from reconciler.ray.demand import Demand, Role
from reconciler.ray.injected import OperatorConfig
from reconciler.ray.sizing import Replicas, demand
from reconciler.ray.workload import demand_of
from tests.unit.ray.rayobjects import (
    cluster_spec,
    existing_cluster_job,
    group,
    ray_cluster,
    ray_cron_job,
    ray_job,
    ray_service,
    template,
)


def counts(body: dict[str, Any], **options: Any) -> list[tuple[str, int]]:
    return [(pods.title, pods.count) for pods in demand(body, **options).pod_sets]


def requests(asked: Demand, title: str) -> dict[str, str]:
    return {k: str(v) for pods in asked.pod_sets if pods.title == title for k, v in pods.requests.items()}


def test_a_job_is_a_head_its_workers_and_then_its_submitter() -> None:
    asked = demand(ray_job(group("a"), group("b", 3)), "team-a")
    assert [(str(pods.role), pods.group, pods.count, pods.after) for pods in asked.pod_sets] == [
        ("head", "headgroup", 1, False),
        ("worker", "a", 2, False),
        ("worker", "b", 3, False),
        ("submitter", "", 1, True),
    ]
    assert asked.pods == 7
    assert str(asked.key) == "RayJob team-a/train"
    assert {pods.shape.namespace for pods in asked.pod_sets} == {"team-a"}


@pytest.mark.parametrize("make", [ray_cluster, ray_service])
def test_a_cluster_and_a_service_have_no_submitter(make: Any) -> None:
    assert counts(make(group())) == [("head", 1), ("worker gpu", 2)]


def test_a_cron_job_is_counted_as_one_run() -> None:
    assert counts(ray_cron_job()) == [("head", 1), ("worker gpu", 2), ("submitter", 1)]


def test_the_old_api_version_is_read_alike() -> None:
    body = ray_job(group())
    assert counts({**body, "apiVersion": "ray.io/v1alpha1"}) == counts(body)


@pytest.mark.parametrize("mode", ["HTTPMode", "InteractiveMode", "SidecarMode"])
def test_only_k8s_job_mode_has_a_submitter_pod(mode: str) -> None:
    assert counts(ray_job(submissionMode=mode)) == [("head", 1)]


@given(
    replicas=st.none() | st.integers(-3, 30),
    least=st.none() | st.integers(0, 10),
    most=st.none() | st.integers(10, 20),
    hosts=st.none() | st.integers(0, 4),
)
def test_workers_are_clamped_replicas_times_hosts(
    replicas: int | None, least: int | None, most: int | None, hosts: int | None
) -> None:
    one = group(replicas=replicas, minReplicas=least, maxReplicas=most, numOfHosts=hosts)
    clamped = min(max(replicas or 0, least or 0), MAX_INT32 if most is None else most)
    assert counts(ray_cluster(one))[1] == ("worker gpu", clamped * (1 if hosts is None else hosts))


def test_zero_hosts_are_dropped_on_the_way_from_a_job_to_its_cluster() -> None:
    assert counts(ray_cluster(group(numOfHosts=0)))[1] == ("worker gpu", 0)
    assert counts(ray_service(group(numOfHosts=0)))[1] == ("worker gpu", 2)


def test_a_policy_can_count_the_maximum_of_an_autoscaled_group() -> None:
    groups = [group(replicas=1, maxReplicas=5, numOfHosts=2)]
    assert counts(ray_cluster(*groups, enableInTreeAutoscaling=True), replicas=Replicas.MAX)[1] == ("worker gpu", 10)
    assert counts(ray_cluster(*groups), replicas=Replicas.MAX)[1] == ("worker gpu", 2)


def test_a_maximum_that_is_not_set_cannot_be_counted() -> None:
    body = ray_cluster(group(), enableInTreeAutoscaling=True)
    with pytest.raises(InvalidField, match=r"workerGroupSpecs\[0\].maxReplicas is not set"):
        demand(body, replicas=Replicas.MAX)


@pytest.mark.parametrize(
    "body",
    [
        ray_job(group(), suspend=True),
        ray_job(group(), cluster={"suspend": True}),
        ray_cluster(group(), suspend=True),
        ray_service(group(), suspend=True),
        ray_cron_job(suspend=True),
        ray_cron_job(job={"suspend": True}),
    ],
)
def test_a_suspended_object_keeps_its_pod_sets_and_makes_no_pods(body: dict[str, Any]) -> None:
    asked = demand(body)
    assert asked.pods == 0
    assert asked.pod_sets[0].requests


def test_a_suspended_group_makes_no_pods() -> None:
    assert counts(ray_cluster(group("a", suspend=True), group("b"))) == [("head", 1), ("worker a", 0), ("worker b", 2)]


def test_a_job_on_an_existing_cluster_is_its_submitter_alone() -> None:
    assert counts(existing_cluster_job()) == [("submitter", 1)]
    assert requests(demand(existing_cluster_job()), "submitter") == {"cpu": "500m", "memory": "200Mi"}


def test_a_cluster_of_its_own_is_ignored_beside_a_cluster_selector() -> None:
    assert counts(ray_job(group(), clusterSelector={"ray.io/cluster": "shared"})) == [("submitter", 1)]


def test_a_submitter_template_is_taken_without_default_resources() -> None:
    asked = demand(ray_job(submitterPodTemplate={"spec": {"containers": [{"name": "s"}]}}))
    assert requests(asked, "submitter") == {}


def test_workers_wait_for_the_head_in_an_init_container() -> None:
    asked = demand(ray_cluster(group(template=template("50m"))))
    assert requests(asked, "worker gpu") == {"cpu": "200m", "memory": "256Mi"}
    assert requests(asked, "head") == {"cpu": "1"}


def test_an_operator_without_init_injection_makes_smaller_workers() -> None:
    body = ray_cluster(group(template=template("50m")))
    asked = demand(body, operator=OperatorConfig(wait_for_gcs=False))
    assert requests(asked, "worker gpu") == {"cpu": "50m"}


def test_an_operators_own_sidecars_are_counted() -> None:
    logs = {"name": "logs", "resources": {"requests": {"cpu": "10m"}}}
    asked = demand(ray_cluster(group()), operator=OperatorConfig(head_sidecars=(logs,), worker_sidecars=(logs, logs)))
    assert requests(asked, "head") == {"cpu": "1010m"}
    assert requests(asked, "worker gpu")["cpu"] == "2020m"


def test_the_autoscaler_runs_in_the_head() -> None:
    asked = demand(ray_cluster(enableInTreeAutoscaling=True))
    assert requests(asked, "head") == {"cpu": "1500m", "memory": "512Mi"}


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({"limits": {"cpu": "1"}}, {"cpu": "2"}),
        ({}, {"cpu": "1"}),
        (None, {"cpu": "1500m", "memory": "512Mi"}),
    ],
)
def test_autoscaler_resources_replace_the_defaults_as_a_whole(resources: Any, expected: dict[str, str]) -> None:
    body = ray_cluster(enableInTreeAutoscaling=True, autoscalerOptions={"resources": resources})
    assert requests(demand(body), "head") == expected


def test_autoscaler_resources_that_cannot_be_read_are_named_where_they_stand() -> None:
    body = ray_cluster(enableInTreeAutoscaling=True, autoscalerOptions={"resources": {"limits": {"cpu": "lots"}}})
    with pytest.raises(InvalidField, match=r"^spec\.autoscalerOptions\.resources\.limits\.cpu is wrong"):
        demand(body)


def test_a_sidecar_submitter_adds_to_the_head() -> None:
    asked = demand(ray_job(submissionMode="SidecarMode", cluster={"enableInTreeAutoscaling": True}))
    assert requests(asked, "head") == {"cpu": "2", "memory": "712Mi"}


def test_the_history_collector_and_tls_are_counted_where_they_are_asked_for() -> None:
    history = {"collectorOptions": {"image": "collector"}}
    asked = demand(ray_cluster(group(), historyServerOptions=history, tlsOptions={"enabled": True}))
    assert requests(asked, "head") == {"cpu": "1050m", "memory": "64Mi"}
    assert requests(asked, "worker gpu") == {"cpu": "2050m", "memory": "256Mi"}


def test_labels_are_kuberays_then_the_templates_then_the_groups() -> None:
    own = template()
    own["metadata"] = {"labels": {"app.kubernetes.io/name": "mine", "ray.io/group": "fake", "tier": "template"}}
    body = ray_cluster(group(template=own, labels={"tier": "group"}), name="shared")
    labels = demand(body).pod_sets[1].shape.labels
    assert labels == {
        "ray.io/is-ray-node": "yes",
        "ray.io/cluster": "shared",
        "ray.io/node-type": "worker",
        "ray.io/group": "gpu",
        "app.kubernetes.io/name": "mine",
        "app.kubernetes.io/created-by": "kuberay-operator",
        "tier": "group",
    }


def test_the_pods_of_one_job_share_a_cluster_label_that_no_other_pods_can_have() -> None:
    head, worker, _ = demand(ray_job(group())).pod_sets
    assert head.shape.labels["ray.io/cluster"] == worker.shape.labels["ray.io/cluster"]
    assert "*" in head.shape.labels["ray.io/cluster"]


def test_spread_over_the_pods_of_the_same_cluster_selects_that_cluster() -> None:
    constraint = {
        "topologyKey": "zone",
        "maxSkew": 1,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {},
        "matchLabelKeys": ["ray.io/cluster"],
    }
    worker = demand(ray_cluster(group(template=template(topologySpreadConstraints=[constraint])))).pod_sets[1]
    selector = worker.shape.spread[0].selector
    assert selector is not None
    assert selector.matches({"ray.io/cluster": "shared"})
    assert not selector.matches({"ray.io/cluster": "other"})


def test_on_the_hosts_network_ray_pods_also_hold_the_metrics_port() -> None:
    port = {"name": "gcs", "containerPort": 6379}
    own = template(hostNetwork=True)
    own["spec"]["containers"][0]["ports"] = [port]
    held = demand(ray_cluster(group(template=own))).pod_sets[1].shape.host_ports
    assert [port.port for port in held] == [6379, 8080]


def test_resource_claims_are_said_to_be_unsized() -> None:
    claiming = group(template=template(resourceClaims=[{"name": "gpu", "resourceClaimTemplateName": "one-gpu"}]))
    assert demand(ray_cluster(claiming)).unsized == ("worker gpu asks for devices through resource claims",)
    assert demand(ray_cluster({**claiming, "replicas": 0})).unsized == ()


def test_reading_changes_nothing_in_the_object() -> None:
    body, same = (ray_job(group(), submissionMode="SidecarMode") for _ in range(2))
    demand(body)
    assert body == same


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (ray_job(rayClusterSpec={}), "spec.rayClusterSpec.headGroupSpec is missing"),
        (ray_cluster(headGroupSpec={"template": {"spec": {}}}), "spec.headGroupSpec.template.spec.containers is empty"),
        (ray_cluster({"template": template()}), "spec.workerGroupSpecs[0].groupName is missing"),
        (ray_cluster(group(replicas="2")), "spec.workerGroupSpecs[0].replicas is '2'; write a whole number"),
        (ray_cluster(group(replicas=True)), "spec.workerGroupSpecs[0].replicas is True; write a whole number"),
        (ray_cluster(group(replicas=2**40)), f"write a number of at most {MAX_INT32}"),
        (ray_cluster(group(minReplicas=-1)), "spec.workerGroupSpecs[0].minReplicas is -1; write 0 or more"),
        (ray_cluster(workerGroupSpecs={"gpu": {}}), "spec.workerGroupSpecs is {'gpu': {}}; it must be a list"),
        (ray_job(submissionMode="k8s"), "spec.submissionMode is 'k8s'; use K8sJobMode, "),
        ({**ray_job(), "spec": None}, "spec is missing"),
        ({**ray_job(), "metadata": {}}, "metadata.name is missing"),
    ],
)
def test_what_cannot_be_counted_is_refused_by_name(body: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidObject) as caught:
        demand_of(body)
    assert message in caught.value.message


def test_the_head_alone_is_a_cluster() -> None:
    body = ray_cluster()
    body["spec"] = {"headGroupSpec": cluster_spec()["headGroupSpec"]}
    assert [pods.role for pods in demand(body).pod_sets] == [Role.HEAD]


@pytest.mark.parametrize("field", ["initContainers", "containers"])
def test_a_list_that_is_none_is_named_with_its_path(field: str) -> None:
    with pytest.raises(InvalidField, match=f"workerGroupSpecs\\[0\\].template.spec.{field} is 1"):
        demand(ray_job(group(template=template(**dict[str, Any]({field: 1})))))
