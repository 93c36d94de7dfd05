"""Returns what changed between the copies that a group had and those that it has now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.manifests.identity import ObjectKey
from reconciler.reasons.changes import ObjectChange, UpdatedInPlace, in_order
from reconciler.workloads.cluster_copy import ClusterCopy, same_content


def changes_of(
    before: tuple[ClusterCopy, ...],
    after: tuple[ClusterCopy, ...],
) -> UpdatedInPlace:
    """Return which clusters were joined and left, and which objects, or else shares, changed on the others."""
    old = {copy.cluster: copy for copy in before}
    new = {copy.cluster: copy for copy in after}
    left = tuple(name for name in old if name not in new)
    joined = []
    changed = []
    for name, copy in new.items():
        if name not in old:
            joined.append(name)
        elif not same_content(old[name], copy):
            changed.append(name)

    if changed or joined or left:
        changes = _changes(old, new, changed)
        return UpdatedInPlace(tuple(changed), changes, tuple(joined), left)
    # The clusters are the same ones, with the same objects: what can differ is how replicas are shared.
    shares = []
    for name, copy in new.items():
        if copy.share != old[name].share:
            shares.append((name, copy.share))
    if shares:
        return UpdatedInPlace(shares=tuple(shares))
    # Nothing that was admitted changed, so files of the copies were missing or other than admitted.
    return UpdatedInPlace(updated=tuple(new))


def _changes(
    old: Mapping[str, ClusterCopy],
    new: Mapping[str, ClusterCopy],
    clusters: Iterable[str],
) -> tuple[ObjectChange, ...]:
    """Return what changed on `clusters`; the same change on several clusters is there once."""
    found: dict[ObjectChange, None] = {}
    for name in clusters:
        changes = _changed_objects(old[name], new[name])
        found |= dict.fromkeys(changes)
    return tuple(found)


def _changed_objects(before: ClusterCopy, after: ClusterCopy) -> list[ObjectChange]:
    old = _digests(before)
    new = _digests(after)
    in_both = new.keys() & old.keys()
    keys_by_verb = {
        "added": new.keys() - old.keys(),
        "changed": {key for key in in_both if new[key] != old[key]},
        "removed": old.keys() - new.keys(),
    }
    changes = []
    for verb, keys in keys_by_verb.items():
        if keys:
            changes.append(ObjectChange(verb, in_order(keys)))
    return changes


def _digests(copy: ClusterCopy) -> dict[ObjectKey, str]:
    # As deployed: an override that was edited changes the object as well.
    return {item.key: item.digest for item in copy.deployed}
