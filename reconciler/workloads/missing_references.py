"""Warns of references to an object that another policy places on other clusters.

An object that a policy of its own selects goes where that policy says. Its users may run elsewhere and lack it there,
which neither group's decision shows; so the clusters of both are compared after the plan is made.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from reconciler.manifests.fields import dotted
from reconciler.ray.references import Reference
from reconciler.workloads.companions import NamespacedName, provided_names
from reconciler.workloads.group import Group, GroupKey, WorkloadObject
from reconciler.workloads.object_references import object_references

Providers = Mapping[NamespacedName, list[tuple[Group, WorkloadObject]]]
"""The members without pods that provide a name, each with its group."""


def missing_reference_warnings(
    groups: Collection[Group], clusters_of: Mapping[GroupKey, frozenset[str]]
) -> tuple[str, ...]:
    """Return a warning for each object that requires an object of another group on a cluster that lacks it.

    `clusters_of` has the clusters of each group that is placed.
    """
    providers = _providers(groups)
    if not providers:
        return ()
    warnings = []
    for group in groups:
        own: set[NamespacedName] = set()
        for item in group.objects:
            own.update(provided_names(item))
        for item in group.objects:
            names = {(item.key.namespace, kind, name) for kind, name in item.references}
            for name in sorted((names & providers.keys()) - own):
                warning = _warning(group, item, name, providers, clusters_of)
                if warning:
                    warnings.append(warning)
    return tuple(warnings)


def _providers(groups: Iterable[Group]) -> Providers:
    providers: dict[NamespacedName, list[tuple[Group, WorkloadObject]]] = defaultdict(
        list
    )
    for group in groups:
        for item in group.members:
            # Objects with pods are no targets of references; companions follow their users anyway.
            if item.demand is None:
                for name in provided_names(item):
                    providers[name].append((group, item))
    return providers


def _warning(
    group: Group,
    item: WorkloadObject,
    name: NamespacedName,
    providers: Providers,
    clusters_of: Mapping[GroupKey, frozenset[str]],
) -> str:
    """Return the warning; empty where each cluster of `group` has the object, or the pods start without it."""
    provided_on: set[str] = set()
    for holder, _ in providers[name]:
        provided_on |= clusters_of.get(holder.key, frozenset())
    lacking = clusters_of.get(group.key, frozenset()) - provided_on
    reference = _required_reference(item, name)
    if not lacking or reference is None:
        return ""
    holder, target = providers[name][0]
    where = (
        f"is on {', '.join(sorted(provided_on))}" if provided_on else "is not placed"
    )
    return (
        f"{item.place}: {item.key} is on {', '.join(sorted(lacking))}, and {target.key}, to which it refers in "
        f"{dotted(reference.path)}, {where} by policy {holder.policy.name}: let policy {group.policy.name} select "
        "that too, or let no policy select it, and it follows as a companion"
    )


def _required_reference(
    item: WorkloadObject, target: NamespacedName
) -> Reference | None:
    _, kind, name = target
    for reference in object_references(item.body):
        if (reference.kind, reference.name) == (kind, name) and not reference.optional:
            return reference
    return None
