"""What a plan decides, told through whole cycles on small fleets."""

from __future__ import annotations

import pytest

from reconciler.errors import GuardTripped, InputError
from reconciler.fleet.snapshot_file import fleet_snapshot, read_capacity
from reconciler.placement.model import Action, Phase, Verdict
from reconciler.planning.pipeline import plan
from tests.fleets import (
    NOW,
    Fleet,
    cluster,
    config_map,
    cpu_clusters,
    decision,
    ended,
    named,
    nodes,
    ordered,
    picture,
    pinned,
    policy,
    ray_cluster,
    ray_job,
    static_and_dynamic,
    where,
)

RENDERED = "clusters/static/team1/rayjob-train/rayjob-train.yaml"


def with_jobs_of(*teams: str) -> Fleet:
    """A fleet on whose static cluster each of these teams has a job that takes two of four GPUs."""
    fleet = static_and_dynamic()
    for team in teams:
        fleet.commit(f"workloads/{team}/job.yaml", ray_job("train"))
    fleet.cycle()
    return fleet


def test_three_jobs_fill_the_static_cluster_and_spill_to_the_dynamic_one() -> None:
    fleet = static_and_dynamic()
    reasons = []
    for i in (1, 2, 3):
        fleet.commit(f"workloads/team{i}/job.yaml", ray_job("train"))
        made = fleet.cycle()
        reasons.append(decision(made, f"team{i}", "rayjob-train").reason)
    assert where(fleet) == {
        "team1/rayjob-train": "static",
        "team2/rayjob-train": "static",
        "team3/rayjob-train": "dynamic",
    }
    assert reasons == [Verdict.FITS_NOW, Verdict.FITS_NOW, Verdict.FITS_AFTER_SCALE_UP]
    last = decision(made, "team3", "rayjob-train")
    assert "adding 2 nodes of pool l4" in last.message
    assert "worker gpu-group needs nvidia.com/gpu 1, largest free 0" in last.message


def test_a_burst_in_one_commit_never_lands_on_room_for_one() -> None:
    fleet = static_and_dynamic()
    for i in range(5):
        fleet.commit(f"workloads/team{i}/job.yaml", ray_job("train"))
    fleet.cycle()
    assert sorted(where(fleet).values()) == ["dynamic", "dynamic", "dynamic", "static", "static"]
    assert where(fleet)["team0/rayjob-train"] == "static", "the older commit goes first"


def test_planning_the_same_input_twice_changes_nothing() -> None:
    fleet = static_and_dynamic()
    for i in range(9):
        fleet.commit(f"workloads/team{i}/job.yaml", ray_job("train", workers=3))
    first = fleet.cycle()
    assert first.drafts
    again = fleet.plan(now=first.decisions[0].after.decided_at + 3600.0)  # type: ignore[union-attr]
    assert again.drafts == ()
    assert again.changes == {}


def test_each_decision_is_a_commit_of_its_own_files_with_trailers() -> None:
    fleet = static_and_dynamic()
    fleet.cycle()
    fleet.commit("workloads/team1/job.yaml", ray_job("train"))
    fleet.commit("workloads/team2/job.yaml", ray_job("train"))
    drafts = fleet.plan().drafts
    assert [draft.subject for draft in drafts] == [
        "place team1/rayjob-train on static",
        "place team2/rayjob-train on static",
    ]
    trailers = dict(drafts[0].trailers)
    assert trailers["SkyRay-Group"] == "team1/rayjob-train"
    assert trailers["SkyRay-Cluster"] == "static"
    assert trailers["SkyRay-Source"] == f"{1:040x}"
    assert trailers["SkyRay-Reason"] == "FitsNow"
    assert trailers["SkyRay-Snapshot"].startswith("sha256:")
    assert set(drafts[0].changes) == {
        "clusters/static/kustomization.yaml",
        "clusters/static/skyray.yaml",
        "clusters/static/team1/namespace.yaml",
        "clusters/static/team1/rayjob-train/kustomization.yaml",
        "clusters/static/team1/rayjob-train/rayjob-train.yaml",
        "placements/team1/rayjob-train.yaml",
    }
    assert not any("team1" in path for path in drafts[1].changes)


