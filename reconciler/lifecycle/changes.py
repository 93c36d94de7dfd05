"""What changed between what stood of a group and what stands of it now, in words."""

from __future__ import annotations

from reconciler.manifests.identity import ObjectKey
from reconciler.placement.outcome import Part
from reconciler.placement.spread import same_part


def moves(before: tuple[Part, ...], after: tuple[Part, ...]) -> str:
    """Say which clusters were joined, left, and which objects, or else shares, changed on the others."""
    stood, stands = {part.cluster: part for part in before}, {part.cluster: part for part in after}
    joined = [name for name in stands if name not in stood]
    left = [name for name in stood if name not in stands]
    changed = [name for name in stands if name in stood and not same_part(stood[name], stands[name])]
    said = []
    shifted = [f"{part.share}% on {name}" for name, part in stands.items() if part.share != _share(stood.get(name))]
    if shifted and not (changed or joined or left):
        return f"the shares are now {', '.join(shifted)}"
    if changed or not (joined or left):
        parts = [verb for name in changed for verb in _changes(stood[name], stands[name])]
        what = "; ".join(dict.fromkeys(parts)) or "the admitted copies were restored"
        said.append(f"updated on {', '.join(changed or stands)}: {what}")
    said += [f"placed on {', '.join(joined)}"] if joined else []
    said += [f"taken from {', '.join(left)}"] if left else []
    return "; ".join(said)


def _share(part: Part | None) -> int:
    return part.share if part else 0


def _changes(before: Part, after: Part) -> list[str]:
    old, new = _digests(before), _digests(after)
    return [
        f"{verb} {', '.join(sorted(f'{key.kind} {key.name}' for key in keys))}"
        for verb, keys in (
            ("added", new.keys() - old.keys()),
            ("changed", {key for key in new.keys() & old.keys() if new[key] != old[key]}),
            ("removed", old.keys() - new.keys()),
        )
        if keys
    ]


def _digests(part: Part) -> dict[ObjectKey, str]:
    return {item.key: item.digest for item in part.deployed}
