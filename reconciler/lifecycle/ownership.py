"""Objects that one group has on clusters and another group asks for now: a label or a policy was changed.

What is on a cluster knows nothing of groups, so a service whose group gets another name stays where it is, with the
capacity that it uses. Where the other group cannot be in its place, it must find capacity for the object as for any
other that it adds. Either way a transfer happens as a whole or not at all (docs/decisions/0010). Batch objects stay
with their first group (`lifecycle.desired`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from reconciler.manifests.identity import ObjectKey
from reconciler.placement.model import Phase
from reconciler.placement.placed_group import PlacedGroup
from reconciler.reasons.changes import Moved, Regrouped, in_order
from reconciler.reasons.reason import Reason
from reconciler.reasons.transitions import CannotDeploy, TransferRefused
from reconciler.workloads.cluster_copy import ClusterCopy, CopyRole
from reconciler.workloads.companions import companions_of
from reconciler.workloads.group import Group, GroupKey, WorkloadObject
from reconciler.workloads.patch import Patch


@dataclass(frozen=True, slots=True)
class Transfer:
    """Objects that `taker` asks for and `giver` has.

    `whole`: no part of the taker may be in an unreadable file. `alone`: no other group has an object of the taker. A
    taker that has no place yet takes over the giver's only where both hold.
    """

    taker: GroupKey
    giver: GroupKey
    keys: frozenset[ObjectKey]
    whole: bool
    alone: bool


@dataclass(frozen=True, slots=True)
class Ownership:
    """Which objects are to change their group.

    `kept` are objects that stay, since the group that asks for them cannot be deployed as it is; with that group and
    the reason.
    """

    transfers: tuple[Transfer, ...]
    kept: Mapping[ObjectKey, TransferRefused]

    @property
    def givers(self) -> frozenset[GroupKey]:
        """Return the groups that have what other groups ask for."""
        return frozenset(transfer.giver for transfer in self.transfers)


def owners(placed: Iterable[PlacedGroup]) -> dict[ObjectKey, GroupKey]:
    """Return the placed group that has each object with pods."""
    found: dict[ObjectKey, GroupKey] = {}
    for group in placed:
        for item in group.admitted:
            if item.demand is not None:
                found[item.key] = group.key
    return found


def ownership(
    placements: Mapping[GroupKey, PlacedGroup],
    groups: Iterable[Group],
    unread: Mapping[GroupKey, Reason],
) -> Ownership:
    """Return which objects are asked for under another group than the one that has them.

    `unread` groups get no first place, with the reason.
    """
    holders = owners(one for one in placements.values() if one.placed)
    transfers: list[Transfer] = []
    kept: dict[ObjectKey, TransferRefused] = {}
    for group in groups if holders else ():
        taken = _taken_from(group, holders)
        if not taken:
            continue
        taker = placements.get(group.key)
        is_placed = taker is not None and taker.placed
        cannot = _cannot_take(group, is_placed, unread)
        if cannot is not None:
            # The objects stay with the groups that have them, which say why.
            refused = TransferRefused(str(group.key), cannot.code, cannot.text)
            for keys in taken.values():
                kept.update(dict.fromkeys(keys, refused))
            continue
        whole = group.key not in unread
        held = sum(item.key in holders for item in group.members)
        for giver, keys in taken.items():
            # `alone`: whatever is held of the group is held by this one giver.
            alone = held == len(keys)
            transfer = Transfer(group.key, giver, frozenset(keys), whole, alone)
            transfers.append(transfer)
    return Ownership(tuple(transfers), kept)


def taken_over(
    transfer: Transfer,
    group: Group,
    taker: PlacedGroup | None,
    giver: PlacedGroup,
    now: float,
) -> PlacedGroup | None:
    """Return the taker with the transferred objects where they are now; None where it cannot be in their place.

    `taker` is None where it has no place yet. `now` is in unix seconds.
    """
    if not transfer.whole:
        return None
    own = _only(giver, transfer.keys)
    if taker is None:
        # Where several groups have its objects, the place of one of them is not that of all.
        return _renamed(group, own, giver, now) if transfer.alone else None
    # A group on other clusters must find capacity for the objects, as for any that it adds.
    if set(taker.clusters) != set(own.clusters):
        return None
    return _joined(taker, own)


def without(placed: PlacedGroup, keys: Collection[ObjectKey]) -> PlacedGroup:
    """Return a placed group without the objects `keys`; a copy that has nothing left is gone."""
    left = {item.key for item in placed.admitted} - set(keys)
    return _having(placed, left)


def moved_to(keys: Iterable[ObjectKey], taker: GroupKey) -> Moved:
    """Return that another group has objects now."""
    return Moved(in_order(keys), str(taker), given=True)


def moved_from(keys: Iterable[ObjectKey], giver: GroupKey) -> Moved:
    """Return that a group has objects from another one."""
    return Moved(in_order(keys), str(giver), given=False)


def also_moved(why: Regrouped | None, move: Moved) -> Regrouped:
    """Return what changed of a group with one more move; `why` is what is known of it so far."""
    return Regrouped((move,)) if why is None else why.with_move(move)


def _taken_from(
    group: Group,
    holders: Mapping[ObjectKey, GroupKey],
) -> dict[GroupKey, list[ObjectKey]]:
    """Return the objects of `group` that other groups have, by the group that has them."""
    found: dict[GroupKey, list[ObjectKey]] = defaultdict(list)
    for item in group.members:
        holder = holders.get(item.key, group.key)
        # A batch object stays with its first group: it would run a second time in another one.
        if holder != group.key and not item.is_batch:
            found[holder].append(item.key)
    return found


def _cannot_take(
    group: Group,
    is_placed: bool,
    unread: Mapping[GroupKey, Reason],
) -> Reason | None:
    """Return why a group gets nothing, whatever capacity there is; None when it may."""
    if group.problem:
        return CannotDeploy(group.refused_as, group.problem, admitted=is_placed)
    # A group that has a place already is whole.
    return None if is_placed else unread.get(group.key)


def _only(placed: PlacedGroup, keys: Collection[ObjectKey]) -> PlacedGroup:
    """Return a placed group with the objects `keys` alone, and the companions that these have there."""
    kept = set(keys)
    for copy in placed.copies:
        own = [item for item in copy.admitted if item.key in keys]
        companions = companions_of(own, copy.admitted)
        kept.update(item.key for item in companions)
    return _having(placed, kept)


def _having(placed: PlacedGroup, keys: Collection[ObjectKey]) -> PlacedGroup:
    """Return a placed group with the objects `keys` alone; a copy that has none of them is gone."""
    copies = []
    for copy in placed.copies:
        admitted = _with_keys(copy.admitted, keys)
        if not admitted:
            continue
        reduced = replace(
            copy,
            admitted=admitted,
            deployed=_with_keys(copy.deployed, keys),
            patches=_patches_of(copy, keys),
            missing=(),
        )
        copies.append(reduced)
    return replace(placed, copies=tuple(copies))


def _with_keys(
    objects: Iterable[WorkloadObject],
    keys: Collection[ObjectKey],
) -> tuple[WorkloadObject, ...]:
    return tuple(item for item in objects if item.key in keys)


def _patches_of(copy: ClusterCopy, keys: Collection[ObjectKey]) -> tuple[Patch, ...]:
    """Return the patches of the copy that are for any of the objects `keys`."""
    found = []
    for patch in copy.patches:
        if any(patch.is_for(key) for key in keys):
            found.append(patch)
    return tuple(found)


def _joined(taker: PlacedGroup, own: PlacedGroup) -> PlacedGroup:
    """Return the placed group with the transferred objects included."""
    copies = []
    for copy in taker.copies:
        extra = own.on(copy.cluster)
        copies.append(copy if extra is None else _with_objects(copy, extra))
    return replace(taker, copies=tuple(copies))


def _with_objects(copy: ClusterCopy, extra: ClusterCopy) -> ClusterCopy:
    """Return the copy with the objects of `extra` and their patches; a companion of both stays as the copy has it."""
    known = {item.key for item in copy.admitted}
    fresh = {item.key for item in extra.admitted} - known
    return replace(
        copy,
        admitted=copy.admitted + _with_keys(extra.admitted, fresh),
        deployed=copy.deployed + _with_keys(extra.deployed, fresh),
        patches=copy.patches + _patches_of(extra, fresh),
    )


def _renamed(
    group: Group,
    own: PlacedGroup,
    giver: PlacedGroup,
    now: float,
) -> PlacedGroup:
    """Return the group with the copies that it takes over, as its first ones."""
    copies = []
    for copy in own.copies:
        # Only jobs end, and these stay with the giver: what is taken over has not ended.
        role = CopyRole.STARTING if copy.role is CopyRole.ENDED else copy.role
        copies.append(replace(copy, run=1, role=role, job_result=None))
    files = {item.place.file for item in group.objects}
    return PlacedGroup(
        key=group.key,
        policy=group.policy.name,
        copies=tuple(copies),
        phase=Phase.PLACED,
        reason=Regrouped.code,
        message=giver.message,
        candidates=giver.candidates,
        sources=tuple(sorted(files)),
        source_commit=group.source.commit,
        snapshot=giver.snapshot,
        decided_at=int(now),
        waiting_since=giver.waiting_since,
    )
