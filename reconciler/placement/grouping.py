"""Sorts objects into groups: members by policy and `groupBy`, companions by reference (DESIGN section 2).

A companion makes no pods and follows whoever refers to it, unless a policy other than theirs, or a `groupBy` label,
claims it. One that several groups refer to belongs to each; rendering keeps one copy a cluster. An object that neither
a policy nor a reference claims is not placed, and is reported.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reconciler.errors import InvalidObject
from reconciler.placement.group import Group, Source, WorkloadObject
from reconciler.placement.model import GroupKey
from reconciler.placement.workloads import Workloads
from reconciler.policy.groups import as_dns_label, group_name, pinned_cluster
from reconciler.policy.matching import PolicyIndex
from reconciler.policy.model import SchedulePolicy, unsupported

SHARED = "shared"
"""The folder of companions that several groups of a namespace refer to: no group can have this name."""

_Name = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Grouping:
    """`groups` in queue order; `unplaced` are the objects that nobody claims."""

    groups: tuple[Group, ...]
    unplaced: tuple[WorkloadObject, ...]


def group_objects(workloads: Workloads, policies: Sequence[SchedulePolicy], sources: Mapping[str, Source]) -> Grouping:
    """Sort objects into groups.

    `sources` gives for each path the commit that changed it last. Queue order: higher priority first, then the older
    commit, then the name.
    """
    policy_of = _policies(workloads, policies)
    objects = {_name(o): o for o in workloads.objects}
    followers = _followers(objects, policy_of)
    claimed: dict[GroupKey, list[WorkloadObject]] = defaultdict(list)
    unplaced: list[WorkloadObject] = []
    for name, item in objects.items():
        policy = policy_of.get(name)
        if name in followers:
            continue
        if policy is None:
            unplaced.append(item)
        else:
            claimed[_group_key(item, policy)].append(item)
    groups = [_group(key, members, objects, followers, policy_of, sources) for key, members in claimed.items()]
    groups.sort(key=lambda g: (-g.policy.priority, g.source.order, g.key))
    return Grouping(tuple(groups), tuple(unplaced))


def _name(item: WorkloadObject) -> _Name:
    return (item.key.namespace, item.key.kind, item.key.name)


def _policies(workloads: Workloads, policies: Sequence[SchedulePolicy]) -> dict[_Name, SchedulePolicy]:
    """Return the policy that each object falls under; objects without one are left out."""
    found = {}
    index = PolicyIndex(policies)
    for item in workloads.objects:
        namespace = workloads.namespaces.get(item.key.namespace)
        matched = index.match(item.key, item.labels, namespace.labels if namespace else None)
        if matched is not None:
            found[_name(item)] = matched.policy
    return found


def _followers(objects: Mapping[_Name, WorkloadObject], policy_of: Mapping[_Name, SchedulePolicy]) -> set[_Name]:
    """Return the objects that follow by reference instead of being members of a group of their own."""
    followers = set()
    for item in objects.values():
        for kind, name in item.references:
            target = (item.key.namespace, kind, name)
            referred = objects.get(target)
            if referred is None or referred.demand is not None:
                continue
            own = policy_of.get(target)
            by_label = own is not None and own.group_by and own.group_by in referred.labels
            if own is None or (own is policy_of.get(_name(item)) and not by_label):
                followers.add(target)
    return followers


def _group_key(item: WorkloadObject, policy: SchedulePolicy) -> GroupKey:
    try:
        name = group_name(policy, item.key, item.labels)
    except InvalidObject:
        name = as_dns_label(f"{item.key.kind.lower()}-{item.key.name}")
    return GroupKey(item.key.namespace, name)


def _group(
    key: GroupKey,
    members: Sequence[WorkloadObject],
    objects: Mapping[_Name, WorkloadObject],
    followers: set[_Name],
    policy_of: Mapping[_Name, SchedulePolicy],
    sources: Mapping[str, Source],
) -> Group:
    policy = min((policy_of[_name(m)] for m in members), key=lambda p: (-p.priority, p.name))
    referred = sorted({(m.key.namespace, kind, name) for m in members for kind, name in m.references})
    companions = [objects[name] for name in referred if name in followers]
    everything = (*members, *companions)
    source = max((sources.get(o.place.file, Source("")) for o in everything), key=lambda s: s.order)
    pin, problem = "", _problem(key, everything, policy)
    names = sorted({policy_of[_name(m)].name for m in members})
    if len(names) > 1:
        problem = problem or f"its objects fall under policies {' and '.join(names)}: let one policy select all of them"
    try:
        for item in members:
            group_name(policy, item.key, item.labels, item.place)
        pin = pinned_cluster((m.annotations for m in members), members[0].place) or ""
    except InvalidObject as error:
        problem = problem or str(error)
    return Group(key, policy, tuple(members), tuple(companions), source, pin, problem)


def _problem(key: GroupKey, objects: Iterable[WorkloadObject], policy: SchedulePolicy) -> str:
    """Return the first reason why the group cannot be placed as it is; empty when it can."""
    for item in objects:
        if item.problem:
            return item.problem
    if key.name == SHARED:
        return (
            f"a group cannot be called {SHARED!r}, which is the folder of shared companions: choose another label value"
        )
    missing = unsupported(policy)
    if missing:
        return f"policy {policy.name} uses {', '.join(missing)}, which this version does not carry out"
    return ""
