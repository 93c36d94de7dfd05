"""Add-ons, told through whole cycles: they come first, what needs them follows, and they leave last."""

from __future__ import annotations

import pytest

from reconciler.errors import GuardTripped, InputError
from reconciler.placement.model import Action, Verdict
from reconciler.planning.files import Files
from reconciler.planning.pipeline import preview
from reconciler.service.checks import check_files
from tests.cycles.spreads import DUPLICATE
from tests.fleets import (
    NOW,
    Fleet,
    cluster,
    config_map,
    decision,
    named,
    node,
    nodes,
    ordered,
    picture,
    policy,
    ray_cluster,
    ray_job,
    static_and_dynamic,
    text,
)

CHART = "{repo: https://charts.example.com, chart: operator, version: 1.0.0, namespace: system}"
ON_DYNAMIC = f"clusterSelector: {named('dynamic')}"
OTHERS = "{kind: RayCluster, namespace: other, name: mine, state: ready}"


def addon(name: str, *, provides: str = "[]", more: str = "") -> bytes:
    return text(f"""
apiVersion: skyray.dev/v1alpha1
kind: AddOn
metadata: {{name: {name}}}
spec:
  provides: {provides}
  steps: [{{name: operator, helm: {CHART}}}]
  {more}
""")


def only(label: str) -> str:
    return f"clusterSelector: {{matchLabels: {{{label}}}}}"


def operator(more: str = "") -> bytes:
    """The add-on that provides ray.io."""
    return addon("operator", provides="[ray.io]", more=more)


def operated(more: str = "", *, spec: str = ordered("static", "dynamic")) -> Fleet:
    """The demo's fleet with an operator that provides ray.io; `more` is of its add-on, `spec` is the policy's."""
    fleet = static_and_dynamic(spec)
    fleet.files["addons/operator/addon.yaml"] = operator(more)
    return fleet


def operated_job() -> Fleet:
    """That fleet with a RayJob, which is placed on static."""
    fleet = operated()
    fleet.commit("workloads/team/job.yaml", ray_job("train"))
    fleet.cycle()
    return fleet


def has(fleet: Fleet, cluster_: str, name: str = "operator") -> bool:
    return f"clusters/{cluster_}/_addons/{name}/operator.yaml" in fleet.files


def test_an_addon_comes_to_every_cluster_before_any_group() -> None:
    fleet = operated()
    fleet.commit("workloads/team/job.yaml", ray_job("train"))
    made = fleet.cycle()
    first, second = made.drafts
    assert first.subject == "render dynamic, static"
    assert {path for path in first.changes if "_addons/operator" in path} == {
        "clusters/static/_addons/operator/operator.yaml",
        "clusters/dynamic/_addons/operator/operator.yaml",
    }
    assert second.subject == "place team/rayjob-train on static"
    assert not any("_addons" in path for path in second.changes)
    assert fleet.plan().drafts == (), "the plan of a plan's result is empty"


def test_a_fleet_without_addons_gets_no_addons_folder() -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/team/job.yaml", ray_job("train"))
    fleet.cycle()
    assert not any("_addons" in path for path in fleet.files)


def test_the_folder_is_no_part_of_what_the_cluster_itself_gets() -> None:
    fleet = operated()
    fleet.cycle()
    assert b"_addons" not in fleet.files["clusters/static/kustomization.yaml"]


def test_a_cluster_without_the_addon_is_not_eligible_for_what_needs_it() -> None:
    fleet = operated(ON_DYNAMIC)
    fleet.commit("workloads/team/job.yaml", ray_job("train"))
    placed = decision(fleet.cycle(), "team", "rayjob-train")
    assert list(placed.clusters) == ["dynamic"], "static has room, but no operator"
    (static,) = [c for c in placed.candidates if c.cluster == "static"]
    assert (static.verdict, static.reason) == (Verdict.NOT_ELIGIBLE, "AddOnMissing")
    assert static.message == (
        "it lacks add-on operator, which ray.io needs: "
        "the add-on is for clusters with kubernetes.io/metadata.name=dynamic only"
    )


def test_a_group_waits_where_no_cluster_has_the_addon_and_comes_once_one_has() -> None:
    fleet = operated(only("ready: 'true'"))
    fleet.commit("workloads/team/job.yaml", ray_job("train"))
    waits = decision(fleet.cycle(), "team", "rayjob-train")
    assert waits.action is Action.WAIT
    assert {c.reason for c in waits.candidates} == {"AddOnMissing"}
    fleet.files["inventory/static.yaml"] = cluster("static", labels="{ready: 'true'}")
    made = fleet.cycle()
    assert decision(made, "team", "rayjob-train").action is Action.PLACE
    assert made.drafts[0].subject == "render static"


