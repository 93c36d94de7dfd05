"""Whether a gang fits on a cluster: what kube-scheduler would do with its pods, and what that leaves for others.

`try_gang` returns the result, `commit` takes the capacity of a result, `reserve` holds capacity for pods that were
promised or are pending. None of them changes the nodes it is given. Preemption is not part of it: what fits only by
evicting other pods does not fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from reconciler.fleet.snapshot import Pod
from reconciler.kube_scheduler.gang import Bound, Fit, Gang, total_by_pool
from reconciler.kube_scheduler.never_fits_reasons import why_never
from reconciler.kube_scheduler.new_nodes import with_new_nodes
from reconciler.kube_scheduler.no_fit_reasons import why_not
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.kube_scheduler.packing import can_pack
from reconciler.kube_scheduler.scale_up_check import (
    CheckedScaleUp,
    check_scale_up,
    check_separate_scale_up,
)
from reconciler.kube_scheduler.simulate import PodBatch, SimulationResult, simulate
from reconciler.kube_scheduler.tie_breaks import worst_tie_break
from reconciler.manifests.podshape import PodShape
from reconciler.reasons.gang import (
    DeviceClaims,
    FitsAfterScaleUp,
    FitsNow,
    NeverFits,
    NewNodesTaken,
    PackingNotChosen,
    PodsUnbound,
    SchedulingGated,
    TieBreak,
    UnsizedClaims,
)
from reconciler.reasons.reason import Reason

_DEFAULT_SCHEDULER = "default-scheduler"
_PACKABLE = frozenset({"InsufficientResource", "TooManyPods"})
"""Codes of causes for which another arrangement of the same pods could have room."""


def try_gang(nodes: Nodes, gang: Gang) -> Fit:
    """Return what becomes of `gang`: on the nodes that exist, else also on those that an autoscaler may add."""
    blocker = _blocker(gang)
    if blocker is not None:
        return Fit(False, 0, gang.pods, blocker)
    batches = _batches(gang)
    result = simulate(nodes, batches)
    if result.ok and not _uses_new_nodes(nodes, result):
        checked = CheckedScaleUp(result, worst_tie_break(nodes, batches), tie=True)
        return _fit(gang, checked, waits=False)
    if result.ok:
        return _fit(gang, check_scale_up(nodes, batches, result.growth), waits=True)
    separate = check_separate_scale_up(nodes, batches)
    if separate is None:
        return _no_fit(nodes, gang, result)
    return _fit(gang, separate, waits=True)


def commit(nodes: Nodes, gang: Gang, fit: Fit) -> Nodes:
    """Return `nodes` with the capacity taken that `fit`, a result of `try_gang` on them, found for `gang`.

    Raises `ValueError` for a result that is not ok.
    """
    if not fit.ok:
        raise ValueError(
            f"only a gang that fits can take room, and this one does not: {fit.message}"
        )
    taken = nodes.copy()
    for pool, count in fit.growth:
        taken = with_new_nodes(taken, pool, count)
    for pod_set, bound in zip(gang.pod_sets, fit.bindings, strict=True):
        taken.bind(pod_set.shape, bound.nodes)
    return taken.settled()


def reserve(nodes: Nodes, gang: Gang) -> Nodes:
    """Return `nodes` with capacity held for as many pods of `gang` as would be bound, now or after a scale-up."""
    batches = [batch for batch in _batches(gang) if _schedulable(batch.shape)]
    return simulate(nodes, batches).nodes.settled()


def reserve_pending(nodes: Nodes, pods: Sequence[Pod]) -> Nodes:
    """Return `nodes` with `pods`, which are pending on the cluster, bound where the scheduler would bind them.

    Pods for which there is no capacity, and pods that a scheduling gate holds back, take none.
    """
    shapes = [pod.shape for pod in pods if _schedulable(pod.shape)]
    batches: list[PodBatch] = []
    for shape, equal in groupby(shapes):
        batches.append(PodBatch(shape, len([*equal])))
    return simulate(nodes, batches).nodes.settled() if batches else nodes


def _schedulable(shape: PodShape) -> bool:
    return not shape.claims and not shape.scheduling_gates


def _batches(gang: Gang) -> list[PodBatch]:
    return [
        PodBatch(pod_set.shape, pod_set.count, pod_set.after)
        for pod_set in gang.pod_sets
    ]


def _uses_new_nodes(nodes: Nodes, result: SimulationResult) -> bool:
    if result.nodes.size == nodes.existing:
        return False
    return any(node >= nodes.existing for counter in result.bound for node in counter)


def _blocker(gang: Gang) -> Reason | None:
    """Return why nothing can be said for certain about a gang, whatever the nodes."""
    if gang.unsized:
        return UnsizedClaims(gang.unsized)
    for pod_set in gang.pod_sets:
        if not pod_set.count:
            continue
        if pod_set.shape.claims:
            return DeviceClaims(pod_set.title)
        if pod_set.shape.scheduling_gates:
            return SchedulingGated(pod_set.title, tuple(pod_set.shape.scheduling_gates))
    return None


def _fit(gang: Gang, checked: CheckedScaleUp, *, waits: bool) -> Fit:
    """Return the result for a gang all of whose pods are bound, unless the check shows that they may not be."""
    if checked.bad is not None:
        return _may_fail(gang, checked, checked.bad)
    result = checked.done
    schedulers = _other_schedulers(gang)
    why: Reason = FitsNow(gang.pods, schedulers)
    if waits:
        why = FitsAfterScaleUp(
            gang.pods, tuple(total_by_pool(result.growth)), schedulers
        )
    return Fit(
        ok=True,
        placed=gang.pods,
        total=gang.pods,
        why=why,
        bindings=tuple(Bound(dict(counter)) for counter in result.bound),
        growth=tuple(result.growth),
        waits=waits,
    )


def _may_fail(gang: Gang, checked: CheckedScaleUp, bad: SimulationResult) -> Fit:
    """Return the result for a gang that is bound in the simulation, but not if things go as in `bad`."""
    kind = TieBreak if checked.tie else NewNodesTaken
    why = kind(
        bound=bad.placed,
        pods=gang.pods,
        new_nodes=tuple(total_by_pool(checked.done.growth)),
        cause=_cause(gang, bad),
        schedulers=_other_schedulers(gang),
    )
    return Fit(False, bad.placed, gang.pods, why)


def _no_fit(nodes: Nodes, gang: Gang, result: SimulationResult) -> Fit:
    unknown = nodes.autoscaler.unknown
    # Pools of which too little is known may add a node of any size, so there is no proof against them.
    never = None if unknown else why_never(nodes, gang.pod_sets)
    if never is not None:
        return Fit(False, result.placed, gang.pods, NeverFits(never))
    cause = _cause(gang, result)
    why: Reason
    if cause.code in _PACKABLE and can_pack(nodes, gang.pod_sets):
        why = PackingNotChosen(result.placed, gang.pods, cause)
    else:
        why = PodsUnbound(
            bound=result.placed,
            pods=gang.pods,
            cause=cause,
            pools_used_up=bool(nodes.pools),
            unknown_pools=unknown,
            schedulers=_other_schedulers(gang),
        )
    return Fit(False, result.placed, gang.pods, why)


def _cause(gang: Gang, result: SimulationResult) -> Reason:
    """Return why the first pod set with pods left over is not bound, on the nodes with the other pods bound."""
    unbound = [
        pod_set
        for pod_set, left in zip(gang.pod_sets, result.left, strict=True)
        if left
    ]
    # Sets that come last are left over while any other is, wherever they are in the list, so they are not the cause.
    unbound.sort(key=lambda pod_set: pod_set.after)
    return why_not(result.nodes, unbound[0])


def _other_schedulers(gang: Gang) -> tuple[str, ...]:
    names = {pod_set.shape.scheduler_name for pod_set in gang.pod_sets}
    return tuple(sorted(names - {_DEFAULT_SCHEDULER, ""}))
