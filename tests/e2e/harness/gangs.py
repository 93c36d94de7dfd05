"""Ask the real kube-scheduler what it does with a gang: which pods it binds, and where.

A case is a set of nodes, the pods already on them, and the gang's pods in the order in which KubeRay creates them. One
case takes some tenths of a second, so hundreds can be compared with SkyRay's verdict.

Cases are kept apart by order, not by waiting: the scheduler sees nodes in the order of their changes, and pods
likewise. So once it has bound a probe pod, created last, to a barrier node, also created last, it has seen all of this
case and the end of the case before. The barrier has room for the probe alone, and no label that a gang could ask for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .api import Object
from .control_plane import ControlPlane

_BARRIER = "skyray-barrier"
_BARRIER_LABEL = "skyray.dev/barrier"
_SECONDS = 30

_AT_ONCE: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What kube-scheduler did with a gang, pod by pod, in the order of the gang."""

    nodes: tuple[str | None, ...]
    """The node that each pod was bound to; None for a pod that was not bound, or never created."""
    messages: tuple[str, ...]
    """What the scheduler said of each refused pod (its counts include the barrier node); empty for any other."""

    @property
    def bound(self) -> bool:
        """Whether every pod of the gang was bound."""
        return None not in self.nodes


class GangTrials:
    """Runs cases, one after another, on a control plane that has a scheduler, no kwok, and no nodes of its own."""

    def __init__(self, plane: ControlPlane) -> None:
        found = plane.request("GET", "/api/v1/nodes?limit=1")["items"]
        if found:
            raise ValueError(f"{plane.name} has nodes already: gang trials need a control plane for themselves")
        self._plane = plane
        self._cases = 0
        self._namespaces: set[str] = set()

    def run(
        self,
        nodes: Sequence[Mapping[str, Any]],
        placed: Sequence[Mapping[str, Any]],
        gang: Sequence[Mapping[str, Any]],
        afterwards: Sequence[Mapping[str, Any]] = (),
    ) -> Outcome:
        """Return what becomes of `gang` on `nodes`, where the `placed` pods are; then remove everything.

        `nodes` are Node manifests with their status; `placed` are Pod manifests with `spec.nodeName`, and with
        `status.phase` where they have finished. `afterwards` (RayJob's submitter) is created when all of the gang is
        bound, and belongs to the outcome. Nodes carry exactly the taints that they come with: no controller adds any.
        Raises `ApiError` when the API server refuses a manifest, and `NotReady` when the scheduler does not decide.
        """
        self._cases += 1
        namespaces = {_BARRIER, *map(_namespace, [*placed, *gang, *afterwards])}
        for namespace in namespaces - self._namespaces:
            self._plane.add_namespace(namespace)
            self._namespaces.add(namespace)
        try:
            return self._observe(nodes, placed, gang, afterwards)
        finally:
            for namespace in namespaces:
                self._plane.request("DELETE", f"/api/v1/namespaces/{namespace}/pods", _AT_ONCE)
            self._plane.request("DELETE", "/api/v1/nodes", _AT_ONCE)

    def _observe(
        self,
        nodes: Sequence[Mapping[str, Any]],
        placed: Sequence[Mapping[str, Any]],
        gang: Sequence[Mapping[str, Any]],
        afterwards: Sequence[Mapping[str, Any]],
    ) -> Outcome:
        case = str(self._cases)
        for node in (*nodes, _barrier_node(case)):
            self._plane.request("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", **node})
        for pod in placed:
            path = self._create(pod)
            if "status" in pod:
                self._plane.request("PATCH", f"{path}/status", {"status": pod["status"]})
        seen = self._create(_probe("seen", case))
        self._plane.wait(lambda: _bound(self._read([seen])[0]), _SECONDS, "the scheduler's view of the case")

        paths = [self._create(pod) for pod in gang]
        pods = self._settle(paths)
        if afterwards and all(map(_bound, pods)):
            paths += [self._create(pod) for pod in afterwards]
            pods = self._settle(paths)
        never = len(gang) + len(afterwards) - len(pods)
        return Outcome(
            nodes=(*(pod["spec"].get("nodeName") for pod in pods), *[None] * never),
            messages=(*map(_refusal, pods), *[""] * never),
        )

    def _settle(self, paths: Sequence[str]) -> list[Object]:
        """Return the pods as they are once the scheduler is done with all of them."""
        pods = self._plane.wait(lambda: self._decided(paths), _SECONDS, "a decision on every pod of the gang")
        if all(map(_bound, pods)):
            return pods
        # A pod bound late can send a refused one back to the queue. The scheduler has seen every binding once it has
        # refused a probe made now; and a pod is back from the queue when it is bound or counted as unschedulable.
        probe = self._create(_probe("settled", "nowhere"))
        self._plane.wait(lambda: self._decided([probe]), _SECONDS, "the scheduler's view of the gang")
        pods = self._plane.wait(lambda: self._at_rest(paths, refused_probes=1), _SECONDS, "an idle scheduler")
        self._plane.request("DELETE", probe, _AT_ONCE)
        return pods

    def _decided(self, paths: Sequence[str]) -> list[Object]:
        """Return the pods if each is bound or refused, else nothing."""
        pods = self._read(paths)
        return pods if all(_bound(pod) or _refusal(pod) for pod in pods) else []

    def _at_rest(self, paths: Sequence[str], refused_probes: int) -> list[Object]:
        """Return the pods if none is in a queue or in work, else nothing."""
        queues = self._plane.queued_pods()
        pods = self._read(paths)
        refused = sum(not _bound(pod) for pod in pods) + refused_probes
        return pods if queues == {"active": 0, "backoff": 0, "gated": 0, "unschedulable": refused} else []

    def _create(self, pod: Mapping[str, Any]) -> str:
        """Create a pod and return its path."""
        collection = f"/api/v1/namespaces/{_namespace(pod)}/pods"
        self._plane.request("POST", collection, {"apiVersion": "v1", "kind": "Pod", **pod})
        return f"{collection}/{pod['metadata']['name']}"

    def _read(self, paths: Sequence[str]) -> list[Object]:
        return [self._plane.request("GET", path) for path in paths]


def _namespace(pod: Mapping[str, Any]) -> str:
    return str(pod["metadata"].get("namespace", "default"))


def _bound(pod: Object) -> bool:
    return bool(pod["spec"].get("nodeName"))


def _refusal(pod: Object) -> str:
    """Return why the scheduler refused the pod; empty when it is bound or not decided on."""
    if _bound(pod):
        return ""
    conditions = pod["status"].get("conditions", [])
    refused = [one for one in conditions if one["type"] == "PodScheduled" and one.get("reason") == "Unschedulable"]
    return str(refused[0]["message"]) if refused else ""


def _barrier_node(case: str) -> Object:
    room = {"cpu": "1", "memory": "1Gi", "pods": "1"}
    return {
        "metadata": {"name": _BARRIER, "labels": {_BARRIER_LABEL: case}},
        "spec": {"taints": [{"key": _BARRIER_LABEL, "effect": "NoSchedule"}]},
        "status": {"capacity": room, "allocatable": room, "conditions": [{"type": "Ready", "status": "True"}]},
    }


def _probe(name: str, case: str) -> Object:
    return {
        "metadata": {"name": name, "namespace": _BARRIER},
        "spec": {
            "containers": [{"name": "probe", "image": "probe"}],
            "nodeSelector": {_BARRIER_LABEL: case},
            "tolerations": [{"key": _BARRIER_LABEL, "operator": "Exists"}],
        },
    }
