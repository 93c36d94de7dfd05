"""One reason of each kind, and more where its sentence has several forms, in the order of the golden file."""

from __future__ import annotations

from decimal import Decimal

from reconciler.manifests.identity import ObjectKey
from reconciler.manifests.podfeatures import Feature
from reconciler.manifests.podshape import Taint
from reconciler.manifests.quantity import Quantity
from reconciler.manifests.selector import Requirement
from reconciler.reasons import (
    changes,
    choice,
    copies,
    eligibility,
    gang,
    hold,
    limits,
    never_fits,
    no_fit,
    node_pools,
    quota,
    ray_clusters,
    scores,
    tenancy,
    transitions,
    written,
)
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
HELD = hold.CapacityReserved("team/big", since=1_800_000_000, until=1_800_007_800)
ON_HOLD = node_pools.PoolOnHold("l4", "a scale-up failed (OUT_OF_RESOURCES)")

OUT = gang.PodsUnbound(2, 3, SHORT)
FULL_NOW = choice.NoCapacity("NoFit", "c0", 2, OUT)
GROWS = gang.FitsAfterScaleUp(3, (("l4", 2),))
L4 = (scores.NewNodes("l4", 2, spot=True), scores.NewNodes("h100", 1))
COST = scores.NodeCost(L4, Decimal("1.42"))
ZONE = "topology.kubernetes.io/zone"
MISMATCH = eligibility.LabelMismatch("gpu", Requirement("gpu", "In", ("h100",)), "t4")
UNIT = 10**9
EIGHT = Quantity.parse(8)
JOB = ObjectKey("ray.io/v1", "RayJob", "team", "train")
OTHER_JOB = ObjectKey("ray.io/v1", "RayJob", "team", "tune")
SERVICE = ObjectKey("ray.io/v1", "RayService", "team", "chat")
SECRET = ObjectKey("v1", "Secret", "team", "token")
INVALID = "workloads/team/train.yaml:7:5: spec.rayVersion must be a string"
UPDATED = changes.UpdatedInPlace(("east", "west"), (changes.ObjectChange("changed", (SERVICE,)),))
TAKEN = changes.Regrouped((changes.Moved((SERVICE,), "team/new", given=True),))

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
    hold.FitsButReserved(gang.FitsNow(3), HELD),
    hold.WaitsWithHold(FULL_NOW, ("c0", "c1"), since=1_800_000_000, until=1_800_007_800),
    choice.Unreachable("no answer within 10 s"),
    choice.FitsAtCost(GROWS, COST),
    choice.Chosen(gang.FitsNow(3)),
    choice.Chosen(gang.FitsNow(3), scores.FirstByName(3)),
    choice.Chosen(gang.FitsNow(3), scores.NodesPaid(), "east", scores.NodesRemovable()),
    choice.Chosen(
        choice.FitsAtCost(GROWS, COST), COST, "east", scores.NodeCost(unpriced=("l4",), per_hour=None, nodes=L4)
    ),
    choice.Chosen(gang.FitsNow(3), passed_over=choice.PassedOver("east", OUT)),
    choice.Chosen(gang.FitsNow(3), passed_over=choice.PassedOver("east", OUT, more=2)),
    choice.Queued("east", 1, OUT),
    choice.Queued("east", 3, OUT),
    choice.NoCapacity("NoFit", "east", 1, OUT),
    choice.NoCapacity("NoFit", "east", 3, OUT),
    choice.NoCapacity("NeverFits", "east", 3, gang.NeverFits(never_fits.LargestNode(SET, GPU, 0))),
    choice.NoCapacity("Unreachable", "east", 3, choice.Unreachable("no answer within 10 s")),
    choice.NoCapacity("HeldForOlder", "east", 2, hold.FitsButReserved(gang.FitsNow(3), HELD)),
    choice.QueuesHeld((("east", HELD),)),
    choice.NoEligibleCluster("gpu"),
    choice.NoEligibleCluster("gpu", (("east", MISMATCH), ("west", eligibility.Cordoned()))),
    choice.NoEligibleCluster("gpu", tuple((name, MISMATCH) for name in ("a", "b", "c", "d", "e"))),
    choice.NoClusters(),
    choice.NoClusterInDomain(ZONE, "z", 30, ()),
    choice.NoClusterInDomain(ZONE, "z", 30, ("a", "b")),
    choice.NoClusterInDomain(ZONE, "z", 30, tuple("abcdefghijkl")),
    scores.CapacityLeft("cpu", 3.0),
    scores.CapacityLeft("nvidia.com/gpu", 2.5),
    scores.CapacityLeft("pods", 1.0),
    scores.CapacityLeft("", 0.0),
    scores.NodeCost(),
    scores.NodeCost(L4, None, ("l4", "h100")),
    COST,
    scores.NodeCost(L4, Decimal("0.0035")),
    scores.Packing(1.0, 0.0),
    scores.Packing(0.25, 0.5),
    scores.Packing(0.25, -0.5),
    scores.Utilization("cpu", 0.125),
    scores.Utilization("", 0.0),
    scores.NodesPaid(),
    scores.NodesRemovable(),
    scores.NodesAdded(),
    scores.FirstByName(3),
    eligibility.LabelMismatch("gpu", Requirement("gpu", "In", ("a100", "h100")), None),
    MISMATCH,
    eligibility.LabelMismatch("gpu", Requirement("gpu", "NotIn", ("t4",)), "t4"),
    eligibility.LabelMismatch("gpu", Requirement("gpu", "Exists"), None),
    eligibility.LabelMismatch("gpu", Requirement("spot", "DoesNotExist"), "true"),
    eligibility.LabelMismatch("gpu", Requirement("gpu", "In", ("a100", "h100")), "t4", ordered=True),
    eligibility.PinnedElsewhere("east"),
    eligibility.UnknownPin("esat", ("east", "west"), "east"),
    eligibility.UnknownPin("moon", ()),
    eligibility.UnknownPin("moon", tuple("abcdefghijkl")),
    eligibility.TenantCluster("ml", Requirement("zone", "In", ("eu",))),
    eligibility.UntoleratedClusterTaint(Taint("team", "NoPlace", "a"), "gpu"),
    eligibility.UntoleratedClusterTaint(Taint("broken", "NoExecute"), "gpu"),
    eligibility.Cordoned(),
    eligibility.AddOnMissing("kuberay", "ray.io", eligibility.AddOnNotSelected(Requirement("gpu", "Exists"))),
    eligibility.AddOnMissing("kuberay", "ray.io", eligibility.AddOnDependency("cert-manager")),
    eligibility.RayClusterElsewhere("shared", ("east", "west")),
    eligibility.RayClusterElsewhere("shared", ()),
    eligibility.NoTopologyLabel(ZONE, "gpu"),
    eligibility.NoPercentage(ZONE, "z", "gpu"),
    quota.QuotaExceeded("ml", GPU.resource, EIGHT, used=6 * UNIT, requested=4 * UNIT),
    quota.QuotaExceeded("ml", GPU.resource, EIGHT, used=6 * UNIT, requested=9 * UNIT, current=6 * UNIT),
    quota.QuotaExceeded("ml", GPU.resource, EIGHT, used=0, requested=6 * UNIT, lent=3 * UNIT),
    quota.QuotaExceeded(
        "ml", GPU.resource, EIGHT, 8 * UNIT, 6 * UNIT, borrowable=quota.Borrowable(2 * UNIT, None, EIGHT)
    ),
    quota.QuotaExceeded(
        "ml", GPU.resource, EIGHT, 8 * UNIT, 6 * UNIT, borrowable=quota.Borrowable(0, ("a", "b"), None)
    ),
    quota.QuotaExceeded("ml", "memory", Quantity.parse("1Gi"), used=0, requested=4504682497 * UNIT),
    quota.NeverWithinQuota("ml", GPU.resource, EIGHT, requested=9 * UNIT, at_most=8 * UNIT),
    ray_clusters.RayClusterWaits(JOB, "shared", "team/shared"),
    ray_clusters.RayClusterUnmatched(JOB, "shared"),
    ray_clusters.RayClusterUnread(JOB, "shared", "workloads/team/shared.yaml"),
    ray_clusters.RayClusterUnknown(JOB, "shared", ("east",)),
    ray_clusters.RayClusterUnknown(JOB, "shared", tuple("abcde")),
    ray_clusters.NoSuchRayCluster(JOB, "workloads/team/train.yaml:1:1", "shared"),
    tenancy.TenantAmbiguous("team", (("a", "policies/a.yaml"), ("b", "policies/b.yaml"))),
    tenancy.NoTenant("team"),
    tenancy.KindDenied("ml", "Ingress.networking.k8s.io"),
    tenancy.ServiceAccountDenied("ml", "admin"),
    tenancy.PodsUnchecked("RayCluster", "ray.io/v9"),
    *(tenancy.FeatureDenied("ml", JOB, ("spec", "template"), feature, "x") for feature in Feature),
    tenancy.TokenDenied("ml", SECRET, ("metadata", "annotations"), "admin"),
    tenancy.TokenDenied("ml", SECRET, ("metadata", "annotations"), ""),
    tenancy.AdminAccessDenied(ObjectKey("resource.k8s.io/v1", "ResourceClaim", "team", "gpus"), ("spec",)),
    tenancy.IngressDenied("ml", SERVICE, ("spec", "headGroupSpec")),
    tenancy.UnreadableFields("spec must be a mapping"),
    limits.TooManyFiles("workloads/team/z.yaml", "team", 40_010, 40_000),
    limits.TooManyBytes("workloads/team/z.yaml", "team", size=70_000_000, allowed=64 << 20),
    limits.TooManyGroups("workloads/team/z.yaml:1:1", "team", 20_001, 20_000),
    limits.PartBeyondLimit("ConfigMap code", "workloads/team/z.yaml is not read: it is the 11th file of 10"),
    transitions.UnreadableFile("workloads/team/train.yaml:3:1: mapping values are not allowed here"),
    transitions.CannotDeploy("InvalidObject", INVALID),
    transitions.CannotDeploy("InvalidObject", INVALID, admitted=True),
    transitions.SourceUnreadable("workloads/team/train.yaml"),
    transitions.PartUnreadable("ConfigMap code", "workloads/team/code.yaml", "line 3 is no YAML"),
    transitions.NoPolicy(JOB),
    transitions.ObjectHeldHere(((SERVICE, transitions.TransferRefused("team/new", "NoFit", OUT.text)),)),
    transitions.JobHeldHere(JOB),
    transitions.JobEditHeld((JOB,)),
    transitions.JobEditHeld((JOB, OTHER_JOB)),
    transitions.HeldByAnotherGroup(SERVICE, "team/old"),
    transitions.ManifestRemoved(("workloads/team/train.yaml",), ("east", "west")),
    transitions.ManifestRemoved((), ()),
    UPDATED,
    changes.UpdatedInPlace(("east",), (), joined=("west",), left=("north",)),
    changes.UpdatedInPlace(("east",)),
    changes.UpdatedInPlace(joined=("west",), left=("north",)),
    changes.UpdatedInPlace(shares=(("east", 60), ("west", 40))),
    changes.NoClusterLeft("gpu", changes.UpdatedInPlace(left=("north",))),
    changes.UpdatedInPart(transitions.JobEditHeld((JOB,)), UPDATED),
    changes.Problems(copies.UpdateDoesNotFit("east", OUT), (transitions.JobEditHeld((JOB,)),)),
    changes.JobEnded(succeeded=True, message="Job finished successfully"),
    changes.JobEnded(succeeded=False, message="DeadlineExceeded"),
    TAKEN,
    changes.Regrouped((changes.Moved((SERVICE,), "team/old", given=False),)),
    changes.AlsoRegrouped(UPDATED, TAKEN),
    changes.SharedObjectsChanged(UPDATED, ("ConfigMap code",)),
    copies.Copies(1, 0, waiting=(("", OUT),)),
    copies.Copies(3, 1, granted=(("east", gang.FitsNow(3)),), waiting=(("west", OUT), ("north", OUT))),
    copies.Copies(2, 2, granted=(("east", gang.FitsNow(3)), ("west", GROWS)), decisive=GROWS),
    copies.Copies(3, 2, refused=(copies.UpdateDoesNotFit("west", OUT),), decisive=copies.UpdateDoesNotFit("west", OUT)),
    copies.UpdateDoesNotFit("east", OUT),
    copies.UpdateUnknown("east", "no answer within 10 s"),
    copies.DivisionUnchanged((copies.UpdateDoesNotFit("east", OUT),), (("west", OUT),)),
    copies.Undisturbed(("east", "west")),
    written.Written("NoFit", "east: 2 of 3 pods fit"),
)
