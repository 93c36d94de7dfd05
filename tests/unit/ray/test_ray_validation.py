"""The rules that hold for all Ray kinds, and how the problems of all rules are reported together."""

from __future__ import annotations

import pytest

from reconciler.ray.validation import Severity, problems
from tests.unit.ray.ray_problems import errors
from tests.unit.ray.rayobjects import (
    V2,
    Body,
    cluster_spec,
    existing_cluster_job,
    group,
    head,
    named,
    ray_cluster,
    ray_cron_job,
    ray_job,
    ray_service,
    template,
)

VALID = {
    "cluster": ray_cluster(group()),
    "job": ray_job(group()),
    "service": ray_service(group()),
    "cron job": ray_cron_job(),
    "existing cluster": existing_cluster_job(),
    "managed by KubeRay": ray_job(managedBy="ray.io/kuberay-operator"),
    "recreate": ray_cluster(upgradeStrategy={"type": "Recreate"}),
}

INVALID: dict[str, tuple[Body, str]] = {
    "long name": (named(ray_job(), "a" * 48), "metadata.name has 48 characters; KubeRay allows 47 for a RayJob"),
    "long cluster": (named(ray_cluster(), "a" * 54), "KubeRay allows 53"),
    "long cron": (named(ray_cron_job(), "a" * 37), "KubeRay allows 36"),
    "digit first": (named(ray_job(), "1job"), "starting with a letter"),
    "capitals": (named(ray_service(), "LLM"), "starting with a letter"),
    "no name": (named(ray_job(), ""), "metadata.name is missing"),
    "cluster upgrade in a job": (
        ray_job(cluster={"upgradeStrategy": {"type": "Recreate"}}),
        "cannot be set on the cluster of a RayJob",
    ),
    "unknown cluster upgrade": (ray_cluster(upgradeStrategy={"type": "Rolling"}), "upgradeStrategy.type is 'Rolling'"),
    "managed elsewhere": (ray_job(managedBy="kueue.x-k8s.io/multikueue"), "so KubeRay ignores the object"),
    "unfilled name": (
        ray_cluster(group(template=template(serviceAccountName="$KSA_NAME"))),
        "template.spec.serviceAccountName is '$KSA_NAME', which cannot be the name of a ServiceAccount",
    ),
    "quoted replicas": (ray_cluster(group(replicas="2")), "replicas is '2'; write a whole number, without quotes"),
    "groups are a list": (ray_cluster(workerGroupSpecs={"gpu": {}}), "it must be a list"),
    "flag as text": (
        ray_cluster(enableInTreeAutoscaling="true"),
        "enableInTreeAutoscaling is 'true'; write true or false",
    ),
    "start param as number": (
        ray_cluster(**head(rayStartParams={"num-cpus": 0})),
        "rayStartParams.num-cpus is 0, which is not",
    ),
    "quantity": (
        ray_cluster(group(template=template("two"))),
        "spec.workerGroupSpecs[0].template.spec.containers[0].resources.requests.cpu is wrong: 'two' is not a quantity",
    ),
    "toleration": (
        ray_cluster(group(template=template(tolerations=[{"operator": "Exist"}]))),
        "spec.workerGroupSpecs[0].template.spec.tolerations[0].operator is 'Exist'",
    ),
}


@pytest.mark.parametrize("body", VALID.values(), ids=VALID.keys())
def test_a_ray_resource_that_kuberay_accepts_has_no_problems(body: Body) -> None:
    assert problems(body) == ()


@pytest.mark.parametrize(("body", "message"), INVALID.values(), ids=INVALID.keys())
def test_a_ray_resource_that_kuberay_refuses_is_refused_by_name(body: Body, message: str) -> None:
    found = errors(body)
    assert any(message in problem for problem in found), found


def test_all_problems_are_reported_at_once_and_errors_first() -> None:
    body = named(ray_cluster(group("a", replicas=9, maxReplicas=2), group("a"), **V2, replica=1), "Bad")
    body["spec"]["headGroupSpec"]["template"]["spec"]["restartPolicy"] = "Always"
    kinds = [problem.severity for problem in problems(body)]
    assert kinds == [Severity.ERROR] * 3 + [Severity.WARNING] * 2


def test_a_wrong_type_in_one_place_does_not_hide_what_is_wrong_in_another() -> None:
    body = ray_job(group(replicas="2"), activeDeadlineSeconds=0, suspend="no")
    found = " ".join(errors(body))
    assert "replicas is '2'" in found
    assert "suspend is 'no'" in found


def test_problems_carry_the_path_to_the_field() -> None:
    (problem,) = problems(ray_job(group(), group("b", minReplicas=3, maxReplicas=1)))
    assert problem.path == ("spec", "rayClusterSpec", "workerGroupSpecs", 1, "minReplicas")


def test_plain_objects_are_checked_as_far_as_their_pods_go() -> None:
    spec = {"template": {"spec": {**template("lots")["spec"]}}}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": spec}
    (found,) = errors(body)
    assert found.startswith(
        "spec.template.spec.containers[0].resources.requests.cpu is wrong: 'lots' is not a quantity"
    )
    assert problems({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {}}) == ()


def test_the_smallest_cluster_is_valid() -> None:
    assert problems(ray_cluster(workerGroupSpecs=None)) == ()
    assert cluster_spec()["workerGroupSpecs"] == []
