"""Groups on several clusters: duplicated, divided, and followed through the life of a fleet."""

from __future__ import annotations

import re

import pytest

from reconciler.errors import GuardTripped, InvalidObject
from reconciler.placement.model import Action, Phase
from tests.cycles.spreads import DUPLICATE, deployed, deployment, fleet_of, kustomization, replicas, split, standing
from tests.fleets import (
    Fleet,
    cluster,
    config_map,
    decision,
    ended,
    node,
    nodes,
    own_policy,
    picture,
    pinned,
    policy,
    ray_job,
    text,
)

NEAR = "clusterSelector: {matchLabels: {near: 'yes'}}\n"
ALL_NEAR = dict.fromkeys(("a", "b", "c"), "{near: 'yes'}")


def settled(fleet: Fleet) -> Fleet:
    """A cycle, after which nothing is left to do."""
    fleet.cycle()
    again = fleet.plan()
    assert again.drafts == ()
    return fleet


def test_a_duplicate_stands_whole_on_every_eligible_cluster() -> None:
    fleet = fleet_of({"a": 2, "b": 2, "c": 2}, NEAR + DUPLICATE, labels={**ALL_NEAR, "c": "{}"})
    fleet.commit("workloads/team/web.yaml", deployment("web", 3))
    made = fleet.plan()
    settled(fleet)
    placed = decision(made, "team", "deployment-web")
    assert [(copy.cluster, copy.share) for copy in placed.copies] == [("a", 100), ("b", 100)]
    assert (placed.action, placed.reason) == (Action.PLACE, "FitsNow")
    assert replicas(fleet, "team", "deployment-web") == {"a": 3, "b": 3}
    (draft,) = [d for d in made.drafts if "deployment-web" in d.subject]
    assert draft.subject == "place team/deployment-web on a, b"
    assert dict(draft.trailers)["SkyRay-Cluster"] == "a, b"
    assert {c.cluster: c.reason for c in placed.candidates}["c"] == "ClusterSelectorMismatch"


def test_copies_that_fit_are_placed_and_the_others_wait_with_their_numbers() -> None:
    fleet = fleet_of({"a": 2, "b": 2, "c": 0}, DUPLICATE)
    fleet.commit("workloads/team/job.yaml", ray_job("train"))
    made = fleet.plan()
    settled(fleet)
    placed = decision(made, "team", "rayjob-train")
    assert (placed.phase, placed.reason) == (Phase.PLACED, "PartlyPlaced")
    assert list(placed.clusters) == ["a", "b"]
    assert placed.message.startswith("2 of 3 clusters; ")
    assert "c waits: " in placed.message
    fleet.show("c", *nodes(2))
    settled(fleet)
    assert set(standing(fleet, "team", "rayjob-train")) == {"a", "b", "c"}


def test_copies_that_fit_nowhere_all_wait() -> None:
    fleet = fleet_of({"a": 1, "b": 0}, DUPLICATE)
    fleet.commit("workloads/team/job.yaml", ray_job("train"))
    made = fleet.plan()
    settled(fleet)
    waits = decision(made, "team", "rayjob-train")
    assert (waits.action, waits.phase, waits.clusters) == (Action.WAIT, Phase.PENDING, ())
    assert "0 of 2 clusters" in waits.message


def test_a_duplicate_follows_clusters_that_join_and_leave_the_selection() -> None:
    fleet = fleet_of({"a": 2, "b": 2, "c": 2}, NEAR + DUPLICATE, labels={**ALL_NEAR, "c": "{}"})
    fleet.commit("workloads/team/web.yaml", deployment("web"))
    settled(fleet)
    fleet.files["inventory/c.yaml"] = cluster("c", labels="{near: 'yes'}")
    fleet.files["inventory/a.yaml"] = cluster("a")
    made = fleet.plan()
    settled(fleet)
    moved = decision(made, "team", "deployment-web")
    assert list(moved.clusters) == ["b", "c"]
    assert moved.message == "placed on c; removed from a"
    assert not any(path.startswith("clusters/a/team") for path in fleet.files)
    assert any(path.startswith("clusters/c/team") for path in fleet.files)


