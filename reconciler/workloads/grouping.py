"""Sorts objects into groups: members by policy and `groupBy`, companions by reference (DESIGN section 2).

A companion makes no pods and follows whoever refers to it (`workloads.companions`), unless a policy other than theirs,
or a `groupBy` label, claims it. One that several groups refer to belongs to each; rendering keeps one copy a cluster.
An object that neither a policy nor a reference claims is not placed, and is reported; one that two groups claim with
equal right keeps both from being placed by halves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reconciler.errors import InvalidObject
from reconciler.manifests.identity import ObjectKey
from reconciler.policy.groups import as_dns_label, group_name, pinned_cluster
from reconciler.policy.matching import PolicyIndex
from reconciler.policy.model import NAME_LABEL, SchedulePolicy, unsupported
from reconciler.policy.priority_class import WELL_KNOWN, PriorityClasses
from reconciler.workloads.companions import Companions, missing_warnings
from reconciler.workloads.files import Workloads
from reconciler.workloads.group import BrokenFile, Group, GroupKey, Source, WorkloadObject
from reconciler.workloads.queue import turn

SHARED = "shared"
"""The folder of companions that several groups of a namespace refer to: no group can have this name."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """`groups` in queue order; `unplaced` are the objects that nobody claims.

    `unread` tells of groups why a file that cannot be read may hold a part of them, so that nothing new is placed by
    halves. `warnings` are about what groups refer to and nobody has.
    """

    groups: tuple[Group, ...]
    unplaced: tuple[WorkloadObject, ...]
    unread: Mapping[GroupKey, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Policies:
    """The policy that each object falls under, and the rivals that claim it for another group with equal right."""

    of: Mapping[ObjectKey, SchedulePolicy]
    rivals: Mapping[ObjectKey, SchedulePolicy]


def group_objects(
    workloads: Workloads,
    policies: Sequence[SchedulePolicy],
    sources: Mapping[str, Source],
    classes: PriorityClasses = WELL_KNOWN,
) -> Grouping:
    """Sort objects into groups, in the order of `workloads.queue`.

    `sources` gives for each path the commit that changed it last; `classes` what priority classes are worth.
    """
    matched = _policies(workloads, policies)
    companions = Companions(workloads.objects, matched.of)
    claimed: dict[GroupKey, list[WorkloadObject]] = defaultdict(list)
    unplaced: list[WorkloadObject] = []
    for item in workloads.objects:
        if item.key in companions.followers:
            continue
        policy = matched.of.get(item.key)
        if policy is None:
            unplaced.append(item)
        else:
            claimed[_group_key(item, policy)].append(item)
    disputes = _disputes(workloads.objects, matched)
    groups = [_group(key, members, companions, matched.of, sources) for key, members in claimed.items()]
    groups = [_disputed(group, companions, matched.of, disputes.get(group.key, "")) for group in groups]
    groups.sort(key=lambda group: turn(group, classes))
    everything = {item.key: item for group in groups for item in group.objects}
    broken = {file.namespace: file for file in reversed(workloads.broken)}
    warnings = missing_warnings(everything.values(), companions, broken)
    by_namespace = any(map(_by_namespace, policies))
    unread = _unread(groups, workloads, companions, broken, selected_by_namespace=by_namespace)
    return Grouping(tuple(groups), tuple(unplaced), unread, warnings)


def _policies(workloads: Workloads, policies: Sequence[SchedulePolicy]) -> _Policies:
    """Return the policy that each object falls under; objects without one are left out."""
    found: dict[ObjectKey, SchedulePolicy] = {}
    rivals: dict[ObjectKey, SchedulePolicy] = {}
    index = PolicyIndex(policies)
    by_name = {policy.name: policy for policy in policies}
    for item in workloads.objects:
        namespace = workloads.namespaces.get(item.key.namespace)
        matched = index.match(item.key, item.labels, namespace.labels if namespace else None)
        if matched is None:
            continue
        own = found[item.key] = matched.policy
        for other in map(by_name.__getitem__, matched.also):
            if other.priority != own.priority:
                break
            if _label(item, own) and _label(item, other) and _label(item, own) != _label(item, other):
                rivals[item.key] = other
                break
    return _Policies(found, rivals)


def _label(item: WorkloadObject, policy: SchedulePolicy) -> str:
    """Return the label value by which `policy` groups the object; empty when it has none."""
    return item.labels.get(policy.group_by, "") if policy.group_by else ""


def _disputes(objects: Iterable[WorkloadObject], matched: _Policies) -> dict[GroupKey, str]:
    """Return a problem for both groups that claim one object."""
    found: dict[GroupKey, str] = {}
    for item in objects:
        other = matched.rivals.get(item.key)
        if other is None:
            continue
        claims = [(_group_key(item, policy), policy) for policy in (matched.of[item.key], other)]
        said = " and ".join(f"group {key} (label {p.group_by}, policy {p.name})" for key, p in claims)
        problem = f"{item.place}: {item.key} is claimed by {said}: raise the priority of one policy, or drop one label"
        for key, _ in claims:
            found.setdefault(key, problem)
    return found


def _disputed(
    group: Group, companions: Companions, policy_of: Mapping[ObjectKey, SchedulePolicy], dispute: str
) -> Group:
    """Return `group` with a problem, if it claims an object that another group claims too."""
    if group.problem or dispute:
        return replace(group, problem=group.problem or dispute)
    own = {item.key for item in group.members}
    for user in group.objects:
        for item in companions.named(user):
            if item.key in own or policy_of.get(item.key) is not group.policy or not companions.claimed_by_label(item):
                continue
            holder = _group_key(item, group.policy)
            label, referrer = group.policy.group_by, f"{user.key.kind} {user.key.name}"
            problem = (
                f"{item.place}: {item.key} is claimed by group {holder}, through its label {label}, and by group "
                f"{group.key}, whose {referrer} refers to it: drop the label, and it goes with both"
            )
            return replace(group, problem=problem)
    return group


def _group_key(item: WorkloadObject, policy: SchedulePolicy) -> GroupKey:
    try:
        name = group_name(policy, item.key, item.labels)
    except InvalidObject:
        name = as_dns_label(f"{item.key.kind.lower()}-{item.key.name}")
    return GroupKey(item.key.namespace, name)


def _group(
    key: GroupKey,
    members: Sequence[WorkloadObject],
    companions: Companions,
    policy_of: Mapping[ObjectKey, SchedulePolicy],
    sources: Mapping[str, Source],
) -> Group:
    policy = min((policy_of[m.key] for m in members), key=lambda p: (-p.priority, p.name))
    following = companions.of(members)
    everything = (*members, *following)
    source = max((sources.get(o.place.file, Source("")) for o in everything), key=lambda s: s.order)
    pin, problem = "", _problem(key, everything, policy)
    names = sorted({policy_of[m.key].name for m in members})
    if len(names) > 1:
        problem = problem or f"its objects fall under policies {' and '.join(names)}: let one policy select all of them"
    try:
        for item in members:
            group_name(policy, item.key, item.labels, item.place)
        pin = pinned_cluster((m.annotations for m in members), members[0].place) or ""
    except InvalidObject as error:
        problem = problem or str(error)
    return Group(key, policy, tuple(members), following, source, pin, problem)


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


def _by_namespace(policy: SchedulePolicy) -> bool:
    """Tell whether it depends on the labels of a namespace, other than its name, what `policy` selects."""
    return any(requirement.key != NAME_LABEL for requirement in policy.namespace_selector.requirements)


def _unread(
    groups: Iterable[Group],
    workloads: Workloads,
    companions: Companions,
    files: Mapping[str, BrokenFile],
    *,
    selected_by_namespace: bool,
) -> dict[GroupKey, str]:
    """Return the groups of which a file that cannot be read may hold a part, with what may be in it.

    `files` has the first of these of each namespace.
    """
    found = {}
    for group in groups if files else ():
        file = files.get(group.key.namespace)
        if file is None:
            continue
        absent = (need for item in group.objects for need in companions.missing(item))
        wanted = next((f"{need.kind} {need.name}" for need in absent), "")
        if not wanted and any(_label(item, group.policy) for item in group.members):
            wanted = "another object of the group"
        if selected_by_namespace and group.key.namespace not in workloads.namespaces:
            wanted = wanted or "its Namespace, by whose labels policies select,"
        if wanted:
            found[group.key] = (
                f"{wanted} may be in {file.path}, which cannot be read: repair that file ({file.problem})"
            )
    return found
