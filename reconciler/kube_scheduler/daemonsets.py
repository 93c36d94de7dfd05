"""The pods that DaemonSets start on a new node, read from those that they run on existing nodes.

The DaemonSet controller ties each of its pods to a node by a required term on `metadata.name`, which nothing else uses.
Without that term, the pod's own affinity and tolerations say on which new nodes a pod like it is started (Kubernetes'
pkg/controller/daemon: every node whose labels it asks for and whose taints it tolerates).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from reconciler.fleet.snapshot import Node, Pod
from reconciler.kube_scheduler.node_affinity import matches_node
from reconciler.manifests.podshape import NodeTerm, PodShape

_NAME_FIELD = "metadata.name"
_BLOCKING = ("NoSchedule", "NoExecute")


@dataclass(frozen=True, slots=True)
class DaemonSets:
    """One pod of each DaemonSet of a cluster, without the term that ties it to its node."""

    shapes: tuple[PodShape, ...]

    @classmethod
    def of(cls, pods: Iterable[Pod]) -> DaemonSets:
        """Find the DaemonSets among the pods of a cluster."""
        found: dict[tuple[str, str], PodShape] = {}
        for pod in pods:
            key = (pod.namespace, pod.owner)
            if pod.owner and key not in found and _is_tied(pod.shape):
                found[key] = _untied(pod.shape)
        return cls(tuple(found[key] for key in sorted(found)))

    def comes(self, shape: PodShape, node: Node) -> bool:
        """Return whether a new node gets a pod of `shape`."""
        for taint in node.taints:
            hard = taint.effect in _BLOCKING
            if hard and not any(
                toleration.tolerates(taint) for toleration in shape.tolerations
            ):
                return False
        return matches_node(shape, node)


def _is_tied(shape: PodShape) -> bool:
    """Return whether every required term of the pod names a node."""
    for term in shape.node_required:
        if all(requirement.key != _NAME_FIELD for requirement in term.fields):
            return False
    return bool(shape.node_required)


def _untied(shape: PodShape) -> PodShape:
    terms = tuple(NodeTerm(term.expressions) for term in shape.node_required)
    # Terms are alternatives: one without expressions leaves every node.
    anywhere = any(not term.expressions for term in terms)
    return replace(shape, node_name="", node_required=() if anywhere else terms)
