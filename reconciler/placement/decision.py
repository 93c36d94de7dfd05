"""What a plan decides about one group. The Placement file and the commit are written from this, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from reconciler.placement.model import Action, Candidate, Phase
from reconciler.placement.placed_group import PlacedGroup
from reconciler.workloads.cluster_copy import ClusterCopy
from reconciler.workloads.group import GroupKey


class TransitionKind(StrEnum):
    """What happens to a group, as the commit's trailer `SkyRay-Transition` names it.

    KEEP: it stays as it is. PLACE: it gets its first copies. UPDATE: its copies change where they are, or their number
    does. RERUN: its jobs run again. MOVE: it leaves a cluster for another one. FINISH: its jobs have ended. RETIRE: it
    leaves all clusters for good. HOLD: something that is asked for is not done yet. REJECT: it cannot be placed as it
    is.
    """

    KEEP = "Keep"
    PLACE = "Place"
    UPDATE = "Update"
    RERUN = "Rerun"
    MOVE = "Move"
    FINISH = "Finish"
    RETIRE = "Retire"
    HOLD = "Hold"
    REJECT = "Reject"


@dataclass(frozen=True)
class Decision:
    """What happens to one group, and why.

    `before` and `after` are its states; `after` is None when it is gone for good. `phase` is the live one: `Running`
    where the state says `Placed`. `reason` is a CamelCase code, `message` a sentence with amounts.
    """

    group: GroupKey
    action: Action
    transition: TransitionKind
    phase: Phase
    policy: str
    reason: str
    message: str
    candidates: tuple[Candidate, ...]
    before: PlacedGroup | None
    after: PlacedGroup | None

    @cached_property
    def changed(self) -> bool:
        """Whether place, outcome or reason differ from before: only then is it committed."""
        if self.before is None or self.after is None:
            # It is new or gone; where it is neither, there was nothing and is nothing.
            return self.before is not self.after
        return not self.after.says_the_same(self.before)

    @property
    def placement(self) -> PlacedGroup | None:
        """Return what the Placement file says once the plan is carried out."""
        return self.after if self.changed else self.before

    @property
    def copies(self) -> tuple[ClusterCopy, ...]:
        """Return the copies that the decision is about: those that it leaves, or removes when it retires the group."""
        group = self.before if self.after is None else self.after
        return group.copies if group else ()

    @property
    def clusters(self) -> tuple[str, ...]:
        """Return the names of the clusters of `copies`."""
        return tuple(copy.cluster for copy in self.copies)
