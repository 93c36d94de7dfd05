"""Why a gang never fits, with pools that an autoscaler grows: codes and amounts."""

from __future__ import annotations

from reconciler.fleet.snapshot import Node, NodePool
from reconciler.kube_scheduler.fit import try_gang
from reconciler.manifests.podshape import Taint
from reconciler.placement.model import Verdict, verdict_of
from reconciler.reasons.gang import NeverFits, PodsUnbound
from reconciler.reasons.never_fits import (
    ExcludedNode,
    LargestNode,
    NoNodeHasAll,
    NoNodeHasSlots,
)
from reconciler.reasons.no_fit import LargestFree
from reconciler.reasons.node_pools import PoolOnHold, UndeclaredPools
from tests.unit.kube_scheduler.gangmaking import (
    GPU,
    cluster,
    gang,
    node,
    pool,
    request,
    workers,
)


def test_nothing_is_ruled_out_while_something_unknown_may_be_added() -> None:
    huge = gang(workers(1, 64000))
    assert try_gang(cluster(node("a"), pools=[pool("p", 4)]), huge).never
    held = (PoolOnHold("x", "no GPUs"),)
    fit = try_gang(cluster(node("a"), pools=[pool("p", 4)], unknown=held), huge)
    short = LargestFree("worker group", request("cpu", 64000), 8000, nodes=1, all_nodes=1)
    assert (verdict_of(fit), fit.reason) == (Verdict.NO_FIT, "InsufficientResource")
    assert fit.why == PodsUnbound(0, 1, short, pools_used_up=True, unknown_pools=held)
    luna = (UndeclaredPools("inventory/c.yaml"),)
    blind = try_gang(cluster(node("a"), unknown=luna), huge)
    assert (verdict_of(blind), blind.reason) == (Verdict.NO_FIT, "UnknownPools")
    assert blind.why == PodsUnbound(0, 1, short, unknown_pools=luna)


def test_a_pool_that_has_the_room_and_is_not_for_the_pod_is_named() -> None:
    gpu = gang(workers(1, gpu=1))

    def excluded(*pools: NodePool, existing: tuple[Node, ...] = ()) -> ExcludedNode | None:
        fit = try_gang(cluster(node("cpu"), *existing, pools=pools), gpu)
        assert verdict_of(fit) is Verdict.NEVER_FITS
        cause = fit.why.amounts["cause"]
        assert isinstance(cause, LargestNode)
        assert cause == LargestNode("worker group", request(GPU, 1), 0, cause.excluded)
        return cause.excluded

    tainted = Taint("team", "NoSchedule", "a")
    assert excluded(pool("l4", 4, gpu=1, taints=(tainted,))) == ExcludedNode("node pool l4", "team=a:NoSchedule")
    assert excluded(pool("l4", 0, gpu=1)) == ExcludedNode("node pool l4")
    broken = node("old", gpu=1, taints=(Taint("node.kubernetes.io/not-ready", "NoExecute"), tainted))
    assert excluded(existing=(broken,)) == ExcludedNode("node old", "team=a:NoSchedule")
    assert excluded(pool("small", 4, cpu=500, gpu=1, taints=(tainted,))) is None


def test_a_pod_that_finds_each_of_its_resources_on_another_node_is_told_the_nearest_one() -> None:
    pools = [pool("l4", 4, cpu=500, gib=0.5, gpu=1), pool("cpu", 4), pool("thin", 4, cpu=800, gpu=1)]
    fit = try_gang(cluster(pools=pools), gang(workers(1, gpu=1)))
    assert verdict_of(fit) is Verdict.NEVER_FITS
    cpu, memory, device = request("cpu", 1000), request("memory", 1), request(GPU, 1)
    lacks = ((cpu, 800),)
    assert fit.why == NeverFits(NoNodeHasAll("worker group", (cpu, memory, device), "node pool thin", lacks))
    few = try_gang(cluster(node("a", slots=2)), gang(workers(3)))
    assert (verdict_of(few), few.reason) == (Verdict.NEVER_FITS, "TooManyPods")
    slots = try_gang(cluster(node("a", slots=0)), gang(workers(1)))
    assert slots.why == NeverFits(NoNodeHasSlots("worker group"))
