"""Reads a SchedulePolicy in either dialect, Elotl Nova's own files as they are and SkyRay's, into one `SchedulePolicy`.

The fields of both, and what is checked of each, are in `policy.policy_parts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.errors import InvalidObject
from reconciler.manifests import kinds
from reconciler.manifests.kinds import Located, SkyRayModel, read_object
from reconciler.manifests.podshape import Toleration
from reconciler.manifests.selector import LabelSelector, Requirement
from reconciler.policy.model import (
    OrderedKey,
    Override,
    Preference,
    Require,
    SchedulePolicy,
)
from reconciler.policy.overrides import read_overrides
from reconciler.policy.policy_parts import (
    ClusterToleration,
    NovaSchedulePolicy,
    NovaSpec,
    PatchOverride,
    SkyRaySchedulePolicy,
    SkyRaySpec,
)
from reconciler.policy.selector_parts import Selector

NOVA_API_VERSION = "policy.elotl.co/v1alpha1"
KIND = "SchedulePolicy"


def read_policy(document: Located) -> SchedulePolicy:
    """Return the SchedulePolicy in `document`, whichever dialect it is in.

    Raises `InvalidObject` with the place of the first problem (`manifests.kinds.problems` lists them all), also for
    documents of another apiVersion or kind.
    """
    body = document.body if isinstance(document.body, dict) else {}
    api_version = body.get("apiVersion")
    kind = body.get("kind")
    known_version = api_version in {NOVA_API_VERSION, kinds.API_VERSION}
    if not known_version or kind != KIND:
        # The place of a wrong kind, whose apiVersion may well be right.
        wrong_field = "apiVersion" if kind == KIND else "kind"
        raise InvalidObject(
            f"{api_version} {kind} is not a policy; use {KIND} of {kinds.API_VERSION} or {NOVA_API_VERSION}",
            document.locate(wrong_field),
        )
    if api_version == NOVA_API_VERSION:
        nova = read_object(NovaSchedulePolicy, document)
        return _policy(nova.metadata.name, nova.spec, document)
    own = read_object(SkyRaySchedulePolicy, document)
    return _policy(own.metadata.name, own.spec, document)


def read_policies(documents: Iterable[Located]) -> tuple[SchedulePolicy, ...]:
    """Return all policies, in order of name; raise `InvalidObject` where two share one."""
    found: dict[str, SchedulePolicy] = {}
    for document in documents:
        policy = read_policy(document)
        # Also across dialects: a Placement names its policy by this name alone.
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
    own = kinds.json_schema(SkyRaySchedulePolicy, KIND)
    nova = kinds.json_schema(NovaSchedulePolicy, f"Nova-{KIND}")
    return {"schedulepolicy.json": own, "nova-schedulepolicy.json": nova}


def _policy(
    name: str,
    spec: NovaSpec,
    document: Located,
) -> SchedulePolicy:
    own = _with_own_fields(spec)
    ordered, more_requirements = _ordered(own.ordered_cluster_selector)
    workloads = own.resource_selectors
    placement = own.placement
    spread = _as_written(own.spread_constraints)
    overrides = tuple(_dumped(override) for override in own.overrides)
    return SchedulePolicy(
        name=name,
        place=document.place,
        priority=own.priority,
        namespace_selector=own.namespace_selector.selector(),
        workload_selectors=_label_selectors(workloads.label_selectors),
        kinds=tuple(kind.selector() for kind in workloads.kinds),
        group_by=own.group_by.label_key if own.group_by else "",
        cluster_selector=_cluster_selector(own.cluster_selector, more_requirements),
        ordered=ordered,
        # None: `policy.eligibility.eligible` decides by the number of clusters.
        require=Require(placement.require) if placement.require else None,
        prefer=tuple(Preference(word) for word in placement.prefer),
        tolerations=tuple(_toleration(written) for written in own.tolerations),
        spread=spread,
        overrides=overrides,
        rescheduling=_as_written(own.rescheduling),
        changes=_changes(own.overrides, overrides, spread or {}, document),
    )


def _with_own_fields(spec: NovaSpec) -> SkyRaySpec:
    """Return the spec with SkyRay's fields; those that Nova does not have get their defaults."""
    if isinstance(spec, SkyRaySpec):
        return spec
    # Nova's fields have been checked already, so they are not validated again.
    return SkyRaySpec.model_construct(**dict(spec))


def _label_selectors(parts: Iterable[Selector]) -> tuple[LabelSelector, ...]:
    return tuple(part.selector() for part in parts)


def _changes(
    parts: Iterable[PatchOverride],
    written: tuple[Mapping[str, Any], ...],
    spread: Mapping[str, Any],
    document: Located,
) -> tuple[Override, ...]:
    """Return the overrides of both dialects as one list; `written` are SkyRay's `parts` as the file has them."""
    selectors = tuple(part.cluster_selector.selector() for part in parts)
    changes = read_overrides(written, selectors, spread, document.locate)
    return tuple(changes)


def _ordered(
    selector: Selector | None,
) -> tuple[tuple[OrderedKey, ...], tuple[Requirement, ...]]:
    """Split an ordered selector into what orders clusters (In) and what only filters them (the other operators)."""
    if selector is None:
        return (), ()
    ordered: list[OrderedKey] = []
    filters: list[Requirement] = []
    for requirement in selector.selector().requirements:
        # Only `In` has values in an order, so only it can rank clusters.
        if requirement.operator == "In":
            key = OrderedKey(requirement.key, requirement.values)
            ordered.append(key)
        else:
            filters.append(requirement)
    return tuple(ordered), tuple(filters)


def _cluster_selector(
    selector: Selector | None,
    more: tuple[Requirement, ...],
) -> LabelSelector | None:
    """Return `selector` with `more` requirements; None when there are none, which selects all clusters."""
    written = selector.selector() if selector else None
    if not more:
        return written
    requirements = written.requirements if written else ()
    return LabelSelector((*requirements, *more))


def _toleration(written: ClusterToleration) -> Toleration:
    # As in Kubernetes, an empty effect tolerates every effect.
    effect = written.effect or ""
    return Toleration(written.key, written.operator, written.value, effect)


def _as_written(part: SkyRayModel | None) -> dict[str, Any] | None:
    return None if part is None else _dumped(part)


def _dumped(part: SkyRayModel) -> dict[str, Any]:
    """Return a part by the names in the file, without the fields that the file does not have."""
    return part.model_dump(by_alias=True, exclude_unset=True)
