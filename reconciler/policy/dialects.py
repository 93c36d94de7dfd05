"""Reads a SchedulePolicy in either dialect: Elotl Nova's own files as they are, and ours.

The one idea: ours is Nova's plus a few fields, so the models build on each other and end in one `SchedulePolicy`. Both
are strict: a field that nobody knows is an error with its place, never silently without effect. Nova's fields are those
of `policy.elotl.co/v1alpha1` in its documentation (1.5) and published examples; what a running Nova adds to an object
that it prints (status, uid and the like) is let through and dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from reconciler.errors import InvalidObject
from reconciler.manifests import kinds
from reconciler.manifests.identity import check_dns_subdomain, check_label_key
from reconciler.manifests.kinds import Duration, Items, Labels, Located, ObjectMeta, SkyRayModel, read_object
from reconciler.manifests.podshape import Toleration
from reconciler.manifests.selector import LabelSelector, Requirement
from reconciler.policy.fieldpath import parse_field_path, parse_pointer
from reconciler.policy.model import KindSelector, OrderedKey, Preference, Require, SchedulePolicy
from reconciler.policy.overriding import overrides_in

NOVA_API_VERSION = "policy.elotl.co/v1alpha1"
KIND = "SchedulePolicy"


def _checked_by(check: Any) -> BeforeValidator:
    """Make a check of `manifests.identity` one that pydantic collects with the others."""

    def validate(value: Any) -> Any:
        if isinstance(value, str):
            try:
                check(value, "it")
            except InvalidObject as error:
                raise ValueError(error.message.removeprefix("it: ")) from None
        return value

    return BeforeValidator(validate)


LabelKey = Annotated[str, _checked_by(check_label_key)]


def _parsed_by(parse: Callable[[str], object]) -> AfterValidator:
    """Check a text by parsing it; the text stays as written."""

    def validate(text: str) -> str:
        parse(text)
        return text

    return AfterValidator(validate)


FieldPath = Annotated[str, _parsed_by(parse_field_path)]
Pointer = Annotated[str, _parsed_by(parse_pointer)]


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
        """Return the selector as data."""
        pairs = [Requirement(key, "In", (self.match_labels[key],)) for key in sorted(self.match_labels)]
        return LabelSelector((*pairs, *(Requirement(e.key, e.operator, e.values) for e in self.match_expressions)))


class Kind(SkyRayModel):
    """A kind of object. Without `group` every API group is meant; `core` is the group of Pods and Services."""

    kind: str
    group: str | None = None
    version: str | None = None


_BY_NAME = BeforeValidator(lambda it: {"kind": it} if isinstance(it, str) else it, json_schema_input_type=str | Kind)
Kinds = Items[Annotated[Kind, _BY_NAME]]
"""Kinds, a plain `RayJob` for `{kind: RayJob}`."""


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
        return [{"topologyValue": key, "percentage": share} for key, share in value.items()]
    return value


def _whole(split: tuple[TopologyShare, ...]) -> tuple[TopologyShare, ...]:
    """Nothing of a group may be lost, nor promised twice."""
    total = sum(one.percentage for one in split)
    if split and total != 100:
        raise ValueError(f"the percentages add up to {total}; make them add up to 100")
    values = [one.topology_value for one in split]
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
                    {"type": "array", "items": TopologyShare.model_json_schema(by_alias=True)},
                    {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0, "maximum": 100}},
                ]
            }
        ),
    ] = ()
    overrides: Items[TopologyOverride] = ()

    @model_validator(mode="after")
    def _split_is_divided(self) -> SpreadConstraints:
        if self.percentage_split and self.spread_mode == "Duplicate":
            raise ValueError("percentageSplit is for spreadMode Divide; Duplicate gives every domain the whole")
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
            raise ValueError("operator Equal needs a key; to tolerate every taint use operator: Exists without a key")
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
            raise ValueError(f"op {self.op} needs a value; to take a field away use op: remove")
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

    name: Annotated[str, _checked_by(check_dns_subdomain)]
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
            raise InvalidObject(f"policy {policy.name} is already defined at {first}; rename one of them", policy.place)
        found[policy.name] = policy
    return tuple(found[name] for name in sorted(found))


def json_schemas() -> dict[str, dict[str, Any]]:
    """Return the published JSON Schemas by file name, for editors."""
    return {
        "schedulepolicy.json": kinds.json_schema(SkyRaySchedulePolicy, KIND),
        "nova-schedulepolicy.json": kinds.json_schema(NovaSchedulePolicy, f"Nova-{KIND}"),
    }


def _policy(name: str, spec: NovaSpec, document: Located) -> SchedulePolicy:
    own = spec if isinstance(spec, SkyRaySpec) else SkyRaySpec.model_construct(**dict(spec))
    ordered, filters = _ordered(own.ordered_cluster_selector)
    cluster_selector = own.cluster_selector.selector() if own.cluster_selector else None
    if filters:
        chosen = cluster_selector.requirements if cluster_selector else ()
        cluster_selector = LabelSelector((*chosen, *filters))
    spread = _plain(own.spread_constraints)
    overrides = tuple(one.model_dump(by_alias=True, exclude_unset=True) for one in own.overrides)
    selectors = tuple(one.cluster_selector.selector() for one in own.overrides)
    return SchedulePolicy(
        name=name,
        place=document.place,
        priority=own.priority,
        namespace_selector=own.namespace_selector.selector(),
        workload_selectors=tuple(one.selector() for one in own.resource_selectors.label_selectors),
        kinds=tuple(
            KindSelector(one.kind, "" if one.group == "core" else one.group) for one in own.resource_selectors.kinds
        ),
        group_by=own.group_by.label_key if own.group_by else "",
        cluster_selector=cluster_selector,
        ordered=ordered,
        require=Require(own.placement.require) if own.placement.require else None,
        prefer=tuple(map(Preference, own.placement.prefer)),
        tolerations=tuple(Toleration(t.key, t.operator, t.value, t.effect or "") for t in own.tolerations),
        spread=spread,
        overrides=overrides,
        rescheduling=_plain(own.rescheduling),
        changes=tuple(overrides_in(overrides, selectors, spread or {}, document.locate)),
    )


def _ordered(selector: Selector | None) -> tuple[tuple[OrderedKey, ...], tuple[Requirement, ...]]:
    """Split an ordered selector into what gives an order (In) and what only filters (the other operators)."""
    requirements = selector.selector().requirements if selector else ()
    ordered = tuple(OrderedKey(one.key, one.values) for one in requirements if one.operator == "In")
    return ordered, tuple(one for one in requirements if one.operator != "In")


def _plain(part: SkyRayModel | None) -> dict[str, Any] | None:
    return None if part is None else part.model_dump(by_alias=True, exclude_unset=True)
