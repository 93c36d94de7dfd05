"""Whether a scale-up will really do: nodes come when they come, and the scheduler does not wait for the right one.

The one idea: pods that wait are bound as soon as any node takes them, so a pod can end on a node that was added for
another. A scale-up therefore counts only if the gang also fits when all new nodes are there at once, however ties are
broken. Where it does not, the nodes that are then short are added as well, as the autoscaler would; where it does, one
node after the other is left out as long as the gang still fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.kube_scheduler.nodes import Nodes
from reconciler.kube_scheduler.scale_up import Expander
from reconciler.kube_scheduler.simulate import PodBatch, SimulationResult, bind_after, bind_growing, simulate
from reconciler.kube_scheduler.tie_breaks import worst_tie_break

_MOST_ROUNDS = 6
_MOST_LEFT_OUT = 8

Steps = list[tuple[str, int]]


@dataclass(slots=True)
class CheckedScaleUp:
    """What becomes of the batches with nodes added as `done.growth` says, and how that can go wrong.

    `bad` is what happens then; None when nothing can. `tie`: only if equal nodes are chosen badly.
    """

    done: SimulationResult
    bad: SimulationResult | None
    tie: bool = False


def check_scale_up(nodes: Nodes, batches: Sequence[PodBatch], growth: Sequence[tuple[str, int]]) -> CheckedScaleUp:
    """Return the scale-up that begins with `growth` and holds in any case; with `bad`, if the pools allow none."""
    steps = _added_up(growth)
    found = _tried(nodes, batches, steps)
    for _ in range(_MOST_ROUNDS):
        if found.bad is None:
            return _least(nodes, batches, found) if len(steps) > 1 else found
        more = SimulationResult(found.bad.nodes, found.bad.bound, [*found.bad.left], [])
        bind_growing(more, batches)
        if not more.ok:
            break
        steps = _added_up([*steps, *more.growth])
        found = _tried(nodes, batches, steps)
    return found


def check_separate_scale_up(nodes: Nodes, batches: Sequence[PodBatch]) -> CheckedScaleUp | None:
    """Return what becomes of the batches if each has new nodes of its own; None where the pools do not allow that.

    For gangs that the nodes asked for one by one do not hold, because easy pods take the nodes of hard ones.
    """
    waiting = simulate(nodes, batches, grow=False)
    steps = Expander(waiting.nodes).apart([batch.shape for batch in batches], waiting.left)
    return check_scale_up(nodes, batches, steps) if steps else None


def _tried(nodes: Nodes, batches: Sequence[PodBatch], steps: Steps) -> CheckedScaleUp:
    done = bind_after(nodes, batches, steps)
    if not done.ok:
        return CheckedScaleUp(done, done)
    there = nodes
    for pool, count in steps:
        there = there.grown({pool: count})
    there = there.all_there()
    at_once = simulate(there, batches, grow=False)
    if not at_once.ok:
        return CheckedScaleUp(done, at_once)
    return CheckedScaleUp(done, worst_tie_break(there, batches), tie=True)


def _least(nodes: Nodes, batches: Sequence[PodBatch], found: CheckedScaleUp) -> CheckedScaleUp:
    """Leave out the nodes that are not needed, the dearest first; without prices those that were added first."""
    prices = {pool.name: pool.price_per_hour or 0.0 for pool in nodes.pools}
    steps, tries = found.done.growth, 0
    for pool in sorted((name for name, _ in steps), key=lambda name: -prices[name]):
        while tries < _MOST_LEFT_OUT:
            tries += 1
            fewer = [(name, count - (name == pool)) for name, count in steps]
            trial = _tried(nodes, batches, [(name, count) for name, count in fewer if count])
            if trial.bad is not None:
                break
            found, steps = trial, trial.done.growth
            if pool not in dict(steps):
                break
    return found


def _added_up(growth: Sequence[tuple[str, int]]) -> Steps:
    """Return one step a pool, in the order in which the pools are asked first."""
    total: dict[str, int] = {}
    for pool, count in growth:
        total[pool] = total.get(pool, 0) + count
    return list(total.items())
