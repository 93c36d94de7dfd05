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

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reconciler.kube_scheduler.equivalence import GangRequest
from reconciler.kube_scheduler.filters import allowed
from reconciler.kube_scheduler.fit import commit
from reconciler.kube_scheduler.gang import Fit, Gang
from reconciler.kube_scheduler.nodes import Mask, Nodes
from reconciler.placement.cluster_state import ClusterState
from reconciler.placement.cost import NO_COST, cost_of, cost_rank
from reconciler.placement.fleet_state import FleetState
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
        return cost_of(self.fit, self.state.nodes.pools) if self.fit.growth else NO_COST

    def measured(self, what: str, measure: Callable[[Nodes], Any]) -> Any:
        """Return `measure` of the nodes with the gang on them; it depends on nothing else but `what`."""
        cache = self.state.cache
        return cache.measured(
            self.wanted,
            what,
            lambda: measure(commit(cache.nodes, self.wanted.gang, self.fit)),
        )


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
    behind: list[FeasibleCluster] = []
    best: Reason | None = None
    second: Reason | None = None
    runner_up = ""
    for score in (*(SCORES[one] for one in prefer), *_DEFAULT):
        if len(tied) <= 1:
            break
        ranked = sorted(
            ((score.rank(one), one) for one in tied), key=lambda item: item[0]
        )
        least = ranked[0][0]
        beaten = [one for value, one in ranked if value != least]
        if not beaten:
            # All are equal by this score: the next one decides.
            continue
        tied = [one for value, one in ranked if value == least]
        behind[:0] = beaten
        if len(tied) == 1:
            best, runner_up, second = (
                score.why(tied[0]),
                beaten[0].name,
                score.why(beaten[0]),
            )
    if len(tied) > 1:
        best = FirstByName(len(tied))
    return Ranking((*tied, *behind), best, runner_up, second)


def _paid_for(one: FeasibleCluster) -> int:
    """Return 0 for nodes that are paid for whether they are used or not, 1 for ones that could go, 2 for new ones."""
    return 2 if one.fit.growth else int(one.state.rented)


_PAID: tuple[Reason, ...] = (NodesPaid(), NodesRemovable(), NodesAdded())
"""By the rank of `_paid_for`."""


def _worse(one: FeasibleCluster) -> int:
    """Return how many more devices become useless to the gangs of the mix, summed up over them."""
    mix, cache = one.fleet.mix, one.state.cache

    def growth(after: Nodes) -> int:
        before = cache.measured(None, mix.name, lambda: mix.unusable(cache.nodes))
        return mix.unusable(after) - before

    # The name is long: put together anew it would be hashed anew for each cluster.
    return int(one.measured(mix.name, growth))


def _packing(one: FeasibleCluster) -> Packing:
    wasted = _worse(one) / max(one.fleet.mix.total, 1)
    return Packing(one.state.cache.free_share, wasted)


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
        return 1 - self.free / self.whole if self.whole else 1.0


def _left(one: FeasibleCluster) -> tuple[_Left, ...]:
    found: tuple[_Left, ...] = one.measured(
        "left", lambda after: _left_on(after, one.wanted.gang)
    )
    return found


def _left_on(nodes: Nodes, gang: Gang) -> tuple[_Left, ...]:
    """Return what is left of each resource that `gang` asks for, pod slots among them."""
    asked: dict[str, int] = {}
    where: dict[str, Mask] = {}
    for pod_set in gang.pod_sets:
        if not pod_set.count:
            continue
        passing = allowed(nodes.table, pod_set.shape)
        for name, amount in (("pods", 1), *pod_set.shape.requests.items()):
            if amount > 0:
                asked[name] = asked.get(name, 0) + amount * pod_set.count
                where[name] = passing | where[name] if name in where else passing
    found = []
    for name in sorted(asked):
        row, nodes_there = nodes.table.rows[name], where[name]
        whole = (nodes.table.alloc - nodes.table.kept)[row, nodes_there]
        free = np.clip(nodes.free[row, nodes_there], 0, None)
        found.append(
            _Left(
                name, int(free.sum()), int(np.clip(whole, 0, None).sum()), asked[name]
            )
        )
    return tuple(found)


def _scarcest(one: FeasibleCluster) -> _Left | None:
    return min(_left(one), key=lambda left: left.more, default=None)


def _most_used(one: FeasibleCluster) -> _Left | None:
    return max(_left(one), key=lambda left: left.used, default=None)


def _capacity_left(one: FeasibleCluster) -> CapacityLeft:
    left = _scarcest(one)
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
