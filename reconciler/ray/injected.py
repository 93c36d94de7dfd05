"""What KubeRay adds to the pod templates of users, as far as it requests resources of a node.

Amounts and order are those of KubeRay 1.7: `common/pod.go` (autoscaler, wait-gcs-ready, TLS, collector, metrics port),
`common/job.go` (submitter). TLS and the collector need feature gates; without the gate KubeRay refuses the object, so
whenever such pods exist, they have these containers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.manifests import fields
from reconciler.manifests.fields import Path
from reconciler.manifests.pod import container_requests
from reconciler.ray import rayspec
from reconciler.ray.rayspec import Part

Container = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OperatorConfig:
    """How the KubeRay of a cluster is set up, where that changes the pods it makes.

    `wait_for_gcs`: workers get the init container `wait-gcs-ready` (off if the operator runs with
    ENABLE_INIT_CONTAINER_INJECTION=false). `head_sidecars`, `worker_sidecars`: the containers of its configuration
    file's `headSidecarContainers` and `workerSidecarContainers`.
    """

    wait_for_gcs: bool = True
    head_sidecars: tuple[Container, ...] = ()
    worker_sidecars: tuple[Container, ...] = ()


def _container(name: str, cpu: str, memory: str) -> Container:
    return {"name": name, "resources": {"requests": {"cpu": cpu, "memory": memory}}}


SUBMITTER = _container("ray-job-submitter", "500m", "200Mi")
_AUTOSCALER = _container("autoscaler", "500m", "512Mi")
_WAIT_GCS_READY = _container("wait-gcs-ready", "200m", "256Mi")
_WAIT_TLS = _container("wait-for-tls-ip-san", "50m", "64Mi")
_COLLECTOR = _container("ray-history-collector", "50m", "64Mi")
_METRICS_PORT = {"name": "metrics", "containerPort": 8080}


def head_pod(
    pod: Mapping[str, Any], cluster: Part, mode: str, config: OperatorConfig
) -> dict[str, Any]:
    """Return the spec of the head's pod as KubeRay completes the user's `pod` spec.

    `mode` is the submission mode of the job that the cluster is for, empty without a job.
    """
    added: list[Container] = []
    if mode == rayspec.SIDECAR_MODE:
        added.append(SUBMITTER)
    if rayspec.autoscaling(cluster):
        added.append(_with_resources(_AUTOSCALER, *_part(cluster, "autoscalerOptions")))
    added += [*_collector(cluster), *config.head_sidecars]
    return _completed(pod, cluster, containers=added, inits=[])


def worker_pod(
    pod: Mapping[str, Any], cluster: Part, config: OperatorConfig
) -> dict[str, Any]:
    """Return the spec of a worker's pod as KubeRay completes the user's `pod` spec."""
    inits = [_WAIT_GCS_READY] if config.wait_for_gcs else []
    return _completed(
        pod,
        cluster,
        containers=[*_collector(cluster), *config.worker_sidecars],
        inits=inits,
    )


def _completed(
    pod: Mapping[str, Any],
    cluster: Part,
    containers: list[Container],
    inits: list[Container],
) -> dict[str, Any]:
    ray_container, *others = pod["containers"]
    ports, own_inits = ray_container.get("ports") or [], pod.get("initContainers") or []
    # `manifests.pod` reports a field of the wrong type, with its path.
    if not isinstance(ports, list) or not isinstance(own_inits, list):
        return dict(pod)
    if not any(
        isinstance(port, dict) and port.get("name") == "metrics" for port in ports
    ):
        ray_container = {**ray_container, "ports": [*ports, _METRICS_PORT]}
    at, tls_options = _part(cluster, "tlsOptions")
    tls = [_WAIT_TLS] if fields.flag(tls_options, "enabled", at) else []
    return {
        **pod,
        "containers": [ray_container, *others, *containers],
        "initContainers": [*tls, *own_inits, *inits],
    }


def _collector(cluster: Part) -> list[Container]:
    at, history = _part(cluster, "historyServerOptions")
    if history.get("collectorOptions") is None:
        return []
    return [_with_resources(_COLLECTOR, *_part((at, history), "collectorOptions"))]


def _with_resources(
    container: Container, at: Path, options: Mapping[str, Any]
) -> Container:
    """Return the container with the user's `resources`, which replace the default ones as a whole."""
    if options.get("resources") is None:
        return container
    # A mistake is reported here, where the user made it.
    container_requests(options, at)
    return {**container, "resources": options["resources"]}


def _part(parent: Part, key: str) -> Part:
    at, parent_fields = parent
    return (*at, key), fields.mapping(parent_fields, key, at)
