"""What SkyRay reads of the API server's objects: nodes, pods, namespaces, and what Ray resources say of themselves.

The one idea: msgspec decodes only the fields named here, so 50 MB of pods cost a fifth of a second. Everything of a pod
that decides where it may stand is kept as plain data for `manifests.pod`, which knows its meaning; ten thousand pods
have a few hundred different specs, so each is read once.
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

RAY_KINDS = {"RayJob": "rayjobs", "RayCluster": "rayclusters", "RayService": "rayservices"}
"""Kind -> plural, as in the API's paths."""

TERMINAL = ("Succeeded", "Failed")


class OwnerReference(msgspec.Struct, rename="camel"):
    """Who made an object."""

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
    """What `manifests.pod.pod_shape` looks at. Whatever else a spec has is skipped over."""

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
        amounts = {what: Quantity.parse(text) for what, text in (item.status.allocatable or {}).items()}
    except ValueError as error:
        raise InvalidObject(f"Node {name}: status.allocatable: {error}") from None
    return Node(
        name=name,
        allocatable=scheduler_units(amounts),
        labels=item.metadata.labels or {},
        taints=tuple(Taint(t.key, t.effect, t.value or "") for t in item.spec.taints or ()),
        ready=any(c.type == "Ready" and c.status == "True" for c in item.status.conditions or ()),
        unschedulable=bool(item.spec.unschedulable),
    )


class PodReader:
    """Reads the pods of one list; equal specs are worked out once."""

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
            raise InvalidObject(f"Pod {metadata.namespace}/{metadata.name}: {error.message}") from None
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
        depends = spec.get("affinity") or spec.get("topologySpreadConstraints")  # their matchLabelKeys read the labels
        key = msgspec.json.encode((labels if depends else None, spec))
        known = self._shapes.get(key)
        if known is None:
            known = self._shapes[key] = pod_shape({"labels": labels}, spec, namespace)
        return replace(known, namespace=namespace, labels=labels, node_name=node_name)


def ray_of(kind: str, item: RayObject) -> RayStatus:
    """Return what a Ray resource says of itself; a RayCluster's owner is in the labels that KubeRay gives it.

    Source: `ray.io/originated-from-crd` and `-cr-name` (KubeRay's utils/constant.go). A cluster that a user made has
    neither, and its owner is itself: empty.
    """
    status, labels = item.status or RayObjectStatus(), item.metadata.labels or {}
    state = {
        "RayJob": status.job_deployment_status,
        "RayCluster": status.state,
        "RayService": status.service_status,
    }[kind]
    crd, name = labels.get("ray.io/originated-from-crd", ""), labels.get("ray.io/originated-from-cr-name", "")
    return RayStatus(
        kind=kind,
        namespace=item.metadata.namespace,
        name=item.metadata.name,
        state=state,
        job_status=status.job_status if kind == "RayJob" else "",
        reason=status.reason,
        message=status.message,
        owner=f"{crd}/{name}" if kind == "RayCluster" and crd and name else "",
    )


def _controller(metadata: Metadata) -> str:
    return next((owner.name for owner in metadata.owner_references or () if owner.controller), "")
