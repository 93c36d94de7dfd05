"""Every pod template of an object is found, with its path."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.manifests.fields import dotted
from reconciler.ray.templates import pod_templates
from tests.unit.ray.rayobjects import group, ray_cron_job, ray_job, ray_service, template


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        (
            ray_job(group(), group("b"), submitterPodTemplate=template()),
            [
                "spec.rayClusterSpec.headGroupSpec.template",
                "spec.rayClusterSpec.workerGroupSpecs[0].template",
                "spec.rayClusterSpec.workerGroupSpecs[1].template",
                "spec.submitterPodTemplate",
            ],
        ),
        (
            ray_service(group()),
            ["spec.rayClusterConfig.headGroupSpec.template", "spec.rayClusterConfig.workerGroupSpecs[0].template"],
        ),
        (
            ray_cron_job(),
            [
                "spec.jobTemplate.rayClusterSpec.headGroupSpec.template",
                "spec.jobTemplate.rayClusterSpec.workerGroupSpecs[0].template",
            ],
        ),
        ({"apiVersion": "v1", "kind": "Pod", **template()}, ["the object"]),
        ({"apiVersion": "apps/v1", "kind": "StatefulSet", "spec": {"template": template()}}, ["spec.template"]),
        (
            {
                "apiVersion": "jobset.x-k8s.io/v1alpha2",
                "kind": "JobSet",
                "spec": {"replicatedJobs": [{"template": {"spec": {"template": template()}}}]},
            },
            ["spec.replicatedJobs[0].template.spec.template"],
        ),
        ({"apiVersion": "v1", "kind": "Service", "spec": {"template": template()}}, []),
    ],
)
def test_every_pod_template_is_found_with_its_path(body: dict[str, Any], paths: list[str]) -> None:
    assert [dotted(path) for path, _ in pod_templates(body)] == paths
