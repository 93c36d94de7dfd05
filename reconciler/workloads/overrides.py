"""Applies a policy's overrides, and the division of replicas, to a group's objects for one cluster.

Patches are data beside the admitted objects, which stay exactly as the user wrote them. What is checked, sized and
fitted is the patched body, since that is what the cluster runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconciler.errors import InvalidObject, Place
from reconciler.manifests.admitted import admit
from reconciler.manifests.identity import ObjectKey, canonical_digest, object_key
from reconciler.policy.model import Override, SchedulePolicy, Target
from reconciler.ray.references import references
from reconciler.ray.validation import problems
from reconciler.ray.workload import demand_of
from reconciler.workloads.cluster_copy import ClusterCopy
from reconciler.workloads.group import Group, WorkloadObject
from reconciler.workloads.patch import Operations, Patch, apply, patch_of, steps_to

_Patched = tuple[tuple[WorkloadObject, ...], tuple[Patch, ...]]
"""The objects as they are deployed, and the patches that make them so."""


class OverrideApplier:
    """Makes the copies of a group's objects; clusters with the same overrides share the patched objects."""

    def __init__(
        self, overrides: Sequence[Override], labels: Mapping[str, Mapping[str, str]]
    ) -> None:
        """`labels`: those of every cluster."""
        self._overrides = overrides
        self._labels = labels
        self._known: dict[
            tuple[int, int, tuple[int, ...]], tuple[object, object, _Patched]
        ] = {}

    def for_cluster(
        self,
        objects: tuple[WorkloadObject, ...],
        cluster: str,
        division: Mapping[ObjectKey, Operations],
        share: int = 100,
    ) -> ClusterCopy:
        """Return the copy of `objects` for `cluster`; `division` are the operations that leave it its share of each.

        `share` is a percentage of the group. Raises `InvalidObject`, with the place of the override, where one does not
        apply or makes an object invalid.
        """
        labels = self._labels.get(cluster, {})
        chosen = [
            number
            for number, one in enumerate(self._overrides)
            if one.clusters.matches(labels)
        ]
        if not chosen and not division:
            return ClusterCopy(cluster, objects, objects, share=share)
        # The objects and the division are kept beside the result, so that nothing else can get their ids.
        key = (id(objects), id(division), tuple(chosen))
        if key not in self._known:
            overrides = [self._overrides[number] for number in chosen]
            self._known[key] = (
                objects,
                division,
                _patched_objects(objects, overrides, division),
            )
        deployed, patches = self._known[key][2]
        return ClusterCopy(cluster, objects, deployed, patches, share)


def without_effect(
    policies: Iterable[SchedulePolicy],
    groups: Iterable[Group],
    labels: Mapping[str, Mapping[str, str]],
) -> tuple[str, ...]:
    """Return a warning for each override that no cluster, or no object that has its name, can get now.

    `labels`: those of every cluster. Objects are looked for by name only where the policy has any group: a policy may
    be there before what it is for.
    """
    having: dict[str, list[WorkloadObject]] = {}
    for group in groups:
        having.setdefault(group.policy.name, []).extend(group.objects)
    said: dict[tuple[str, str], str] = {}
    for policy in policies:
        for override in policy.changes:
            objects, target = having.get(policy.name, []), override.target
            if not any(override.clusters.matches(one) for one in labels.values()):
                what = f"is for clusters with {override.clusters}, and the inventory has none"
            elif (
                objects
                and target.name is not None
                and not any(target.selects(item.key) for item in objects)
            ):
                what = f"is for {_named(target)}, and no group of policy {policy.name} has it"
            else:
                continue
            said.setdefault(
                (policy.name, what), f"{override.place}: this override {what}"
            )
    return tuple(said.values())


def _named(target: Target) -> str:
    """Return the object that an override names, as its manifest would."""
    version = "/".join(one for one in (target.group, target.version) if one)
    where = f"{target.namespace}/" if target.namespace else ""
    return " ".join(
        one for one in (version, target.kind, f"{where}{target.name}") if one
    )


def patched(item: WorkloadObject, patches: Iterable[Patch]) -> WorkloadObject:
    """Return `item` as it is deployed with those of `patches` that are for it. Raises `InvalidObject`."""
    body: Mapping[str, Any] = item.body
    for patch in patches:
        if patch.is_for(item.key):
            body = apply(body, patch.operations)
    return item if body is item.body else _rebuilt(item, body)


def _patched_objects(
    objects: tuple[WorkloadObject, ...],
    overrides: Sequence[Override],
    division: Mapping[ObjectKey, Operations],
) -> _Patched:
    deployed, patches = [], []
    for item in objects:
        body: Mapping[str, Any] = item.body
        place = item.place
        if division.get(item.key):
            patches.append(patch_of(item.key, body, division[item.key]))
            body = apply(body, division[item.key])
        for override in overrides:
            if override.target.selects(item.key):
                patch, body = _overridden(item, body, override)
                patches += patch
                place = override.place
        deployed.append(item if body is item.body else _checked(item, body, place))
    patches.sort(key=lambda one: (one.api_group, one.kind, one.name))
    return tuple(deployed), tuple(patches)


def _overridden(
    item: WorkloadObject, body: Mapping[str, Any], override: Override
) -> tuple[tuple[Patch, ...], Mapping[str, Any]]:
    operations = override.operations
    if override.field:
        operations = steps_to(body, override.field, override.value)
    if not operations:
        return (), body
    try:
        after = apply(body, operations)
    except InvalidObject as error:
        raise InvalidObject(
            f"the override of {item.key} ({item.place}) does not apply: {error.message}; mend it, or narrow its target",
            override.place,
        ) from None
    return (patch_of(item.key, body, operations),), after


def _checked(
    item: WorkloadObject, body: Mapping[str, Any], place: Place
) -> WorkloadObject:
    """Return the patched object, unless it must not be deployed as it is now."""
    said = f"{item.key} ({item.place}) as changed for a cluster"
    try:
        if (
            object_key(dict(body), item.key.namespace) != item.key
            or admit(body, item.key.namespace) != body
        ):
            raise InvalidObject(  # noqa: TRY301  (one exit for all refusals)
                "its name, namespace, kind and what a server sets cannot be overridden"
            )
        if _has_rounded(body):
            raise InvalidObject(  # noqa: TRY301  (as above)
                "kustomize rounds whole numbers beyond 2^53 in what it patches; quote them"
            )
        error = next((one for one in problems(body) if one.severity == "error"), None)
        if error is not None:
            raise InvalidObject(error.message)  # noqa: TRY301  (as above)
        return _rebuilt(item, body)
    except InvalidObject as error:
        raise InvalidObject(f"{said}: {error.message}", place) from None


def _has_rounded(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_rounded, value.values()))
    if isinstance(value, list):
        return any(map(_has_rounded, value))
    return isinstance(value, int) and abs(value) > 2**53


def _rebuilt(item: WorkloadObject, body: Mapping[str, Any]) -> WorkloadObject:
    refers = frozenset((r.kind, r.name) for r in references(body))
    demand = demand_of(body, item.key.namespace)
    return replace(
        item, body=body, digest=canonical_digest(body), demand=demand, references=refers
    )