def test_a_cluster_that_leaves_the_inventory_loses_its_copy_and_its_directory() -> None:
    fleet = fleet_of({"a": 2, "b": 2}, DUPLICATE)
    fleet.commit("workloads/team/web.yaml", deployment("web"))
    settled(fleet)
    del fleet.files["inventory/a.yaml"]
    settled(fleet)
    assert set(standing(fleet, "team", "deployment-web")) == {"b"}
    assert not any(path.startswith("clusters/a/") for path in fleet.files)


def test_running_duplicates_of_a_job_stay_where_they_are() -> None:
    fleet = fleet_of({"a": 2, "b": 2, "c": 2}, NEAR + DUPLICATE, labels={**ALL_NEAR, "c": "{}"})
    fleet.commit("workloads/team/job.yaml", ray_job("train"))
    settled(fleet)
    fleet.files["inventory/a.yaml"] = cluster("a")
    fleet.files["inventory/c.yaml"] = cluster("c", labels="{near: 'yes'}")
    settled(fleet)
    assert set(standing(fleet, "team", "rayjob-train")) == {"a", "b", "c"}


def test_a_cordoned_cluster_keeps_its_copy_and_gets_no_new_one() -> None:
    fleet = fleet_of({"a": 2, "b": 2}, DUPLICATE)
    fleet.commit("workloads/team/web.yaml", deployment("web"))
    settled(fleet)
    fleet.files["inventory/a.yaml"] = cluster("a", spec="cordoned: true")
    fleet.commit("workloads/team/new.yaml", deployment("new"))
    settled(fleet)
    assert set(standing(fleet, "team", "deployment-web")) == {"a", "b"}
    assert set(standing(fleet, "team", "deployment-new")) == {"b"}


def test_the_last_copy_is_not_taken_away_while_no_other_has_room() -> None:
    strict = NEAR + DUPLICATE + "\nplacement: {require: Fit}"
    fleet = fleet_of({"a": 2, "b": 0}, strict, labels={"a": "{near: 'yes'}"})
    fleet.commit("workloads/team/web.yaml", deployment("web"))
    settled(fleet)
    fleet.files["inventory/a.yaml"] = cluster("a")
    fleet.files["inventory/b.yaml"] = cluster("b", labels="{near: 'yes'}")
    settled(fleet)
    assert set(standing(fleet, "team", "deployment-web")) == {"a"}
    fleet.show("b", node("n0"))
    settled(fleet)
    assert set(standing(fleet, "team", "deployment-web")) == {"b"}


def test_the_guard_counts_copies() -> None:
    names = [f"c{i}" for i in range(6)]
    fleet = fleet_of(dict.fromkeys(names, 2), NEAR + DUPLICATE, labels=dict.fromkeys(names, "{near: 'yes'}"))
    fleet.commit("workloads/team/web.yaml", deployment("web"))
    settled(fleet)
    for name in names[:4]:
        fleet.files[f"inventory/{name}.yaml"] = cluster(name)
    with pytest.raises(GuardTripped, match=re.escape("4 of 6 placements (team/deployment-web), more than")):
        fleet.plan()
    fleet.cycle(allow_removals=True)
    assert set(standing(fleet, "team", "deployment-web")) == {"c4", "c5"}


def test_one_copy_stands_in_each_topology_domain() -> None:
    labels = {"a": "{zone: one}", "b": "{zone: one}", "c": "{zone: two}", "d": "{}"}
    spread = "spreadConstraints: {spreadMode: Duplicate, topologyKey: zone}"
    fleet = fleet_of({"a": 1, "b": 3, "c": 2, "d": 5}, spread, labels=labels)
    fleet.commit("workloads/team/job.yaml", ray_job("train"))
    settled(fleet)
    assert set(standing(fleet, "team", "rayjob-train")) == {"b", "c"}, "a has room for one worker only"


def test_an_update_of_duplicates_reaches_those_where_it_fits() -> None:
    fleet = fleet_of({"a": 4, "b": 1}, DUPLICATE)
    fleet.commit("workloads/team/web.yaml", deployment("web", 5))
    settled(fleet)
    fleet.commit("workloads/team/web.yaml", deployment("web", 20))
    made = fleet.plan()
    settled(fleet)
    partly = decision(made, "team", "deployment-web")
    assert partly.reason == "UpdateDoesNotFit"
    assert "1 of 2 clusters; the update does not fit on b" in partly.message
    assert replicas(fleet, "team", "deployment-web") == {"a": 20, "b": 5}
    fleet.show("b", *nodes(4))
    settled(fleet)
    assert replicas(fleet, "team", "deployment-web") == {"a": 20, "b": 20}


