"""Chooses a cluster for a gang, and says of every other cluster why it was not chosen.

Order among clusters that may hold it: the verdict first (a cluster that fits now beats one that must scale up,
docs/decisions/0001), then the policy's own order, then what the policy prefers (`placement.scoring`), then the name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.fleet.snapshot import Unreadable
from reconciler.kube_scheduler.equivalence import GangRequest
from reconciler.kube_scheduler.gang import Fit, Gang
from reconciler.placement.cluster_state import ClusterState
from reconciler.placement.cost import cost_of
from reconciler.placement.filters import refused_candidates
from reconciler.placement.fleet_state import FleetState
from reconciler.placement.model import Candidate, Verdict
from reconciler.placement.scoring import FeasibleCluster, Ranking, rank
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

_ORDER = {verdict: position for position, verdict in enumerate(Verdict)}


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
        return (
            _ORDER[self.candidate.verdict],
            self.rank,
            rented,
            free,
            self.candidate.cluster,
        )


def choose_cluster(
    group: Group, eligibility: Eligibility, fleet: FleetState
) -> tuple[ClusterChoice, FleetState]:
    """Choose a cluster for `group`; return the choice, and the fleet with the capacity used that it needs."""
    gang = group.gang
    wanted = GangRequest.of(gang)
    evaluated = []
    for tier in eligibility.tiers:
        evaluated += [
            _evaluate(name, tier.rank, wanted, fleet) for name in tier.clusters
        ]
    evaluated.sort(key=lambda one: one.order)
    ranking: Ranking | None = None
    if evaluated and evaluated[0].candidate.verdict.fits:
        evaluated, ranking = _by_preference(evaluated, group.policy, fleet, wanted)
    refused = refused_candidates(eligibility)
    candidates = tuple(one.candidate for one in evaluated) + refused
    if not evaluated:
        return ClusterChoice(
            "", _not_eligible(group, refused), candidates, wanted
        ), fleet
    best = evaluated[0]
    if ranking is not None and best.state is not None and best.fit is not None:
        chosen = ClusterChoice(
            best.candidate.cluster, _chosen(evaluated, ranking), candidates, wanted
        )
        return chosen, fleet.with_cluster(best.state.assume(gang, best.fit))
    if best.state is not None and eligibility.require is Require.ANY:
        return _queued(evaluated, candidates, gang, wanted, fleet)
    return ClusterChoice("", _no_capacity(evaluated), candidates, wanted), fleet


def _evaluate(
    name: str, rank_: tuple[int, ...], wanted: GangRequest, fleet: FleetState
) -> EvaluatedCluster:
    state = fleet.cluster(name)
    if isinstance(state, Unreadable):
        candidate = Candidate(name, Verdict.UNREACHABLE, Unreachable(state.reason))
        return EvaluatedCluster(candidate, rank_, None, None)
    fit, candidate = state.try_gang(wanted)
    if fit.growth:
        cost = cost_of(fit, state.nodes.pools)
        candidate = Candidate(name, candidate.verdict, FitsAtCost(candidate.why, cost))
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
        choice = ClusterChoice(
            name, Queued(name, len(evaluated), one.candidate.why), candidates, wanted
        )
        return choice, fleet.with_cluster(one.state.queue_pods(gang))
    held: list[tuple[str, Reason]] = []
    for one in equal:
        if one.state is not None and one.state.hold is not None:
            held.append((one.candidate.cluster, one.state.hold.why))
    return ClusterChoice("", QueuesHeld(tuple(held)), candidates, wanted), fleet


def _by_preference(
    evaluated: list[EvaluatedCluster],
    policy: SchedulePolicy,
    fleet: FleetState,
    wanted: GangRequest,
) -> tuple[list[EvaluatedCluster], Ranking]:
    """Sort the clusters of the best verdict and tier, which fit, by what `policy` prefers; return the ranking too."""
    best = evaluated[0]
    equal = [
        one
        for one in evaluated
        if (one.candidate.verdict, one.rank) == (best.candidate.verdict, best.rank)
    ]
    by_name = {one.candidate.cluster: one for one in equal}
    feasible = []
    for name, one in by_name.items():
        if one.state and one.fit:
            feasible.append(FeasibleCluster(one.state, one.fit, wanted.on(name), fleet))
    ranking = rank(feasible, policy.prefer)
    ordered = [by_name[one.name] for one in ranking.order]
    return ordered + evaluated[len(equal) :], ranking


def _chosen(evaluated: Sequence[EvaluatedCluster], ranking: Ranking) -> Chosen:
    """Return why the first cluster is chosen."""
    best = evaluated[0]
    passed_over = _passed_over(evaluated)
    return Chosen(
        best.candidate.why, ranking.best, ranking.runner_up, ranking.second, passed_over
    )


def _passed_over(evaluated: Sequence[EvaluatedCluster]) -> PassedOver | None:
    """Return why clusters that the policy ranks before the chosen one were not chosen; None when there are none."""
    chosen = evaluated[0]
    better = [one for one in evaluated[1:] if one.rank < chosen.rank]
    if not better:
        return None
    first = min(better, key=lambda one: (one.rank, one.candidate.cluster)).candidate
    return PassedOver(first.cluster, first.why, len(better) - 1)


def _no_capacity(evaluated: Sequence[EvaluatedCluster]) -> NoCapacity:
    """Return why no eligible cluster can hold the group: what the nearest of them lacks."""
    # Where only reserved capacity would do, the group that it is reserved for is what this one waits for.
    held = [
        one.candidate for one in evaluated if one.candidate.reason == HELD_FOR_OLDER
    ]
    if held:
        return NoCapacity(HELD_FOR_OLDER, held[0].cluster, len(held), held[0].why)
    best = evaluated[0].candidate
    return NoCapacity(best.verdict, best.cluster, len(evaluated), best.why)


def _not_eligible(group: Group, refused: Sequence[Candidate]) -> Reason:
    if not refused:
        return NoClusters()
    return NoEligibleCluster(
        group.policy.name, tuple((one.cluster, one.why) for one in refused)
    )
