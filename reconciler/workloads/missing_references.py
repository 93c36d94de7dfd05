"""What a group refers to, and does not get: an object with a policy of its own that stands on other clusters.

The one idea: an object that another policy selects goes where that one says (DESIGN section 2), and nobody else notices
when that is not where its user runs; so after a plan the places of both are compared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from reconciler.manifests.fields import dotted
from reconciler.ray.references import SECRET, Reference
from reconciler.workloads.companions import made_secret, needs
from reconciler.workloads.group import Group, GroupKey, WorkloadObject

_Name = tuple[str, str, str]
"""Namespace, kind and name that a reference leads to."""


def apart_warnings(groups: Iterable[Group], places: Mapping[GroupKey, frozenset[str]]) -> tuple[str, ...]:
    """Return a warning for each object of a placed group that refers to one of another group, not placed beside it.

    `places` are the clusters of the groups that have a place.
    """
    groups = tuple(groups)
    apart: dict[_Name, list[tuple[Group, WorkloadObject]]] = defaultdict(list)
    for group in groups:
        for item in group.members:
            if item.demand is None:
                for name in _brings(item):
                    apart[name].append((group, item))
    if not apart:
        return ()
    found = []
    for group in groups:
        own = {name for item in group.objects for name in _brings(item)}
        for item in group.objects:
            names = {(item.key.namespace, kind, name) for kind, name in item.references} & apart.keys()
            found += [_warning(group, item, name, apart[name], places) for name in sorted(names - own)]
    return tuple(line for line in found if line)


def _brings(item: WorkloadObject) -> list[_Name]:
    """Return what an object satisfies references to."""
    secret = made_secret(item.key, item.body)
    named = (item.key.namespace, item.key.kind, item.key.name)
    return [named, (item.key.namespace, SECRET, secret)] if secret else [named]


def _warning(
    group: Group,
    item: WorkloadObject,
    name: _Name,
    holders: Iterable[tuple[Group, WorkloadObject]],
    places: Mapping[GroupKey, frozenset[str]],
) -> str:
    """Return the warning; empty where the object stands on every cluster of `group`, or the pods do without it."""
    have = frozenset[str]().union(*(places.get(holder.key, frozenset()) for holder, _ in holders))
    lack = places.get(group.key, frozenset()) - have
    reference = _required(item, name)
    if not lack or reference is None:
        return ""
    holder, there = next(iter(holders))
    stands = f"is on {', '.join(sorted(have))}" if have else "has no place"
    return (
        f"{item.place}: {item.key} is on {', '.join(sorted(lack))}, and {there.key}, to which it refers in "
        f"{dotted(reference.path)}, {stands} by policy {holder.policy.name}: let policy {group.policy.name} select "
        "that too, or leave it to no policy, and it follows"
    )


def _required(item: WorkloadObject, name: _Name) -> Reference | None:
    return next((r for r in needs(item.body) if (r.kind, r.name) == name[1:] and not r.optional), None)
