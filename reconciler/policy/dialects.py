"""Reads a SchedulePolicy in either dialect: Elotl Nova's own files as they are, and SkyRay's.

SkyRay's dialect is Nova's plus a few fields, so the models build on each other and end in one `SchedulePolicy`. Both
are strict: an unknown field is an error with its place, never silently without effect. Nova's fields are those of
`policy.elotl.co/v1alpha1` in its documentation (1.5) and published examples; what a running Nova adds to an object that
it prints (status, uid and the like) is accepted and dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    WithJsonSchema,
    model_validator,
)

from reconciler.errors import InvalidObject
from reconciler.manifests import kinds
from reconciler.manifests.identity import check_dns_subdomain
from reconciler.manifests.kinds import (
    Duration,
    Items,
    Located,
    ObjectMeta,
    SkyRayModel,
    read_object,
)
from reconciler.manifests.podshape import Toleration
from reconciler.manifests.selector import LabelSelector, Requirement
from reconciler.policy.fieldpath import parse_field_path, parse_pointer
from reconciler.policy.model import OrderedKey, Preference, Require, SchedulePolicy
from reconciler.policy.overrides import read_overrides
from reconciler.policy.selector_parts import Kinds, LabelKey, Selector, checked_by

NOVA_API_VERSION = "policy.elotl.co/v1alpha1"
KIND = "SchedulePolicy"


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
    if isinstance(value, dict):
        return [
            {"topologyValue": key, "percentage": share} for key, share in value.items()
        ]
    return value


def _whole(split: tuple[TopologyShare, ...]) -> tuple[TopologyShare, ...]:
    """Nothing of a group may be lost, nor promised twice."""
    total = sum(share.percentage for share in split)
    if split and total != 100:
        raise ValueError(f"the percentages add up to {total}; make them add up to 100")
    values = [share.topology_value for share in split]
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"{twice[0]!r} has two percentages; keep one of them")
    return split


class SpreadConstraints(SkyRayModel):
    """Place the group on several clusters: whole on each (Duplicate), or its replicas shared out (Divide)."""

    spread_mode: Literal["Duplicate", "Divide"] | None = None
    topology_key: LabelKey | None = None
    percentage_split: Annotated[
        Items[TopologyShare],
        BeforeValidator(_split_as_list),
        AfterValidator(_whole),
        WithJsonSchema(
            {
                "anyOf": [
                    {
                        "type": "array",
                        "items": TopologyShare.model_json_schema(by_alias=True),
                    },
                    {
                        "type": "object",
                        "additionalProperties": {
                            "type": "integer",
                            "minimum": 0,
                            "maximum": 100,
                        },
                    },
                ]
            }
        ),
    ] = ()
    overrides: Items[TopologyOverride] = ()

    @model_validator(mode="after")
    def _split_is_divided(self) -> SpreadConstraints:
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
    placement: PlacementRules = PlacementRules()
    tolerations: Items[ClusterToleration] = ()
    overrides: Items[PatchOverride] = ()
    rescheduling: Rescheduling | None = None


class NovaMeta(ObjectMeta):
    """Metadata as Nova's control plane prints it; all but the name is without effect here."""

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


def read_policy(document: Located) -> SchedulePolicy:
    """Return the SchedulePolicy in `document`, whichever dialect it is in.

    Raises `InvalidObject` with the place of the first problem (`manifests.kinds.problems` lists them all), also for
    documents of another apiVersion or kind.
    """
    body = document.body if isinstance(document.body, dict) else {}
    api_version, kind = body.get("apiVersion"), body.get("kind")
    if api_version not in {NOVA_API_VERSION, kinds.API_VERSION} or kind != KIND:
        raise InvalidObject(
            f"{api_version} {kind} is not a policy; use {KIND} of {kinds.API_VERSION} or {NOVA_API_VERSION}",
            document.locate("kind") if kind != KIND else document.locate("apiVersion"),
        )
    if api_version == NOVA_API_VERSION:
        nova = read_object(NovaSchedulePolicy, document)
        return _policy(nova.metadata.name, nova.spec, document)
    own = read_object(SkyRaySchedulePolicy, document)
    return _policy(own.metadata.name, own.spec, document)


