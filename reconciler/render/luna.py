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

_SUBMITTER = {
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
    if skus is None:
        return ()
    patches: list[Patch] = []
    for body in objects:
        patches += _patches(body, skus)
    return tuple(patches)


def luna_settings(cluster: Cluster | None) -> tuple[str, ...] | None:
    """Return the GPU SKUs that Luna may use, the only setting that patches depend on; None without Luna."""
    return (
        cluster.gpu_skus
        if cluster is not None and cluster.autoscaler == "Luna"
        else None
    )


def _patches(body: Mapping[str, Any], skus: Sequence[str]) -> list[Patch]:
    key = object_key(dict(body))
    changes = [_label_and_skus(template, skus) for template in pod_templates(body)]
    if rayspec.is_ray(body):
        changes.append(_submitter(body))
    return [patch_of(key, body, operations) for operations in changes if operations]


def _label_and_skus(template: Part, skus: Sequence[str]) -> list[dict[str, Any]]:
    at, parts = template
    metadata = fields.mapping(parts, "metadata", at)
    wanted: dict[str, dict[str, str]] = {"labels": {LABEL: "true"}}
    if skus and _requests_gpus(template):
        wanted["annotations"] = {GPU_ANNOTATION: ",".join(skus)}
    if not metadata:
        return [_add((*at, "metadata"), wanted)]
    operations = []
    for field, pairs in wanted.items():
        path = (*at, "metadata", field)
        present = fields.mapping(metadata, field, (*at, "metadata"))
        if not present:
            # JSON 6902 cannot add to a map that is not there.
            operations.append(_add(path, pairs))
            continue
        for name, value in pairs.items():
            # What the user wrote counts, such as `elotl-luna: "false"`.
            if name not in present:
                operations.append(_add((*path, name), value))
    return operations


def _submitter(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return operations that write out KubeRay's default submitter, with Luna's label.

    There are none where KubeRay makes no submitter, or the user wrote its template.
    """
    job, cluster = rayspec.job_spec(body), rayspec.cluster_spec(body)
    if (
        job is None
        or cluster is None
        or rayspec.submission_mode(job) != rayspec.K8S_JOB_MODE
    ):
        return []
    at, parts = job
    if parts.get("submitterPodTemplate") is not None:
        return []
    path, head = rayspec.template(rayspec.head_group(cluster))
    pod = fields.mapping(head, "spec", path)
    add = _add((*at, "submitterPodTemplate"), _submitter_template(pod))
    image = pod["containers"][0].get("image")
    if not image:
        return [add]
    # The build must fail when the image of the head changes under the copy of it.
    place = pointer((*path, "spec", "containers", 0, "image"))
    return [{"op": "test", "path": place, "value": image}, add]


def _submitter_template(head_pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return KubeRay's default template of the submitter, which copies the image of the Ray head, with Luna's label."""
    ray = head_pod["containers"][0]
    copied = {name: ray[name] for name in ("image", "imagePullPolicy") if ray.get(name)}
    spec: dict[str, Any] = {
        "containers": [{**_SUBMITTER, **copied}],
        "restartPolicy": "Never",
    }
    if head_pod.get("imagePullSecrets"):
        spec["imagePullSecrets"] = head_pod["imagePullSecrets"]
    return {"metadata": {"labels": {LABEL: "true"}}, "spec": spec}


def _requests_gpus(template: Part) -> bool:
    at, parts = template
    pod = fields.mapping(parts, "spec", at)
    for key in ("containers", "initContainers"):
        for path, container in fields.maps(pod, key, (*at, "spec")):
            resources = fields.mapping(container, "resources", path)
            for amounts in ("requests", "limits"):
                asked = fields.mapping(resources, amounts, (*path, "resources"))
                if any(
                    _is_gpu(name) and str(amount) != "0"
                    for name, amount in asked.items()
                ):
                    return True
    return False


def _is_gpu(resource: str) -> bool:
    return resource.endswith("/gpu") or resource.startswith("nvidia.com/mig-")


def _add(path: fields.Path, value: object) -> dict[str, Any]:
    return {"op": "add", "path": pointer(path), "value": value}
