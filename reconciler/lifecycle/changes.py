"""What changed between the copies that a group had and those that it has now, in words."""

from __future__ import annotations

from reconciler.manifests.identity import ObjectKey
from reconciler.workloads.cluster_copy import ClusterCopy, same_content


def changes_text(before: tuple[ClusterCopy, ...], after: tuple[ClusterCopy, ...]) -> str:
    """Say which clusters were joined and left, and which objects, or else shares, changed on the others."""
    old = {copy.cluster: copy for copy in before}
    new = {copy.cluster: copy for copy in after}
    joined = [name for name in new if name not in old]
    left = [name for name in old if name not in new]
    changed = [name for name in new if name in old and not same_content(old[name], new[name])]
    shifted = []
    for name, copy in new.items():
        share_before = old[name].share if name in old else 0
        if copy.share != share_before:
            shifted.append(f"{copy.share}% on {name}")
    if shifted and not (changed or joined or left):
        return f"the shares are now {', '.join(shifted)}"
    said = []
    if changed or not (joined or left):
        verbs = [verb for name in changed for verb in _changed_objects(old[name], new[name])]
        # The same change on several clusters is said once.
        what = "; ".join(dict.fromkeys(verbs)) or "the admitted copies were restored"
        said.append(f"updated on {', '.join(changed or new)}: {what}")
    if joined:
        said.append(f"placed on {', '.join(joined)}")
    if left:
        said.append(f"taken from {', '.join(left)}")
    return "; ".join(said)


def _changed_objects(before: ClusterCopy, after: ClusterCopy) -> list[str]:
    old, new = _digests(before), _digests(after)
    changed = {key for key in new.keys() & old.keys() if new[key] != old[key]}
    groups = (("added", new.keys() - old.keys()), ("changed", changed), ("removed", old.keys() - new.keys()))
    return [f"{verb} {_names(keys)}" for verb, keys in groups if keys]


def _names(keys: set[ObjectKey]) -> str:
    return ", ".join(sorted(f"{key.kind} {key.name}" for key in keys))


def _digests(copy: ClusterCopy) -> dict[ObjectKey, str]:
    return {item.key: item.digest for item in copy.deployed}
