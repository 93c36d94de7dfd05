"""Fleets whose clusters can grow: pools that are declared, pools that were read live, and Luna, over whole cycles."""

from __future__ import annotations

import pytest
import yaml

from reconciler.placement.model import Verdict
from reconciler.planning.pipeline import plan
from reconciler.planning.plan_cache import PlanCache
from tests.fleets import GROWS, NOW, Fleet, cluster, decision, node, nodes, ordered, picture, policy, ray_job

L4 = '{name: l4, maxNodes: 3, existing: 0, allocatable: {cpu: "15", memory: 58Gi, nvidia.com/gpu: "1"}%s}'
KARPENTER, AUTOSCALER = "autoscaler: {kind: Karpenter}", "autoscaler: {kind: ClusterAutoscaler}"
LUNA = """
autoscaler:
  kind: Luna
  gpuSkus: [L4]
  nodePools:
    - {name: l4, maxNodes: 8, allocatable: {cpu: "15", memory: 58Gi, nvidia.com/gpu: "1"}}
"""


def growing(spec: str, *pools: str, note: str = "") -> Fleet:
    """One cluster with a small CPU node, and what its autoscaler told."""
    told = b"".join(b"  - " + pool.encode() + b"\n" for pool in pools)
    shot = picture("dyn", node("sys", gpus=0, cpu="2")) + (b"pools:\n" + told if told else b"")
    shot += f'poolsNote: "{note}"\n'.encode() if note else b""
    fleet = Fleet.of({"dyn": (cluster("dyn", spec=spec), shot)}, {"p": policy("p", "placement: {require: Fit}")})
    fleet.commit("workloads/team/a.yaml", ray_job("a"))
    return fleet


def test_pools_that_were_read_live_let_a_cluster_grow() -> None:
    made = decision(growing(AUTOSCALER, L4 % "").plan(), "team", "rayjob-a")
    assert made.reason == "FitsAfterScaleUp"
    assert "all 4 pods fit after adding 2 nodes of pool l4" in made.message


def test_without_an_autoscaler_in_the_inventory_live_pools_do_not_count() -> None:
    made = decision(growing("", L4 % "").plan(), "team", "rayjob-a")
    assert made.candidates[0].verdict is Verdict.NEVER_FITS


def test_a_burst_never_takes_more_nodes_than_a_pool_may_add() -> None:
    fleet = growing(AUTOSCALER, L4 % "")
    fleet.commit("workloads/team/b.yaml", ray_job("b"))
    made = fleet.cycle()
    assert [decision(made, "team", f"rayjob-{name}").reason for name in "ab"] == ["FitsAfterScaleUp", "NoFit"]
    again = fleet.plan()
    assert not again.drafts
    assert "with all that the node pools may still add" in decision(again, "team", "rayjob-b").message


def test_a_pool_of_unknown_shape_is_waited_for_and_named_not_ruled_out() -> None:
    fleet = growing(AUTOSCALER, "{name: eks-l4, maxNodes: 5, existing: 0, exact: false}")
    made = decision(fleet.plan(), "team", "rayjob-a")
    (candidate,) = made.candidates
    assert (candidate.verdict, candidate.reason) == (Verdict.NO_FIT, "UnknownPools")
    assert "the node shape of pool eks-l4 is not known, because no node of it exists: declare it" in candidate.message
    fleet.files["inventory/dyn.yaml"] = cluster("dyn", spec=GROWS.replace("l4", "eks-l4"))
    made = decision(fleet.plan(), "team", "rayjob-a")
    assert "after adding 2 nodes of pool eks-l4" in made.message


def test_pools_that_could_not_be_read_are_explained() -> None:
    made = decision(growing(KARPENTER, note="its account may not get nodepools (403)").plan(), "team", "rayjob-a")
    (candidate,) = made.candidates
    assert candidate.verdict is Verdict.NO_FIT
    assert "what Karpenter may add is not known (its account may not get nodepools (403))" in candidate.message


