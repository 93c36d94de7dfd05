"""Which of several clusters that can all hold a gang gets it: `placement.prefer`, one criterion after another.

| Criterion | Best is the cluster |
|---|---|
| `Available` | that has room left for most gangs like it, by the scarcest resource that the gang asks for |
| `Cost` | whose new nodes for it cost least an hour; existing nodes cost nothing, unknown prices come last |
| `Pack` | on which free GPUs become useless to typical gangs least (`placement.fragmentation`), then the fullest |
| `Balance` | whose most used resource, of those that the gang asks for, is used least afterwards |

Room and use are those of the nodes on which the gang's pods may stand, with the gang on them and without headroom.
Where a policy says nothing, the order is: nodes that are paid for anyway, `Cost`, `Pack`. What a policy's list leaves
tied is settled by that order, and then by name.

The one idea: a criterion is worked out only for clusters that are equal in all before it, once for gangs that look the
same (`Ground.measured`), so a thousand clusters cost little.
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
from reconciler.placement.cost import Cost, cost_of
from reconciler.placement.fragmentation import Mix
from reconciler.placement.room import Room
from reconciler.policy.model import Preference


@dataclass(frozen=True, slots=True)
class Contender:
    """A cluster that can hold a gang. `wanted` is the gang as it is there, `mix` what gangs typically ask for."""

    room: Room
    fit: Fit
    wanted: GangRequest
    mix: Mix

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.room.cluster.name

    @property
    def cost(self) -> Cost:
        """What the nodes cost that must be added for the gang."""
        return cost_of(self.fit, self.room.ground.nodes.pools) if self.fit.growth else Cost()

    def measured(self, what: str, measure: Callable[[Nodes], Any]) -> Any:
        """Return `measure` of the nodes with the gang on them; it depends on nothing else but `what`."""
        ground = self.room.ground
        return ground.measured(self.wanted, what, lambda: measure(commit(ground.nodes, self.wanted.gang, self.fit)))


@dataclass(frozen=True, slots=True)
class Ranking:
    """Contenders, best first. `first` and `second`: in words, what put the best before the next best."""

    order: tuple[Contender, ...]
    first: str
    second: str = ""


@dataclass(frozen=True, slots=True)
class _Criterion:
    """`rank`: what to sort by, least first. `text`: the same in words, to follow a cluster's name."""

    rank: Callable[[Contender], Any]
    text: Callable[[Contender], str]


def rank(contenders: Sequence[Contender], prefer: Sequence[Preference]) -> Ranking:
    """Sort clusters that can all hold a gang by what a policy prefers.

    The order is exact for the first. Behind it stand those that were equal to it for longest; what put them behind
    sorts them.
    """
    tied = sorted(contenders, key=lambda one: one.name)
    behind: list[Contender] = []
    words = ("", "")
    for criterion in (*(_CRITERIA[one] for one in prefer), *_DEFAULT):
        if len(tied) <= 1:
            break
        ranked = sorted(((criterion.rank(one), one) for one in tied), key=lambda item: item[0])
        best = ranked[0][0]
        beaten = [one for value, one in ranked if value != best]
        if beaten:
            tied = [one for value, one in ranked if value == best]
            behind[:0] = beaten
            if len(tied) == 1:
                words = (criterion.text(tied[0]), f"{beaten[0].name} {criterion.text(beaten[0])}")
    if len(tied) > 1:
        words = (f"is the first by name of {len(tied)} clusters that are equally good", "")
    return Ranking((*tied, *behind), *words)


def _paid_for(one: Contender) -> int:
    """Return 0 for nodes that are paid for whether they are used or not, 1 for ones that could go, 2 for new ones."""
    return 2 if one.fit.growth else int(one.room.rented)


_PAID = ("has nodes that are paid for anyway", "has nodes that its autoscaler may remove", "needs new nodes")


def _worse(one: Contender) -> int:
    """Return how many more devices become useless to the gangs of the mix, summed up over them."""

    def growth(after: Nodes) -> int:
        before = one.room.ground.measured(None, one.mix.name, lambda: one.mix.unusable(one.room.ground.nodes))
        return one.mix.unusable(after) - before

    return int(one.measured(f"Pack {one.mix.name}", growth))


def _pack_text(one: Contender) -> str:
    change = _worse(one) / max(one.mix.total, 1)
    return f"is {one.room.free_share:.0%} free and {_changes(change)}"


def _changes(change: float) -> str:
    if not round(change, 2):
        return "wastes no more GPUs"
    return f"wastes {abs(change):.2f} GPUs {'more' if change > 0 else 'less'} for typical gangs"


@dataclass(frozen=True, slots=True)
class _Left:
    """What is left of one resource where a gang may stand: `free` of `whole`, of which the gang `asked` for so much."""

    resource: str
    free: int
    whole: int
    asked: int

    @property
    def more(self) -> float:
        """How many more such gangs the sum of it would do for."""
        return self.free / self.asked

    @property
    def used(self) -> float:
        """The share that is used, 0 to 1."""
        return 1 - self.free / self.whole if self.whole else 1.0


def _left(one: Contender) -> tuple[_Left, ...]:
    found: tuple[_Left, ...] = one.measured("left", lambda after: _left_on(after, one.wanted.gang))
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
        found.append(_Left(name, int(free.sum()), int(np.clip(whole, 0, None).sum()), asked[name]))
    return tuple(found)


def _scarcest(one: Contender) -> _Left | None:
    return min(_left(one), key=lambda left: left.more, default=None)


def _most_used(one: Contender) -> _Left | None:
    return max(_left(one), key=lambda left: left.used, default=None)


def _available_text(one: Contender) -> str:
    left = _scarcest(one)
    return f"has {left.resource} left for {left.more:.1f} more like it" if left else "is asked for nothing"


def _balance_text(one: Contender) -> str:
    left = _most_used(one)
    return f"has {left.used:.0%} of {left.resource} used with it" if left else "is asked for nothing"


_CRITERIA = {
    Preference.AVAILABLE: _Criterion(lambda one: -left.more if (left := _scarcest(one)) else 0.0, _available_text),
    Preference.COST: _Criterion(lambda one: one.cost.rank, lambda one: one.cost.text),
    Preference.PACK: _Criterion(lambda one: (_worse(one), one.room.free_share), _pack_text),
    Preference.BALANCE: _Criterion(lambda one: left.used if (left := _most_used(one)) else 0.0, _balance_text),
}

_DEFAULT = (
    _Criterion(_paid_for, lambda one: _PAID[_paid_for(one)]),
    _CRITERIA[Preference.COST],
    _CRITERIA[Preference.PACK],
)
