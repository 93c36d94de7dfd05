"""`placement.prefer` through whole cycles: from the policy's file to the committed record."""

from __future__ import annotations

from reconciler.planning.plan import Plan
from tests.fleets import Fleet, cluster, decision, node, picture, policy, ray_job

POOL = """
autoscaler:
  kind: Karpenter
  nodePools:
    - {{name: {pool}, maxNodes: 8, {price} spot: {spot},
       allocatable: {{cpu: "15", memory: 58Gi, nvidia.com/gpu: "1", pods: "110"}}}}
"""


def cloud(name: str, price: str, spot: str = "false") -> tuple[bytes, bytes]:
    """A cluster with nothing but a pool that can grow."""
    spec = POOL.format(pool=f"{name}-l4", price=f"pricePerHour: {price}," if price else "", spot=spot)
    return cluster(name, spec=spec), picture(name, node("sys", gpus=0, cpu="2"))


def three_clouds(prefer: str) -> Fleet:
    clouds = {"aws": cloud("aws", "1.2"), "gcp": cloud("gcp", "0.71", "true"), "private": cloud("private", "")}
    return Fleet.of(clouds, {"cheap": policy("cheap", f"placement: {{require: Fit, prefer: [{prefer}]}}")})


def test_a_job_goes_where_its_new_nodes_are_cheapest_and_its_record_says_so() -> None:
    fleet = three_clouds("Cost")
    fleet.commit("workloads/team/job.yaml", ray_job("train"))
    made = decision(fleet.cycle(), "team", "rayjob-train")
    assert list(made.clusters) == ["gcp"]
    assert "costs 1.42 per hour for 2 nodes of pool gcp-l4 (spot), aws costs 2.40 per hour" in made.message
    assert [one.cluster for one in made.candidates] == ["gcp", "aws", "private"]
    assert made.candidates[2].message.endswith("has no known price for pool private-l4")
    record = fleet.files["placements/team/rayjob-train.yaml"].decode()
    assert "costs 1.42 per hour" in " ".join(record.split())


def test_every_preference_is_carried_out_and_planning_again_changes_nothing() -> None:
    for prefer in ("Available", "Cost", "Pack", "Balance", "Balance, Cost, Pack, Available"):
        fleet = three_clouds(prefer)
        for number in range(4):
            fleet.commit(f"workloads/team{number}/job.yaml", ray_job("train"))
        assert all(one.clusters for one in fleet.cycle().decisions), prefer
        assert fleet.plan().drafts == ()


def test_a_group_that_waits_has_no_say_in_where_others_go() -> None:
    def plan(*, with_huge: bool) -> Plan:
        fleet = three_clouds("Pack")
        if with_huge:
            fleet.commit("workloads/big/job.yaml", ray_job("huge", gpus=8))
        for number in range(3):
            fleet.commit(f"workloads/team{number}/job.yaml", ray_job("train", workers=number + 1))
        return fleet.plan()

    alone, beside = plan(with_huge=False), plan(with_huge=True)
    assert not decision(beside, "big", "rayjob-huge").clusters
    for number in range(3):
        before, after = (decision(made, f"team{number}", "rayjob-train") for made in (alone, beside))
        assert (before.clusters, before.message) == (after.clusters, after.message)
