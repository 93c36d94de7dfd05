"""Chooses a cluster for a gang, and says of every other cluster why it was not chosen.

Order among clusters that may hold it: the verdict first (a cluster that fits now beats one that must scale up,
docs/decisions/0001), then the policy's own order, then what the policy prefers (`placement.scoring`), then the name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reconciler.fleet.snapshot import Unreadable
from reconciler.kube_scheduler.equivalence import GangRequest
from reconciler.kube_scheduler.gang import Fit, Gang
from reconciler.placement.cluster_state import ClusterState
from reconciler.placement.cost import cost_of
from reconciler.placement.filters import refused_candidates
from reconciler.placement.fleet_state import FleetState
from reconciler.placement.hold import HELD_FOR_OLDER
from reconciler.placement.model import Candidate, Verdict
from reconciler.placement.scoring import FeasibleCluster, rank
from reconciler.policy.eligibility import Eligibility
from reconciler.policy.model import Require, SchedulePolicy
from reconciler.workloads.group import Group

_ORDER = {verdict: position for position, verdict in enumerate(Verdict)}


@dataclass(frozen=True, slots=True)
class ClusterChoice:
    """The choice for what was `wanted`: `cluster` is empty when it must wait. `candidates` are sorted best first."""

    cluster: str
    reason: str
    message: str
    candidates: tuple[Candidate, ...]
    wanted: GangRequest


@dataclass(frozen=True, slots=True)
class EvaluatedCluster:
    """An eligible cluster, and what it has for the gang. `rank` is where the policy puts it, less is better.

    `fit` and `state` are None where its capacity is not known.
    """

    candidate: Candidate
    rank: tuple[int, ...]
    fit: Fit | None
    state: ClusterState | None

    @property
    def order(self) -> tuple[int, tuple[int, ...], bool, float, str]:
        """Return what to sort by, before the policy's preferences: less is better, and no two are equal."""
        rented = self.state.rented if self.state else False
        free = self.state.cache.free_share if self.state else 1.0
        return (_ORDER[self.candidate.verdict], self.rank, rented, free, self.candidate.cluster)


def choose_cluster(group: Group, eligibility: Eligibility, fleet: FleetState) -> tuple[ClusterChoice, FleetState]:
    """Choose a cluster for `group`; return the choice, and the fleet with the capacity used that it needs."""
    gang = group.gang
    wanted = GangRequest.of(gang)
    evaluated = []
    for tier in eligibility.tiers:
        evaluated += [_evaluate(name, tier.rank, wanted, fleet) for name in tier.clusters]
    evaluated.sort(key=lambda one: one.order)
    evaluated, preferred_for = _by_preference(evaluated, group.policy, fleet, wanted)
    refused = refused_candidates(eligibility)
    candidates = tuple(one.candidate for one in evaluated) + refused
    if not evaluated:
        return ClusterChoice("", "NoEligibleCluster", _nowhere(group, refused), candidates, wanted), fleet
    best = evaluated[0]
    verdict = best.candidate.verdict
    if best.state is not None and best.fit is not None:
        if verdict.fits:
            message = best.candidate.message + preferred_for + _passed_over(evaluated)
            chosen = ClusterChoice(best.candidate.cluster, verdict, message, candidates, wanted)
            return chosen, fleet.with_cluster(best.state.assume(gang, best.fit))
        if eligibility.require is Require.ANY:
            return _queued(evaluated, candidates, gang, wanted, fleet)
    held = [one for one in evaluated if one.candidate.reason == HELD_FOR_OLDER]
    reason = HELD_FOR_OLDER if held else verdict
    return ClusterChoice("", reason, _nowhere_now(held or evaluated), candidates, wanted), fleet


def _evaluate(name: str, rank_: tuple[int, ...], wanted: GangRequest, fleet: FleetState) -> EvaluatedCluster:
    state = fleet.cluster(name)
    if isinstance(state, Unreadable):
        candidate = Candidate(name, Verdict.UNREACHABLE, "Unreachable", state.reason)
        return EvaluatedCluster(candidate, rank_, None, None)
    fit, candidate = state.try_gang(wanted)
    cost = cost_of(fit, state.nodes.pools)
    if cost.nodes:
        candidate = replace(candidate, message=f"{candidate.message}; {cost.text}")
    return EvaluatedCluster(candidate, rank_, fit, state)