def read_policies(documents: Iterable[Located]) -> tuple[SchedulePolicy, ...]:
    """Return all policies, in order of name; raise `InvalidObject` where two share one."""
    found: dict[str, SchedulePolicy] = {}
    for policy in map(read_policy, documents):
        if policy.name in found:
            first = found[policy.name].place
            raise InvalidObject(
                f"policy {policy.name} is already defined at {first}; rename one of them",
                policy.place,
            )
        found[policy.name] = policy
    return tuple(found[name] for name in sorted(found))


def json_schemas() -> dict[str, dict[str, Any]]:
    """Return the published JSON Schemas by file name, for editors."""
    return {
        "schedulepolicy.json": kinds.json_schema(SkyRaySchedulePolicy, KIND),
        "nova-schedulepolicy.json": kinds.json_schema(
            NovaSchedulePolicy, f"Nova-{KIND}"
        ),
    }


def _policy(name: str, spec: NovaSpec, document: Located) -> SchedulePolicy:
    # Nova's fields are a subset of SkyRay's: the rest gets its defaults.
    own = (
        spec
        if isinstance(spec, SkyRaySpec)
        else SkyRaySpec.model_construct(**dict(spec))
    )
    ordered, requirements = _ordered(own.ordered_cluster_selector)
    spread = _as_written(own.spread_constraints)
    overrides = tuple(
        override.model_dump(by_alias=True, exclude_unset=True)
        for override in own.overrides
    )
    override_selectors = tuple(
        override.cluster_selector.selector() for override in own.overrides
    )
    workload_selectors = own.resource_selectors.label_selectors
    return SchedulePolicy(
        name=name,
        place=document.place,
        priority=own.priority,
        namespace_selector=own.namespace_selector.selector(),
        workload_selectors=tuple(
            selector.selector() for selector in workload_selectors
        ),
        kinds=tuple(kind.selector() for kind in own.resource_selectors.kinds),
        group_by=own.group_by.label_key if own.group_by else "",
        cluster_selector=_cluster_selector(own.cluster_selector, requirements),
        ordered=ordered,
        require=Require(own.placement.require) if own.placement.require else None,
        prefer=tuple(Preference(word) for word in own.placement.prefer),
        tolerations=tuple(_toleration(toleration) for toleration in own.tolerations),
        spread=spread,
        overrides=overrides,
        rescheduling=_as_written(own.rescheduling),
        changes=tuple(
            read_overrides(overrides, override_selectors, spread or {}, document.locate)
        ),
    )


def _ordered(
    selector: Selector | None,
) -> tuple[tuple[OrderedKey, ...], tuple[Requirement, ...]]:
    """Split an ordered selector into what orders clusters (In) and what only filters them (the other operators)."""
    ordered: list[OrderedKey] = []
    filters: list[Requirement] = []
    for requirement in selector.selector().requirements if selector else ():
        if requirement.operator == "In":
            ordered.append(OrderedKey(requirement.key, requirement.values))
        else:
            filters.append(requirement)
    return tuple(ordered), tuple(filters)


def _cluster_selector(
    selector: Selector | None, more: tuple[Requirement, ...]
) -> LabelSelector | None:
    """Return `selector` with `more` requirements; None when there are none, which selects all clusters."""
    written = selector.selector() if selector else None
    if not more:
        return written
    return LabelSelector((*(written.requirements if written else ()), *more))


def _toleration(written: ClusterToleration) -> Toleration:
    return Toleration(
        written.key, written.operator, written.value, written.effect or ""
    )


def _as_written(part: SkyRayModel | None) -> dict[str, Any] | None:
    return None if part is None else part.model_dump(by_alias=True, exclude_unset=True)
