"""The copies of placed groups as the capacity of their clusters sees them: pods that are counted before they exist."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

from reconciler.placement.assumed_pods import AssumedCopy
from reconciler.placement.placed_group import PlacedGroup
from reconciler.workloads.cluster_copy import ClusterCopy
from reconciler.workloads.group import GroupKey


def assumed_copies(
    placements: Mapping[GroupKey, PlacedGroup], stays: Collection[GroupKey]
) -> dict[str, list[AssumedCopy]]:
    """Return by cluster the copies of the groups that stay, in order of their keys; their capacity is not free."""
    found: dict[str, list[AssumedCopy]] = defaultdict(list)
    for key in sorted(stays):
        group = placements[key]
        for copy in group.copies:
            assumed = assumed_copy(group, copy)
            found[copy.cluster].append(assumed)
    return found


def assumed_copy(group: PlacedGroup, copy: ClusterCopy) -> AssumedCopy:
    """Return a copy as the capacity of its cluster sees it."""
    ended = copy.job_result is not None
    return AssumedCopy(group.key, copy.deployed, ended, copy.since)
