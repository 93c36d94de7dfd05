"""Sorts objects into groups: members by policy and `groupBy`, companions by reference.

A companion makes no pods and follows the objects that refer to it (`workloads.companions`), unless a policy of its own,
or a `groupBy` label, selects it. A companion of several groups belongs to each; rendering keeps one copy a cluster.
An object that neither a policy nor a reference selects is not placed, and is reported. An object that two groups claim
with equal right is a problem of both groups, so that neither is placed without it.
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
from reconciler.reasons.limits import PartBeyondLimit
from reconciler.reasons.reason import Reason
from reconciler.reasons.transitions import PartUnreadable
from reconciler.workloads.companions import Companions, unresolved_warnings
from reconciler.workloads.group import (
    BrokenFile,
    Group,
    GroupKey,
    Source,
    WorkloadObject,
)
from reconciler.workloads.queue import queue_key
from reconciler.workloads.workloads import Workloads

SHARED = "shared"
"""The folder of companions that several groups of a namespace refer to: no group can have this name."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """`groups` in queue order; `unplaced` are the objects that neither a policy nor a reference selects.

    `unread` has, for each group that an unreadable file may hold a part of, the reason; such a group waits instead of
    being placed without that part. `warnings` are about references that no object satisfies.
    """

    groups: tuple[Group, ...]
    unplaced: tuple[WorkloadObject, ...]
    unread: Mapping[GroupKey, Reason] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _MatchedPolicies:
    """The policy of each selected object, and the `rival` that puts it into another group with equal right."""

    of: Mapping[ObjectKey, SchedulePolicy]
    rival: Mapping[ObjectKey, SchedulePolicy]


def group_objects(
    workloads: Workloads,
    policies: Sequence[SchedulePolicy],
    sources: Mapping[str, Source],
    classes: PriorityClasses = WELL_KNOWN,
) -> Grouping:
    """Sort objects into groups, in the order of `workloads.queue`.

    `sources` has for each path the commit that changed it last; `classes` the values of PriorityClasses.
    """
    objects = workloads.objects
    matched = _match_policies(workloads, policies)
    companions = Companions(objects, matched.of)
    members, unplaced = _members(objects, matched.of, companions)
    groups = _groups(members, companions, matched, sources, objects)
    groups.sort(key=lambda group: queue_key(group, classes))

    grouped: dict[ObjectKey, WorkloadObject] = {}
    for group in groups:
        for item in group.objects:
            grouped[item.key] = item
    broken: dict[str, BrokenFile] = {}
    for file in workloads.broken:
        # The first unreadable file of a namespace is enough to name.
        broken.setdefault(file.namespace, file)
    warnings = unresolved_warnings(grouped.values(), companions, broken)
    selects_by_labels = any(map(_selects_by_namespace_labels, policies))
    unread = _unread(
        groups,
        workloads,
        companions,
        broken,
        selects_by_namespace_labels=selects_by_labels,
    )
    return Grouping(tuple(groups), tuple(unplaced), unread, warnings)


def _groups(
    members: Mapping[GroupKey, Sequence[WorkloadObject]],
    companions: Companions,
    matched: _MatchedPolicies,
    sources: Mapping[str, Source],
    objects: Iterable[WorkloadObject],
) -> list[Group]:
    """Return the groups of `members`, each with the first problem that it has; `objects` are those of all groups."""
    conflicts = _policy_conflicts(objects, matched)
    groups = []
    for key, group_members in members.items():
        group = _group(key, group_members, companions, matched.of, sources)
        problem = (
            group.problem
            or conflicts.get(key, "")
            or _companion_conflict(group, companions, matched.of)
        )
        if problem:
            group = replace(group, problem=problem)
        groups.append(group)
    return groups


def _match_policies(
    workloads: Workloads,
    policies: Sequence[SchedulePolicy],
) -> _MatchedPolicies:
    """Return the policy that applies to each object; objects that no policy selects are left out."""
    policy_of: dict[ObjectKey, SchedulePolicy] = {}
    rival_of: dict[ObjectKey, SchedulePolicy] = {}
    index = PolicyIndex(policies)
    by_name = {policy.name: policy for policy in policies}
    for item in workloads.objects:
        namespace = workloads.namespaces.get(item.key.namespace)
        # None: the Namespace is not in the repo, or cannot be read.
        namespace_labels = namespace.labels if namespace else None
        match = index.match(item.key, item.labels, namespace_labels)
        if match is None:
            continue
        policy_of[item.key] = match.policy
        outranked = [by_name[name] for name in match.outranked]
        rival = _rival(item, match.policy, outranked)
        if rival is not None:
            rival_of[item.key] = rival
    return _MatchedPolicies(policy_of, rival_of)


def _rival(
    item: WorkloadObject,
    policy: SchedulePolicy,
    outranked: Iterable[SchedulePolicy],
) -> SchedulePolicy | None:
    """Return the policy of equal priority that puts `item` into another group by a label; None when there is none."""
    own_label = _group_label(item, policy)
    for other in outranked:
        if other.priority != policy.priority:
            # The rest are lower still, and a higher priority decides.
            return None
        other_label = _group_label(item, other)
        if own_label and other_label and own_label != other_label:
            return other
    return None


def _group_label(item: WorkloadObject, policy: SchedulePolicy) -> str:
    """Return the label value by which `policy` groups the object; empty when it has none."""
    return item.labels.get(policy.group_by, "") if policy.group_by else ""


def _members(
    objects: Iterable[WorkloadObject],
    policy_of: Mapping[ObjectKey, SchedulePolicy],
    companions: Companions,
) -> tuple[dict[GroupKey, list[WorkloadObject]], list[WorkloadObject]]:
    """Return the members of each group, and the objects that are neither members nor companions."""
    members: dict[GroupKey, list[WorkloadObject]] = defaultdict(list)
    unplaced: list[WorkloadObject] = []
    for item in objects:
        if item.key in companions.keys:
            # It goes with the groups that refer to it.
            continue
        policy = policy_of.get(item.key)
        if policy is None:
            unplaced.append(item)
        else:
            members[_group_key(item, policy)].append(item)
    return members, unplaced


def _policy_conflicts(
    objects: Iterable[WorkloadObject],
    matched: _MatchedPolicies,
) -> dict[GroupKey, str]:
    """Return a problem for both groups into which two policies of equal priority put one object."""
    conflicts: dict[GroupKey, str] = {}
    for item in objects:
        rival = matched.rival.get(item.key)
        if rival is None:
            continue
        keys = []
        claims = []
        for policy in (matched.of[item.key], rival):
            key = _group_key(item, policy)
            keys.append(key)
            claims.append(
                f"group {key} (label {policy.group_by}, policy {policy.name})"
            )
        problem = (
            f"{item.place}: {item.key} is claimed by {' and '.join(claims)}: raise the priority of one policy, or drop "
            "one label"
        )
        for key in keys:
            conflicts.setdefault(key, problem)
    return conflicts


def _companion_conflict(
    group: Group,
    companions: Companions,
    policy_of: Mapping[ObjectKey, SchedulePolicy],
) -> str:
    """Return a problem if `group` refers to an object that the label of another group claims; empty otherwise."""
    own = {item.key for item in group.members}
    for user in group.objects:
        for item in companions.referenced_by(user):
            if policy_of.get(item.key) is not group.policy:
                # An object under another policy goes where that policy says, and is no companion of this group.
                continue
            if item.key in own or not companions.has_group_label(item):
                continue
            holder = _group_key(item, group.policy)
            referrer = f"{user.key.kind} {user.key.name}"
            return (
                f"{item.place}: {item.key} is claimed by group {holder}, through its label {group.policy.group_by}, "
                f"and by group {group.key}, whose {referrer} refers to it: drop the label, and it goes with both"
            )
    return ""


def _group_key(item: WorkloadObject, policy: SchedulePolicy) -> GroupKey:
    try:
        name = group_name(policy, item.key, item.labels)
    except InvalidObject:
        # The label value cannot be a name: the group is formed under a safe one, and `_group` gives it the problem.
        name = as_dns_label(f"{item.key.kind.lower()}-{item.key.name}")
    return GroupKey(item.key.namespace, name)


def _group(
    key: GroupKey,
    members: Sequence[WorkloadObject],
    companions: Companions,
    policy_of: Mapping[ObjectKey, SchedulePolicy],
    sources: Mapping[str, Source],
) -> Group:
    policies = [policy_of[item.key] for item in members]
    # Members under several policies are a problem, which the group that is formed of them has.
    policy = min(policies, key=lambda each: (-each.priority, each.name))
    following = companions.of(members)
    objects = (*members, *following)
    pin = ""
    problem = _problem(key, objects, policy) or _mixed_policies(policies)
    try:
        pin = _pin(members, policy)
    except InvalidObject as error:
        # What is wrong with an object comes first: the user corrects the manifest before its labels.
        problem = problem or str(error)
    source = _youngest(objects, sources)
    return Group(key, policy, tuple(members), following, source, pin, problem)


def _pin(members: Sequence[WorkloadObject], policy: SchedulePolicy) -> str:
    """Return the cluster that annotations pin the group to; empty when none does.

    Raises `InvalidObject` for pins that contradict each other, and for a label value that cannot be a group's name.
    """
    for item in members:
        group_name(policy, item.key, item.labels, item.place)
    annotations = [item.annotations for item in members]
    return pinned_cluster(annotations, members[0].place) or ""


def _youngest(
    objects: Iterable[WorkloadObject],
    sources: Mapping[str, Source],
) -> Source:
    """Return the youngest commit that touched the objects: it decides the group's age in the queue."""
    commits = []
    for item in objects:
        commit = sources.get(item.place.file, Source(""))
        commits.append(commit)
    return max(commits, key=lambda commit: commit.order)