def test_the_only_eligible_cluster_is_chosen_though_it_is_full() -> None:
    fleet = static_and_dynamic(f"clusterSelector: {named('static')}")
    for i in range(3):
        fleet.commit(f"workloads/team{i}/job.yaml", ray_job("train"))
    made = fleet.cycle()
    assert set(where(fleet).values()) == {"static"}
    assert decision(made, "team2", "rayjob-train").reason == "Queued"


def test_a_group_that_fits_nowhere_waits_and_says_with_numbers_why() -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/big/job.yaml", ray_job("train", workers=1, gpus=8))
    made = fleet.cycle()
    waits = decision(made, "big", "rayjob-train")
    assert (waits.action, waits.phase, waits.reason) == (Action.WAIT, Phase.PENDING, "NeverFits")
    assert {c.verdict for c in waits.candidates} == {Verdict.NEVER_FITS}
    assert "nvidia.com/gpu 8" in waits.candidates[0].message
    assert where(fleet) == {"big/rayjob-train": ""}
    assert fleet.plan().drafts == ()


def test_a_waiting_group_is_placed_once_there_is_room() -> None:
    fleet = static_and_dynamic(ordered("static", "static2"))
    for i in range(3):
        fleet.commit(f"workloads/team{i}/job.yaml", ray_job("train"))
    fleet.files["policies/spill.yaml"] = policy("spill", ordered("static") + "\nplacement: {require: Fit}")
    fleet.cycle()
    assert where(fleet)["team2/rayjob-train"] == ""
    fleet.commit("workloads/team0/job.yaml", None)
    fleet.cycle()
    assert where(fleet)["team2/rayjob-train"] == "static"


def test_a_removed_manifest_takes_its_overlay_and_record_away() -> None:
    fleet = static_and_dynamic()
    fleet.cycle()
    empty = fleet.rendered()
    fleet.commit("workloads/team1/job.yaml", ray_job("train"))
    fleet.cycle()
    assert fleet.rendered() != empty
    fleet.commit("workloads/team1/job.yaml", None)
    made = fleet.cycle()
    assert decision(made, "team1", "rayjob-train").action is Action.RETIRE
    assert set(fleet.rendered()) == set(empty)


def test_an_unreadable_file_keeps_what_it_made_and_a_new_one_is_rejected_alone() -> None:
    fleet = with_jobs_of("team1")
    before = {p: d for p, d in fleet.rendered().items() if p.startswith("clusters/")}
    fleet.commit("workloads/team1/job.yaml", b"kind: RayJob\n  metadata: [\n")
    fleet.commit("workloads/team2/new.yaml", b"a: &x 1\nb: *x\n")
    fleet.commit("workloads/team3/job.yaml", ray_job("train"))
    made = fleet.cycle()
    kept = decision(made, "team1", "rayjob-train")
    assert (kept.action, kept.reason) == (Action.KEEP, "SourceUnreadable")
    rejected = decision(made, "team2", "file-new")
    assert (rejected.action, rejected.reason) == (Action.REJECT, "UnreadableFile")
    assert "workloads/team2/new.yaml:" in rejected.message
    assert decision(made, "team3", "rayjob-train").action is Action.PLACE
    assert all(fleet.files[path] == data for path, data in before.items() if "team1" in path)
    assert fleet.plan().drafts == ()
    fleet.commit("workloads/team2/new.yaml", config_map("fine"))
    fleet.cycle()
    assert "placements/team2/file-new.yaml" not in fleet.files


def test_a_linked_workload_file_is_unreadable_and_deletes_nothing() -> None:
    fleet = with_jobs_of("team1")
    del fleet.files["workloads/team1/job.yaml"]
    fleet.unusable["workloads/team1/job.yaml"] = "is a symbolic link"
    made = fleet.cycle()
    assert decision(made, "team1", "rayjob-train").reason == "SourceUnreadable"
    assert RENDERED in fleet.files