def test_a_sick_cluster_holds_up_no_copy_but_its_own() -> None:
    fleet = fleet_of({"a": 4, "b": 4}, DUPLICATE)
    fleet.commit("workloads/team/web.yaml", deployment("web", 5))
    settled(fleet)
    fleet.commit("workloads/team/web.yaml", deployment("web", 6))
    fleet.cycle(unreadable=("b",))
    assert replicas(fleet, "team", "deployment-web") == {"a": 6, "b": 5}


def test_the_end_of_duplicated_jobs_is_told_when_all_have_ended() -> None:
    fleet = fleet_of({"a": 2, "b": 2}, DUPLICATE)
    fleet.commit("workloads/team/job.yaml", ray_job("train"))
    settled(fleet)
    fleet.show("a", *nodes(2), ray=(ended("team", "train", "SUCCEEDED"),))
    settled(fleet)
    assert fleet.state().placements[next(iter(fleet.state().placements))].phase is Phase.PLACED
    fleet.show("a", *nodes(2))
    fleet.commit("workloads/other/job.yaml", ray_job("train"))
    fleet.files["policies/other.yaml"] = own_policy("other", "priority: 5")
    assert list(decision(fleet.plan(), "other", "rayjob-train").clusters) == ["a"], "its room is free"
    fleet.commit("workloads/other/job.yaml", None)
    fleet.show("b", *nodes(2), ray=(ended("team", "train", "FAILED"),))
    made = fleet.plan()
    settled(fleet)
    over = decision(made, "team", "rayjob-train")
    assert (over.phase, over.reason) == (Phase.FAILED, "JobFailed")
    assert "a: RayJob train" in over.message
    assert "b: RayJob train" in over.message


def test_a_division_by_percentages_loses_nothing() -> None:
    fleet = fleet_of({"a": 2, "b": 2}, split(a=70, b=30))
    fleet.commit("workloads/team/web.yaml", deployment("web", 5))
    made = fleet.plan()
    settled(fleet)
    assert replicas(fleet, "team", "deployment-web") == {"a": 4, "b": 1}, "3.5 and 1.5: the first of equal remainders"
    placed = decision(made, "team", "deployment-web")
    assert [(copy.cluster, copy.share) for copy in placed.copies] == [("a", 70), ("b", 30)]
    assert kustomization(fleet, "b", "team/deployment-web") == [
        [
            {"op": "test", "path": "/spec/replicas", "value": 5},
            {"op": "replace", "path": "/spec/replicas", "value": 1},
        ]
    ]
    assert (
        fleet.files["clusters/a/team/deployment-web/deployment-web.yaml"]
        == (fleet.files["clusters/b/team/deployment-web/deployment-web.yaml"])
    ), "the admitted copies are the user's own words"


def test_a_division_is_even_without_percentages() -> None:
    fleet = fleet_of({"a": 2, "b": 2, "c": 2}, "spreadConstraints: {spreadMode: Divide}")
    fleet.commit("workloads/team/web.yaml", deployment("web", 8))
    settled(fleet)
    assert replicas(fleet, "team", "deployment-web") == {"a": 3, "b": 3, "c": 2}
    assert [part.share for part in standing(fleet, "team", "deployment-web").values()] == [34, 33, 33]


def test_a_division_is_carried_out_whole_or_not_at_all() -> None:
    fleet = fleet_of({"a": 2, "b": 0}, split(a=50, b=50))
    fleet.commit("workloads/team/web.yaml", deployment("web", 32))
    fleet.commit("workloads/team/after.yaml", ray_job("after", workers=2))
    fleet.files["policies/after.yaml"] = policy(
        "after", "priority: -1\nclusterSelector: {}", objects="{kinds: [RayJob]}"
    )
    fleet.files["policies/spread.yaml"] = policy("spread", split(a=50, b=50), objects="{kinds: [Deployment]}")
    made = fleet.plan()
    settled(fleet)
    waits = decision(made, "team", "deployment-web")
    assert (waits.action, waits.clusters) == (Action.WAIT, ())
    assert "1 of 2" not in waits.message
    assert "b waits: 0 of 16 pods fit; " in waits.message
    assert list(decision(made, "team", "rayjob-after").clusters) == ["a"], "a's room was given back"


