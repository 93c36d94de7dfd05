"""What Luna needs to see on pods to make nodes for them: its label, and the kinds of GPU that it may take.

The one idea: on a cluster of the inventory whose autoscaler is Luna, and only there, every pod template of a group is
patched, in the open, in the group's kustomization. What a user wrote of this stays as it is. The submitter that KubeRay
makes by itself has no template to patch, so it is given the very one that KubeRay would use (controllers/ray/common/
job.go, GetSubmitterTemplate): without the label it would wait for a node for ever.
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
    "resources": {"requests": {"cpu": "500m", "memory": "200Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
}


def luna_patches(objects: Iterable[Mapping[str, Any]], cluster: Cluster) -> tuple[Patch, ...]:
    """Return the patches that make Luna see the pods of `objects`, bodies as they are deployed on `cluster`.

    None on a cluster of another autoscaler. Each begins with a `test` of the object, or of the worker group, it is for.
    """
    skus = luna_settings(cluster)
    if skus is None:
        return ()
    return tuple(patch for body in objects for patch in _patches(body, skus))


def luna_settings(cluster: Cluster | None) -> tuple[str, ...] | None:
    """Return all of a cluster that its patches follow from: the GPUs that Luna may take; None without Luna."""
    return cluster.gpu_skus if cluster is not None and cluster.autoscaler == "Luna" else None


def _patches(body: Mapping[str, Any], skus: Sequence[str]) -> list[Patch]:
    key = object_key(dict(body))
    found = [_marks(template, skus) for template in pod_templates(body)]
    if rayspec.is_ray(body):
        found.append(_submitter(body))
    return [patch_of(key, body, operations) for operations in found if operations]


def _marks(template: Part, skus: Sequence[str]) -> list[dict[str, Any]]:
    at, parts = template
    metadata = fields.mapping(parts, "metadata", at)
    wanted: dict[str, dict[str, str]] = {"labels": {LABEL: "true"}}
    if skus and _asks_for_gpus(template):
        wanted["annotations"] = {GPU_ANNOTATION: ",".join(skus)}
    if not metadata:
        return [_add((*at, "metadata"), wanted)]
    operations = []
    for field, pairs in wanted.items():
        present = fields.mapping(metadata, field, (*at, "metadata"))
        if not present:
            operations.append(_add((*at, "metadata", field), pairs))
        else:
            operations += [
                _add((*at, "metadata", field, name), value) for name, value in pairs.items() if name not in present
            ]
    return operations


def _submitter(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what spells out the default submitter; nothing where KubeRay makes none, or the user wrote one."""
    job, cluster = rayspec.job_spec(body), rayspec.cluster_spec(body)
    if job is None or cluster is None or rayspec.submission_mode(job) != rayspec.K8S_JOB_MODE:
        return []
    at, parts = job
    if parts.get("submitterPodTemplate") is not None:
        return []
    path, head = rayspec.template(rayspec.head_group(cluster))
    pod = fields.mapping(head, "spec", path)
    ray = pod["containers"][0]
    container = {**_SUBMITTER, **{name: ray[name] for name in ("image", "imagePullPolicy") if ray.get(name)}}
    spec: dict[str, Any] = {"containers": [container], "restartPolicy": "Never"}
    if pod.get("imagePullSecrets"):
        spec["imagePullSecrets"] = pod["imagePullSecrets"]
    template = {"metadata": {"labels": {LABEL: "true"}}, "spec": spec}
    add = _add((*at, "submitterPodTemplate"), template)
    if not ray.get("image"):
        return [add]
    return [{"op": "test", "path": pointer((*path, "spec", "containers", 0, "image")), "value": ray["image"]}, add]


def _asks_for_gpus(template: Part) -> bool:
    at, parts = template
    pod = fields.mapping(parts, "spec", at)
    for key in ("containers", "initContainers"):
        for path, container in fields.maps(pod, key, (*at, "spec")):
            resources = fields.mapping(container, "resources", path)
            for amounts in ("requests", "limits"):
                asked = fields.mapping(resources, amounts, (*path, "resources"))
                if any(_is_gpu(name) and str(amount) != "0" for name, amount in asked.items()):
                    return True
    return False


def _is_gpu(resource: str) -> bool:
    return resource.endswith("/gpu") or resource.startswith("nvidia.com/mig-")


def _add(path: fields.Path, value: object) -> dict[str, Any]:
    return {"op": "add", "path": pointer(path), "value": value}
