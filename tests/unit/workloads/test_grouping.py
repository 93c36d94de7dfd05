"""Objects to groups: members, companions, pins, problems, and groups of which a part may be unread."""

from __future__ import annotations

import pytest

from reconciler.policy.model import SchedulePolicy
from reconciler.reasons.transitions import PartUnreadable
from reconciler.workloads.group import GroupKey, Source
from tests.unit.workloads.reading import BY_APP, config_map, deployment, grouped, keys, manifest, named, policy, uses


def test_without_group_by_each_workload_is_a_group_with_its_companions() -> None:
    groups = named(grouped({"a.yaml": deployment("a", uses("code")), "code.yaml": config_map("code")}))
    assert list(groups) == ["deployment-a"]
    assert keys(groups["deployment-a"].members) == ["Deployment a"]
    assert keys(groups["deployment-a"].companions) == ["ConfigMap code"]


def test_group_by_puts_objects_with_one_label_value_into_one_group() -> None:
    files = {name: deployment(name[0], metadata=f"labels: {{app: {app}}}") for name, app in
             (("a.yaml", "one"), ("b.yaml", "one"), ("c.yaml", "two"))}  # fmt: skip
    groups = named(grouped(files, BY_APP))
    assert {name: keys(group.members) for name, group in groups.items()} == {
        "one": ["Deployment a", "Deployment b"],
        "two": ["Deployment c"],
    }


def test_a_companion_of_two_groups_belongs_to_both() -> None:
    files = {"a.yaml": deployment("a", uses("code")), "b.yaml": deployment("b", uses("code"))}
    groups = named(grouped({**files, "code.yaml": config_map("code")}))
    assert [keys(group.companions) for group in groups.values()] == [["ConfigMap code"]] * 2


def test_an_object_that_neither_a_policy_nor_a_reference_selects_is_unplaced() -> None:
    files = {"a.yaml": deployment("a"), "code.yaml": config_map("code")}
    found = grouped(files, policy("pods", selects="{kinds: [Deployment]}"))
    assert keys(found.unplaced) == ["ConfigMap code"]


def test_groups_are_in_queue_order_by_their_youngest_commit() -> None:
    files = {"a.yaml": deployment("a", uses("code")), "b.yaml": deployment("b"), "code.yaml": config_map("code")}
    sources = {f"workloads/team/{name}.yaml": Source(name, order) for name, order in (("a", 1), ("b", 2), ("code", 3))}
    found = grouped(files, sources=sources)
    assert [(group.key.name, group.source.commit) for group in found.groups] == [
        ("deployment-b", "b"),
        ("deployment-a", "code"),
    ]


PINNED = "labels: {app: one}, annotations: {skyray.dev/cluster: %s}"


@pytest.mark.parametrize(
    ("files", "policies", "group", "said"),
    [
        ({"a.yaml": deployment("a", "hostNetwork: 3")}, (), "deployment-a", "hostNetwork"),
        ({"a.yaml": deployment("a", metadata="labels: {app: shared}")}, (BY_APP,), "shared", "'shared'"),
        ({"a.yaml": deployment("a", metadata="labels: {app: a.b}")}, (BY_APP,), "deployment-a", "label app"),
        ({"a.yaml": deployment("a", metadata=PINNED % "north"), "b.yaml": deployment("b", metadata=PINNED % "south")},
         (BY_APP,), "one", "pinned to north and south"),
        ({"a.yaml": deployment("a")}, (policy("p", "rescheduling: {triggers: [Cordon]}"),), "deployment-a",
         "rescheduling"),
        ({"a.yaml": deployment("a", metadata="labels: {app: one}"), "c.yaml": config_map("c", "labels: {app: one}")},
         (policy("pods", "groupBy: {labelKey: app}", "{kinds: [Deployment]}"),
          policy("maps", "groupBy: {labelKey: app}", "{kinds: [ConfigMap]}")),
         "one", "policies maps and pods"),
    ],
)  # fmt: skip
def test_what_keeps_a_group_from_being_placed(
    files: dict[str, str], policies: tuple[SchedulePolicy, ...], group: str, said: str
) -> None:
    found = named(grouped(files, *policies))
    assert said in found[group].problem


