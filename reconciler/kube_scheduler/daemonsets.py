"""What DaemonSets take of a node that is yet to be added: what they take of those that exist.

The one idea: the DaemonSet controller ties each of its pods to a node by a required term on `metadata.name`, which
nothing else uses; without that tie the pod says of itself onto which new nodes a sibling would come (Kubernetes'
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
    """One pod of each DaemonSet of a cluster, as on a node to come."""

    shapes: tuple[PodShape, ...]

    @classmethod
    def of(cls, pods: Iterable[Pod]) -> DaemonSets:
        """Find the DaemonSets among the pods of a cluster."""
        found: dict[tuple[str, str], PodShape] = {}
        for pod in pods:
            if pod.owner and (pod.namespace, pod.owner) not in found and _is_tied(pod.shape):
                found[pod.namespace, pod.owner] = _untied(pod.shape)
        return cls(tuple(found[key] for key in sorted(found)))

    def comes(self, shape: PodShape, node: Node) -> bool:
        """Tell whether a new node gets a pod of `shape`."""
        hard = [taint for taint in node.taints if taint.effect in _BLOCKING]
        return matches_node(shape, node) and all(any(t.tolerates(taint) for t in shape.tolerations) for taint in hard)


def _is_tied(shape: PodShape) -> bool:
    return bool(shape.node_required) and all(
        any(requirement.key == _NAME_FIELD for requirement in term.fields) for term in shape.node_required
    )


def _untied(shape: PodShape) -> PodShape:
    terms = tuple(NodeTerm(term.expressions) for term in shape.node_required)
    anywhere = any(not term.expressions for term in terms)
    return replace(shape, node_name="", node_required=() if anywhere else terms)
