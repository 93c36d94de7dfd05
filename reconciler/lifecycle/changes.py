"""Returns what changed between the copies that a group had and those that it has now."""

from __future__ import annotations

from reconciler.manifests.identity import ObjectKey
from reconciler.reasons.changes import ObjectChange, UpdatedInPlace, in_order
from reconciler.workloads.cluster_copy import ClusterCopy, same_content


def changes_of(
    before: tuple[ClusterCopy, ...], after: tuple[ClusterCopy, ...]
) -> UpdatedInPlace:
    """Return which clusters were joined and left, and which objects, or else shares, changed on the others."""
    old = {copy.cluster: copy for copy in before}
    new = {copy.cluster: copy for copy in after}
    joined = tuple(name for name in new if name not in old)
    left = tuple(name for name in old if name not in new)
    changed = tuple(
        name for name in new if name in old and not same_content(old[name], new[name])
    )
    if changed or joined or left:
        changes = _changes(old, new, changed)
        return UpdatedInPlace(changed, changes, joined, left)
    shares = []
    for name, copy in new.items():
        if copy.share != old[name].share:
            shares.append((name, copy.share))
    if shares:
        return UpdatedInPlace(shares=tuple(shares))
    # Nothing that was admitted changed, so files of the copies were missing or other than admitted.
    return UpdatedInPlace(updated=tuple(new))


def _changes(
    old: dict[str, ClusterCopy], new: dict[str, ClusterCopy], clusters: tuple[str, ...]
) -> tuple[ObjectChange, ...]:
    """Return what changed on `clusters`; the same change on several clusters is there once."""
    found: dict[ObjectChange, None] = {}
    for name in clusters:
        found |= dict.fromkeys(_changed_objects(old[name], new[name]))
    return tuple(found)


def _changed_objects(before: ClusterCopy, after: ClusterCopy) -> list[ObjectChange]:
    old, new = _digests(before), _digests(after)
    changed = {key for key in new.keys() & old.keys() if new[key] != old[key]}
    groups = (
        ("added", new.keys() - old.keys()),
        ("changed", changed),
        ("removed", old.keys() - new.keys()),
    )
    return [ObjectChange(verb, in_order(keys)) for verb, keys in groups if keys]


def _digests(copy: ClusterCopy) -> dict[ObjectKey, str]:
    return {item.key: item.digest for item in copy.deployed}