def test_a_pin_is_read_from_any_member() -> None:
    groups = named(grouped({"a.yaml": deployment("a", metadata=PINNED % "gpu")}, BY_APP))
    assert (groups["one"].pin, groups["one"].problem) == ("gpu", "")


BY_TEAM_FIRST = policy("by-team", "priority: 1\ngroupBy: {labelKey: squad}")


def test_two_policies_of_equal_priority_that_group_an_object_differently_are_a_problem_of_both_groups() -> None:
    files = {
        "a.yaml": deployment("a", metadata="labels: {app: one, squad: red}"),
        "b.yaml": deployment("b", metadata="labels: {squad: red}"),
    }
    only_red = policy("red", "groupBy: {labelKey: squad}", "{labelSelectors: [{matchLabels: {squad: red}}]}")
    only_one = policy("one", "groupBy: {labelKey: app}", "{labelSelectors: [{matchLabels: {app: one}}]}")
    groups = named(grouped(files, only_one, only_red))
    assert groups["one"].problem == groups["red"].problem
    assert "team/one" in groups["one"].problem
    assert "team/red" in groups["one"].problem


@pytest.mark.parametrize("second", [BY_TEAM_FIRST, policy("again", "groupBy: {labelKey: app}")])
def test_a_higher_priority_or_an_equal_label_value_decides(second: SchedulePolicy) -> None:
    files = {"a.yaml": deployment("a", metadata="labels: {app: one, squad: red}")}
    (group,) = grouped(files, BY_APP, second).groups
    assert group.problem == ""


def test_an_object_that_a_label_claims_is_no_companion_of_another_group() -> None:
    files = {
        "code.yaml": config_map("code", "labels: {app: one}"),
        "a.yaml": deployment("a", uses("code"), "labels: {app: one}"),
        "b.yaml": deployment("b", uses("code"), "labels: {app: two}"),
    }
    groups = named(grouped(files, BY_APP))
    assert groups["one"].problem == ""
    assert groups["two"].problem.startswith("workloads/team/code.yaml:1:1: ConfigMap team/code is claimed by")


UNREADABLE = {"bad.yaml": "kind: [\n"}
BY_TIER = policy("tier", "namespaceSelector: {matchLabels: {tier: gold}}")


@pytest.mark.parametrize(
    ("files", "policies", "part"),
    [
        ({"a.yaml": deployment("a")}, (policy("all"),), None),
        ({"a.yaml": deployment("a", uses("code"))}, (policy("all"),), "ConfigMap code"),
        ({"a.yaml": deployment("a", uses("code", optional=True))}, (policy("all"),), None),
        ({"a.yaml": deployment("a", metadata="labels: {app: one}")}, (BY_APP,), "another object"),
        ({"a.yaml": deployment("a")}, (policy("all"), BY_TIER), "its Namespace"),
        ({"a.yaml": deployment("a"), "ns.yaml": manifest("Namespace", "team")}, (policy("all"), BY_TIER), None),
    ],
)
def test_a_group_of_which_an_unreadable_file_may_hold_a_part(
    files: dict[str, str], policies: tuple[SchedulePolicy, ...], part: str | None
) -> None:
    found = grouped({**files, **UNREADABLE}, *policies)
    assert len(found.unread) == (part is not None)
    for key, reason in found.unread.items():
        assert key in {group.key for group in found.groups}
        assert isinstance(reason, PartUnreadable)
        assert reason.part.startswith(f"{part}")
        assert reason.path == "workloads/team/bad.yaml"


def test_an_unreadable_file_of_another_namespace_holds_no_part() -> None:
    files = {"team/a.yaml": deployment("a", uses("code")), "other/bad.yaml": "kind: [\n"}
    found = grouped(files)
    assert GroupKey("team", "deployment-a") in {group.key for group in found.groups}
    assert found.unread == {}
