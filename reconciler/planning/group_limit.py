"""Rejects the groups of a namespace beyond the number that it may have, those that are not placed and youngest first.

Groups that have a place count first, so that no new group takes the place of one that runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reconciler.placement.placed_group import PlacedGroup
from reconciler.reasons.limits import NAMESPACE_LIMIT, TooManyGroups
from reconciler.workloads.group import Group, GroupKey
from reconciler.workloads.grouping import Grouping


def within_limit(
    formed: Grouping, placed: Mapping[GroupKey, PlacedGroup], allowed: int
) -> Grouping:
    """Return the groups of one namespace with those beyond the first `allowed` rejected; the same where none is."""
    number = len(formed.groups)
    if number <= allowed:
        return formed

    def rank(group: Group) -> tuple[bool, float, GroupKey]:
        known = placed.get(group.key)
        is_placed = known is not None and known.placed
        return (not is_placed, group.source.order, group.key)

    in_rank = sorted(formed.groups, key=rank)
    beyond = {group.key for group in in_rank[allowed:]}
    groups = []
    for group in formed.groups:
        # An earlier problem stays the reason: with the manifest corrected, this one is said.
        if group.key in beyond and not group.problem:
            place = str(group.members[0].place)
            why = TooManyGroups(place, group.key.namespace, number, allowed)
            groups.append(replace(group, problem=why.text, refused_as=NAMESPACE_LIMIT))
        else:
            groups.append(group)
    return replace(formed, groups=tuple(groups))
