"""Objects that a label groups are placed whole or not at all, and each is in one group."""

from __future__ import annotations

from reconciler.placement.model import Action
from tests.cycles.companions import account, companions, job_with
from tests.fleets import GROUPED, config_map, decision, ordered, policy, ray_job, static_and_dynamic, where


def test_a_grouped_pair_goes_to_one_cluster_whole_or_waits_whole() -> None:
    fleet = static_and_dynamic(GROUPED)
    fleet.commit("workloads/team1/a.yaml", ray_job("a", workers=3, labels="{app: pair}"))
    fleet.commit("workloads/team1/b.yaml", ray_job("b", workers=2, labels="{app: pair}"))
    made = fleet.cycle()
    assert decision(made, "team1", "pair").action is Action.WAIT
    fleet.commit("workloads/team1/b.yaml", ray_job("b", workers=1, labels="{app: pair}"))
    fleet.cycle()
    assert where(fleet) == {"team1/pair": "static"}


def test_a_group_with_an_invalid_member_is_not_placed_by_halves() -> None:
    fleet = static_and_dynamic(GROUPED)
    fleet.commit("workloads/team1/code.yaml", config_map("code", labels="{app: pair}"))
    fleet.commit("workloads/team1/a.yaml", ray_job("a", workers=1, labels="{app: pair}", config="code"))
    fleet.commit("workloads/team1/b.yaml", ray_job("b", labels="{app: pair}", more="backoffLimit: -1"))
    refused = decision(fleet.cycle(), "team1", "pair")
    assert refused.action is Action.REJECT
    assert refused.message.startswith("workloads/team1/b.yaml:")
    assert not any("team1" in path for path in fleet.files if path.startswith("clusters/"))


def test_a_wrong_field_of_a_companion_is_reported_with_its_place_and_keeps_its_group_out() -> None:
    fleet = static_and_dynamic(GROUPED)
    fleet.commit("workloads/team1/sa.yaml", account("runner", "imagePullSecrets: pull"))
    fleet.commit("workloads/team1/a.yaml", job_with("serviceAccountName: runner", "a", "{app: pair}"))
    fleet.commit("workloads/team1/b.yaml", ray_job("b", workers=1, labels="{app: pair}"))
    refused = decision(fleet.cycle(), "team1", "pair")
    assert refused.action is Action.REJECT
    assert refused.message.startswith("workloads/team1/sa.yaml:4:19: imagePullSecrets is ")
    assert not any("/pair/" in path for path in fleet.files if path.startswith("clusters/"))
    fleet.commit("workloads/team1/sa.yaml", account("runner"))
    fleet.cycle()
    assert companions(fleet, "clusters/static/team1/pair/") == ["serviceaccount-runner.yaml"]


def test_a_group_of_which_a_file_cannot_be_read_waits_for_it() -> None:
    fleet = static_and_dynamic(GROUPED)
    fleet.commit("workloads/team1/a.yaml", ray_job("a", workers=1, labels="{app: pair}"))
    fleet.commit("workloads/team1/b.yaml", b"kind: RayJob\n  metadata: [\n")
    fleet.commit("workloads/team1/alone.yaml", ray_job("alone", workers=1))
    made = fleet.cycle()
    waits = decision(made, "team1", "pair")
    assert (waits.action, waits.reason) == (Action.WAIT, "SourceUnreadable")
    assert "workloads/team1/b.yaml" in waits.message
    assert decision(made, "team1", "rayjob-alone").action is Action.PLACE, "nothing can be missing of it"
    fleet.commit("workloads/team1/b.yaml", ray_job("b", workers=1, labels="{app: pair}"))
    assert decision(fleet.cycle(), "team1", "pair").action is Action.PLACE


def test_an_object_that_two_policies_put_into_two_groups_is_refused_with_all_four_names() -> None:
    fleet = static_and_dynamic()
    fleet.files["policies/spill.yaml"] = policy("by-app", GROUPED)
    fleet.files["policies/team.yaml"] = policy("by-team", ordered("static") + "\ngroupBy: {labelKey: team}")
    fleet.commit("workloads/team1/a.yaml", ray_job("a", workers=1, labels="{app: one, team: red}"))
    fleet.commit("workloads/team1/b.yaml", ray_job("b", workers=1, labels="{app: one}"))
    made = fleet.cycle()
    refused = decision(made, "team1", "one")
    assert refused.action is Action.REJECT
    assert "by-app" in refused.message
    assert "by-team" in refused.message
    assert "team1/one" in refused.message
    assert "team1/red" in refused.message
    rules = fleet.files["policies/team.yaml"]
    fleet.files["policies/team.yaml"] = rules.replace(b"spec:", b"spec:\n  priority: 5")
    made = fleet.cycle()
    settled = [decision(made, "team1", name).action for name in ("red", "rayjob-b")]
    assert settled == [Action.PLACE, Action.PLACE], "a higher priority settles it"


