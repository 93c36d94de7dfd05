"""`skyray policy test`: what a file of policies would do to a repo if it were committed. Nothing is written.

It plans twice on the same capacity and clock, without the file and with it, so that every difference between the two
plans comes from the file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.errors import InvalidObject, Place
from reconciler.fleet.snapshot import FleetSnapshot
from reconciler.manifests.emitter import emit
from reconciler.manifests.identity import ObjectKey
from reconciler.manifests.loader import load
from reconciler.placement.decision import Decision
from reconciler.placement.model import Action
from reconciler.planning.files import Files
from reconciler.planning.pipeline import preview
from reconciler.planning.plan import Plan
from reconciler.planning.rules import SUFFIXES, is_policy
from reconciler.planning.state import POLICIES, RepoState
from reconciler.policy.dialects import read_policies
from reconciler.policy.eligibility import ClusterFacts, Eligibility, eligible
from reconciler.policy.matching import PolicyIndex
from reconciler.policy.model import SchedulePolicy
from reconciler.workloads.group import GroupKey

_UNPLACED = frozenset({Action.WAIT, Action.REJECT})

_AS_IS = b"\0"
"""In place of a file that a plan does not write; no rendered file has a zero byte."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What a policy of the file selects.

    `replaces` is where the repo defines it now, if it does. `groups` are those that it would apply to. `outranked` are
    the objects that it selects while another policy has precedence, with that policy's name.
    """

    policy: SchedulePolicy
    replaces: Place | None
    eligibility: Eligibility
    groups: tuple[GroupKey, ...]
    outranked: tuple[tuple[ObjectKey, str], ...]


@dataclass(frozen=True, slots=True)
class Change:
    """A group with another decision; `before` or `after` is None where there is no such group."""

    group: GroupKey
    before: Decision | None
    after: Decision | None


@dataclass(frozen=True, slots=True)
class Trial:
    """The result of a trial.

    `files` maps each file that the two plans write differently to `add`, `modify`, `delete` or `keep`; it also shows
    changes in a group that stays on its cluster. `unplaced` are decisions to wait, or to reject, on groups under the
    policies.
    """

    policies: tuple[Tried, ...]
    changes: tuple[Change, ...]
    files: Mapping[str, str]
    unplaced: tuple[Decision, ...]
    warnings: tuple[str, ...]


def policies_in(path: str, data: bytes) -> tuple[SchedulePolicy, ...]:
    """Return the policies in a file. Raises `InputError` where it cannot be read, or has none."""
    if not path.endswith(SUFFIXES):
        patterns = " or ".join(f"*{suffix}" for suffix in SUFFIXES)
        raise InvalidObject(f"is not read as a policy: call it {patterns}", Place(path))
    documents = load(data, path).documents
    found = read_policies(each for each in documents if is_policy(each))
    if not found:
        raise InvalidObject("has no SchedulePolicy", Place(path))
    return found


def with_file(
    files: Files,
    path: str,
    data: bytes,
    replaced: Iterable[str] = (),
) -> Files:
    """Return `files` with the file `path` of `policies/` added; the policies `replaced` are taken out of all others.

    Raises `InputError` for a file of `policies/` that cannot be read.
    """
    names = frozenset(replaced)
    contents = dict(files.contents)
    for other in files.below(POLICIES) if names else ():
        if other == path or not other.endswith(SUFFIXES):
            continue
        documents = load(contents[other], other).documents
        kept = []
        for document in documents:
            is_replaced = is_policy(document) and _name(document.body) in names
            if not is_replaced:
                kept.append(document.body)
        if len(kept) < len(documents):
            contents[other] = b"---\n".join(map(emit, kept))
    contents[path] = data
    unusable = dict(files.unusable)
    unusable.pop(path, None)
    return Files(contents, unusable)


def _name(body: Mapping[str, object]) -> object:
    metadata = body.get("metadata")
    return metadata.get("name") if isinstance(metadata, Mapping) else None


def attempt(
    before: RepoState,
    after: RepoState,
    policies: Iterable[SchedulePolicy],
    snapshot: FleetSnapshot,
    now: float,
) -> Trial:
    """Compare the plans without `policies` and with them. `now` is in unix seconds."""
    names = {policy.name for policy in policies}
    planned = preview(after, snapshot, now, all_groups=True)
    first = preview(before, snapshot, now, all_groups=True)
    unplaced = []
    for decision in planned.decisions:
        if decision.policy in names and decision.action in _UNPLACED:
            unplaced.append(decision)
    return Trial(
        policies=_tried(before, after, names),
        changes=_changes(first, planned),
        files=_files(first, planned),
        unplaced=tuple(unplaced),
        warnings=tuple(line for line in planned.warnings if line not in first.warnings),
    )


def _tried(
    before: RepoState,
    after: RepoState,
    names: set[str],
) -> tuple[Tried, ...]:
    """Return what each of the policies `names` selects."""
    place_before = {policy.name: policy.place for policy in before.policies}
    outranked = _outranked(after, names)
    facts = []
    for cluster in after.clusters:
        facts.append(
            ClusterFacts(cluster.name, cluster.labels, cluster.taints, cluster.cordoned)
        )
    keys_of: dict[str, list[GroupKey]] = defaultdict(list)
    for group in after.grouping.groups:
        keys_of[group.policy.name].append(group.key)

    tried = []
    for policy in after.policies:
        name = policy.name
        if name not in names:
            continue
        one = Tried(
            policy,
            replaces=place_before.get(name),
            eligibility=eligible(policy, facts),
            groups=tuple(sorted(keys_of[name])),
            outranked=tuple(outranked.get(name, ())),
        )
        tried.append(one)
    return tuple(tried)


def _changes(before: Plan, after: Plan) -> tuple[Change, ...]:
    old = {decision.group: decision for decision in before.decisions}
    new = {decision.group: decision for decision in after.decisions}
    changes = []
    for group in sorted({*old, *new}):
        change = Change(group, old.get(group), new.get(group))
        if _differs(change):
            changes.append(change)
    return tuple(changes)


def _files(before: Plan, after: Plan) -> dict[str, str]:
    """Return the files that only one of the plans writes, or that they write with other contents."""
    old = _contents(before)
    new = _contents(after)
    actions = {}
    for path in sorted({*old, *new}):
        if old.get(path, _AS_IS) != new.get(path, _AS_IS):
            # A file that only the first plan writes stays as it is.
            actions[path] = after.changes.get(path, "keep")
    return actions


def _contents(plan: Plan) -> dict[str, bytes | None]:
    """Return what a plan writes, by path; None for a file that it deletes."""
    contents: dict[str, bytes | None] = {}
    for draft in plan.drafts:
        contents.update(draft.changes)
    return contents


def _differs(change: Change) -> bool:
    """Tell whether the decisions of a change differ in more than their words."""
    before, after = change.before, change.after
    if before is None or after is None:
        return before is not after
    return _outcome(before) != _outcome(after)


def _outcome(decision: Decision) -> tuple[object, ...]:
    shares = tuple((copy.cluster, copy.share) for copy in decision.copies)
    return (
        decision.group,
        decision.action,
        decision.phase,
        decision.policy,
        shares,
        decision.reason,
    )


def _outranked(
    state: RepoState,
    names: set[str],
) -> dict[str, list[tuple[ObjectKey, str]]]:
    """Return for each policy of `names` the objects that it selects, but that another policy has."""
    found: dict[str, list[tuple[ObjectKey, str]]] = {}
    index = PolicyIndex(state.policies)
    for item in state.workloads.objects:
        namespace = state.workloads.namespaces.get(item.key.namespace)
        namespace_labels = namespace.labels if namespace else None
        match = index.match(item.key, item.labels, namespace_labels)
        if match is None:
            continue
        for name in names.intersection(match.outranked):
            outranked_by = (item.key, match.policy.name)
            found.setdefault(name, []).append(outranked_by)
    return found
