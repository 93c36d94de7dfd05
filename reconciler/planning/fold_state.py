"""The fold over the groups of a plan as data: what it starts from, what its steps leave, what a group is settled on."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from reconciler.fleet.settings import Fairness
from reconciler.lifecycle.desired import DesiredState
from reconciler.lifecycle.observe import CopyStatus
from reconciler.lifecycle.ownership import Transfer
from reconciler.manifests.identity import ObjectKey
from reconciler.placement.assign import Clusters
from reconciler.placement.placed_group import PlacedGroup
from reconciler.placement.request import AdmissionState
from reconciler.planning.admitted import Admitted, Clock
from reconciler.planning.fair_share import NOTHING_LEFT, LeftOver
from reconciler.reasons.changes import Regrouped
from reconciler.reasons.reason import Reason
from reconciler.workloads.group import Group, GroupKey


@dataclass(frozen=True, slots=True)
class Admission:
    """What the fold starts from, fixed for the whole plan.

    `groups` are in queue order. `before` are the committed states of groups, `placed` the same with the results that
    are observed, and `statuses` what else is. `passed_over` are groups without manifests that are reported under a
    file. `resting` are namespaces with groups that the plan does not look at; `left` is what waits for the next cycle.
    """

    groups: Mapping[GroupKey, Group]
    before: Mapping[GroupKey, PlacedGroup]
    placed: Mapping[GroupKey, PlacedGroup]
    statuses: Mapping[GroupKey, tuple[CopyStatus, ...]]
    transfers: tuple[Transfer, ...]
    unread: Mapping[GroupKey, Reason]
    passed_over: Collection[GroupKey]
    clusters: Clusters
    fairness: Fairness
    clock: Clock
    resting: Collection[str] = ()
    left: LeftOver = NOTHING_LEFT


@dataclass(slots=True)
class Fold:
    """The fold while it runs: `state` is replaced by each step, the rest is what the steps left so far.

    `placed` are the groups as transfers leave them, and `why` says what these changed; `current` the same groups with
    what this plan gave them, once groups are looked at `again`. `holders` is the group that has each object with pods,
    None where no group has it any more. `namespaces` are those of all groups. `results` are in the order in which
    groups were settled.
    """

    given: Admission
    desired: DesiredState
    state: AdmissionState
    holders: dict[ObjectKey, GroupKey | None]
    namespaces: frozenset[str]
    placed: dict[GroupKey, PlacedGroup]
    current: dict[GroupKey, PlacedGroup]
    why: dict[GroupKey, Regrouped]
    transfers: dict[GroupKey, list[Transfer]]
    results: dict[GroupKey, Admitted] = field(default_factory=dict)
    again: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """What a group is settled on: the fold as it is, or as it would be once other groups have let objects go.

    What it has otherwise than the fold lies in the first map of each.
    """

    state: AdmissionState
    desired: DesiredState
    placed: ChainMap[GroupKey, PlacedGroup]
    current: ChainMap[GroupKey, PlacedGroup]
    why: ChainMap[GroupKey, Regrouped]
    holders: ChainMap[ObjectKey, GroupKey | None]


def view_of(fold: Fold) -> View:
    """Return the fold as it is."""
    # The empty first maps take what a transfer would change, so a refused one leaves the fold as it was.
    return View(
        state=fold.state,
        desired=fold.desired,
        placed=ChainMap({}, fold.placed),
        current=ChainMap({}, fold.current),
        why=ChainMap({}, fold.why),
        holders=ChainMap({}, fold.holders),
    )