def _problem(
    key: GroupKey,
    objects: Iterable[WorkloadObject],
    policy: SchedulePolicy,
) -> str:
    """Return the first reason why the group cannot be placed as it is; empty when it can."""
    for item in objects:
        if item.problem:
            return item.problem
    if key.name == SHARED:
        return (
            f"a group cannot be called {SHARED!r}, which is the folder of shared companions: "
            "choose another label value"
        )
    missing = unsupported(policy)
    if missing:
        return f"policy {policy.name} uses {', '.join(missing)}, which this version does not carry out"
    return ""


def _mixed_policies(policies: Iterable[SchedulePolicy]) -> str:
    """Return a problem if the members of a group fall under several policies; empty otherwise."""
    names = sorted({policy.name for policy in policies})
    if len(names) == 1:
        return ""
    return f"its objects fall under policies {' and '.join(names)}: let one policy select all of them"


def _selects_by_namespace_labels(policy: SchedulePolicy) -> bool:
    """Tell whether what `policy` selects depends on labels of a Namespace other than its name."""
    requirements = policy.namespace_selector.requirements
    return any(requirement.key != NAME_LABEL for requirement in requirements)


def _unread(
    groups: Iterable[Group],
    workloads: Workloads,
    companions: Companions,
    files: Mapping[str, BrokenFile],
    *,
    selects_by_namespace_labels: bool,
) -> dict[GroupKey, Reason]:
    """Return the groups of which an unreadable file may hold a part, each with the reason.

    `files` has the first such file of each namespace.
    """
    reasons: dict[GroupKey, Reason] = {}
    if not files:
        return reasons
    for group in groups:
        file = files.get(group.key.namespace)
        if file is None:
            # All files of its namespace can be read.
            continue
        namespace_known = group.key.namespace in workloads.namespaces
        part = _possible_part(group, companions)
        # With its Namespace, another policy could select the group.
        if not part and selects_by_namespace_labels and not namespace_known:
            part = "its Namespace, by whose labels policies select,"
        if part and file.beyond is not None:
            reasons[group.key] = PartBeyondLimit(part, file.problem)
        elif part:
            reasons[group.key] = PartUnreadable(part, file.path, file.problem)
    return reasons


def _possible_part(group: Group, companions: Companions) -> str:
    """Return the part of the group that an unreadable file of its namespace may hold; empty when it is complete."""
    for item in group.objects:
        for reference in companions.unresolved_required(item):
            return f"{reference.kind} {reference.name}"
    for item in group.members:
        if _group_label(item, group.policy):
            # Any number of objects can carry the label.
            return "another object of the group"
    return ""
