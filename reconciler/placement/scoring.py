"""Sorts clusters that can all hold a gang by what the policy prefers (`prefer`), one score after another.

| Score | Best is the cluster |
|---|---|
| `Available` | that has capacity for most gangs like it, by the scarcest resource that the gang asks for |
| `Cost` | whose new nodes for it cost least an hour; existing nodes cost nothing, unknown prices come last |
| `Pack` | on which free GPUs become useless to typical gangs least (`placement.fragmentation`), then the fullest |
| `Balance` | whose most used resource, of those that the gang asks for, is used least afterwards |

Capacity and use are those of the nodes on which the gang's pods may run, with the gang on them and without headroom.
Where a policy says nothing, the order is: nodes that are paid for anyway, `Cost`, `Pack`. What a policy's list leaves
equal is decided by that order, and then by name. A score is computed only for clusters that are equal in all before it,
and once for gangs that are equal to the scheduler (`FitCache.measured`), so a thousand clusters cost little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reconciler.kube_scheduler.equivalence import GangRequest
from reconciler.kube_scheduler.filters import allowed
from reconciler.kube_scheduler.fit import commit
from reconciler.kube_scheduler.gang import Fit, Gang
from reconciler.kube_scheduler.node_table import Mask
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.placement.cluster_state import ClusterState
from reconciler.placement.cost import NO_COST, cost_of, cost_rank
from reconciler.placement.fleet_state import FleetState
from reconciler.placement.fragmentation import unusable
from reconciler.policy.model import Preference
from reconciler.reasons.reason import Reason
from reconciler.reasons.scores import (
    CapacityLeft,
    FirstByName,
    NodeCost,
    NodesAdded,
    NodesPaid,
    NodesRemovable,
    Packing,
    Utilization,
)


@dataclass(frozen=True, slots=True)
class FeasibleCluster:
    """A cluster that can hold a gang. `wanted` is the gang as it is there; `fleet` knows what gangs usually request."""

    state: ClusterState
    fit: Fit
    wanted: GangRequest
    fleet: FleetState

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.state.name

    @property
    def cost(self) -> NodeCost:
        """What the nodes cost that must be added for the gang."""
        if not self.fit.growth:
            return NO_COST
        return cost_of(self.fit, self.state.nodes.pools)

    def measured(
        self,
        what: str,
        measure: Callable[[Nodes], Any],
    ) -> Any:
        """Return `measure` of the nodes with the gang on them; it depends on nothing else but `what`."""
        cache = self.state.cache

        def of_nodes_with_gang() -> Any:
            nodes = commit(cache.nodes, self.wanted.gang, self.fit)
            return measure(nodes)

        return cache.measured(self.wanted, what, of_nodes_with_gang)


@dataclass(frozen=True, slots=True)
class Ranking:
    """FeasibleClusters, best first, and what put the best before the next best.

    `best` is what the first has by the score that decided, `second` what the next, `runner_up`, has by the same score.
    `best` is None where there is only one cluster; `second` is None where only the name decided.
    """

    order: tuple[FeasibleCluster, ...]
    best: Reason | None = None
    runner_up: str = ""
    second: Reason | None = None


@dataclass(frozen=True, slots=True)
class ClusterScore:
    """A rule by which clusters that can hold a gang are compared. A new one is a value in `SCORES`, and a test.

    `rank`: what to sort by, least first. `why`: the same as a reason, whose text follows a cluster's name.
    """

    rank: Callable[[FeasibleCluster], Any]
    why: Callable[[FeasibleCluster], Reason]


def rank(
    contenders: Sequence[FeasibleCluster], prefer: Sequence[Preference]
) -> Ranking:
    """Sort clusters that can all hold a gang by what a policy prefers.

    The order is exact for the first. Behind it come those that were equal to it for longest; the score that put them
    behind sorts them.
    """
    tied = sorted(contenders, key=lambda one: one.name)
    if len(tied) <= 1:
        return Ranking(tuple(tied))
    preferred = [SCORES[one] for one in prefer]
    behind: list[FeasibleCluster] = []
    for score in (*preferred, *_DEFAULT):
        tied, beaten = _best_by(score, tied)
        # All are equal by this score: the next one decides.
        if not beaten:
            continue
        behind = [*beaten, *behind]
        if len(tied) == 1:
            best, runner_up = tied[0], beaten[0]
            return Ranking(
                (best, *behind),
                score.why(best),
                runner_up.name,
                score.why(runner_up),
            )
    return Ranking((*tied, *behind), FirstByName(len(tied)))


def _best_by(
    score: ClusterScore, clusters: Iterable[FeasibleCluster]
) -> tuple[list[FeasibleCluster], list[FeasibleCluster]]:
    """Return the clusters that are best by a score, in the order in which they are given, and the others, sorted."""
    ranked = [(score.rank(one), one) for one in clusters]
    ranked.sort(key=lambda item: item[0])
    least, _ = ranked[0]
    best = [one for value, one in ranked if value == least]
    others = [one for value, one in ranked if value != least]
    return best, others


def _paid_for(one: FeasibleCluster) -> int:
    """Return 0 for nodes that are paid for whether they are used or not, 1 for ones that could go, 2 for new ones."""
    if one.fit.growth:
        return 2
    return 1 if one.state.rented else 0


_PAID: tuple[Reason, ...] = (NodesPaid(), NodesRemovable(), NodesAdded())
"""By the rank of `_paid_for`."""


def _worse(one: FeasibleCluster) -> int:
    """Return how many more devices become useless to the gangs of the mix, summed up over them."""
    mix, cache = one.fleet.mix, one.state.cache

    def growth(after: Nodes) -> int:
        # What is useless already is the same for all gangs, so it is kept without one.
        before = cache.measured(None, mix.name, lambda: unusable(mix, cache.nodes))
        return unusable(mix, after) - before

    # The name is long: put together anew it would be hashed anew for each cluster.
    return int(one.measured(mix.name, growth))


def _packing(one: FeasibleCluster) -> Packing:
    # The sum over all gangs of the mix, divided by their number, is what to expect of one.
    gangs = max(one.fleet.mix.total, 1)
    expected = _worse(one) / gangs
    return Packing(one.state.cache.free_share, expected)


@dataclass(frozen=True, slots=True)
class _Left:
    """What is left of one resource on the nodes that a gang may use, which requests `asked`; all in scheduler units."""

    resource: str
    free: int
    whole: int
    asked: int

    @property
    def more(self) -> float:
        """How many more such gangs the sum of it would suffice for."""
        return self.free / self.asked

    @property
    def used(self) -> float:
        """The share that is used, 0 to 1."""
        # Of nothing, nothing is left.
        return 1 - self.free / self.whole if self.whole else 1.0


def _left(one: FeasibleCluster) -> tuple[_Left, ...]:
    """Return what is left on a cluster with the gang on it."""
    gang = one.wanted.gang
    found: tuple[_Left, ...] = one.measured("left", lambda after: _left_on(after, gang))
    return found


def _left_on(
    nodes: Nodes,
    gang: Gang,
) -> tuple[_Left, ...]:
    """Return what is left of each resource that `gang` asks for, pod slots among them."""
    asked, usable = _asked(nodes, gang)
    table = nodes.table
    found = []
    for name in sorted(asked):
        row, there = table.rows[name], usable[name]
        kept = table.kept[row, there]
        allocatable = table.alloc[row, there] - kept
        # More than a node has may be in use there: that takes nothing from the other nodes.
        free = np.clip(nodes.free[row, there], 0, None)
        whole = np.clip(allocatable, 0, None)
        left = _Left(
            name,
            int(free.sum()),
            int(whole.sum()),
            asked[name],
        )
        found.append(left)
    return tuple(found)


def _asked(
    nodes: Nodes,
    gang: Gang,
) -> tuple[dict[str, int], dict[str, Mask]]:
    """Return what `gang` asks of each resource, and the nodes on which pods that ask for it may run."""
    asked: dict[str, int] = {}
    usable: dict[str, Mask] = {}
    for pod_set in gang.pod_sets:
        # Where there are no pods, it does not matter where they may run.
        if not pod_set.count:
            continue
        passing = allowed(nodes.table, pod_set.shape)
        requests = pod_set.shape.requests.items()
        for name, amount in (("pods", 1), *requests):
            if amount > 0:
                of_set = amount * pod_set.count
                asked[name] = asked.get(name, 0) + of_set
                known = usable.get(name)
                usable[name] = passing if known is None else passing | known
    return asked, usable


def _scarcest(one: FeasibleCluster) -> _Left | None:
    return min(_left(one), key=lambda left: left.more, default=None)


def _most_used(one: FeasibleCluster) -> _Left | None:
    return max(_left(one), key=lambda left: left.used, default=None)


def _capacity_left(one: FeasibleCluster) -> CapacityLeft:
    left = _scarcest(one)
    # A gang without pods asks for nothing.
    return CapacityLeft(left.resource, left.more) if left else CapacityLeft("", 0.0)


def _utilization(one: FeasibleCluster) -> Utilization:
    left = _most_used(one)
    return Utilization(left.resource, left.used) if left else Utilization("", 0.0)


SCORES = {
    Preference.AVAILABLE: ClusterScore(
        lambda one: -left.more if (left := _scarcest(one)) else 0.0, _capacity_left
    ),
    Preference.COST: ClusterScore(
        lambda one: cost_rank(one.cost), lambda one: one.cost
    ),
    Preference.PACK: ClusterScore(
        lambda one: (_worse(one), one.state.cache.free_share), _packing
    ),
    Preference.BALANCE: ClusterScore(
        lambda one: left.used if (left := _most_used(one)) else 0.0, _utilization
    ),
}
"""The scores that a policy may name, by name."""

_DEFAULT = (
    ClusterScore(_paid_for, lambda one: _PAID[_paid_for(one)]),
    SCORES[Preference.COST],
    SCORES[Preference.PACK],
)
