"""A pod's spec as kube-scheduler reads it: effective requests, and every rule about where it may run.

The sums are those of `PodRequests` in k8s.io/component-helpers/resource/helpers.go at 1.36, on a pod whose defaults the
API server has filled in (pkg/apis/core/v1/defaults.go: a request defaults to its limit). Every function reads plain
data and raises `InvalidField` for what Kubernetes would refuse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.manifests import fields
from reconciler.manifests.affinity import (
    node_affinity,
    pod_affinity,
    spread_constraints,
)
from reconciler.manifests.fields import InvalidField, Path
from reconciler.manifests.podshape import (
    DEFAULT_SCORE_MEMORY,
    DEFAULT_SCORE_MILLICPU,
    HostPort,
    PodShape,
    Toleration,
)
from reconciler.manifests.quantity import (
    Format,
    Quantity,
    add_resources,
    max_resources,
    scheduler_units,
)

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_SCORE_DEFAULTS: Mapping[str, Quantity] = {
    "cpu": Quantity(DEFAULT_SCORE_MILLICPU * 10**6),
    "memory": Quantity(DEFAULT_SCORE_MEMORY * 10**9, Format.BinarySI),
}
_NOTHING: Mapping[str, Quantity] = {}
_ZERO = Quantity(0)


@dataclass(frozen=True, slots=True)
class PodRequests:
    """What one pod requests in all, exact; `scored` is the same with the scheduler's defaults for scoring."""

    requests: Mapping[str, Quantity]
    scored: Mapping[str, Quantity]


def effective_requests(
    spec: Mapping[str, Any], at: Path = ("spec",)
) -> dict[str, Quantity]:
    """Return what one pod of this spec requests in all, by resource name, exact.

    `at` is the path of the spec in its object, for errors. Raises `InvalidField`.
    """
    return dict(pod_requests(spec, at).requests)


def pod_requests(spec: Mapping[str, Any], at: Path = ("spec",)) -> PodRequests:
    """Return what one pod of this spec requests, and what it counts for scoring (kube-scheduler, framework/types.go).

    `at` is the path of the spec in its object, for errors. Raises `InvalidField`.
    """
    running = [
        container_requests(container, path)
        for path, container in fields.maps(spec, "containers", at)
    ]
    starting = []
    for path, container in fields.maps(spec, "initContainers", at):
        starting.append(
            (container_requests(container, path), _is_sidecar(container, path))
        )
    whole_pod = fields.mapping(spec, "resources", at)
    limits = fields.resources(whole_pod, "limits", (*at, "resources"))
    wanted = fields.resources(whole_pod, "requests", (*at, "resources"))
    overhead = fields.resources(spec, "overhead", at)

    def total(missing: Mapping[str, Quantity]) -> dict[str, Quantity]:
        peak = _peak(running, starting, missing)
        # A pod-level request defaults to its limit only where the containers say nothing, or cannot overcommit.
        defaults = {
            name: limit
            for name, limit in limits.items()
            if name not in peak or name.startswith("hugepages-")
        }
        whole = {**defaults, **wanted}
        peak.update(
            {name: amount for name, amount in whole.items() if _is_pod_level(name)}
        )
        return add_resources(peak, overhead) if overhead else peak

    requests = total(_NOTHING)
    missing = _SCORE_DEFAULTS
    # With pod-level resources, the scheduler's defaults count only for what the pod as a whole does not request.
    if any(_is_pod_level(name) for name in (*wanted, *limits)):
        missing = {
            name: amount
            for name, amount in _SCORE_DEFAULTS.items()
            if name not in requests
        }
    containers = [*running, *(own for own, _ in starting)]
    # Usually every container names its requests, and the second sum would be the first.
    complete = all(missing.keys() <= own.keys() for own in containers)
    return PodRequests(requests, requests if complete else total(missing))