@pytest.mark.parametrize("path", ["policies/spill.yaml", "inventory/static.yaml", "fleet.yaml"])
def test_an_unreadable_setting_stops_the_cycle(path: str) -> None:
    fleet = with_jobs_of("team1")
    fleet.files[path] = b"spec: {\n"
    with pytest.raises(InputError, match=path):
        fleet.plan()


def test_an_invalid_object_is_rejected_with_its_place_and_the_others_go_on() -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team1/job.yaml", ray_job("train", more="suspend: true\n  clusterSelector: {a: b}"))
    fleet.commit("workloads/team2/job.yaml", ray_job("train"))
    made = fleet.cycle()
    rejected = decision(made, "team1", "rayjob-train")
    assert (rejected.action, rejected.phase) == (Action.REJECT, Phase.REJECTED)
    assert rejected.message.startswith("workloads/team1/job.yaml:")
    assert decision(made, "team2", "rayjob-train").action is Action.PLACE
    assert fleet.plan().drafts == ()


def test_a_placed_group_whose_file_turns_invalid_stays_as_it_was() -> None:
    fleet = with_jobs_of("team1")
    overlay = fleet.files[RENDERED]
    fleet.commit("workloads/team1/job.yaml", ray_job("train", more="backoffLimit: -1"))
    made = fleet.cycle()
    kept = decision(made, "team1", "rayjob-train")
    assert (kept.action, kept.reason) == (Action.KEEP, "InvalidObject")
    assert fleet.files[RENDERED] == overlay
    fleet.commit("workloads/team1/job.yaml", ray_job("train"))
    assert decision(fleet.cycle(), "team1", "rayjob-train").reason == "Undisturbed"


def test_an_edit_of_a_placed_job_is_held_and_said() -> None:
    fleet = with_jobs_of("team1")
    overlay = fleet.files[RENDERED]
    fleet.commit("workloads/team1/job.yaml", ray_job("train", workers=1))
    made = fleet.cycle()
    held = decision(made, "team1", "rayjob-train")
    assert (held.action, held.reason) == (Action.KEEP, "JobEditHeld")
    assert fleet.files[RENDERED] == overlay
    assert fleet.plan().drafts == ()


def test_a_hand_made_change_in_skyrays_folders_is_undone() -> None:
    fleet = with_jobs_of("team1")
    clean = fleet.rendered()
    fleet.files[RENDERED] += b"# hacked\n"
    fleet.files["clusters/static/stray.yaml"] = b"a: 1\n"
    del fleet.files["clusters/dynamic/kustomization.yaml"]
    fleet.cycle()
    assert fleet.rendered() == clean


def test_an_unreachable_cluster_is_no_candidate_and_loses_nothing() -> None:
    fleet = with_jobs_of("team1")
    fleet.commit("workloads/team2/job.yaml", ray_job("train"))
    made = fleet.cycle(unreadable=("static",))
    assert decision(made, "team1", "rayjob-train").action is Action.KEEP
    placed = decision(made, "team2", "rayjob-train")
    assert placed.clusters[0] == "dynamic"
    assert {c.cluster: c.verdict for c in placed.candidates}["static"] is Verdict.UNREACHABLE
    assert RENDERED in fleet.files


def test_with_every_cluster_unreachable_a_group_waits() -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team1/job.yaml", ray_job("train"))
    made = fleet.cycle(unreadable=("static", "dynamic"))
    waits = decision(made, "team1", "rayjob-train")
    assert (waits.action, waits.reason) == (Action.WAIT, Verdict.UNREACHABLE)


def test_a_plan_that_removes_too_much_stops_and_asks() -> None:
    fleet = static_and_dynamic()
    for i in range(6):
        fleet.commit(f"workloads/team{i}/job.yaml", ray_job("train", gpus=0, cpu="100m"))
    fleet.cycle()
    assert set(where(fleet).values()) <= {"static", "dynamic"}
    for i in range(6):
        fleet.commit(f"workloads/team{i}/job.yaml", None)
    with pytest.raises(GuardTripped, match="6 of 6 placements"):
        fleet.plan()
    fleet.cycle(allow_removals=True)
    assert where(fleet) == {}


