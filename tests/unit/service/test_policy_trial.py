"""What `skyray policy test` finds: a plan with a file of policies, against one without it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from reconciler.errors import InvalidObject
from reconciler.planning.files import Files
from reconciler.service.policy_trial import Trial, attempt, policies_in, with_file
from tests.fleets import NOW, Fleet, config_map, fleet_file, nodes, ordered, plain_clusters, policy, ray_job, text


def two(*policies: tuple[str, bytes]) -> Fleet:
    return Fleet.of(plain_clusters(one=nodes(4), two=nodes(4)), dict(policies))


@dataclass
class _With:
    """A fleet as it would be with a file."""

    fleet: Fleet

    def tries(self, path: str, data: bytes, replaced: tuple[str, ...] = ()) -> Trial:
        after = Fleet(
            dict(with_file(Files(self.fleet.files), path, data, replaced).contents),
            order=self.fleet.order,
            revision=self.fleet.revision,
        )
        found = policies_in(path, data)
        return attempt(self.fleet.state(), after.state(), found, self.fleet.snapshot(), NOW)


def moves(trial: Trial) -> dict[str, tuple[list[str], list[str]]]:
    return {
        str(change.group): (
            list(change.before.clusters) if change.before else ["nothing"],
            list(change.after.clusters) if change.after else ["nothing"],
        )
        for change in trial.changes
    }


def test_a_new_policy_places_what_waited_for_one_and_says_where() -> None:
    fleet = two()
    fleet.commit("workloads/team/job.yaml", ray_job("train"))
    trial = _With(fleet).tries("policies/new.yaml", policy("new", ordered("two", "one")))
    assert moves(trial) == {"team/rayjob-train": (["nothing"], ["two"])}
    assert [str(key) for key in trial.policies[0].groups] == ["team/rayjob-train"]
    assert trial.policies[0].eligibility.clusters == ("two", "one")
    assert trial.policies[0].replaces is None
    assert "clusters/two/team/rayjob-train/rayjob-train.yaml" in trial.files
    assert (trial.unplaced, trial.warnings) == ((), ())


def test_what_the_repo_would_do_anyway_is_not_the_policys_doing() -> None:
    fleet = two(("all", policy("all", ordered("one"))))
    fleet.commit("workloads/team/job.yaml", ray_job("train"))
    trial = _With(fleet).tries("policies/new.yaml", policy("zzz", "priority: -5"))
    assert moves(trial) == {}
    assert trial.files == {}
    assert trial.policies[0].groups == ()
    assert [(str(key), by) for key, by in trial.policies[0].outranked] == [("RayJob team/train", "all")]


def test_a_policy_that_a_guard_would_stop_is_tried_and_that_is_said() -> None:
    fleet = two(("all", policy("all", "spreadConstraints: {spreadMode: Duplicate}")))
    fleet.files["fleet.yaml"] = fleet_file("guards: {alwaysRemovable: 0}")
    fleet.commit("workloads/team/job.yaml", config_map("code"))
    fleet.cycle()
    spread = "spreadConstraints: {spreadMode: Duplicate}\n"
    only = policy("all", spread + "clusterSelector: {matchLabels: {kubernetes.io/metadata.name: one}}")
    trial = _With(fleet).tries("policies/all.yaml", only, ("all",))
    assert moves(trial) == {"team/configmap-code": (["one", "two"], ["one"])}
    assert len(trial.warnings) == 1
    assert trial.warnings[0].startswith("a cycle would stop here: this would remove 1 of 2 placements")


def test_a_policy_of_the_same_name_is_replaced_wherever_it_stands_and_its_neighbours_stay() -> None:
    fleet = two(("many", policy("a", ordered("one")) + b"---\n" + policy("b", "priority: -1")))
    fleet.commit("workloads/team/job.yaml", ray_job("train"))
    trial = _With(fleet).tries("policies/a.yaml", policy("a", ordered("two")), ("a",))
    assert moves(trial) == {"team/rayjob-train": (["one"], ["two"])}
    assert str(trial.policies[0].replaces) == "policies/many.yaml:1:1"
    assert fleet.files["policies/many.yaml"].count(b"kind: SchedulePolicy") == 2, "the repo's own file is left alone"
    changed = with_file(Files(fleet.files), "policies/a.yaml", b"", ("a",)).contents["policies/many.yaml"]
    assert [one.name for one in policies_in("policies/many.yaml", changed)] == ["b"]


def test_a_job_that_is_placed_stays_and_the_trial_says_that_nothing_changes() -> None:
    fleet = two(("a", policy("a", ordered("one"))))
    fleet.commit("workloads/team/job.yaml", ray_job("train"))
    fleet.cycle()
    trial = _With(fleet).tries("policies/a.yaml", policy("a", ordered("two")))
    assert [str(key) for key in trial.policies[0].groups] == ["team/rayjob-train"]
    assert moves(trial) == {}


def test_changed_files_are_told_also_where_every_group_stays() -> None:
    patch = """
    overrides:
      - clusterSelector: {}
        target: {kind: ConfigMap}
        patch: [{op: add, path: /data/site, value: here}]
    """
    fleet = two(("a", policy("a", ordered("one"))))
    fleet.commit("workloads/team/job.yaml", ray_job("train", config="code"))
    fleet.commit("workloads/team/code.yaml", config_map("code"))
    trial = _With(fleet).tries("policies/a.yaml", policy("a", ordered("one") + "\n" + text(patch).decode()))
    assert moves(trial) == {}
    assert trial.files["clusters/one/team/rayjob-train/kustomization.yaml"] == "add"


def test_a_group_that_the_policy_leaves_nowhere_to_go_is_told() -> None:
    fleet = two(("all", policy("all", "priority: -1")))
    fleet.commit("workloads/team/job.yaml", ray_job("train"))
    trial = _With(fleet).tries("policies/new.yaml", policy("new", ordered("three")))
    assert moves(trial) == {"team/rayjob-train": (["one"], [])}
    assert [str(d.group) for d in trial.unplaced] == ["team/rayjob-train"]
    assert trial.unplaced[0].reason == "NoEligibleCluster"
    assert [refusal.cluster for refusal in trial.policies[0].eligibility.refused] == ["one", "two"]


def test_only_the_warnings_that_the_policy_brings_about_are_told() -> None:
    fleet = two(("all", policy("all", f"priority: -1\n{ordered('one')}")))
    fleet.commit("workloads/team/job.yaml", ray_job("train", config="code"))
    fleet.commit("workloads/team/code.yaml", config_map("code"))
    fleet.commit(
        "workloads/team/token.yaml", text("apiVersion: v1\nkind: Secret\nmetadata: {name: t}\ndata: {k: dA==}")
    )
    assert ["plain Secret" in line for line in fleet.plan().warnings] == [True]
    jobs = policy("jobs", ordered("two"), objects="{kinds: [RayJob]}")
    (warning,) = _With(fleet).tries("policies/jobs.yaml", jobs).warnings
    assert "RayJob team/train is on two, and ConfigMap team/code, to which it refers in" in warning


@pytest.mark.parametrize(
    ("path", "data", "told"),
    [
        ("policies/a.txt", policy("a"), "policies/a.txt: is not read as a policy: call it *.yaml"),
        ("policies/a.yaml", b"# nothing\n", "policies/a.yaml: has no SchedulePolicy"),
        ("policies/a.yaml", policy("a", "prefer: [Cost]"), "policies/a.yaml:7:11: spec.prefer: unknown field"),
    ],
)
def test_a_file_that_is_no_policy_is_an_error_with_its_place(path: str, data: bytes, told: str) -> None:
    with pytest.raises(InvalidObject) as error:
        policies_in(path, data)
    assert told in str(error.value)