def _queued(
    evaluated: Sequence[EvaluatedCluster],
    candidates: tuple[Candidate, ...],
    gang: Gang,
    wanted: GangRequest,
    fleet: FleetState,
) -> tuple[ClusterChoice, FleetState]:
    """Let the pods queue on the best cluster, or on the next that is as good where that is held for another group."""
    verdict = evaluated[0].candidate.verdict
    equal = [one for one in evaluated if one.candidate.verdict is verdict]
    for one in equal:
        name = one.candidate.cluster
        if one.state is None or one.state.hold is not None:
            continue
        many = f"the best of {len(evaluated)} eligible clusters" if len(evaluated) > 1 else "where it must go"
        message = f"{name} is {many}, and has no room now, so Kubernetes queues its pods there"
        choice = ClusterChoice(name, "Queued", f"{message}: {one.candidate.message}", candidates, wanted)
        return choice, fleet.with_cluster(one.state.queue_pods(gang))
    held = []
    for one in equal:
        if one.state is not None and one.state.hold is not None:
            held.append(f"{one.candidate.cluster}: {one.state.hold.message}")
    return ClusterChoice("", HELD_FOR_OLDER, "; ".join(held), candidates, wanted), fleet


def _by_preference(
    evaluated: list[EvaluatedCluster], policy: SchedulePolicy, fleet: FleetState, wanted: GangRequest
) -> tuple[list[EvaluatedCluster], str]:
    """Sort the clusters of the best verdict and tier by what `policy` prefers; say why the first comes first."""
    best = evaluated[0] if evaluated else None
    if best is None or not best.candidate.verdict.fits:
        return evaluated, ""
    equal = [one for one in evaluated if (one.candidate.verdict, one.rank) == (best.candidate.verdict, best.rank)]
    by_name = {one.candidate.cluster: one for one in equal}
    feasible = []
    for name, one in by_name.items():
        if one.state and one.fit:
            feasible.append(FeasibleCluster(one.state, one.fit, wanted.on(name), fleet))
    ranking = rank(feasible, policy.prefer)
    ordered = [by_name[one.name] for one in ranking.order]
    first = "" if ranking.first in ordered[0].candidate.message else f"; {ranking.first}"
    second = f", {ranking.second}" if ranking.second else ""
    return ordered + evaluated[len(equal) :], first + second


def _passed_over(evaluated: Sequence[EvaluatedCluster]) -> str:
    """Say why clusters that the policy ranks before the chosen one were not chosen; empty when there are none."""
    chosen = evaluated[0]
    better = [one for one in evaluated[1:] if one.rank < chosen.rank]
    if not better:
        return ""
    first = min(better, key=lambda one: (one.rank, one.candidate.cluster)).candidate
    more = f" (and {len(better) - 1} more)" if len(better) > 1 else ""
    return f"; {first.cluster}, which comes first{more}: {first.message}"


def _nowhere_now(evaluated: Sequence[EvaluatedCluster]) -> str:
    best = evaluated[0].candidate
    if len(evaluated) == 1:
        return f"{best.cluster}: {best.message}"
    if best.verdict is Verdict.UNREACHABLE:
        return f"none of {len(evaluated)} eligible clusters tells its capacity; {best.cluster}: {best.message}"
    return f"none of {len(evaluated)} eligible clusters has room for it; nearest is {best.cluster}: {best.message}"


def _nowhere(group: Group, refused: Sequence[Candidate]) -> str:
    if not refused:
        return "the inventory has no clusters: add one under inventory/"
    reasons = "; ".join(f"{one.cluster}: {one.message}" for one in refused[:3])
    more = f" (and {len(refused) - 3} more)" if len(refused) > 3 else ""
    return f"policy {group.policy.name} leaves no cluster eligible: {reasons}{more}"