def test_a_pin_chooses_the_cluster_and_an_unknown_one_is_named() -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team1/job.yaml", pinned(ray_job("train"), "dynamic"))
    fleet.commit("workloads/team2/job.yaml", pinned(ray_job("train"), "dynamik"))
    made = fleet.cycle()
    assert decision(made, "team1", "rayjob-train").clusters[0] == "dynamic"
    lost = decision(made, "team2", "rayjob-train")
    assert lost.reason == "NoEligibleCluster"
    assert "did you mean dynamic?" in " ".join(c.message for c in lost.candidates)


def test_a_cordoned_cluster_gets_nothing_new_and_keeps_what_it_has() -> None:
    fleet = with_jobs_of("team1")
    fleet.files["inventory/static.yaml"] = cluster("static", spec="cordoned: true")
    fleet.commit("workloads/team2/job.yaml", ray_job("train"))
    fleet.cycle()
    assert where(fleet) == {"team1/rayjob-train": "static", "team2/rayjob-train": "dynamic"}


def test_priority_comes_before_age_in_the_queue() -> None:
    fleet = static_and_dynamic(ordered("static") + "\nplacement: {require: Fit}")
    urgent = "priority: 10\n" + ordered("static") + "\nplacement: {require: Fit}"
    fleet.files["policies/urgent.yaml"] = policy(
        "urgent", urgent, objects="{labelSelectors: [{matchLabels: {urgent: 'true'}}]}"
    )
    fleet.commit("workloads/a/job.yaml", ray_job("train", workers=4))
    fleet.commit("workloads/b/job.yaml", ray_job("train", workers=4, labels="{urgent: 'true'}"))
    fleet.cycle()
    assert where(fleet) == {"a/rayjob-train": "", "b/rayjob-train": "static"}


def test_pods_that_exist_are_not_reserved_again() -> None:
    fleet = with_jobs_of("team1")
    made = (
        "{namespace: team1, name: h, node: n0, requests: {cpu: 1}, owner: train-abcde, nodeType: head}",
        (
            "{namespace: team1, name: w1, node: n0, requests: {cpu: 1200m, nvidia.com/gpu: 1}, owner: train-abcde,"
            " nodeType: worker, labels: {ray.io/group: gpu-group}}"
        ),
        (
            "{namespace: team1, name: w2, node: n1, requests: {cpu: 1200m, nvidia.com/gpu: 1}, owner: train-abcde,"
            " nodeType: worker, labels: {ray.io/group: gpu-group}}"
        ),
    )
    for pods in (made[:1], made[:2], made):
        fleet.show("static", *nodes(4), pods=pods)
        fleet.commit("workloads/team2/job.yaml", ray_job("train"))
        assert decision(fleet.plan(), "team2", "rayjob-train").clusters[0] == "static", "2 GPUs are free"
        fleet.commit("workloads/team3/job.yaml", ray_job("train"))
        assert decision(fleet.plan(), "team3", "rayjob-train").clusters[0] == "dynamic"
        fleet.commit("workloads/team3/job.yaml", None)
    assert decision(fleet.plan(), "team1", "rayjob-train").phase is Phase.RUNNING


def test_the_end_of_a_job_is_recorded_once_and_frees_its_room() -> None:
    fleet = with_jobs_of("team1", "team2")
    fleet.show("static", *nodes(4), ray=(ended("team1", "train", "SUCCEEDED"),))
    fleet.commit("workloads/team3/job.yaml", ray_job("train"))
    made = fleet.cycle()
    over = decision(made, "team1", "rayjob-train")
    assert (over.phase, over.reason) == (Phase.SUCCEEDED, "JobSucceeded")
    assert b"SUCCEEDED" in fleet.files["placements/team1/rayjob-train.yaml"]
    assert fleet.plan().drafts == ()
    fleet.show("static", *nodes(4))
    assert fleet.plan().drafts == (), "a job that its cluster forgot has still ended"
    fleet.commit("workloads/team2/job.yaml", None)
    fleet.commit("workloads/team4/job.yaml", ray_job("train"))
    assert decision(fleet.plan(), "team4", "rayjob-train").clusters[0] == "static", "two GPUs are free"