def test_a_pool_in_backoff_spills_to_the_next_cluster() -> None:
    fleet = growing(AUTOSCALER, L4 % ", held: a scale-up failed (OUT_OF_RESOURCES)")
    fleet.files["inventory/other.yaml"] = cluster("other", spec=GROWS)
    fleet.show("other", node("sys", gpus=0, cpu="2"))
    fleet.files["policies/p.yaml"] = policy("p", ordered("dyn", "other"))
    made = decision(fleet.plan(), "team", "rayjob-a")
    assert list(made.clusters) == ["other"]
    first = next(one for one in made.candidates if one.cluster == "dyn")
    assert first.verdict is Verdict.NO_FIT
    assert "node pool l4 adds none now: a scale-up failed (OUT_OF_RESOURCES)" in first.message


def test_what_the_autoscaler_tells_is_part_of_the_snapshot() -> None:
    assert growing(AUTOSCALER, L4 % "").snapshot().digest != growing(AUTOSCALER).snapshot().digest


def test_luna_grows_only_by_pools_that_are_declared() -> None:
    made = decision(growing("autoscaler: {kind: Luna}").plan(), "team", "rayjob-a")
    (candidate,) = made.candidates
    assert (candidate.verdict, candidate.reason) == (Verdict.NO_FIT, "UnknownPools")
    assert "Luna may add nodes, but which ones is not declared" in candidate.message
    assert decision(growing(LUNA).plan(), "team", "rayjob-a").reason == "FitsAfterScaleUp"


def test_pods_are_marked_for_luna_in_its_clusters_and_nowhere_else() -> None:
    static = picture("static", *nodes(4))
    fleet = Fleet.of(
        {
            "static": (cluster("static"), static),
            "luna": (cluster("luna", spec=LUNA), picture("luna", node("sys", gpus=0, cpu="2"))),
        },
        {"spill": policy("spill", ordered("static", "luna"))},
    )
    for name in "abc":
        fleet.commit(f"workloads/team/{name}.yaml", ray_job(name))
    fleet.cycle()
    written = {path: data.decode() for path, data in fleet.rendered().items() if path.startswith("clusters/")}
    assert [path for path, text in written.items() if "elotl" in text] == [
        "clusters/luna/team/rayjob-c/kustomization.yaml"
    ]
    patches = yaml.safe_load(written["clusters/luna/team/rayjob-c/kustomization.yaml"])["patches"]
    assert len(patches) == 3
    assert all(yaml.safe_load(patch["patch"])[0]["op"] == "test" for patch in patches)
    assert sum("node.elotl.co/instance-gpu-skus: L4" in patch["patch"] for patch in patches) == 1
    assert not fleet.plan().drafts


def test_another_autoscaler_takes_the_marks_away() -> None:
    fleet, cache = growing(LUNA), PlanCache()
    fleet.cycle()
    path = "clusters/dyn/team/rayjob-a/kustomization.yaml"
    assert b"elotl-luna" in fleet.files[path]
    assert path not in plan(fleet.state(), fleet.snapshot(), NOW, cache=cache).changes
    fleet.files["inventory/dyn.yaml"] = cluster("dyn", spec=GROWS)
    made = plan(fleet.state(), fleet.snapshot(), NOW, cache=cache)
    written = {path: data for draft in made.drafts for path, data in draft.changes.items()}
    assert b"elotl-luna" not in (written[path] or b"")


@pytest.mark.parametrize("spec", [LUNA.replace("Luna", "Karpenter"), LUNA.replace("[L4]", '["L4,T4"]')])
def test_kinds_of_gpu_that_cannot_be_meant_are_refused(spec: str) -> None:
    with pytest.raises(Exception, match="gpuSkus"):
        growing(spec).state()


def test_a_plan_that_remembers_sees_that_a_pool_has_grown() -> None:
    fleet, cache = growing(AUTOSCALER), PlanCache()
    assert decision(plan(fleet.state(), fleet.snapshot(), NOW, cache=cache), "team", "rayjob-a").reason == "NoFit"
    fleet.files["snapshots/dyn.yaml"] = growing(AUTOSCALER, L4 % "").files["snapshots/dyn.yaml"]
    made = plan(fleet.state(), fleet.snapshot(), NOW, cache=cache)
    assert decision(made, "team", "rayjob-a").reason == "FitsAfterScaleUp"