def test_a_split_that_names_no_eligible_cluster_waits_and_says_which() -> None:
    fleet = fleet_of({"a": 4}, split(a=70, z=30))
    fleet.commit("workloads/team/web.yaml", deployment("web", 8))
    waits = decision(fleet.plan(), "team", "deployment-web")
    assert (waits.action, waits.reason) == (Action.WAIT, "NoEligibleCluster")
    assert "no eligible cluster has kubernetes.io/metadata.name: z, which is to get 30%; they have a" in waits.message


def test_a_small_change_of_shares_moves_few_replicas_and_is_all_or_nothing() -> None:
    fleet = fleet_of({"a": 2, "b": 2}, split(a=50, b=50))
    fleet.commit("workloads/team/web.yaml", deployment("web", 10))
    settled(fleet)
    fleet.files["policies/spread.yaml"] = policy("spread", split(a=48, b=52))
    settled(fleet)
    assert replicas(fleet, "team", "deployment-web") == {"a": 5, "b": 5}
    fleet.files["policies/spread.yaml"] = policy("spread", split(a=40, b=60))
    settled(fleet)
    assert replicas(fleet, "team", "deployment-web") == {"a": 4, "b": 6}
    fleet.show("a", node("n0"))
    fleet.files["policies/spread.yaml"] = policy("spread", split(a=100, b=0))
    made = fleet.plan()
    settled(fleet)
    kept = decision(made, "team", "deployment-web")
    assert (kept.action, kept.reason) == (Action.KEEP, "UpdateDoesNotFit")
    assert kept.message.startswith("the division is not changed; the update does not fit on a: ")
    assert replicas(fleet, "team", "deployment-web") == {"a": 4, "b": 6}


def test_what_cannot_be_divided_goes_everywhere_and_a_part_of_nothing_has_no_head() -> None:
    fleet = fleet_of({"a": 4, "b": 4}, split(a=75, b=25) + "\ngroupBy: {labelKey: app}")
    fleet.commit("workloads/team/job.yaml", ray_job("train", workers=1, labels="{app: one}"))
    fleet.commit("workloads/team/web.yaml", deployment("web", 1).replace(b"{app: web}}\nspec", b"{app: one}}\nspec"))
    fleet.commit("workloads/team/map.yaml", config_map("map", labels="{app: one}"))
    settled(fleet)
    parts = standing(fleet, "team", "one")
    kinds = {name: sorted(item.key.kind for item in part.deployed) for name, part in parts.items()}
    assert kinds == {"a": ["ConfigMap", "Deployment", "RayJob"], "b": ["ConfigMap", "Deployment"]}
    assert replicas(fleet, "team", "one") == {"a": 1, "b": 0}


