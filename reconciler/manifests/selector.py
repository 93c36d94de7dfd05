"""Kubernetes label selectors, for namespaces, workloads, clusters and pods.

Source of the rules: the LabelSelector of apimachinery (`metav1.LabelSelectorAsSelector`): `matchLabels` and all of
`matchExpressions` must hold; an empty selector matches everything; `NotIn` and `DoesNotExist` match an absent key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.errors import InvalidObject

OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


@dataclass(frozen=True, slots=True)
class Requirement:
    """An entry of `matchExpressions`: `operator` is in `OPERATORS`; `values` keep the order they were written in."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether `labels` satisfy this requirement."""
        match self.operator:
            case "In":
                return self.key in labels and labels[self.key] in self.values
            case "NotIn":
                return self.key not in labels or labels[self.key] not in self.values
            case "Exists":
                return self.key in labels
            case _:
                return self.key not in labels

    def __str__(self) -> str:
        """Return the requirement as kubectl's `--selector` writes it."""
        match self.operator:
            case "In" if len(self.values) == 1:
                return f"{self.key}={self.values[0]}"
            case "In":
                return f"{self.key} in ({','.join(self.values)})"
            case "NotIn":
                return f"{self.key} notin ({','.join(self.values)})"
            case "Exists":
                return self.key
            case _:
                return f"!{self.key}"


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """A conjunction of requirements; without any it matches everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether `labels` satisfy every requirement."""
        return all(requirement.matches(labels) for requirement in self.requirements)

    def first_mismatch(self, labels: Mapping[str, str]) -> Requirement | None:
        """Return the first requirement that `labels` do not satisfy, for messages."""
        for requirement in self.requirements:
            if not requirement.matches(labels):
                return requirement
        return None

    def __str__(self) -> str:
        """Return the selector as kubectl's `--selector` writes it; `everything` when empty."""
        return ", ".join(map(str, self.requirements)) or "everything"


def parse_selector(value: Any, what: str = "selector") -> LabelSelector:
    """Read a LabelSelector object.

    `what` names the field in errors. Raises `InvalidObject` for unknown fields and operators, and for values where the
    operator takes none or needs some.
    """
    if not isinstance(value, Mapping):
        raise InvalidObject(
            f"{what} must be a mapping with matchLabels or matchExpressions"
        )
    unknown = set(value) - {"matchLabels", "matchExpressions"}
    if unknown:
        raise InvalidObject(
            f"{what} has unknown field {min(map(str, unknown))!r}: use matchLabels or matchExpressions"
        )
    labels = value.get("matchLabels") or {}
    expressions = value.get("matchExpressions") or []
    if not isinstance(labels, Mapping) or not all(
        isinstance(v, str) for v in labels.values()
    ):
        raise InvalidObject(
            f"{what}.matchLabels must map label keys to strings (quote the values)"
        )
    if not isinstance(expressions, list):
        raise InvalidObject(f"{what}.matchExpressions must be a list")
    requirements = [Requirement(key, "In", (labels[key],)) for key in sorted(labels)]
    requirements += [
        _requirement(entry, f"{what}.matchExpressions[{i}]")
        for i, entry in enumerate(expressions)
    ]
    return LabelSelector(tuple(requirements))


def _requirement(entry: Any, what: str) -> Requirement:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("key"), str):
        raise InvalidObject(f"{what} must be a mapping with key and operator")
    unknown = set(entry) - {"key", "operator", "values"}
    if unknown:
        raise InvalidObject(
            f"{what} has unknown field {min(map(str, unknown))!r}: use key, operator, values"
        )
    operator, values = entry.get("operator"), entry.get("values") or []
    if operator not in OPERATORS:
        raise InvalidObject(
            f"{what}.operator is {operator!r}: use one of {', '.join(OPERATORS)}"
        )
    if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
        raise InvalidObject(f"{what}.values must be a list of strings (quote them)")
    if (operator in {"In", "NotIn"}) != bool(values):
        need = "needs values" if operator in {"In", "NotIn"} else "takes no values"
        raise InvalidObject(f"{what}: operator {operator} {need}")
    return Requirement(entry["key"], operator, tuple(values))
