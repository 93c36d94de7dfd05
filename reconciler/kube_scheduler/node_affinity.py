"""Whether a node is one that a pod asks for: by name, labels and node affinity, as Kubernetes' component-helpers do."""

from __future__ import annotations

import re
from collections.abc import Mapping

from reconciler.fleet.snapshot import Node
from reconciler.manifests.podshape import NodeRequirement, NodeTerm, PodShape

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")


def matches_node(shape: PodShape, node: Node) -> bool:
    """Return whether nodeName, nodeSelector and required node affinity of the pod match the node."""
    if shape.node_name and shape.node_name != node.name:
        return False
    labels: Mapping[str, str] = node.labels
    if any(labels.get(key) != value for key, value in shape.node_selector.items()):
        return False
    return not shape.node_required or any(
        matches_term(term, node) for term in shape.node_required
    )


def matches_term(term: NodeTerm, node: Node) -> bool:
    """Match one term; an empty one matches no node (component-helpers/scheduling/corev1/nodeaffinity)."""
    if not term.expressions and not term.fields:
        return False
    return all(
        _holds(requirement, node.labels) for requirement in term.expressions
    ) and all(
        _holds(requirement, {"metadata.name": node.name}) for requirement in term.fields
    )


def _holds(requirement: NodeRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value is not None and value in requirement.values
        case "NotIn":
            return value is None or value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            # The API server admits one integer here; anything else matches no node.
            wanted = requirement.values[0] if len(requirement.values) == 1 else None
            have, want = _integer(value), _integer(wanted)
            if have is None or want is None:
                return False
            return have > want if requirement.operator == "Gt" else have < want
        case _:
            return False


def _integer(text: str | None) -> int | None:
    return int(text) if text is not None and _INTEGER.fullmatch(text) else None