def test_groups_that_need_no_addon_go_anywhere() -> None:
    fleet = operated(ON_DYNAMIC)
    fleet.commit("workloads/team/code.yaml", config_map("code"))
    placed = decision(fleet.cycle(), "team", "configmap-code")
    assert list(placed.clusters) == ["static"]


def test_what_stands_stays_when_its_cluster_is_no_longer_meant_for_the_addon() -> None:
    fleet = operated_job()
    fleet.files["addons/operator/addon.yaml"] = operator(ON_DYNAMIC)
    made = fleet.cycle()
    assert decision(made, "team", "rayjob-train").action is Action.KEEP
    assert has(fleet, "static")
    (warning,) = made.warnings
    assert warning.startswith("add-on operator stays on static: group team/rayjob-train needs it there; it leaves once")


def test_a_part_of_a_spread_group_stays_too() -> None:
    fleet = operated(spec=DUPLICATE)
    fleet.commit("workloads/team/cluster.yaml", ray_cluster("shared"))
    both = list(decision(fleet.cycle(), "team", "raycluster-shared").clusters)
    assert both == ["dynamic", "static"]
    fleet.files["addons/operator/addon.yaml"] = operator(ON_DYNAMIC)
    assert list(decision(fleet.cycle(), "team", "raycluster-shared").clusters) == both


def test_a_removed_addon_leaves_each_cluster_after_the_groups_that_need_it() -> None:
    fleet = operated_job()
    fleet.commit("addons/operator/addon.yaml", None)
    fleet.cycle()
    assert (has(fleet, "static"), has(fleet, "dynamic")) == (True, False)
    fleet.commit("workloads/team/job.yaml", None)
    retiring = fleet.cycle(allow_removals=True)
    assert decision(retiring, "team", "rayjob-train").action is Action.RETIRE
    assert has(fleet, "static"), "the engine must prune the job before the operator goes"
    fleet.cycle()
    assert not has(fleet, "static")
    kept = [path for path in fleet.files if path.startswith("clusters/static/_addons/")]
    assert sorted(kept) == ["clusters/static/_addons/kustomization.yaml", "clusters/static/_addons/skyray.yaml"]
    assert fleet.plan().drafts == ()


def test_an_addon_stays_while_ray_resources_are_seen_or_nobody_can_see() -> None:
    fleet = operated()
    fleet.cycle()
    fleet.commit("addons/operator/addon.yaml", None)
    fleet.show("static", node("n0"), ray=(OTHERS,))
    made = fleet.cycle(unreadable=("dynamic",))
    assert has(fleet, "static")
    assert has(fleet, "dynamic")
    assert "RayCluster other/mine is still there" in made.warnings[1]
    assert "dynamic: the cluster cannot be read" in made.warnings[0]
    fleet.show("static", node("n0"))
    fleet.cycle()
    assert not has(fleet, "static")
    assert not has(fleet, "dynamic")


def test_an_addon_whose_sentinel_was_changed_by_hand_is_taken_for_needed() -> None:
    fleet = operated_job()
    fleet.commit("addons/operator/addon.yaml", None)
    fleet.files["clusters/static/_addons/skyray.yaml"] = b"data: {}\n"
    fleet.cycle()
    assert has(fleet, "static")


def test_an_addon_waits_for_the_one_that_it_depends_on_cluster_by_cluster() -> None:
    fleet = operated("dependsOn: [base]")
    fleet.files["addons/base/addon.yaml"] = addon("base", more=ON_DYNAMIC)
    fleet.commit("workloads/team/job.yaml", ray_job("train"))
    placed = decision(fleet.cycle(), "team", "rayjob-train")
    assert list(placed.clusters) == ["dynamic"]
    (static,) = [c for c in placed.candidates if c.cluster == "static"]
    assert "depends on add-on base, which is not for this cluster" in static.message
    assert not has(fleet, "static")


def test_a_cluster_that_joins_gets_its_addons_and_then_its_share_of_a_spread_group() -> None:
    fleet = operated(spec=DUPLICATE)
    fleet.commit("workloads/team/job.yaml", ray_job("train"))
    fleet.cycle()
    fleet.files["inventory/new.yaml"] = cluster("new")
    fleet.show("new", *nodes(2))
    made = fleet.cycle()
    assert made.drafts[0].subject == "render new"
    assert has(fleet, "new")
    assert "new" in list(decision(made, "team", "rayjob-train").clusters)


