"""The parts by which SchedulePolicy, Tenant and AddOn select objects and clusters, as their files write them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from reconciler.errors import InvalidObject
from reconciler.manifests.identity import check_label_key
from reconciler.manifests.kinds import Items, Labels, SkyRayModel
from reconciler.manifests.selector import LabelSelector, Requirement
from reconciler.policy.model import KindSelector


def checked_by(check: Any) -> BeforeValidator:
    """Return a validator that reports a failed check of `manifests.identity` with all other problems of the file."""

    def validate(value: Any) -> Any:
        # Pydantic reports a value of another type by itself.
        if not isinstance(value, str):
            return value
        try:
            check(value, "it")
        except InvalidObject as error:
            # Pydantic collects ValueErrors only, and names the field itself.
            message = error.message.removeprefix("it: ")
            raise ValueError(message) from None
        return value

    return BeforeValidator(validate)


LabelKey = Annotated[str, checked_by(check_label_key)]


class Expression(SkyRayModel):
    """One requirement on a label."""

    key: LabelKey
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: Items[str] = ()

    @model_validator(mode="after")
    def _values_suit_operator(self) -> Expression:
        if self.operator in {"In", "NotIn"} and not self.values:
            raise ValueError(f"operator {self.operator} needs values")
        if self.operator in {"Exists", "DoesNotExist"} and self.values:
            raise ValueError(f"operator {self.operator} takes no values")
        return self


class Selector(SkyRayModel):
    """A label selector: all of it must hold; an empty one matches everything."""

    match_labels: Labels = Field(default_factory=dict)
    match_expressions: Items[Expression] = ()

    def selector(self) -> LabelSelector:
        """Return the selector as data: `matchLabels` by key, then `matchExpressions` as written."""
        requirements = []
        for key in sorted(self.match_labels):
            values = (self.match_labels[key],)
            requirements.append(Requirement(key, "In", values))
        # In the order of the file: `orderedClusterSelector` ranks by it.
        for each in self.match_expressions:
            requirement = Requirement(each.key, each.operator, each.values)
            requirements.append(requirement)
        return LabelSelector(tuple(requirements))


class Kind(SkyRayModel):
    """A kind of object. Without `group` every API group is meant; `core` is the group of Pods and Services."""

    kind: str
    group: str | None = None
    version: str | None = None

    def selector(self) -> KindSelector:
        """Return the selector as data; the core API group has no name there."""
        group = "" if self.group == "core" else self.group
        return KindSelector(self.kind, group)


def _kind_by_name(written: Any) -> Any:
    return {"kind": written} if isinstance(written, str) else written


_BY_NAME = BeforeValidator(_kind_by_name, json_schema_input_type=str | Kind)
Kinds = Items[Annotated[Kind, _BY_NAME]]
"""Kinds, a plain `RayJob` for `{kind: RayJob}`."""
