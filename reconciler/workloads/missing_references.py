"""Warns of references to an object that another policy places on other clusters.

An object that a policy of its own selects goes where that policy says. Its users may run elsewhere and lack it there,
which neither group's decision shows; so the clusters of both are compared after the plan is made.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from reconciler.manifests.fields import dotted
from reconciler.ray.references import Reference
from reconciler.workloads.companions import NamespacedName, provided_names
from reconciler.workloads.group import Group, GroupKey, WorkloadObject
from reconciler.workloads.object_references import object_references

Providers = Mapping[NamespacedName, list[tuple[Group, WorkloadObject]]]
"""The members without pods that provide a name, each with its group."""


def missing_references(
    groups: Collection[Group],
    clusters_of: Mapping[GroupKey, frozenset[str]],
) -> Iterator[tuple[Group, str]]:
    """Yield each group with a warning for each of its objects that requires one of another group on a cluster without.

    `clusters_of` has the clusters of each group that is placed.
    """
    providers = _providers(groups)
    if not providers:
        # Most fleets: every object without pods follows its users.
        return
    for group in groups:
        own: set[NamespacedName] = set()
        for item in group.objects:
            own.update(provided_names(item))
        for item in group.objects:
            namespace = item.key.namespace
            targets = {(namespace, kind, name) for kind, name in item.references}
            in_other_groups = (targets & providers.keys()) - own
            for target in sorted(in_other_groups):
                warning = _warning(group, item, target, providers, clusters_of)
                if warning:
                    yield group, warning


def _providers(groups: Iterable[Group]) -> Providers:
    providers: dict[NamespacedName, list[tuple[Group, WorkloadObject]]] = defaultdict(
        list
    )
    for group in groups:
        # Companions follow their users anyway.
        for item in group.members:
            # Objects with pods are no targets of references.
            if item.demand is not None:
                continue
            for target in provided_names(item):
                providers[target].append((group, item))
    return providers


def _warning(
    group: Group,
    item: WorkloadObject,
    target: NamespacedName,
    providers: Providers,
    clusters_of: Mapping[GroupKey, frozenset[str]],
) -> str:
    """Return the warning; empty where each cluster of `group` has the object, or the pods start without it."""
    provided_on: set[str] = set()
    for holder, _ in providers[target]:
        provided_on |= clusters_of.get(holder.key, frozenset())
    needed_on = clusters_of.get(group.key, frozenset())
    lacking = needed_on - provided_on
    reference = _required_reference(item, target)
    if not lacking or reference is None:
        return ""
    holder, provider = providers[target][0]
    where = "is not placed"
    if provided_on:
        where = f"is on {', '.join(sorted(provided_on))}"
    return (
        f"{item.place}: {item.key} is on {', '.join(sorted(lacking))}, and {provider.key}, to which it refers in "
        f"{dotted(reference.path)}, {where} by policy {holder.policy.name}: let policy {group.policy.name} select "
        "that too, or let no policy select it, and it follows as a companion"
    )


def _required_reference(
    item: WorkloadObject,
    target: NamespacedName,
) -> Reference | None:
    """Return the reference of `item` to `target`; None where its pods start without it."""
    _, kind, name = target
    for reference in object_references(item.body):
        is_same = reference.kind == kind and reference.name == name
        if is_same and not reference.optional:
            return reference
    return None
