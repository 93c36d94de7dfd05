"""The copies of placed groups that a plan does not look at: their capacity is used, and they count in the mix of gangs.

Most groups of a fleet are as they should be, plan after plan. What they use is kept by cluster and namespace, and a
plan takes it over without going through them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.placement.assumed_pods import AssumedCopy
from reconciler.placement.gang_mix import Typical, kinds_of
from reconciler.workloads.group import gang_of

_Copies = tuple[AssumedCopy, ...]


@dataclass(frozen=True, slots=True, eq=False)
class NamespaceCopies:
    """The copies of one namespace by cluster, in order of their groups, and the kinds of gangs that they are."""

    on: Mapping[str, _Copies] = field(default_factory=dict)
    kinds: Counter[Typical] = field(default_factory=Counter)

    @classmethod
    def of(cls, copies: Iterable[tuple[str, AssumedCopy]]) -> NamespaceCopies:
        """Return the copies, each with its cluster, in order of their groups."""
        on: dict[str, list[AssumedCopy]] = {}
        kinds: Counter[Typical] = Counter()
        for cluster, copy in copies:
            on.setdefault(cluster, []).append(copy)
            kinds.update(kinds_of(gang_of(copy.objects)))
        return cls({cluster: tuple(own) for cluster, own in on.items()}, kinds)


class RestingCopies:
    """The copies of all namespaces that rest, brought up to date from one plan to the next."""

    def __init__(self) -> None:
        self._namespaces: dict[str, NamespaceCopies] = {}
        self._clusters: dict[str, dict[str, _Copies]] = {}
        self._joined: dict[str, _Copies] = {}
        self._kinds: Counter[Typical] = Counter()

    def put(self, namespace: str, copies: NamespaceCopies | None) -> None:
        """Take in what a namespace has now; None where it rests no more."""
        before = self._namespaces.get(namespace)
        if before is copies:
            return
        for cluster in before.on if before is not None else ():
            del self._clusters[cluster][namespace]
            self._joined.pop(cluster, None)
        if before is not None:
            self._kinds.subtract(before.kinds)
        if copies is None:
            self._namespaces.pop(namespace, None)
            return
        self._namespaces[namespace] = copies
        for cluster, own in copies.on.items():
            self._clusters.setdefault(cluster, {})[namespace] = own
            self._joined.pop(cluster, None)
        self._kinds.update(copies.kinds)

    def on(self, cluster: str) -> _Copies:
        """Return the copies on a cluster, in order of their groups."""
        found = self._joined.get(cluster)
        if found is None:
            own = self._clusters.get(cluster, {})
            joined: list[AssumedCopy] = []
            for namespace in sorted(own):
                joined += own[namespace]
            found = self._joined[cluster] = tuple(joined)
        return found

    @property
    def kinds(self) -> Mapping[Typical, int]:
        """Return the kinds of gangs that these copies are, each with how many there are."""
        return self._kinds
