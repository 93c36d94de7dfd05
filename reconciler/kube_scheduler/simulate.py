"""A row of pods, bound in the order in which they are created, now and after an autoscaler has added nodes.

The one idea: what can be bound is bound where kube-scheduler would, the rest waits. Pods that wait for others (required
affinity, hard spread) are tried again as long as anything moves, as the scheduler does when pods are bound; pods that
lack room wait for nodes. Pods `after` the others are created once all others run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reconciler.kube_scheduler.bind import bind_pods
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.kube_scheduler.scale_up import Expander
from reconciler.manifests.podshape import PodShape


@dataclass(frozen=True, slots=True)
class PodBatch:
    """`count` equal pods, created one after another."""

    shape: PodShape
    count: int
    after: bool = False

    @property
    def waits_for_others(self) -> bool:
        """Tell whether binding other pods can make room for these."""
        return bool(self.shape.pod_required) or any(c.when_unsatisfiable == "DoNotSchedule" for c in self.shape.spread)


@dataclass(slots=True)
class SimulationResult:
    """What became of the batches: `nodes` afterwards, pods `bound` by node and pods `left`, both by batch.

    `growth`: the nodes that were added for it, in order.
    """

    nodes: Nodes
    bound: list[Counter[int]]
    left: list[int]
    growth: list[tuple[str, int]]

    @property
    def ok(self) -> bool:
        """Tell whether every pod was bound."""
        return not any(self.left)

    @property
    def placed(self) -> int:
        """How many pods were bound."""
        return sum(counter.total() for counter in self.bound)


def simulate(nodes: Nodes, batches: Sequence[PodBatch], *, grow: bool = True) -> SimulationResult:
    """Bind `batches` to a copy of `nodes`: first to those that exist, then to promised ones, then to ones added for it.

    Without `grow` the last step is left out.
    """
    done = SimulationResult(nodes.copy(), [Counter() for _ in batches], [batch.count for batch in batches], [])
    _bind(done, batches, reach=nodes.existing)
    if not done.ok and nodes.size > nodes.existing:
        _bind(done, batches)
    if not done.ok and grow:
        bind_growing(done, batches)
    return done


def bind_after(nodes: Nodes, batches: Sequence[PodBatch], steps: Sequence[tuple[str, int]]) -> SimulationResult:
    """Bind `batches` as `simulate` does, with nodes added as `steps` say and no others."""
    done = simulate(nodes, batches, grow=False)
    for pool, count in steps:
        done.nodes = done.nodes.grown({pool: count})
    _bind(done, batches)
    done.growth = list(steps)
    return done


def _bind(done: SimulationResult, batches: Sequence[PodBatch], reach: int | None = None) -> None:
    """Bind what is left, in order, each pod where the scheduler would."""
    first = [i for i, batch in enumerate(batches) if not batch.after]
    _bind_each(done, batches, first, reach)
    while waiting := [i for i in first if done.left[i] and batches[i].waits_for_others]:
        if not _bind_each(done, batches, waiting, reach):
            break
    if not any(done.left[i] for i in first):
        _bind_each(done, batches, [i for i, batch in enumerate(batches) if batch.after], reach)


def _bind_each(done: SimulationResult, batches: Sequence[PodBatch], which: Iterable[int], reach: int | None) -> int:
    bound = 0
    for i in which:
        chosen = bind_pods(done.nodes, batches[i].shape, done.left[i], reach=reach)
        number = chosen.total()
        done.bound[i] = done.bound[i] + chosen if done.bound[i] else chosen
        done.left[i] -= number
        bound += number
    return bound


def bind_growing(done: SimulationResult, batches: Sequence[PodBatch]) -> None:
    """Add nodes for a batch that waits, bind, and so on, until nothing waits or nothing helps. Changes `done`.

    Nodes that helped nobody are taken back, and that pool is not asked for that batch again.
    """
    growth = Expander(done.nodes)
    while (step := growth.next([b.shape for b in batches], done.left)) is not None:
        trial = SimulationResult(done.nodes.grown(dict([step])), [Counter(c) for c in done.bound], [*done.left], [])
        _bind(trial, batches)
        if sum(trial.left) == sum(done.left):
            growth.refuse()
            continue
        done.nodes, done.bound, done.left = trial.nodes, trial.bound, trial.left
        done.growth.append(step)
        growth.accept()
