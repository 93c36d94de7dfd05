"""One cluster has one copy of a companion, whatever its groups would have of it.

A group that must stay as it is (its manifest is invalid, its update does not fit) keeps the objects that it was
admitted with, but an object that it shares with another group is one object on the cluster. Where they differ, all get
the one that `workloads/` asks for, so that every Placement says what the cluster has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from reconciler.manifests.identity import ObjectKey
from reconciler.workloads.cluster_copy import ClusterCopy
from reconciler.workloads.group import GroupKey, WorkloadObject

_At = tuple[str, ObjectKey]
"""A cluster, and an object on it."""

Copies = Mapping[GroupKey, tuple[ClusterCopy, ...]]


@dataclass(frozen=True, slots=True)
class Exchanged:
    """The copies of a group with shared objects exchanged; `names` are the objects that changed."""

    copies: tuple[ClusterCopy, ...]
    names: tuple[str, ...]


def one_copy_each(
    copies: Copies,
    asked: Iterable[WorkloadObject],
) -> dict[GroupKey, Exchanged]:
    """Return the groups whose copies must change so that each cluster has one copy of each companion.

    `asked` are the objects of `workloads/`.
    """
    several = _with_several_digests(copies)
    if not several:
        # Most plans: the copies need not be looked at again.
        return {}
    chosen = _chosen(_offered(copies, several), asked)
    found = {}
    for key, group_copies in copies.items():
        exchanged = _exchanged(group_copies, chosen)
        if exchanged is not None:
            found[key] = exchanged
    return found


def _with_several_digests(copies: Copies) -> set[ObjectKey]:
    """Return the companions of which there is more than one form, on whatever clusters."""
    digests: dict[ObjectKey, set[str]] = defaultdict(set)
    for group_copies in copies.values():
        # Most copies of a group have one tuple of objects in common.
        distinct = {id(copy.admitted): copy.admitted for copy in group_copies}
        for objects in distinct.values():
            for item in objects:
                # An object with pods belongs to one group, so a cluster has it once anyway.
                if item.demand is None:
                    digests[item.key].add(item.digest)
    return {key for key, each in digests.items() if len(each) > 1}


def _offered(
    copies: Copies,
    several: Collection[ObjectKey],
) -> dict[_At, dict[str, WorkloadObject]]:
    """Return the forms, by digest, that each cluster has of the objects `several`."""
    offered: dict[_At, dict[str, WorkloadObject]] = defaultdict(dict)
    for group_copies in copies.values():
        for copy in group_copies:
            for item in copy.admitted:
                if item.key not in several:
                    continue
                # Without its patches it is another object than this group has on the cluster.
                if not copy.patches_of(item.key):
                    at = (copy.cluster, item.key)
                    offered[at][item.digest] = item
    return offered


def _chosen(
    offered: Mapping[_At, Mapping[str, WorkloadObject]],
    asked: Iterable[WorkloadObject],
) -> dict[_At, WorkloadObject]:
    """Return the form that each cluster should have of the objects of which it has several."""
    now = {item.key: item.digest for item in asked}
    chosen: dict[_At, WorkloadObject] = {}
    for at, by_digest in offered.items():
        if len(by_digest) == 1:
            continue
        # What workloads/ says now, else what the last group has.
        _, key = at
        digest_now = now.get(key, "")
        *_, last = by_digest.values()
        chosen[at] = by_digest.get(digest_now, last)
    return chosen


def _exchanged(
    copies: tuple[ClusterCopy, ...],
    chosen: Mapping[_At, WorkloadObject],
) -> Exchanged | None:
    """Return the copies with the objects that were chosen for their clusters; None where they have them already."""
    found = []
    names: set[str] = set()
    for copy in copies:
        fresh = _other_forms(copy, chosen)
        if not fresh:
            found.append(copy)
            continue
        names.update(f"{key.kind} {key.name}" for key in fresh)
        admitted = tuple(fresh.get(item.key, item) for item in copy.admitted)
        deployed = tuple(fresh.get(item.key, item) for item in copy.deployed)
        found.append(replace(copy, admitted=admitted, deployed=deployed))
    if not names:
        return None
    return Exchanged(tuple(found), tuple(sorted(names)))


def _other_forms(
    copy: ClusterCopy,
    chosen: Mapping[_At, WorkloadObject],
) -> dict[ObjectKey, WorkloadObject]:
    """Return the chosen objects that differ from those of the copy, each with the place that it has in the copy."""
    fresh: dict[ObjectKey, WorkloadObject] = {}
    for item in copy.admitted:
        key = item.key
        other = chosen.get((copy.cluster, key), item)
        if other.digest == item.digest:
            continue
        # A patch tests the object that it was made for, so it may not apply to another form.
        if not copy.patches_of(key):
            fresh[key] = replace(other, place=item.place)
    return fresh
