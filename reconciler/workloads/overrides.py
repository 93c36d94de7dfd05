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
        self,
        overrides: Sequence[Override],
        labels: Mapping[str, Mapping[str, str]],
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
        chosen = []
        for number, override in enumerate(self._overrides):
            if override.clusters.matches(labels):
                chosen.append(number)
        if not chosen and not division:
            # Nothing differs there: the objects are deployed as they were admitted.
            return ClusterCopy(cluster, objects, objects, share=share)

        key = (id(objects), id(division), tuple(chosen))
        if key not in self._known:
            overrides = [self._overrides[number] for number in chosen]
            made = _patched_objects(objects, overrides, division)
            # The objects and the division are kept beside the result, so that nothing else can get their ids.
            self._known[key] = (objects, division, made)
        _, _, (deployed, patches) = self._known[key]
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
    objects_of: dict[str, list[WorkloadObject]] = {}
    for group in groups:
        objects_of.setdefault(group.policy.name, []).extend(group.objects)
    warnings: dict[tuple[str, str], str] = {}
    for policy in policies:
        objects = objects_of.get(policy.name, [])
        for override in policy.changes:
            cause = _no_effect(override, policy, objects, labels)
            if not cause:
                continue
            # Nova's form gives an override for each field, all with the same cause: one warning is enough.
            warning = f"{override.place}: this override {cause}"
            warnings.setdefault((policy.name, cause), warning)
    return tuple(warnings.values())


def _no_effect(
    override: Override,
    policy: SchedulePolicy,
    objects: Sequence[WorkloadObject],
    labels: Mapping[str, Mapping[str, str]],
) -> str:
    """Return why no cluster, or none of the policy's `objects`, can get the override; empty where one can."""
    if not any(override.clusters.matches(one) for one in labels.values()):
        return f"is for clusters with {override.clusters}, and the inventory has none"
    target = override.target
    if not objects or target.name is None:
        return ""
    if any(target.selects(item.key) for item in objects):
        return ""
    return f"is for {_named(target)}, and no group of policy {policy.name} has it"


def _named(target: Target) -> str:
    """Return the object that an override names, as its manifest would."""
    version = "/".join(filter(None, (target.group, target.version)))
    where = f"{target.namespace}/" if target.namespace else ""
    words = (version, target.kind, f"{where}{target.name}")
    return " ".join(filter(None, words))


def patched(item: WorkloadObject, patches: Iterable[Patch]) -> WorkloadObject:
    """Return `item` as it is deployed with those of `patches` that are for it. Raises `InvalidObject`."""
    body: Mapping[str, Any] = item.body
    for patch in patches:
        if patch.is_for(item.key):
            body = apply(body, patch.operations)
    if body is item.body:
        # Most objects: no patch is for it, so its demand need not be computed again.
        return item
    return _rebuilt(item, body)


def _patched_objects(
    objects: tuple[WorkloadObject, ...],
    overrides: Sequence[Override],
    division: Mapping[ObjectKey, Operations],
) -> _Patched:
    deployed: list[WorkloadObject] = []
    patches: list[Patch] = []
    for item in objects:
        body: Mapping[str, Any] = item.body
        place = item.place
        # The overrides come after the division: one that sets replicas is the operator's last word (decision 5).
        operations = division.get(item.key)
        if operations:
            patches.append(patch_of(item.key, body, operations))
            body = apply(body, operations)
        for override in overrides:
            if override.target.selects(item.key):
                found, body = _overridden(item, body, override)
                patches += found
                place = override.place
        if body is item.body:
            deployed.append(item)
        else:
            deployed.append(_checked(item, body, place))
    patches.sort(key=lambda patch: (patch.api_group, patch.kind, patch.name))
    return tuple(deployed), tuple(patches)


def _overridden(
    item: WorkloadObject,
    body: Mapping[str, Any],
    override: Override,
) -> tuple[tuple[Patch, ...], Mapping[str, Any]]:
    """Return the patches of one override, and the body with them."""
    operations = override.operations
    if override.field:
        # A field of Nova's form: which operations set it depends on the object.
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
    item: WorkloadObject,
    body: Mapping[str, Any],
    place: Place,
) -> WorkloadObject:
    """Return the patched object, unless it must not be deployed as it is now."""
    try:
        _refuse_wrong(item.key, body)
        return _rebuilt(item, body)
    except InvalidObject as error:
        changed = f"{item.key} ({item.place}) as changed for a cluster"
        raise InvalidObject(f"{changed}: {error.message}", place) from None


def _refuse_wrong(key: ObjectKey, body: Mapping[str, Any]) -> None:
    """Raise `InvalidObject` where the patched body is another object than `key`, or must not be deployed."""
    is_same = object_key(dict(body), key.namespace) == key
    if not is_same or admit(body, key.namespace) != body:
        raise InvalidObject(
            "its name, namespace, kind and what a server sets cannot be overridden"
        )
    if _has_rounded(body):
        raise InvalidObject(
            "kustomize rounds whole numbers beyond 2^53 in what it patches; quote them"
        )
    errors = [one for one in problems(body) if one.severity == "error"]
    if errors:
        raise InvalidObject(errors[0].message)


def _has_rounded(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_rounded, value.values()))
    if isinstance(value, list):
        return any(map(_has_rounded, value))
    return isinstance(value, int) and abs(value) > 2**53


def _rebuilt(item: WorkloadObject, body: Mapping[str, Any]) -> WorkloadObject:
    """Return the object with another body, and what follows from that."""
    targets = frozenset((each.kind, each.name) for each in references(body))
    demand = demand_of(body, item.key.namespace)
    return replace(
        item,
        body=body,
        digest=canonical_digest(body),
        demand=demand,
        references=targets,
    )
