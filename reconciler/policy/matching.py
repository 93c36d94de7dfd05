"""Which policy a workload falls under: the one of highest priority that selects it, and among equals the first by name.

The one idea: thousands of workloads meet hundreds of policies, so the policies are indexed once. In each namespace a
policy is found through a label value that it asks for, and only what is found is compared in full.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.manifests.identity import ObjectKey
from reconciler.policy.model import NAME_LABEL, SchedulePolicy


@dataclass(frozen=True, slots=True)
class Match:
    """The policy that applies, and the names of those that also select the workload, best first."""

    policy: SchedulePolicy
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _InNamespace:
    """Ranks of the policies that select one namespace: by a label that the workload must have, or in any case."""

    by_label: Mapping[tuple[str, str], tuple[int, ...]]
    always: tuple[int, ...]


class PolicyIndex:
    """Policies in order of precedence, ready to be asked about many workloads."""

    def __init__(self, policies: Iterable[SchedulePolicy]) -> None:
        self.policies = tuple(sorted(policies, key=lambda policy: (-policy.priority, policy.name)))
        """Best first."""
        self._namespaces: dict[tuple[str, frozenset[tuple[str, str]]], _InNamespace] = {}

    def match(
        self, key: ObjectKey, labels: Mapping[str, str], namespace_labels: Mapping[str, str] | None = None
    ) -> Match | None:
        """Return the policy for an object, or None when no policy selects it.

        `namespace_labels` need not hold `kubernetes.io/metadata.name`. `namespaceSelector` says nothing about
        cluster-scoped objects (an empty `key.namespace`), as in Nova.
        """
        index = self._index(key.namespace, namespace_labels or {})
        ranks = set(index.always)
        for label in labels.items():
            ranks.update(index.by_label.get(label, ()))
        found = [policy for policy in map(self.policies.__getitem__, sorted(ranks)) if _selects(policy, key, labels)]
        return Match(found[0], tuple(policy.name for policy in found[1:])) if found else None

    def _index(self, namespace: str, labels: Mapping[str, str]) -> _InNamespace:
        known = (namespace, frozenset(labels.items()))
        if known not in self._namespaces:
            self._namespaces[known] = self._build(namespace, {**labels, NAME_LABEL: namespace})
        return self._namespaces[known]

    def _build(self, namespace: str, labels: Mapping[str, str]) -> _InNamespace:
        by_label: dict[tuple[str, str], list[int]] = {}
        always: list[int] = []
        for rank, policy in enumerate(self.policies):
            if namespace and not policy.namespace_selector.matches(labels):
                continue
            wanted = [
                one
                for selector in policy.workload_selectors
                for one in [r for r in selector.requirements if r.operator == "In"][:1]
            ]
            if not wanted or len(wanted) < len(policy.workload_selectors):
                always.append(rank)
                continue
            for requirement in wanted:
                for value in requirement.values:
                    by_label.setdefault((requirement.key, value), []).append(rank)
        return _InNamespace({label: tuple(ranks) for label, ranks in by_label.items()}, tuple(always))


def _selects(policy: SchedulePolicy, key: ObjectKey, labels: Mapping[str, str]) -> bool:
    if policy.kinds and not any(one.matches(key.kind, key.group) for one in policy.kinds):
        return False
    selectors = policy.workload_selectors
    return not selectors or any(selector.matches(labels) for selector in selectors)
