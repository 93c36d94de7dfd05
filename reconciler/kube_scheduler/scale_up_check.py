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
from reconciler.kube_scheduler.scale_up import Growth
from reconciler.kube_scheduler.simulate import Attempt, Batch, attempt, bind_after, bind_growing
from reconciler.kube_scheduler.tie_breaks import unlucky

_MOST_ROUNDS = 6
_MOST_LEFT_OUT = 8

Steps = list[tuple[str, int]]


@dataclass(slots=True)
class Settled:
    """What becomes of the batches with nodes added as `done.growth` says, and how that can go wrong.

    `bad` is what happens then; None when nothing can. `tie`: only if equal nodes are chosen badly.
    """

    done: Attempt
    bad: Attempt | None
    tie: bool = False


def settle(nodes: Nodes, batches: Sequence[Batch], growth: Sequence[tuple[str, int]]) -> Settled:
    """Return the scale-up that begins with `growth` and holds in any case; with `bad`, if the pools allow none."""
    steps = _added_up(growth)
    found = _tried(nodes, batches, steps)
    for _ in range(_MOST_ROUNDS):
        if found.bad is None:
            return _least(nodes, batches, found) if len(steps) > 1 else found
        more = Attempt(found.bad.nodes, found.bad.bound, [*found.bad.left], [])
        bind_growing(more, batches)
        if not more.ok:
            break
        steps = _added_up([*steps, *more.growth])
        found = _tried(nodes, batches, steps)
    return found


def settle_apart(nodes: Nodes, batches: Sequence[Batch]) -> Settled | None:
    """Return what becomes of the batches if each has new nodes of its own; None where the pools do not allow that.

    For gangs that the nodes asked for one by one do not hold, because easy pods take the nodes of hard ones.
    """
    waiting = attempt(nodes, batches, grow=False)
    steps = Growth(waiting.nodes).apart([batch.shape for batch in batches], waiting.left)
    return settle(nodes, batches, steps) if steps else None


def _tried(nodes: Nodes, batches: Sequence[Batch], steps: Steps) -> Settled:
    done = bind_after(nodes, batches, steps)
    if not done.ok:
        return Settled(done, done)
    there = nodes
    for pool, count in steps:
        there = there.grown({pool: count})
    there = there.all_there()
    at_once = attempt(there, batches, grow=False)
    if not at_once.ok:
        return Settled(done, at_once)
    return Settled(done, unlucky(there, batches), tie=True)


def _least(nodes: Nodes, batches: Sequence[Batch], found: Settled) -> Settled:
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