def test_workers_of_ray_are_divided_with_their_bounds() -> None:
    cluster_ = (
        ray_job("train", workers=7)
        .replace(b"maxReplicas: 7", b"maxReplicas: 9")
        .replace(b"minReplicas: 7", b"minReplicas: 3")
    )
    fleet = fleet_of({"a": 8, "b": 8}, split(a=60, b=40))
    fleet.commit("workloads/team/job.yaml", cluster_)
    settled(fleet)
    groups = {
        name: deployed(part, "RayJob")["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]
        for name, part in standing(fleet, "team", "rayjob-train").items()
    }
    found = {n: (g["minReplicas"], g["replicas"], g["maxReplicas"]) for n, g in groups.items()}
    assert found == {"a": (2, 4, 5), "b": (1, 3, 4)}


def test_jobs_are_divided_by_parallelism_and_completions() -> None:
    job = text("""
apiVersion: batch/v1
kind: Job
metadata: {name: work}
spec:
  parallelism: 3
  completions: 10
  template:
    spec: {restartPolicy: Never, containers: [{name: main, image: r, resources: {requests: {cpu: "1"}}}]}
""")
    fleet = fleet_of({"a": 8, "b": 8}, split(a=60, b=40))
    fleet.commit("workloads/team/job.yaml", job)
    settled(fleet)
    specs = {n: deployed(p, "Job")["spec"] for n, p in standing(fleet, "team", "job-work").items()}
    assert {n: (s["parallelism"], s["completions"]) for n, s in specs.items()} == {"a": (2, 6), "b": (1, 4)}
    indexed = job.replace(b"parallelism: 3", b"parallelism: 3\n  completionMode: Indexed").replace(b"work", b"other")
    fleet.commit("workloads/team/other.yaml", indexed)
    refused = decision(fleet.plan(), "team", "job-other")
    assert refused.action is Action.REJECT
    assert "Indexed" in refused.message


def test_a_running_job_is_not_divided_again() -> None:
    fleet = fleet_of({"a": 8, "b": 8, "c": 8}, split(a=50, b=50))
    fleet.commit("workloads/team/job.yaml", ray_job("train", workers=4))
    settled(fleet)
    before = {p: d for p, d in fleet.rendered().items() if p.startswith("clusters/")}
    fleet.files["policies/spread.yaml"] = policy("spread", split(a=25, b=25, c=50))
    settled(fleet)
    after = {p: d for p, d in fleet.rendered().items() if p.startswith("clusters/")}
    assert after == before


def test_a_percentage_with_a_fraction_is_refused_with_the_remedy() -> None:
    with pytest.raises(InvalidObject, match=r"percentage is 70\.5; write a whole number$"):
        fleet_of({"a": 1, "b": 1}, split(a=70.5, b=29.5)).state()  # type: ignore[arg-type]  # what users may write


def test_percentages_that_do_not_add_up_are_refused_with_their_place() -> None:
    with pytest.raises(InvalidObject, match=r"policies/spread.yaml:\d+:\d+: .*add up to 90; make them add up to 100"):
        fleet_of({"a": 1}, split(a=70, b=20)).state()


def test_a_policy_that_stops_spreading_leaves_one_copy() -> None:
    fleet = fleet_of({"a": 2, "b": 2}, split(a=50, b=50))
    fleet.commit("workloads/team/web.yaml", deployment("web", 4))
    settled(fleet)
    fleet.files["policies/spread.yaml"] = policy("spread", "clusterSelector: {}")
    settled(fleet)
    assert replicas(fleet, "team", "deployment-web") == {"a": 4}
    fleet.files["policies/spread.yaml"] = policy("spread", DUPLICATE)
    settled(fleet)
    assert replicas(fleet, "team", "deployment-web") == {"a": 4, "b": 4}


def test_the_manifests_of_a_spread_group_take_all_its_copies_with_them() -> None:
    fleet = fleet_of({"a": 2, "b": 2}, DUPLICATE)
    fleet.cycle()
    empty = set(fleet.rendered())
    fleet.commit("workloads/team/web.yaml", deployment("web"))
    settled(fleet)
    fleet.commit("workloads/team/web.yaml", None)
    made = fleet.plan()
    settled(fleet)
    assert decision(made, "team", "deployment-web").action is Action.RETIRE
    assert set(fleet.rendered()) == empty


def test_what_a_hand_changes_in_a_divided_group_is_undone() -> None:
    fleet = fleet_of({"a": 2, "b": 2}, split(a=70, b=30))
    fleet.commit("workloads/team/web.yaml", deployment("web", 5))
    settled(fleet)
    clean = fleet.rendered()
    fleet.files["clusters/a/team/deployment-web/kustomization.yaml"] = b"patches: []\n"
    del fleet.files["clusters/b/team/deployment-web/deployment-web.yaml"]
    fleet.cycle()
    assert fleet.rendered() == clean


def test_a_copy_that_leaves_gives_its_room_to_who_waits_in_the_same_cycle() -> None:
    near = NEAR + DUPLICATE
    fleet = fleet_of({"a": 1, "b": 2}, near, labels={**ALL_NEAR})
    for name, spec, kind in (("spread", near, "Deployment"), ("jobs", "clusterSelector: {}", "RayJob")):
        fleet.files[f"policies/{name}.yaml"] = policy(name, spec, objects=f"{{kinds: [{kind}]}}")
    fleet.commit("workloads/team/web.yaml", deployment("web", 8))
    settled(fleet)
    fleet.commit("workloads/team/job.yaml", pinned(ray_job("train", workers=1, cpu="5"), "a"))
    fleet.files["policies/jobs.yaml"] += b"  placement: {require: Fit}\n"
    settled(fleet)
    assert standing(fleet, "team", "rayjob-train") == {}, "the copy takes all of a"
    fleet.files["inventory/a.yaml"] = cluster("a")
    settled(fleet)
    assert set(standing(fleet, "team", "deployment-web")) == {"b"}
    assert set(standing(fleet, "team", "rayjob-train")) == {"a"}


def test_a_cluster_outside_of_all_domains_is_told_why() -> None:
    spec = "spreadConstraints: {spreadMode: Divide, topologyKey: region, percentageSplit: {east: 100, west: 0}}"
    labels = {"a": "{region: east}", "b": "{region: west}", "c": "{}"}
    fleet = fleet_of({"a": 2, "b": 2, "c": 2}, spec, labels=labels)
    fleet.commit("workloads/team/web.yaml", deployment("web"))
    placed = decision(fleet.plan(), "team", "deployment-web")
    told = {one.cluster: (one.reason, one.message) for one in placed.candidates}
    assert told["b"] == ("NoPercentage", "region is west, to which percentageSplit of policy spread gives nothing")
    assert told["c"] == ("NoTopologyLabel", "it has no label region, by which policy spread spreads")
    settled(fleet)


@pytest.mark.parametrize("mode", ["Duplicate", "Divide"])
def test_a_group_that_no_domain_takes_is_told_why(mode: str) -> None:
    fleet = fleet_of({"a": 2, "b": 2}, f"spreadConstraints: {{spreadMode: {mode}, topologyKey: rack}}")
    fleet.commit("workloads/team/web.yaml", deployment("web"))
    waits = decision(fleet.plan(), "team", "deployment-web")
    assert (waits.action, waits.reason) == (Action.WAIT, "NoEligibleCluster")
    assert "a: it has no label rack, by which policy spread spreads" in waits.message


def test_a_running_division_is_not_touched_by_clusters_that_join_or_are_cordoned() -> None:
    fleet = fleet_of({"a": 4, "b": 4}, "spreadConstraints: {spreadMode: Divide}")
    fleet.commit("workloads/team/job.yaml", ray_job("train", workers=4))
    settled(fleet)
    fleet.files["inventory/c.yaml"], fleet.files["snapshots/c.yaml"] = cluster("c"), picture("c", node("n0"))
    assert [d.subject for d in fleet.cycle().drafts if "train" in d.subject] == []
    fleet.files["inventory/a.yaml"] = cluster("a", spec="cordoned: true")
    assert [d.subject for d in fleet.cycle().drafts if "train" in d.subject] == []


def test_the_order_of_clusters_shifts_no_shares() -> None:
    fleet = fleet_of({"a": 4, "b": 4, "c": 4}, "spreadConstraints: {spreadMode: Divide}")
    fleet.commit("workloads/team/web.yaml", deployment("web", 3))
    settled(fleet)
    fleet.files["inventory/a.yaml"] = cluster("a", spec="cordoned: true")
    assert fleet.plan().drafts == ()


def test_a_change_of_shares_that_moves_no_replica_is_told_as_such() -> None:
    fleet = fleet_of({"a": 4, "b": 4}, split(a=60, b=40))
    fleet.commit("workloads/team/web.yaml", deployment("web", 2))
    settled(fleet)
    fleet.files["policies/spread.yaml"] = policy("spread", split(a=55, b=45))
    made = decision(fleet.plan(), "team", "deployment-web")
    assert made.message == "the shares are now 55% on a, 45% on b"
    settled(fleet)


def test_the_shares_of_those_who_have_a_part_make_up_the_whole() -> None:
    fleet = fleet_of({"a": 4, "b": 4, "c": 4}, "spreadConstraints: {spreadMode: Divide}")
    fleet.commit("workloads/team/one.yaml", ray_job("one", workers=1))
    fleet.commit("workloads/team/two.yaml", ray_job("two", workers=2))
    made = settled(fleet).plan()
    shares = {name: decision(made, "team", f"rayjob-{name}").copies for name in ("one", "two")}
    assert [(copy.cluster, copy.share) for copy in shares["one"]] == [("a", 100)]
    assert [(copy.cluster, copy.share) for copy in shares["two"]] == [("a", 50), ("b", 50)]


def test_a_running_job_stays_though_its_cluster_gets_no_share_any_more() -> None:
    fleet = fleet_of({"a": 4, "b": 4}, split(a=100))
    fleet.commit("workloads/team/job.yaml", ray_job("train"))
    settled(fleet)
    fleet.files["policies/spread.yaml"] = policy("spread", split(b=100))
    assert [(part.cluster, part.share) for part in standing(settled(fleet), "team", "rayjob-train").values()] == [
        ("a", 100)
    ]
