"""Whether a scale-up holds a gang in any order of events: new nodes come at any time, pods do not wait for theirs.

A pod that is left over is bound as soon as any node takes it, so it can end on a node that was added for another pod.
A scale-up therefore counts only if the gang also fits when all new nodes are there at once, however ties are broken.
If it does not, the nodes that are then short are added as well, as the autoscaler would; if it does, nodes are left
out one after the other while the gang still fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.kube_scheduler.gang import total_by_pool
from reconciler.kube_scheduler.new_nodes import with_new_nodes
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.kube_scheduler.scale_up import Expander, NewNodes
from reconciler.kube_scheduler.simulate import (
    PodBatch,
    SimulationResult,
    bind_after,
    bind_growing,
    simulate,
)
from reconciler.kube_scheduler.tie_breaks import worst_tie_break

_MOST_ROUNDS = 6
"""How often nodes are added for the worst case; what does not hold by then is refused."""

_MOST_TRIALS = 8
"""How many smaller scale-ups are tried."""


@dataclass(frozen=True, slots=True)
class CheckedScaleUp:
    """The batches with nodes added as `done.growth` says, and how that can fail.

    `bad`: what happens in the case that fails; None if none does. `tie`: that case is another choice of equal nodes.
    """

    done: SimulationResult
    bad: SimulationResult | None
    tie: bool = False


def check_scale_up(
    nodes: Nodes, batches: Sequence[PodBatch], growth: Sequence[NewNodes]
) -> CheckedScaleUp:
    """Return the scale-up that begins with `growth` and cannot fail; with `bad`, if the pools allow none."""
    steps = total_by_pool(growth)
    checked = _check(nodes, batches, steps)
    for _ in range(_MOST_ROUNDS):
        if checked.bad is None:
            return _smallest(nodes, batches, checked) if len(steps) > 1 else checked
        bad = checked.bad
        more = SimulationResult(bad.nodes, bad.bound, [*bad.left], [])
        bind_growing(more, batches)
        if not more.ok:
            break
        steps = total_by_pool([*steps, *more.growth])
        checked = _check(nodes, batches, steps)
    return checked


def check_separate_scale_up(
    nodes: Nodes, batches: Sequence[PodBatch]
) -> CheckedScaleUp | None:
    """Return the scale-up that gives each batch new nodes of its own; None if the pools do not allow that.

    For gangs that do not fit on nodes added batch by batch, because small pods take the nodes of large ones.
    """
    if not nodes.pools:
        return None
    waiting = simulate(nodes, batches, grow=False)
    steps = Expander(waiting.nodes).separate(
        [batch.shape for batch in batches], waiting.left
    )
    return check_scale_up(nodes, batches, steps) if steps else None


def _check(
    nodes: Nodes, batches: Sequence[PodBatch], steps: Sequence[NewNodes]
) -> CheckedScaleUp:
    done = bind_after(nodes, batches, steps)
    if not done.ok:
        return CheckedScaleUp(done, done)
    all_added = nodes
    for pool, count in steps:
        all_added = with_new_nodes(all_added, pool, count)
    all_added = all_added.with_all_existing()
    at_once = simulate(all_added, batches, grow=False)
    if not at_once.ok:
        return CheckedScaleUp(done, at_once)
    return CheckedScaleUp(done, worst_tie_break(all_added, batches), tie=True)


def _smallest(
    nodes: Nodes, batches: Sequence[PodBatch], checked: CheckedScaleUp
) -> CheckedScaleUp:
    """Leave out the nodes that are not needed, the dearest first; without prices those that were added first."""
    prices = {pool.name: pool.price_per_hour or 0.0 for pool in nodes.pools}
    by_price = [name for name, _ in checked.done.growth]
    by_price.sort(key=lambda name: -prices[name])
    trials = 0
    for pool in by_price:
        while pool in dict(checked.done.growth) and trials < _MOST_TRIALS:
            trials += 1
            trial = _check(nodes, batches, _without_one(checked.done.growth, pool))
            if trial.bad is not None:
                break
            checked = trial
    return checked


def _without_one(steps: Sequence[NewNodes], pool: str) -> list[NewNodes]:
    fewer: list[NewNodes] = []
    for name, count in steps:
        left = count - 1 if name == pool else count
        if left:
            fewer.append((name, left))
    return fewer
