"""Gives the targets of one group their copies, in order: updates what is there, and chooses clusters for new copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from reconciler.fleet.snapshot import Unreadable
from reconciler.placement.choose import ClusterChoice, choose_cluster
from reconciler.placement.filters import within
from reconciler.placement.fleet_state import FleetState
from reconciler.placement.model import Candidate, Unplaced
from reconciler.placement.request import Assignment, WaitsFor
from reconciler.placement.targets import DomainTarget, Targets, cluster_variants
from reconciler.policy.eligibility import Eligibility
from reconciler.reasons.copies import DivisionUnchanged, UpdateDoesNotFit, UpdateUnknown
from reconciler.reasons.reason import Reason
from reconciler.workloads.cluster_copy import ClusterCopy, gang_of_copy
from reconciler.workloads.group import Group, GroupKey
from reconciler.workloads.overrides import OverrideApplier


@dataclass(slots=True)
class Placing:
    """The copies of one group while its targets are gone through.

    `leaving` are copies that are taken away, `count` is how many there should be. `fleet` has the capacity used that
    the copies so far need. `chosen` are the choices for new copies, `unplaced` the copies that have no place, `refused`
    those whose update does not fit.
    """

    copies: list[ClusterCopy]
    leaving: tuple[ClusterCopy, ...]
    count: int
    unplaced: list[Unplaced]
    fleet: FleetState
    chosen: list[ClusterChoice] = field(default_factory=list)
    refused: list[Unplaced] = field(default_factory=list)

    @classmethod
    def of(cls, targets: Targets, fleet: FleetState) -> Placing:
        """Return what a group has before its domains are gone through."""
        return cls(
            copies=list(targets.staying),
            leaving=targets.leaving,
            count=targets.count,
            unplaced=list(targets.missing),
            fleet=fleet,
        )

    @property
    def pending(self) -> tuple[ClusterChoice, ...]:
        """The choices that found no cluster."""
        return tuple(choice for choice in self.chosen if not choice.cluster)

    @property
    def is_lacking(self) -> bool:
        """Whether a copy has no place, or an update does not fit."""
        return bool(self.unplaced or self.refused)

    def place(
        self,
        group: Group,
        targets: Sequence[DomainTarget],
        eligibility: Eligibility,
        applier: OverrideApplier,
    ) -> None:
        """Go through the domains, best first: update the copy that is there, or choose a cluster for a new one."""
        for target in targets:
            if target.current is None:
                self.place_new(group, target, eligibility, applier)
            else:
                self.update(group.key, target)

    def place_new(
        self,
        group: Group,
        target: DomainTarget,
        eligibility: Eligibility,
        applier: OverrideApplier,
    ) -> None:
        """Choose a cluster of the domain for a new copy."""
        objects, division = target.objects, target.division
        variants = cluster_variants(applier, objects, target.clusters, division)
        # Companions make no pods, so the choice is made for the rest alone.
        members = tuple(item for item in objects if item.demand)
        part = replace(
            group,
            members=members,
            companions=(),
            cluster_variants=variants,
        )
        domain = within(eligibility, target.clusters)
        choice, self.fleet = choose_cluster(part, domain, self.fleet)
        self.chosen.append(choice)
        if not choice.cluster:
            self.unplaced.append(Unplaced(target.value, choice.why))
            return
        copy = applier.for_cluster(objects, choice.cluster, division, target.share)
        self.copies.append(copy)

    def update(self, group: GroupKey, target: DomainTarget) -> None:
        """Bring a copy to what it should be, if that fits where it is."""
        current, wanted = target.current, target.wanted
        if current is None or wanted is None:
            return
        refusal: Reason | None = None
        if target.changes:
            refusal, self.fleet = update_copy(group, current, wanted, self.fleet)
        if refusal is None:
            self.copies.append(wanted)
            return
        # What runs keeps running as it was.
        self.copies.append(current)
        self.refused.append(Unplaced(current.cluster, refusal))

    def refuse(self, why: Reason, *, update: bool) -> None:
        """Refuse the whole group: `update` of what it has, or its first copies."""
        lack = Unplaced("the group", why)
        if update:
            self.unplaced, self.refused = [], [lack]
        else:
            self.unplaced, self.refused = [lack], []

    def refuse_division(self) -> None:
        """Say what is lacking of the division as a whole, since none of its shares changes alone."""
        refused = tuple(one.why for one in self.refused)
        waiting = tuple((one.where, one.why) for one in self.unplaced)
        why = DivisionUnchanged(refused, waiting)
        self.unplaced, self.refused = [], [Unplaced("", why)]
        self.count = 1

    def keep(
        self,
        copies: Sequence[ClusterCopy],
        fleet: FleetState,
    ) -> None:
        """Leave the group the `copies` that it had, and the `fleet` as it was."""
        self.copies = list(copies)
        self.leaving = ()
        self.fleet = fleet

    def assignment(
        self,
        candidates: tuple[Candidate, ...],
        pending: tuple[tuple[ClusterChoice, ...], ...],
        waits_for: WaitsFor,
    ) -> Assignment:
        """Return what the group gets; `pending` is what it lacks capacity for."""
        return Assignment(
            copies=tuple(sorted(self.copies, key=lambda copy: copy.cluster)),
            released=self.leaving,
            unplaced=tuple(self.unplaced),
            refused=tuple(self.refused),
            chosen=tuple(self.chosen),
            candidates=candidates,
            count=self.count,
            pending=pending,
            waits_for=waits_for,
        )


def update_copy(
    group: GroupKey,
    before: ClusterCopy,
    after: ClusterCopy,
    fleet: FleetState,
) -> tuple[Reason | None, FleetState]:
    """Return why a copy does not fit as it should be now, None where it does, and the fleet where it does so."""
    # What makes the same pods needs no more than it has.
    if gang_of_copy(after) == gang_of_copy(before):
        return None, fleet
    state = fleet.cluster(before.cluster)
    # An update is not carried out on a guess.
    if isinstance(state, Unreadable):
        return UpdateUnknown(before.cluster, state.reason), fleet
    fit, changed = state.update(group, before.deployed, after.deployed)
    if not fit.ok:
        return UpdateDoesNotFit(before.cluster, fit.why), fleet
    return None, fleet.with_cluster(changed)
