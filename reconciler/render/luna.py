"""The patches that make the autoscaler Luna add nodes for pods: its label, and the kinds of GPU that it may use.

On a cluster of the inventory whose autoscaler is Luna, and only there, every pod template of a group is patched, in the
group's kustomization. A label or annotation that the user wrote stays as it is. The submitter that KubeRay makes by
itself has no template to patch, so the object gets the template that KubeRay would use (KubeRay, ray-operator/
controllers/ray/common/job.go, GetSubmitterTemplate). Without the label the submitter would never get a node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reconciler.fleet.inventory import Cluster
from reconciler.manifests import fields
from reconciler.manifests.identity import object_key
from reconciler.policy.fieldpath import pointer
from reconciler.ray import rayspec
from reconciler.ray.rayspec import Part
from reconciler.ray.templates import pod_templates
from reconciler.workloads.patch import Patch, patch_of

LABEL = "elotl-luna"
GPU_ANNOTATION = "node.elotl.co/instance-gpu-skus"

_SUBMITTER: Mapping[str, Any] = {
    "name": "ray-job-submitter",
    "resources": {
        "requests": {"cpu": "500m", "memory": "200Mi"},
        "limits": {"cpu": "1", "memory": "1Gi"},
    },
}


def luna_patches(
    objects: Iterable[Mapping[str, Any]],
    cluster: Cluster,
) -> tuple[Patch, ...]:
    """Return the patches for Luna of `objects`, which are bodies as they are deployed on `cluster`.

    There are none on a cluster with another autoscaler. Each begins with a `test` of the object, or of the worker
    group, that it is for.
    """
    skus = luna_settings(cluster)
    # Not an empty tuple: Luna without SKUs still needs the label.
    if skus is None:
        return ()
    patches: list[Patch] = []
    for body in objects:
        patches += _patches(body, skus)
    return tuple(patches)


def luna_settings(cluster: Cluster | None) -> tuple[str, ...] | None:
    """Return the GPU SKUs that Luna may use, the only setting that patches depend on; None without Luna."""
    # None: a cluster that the inventory does not have (any more).
    if cluster is None or cluster.autoscaler != "Luna":
        return None
    return cluster.gpu_skus


def _patches(
    body: Mapping[str, Any],
    skus: Sequence[str],
) -> list[Patch]:
    key = object_key(dict(body))
    changes = [_label_and_skus(template, skus) for template in pod_templates(body)]
    if rayspec.is_ray(body):
        changes.append(_submitter(body))
    patches = []
    for operations in changes:
        # There are none where the user wrote the label already.
        if operations:
            patches.append(patch_of(key, body, operations))
    return patches


def _label_and_skus(
    template: Part,
    skus: Sequence[str],
) -> list[dict[str, Any]]:
    at, parts = template
    metadata_at = (*at, "metadata")
    metadata = fields.mapping(parts, "metadata", at)
    wanted: dict[str, dict[str, str]] = {"labels": {LABEL: "true"}}
    # Without SKUs Luna chooses among all kinds of GPU.
    if skus and _requests_gpus(template):
        wanted["annotations"] = {GPU_ANNOTATION: ",".join(skus)}
    if not metadata:
        return [_add(metadata_at, wanted)]
    operations: list[dict[str, Any]] = []
    for field, pairs in wanted.items():
        present = fields.mapping(metadata, field, metadata_at)
        operations += _add_missing((*metadata_at, field), present, pairs)
    return operations


def _add_missing(
    at: fields.Path,
    present: Mapping[str, Any],
    pairs: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Return operations that add those of `pairs` that the map at `at` does not have."""
    if not present:
        # JSON 6902 cannot add to a map that is not there.
        return [_add(at, pairs)]
    operations = []
    for name, value in pairs.items():
        # What the user wrote counts, such as `elotl-luna: "false"`.
        if name not in present:
            operations.append(_add((*at, name), value))
    return operations


def _submitter(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return operations that write out KubeRay's default submitter, with Luna's label.

    There are none where KubeRay makes no submitter, or the user wrote its template.
    """
    job, cluster = rayspec.job_spec(body), rayspec.cluster_spec(body)
    # Without a cluster spec the job runs on a RayCluster that exists, whose head is not known here.
    if (
        job is None
        or cluster is None
        or rayspec.submission_mode(job) != rayspec.K8S_JOB_MODE
    ):
        return []
    job_at, job_fields = job
    if job_fields.get("submitterPodTemplate") is not None:
        return []
    head = rayspec.head_group(cluster)
    template_at, template = rayspec.template(head)
    pod = fields.mapping(template, "spec", template_at)
    submitter_at = (*job_at, "submitterPodTemplate")
    add = _add(submitter_at, _submitter_template(pod))
    image = pod["containers"][0].get("image")
    if not image:
        return [add]
    # The build must fail when the image of the head changes under the copy of it.
    image_at = (*template_at, "spec", "containers", 0, "image")
    test = {"op": "test", "path": pointer(image_at), "value": image}
    return [test, add]


def _submitter_template(head_pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return KubeRay's default template of the submitter, which copies the image of the Ray head, with Luna's label."""
    ray = head_pod["containers"][0]
    container = dict(_SUBMITTER)
    for name in ("image", "imagePullPolicy"):
        if ray.get(name):
            container[name] = ray[name]
    spec: dict[str, Any] = {"containers": [container], "restartPolicy": "Never"}
    # Who may pull the head's image may pull the copy of it.
    if head_pod.get("imagePullSecrets"):
        spec["imagePullSecrets"] = head_pod["imagePullSecrets"]
    return {"metadata": {"labels": {LABEL: "true"}}, "spec": spec}


def _requests_gpus(template: Part) -> bool:
    at, parts = template
    pod = fields.mapping(parts, "spec", at)
    pod_at = (*at, "spec")
    for field in ("containers", "initContainers"):
        for path, container in fields.maps(pod, field, pod_at):
            if _container_requests_gpus(path, container):
                return True
    return False


def _container_requests_gpus(
    at: fields.Path,
    container: Mapping[str, Any],
) -> bool:
    resources_at = (*at, "resources")
    resources = fields.mapping(container, "resources", at)
    # A limit alone is a request as well: Kubernetes sets the request to it.
    for field in ("requests", "limits"):
        amounts = fields.mapping(resources, field, resources_at)
        for name, amount in amounts.items():
            if _is_gpu(name) and str(amount) != "0":
                return True
    return False


def _is_gpu(resource: str) -> bool:
    return resource.endswith("/gpu") or resource.startswith("nvidia.com/mig-")


def _add(
    path: fields.Path,
    value: object,
) -> dict[str, Any]:
    return {"op": "add", "path": pointer(path), "value": value}
