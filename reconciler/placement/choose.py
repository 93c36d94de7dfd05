"""Chooses a cluster for a gang, and says of every other cluster why it was not chosen.

Order among clusters that may hold it: the verdict first (a cluster that fits now beats one that must scale up,
docs/decisions/0001), then the policy's own order, then what the policy prefers (`placement.scoring`), then the name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from reconciler.fleet.snapshot import Unreadable
from reconciler.kube_scheduler.equivalence import GangRequest
from reconciler.kube_scheduler.gang import Fit, Gang
from reconciler.placement.cluster_state import ClusterState
from reconciler.placement.cost import cost_of
from reconciler.placement.filters import refused_candidates
from reconciler.placement.fleet_state import FleetState
from reconciler.placement.model import Candidate, Verdict
from reconciler.policy.eligibility import Eligibility
from reconciler.policy.model import Require, SchedulePolicy
from reconciler.reasons.choice import (
    Chosen,
    FitsAtCost,
    NoCapacity,
    NoClusters,
    NoEligibleCluster,
    PassedOver,
    Queued,
    QueuesHeld,
    Unreachable,
)
from reconciler.reasons.hold import HELD_FOR_OLDER
from reconciler.reasons.reason import Reason
from reconciler.workloads.group import Group

if TYPE_CHECKING:
    from reconciler.placement.scoring import FeasibleCluster, Ranking

_ORDER = {verdict: position for position, verdict in enumerate(Verdict)}

_Order = tuple[int, tuple[int, ...], bool, float, str]


@dataclass(frozen=True, slots=True)
class ClusterChoice:
    """The choice for what was `wanted`: `cluster` is empty when it must wait. `candidates` are sorted best first."""

    cluster: str
    why: Reason
    candidates: tuple[Candidate, ...]
    wanted: GangRequest

    @property
    def reason(self) -> str:
        """Return the code of the reason, a CamelCase word."""
        return self.why.code

    @property
    def message(self) -> str:
        """Return the reason in words."""
        return self.why.text


@dataclass(frozen=True, slots=True)
class EvaluatedCluster:
    """An eligible cluster, and what it has for the gang. `rank` is where the policy puts it, less is better.

    `fit` and `state` are None where its capacity is not known. `order` is what to sort by, before the policy's
    preferences: less is better, and no two are equal.
    """

    candidate: Candidate
    rank: tuple[int, ...]
    fit: Fit | None
    state: ClusterState | None
    order: _Order


def choose_cluster(
    group: Group,
    eligibility: Eligibility,
    fleet: FleetState,
) -> tuple[ClusterChoice, FleetState]:
    """Choose a cluster for `group`; return the choice, and the fleet with the capacity used that it needs."""
    gang = group.gang
    wanted = GangRequest.of(gang)
    evaluated = _evaluate_all(eligibility, wanted, fleet)
    refused = refused_candidates(eligibility)
    if not evaluated:
        not_eligible = _not_eligible(group, refused)
        return ClusterChoice("", not_eligible, refused, wanted), fleet

    best = evaluated[0]
    if best.candidate.verdict.fits:
        ranked, ranking = _by_preference(evaluated, group.policy, fleet, wanted)
        candidates = _candidates(ranked, refused)
        why = _chosen(ranked, ranking)
        chosen = ranking.order[0]
        used = chosen.state.assume(gang, chosen.fit)
        choice = ClusterChoice(chosen.name, why, candidates, wanted)
        return choice, fleet.with_cluster(used)
    candidates = _candidates(evaluated, refused)
    # Where the capacity of the best is not known, that of none is: unknown comes last.
    if best.state is not None and eligibility.require is Require.ANY:
        return _queued(evaluated, candidates, gang, wanted, fleet)
    no_capacity = _no_capacity(evaluated)
    return ClusterChoice("", no_capacity, candidates, wanted), fleet


def _candidates(
    evaluated: Iterable[EvaluatedCluster],
    refused: tuple[Candidate, ...],
) -> tuple[Candidate, ...]:
    """Return all clusters as candidates: the eligible ones in their order, then the others."""
    eligible = tuple(one.candidate for one in evaluated)
    return eligible + refused


def _evaluate_all(
    eligibility: Eligibility,
    wanted: GangRequest,
    fleet: FleetState,
) -> list[EvaluatedCluster]:
    """Return the eligible clusters with what they have for a gang, best first."""
    evaluated: list[EvaluatedCluster] = []
    for tier in eligibility.tiers:
        for name in tier.clusters:
            state = fleet.cluster(name)
            if isinstance(state, Unreadable):
                one = _unreachable(name, tier.rank, state)
            else:
                one = _evaluate(name, tier.rank, wanted, state)
            evaluated.append(one)
    evaluated.sort(key=_order)
    return evaluated


_order = attrgetter("order")


def _unreachable(
    name: str, rank_: tuple[int, ...], state: Unreadable
) -> EvaluatedCluster:
    verdict = Verdict.UNREACHABLE
    candidate = Candidate(name, verdict, Unreachable(state.reason))
    order = (_ORDER[verdict], rank_, False, 1.0, name)
    return EvaluatedCluster(candidate, rank_, None, None, order)


def _evaluate(
    name: str,
    rank_: tuple[int, ...],
    wanted: GangRequest,
    state: ClusterState,
) -> EvaluatedCluster:
    fit, candidate = state.try_gang(wanted)
    # Only new nodes cost anything: the others are paid for already.
    if fit.growth:
        cost = cost_of(fit, state.nodes.pools)
        why = FitsAtCost(candidate.why, cost)
        candidate = Candidate(name, candidate.verdict, why)
    verdict = _ORDER[candidate.verdict]
    # Nodes that are paid for anyway come first, then the fullest.
    order = (verdict, rank_, state.rented, state.cache.free_share, name)
    return EvaluatedCluster(candidate, rank_, fit, state, order)


def _queued(
    evaluated: Sequence[EvaluatedCluster],
    candidates: tuple[Candidate, ...],
    gang: Gang,
    wanted: GangRequest,
    fleet: FleetState,
) -> tuple[ClusterChoice, FleetState]:
    """Let the pods queue on the best cluster, or on the next that is as good where that is held for another group."""
    verdict = evaluated[0].candidate.verdict
    held: list[tuple[str, Reason]] = []
    for one in evaluated:
        if one.candidate.verdict is not verdict or one.state is None:
            continue
        name = one.candidate.cluster
        # Kubernetes would give pods that queue the capacity that is reserved.
        if one.state.hold is not None:
            held.append((name, one.state.hold.why))
            continue
        why = Queued(name, len(evaluated), one.candidate.why)
        choice = ClusterChoice(name, why, candidates, wanted)
        queued = one.state.queue_pods(gang)
        return choice, fleet.with_cluster(queued)
    why_not = QueuesHeld(tuple(held))
    return ClusterChoice("", why_not, candidates, wanted), fleet


def _by_preference(
    evaluated: list[EvaluatedCluster],
    policy: SchedulePolicy,
    fleet: FleetState,
    wanted: GangRequest,
) -> tuple[list[EvaluatedCluster], Ranking]:
    """Sort the clusters of the best verdict and tier, which fit, by what `policy` prefers; return the ranking too."""
    # The scores look at nodes, which most plans do not need.
    from reconciler.placement.scoring import FeasibleCluster, rank

    best = evaluated[0]
    feasible: list[FeasibleCluster] = []
    by_name: dict[str, EvaluatedCluster] = {}
    for one in evaluated:
        name, verdict = one.candidate.cluster, one.candidate.verdict
        # The clusters are sorted by both, so those that are equal to the best come first.
        if (verdict, one.rank) != (best.candidate.verdict, best.rank):
            break
        by_name[name] = one
        if one.state and one.fit:
            there = wanted.on(name)
            feasible.append(FeasibleCluster(one.state, one.fit, there, fleet))
    ranking = rank(feasible, policy.prefer)
    ordered = [by_name[one.name] for one in ranking.order]
    worse = evaluated[len(by_name) :]
    return ordered + worse, ranking


def _chosen(evaluated: Sequence[EvaluatedCluster], ranking: Ranking) -> Chosen:
    """Return why the first cluster is chosen."""
    best = evaluated[0]
    return Chosen(
        best.candidate.why,
        ranking.best,
        ranking.runner_up,
        ranking.second,
        _passed_over(evaluated),
    )


def _passed_over(evaluated: Sequence[EvaluatedCluster]) -> PassedOver | None:
    """Return why clusters that the policy ranks before the chosen one were not chosen; None when there are none."""
    chosen = evaluated[0]
    # A verdict counts more than the policy's order, so one that the policy ranks before it may come after it.
    better = [one for one in evaluated[1:] if one.rank < chosen.rank]
    if not better:
        return None
    better.sort(key=lambda one: (one.rank, one.candidate.cluster))
    first = better[0]
    others = len(better) - 1
    return PassedOver(first.candidate.cluster, first.candidate.why, others)


def _no_capacity(evaluated: Sequence[EvaluatedCluster]) -> NoCapacity:
    """Return why no eligible cluster can hold the group: what the nearest of them lacks."""
    candidates = [one.candidate for one in evaluated]
    held = [one for one in candidates if one.reason == HELD_FOR_OLDER]
    # Where only reserved capacity would do, the group that it is reserved for is what this one waits for.
    if held:
        first = held[0]
        return NoCapacity(HELD_FOR_OLDER, first.cluster, len(held), first.why)
    best = candidates[0]
    return NoCapacity(
        best.verdict,
        best.cluster,
        len(candidates),
        best.why,
    )


def _not_eligible(group: Group, refused: Sequence[Candidate]) -> Reason:
    if not refused:
        return NoClusters()
    why_not = tuple((one.cluster, one.why) for one in refused)
    return NoEligibleCluster(group.policy.name, why_not)
