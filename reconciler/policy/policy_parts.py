"""The parts of a SchedulePolicy as its files write them, in Elotl Nova's dialect and in SkyRay's.

SkyRay's dialect is Nova's plus a few fields, so the models build on each other. Both are strict: an unknown field is an
error with its place, never silently without effect. Nova's fields are those of `policy.elotl.co/v1alpha1` in its
documentation (1.5) and published examples; what a running Nova adds to an object that it prints (status, uid and the
like) is accepted and dropped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    model_validator,
)

from reconciler.manifests.identity import check_dns_subdomain
from reconciler.manifests.kinds import Duration, Items, ObjectMeta, SkyRayModel
from reconciler.policy.fieldpath import parse_field_path, parse_pointer
from reconciler.policy.selector_parts import Kinds, LabelKey, Selector, checked_by


def _parsed_by(parse: Callable[[str], object]) -> AfterValidator:
    """Check a text by parsing it; the text stays as written."""

    def validate(text: str) -> str:
        parse(text)
        return text

    return AfterValidator(validate)


FieldPath = Annotated[str, _parsed_by(parse_field_path)]
Pointer = Annotated[str, _parsed_by(parse_pointer)]


class ResourceSelectors(SkyRayModel):
    """What the policy applies to, in the selected namespaces. Entries of a list are OR, the two lists are AND."""

    label_selectors: Items[Selector] = ()
    kinds: Kinds = ()


class GroupBy(SkyRayModel):
    """Objects of a namespace with the same value of this label are one group, placed together."""

    label_key: LabelKey


class TopologyShare(SkyRayModel):
    """The percentage of replicas for the clusters whose topology label has this value."""

    topology_value: str
    percentage: Annotated[int, Field(ge=0, le=100)]


class StaticValue(SkyRayModel):
    """The value to write."""

    static_value: Any


class FieldOverride(SkyRayModel):
    """One field to change, such as `spec.template.spec.containers[0].env[0].value`."""

    field_path: FieldPath
    value: StaticValue


class ResourceOverride(SkyRayModel):
    """The object to change, and how."""

    kind: str
    api_version: str
    name: str
    namespace: str | None = None
    override: Items[FieldOverride]


class TopologyOverride(SkyRayModel):
    """What differs on the clusters whose topology label has this value."""

    topology_value: str
    resources: Items[ResourceOverride]


def _split_as_list(value: Any) -> Any:
    """Write the map form of `percentageSplit`, which a page of Nova's documentation shows, as the list."""
    # What is neither form goes on as it is, so that pydantic reports its type.
    if not isinstance(value, dict):
        return value
    return [{"topologyValue": key, "percentage": share} for key, share in value.items()]


def _whole(split: tuple[TopologyShare, ...]) -> tuple[TopologyShare, ...]:
    """Nothing of a group may be lost, nor promised twice."""
    total = sum(share.percentage for share in split)
    # Without percentages the replicas are shared out evenly.
    if split and total != 100:
        raise ValueError(f"the percentages add up to {total}; make them add up to 100")
    counts = Counter(share.topology_value for share in split)
    repeated = [value for value, count in counts.items() if count > 1]
    if repeated:
        raise ValueError(f"{min(repeated)!r} has two percentages; keep one of them")
    return split


class _SplitSchema:
    """The published schema of a split. Pydantic sees the list only; editors must accept the map as well."""

    def __get_pydantic_json_schema__(self, *_: Any) -> dict[str, Any]:
        share = TopologyShare.model_json_schema(by_alias=True)
        as_list = {"type": "array", "items": share}
        percentage = {"type": "integer", "minimum": 0, "maximum": 100}
        as_map = {"type": "object", "additionalProperties": percentage}
        return {"anyOf": [as_list, as_map]}


PercentageSplit = Annotated[
    Items[TopologyShare],
    BeforeValidator(_split_as_list),
    AfterValidator(_whole),
    _SplitSchema(),
]
"""Percentages that add up to 100, as a list or as a map; kept as the list."""


class SpreadConstraints(SkyRayModel):
    """Place the group on several clusters: whole on each (Duplicate), or its replicas shared out (Divide)."""

    spread_mode: Literal["Duplicate", "Divide"] | None = None
    topology_key: LabelKey | None = None
    percentage_split: PercentageSplit = ()
    overrides: Items[TopologyOverride] = ()

    @model_validator(mode="after")
    def _split_is_divided(self) -> SpreadConstraints:
        # Percentages without a mode mean Divide, so only Duplicate contradicts them.
        if self.percentage_split and self.spread_mode == "Duplicate":
            raise ValueError(
                "percentageSplit is for spreadMode Divide; Duplicate gives every domain the whole"
            )
        return self