def test_an_addon_that_cannot_be_read_stops_the_cycle_and_is_found_by_validate() -> None:
    fleet = operated()
    fleet.cycle()
    fleet.files["addons/operator/addon.yaml"] = b"kind: AddOn\n"
    with pytest.raises(InputError, match=r"addons/operator/addon.yaml:1:1: "):
        fleet.plan()
    fleet.files["addons/loose/x.yaml"] = config_map("x")
    found = check_files(Files(fleet.files), lambda _: fleet.files)
    assert any(line.startswith("addons/operator/addon.yaml:1:1: ") for line in found.errors)
    assert "addons/loose: is not spread to any cluster: it has no addon.yaml" in found.warnings


def test_validate_is_content_with_good_addons() -> None:
    fleet = operated()
    found = check_files(Files(fleet.files), lambda _: fleet.files)
    assert (found.errors, found.warnings) == ((), ())


def test_the_order_of_files_does_not_matter() -> None:
    fleet = operated("dependsOn: [base, zed]")
    fleet.files |= {"addons/zed/addon.yaml": addon("zed"), "addons/base/addon.yaml": addon("base")}
    other = Fleet(dict(reversed(fleet.files.items())))
    fleet.cycle()
    other.cycle()
    assert fleet.rendered() == other.rendered()


def test_a_cluster_that_leaves_the_inventory_takes_its_addons_folder_along() -> None:
    fleet = operated(spec=ordered("static"))
    fleet.cycle()
    del fleet.files["inventory/dynamic.yaml"]
    fleet.cycle()
    assert not any(path.startswith("clusters/dynamic/") for path in fleet.files)


def wide(clusters: int) -> Fleet:
    """Idle clusters with the label `ray`, each with the operator and another add-on, which it needs not."""
    fleet = Fleet.of(
        {f"c{i}": (cluster(f"c{i}", labels="{ray: 'yes'}"), picture(f"c{i}", node("n0"))) for i in range(clusters)},
        {"p": policy("p")},
    )
    fleet.files["addons/operator/addon.yaml"] = operator(only("ray: 'yes'"))
    fleet.files["addons/tool/addon.yaml"] = addon("tool")
    fleet.cycle()
    return fleet


def test_a_plan_that_takes_an_addon_off_many_idle_clusters_stops_and_asks() -> None:
    fleet = wide(4)
    fleet.files["addons/operator/addon.yaml"] = operator(only("ray: 'yse'"))
    with pytest.raises(GuardTripped) as caught:
        fleet.plan()
    assert str(caught.value) == (
        "this would remove 4 of 8 placed add-ons (operator on c0, operator on c1, operator on c2, ...), more than "
        "guards in fleet.yaml allow: if it is meant, run `skyray reconcile --allow-removals` once"
    )
    made = preview(fleet.state(), fleet.snapshot(), NOW)
    assert made.warnings == (f"a cycle would stop here: {caught.value}",)
    assert made.drafts, "a preview shows what would be done all the same"
    fleet.cycle(allow_removals=True)
    assert not any(has(fleet, f"c{i}") for i in range(4))
    assert fleet.plan().drafts == ()


def test_few_addons_may_go_and_those_that_stay_are_not_counted() -> None:
    fleet = wide(4)
    fleet.show("c0", node("n0"), ray=(OTHERS,))
    fleet.commit("addons/operator/addon.yaml", None)
    fleet.cycle()
    assert [has(fleet, f"c{i}") for i in range(4)] == [True, False, False, False]


def test_addons_do_not_make_room_for_more_groups_to_go_unasked() -> None:
    fleet = wide(20)
    for i in range(4):
        fleet.commit(f"workloads/team/code{i}.yaml", ray_job(f"job{i}", workers=0))
    fleet.cycle()
    for i in range(4):
        fleet.commit(f"workloads/team/code{i}.yaml", None)
    with pytest.raises(GuardTripped, match="4 of 4 placements"):
        fleet.plan()


def test_an_addon_that_provides_nothing_that_is_there_leaves_whatever_ray_resources_are_left() -> None:
    fleet = operated_job()
    fleet.files["addons/other/addon.yaml"] = addon("other", provides="[example.com]")
    fleet.cycle()
    assert has(fleet, "static", "other")
    fleet.show("static", *nodes(4), ray=(OTHERS,))
    del fleet.files["addons/other/addon.yaml"]
    fleet.cycle(allow_removals=True)
    assert not has(fleet, "static", "other")
    assert has(fleet, "static")
