"""A companion of several groups is one object on a cluster, and every record and commit says the truth of it."""

from __future__ import annotations

import yaml

from tests.fleets import (
    Fleet,
    config_map,
    decision,
    nodes,
    pinned,
    plain_clusters,
    policy,
    ray_job,
    static_and_dynamic,
    where,
)

SHARED = "clusters/static/team1/shared/configmap-code.yaml"
BAD = "backoffLimit: -1"


def two_jobs() -> Fleet:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team1/code.yaml", config_map("code"))
    for name in "ab":
        fleet.commit(f"workloads/team1/{name}.yaml", ray_job(name, workers=1, config="code"))
    fleet.cycle()
    return fleet


def digests(fleet: Fleet, name: str) -> dict[str, str]:
    record = yaml.safe_load(fleet.files[f"placements/team1/rayjob-{name}.yaml"])
    return {one["name"]: one["digest"] for one in record["spec"]["objects"]}


def test_an_edit_reaches_the_cluster_also_while_one_of_its_groups_must_stay_as_it_is() -> None:
    fleet = two_jobs()
    fleet.commit("workloads/team1/b.yaml", ray_job("b", workers=1, config="code", more=BAD))
    for value in ("print(2)", "print(3)"):
        fleet.commit("workloads/team1/code.yaml", config_map("code", value))
        made = fleet.cycle()
        assert value.encode() in fleet.files[SHARED]
        assert digests(fleet, "a")["code"] == digests(fleet, "b")["code"]
        assert SHARED in made.drafts[0].changes, "in the commit that says so"
        assert decision(made, "team1", "rayjob-a").message == "updated on static: changed ConfigMap code"
        kept = decision(made, "team1", "rayjob-b")
        assert kept.reason == "InvalidObject"
        assert kept.message.endswith("stays as it is; ConfigMap code changed with the other groups that use it")
        assert fleet.plan().drafts == ()
    fleet.commit("workloads/team1/b.yaml", ray_job("b", workers=1, config="code"))
    over = decision(fleet.cycle(), "team1", "rayjob-b")
    assert (over.reason, over.message) == ("Undisturbed", "placed on static as requested")
    assert fleet.plan().drafts == ()


def test_a_companion_that_is_removed_from_one_user_stays_with_the_other_until_nobody_refers_to_it() -> None:
    fleet = two_jobs()
    fleet.commit("workloads/team1/b.yaml", None)
    fleet.cycle(allow_removals=True)
    assert "clusters/static/team1/rayjob-a/configmap-code.yaml" in fleet.files
    assert SHARED not in fleet.files
    fleet.commit("workloads/team1/code.yaml", None)
    made = fleet.cycle()
    assert "clusters/static/team1/rayjob-a/configmap-code.yaml" not in fleet.files
    assert any("ConfigMap code, which is not in" in warning for warning in made.warnings)
    assert fleet.plan().drafts == ()


def test_each_cluster_has_its_own_copy_of_what_groups_on_two_clusters_refer_to() -> None:
    fleet = Fleet.of(plain_clusters(one=nodes(1), two=nodes(1)), {"p": policy("p")})
    fleet.commit("workloads/team1/code.yaml", config_map("code"))
    for name, chosen in (("a", "one"), ("b", "two")):
        fleet.commit(f"workloads/team1/{name}.yaml", pinned(ray_job(name, workers=1, config="code"), chosen))
    fleet.cycle()
    fleet.commit("workloads/team1/code.yaml", config_map("code", "print(2)"))
    made = fleet.cycle()
    assert [draft.subject for draft in made.drafts] == ["update team1/rayjob-a on one", "update team1/rayjob-b on two"]
    for name, chosen in (("a", "one"), ("b", "two")):
        assert b"print(2)" in fleet.files[f"clusters/{chosen}/team1/rayjob-{name}/configmap-code.yaml"]
    assert fleet.plan().drafts == ()


def test_a_companion_of_two_jobs_stands_once_on_their_cluster() -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team1/code.yaml", config_map("code"))
    fleet.commit("workloads/team1/a.yaml", ray_job("a", config="code"))
    fleet.commit("workloads/team1/b.yaml", ray_job("b", config="code"))
    fleet.cycle()
    assert where(fleet) == {"team1/rayjob-a": "static", "team1/rayjob-b": "static"}
    copies = [path for path in fleet.files if path.endswith("configmap-code.yaml")]
    assert copies == ["clusters/static/team1/shared/configmap-code.yaml"]
    assert fleet.plan().drafts == ()
    fleet.commit("workloads/team1/b.yaml", None)
    fleet.cycle()
    copies = [path for path in fleet.files if path.endswith("configmap-code.yaml")]
    assert copies == ["clusters/static/team1/rayjob-a/configmap-code.yaml"]
