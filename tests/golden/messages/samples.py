"""One reason of each kind, and more where its sentence has several forms, in the order of the golden file."""

from __future__ import annotations

from reconciler.manifests.quantity import Quantity
from reconciler.reasons import gang, hold, never_fits, no_fit, node_pools
from reconciler.reasons.reason import Reason
from reconciler.reasons.resource_text import Request

GIB = 1 << 30
GPU = Request("nvidia.com/gpu", 1, Quantity.parse(1))
CPU = Request("cpu", 500, Quantity.parse("500m"))
MEMORY = Request("memory", 12 * 10**9, Quantity.parse("12G"))
SET = "worker gpu-group"
NEW = (("l4", 2), ("cpu", 1))
INVENTORY = "inventory/east.yaml"

SHORT = no_fit.LargestFree(SET, GPU, largest_free=0, nodes=3, all_nodes=3)
NAMED = no_fit.NodeChoice(node_name="node-a")
BY_LABELS = no_fit.NodeChoice(selector=(("disk", "ssd"), ("zone", "a")))
BY_AFFINITY = no_fit.NodeChoice(affinity=True)
BY_BOTH = no_fit.NodeChoice(selector=(("disk", "ssd"),), affinity=True)
TAINTED = never_fits.ExcludedNode("node pool l4", "team=a:NoSchedule")
FULL = never_fits.ExcludedNode("node pool l4")
HELD = hold.RoomHeld("team/big", since=1_800_000_000, until=1_800_007_800)
ON_HOLD = node_pools.PoolOnHold("l4", "a scale-up failed (OUT_OF_RESOURCES)")

SAMPLES: tuple[Reason, ...] = (
    gang.FitsNow(0),
    gang.FitsNow(1),
    gang.FitsNow(3),
    gang.FitsNow(3, ("volcano", "yunikorn")),
    gang.FitsAfterScaleUp(3, NEW),
    gang.FitsAfterScaleUp(1, ()),
    gang.FitsAfterScaleUp(1, NEW, ("volcano",)),
    gang.PodsUnbound(2, 3, SHORT),
    gang.PodsUnbound(2, 3, SHORT, pools_used_up=True),
    gang.PodsUnbound(2, 3, SHORT, pools_used_up=True, unknown_pools=(ON_HOLD,), schedulers=("volcano",)),
    gang.PodsUnbound(2, 3, SHORT, unknown_pools=(ON_HOLD,)),
    gang.PackingNotChosen(2, 3, SHORT),
    gang.TieBreak(2, 3, (), SHORT),
    gang.TieBreak(2, 3, NEW, SHORT, ("volcano",)),
    gang.NewNodesTaken(2, 3, NEW, SHORT),
    gang.NeverFits(never_fits.LargestNode(SET, GPU, 0)),
    gang.UnsizedClaims(("head asks for 1 device of class tpu", "worker tpus asks for 4")),
    gang.DeviceClaims(SET),
    gang.SchedulingGated(SET, ("kueue", "quota")),
    no_fit.NoNodes(),
    no_fit.NoNodeHasResource(SET, GPU),
    no_fit.NoNodeMatches(SET, NAMED, all_nodes=1),
    no_fit.NoNodeMatches(SET, BY_LABELS, all_nodes=3),
    no_fit.NoNodeMatches(SET, BY_AFFINITY, all_nodes=3),
    no_fit.NoNodeMatches(SET, BY_BOTH, all_nodes=3),
    SHORT,
    no_fit.LargestFree(SET, CPU, largest_free=250, nodes=1, all_nodes=3),
    no_fit.LargestFree(SET, MEMORY, largest_free=11_500_000_000, nodes=2, all_nodes=3, beside=(GPU,)),
    no_fit.LargestFree(SET, Request("memory", 12 * GIB), 11 * GIB + GIB // 2, nodes=2, all_nodes=3, beside=(GPU, CPU)),
    no_fit.NoPodSlot(SET, nodes=3, all_nodes=3),
    no_fit.NoPodSlot(SET, nodes=2, all_nodes=3, beside=(CPU, MEMORY)),
    no_fit.NodesUnschedulable(SET, cordoned=2, nodes=3, all_nodes=3),
    no_fit.NodesUnschedulable(SET, cordoned=1, nodes=1, all_nodes=3),
    no_fit.UntoleratedTaint(SET, "team=a:NoSchedule", tainted=2, nodes=3, all_nodes=3),
    no_fit.HostPortsTaken(SET, (8265, 10001), nodes=2),
    no_fit.PodAffinityUnmet(SET, anti=False, nodes=2),
    no_fit.PodAffinityUnmet(SET, anti=True, nodes=1),
    no_fit.SpreadExceeded(SET, ("topology.kubernetes.io/zone", "kubernetes.io/hostname"), nodes=2),
    no_fit.Unexplained(SET, nodes=2),
    never_fits.NothingMatches(SET, BY_LABELS),
    never_fits.LargestNode(SET, MEMORY, largest=8 * 10**9),
    never_fits.LargestNode(SET, GPU, largest=0, excluded=TAINTED),
    never_fits.LargestNode(SET, GPU, largest=0, excluded=FULL),
    never_fits.NoNodeHasAll(SET, (CPU, MEMORY, GPU), "node pool thin", ((CPU, 300), (MEMORY, 10**9))),
    never_fits.NoNodeHasAll(SET, (CPU, GPU), "node a", ((GPU, 0),), TAINTED),
    never_fits.NoNodeHasSlots(SET),
    never_fits.TooManyForAllNodes(SET, pods=3, held=2),
    never_fits.TooManyForAllNodes(SET, pods=300, held=220, slots_short=True),
    never_fits.TotalTooLarge("memory", requested=64 * GIB, available=48 * GIB),
    node_pools.UndeclaredPools(INVENTORY),
    node_pools.UnknownPools("ClusterAutoscaler", "", INVENTORY),
    node_pools.UnknownPools("Karpenter", "its account may not get nodepools (403)", INVENTORY),
    ON_HOLD,
    node_pools.UnknownNodeShape(("l4", "h100"), INVENTORY),
    node_pools.OtherNodeShapes(("l4", "h100")),
    HELD,
    hold.FitsButHeld(gang.FitsNow(3), HELD),
)
