"""Returns the policy that applies to a workload: of those that select it the highest priority, then the first by name.

Thousands of workloads meet hundreds of policies, so the policies are indexed once. In each namespace a policy is found
by a label value that it requires, and only the policies found are compared in full.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.manifests.identity import ObjectKey
from reconciler.manifests.selector import LabelSelector, Requirement
from reconciler.policy.model import NAME_LABEL, SchedulePolicy

_Label = tuple[str, str]
"""Key and value."""

_NamespaceKey = tuple[str, frozenset[_Label]]
"""Name and labels: all that a namespace selector looks at."""


@dataclass(frozen=True, slots=True)
class Match:
    """The policy that applies, and the names of the other policies that select the workload, best first."""

    policy: SchedulePolicy
    outranked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _NamespaceIndex:
    """The policies that select one namespace, as positions in `PolicyIndex.policies`.

    `by_label` has those that require a label of the workload, by key and value; `unindexed` must always be compared.
    """

    by_label: Mapping[_Label, tuple[int, ...]]
    unindexed: tuple[int, ...]


class PolicyIndex:
    """Policies in order of precedence, indexed for matching many workloads."""

    def __init__(self, policies: Iterable[SchedulePolicy]) -> None:
        best_first = sorted(policies, key=_precedence)
        self.policies = tuple(best_first)
        """Best first."""
        self._namespaces: dict[_NamespaceKey, _NamespaceIndex] = {}

    def match(
        self,
        key: ObjectKey,
        labels: Mapping[str, str],
        namespace_labels: Mapping[str, str] | None = None,
    ) -> Match | None:
        """Return the policy for an object, or None when no policy selects it.

        `namespace_labels` need not have `kubernetes.io/metadata.name`. Cluster-scoped objects (an empty
        `key.namespace`) are selected whatever `namespaceSelector` says, as in Nova.
        """
        index = self._index(key.namespace, namespace_labels or {})
        ranks = set(index.unindexed)
        for label in labels.items():
            requiring = index.by_label.get(label, ())
            ranks.update(requiring)
        # A position is a rank, so sorting puts the best policy first.
        selecting = []
        for rank in sorted(ranks):
            policy = self.policies[rank]
            # A required label is only one of the things that a policy may ask for.
            if _selects(policy, key, labels):
                selecting.append(policy)
        if not selecting:
            return None
        best, *others = selecting
        outranked = tuple(policy.name for policy in others)
        return Match(best, outranked)

    def _index(
        self,
        namespace: str,
        labels: Mapping[str, str],
    ) -> _NamespaceIndex:
        cache_key = (namespace, frozenset(labels.items()))
        if cache_key not in self._namespaces:
            # The name label is set last, so that a Namespace cannot pass for another by writing it itself.
            with_name = {**labels, NAME_LABEL: namespace}
            built = self._build(namespace, with_name)
            self._namespaces[cache_key] = built
        return self._namespaces[cache_key]

    def _build(
        self,
        namespace: str,
        labels: Mapping[str, str],
    ) -> _NamespaceIndex:
        by_label: dict[_Label, list[int]] = {}
        unindexed: list[int] = []
        for rank, policy in enumerate(self.policies):
            # Cluster-scoped objects have no namespace, so its selector does not apply.
            if namespace and not policy.namespace_selector.matches(labels):
                continue
            required = _required_labels(policy)
            if not required:
                unindexed.append(rank)
            for label in required:
                ranks = by_label.setdefault(label, [])
                ranks.append(rank)
        frozen = {label: tuple(ranks) for label, ranks in by_label.items()}
        return _NamespaceIndex(frozen, tuple(unindexed))


def _precedence(policy: SchedulePolicy) -> tuple[int, str]:
    return -policy.priority, policy.name


def _required_labels(policy: SchedulePolicy) -> tuple[_Label, ...]:
    """Return labels, as key and value, of which a selected workload has at least one; empty when it may have none."""
    labels: list[_Label] = []
    for selector in policy.workload_selectors:
        requirement = _first_in(selector)
        if requirement is None:
            # Selectors are alternatives: this one can select a workload without any of the labels.
            return ()
        for value in requirement.values:
            labels.append((requirement.key, value))
    return tuple(labels)


def _first_in(selector: LabelSelector) -> Requirement | None:
    # Only `In` names values that a workload must have; one such requirement is enough to find the policy by.
    for requirement in selector.requirements:
        if requirement.operator == "In":
            return requirement
    return None


def _selects(
    policy: SchedulePolicy,
    key: ObjectKey,
    labels: Mapping[str, str],
) -> bool:
    if policy.kinds and not _selects_kind(policy, key):
        return False
    # Selectors are alternatives; without any, every workload of the namespace is selected.
    selectors = policy.workload_selectors
    if not selectors:
        return True
    return any(selector.matches(labels) for selector in selectors)


def _selects_kind(policy: SchedulePolicy, key: ObjectKey) -> bool:
    return any(kind.matches(key.kind, key.group) for kind in policy.kinds)
