"""The objects that a workload refers to, in all fields that can name one."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.manifests.fields import InvalidField, dotted
from reconciler.ray.references import Reference, references
from tests.unit.ray.rayobjects import existing_cluster_job, group, ray_cluster, ray_job, template


def named(body: dict[str, Any]) -> set[tuple[str, str]]:
    return {(reference.kind, reference.name) for reference in references(body)}


def cluster_with(**pod: Any) -> dict[str, Any]:
    return ray_cluster(group(template=template(**pod)))


ENV = {
    "env": [
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "key-map", "key": "k"}}},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "key-secret", "key": "k"}}},
        {"name": "C", "value": "plain"},
        {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ],
    "envFrom": [{"configMapRef": {"name": "all-map"}}, {"secretRef": {"name": "all-secret"}}],
}
ENV_NAMES = {
    ("ConfigMap", "key-map"),
    ("Secret", "key-secret"),
    ("ConfigMap", "all-map"),
    ("Secret", "all-secret"),
}


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        ({"configMap": {"name": "code"}}, {("ConfigMap", "code")}),
        ({"secret": {"secretName": "keys"}}, {("Secret", "keys")}),
        ({"persistentVolumeClaim": {"claimName": "data"}}, {("PersistentVolumeClaim", "data")}),
        ({"csi": {"driver": "d", "nodePublishSecretRef": {"name": "csi"}}}, {("Secret", "csi")}),
        ({"cephfs": {"secretRef": {"name": "ceph"}}}, {("Secret", "ceph")}),
        ({"azureFile": {"secretName": "share", "shareName": "s"}}, {("Secret", "share")}),
        (
            {"projected": {"sources": [{"configMap": {"name": "a"}}, {"secret": {"name": "b"}}, {"downwardAPI": {}}]}},
            {("ConfigMap", "a"), ("Secret", "b")},
        ),
        ({"emptyDir": {}}, set()),
    ],
)
def test_every_kind_of_volume_is_looked_into(volume: dict[str, Any], expected: set[tuple[str, str]]) -> None:
    assert named(cluster_with(volumes=[{"name": "v", **volume}])) == expected


@pytest.mark.parametrize("containers", ["containers", "initContainers"])
def test_environments_of_all_containers_are_looked_into(containers: str) -> None:
    own = template()
    own["spec"].setdefault(containers, []).append({"name": "more", **ENV})
    assert named(ray_cluster(group(template=own))) == ENV_NAMES


def test_the_pods_own_accounts_and_claims_are_found() -> None:
    pod = {
        "serviceAccountName": "trainer",
        "imagePullSecrets": [{"name": "registry"}],
        "resourceClaims": [
            {"name": "a", "resourceClaimName": "reference"},
            {"name": "b", "resourceClaimTemplateName": "each"},
        ],
    }
    assert named(cluster_with(**pod)) == {
        ("ServiceAccount", "trainer"),
        ("Secret", "registry"),
        ("ResourceClaim", "reference"),
        ("ResourceClaimTemplate", "each"),
    }


def test_kuberays_own_references_are_found() -> None:
    secret = {"valueFrom": {"secretKeyRef": {"name": "redis", "key": "password"}}}
    body = ray_job(
        cluster={
            "gcsFaultToleranceOptions": {
                "redisPassword": secret,
                "redisUsername": {"value": "plain"},
                "storage": {"claimName": "gcs"},
            },
            "authOptions": {"mode": "token", "secretName": "token"},
            "autoscalerOptions": ENV,
            "headGroupSpec": {"template": template(), "ingressOptions": {"tls": [{"secretName": "certificate"}]}},
        },
        submitterPodTemplate=template(serviceAccountName="submitter"),
    )
    assert named(body) == ENV_NAMES | {
        ("Secret", "redis"),
        ("PersistentVolumeClaim", "gcs"),
        ("Secret", "token"),
        ("Secret", "certificate"),
        ("ServiceAccount", "submitter"),
    }


def test_a_job_on_an_existing_cluster_has_the_submitters_references() -> None:
    body = existing_cluster_job(submitterPodTemplate=template(serviceAccountName="submitter"))
    assert named(body) == {("ServiceAccount", "submitter")}


def test_each_object_is_named_once_where_it_is_first_needed() -> None:
    code: Any = {"volumes": [{"name": "code", "configMap": {"name": "code"}}]}
    body = ray_cluster(group("a", template=template(**code)), group("b", template=template(**code)))
    (reference,) = references(body)
    where = "spec.workerGroupSpecs[0].template.spec.volumes[0].configMap.name"
    assert reference == Reference("ConfigMap", "code", reference.path)
    assert dotted(reference.path) == where


def test_what_is_required_anywhere_is_not_optional() -> None:
    def use(*, optional: bool) -> dict[str, Any]:
        return template(volumes=[{"name": "code", "configMap": {"name": "code", "optional": optional}}])

    (both,) = references(ray_cluster(group("a", template=use(optional=True)), group("b", template=use(optional=False))))
    (reference,) = references(ray_cluster(group("a", template=use(optional=True))))
    assert not both.optional
    assert reference.optional


def test_plain_controllers_have_references_too() -> None:
    pod = template(volumes=[{"name": "v", "secret": {"secretName": "keys"}}])
    cron = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "x"},
        "spec": {"jobTemplate": {"spec": {"template": pod}}},
    }
    assert named(cron) == {("Secret", "keys")}
    assert references({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}}) == ()


def test_a_reference_of_the_wrong_type_is_named() -> None:
    with pytest.raises(InvalidField, match=r"template\.spec\.serviceAccountName is 5, which is not a text"):
        references(cluster_with(serviceAccountName=5))