def pod_shape(
    metadata: Mapping[str, Any],
    spec: Mapping[str, Any],
    namespace: str = "",
    at: Path = (),
    *,
    sums: PodRequests | None = None,
) -> PodShape:
    """Return the pod of this template as the scheduler sees it.

    `namespace` is that of the pod; `at` is the path of the template in its object, for errors; `sums` are its
    requests if the caller has them already. Raises `InvalidField`.
    """
    here = (*at, "spec")
    if sums is None:
        sums = pod_requests(spec, here)
    labels = fields.text_map(metadata, "labels", (*at, "metadata"))
    affinity = fields.mapping(spec, "affinity", here)
    where = (*here, "affinity")
    node_required, node_preferred = node_affinity(affinity, where)
    pod_required, pod_preferred = pod_affinity(affinity, "podAffinity", labels, where)
    anti_required, anti_preferred = pod_affinity(
        affinity, "podAntiAffinity", labels, where
    )
    gates = [
        fields.text(gate, "name", path)
        for path, gate in fields.maps(spec, "schedulingGates", here)
    ]
    return PodShape(
        namespace=namespace,
        labels=labels,
        requests=scheduler_units(sums.requests),
        score_cpu=sums.scored.get("cpu", _ZERO).milli,
        score_memory=sums.scored.get("memory", _ZERO).value,
        node_name=fields.text(spec, "nodeName", here),
        node_selector=fields.text_map(spec, "nodeSelector", here),
        node_required=node_required,
        node_preferred=node_preferred,
        pod_required=pod_required,
        pod_preferred=pod_preferred,
        pod_anti_required=anti_required,
        pod_anti_preferred=anti_preferred,
        spread=spread_constraints(spec, labels, here),
        host_ports=_host_ports(spec, here),
        tolerations=tuple(
            _toleration(entry, path)
            for path, entry in fields.maps(spec, "tolerations", here)
        ),
        claims=bool(fields.elements(spec, "resourceClaims", here)),
        volume_claims=tuple(_volume_claims(spec, here)),
        priority_class=fields.text(spec, "priorityClassName", here),
        scheduler_name=fields.text(spec, "schedulerName", here) or "default-scheduler",
        scheduling_gates=tuple(gates),
    )


def container_requests(container: Mapping[str, Any], at: Path) -> dict[str, Quantity]:
    """Return the requests of one container: for each resource its request, else its limit."""
    resources = fields.mapping(container, "resources", at)
    here = (*at, "resources")
    return {
        **fields.resources(resources, "limits", here),
        **fields.resources(resources, "requests", here),
    }


def _peak(
    running: Sequence[Mapping[str, Quantity]],
    starting: Sequence[tuple[Mapping[str, Quantity], bool]],
    missing: Mapping[str, Quantity],
) -> dict[str, Quantity]:
    """Return the most that containers need at one time: all that run together, or what runs while one initializes.

    `starting` are the init containers, each with whether it goes on running; `missing` is what each container counts
    for where it names no request.
    """
    together: dict[str, Quantity] = {}
    for own in running:
        together = add_resources(together, {**missing, **own})
    sidecars: dict[str, Quantity] = {}
    initializing: dict[str, Quantity] = {}
    for named, is_sidecar in starting:
        own = {**missing, **named}
        now = add_resources(own, sidecars)
        if is_sidecar:
            together = add_resources(together, own)
            sidecars = now
        initializing = max_resources(initializing, now)
    return max_resources(together, initializing)


def _is_pod_level(resource: str) -> bool:
    return resource in {"cpu", "memory"} or resource.startswith("hugepages-")


def _is_sidecar(container: Mapping[str, Any], at: Path) -> bool:
    return fields.text(container, "restartPolicy", at) == "Always"


def _host_ports(spec: Mapping[str, Any], at: Path) -> tuple[HostPort, ...]:
    """Return the node's ports that the pod holds while it runs; on the host's network that is every port."""
    host_network = fields.flag(spec, "hostNetwork", at)
    inits = fields.maps(spec, "initContainers", at)
    # Other init containers have ended when the pod runs.
    lasting = [
        (path, container) for path, container in inits if _is_sidecar(container, path)
    ]
    lasting.extend(fields.maps(spec, "containers", at))
    held = []
    for where, container in lasting:
        for path, port in fields.maps(container, "ports", where):
            number = fields.count(port, "hostPort", path, 0)
            # The API server sets hostPort to containerPort for pods on the host's network.
            if not number and host_network:
                number = fields.count(port, "containerPort", path, 0)
            if number:
                protocol = fields.text(port, "protocol", path) or "TCP"
                ip = fields.text(port, "hostIP", path) or HostPort(0).ip
                held.append(HostPort(number, protocol, ip))
    return tuple(held)


def _toleration(entry: Mapping[str, Any], path: Path) -> Toleration:
    toleration = Toleration(
        key=fields.text(entry, "key", path),
        operator=fields.choice(entry, "operator", path, ("Equal", "Exists"), "Equal"),
        value=fields.text(entry, "value", path),
        effect=fields.choice(entry, "effect", path, _EFFECTS, ""),
    )
    if not toleration.key and toleration.operator != "Exists":
        raise InvalidField(
            (*path, "operator"),
            "is not Exists, but key is empty; name a key, or write Exists",
        )
    return toleration


def _volume_claims(spec: Mapping[str, Any], at: Path) -> Iterator[str]:
    for path, volume in fields.maps(spec, "volumes", at):
        claim = fields.text(
            fields.mapping(volume, "persistentVolumeClaim", path), "claimName", path
        )
        if claim:
            yield claim
