"""One cluster has one copy of a companion, whatever its groups would have of it.

The one idea: a group that must stay as it is (its manifest is invalid, its update does not fit) keeps the copies that
it was admitted with, but an object that it shares with another group is one object. Where they differ, all get the one
that `workloads/` asks for, so that every record says what the cluster has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from reconciler.manifests.identity import ObjectKey
from reconciler.placement.outcome import Outcome, Part, objects_of, recorded_parts
from reconciler.workloads.group import WorkloadObject

_At = tuple[str, ObjectKey]
"""A cluster, and an object on it."""


def agreed(outcomes: tuple[Outcome, ...], asked: Iterable[WorkloadObject]) -> tuple[Outcome, ...]:
    """Return `outcomes` with one copy of each companion a cluster; `asked` are the objects of `workloads/`."""
    doubtful = _doubtful(outcomes)
    copies: dict[_At, dict[str, WorkloadObject]] = defaultdict(dict)
    for outcome in outcomes if doubtful else ():
        for part in _parts(outcome):
            for item in part.admitted:
                if item.key in doubtful and not _patched(part, item.key):
                    copies[part.cluster, item.key][item.digest] = item
    rivals = {at: each for at, each in copies.items() if len(each) > 1}
    if not rivals:
        return outcomes
    now = {item.key: item.digest for item in asked}
    chosen = {at: each.get(now.get(at[1], ""), list(each.values())[-1]) for at, each in rivals.items()}
    return tuple(_with(outcome, chosen) for outcome in outcomes)


def _doubtful(outcomes: Iterable[Outcome]) -> set[ObjectKey]:
    """Return the companions of which there is more than one copy, on whatever clusters."""
    digests: dict[ObjectKey, set[str]] = defaultdict(set)
    for outcome in outcomes:
        # Most parts of a group have one tuple of objects in common.
        for objects in {id(one): one for one in (outcome.objects, *(part.admitted for part in outcome.parts))}.values():
            for item in objects:
                if item.demand is None:
                    digests[item.key].add(item.digest)
    return {key for key, each in digests.items() if len(each) > 1}


def _parts(outcome: Outcome) -> tuple[Part, ...]:
    return tuple(outcome.on(share.name) for share in outcome.record.clusters) if outcome.record else ()


def _patched(part: Part, key: ObjectKey) -> bool:
    return any(patch.is_for(key) for patch in part.patches)


def _with(outcome: Outcome, chosen: Mapping[_At, WorkloadObject]) -> Outcome:
    before = _parts(outcome)
    parts = tuple(_exchanged(part, chosen) for part in before)
    if outcome.record is None or all(new is old for new, old in zip(parts, before, strict=True)):
        return outcome
    every, different = recorded_parts(parts)
    names = sorted(
        {
            f"{item.key.kind} {item.key.name}"
            for part in before
            for item in part.admitted
            if chosen.get((part.cluster, item.key), item).digest != item.digest
        }
    )
    message = f"{outcome.decision.message}; {', '.join(names)} changed with the other groups that share it"
    record = replace(outcome.record, objects=every, parts=different, message=message)
    decision = replace(outcome.decision, message=message)
    return Outcome(decision, objects_of(parts), record, outcome.before, parts)


def _exchanged(part: Part, chosen: Mapping[_At, WorkloadObject]) -> Part:
    """Return the part with the copies that were chosen for its cluster; the same part where it has them already."""
    new = {
        item.key: replace(chosen[part.cluster, item.key], place=item.place)
        for item in part.admitted
        if (part.cluster, item.key) in chosen
        and chosen[part.cluster, item.key].digest != item.digest
        and not _patched(part, item.key)
    }
    if not new:
        return part
    admitted = tuple(new.get(item.key, item) for item in part.admitted)
    return replace(part, admitted=admitted, deployed=tuple(new.get(item.key, item) for item in part.deployed))