def test_the_other_group_that_an_object_is_claimed_by_is_not_placed_without_it() -> None:
    fleet = static_and_dynamic()
    fleet.files["policies/spill.yaml"] = policy(
        "by-app", GROUPED, objects="{labelSelectors: [{matchLabels: {app: one}}]}"
    )
    fleet.files["policies/team.yaml"] = policy(
        "by-team",
        ordered("static") + "\ngroupBy: {labelKey: team}",
        objects="{labelSelectors: [{matchLabels: {team: red}}]}",
    )
    fleet.commit("workloads/team1/a.yaml", ray_job("a", workers=1, labels="{app: one, team: red}"))
    fleet.commit("workloads/team1/c.yaml", ray_job("c", workers=1, labels="{team: red}"))
    made = fleet.cycle()
    assert {(d.group.name, d.action) for d in made.decisions} == {("one", Action.REJECT), ("red", Action.REJECT)}


def test_a_companion_that_another_groups_label_claims_is_refused_with_both_groups() -> None:
    fleet = static_and_dynamic(GROUPED)
    fleet.commit("workloads/team1/code.yaml", config_map("code", labels="{app: one}"))
    fleet.commit("workloads/team1/a.yaml", ray_job("a", workers=1, labels="{app: one}", config="code"))
    fleet.commit("workloads/team1/b.yaml", ray_job("b", workers=1, labels="{app: two}", config="code"))
    made = fleet.cycle()
    assert decision(made, "team1", "one").action is Action.PLACE
    refused = decision(made, "team1", "two")
    assert refused.action is Action.REJECT
    assert "ConfigMap team1/code" in refused.message
    assert "group team1/one" in refused.message
    assert "RayJob b" in refused.message
    fleet.commit("workloads/team1/code.yaml", config_map("code"))
    fleet.cycle()
    assert "clusters/static/team1/shared/configmap-code.yaml" in fleet.files


def test_a_group_that_two_policies_select_is_refused_with_both_names() -> None:
    fleet = static_and_dynamic(ordered("static") + "\ngroupBy: {labelKey: app}")
    fleet.files["policies/maps.yaml"] = policy(
        "maps", "priority: 5\nclusterSelector: {}\ngroupBy: {labelKey: app}", objects="{kinds: [ConfigMap]}"
    )
    fleet.commit("workloads/team1/a.yaml", ray_job("a", labels="{app: one}"))
    fleet.commit("workloads/team1/c.yaml", config_map("c", labels="{app: one}"))
    made = fleet.cycle()
    assert [d.action for d in made.decisions] == [Action.REJECT]
    assert "policies maps and spill" in made.decisions[0].message


def test_a_label_that_cannot_be_a_folder_is_refused_with_the_rule() -> None:
    fleet = static_and_dynamic(ordered("static") + "\ngroupBy: {labelKey: app}")
    fleet.commit("workloads/team1/a.yaml", ray_job("a", labels="{app: Not_A.Folder}"))
    made = fleet.cycle()
    assert [d.action for d in made.decisions] == [Action.REJECT]
    assert "Not_A.Folder" in made.decisions[0].message


def test_nobody_can_take_the_name_of_the_shared_folder() -> None:
    fleet = static_and_dynamic(ordered("static") + "\ngroupBy: {labelKey: app}")
    fleet.commit("workloads/team1/a.yaml", ray_job("a", labels="{app: shared}"))
    assert fleet.cycle().decisions[0].action is Action.REJECT


def test_a_job_that_moves_to_another_group_stays_where_it_was_placed() -> None:
    fleet = static_and_dynamic(ordered("static", "dynamic") + "\ngroupBy: {labelKey: app}")
    fleet.commit("workloads/team1/a.yaml", ray_job("a", labels="{app: one}"))
    fleet.commit("workloads/team1/b.yaml", ray_job("b", labels="{app: one}"))
    fleet.cycle()
    fleet.commit("workloads/team1/a.yaml", ray_job("a", labels="{app: two}"))
    made = fleet.cycle()
    assert decision(made, "team1", "two").reason == "HeldByAnotherGroup"
    copies = [path for path in fleet.files if path.endswith("/rayjob-a.yaml")]
    assert copies == ["clusters/static/team1/one/rayjob-a.yaml"]
    assert fleet.plan().drafts == ()


def test_a_policy_that_groups_otherwise_re_runs_no_job() -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team1/a.yaml", ray_job("a", labels="{app: one}"))
    fleet.cycle()
    before = {path for path in fleet.rendered() if path.startswith("clusters/")}
    fleet.files["policies/spill.yaml"] = policy("spill", ordered("dynamic", "static") + "\ngroupBy: {labelKey: app}")
    made = fleet.cycle()
    assert decision(made, "team1", "rayjob-a").reason == "JobHeldHere"
    assert {path for path in fleet.rendered() if path.startswith("clusters/")} == before
    fleet.commit("workloads/team2/b.yaml", ray_job("b", workers=3))
    fleet.files["policies/spill.yaml"] = policy("spill", GROUPED)
    assert decision(fleet.plan(), "team2", "rayjob-b").action is Action.WAIT, "the held job's room is still promised"
