"""What SkyRay reads of the API server's objects: nodes, pods, namespaces, and the status of Ray resources.

msgspec decodes only the fields named here, so 50 MB of pods cost a fifth of a second. What decides where a pod may run
is kept as plain data, because `manifests.pod` knows its meaning. Ten thousand pods have a few hundred different specs,
so each spec is read once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypedDict

import msgspec

from reconciler.errors import InvalidObject
from reconciler.fleet.snapshot import Node, Pod, RayStatus
from reconciler.manifests.pod import pod_shape
from reconciler.manifests.podshape import PodShape, Taint
from reconciler.manifests.quantity import Quantity, scheduler_units

RAY_KINDS = {
    "RayJob": "rayjobs",
    "RayCluster": "rayclusters",
    "RayService": "rayservices",
}
"""Kind -> plural, as in the API's paths."""

TERMINAL = ("Succeeded", "Failed")


class OwnerReference(msgspec.Struct, rename="camel"):
    """An entry of `metadata.ownerReferences`."""

    kind: str
    name: str
    controller: bool | None = None


class Metadata(msgspec.Struct, rename="camel"):
    """The parts of an object's metadata that matter here."""

    name: str
    namespace: str = ""
    labels: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None
    deletion_timestamp: str | None = None


class TaintObject(msgspec.Struct):
    """A node's taint."""

    key: str
    effect: str
    value: str | None = None


class NodeSpec(msgspec.Struct):
    """The parts of a node's spec that matter here."""

    taints: list[TaintObject] | None = None
    unschedulable: bool | None = None


class Condition(msgspec.Struct):
    """A condition of a node."""

    type: str
    status: str


class NodeStatus(msgspec.Struct):
    """The parts of a node's status that matter here."""

    allocatable: dict[str, str | int | float] | None = None
    capacity: dict[str, str | int | float] | None = None
    conditions: list[Condition] | None = None


class NodeObject(msgspec.Struct):
    """A Node."""

    metadata: Metadata
    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)
    status: NodeStatus = msgspec.field(default_factory=NodeStatus)


class _Requests(TypedDict, total=False):
    requests: Any
    limits: Any


class _Port(TypedDict, total=False):
    hostPort: Any
    containerPort: Any
    protocol: Any
    hostIP: Any


class _Container(TypedDict, total=False):
    resources: _Requests | None
    ports: list[_Port] | None
    restartPolicy: Any


class _ClaimSource(TypedDict, total=False):
    claimName: Any


class _Volume(TypedDict, total=False):
    persistentVolumeClaim: _ClaimSource | None


class PodSpec(TypedDict, total=False):
    """What `manifests.pod.pod_shape` looks at. Other fields of a spec are not decoded."""

    containers: list[_Container] | None
    initContainers: list[_Container] | None
    resources: _Requests | None
    overhead: Any
    affinity: Any
    nodeSelector: Any
    nodeName: str | None
    tolerations: Any
    topologySpreadConstraints: Any
    hostNetwork: Any
    resourceClaims: Any
    volumes: list[_Volume] | None
    priorityClassName: Any
    schedulerName: Any
    schedulingGates: Any


class PodStatus(msgspec.Struct):
    """The part of a pod's status that matters here."""

    phase: str = ""


class PodObject(msgspec.Struct):
    """A Pod."""

    metadata: Metadata
    spec: PodSpec
    status: PodStatus = msgspec.field(default_factory=PodStatus)


class RayObjectStatus(msgspec.Struct, rename="camel"):
    """The parts of the three Ray kinds' status that matter here; each kind has some of them."""

    job_deployment_status: str = ""
    job_status: str = ""
    state: str = ""
    service_status: str = ""
    reason: str = ""
    message: str = ""


class RayObject(msgspec.Struct):
    """A RayJob, RayCluster or RayService."""

    metadata: Metadata
    status: RayObjectStatus | None = None


