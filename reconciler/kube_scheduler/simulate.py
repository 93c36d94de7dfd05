"""Simulates binding a row of pods, in the order in which they are created, with or without nodes being added.

Each pod is bound where kube-scheduler would bind it, and the others are left. Pods that depend on others (required
affinity, hard spread) are tried again while pods are bound, as the scheduler does on such events; pods that lack
resources wait for nodes. Pods `after` the others are created once all others run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reconciler.kube_scheduler.bind import bind_pods
from reconciler.kube_scheduler.new_nodes import with_new_nodes
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.kube_scheduler.scale_up import Expander, NewNodes
from reconciler.manifests.podshape import PodShape


@dataclass(frozen=True, slots=True)
class PodBatch:
    """`count` equal pods, created one after another; `after`: once the pods of all other batches run."""

    shape: PodShape
    count: int
    after: bool = False

    @property
    def depends_on_others(self) -> bool:
        """Whether binding other pods can make nodes feasible for these."""
        hard_spread = any(
            c.when_unsatisfiable == "DoNotSchedule" for c in self.shape.spread
        )
        return hard_spread or bool(self.shape.pod_required)


@dataclass(slots=True)
class SimulationResult:
    """`nodes` afterwards, pods `bound` by node and pods `left`, both by batch. Changed while a simulation runs.

    `growth`: the nodes that were added for the pods, in order.
    """

    nodes: Nodes
    bound: list[Counter[int]]
    left: list[int]
    growth: list[NewNodes]

    @classmethod
    def start(cls, nodes: Nodes, batches: Sequence[PodBatch]) -> SimulationResult:
        """Return the state before any pod is bound, on a copy of `nodes`."""
        bound: list[Counter[int]] = [Counter() for _ in batches]
        left = [batch.count for batch in batches]
        return cls(nodes.copy(), bound, left, growth=[])

    @property
    def ok(self) -> bool:
        """Whether every pod was bound."""
        return not any(self.left)

    @property
    def placed(self) -> int:
        """How many pods were bound."""
        return sum(counter.total() for counter in self.bound)


def simulate(
    nodes: Nodes, batches: Sequence[PodBatch], *, grow: bool = True
) -> SimulationResult:
    """Bind `batches` to a copy of `nodes`: to nodes that exist, then to those that others add, then to added nodes.

    Without `grow` no nodes are added.
    """
    result = SimulationResult.start(nodes, batches)
    _bind(result, batches, reach=nodes.existing)
    if not result.ok and nodes.size > nodes.existing:
        _bind(result, batches)
    if not result.ok and grow and nodes.pools:
        bind_growing(result, batches)
    return result


def bind_after(
    nodes: Nodes, batches: Sequence[PodBatch], steps: Sequence[NewNodes]
) -> SimulationResult:
    """Bind `batches` as `simulate` does, with nodes added as `steps` say and no others."""
    result = simulate(nodes, batches, grow=False)
    for pool, count in steps:
        result.nodes = with_new_nodes(result.nodes, pool, count)
    _bind(result, batches)
    result.growth = list(steps)
    return result


def bind_growing(result: SimulationResult, batches: Sequence[PodBatch]) -> None:
    """Add nodes for a batch with pods left, bind, and so on, until none is left or no pool helps. Changes `result`.

    Nodes that take no pod are taken back, and their pool is not tried for that batch again.
    """
    expander = Expander(result.nodes)
    shapes = [batch.shape for batch in batches]
    while (step := expander.next(shapes, result.left)) is not None:
        bound = [Counter(counter) for counter in result.bound]
        nodes = with_new_nodes(result.nodes, *step)
        trial = SimulationResult(nodes, bound, [*result.left], growth=[])
        _bind(trial, batches)
        if sum(trial.left) == sum(result.left):
            expander.reject()
            continue
        expander.accept()
        result.nodes, result.bound, result.left = trial.nodes, trial.bound, trial.left
        result.growth.append(step)


def _bind(
    result: SimulationResult, batches: Sequence[PodBatch], reach: int | None = None
) -> None:
    """Bind what is left, in order, each pod where the scheduler would; `reach` is that of `bind_pods`."""
    first = [i for i, batch in enumerate(batches) if not batch.after]
    last = [i for i, batch in enumerate(batches) if batch.after]
    _bind_each(result, batches, first, reach)
    while dependent := [
        i for i in first if result.left[i] and batches[i].depends_on_others
    ]:
        if not _bind_each(result, batches, dependent, reach):
            break
    # The pods that come last are not created while any other pod is left.
    if not any(result.left[i] for i in first):
        _bind_each(result, batches, last, reach)


def _bind_each(
    result: SimulationResult,
    batches: Sequence[PodBatch],
    which: Iterable[int],
    reach: int | None,
) -> int:
    """Bind what is left of some batches; return how many pods were bound."""
    bound = 0
    for i in which:
        chosen = bind_pods(result.nodes, batches[i].shape, result.left[i], reach=reach)
        number = chosen.total()
        result.bound[i] = result.bound[i] + chosen if result.bound[i] else chosen
        result.left[i] -= number
        bound += number
    return bound