class NovaSpec(SkyRayModel):
    """Nova's SchedulePolicy."""

    namespace_selector: Selector
    resource_selectors: ResourceSelectors
    group_by: GroupBy | None = None
    cluster_selector: Selector | None = None
    ordered_cluster_selector: Selector | None = None
    spread_constraints: SpreadConstraints | None = None


class PlacementRules(SkyRayModel):
    """What a cluster must offer, and which is taken among those that fit now."""

    require: Literal["Fit", "Any"] | None = None
    prefer: Items[Literal["Available", "Cost", "Pack", "Balance"]] = ()


class ClusterToleration(SkyRayModel):
    """Tolerates a taint of a cluster. An empty key with Exists tolerates all; an absent effect means both."""

    key: str = ""
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str = ""
    effect: Literal["NoPlace", "NoExecute"] | None = None

    @model_validator(mode="after")
    def _key_and_value_suit_operator(self) -> ClusterToleration:
        if self.operator == "Exists" and self.value:
            raise ValueError("operator Exists takes no value")
        # Kubernetes refuses an empty key with Equal as well: it would tolerate no taint.
        if self.operator == "Equal" and not self.key:
            raise ValueError(
                "operator Equal needs a key; to tolerate every taint use operator: Exists without a key"
            )
        return self


class PatchStep(SkyRayModel):
    """One operation of RFC 6902."""

    op: Literal["add", "remove", "replace", "move", "copy", "test"]
    path: Pointer
    value: Any = None
    from_: Pointer | None = Field(None, alias="from")

    @model_validator(mode="after")
    def _op_has_what_it_needs(self) -> PatchStep:
        # A null in the file counts as absent (`SkyRayModel`), so no step can write a null.
        if self.op in {"add", "replace", "test"} and self.value is None:
            raise ValueError(
                f"op {self.op} needs a value; to take a field away use op: remove"
            )
        if self.op in {"move", "copy"} and self.from_ is None:
            raise ValueError(f"op {self.op} needs from")
        return self


class Target(SkyRayModel):
    """Which objects of the group a patch is for; what is absent is not asked for."""

    group: str | None = None
    version: str | None = None
    kind: str | None = None
    name: str | None = None


class PatchOverride(SkyRayModel):
    """A patch for the clusters that the selector chooses."""

    cluster_selector: Selector
    target: Target
    patch: Items[PatchStep]


class Rescheduling(SkyRayModel):
    """What may move a group that is placed, and how. Jobs stay unless `jobs` says that they may run again."""

    triggers: Items[Literal["PolicyChange", "ClusterLoss", "Outgrown", "Cordon"]] = ()
    cluster_loss_after: Duration | None = None
    strategy: Literal["MakeBeforeBreak", "Recreate"] | None = None
    jobs: Literal["Never", "Rerun"] = "Never"


class SkyRaySpec(NovaSpec):
    """Nova's fields, and SkyRay's own."""

    priority: int = 0
    placement: PlacementRules = PlacementRules.defaults()
    tolerations: Items[ClusterToleration] = ()
    overrides: Items[PatchOverride] = ()
    rescheduling: Rescheduling | None = None


class NovaMeta(ObjectMeta):
    """Metadata as Nova's control plane prints it; all but the name is without effect here."""

    # Nova's own names may have dots, unlike those of SkyRay's kinds.
    name: Annotated[str, checked_by(check_dns_subdomain)]
    namespace: str | None = None
    uid: Any = None
    generation: Any = None
    resource_version: Any = None
    creation_timestamp: Any = None
    managed_fields: Any = None
    owner_references: Any = None
    finalizers: Any = None


class NovaSchedulePolicy(SkyRayModel):
    """Chooses clusters for the workloads that it selects, in Elotl Nova's words."""

    api_version: Literal["policy.elotl.co/v1alpha1"]
    kind: Literal["SchedulePolicy"]
    metadata: NovaMeta
    spec: NovaSpec
    status: Any = None


class SkyRaySchedulePolicy(SkyRayModel):
    """Chooses clusters for the workloads that it selects."""

    api_version: Literal["skyray.dev/v1alpha1"]
    kind: Literal["SchedulePolicy"]
    metadata: ObjectMeta
    spec: SkyRaySpec
