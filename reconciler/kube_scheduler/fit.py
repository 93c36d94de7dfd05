"""Whether a gang fits on a cluster: what kube-scheduler would do with its pods, and what that leaves for others.

`try_gang` asks, `commit` takes the room of the answer, `reserve` holds room for pods that were promised or wait
already. None of them changes the nodes it is given. Preemption is not part of it: what fits only by evicting others
does not fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from reconciler.fleet.snapshot import Pod
from reconciler.kube_scheduler.gang import Bound, Fit, Gang
from reconciler.kube_scheduler.no_fit_reasons import Cause, why_never, why_not
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.kube_scheduler.packing import can_pack
from reconciler.kube_scheduler.scale_up_check import CheckedScaleUp, check_scale_up, check_separate_scale_up
from reconciler.kube_scheduler.simulate import PodBatch, SimulationResult, simulate
from reconciler.kube_scheduler.tie_breaks import worst_tie_break
from reconciler.manifests.podshape import PodShape

_DEFAULT_SCHEDULER = "default-scheduler"


def try_gang(nodes: Nodes, gang: Gang) -> Fit:
    """Return what would become of `gang`: on the nodes that exist, else also on those an autoscaler may add."""
    total = sum(pod_set.count for pod_set in gang.pod_sets)
    held_back = _held_back(gang)
    if held_back is not None:
        return Fit(False, 0, total, held_back.reason, held_back.text)
    batches = _batches(gang)
    done = simulate(nodes, batches)
    waits = not done.ok or any(node >= nodes.existing for counter in done.bound for node in counter)
    if not waits:
        found = CheckedScaleUp(done, worst_tie_break(nodes, batches), tie=True)
    elif done.ok:
        found = check_scale_up(nodes, batches, done.growth)
    else:
        apart = check_separate_scale_up(nodes, batches)
        if apart is None:
            return _no_fit(nodes, gang, done, total)
        found = apart
    if found.bad is not None:
        return _may_fail(gang, found, total)
    done = found.done
    return Fit(
        ok=True,
        placed=total,
        total=total,
        reason="FitsAfterScaleUp" if waits else "FitsNow",
        message=_fits_text(done, total, waits=waits) + _scheduler_note(gang),
        bindings=tuple(Bound(dict(counter)) for counter in done.bound),
        growth=tuple(done.growth),
        waits=waits,
    )


def commit(nodes: Nodes, gang: Gang, fit: Fit) -> Nodes:
    """Return `nodes` with the room taken that `fit`, an outcome of `try_gang` on them, found for `gang`.

    Raises `ValueError` for an outcome that is not ok.
    """
    if not fit.ok:
        raise ValueError(f"only a gang that fits can take room, and this one does not: {fit.message}")
    taken = nodes.copy()
    for pool, count in fit.growth:
        taken = taken.grown({pool: count})
    for pod_set, bound in zip(gang.pod_sets, fit.bindings, strict=True):
        taken.bind(pod_set.shape, bound.nodes)
    return taken


def reserve(nodes: Nodes, gang: Gang) -> Nodes:
    """Return `nodes` with room held for as many pods of `gang` as would be bound, now or after a scale-up."""
    return simulate(nodes, [batch for batch in _batches(gang) if _schedulable(batch.shape)]).nodes


def reserve_pending(nodes: Nodes, pods: Sequence[Pod]) -> Nodes:
    """Return `nodes` with `pods`, which wait on the cluster already, bound where the scheduler would bind them.

    Pods for which there is no room, and pods that a scheduling gate holds back, take none.
    """
    waiting = [pod.shape for pod in pods if _schedulable(pod.shape)]
    batches = [PodBatch(shape, sum(1 for _ in equal)) for shape, equal in groupby(waiting)]
    return simulate(nodes, batches).nodes if batches else nodes


def _schedulable(shape: PodShape) -> bool:
    return not shape.claims and not shape.scheduling_gates


def _batches(gang: Gang) -> list[PodBatch]:
    return [PodBatch(pod_set.shape, pod_set.count, pod_set.after) for pod_set in gang.pod_sets]


def _held_back(gang: Gang) -> Cause | None:
    """Return why nothing can be said for certain about a gang, whatever the nodes."""
    if gang.unsized:
        return Cause("ResourceClaims", "; ".join(gang.unsized) + ": whether they are free is not known")
    for pod_set in gang.pod_sets:
        if pod_set.count and pod_set.shape.claims:
            text = f"{pod_set.title} asks for devices through resource claims: whether they are free is not known"
            return Cause("ResourceClaims", text)
        if pod_set.count and pod_set.shape.scheduling_gates:
            gates = ", ".join(pod_set.shape.scheduling_gates)
            return Cause("SchedulingGated", f"{pod_set.title} is held back by scheduling gates ({gates})")
    return None


def _no_fit(nodes: Nodes, gang: Gang, done: SimulationResult, total: int) -> Fit:
    never = None if nodes.growth.unsure else why_never(nodes, gang.pod_sets)
    if never is not None:
        return Fit(False, done.placed, total, never.reason, f"never fits: {never.text}", never=True)
    refused = next(p for p, left in zip(gang.pod_sets, done.left, strict=True) if left)
    cause = why_not(done.nodes, refused)
    text = f"{done.placed} of {total} pods fit; {cause.text}"
    if cause.reason in {"InsufficientResource", "TooManyPods"} and can_pack(nodes, gang.pod_sets):
        better = "all would fit in an arrangement that kube-scheduler does not choose, so they may bind after a retry"
        return Fit(False, done.placed, total, "Fragmentation", f"{text}; {better}")
    if done.nodes.pools:
        text += ", with all that the node pools may still add"
    if nodes.growth.unsure:
        text += f"; {nodes.growth.unsure}"
    reason = "UnknownPools" if nodes.growth.unsure and not nodes.pools else cause.reason
    return Fit(False, done.placed, total, reason, text + _scheduler_note(gang))


def _may_fail(gang: Gang, found: CheckedScaleUp, total: int) -> Fit:
    bad = found.bad or found.done
    refused = next(p for p, left in zip(gang.pod_sets, bad.left, strict=True) if left)
    after = f" even after adding {_nodes_text(found.done.growth)}" if found.done.growth else ""
    if found.tie:
        when = f"{after} if kube-scheduler breaks a tie between equally good nodes the wrong way"
    else:
        when = f"{after}, as kube-scheduler may bind others to nodes that are meant for them"
    text = f"{bad.placed} of {total} pods fit{when}; {why_not(bad.nodes, refused).text}{_scheduler_note(gang)}"
    return Fit(False, bad.placed, total, "TieBreak" if found.tie else "Fragmentation", text)


def _fits_text(done: SimulationResult, total: int, *, waits: bool) -> str:
    if not total:
        return "it makes no pods, so it fits anywhere"
    pods = f"all {total} pods fit" if total != 1 else "the pod fits"
    if not waits:
        return pods
    if not done.growth:
        return f"{pods} with nodes that are being added"
    return f"{pods} after adding {_nodes_text(done.growth)}"


def _nodes_text(growth: Sequence[tuple[str, int]]) -> str:
    added: dict[str, int] = {}
    for pool, count in growth:
        added[pool] = added.get(pool, 0) + count
    return " and ".join(f"{count} {'node' if count == 1 else 'nodes'} of pool {pool}" for pool, count in added.items())


def _scheduler_note(gang: Gang) -> str:
    names = sorted({s.shape.scheduler_name for s in gang.pod_sets} - {_DEFAULT_SCHEDULER, ""})
    return f" (judged by the default scheduler's rules; the pods use {', '.join(names)})" if names else ""