def test_a_finished_job_frees_its_room_in_the_cycle_that_sees_it() -> None:
    fleet = with_jobs_of("team1", "team2")
    fleet.show("static", *nodes(4), ray=(ended("team1", "train", "FAILED", "AppFailed"),))
    fleet.commit("workloads/team3/job.yaml", ray_job("train"))
    made = fleet.cycle()
    assert decision(made, "team1", "rayjob-train").phase is Phase.FAILED
    assert decision(made, "team3", "rayjob-train").clusters[0] == "static"


def test_an_object_that_no_policy_matches_is_reported_not_placed() -> None:
    fleet = static_and_dynamic()
    fleet.files["policies/spill.yaml"] = policy(
        "spill", ordered("static"), objects="{labelSelectors: [{matchLabels: {go: 'yes'}}]}"
    )
    fleet.commit("workloads/team1/job.yaml", ray_job("train"))
    made = fleet.cycle()
    assert made.decisions == ()
    assert "workloads/team1/job.yaml:1:1: RayJob team1/train is not placed" in made.warnings[0]


def test_the_same_object_in_two_files_is_rejected_with_both_places() -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team1/a.yaml", ray_job("train"))
    fleet.commit("workloads/team1/b.yaml", ray_job("train"))
    made = fleet.cycle()
    rejected = decision(made, "team1", "rayjob-train")
    assert rejected.action is Action.REJECT
    assert "workloads/team1/a.yaml" in rejected.message
    assert "workloads/team1/b.yaml" in rejected.message


def test_a_policy_beyond_this_version_is_refused_by_name() -> None:
    fleet = static_and_dynamic("rescheduling: {triggers: [Cordon]}")
    fleet.commit("workloads/team1/job.yaml", ray_job("train"))
    made = fleet.cycle()
    assert made.decisions[0].action is Action.REJECT
    assert "rescheduling" in made.decisions[0].message


def test_a_removed_policy_takes_nothing_away() -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team1/cluster.yaml", ray_cluster("shared"))
    fleet.commit("workloads/team2/job.yaml", ray_job("train"))
    fleet.cycle()
    before = {path for path in fleet.rendered() if path.startswith("clusters/")}
    rules = fleet.files.pop("policies/spill.yaml")
    made = fleet.cycle()
    assert {d.reason for d in made.decisions} == {"NoPolicy"}
    assert {path for path in fleet.rendered() if path.startswith("clusters/")} == before
    fleet.files["policies/spill.yaml"] = rules
    assert {d.reason for d in fleet.cycle().decisions} == {"Undisturbed"}
    fleet.commit("workloads/team1/cluster.yaml", None)
    assert decision(fleet.cycle(), "team1", "raycluster-shared").action is Action.RETIRE


def test_a_commit_shows_the_best_candidates_and_counts_the_rest() -> None:
    fleet = Fleet.of(cpu_clusters(**{f"c{i:02}": 8 for i in range(30)}), {"p": policy("p")})
    fleet.commit("workloads/team1/job.yaml", ray_job("train"))
    body = fleet.cycle().drafts[-1].body
    assert body.count("\n- c") == 20
    assert body.endswith("and 10 more (10 NeverFits), all of them in the Placement")
    assert fleet.files["placements/team1/rayjob-train.yaml"].count(b"- cluster: c") == 30


@pytest.mark.parametrize(("age", "reason"), [(599.0, "FitsNow"), (601.0, "Unreachable")])
def test_a_live_picture_counts_until_the_fleets_limit_and_is_none_after_it(age: float, reason: str) -> None:
    live = cluster("static").replace(b"snapshot: {file: snapshots/static.yaml}", b"kubeconfig: {context: static}")
    fleet = Fleet.of({"static": (live, b"")}, {"spill": policy("spill", ordered("static"))})
    fleet.commit("workloads/team1/job.yaml", ray_job("train"))
    seen = fleet_snapshot([read_capacity(picture("static", *nodes(4)), "static.yaml", "static", NOW - age)])
    made = plan(fleet.state(), seen, NOW)
    assert decision(made, "team1", "rayjob-train").reason == reason
    if reason == "Unreachable":
        assert "last read 601 s ago, and it counts for 600 s only" in made.decisions[0].message
