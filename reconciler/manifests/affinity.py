"""A pod's rules about where it may run, in the scheduler's terms: node affinity, pod affinity, topology spread.

The rules are kube-scheduler's and the API server's at 1.36: `matchLabelKeys` and `mismatchLabelKeys` take their values
from the pod's own labels (pkg/registry/core/pod/strategy.go), a required node term without content matches no node,
and a preferred term without content or weight has no effect
(k8s.io/component-helpers/scheduling/corev1/nodeaffinity).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.manifests import fields
from reconciler.manifests.fields import InvalidField, Path
from reconciler.manifests.podshape import (
    NodeRequirement,
    NodeTerm,
    PodTerm,
    SpreadConstraint,
)
from reconciler.manifests.selector import LabelSelector, Requirement

_NODE_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_NO_NODE = NodeTerm(expressions=(NodeRequirement("", "In"),))


def node_affinity(
    affinity: Mapping[str, Any], at: Path
) -> tuple[tuple[NodeTerm, ...], tuple[tuple[int, NodeTerm], ...]]:
    """Return the required terms (any of them must hold; none allows every node) and the preferred ones with weights."""
    node = fields.mapping(affinity, "nodeAffinity", at)
    here = (*at, "nodeAffinity")
    required: tuple[NodeTerm, ...] = ()
    if node.get(_REQUIRED) is not None:
        selector = fields.mapping(node, _REQUIRED, here)
        entries = fields.maps(selector, "nodeSelectorTerms", (*here, _REQUIRED))
        terms = [_node_term(entry, path) for path, entry in entries]
        # A term without content matches no node, so without any other term the pod fits nowhere.
        required = tuple(term for term in terms if term.expressions or term.fields) or (
            _NO_NODE,
        )
    preferred = []
    for path, entry in fields.maps(node, _PREFERRED, here):
        weight = fields.count(entry, "weight", path, 0)
        term = _node_term(
            fields.mapping(entry, "preference", path), (*path, "preference")
        )
        if weight and (term.expressions or term.fields):
            preferred.append((weight, term))
    return required, tuple(preferred)


def pod_affinity(
    affinity: Mapping[str, Any], kind: str, labels: Mapping[str, str], at: Path
) -> tuple[tuple[PodTerm, ...], tuple[tuple[int, PodTerm], ...]]:
    """Return the required and the weighted terms of `podAffinity` or `podAntiAffinity` for a pod with `labels`."""
    rules = fields.mapping(affinity, kind, at)
    here = (*at, kind)
    required = tuple(
        _pod_term(term, labels, path)
        for path, term in fields.maps(rules, _REQUIRED, here)
    )
    preferred = []
    for path, entry in fields.maps(rules, _PREFERRED, here):
        weight = fields.count(entry, "weight", path, 0)
        term = fields.mapping(entry, "podAffinityTerm", path)
        preferred.append((weight, _pod_term(term, labels, (*path, "podAffinityTerm"))))
    return required, tuple(preferred)


def spread_constraints(
    spec: Mapping[str, Any], labels: Mapping[str, str], at: Path
) -> tuple[SpreadConstraint, ...]:
    """Return the topology spread constraints of a pod with `labels`."""
    return tuple(
        _spread(entry, labels, path)
        for path, entry in fields.maps(spec, "topologySpreadConstraints", at)
    )


def _spread(
    entry: Mapping[str, Any], labels: Mapping[str, str], path: Path
) -> SpreadConstraint:
    skew = fields.integer(entry, "maxSkew", path)
    minimum = fields.integer(entry, "minDomains", path)
    if skew is None or skew < 1:
        raise InvalidField((*path, "maxSkew"), f"is {skew}; write 1 or more")
    if minimum is not None and minimum < 1:
        raise InvalidField((*path, "minDomains"), f"is {minimum}; write 1 or more")
    action = fields.choice(
        entry, "whenUnsatisfiable", path, ("DoNotSchedule", "ScheduleAnyway"), ""
    )
    if not action:
        raise InvalidField(
            (*path, "whenUnsatisfiable"),
            "is missing; write DoNotSchedule or ScheduleAnyway",
        )
    return SpreadConstraint(
        topology_key=_topology_key(entry, path),
        max_skew=skew,
        when_unsatisfiable=action,
        selector=_with_own_labels(
            fields.selector(entry, "labelSelector", path), entry, labels, path
        ),
        min_domains=minimum or 1,
        node_affinity_policy=fields.choice(
            entry, "nodeAffinityPolicy", path, ("Honor", "Ignore"), "Honor"
        ),
        node_taints_policy=fields.choice(
            entry, "nodeTaintsPolicy", path, ("Honor", "Ignore"), "Ignore"
        ),
    )


def _pod_term(
    term: Mapping[str, Any], labels: Mapping[str, str], path: Path
) -> PodTerm:
    return PodTerm(
        topology_key=_topology_key(term, path),
        selector=_with_own_labels(
            fields.selector(term, "labelSelector", path), term, labels, path
        ),
        namespaces=fields.texts(term, "namespaces", path),
        namespace_selector=fields.selector(term, "namespaceSelector", path),
    )


def _topology_key(entry: Mapping[str, Any], path: Path) -> str:
    key = fields.text(entry, "topologyKey", path)
    if not key:
        raise InvalidField(
            (*path, "topologyKey"),
            "is missing; write a node label such as topology.kubernetes.io/zone",
        )
    return key


def _with_own_labels(
    selector: LabelSelector | None,
    entry: Mapping[str, Any],
    labels: Mapping[str, str],
    path: Path,
) -> LabelSelector | None:
    """Add the values of the pod's own labels that the entry names in `matchLabelKeys` and `mismatchLabelKeys`."""
    # Without a selector the term matches no pod, whatever the labels.
    if selector is None:
        return None
    own: list[Requirement] = []
    for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")):
        keys = [key for key in fields.texts(entry, field, path) if key in labels]
        own.extend(Requirement(key, operator, (labels[key],)) for key in keys)
    return LabelSelector((*selector.requirements, *own))


def _node_term(term: Mapping[str, Any], path: Path) -> NodeTerm:
    return NodeTerm(
        expressions=_node_requirements(term, "matchExpressions", path),
        fields=_node_requirements(term, "matchFields", path),
    )


def _node_requirements(
    term: Mapping[str, Any], key: str, path: Path
) -> tuple[NodeRequirement, ...]:
    return tuple(
        _node_requirement(entry, where) for where, entry in fields.maps(term, key, path)
    )


def _node_requirement(entry: Mapping[str, Any], path: Path) -> NodeRequirement:
    key = fields.text(entry, "key", path)
    values = fields.texts(entry, "values", path)
    if not key:
        raise InvalidField((*path, "key"), "is missing; write the name of a node label")
    operator = fields.choice(entry, "operator", path, _NODE_OPERATORS, "")
    if not operator:
        raise InvalidField(
            (*path, "operator"), f"is missing; use {', '.join(_NODE_OPERATORS)}"
        )
    if operator in {"Gt", "Lt"} and not (
        len(values) == 1 and values[0].removeprefix("-").isdecimal()
    ):
        raise InvalidField(
            (*path, "values"),
            f"must be one whole number in quotes for operator {operator}",
        )
    if (operator in {"In", "NotIn"}) and not values:
        raise InvalidField(
            (*path, "values"), f"is empty; operator {operator} needs values"
        )
    if operator in {"Exists", "DoesNotExist"} and values:
        raise InvalidField(
            (*path, "values"), f"is not empty; operator {operator} takes no values"
        )
    return NodeRequirement(key, operator, values)