class NamespaceObject(msgspec.Struct):
    """A Namespace."""

    metadata: Metadata


def node_of(item: NodeObject) -> Node:
    """Return the node. Without a Ready condition it is not ready, and without allocatable it has no room.

    Raises `InvalidObject` for an amount that is not a quantity.
    """
    name = item.metadata.name
    try:
        amounts = {
            what: Quantity.parse(text)
            for what, text in (item.status.allocatable or {}).items()
        }
    except ValueError as error:
        raise InvalidObject(f"Node {name}: status.allocatable: {error}") from None
    return Node(
        name=name,
        allocatable=scheduler_units(amounts),
        labels=item.metadata.labels or {},
        taints=tuple(
            Taint(taint.key, taint.effect, taint.value or "")
            for taint in item.spec.taints or ()
        ),
        ready=any(
            c.type == "Ready" and c.status == "True"
            for c in item.status.conditions or ()
        ),
        unschedulable=bool(item.spec.unschedulable),
    )


class PodReader:
    """Reads the pods of one list; the shape of equal specs is computed once."""

    def __init__(self) -> None:
        self._shapes: dict[bytes, PodShape] = {}

    def pod(self, item: PodObject) -> Pod | None:
        """Return the pod; None when it has ended and holds nothing. Raises `InvalidObject`."""
        if item.status.phase in TERMINAL:
            return None
        metadata = item.metadata
        labels = metadata.labels or {}
        try:
            shape = self._shape(metadata.namespace, labels, item.spec)
        except InvalidObject as error:
            raise InvalidObject(
                f"Pod {metadata.namespace}/{metadata.name}: {error.message}"
            ) from None
        return Pod(
            namespace=metadata.namespace,
            name=metadata.name,
            shape=shape,
            node=shape.node_name,
            owner=labels.get("ray.io/cluster") or _controller(metadata),
            node_type=labels.get("ray.io/node-type", ""),
            deleting=metadata.deletion_timestamp is not None,
        )

    def _shape(self, namespace: str, labels: dict[str, str], spec: PodSpec) -> PodShape:
        """Return the shape: that of the first pod with equal rules, with its own namespace, labels and node."""
        node_name = spec.pop("nodeName", None) or ""
        # `matchLabelKeys` of these two read the pod's own labels; without them, equal specs have equal shapes.
        reads_labels = spec.get("affinity") or spec.get("topologySpreadConstraints")
        key = msgspec.json.encode((labels if reads_labels else None, spec))
        known = self._shapes.get(key)
        if known is None:
            known = self._shapes[key] = pod_shape({"labels": labels}, spec, namespace)
        return replace(known, namespace=namespace, labels=labels, node_name=node_name)


def ray_of(kind: str, item: RayObject) -> RayStatus:
    """Return the status of a Ray resource.

    The owner of a RayCluster is in two labels that KubeRay sets, `ray.io/originated-from-crd` and `-cr-name` (its
    utils/constant.go). A cluster that a user made has neither, and no owner.
    """
    status = item.status or RayObjectStatus()
    labels = item.metadata.labels or {}
    state = {
        "RayJob": status.job_deployment_status,
        "RayCluster": status.state,
        "RayService": status.service_status,
    }[kind]
    owner_kind = labels.get("ray.io/originated-from-crd", "")
    owner_name = labels.get("ray.io/originated-from-cr-name", "")
    is_owned = kind == "RayCluster" and owner_kind and owner_name
    return RayStatus(
        kind=kind,
        namespace=item.metadata.namespace,
        name=item.metadata.name,
        state=state,
        job_status=status.job_status if kind == "RayJob" else "",
        reason=status.reason,
        message=status.message,
        owner=f"{owner_kind}/{owner_name}" if is_owned else "",
    )


def _controller(metadata: Metadata) -> str:
    """Return the name of the controller that made an object; empty where it has none."""
    for owner in metadata.owner_references or ():
        if owner.controller:
            return owner.name
    return ""
