"""The guard: what a plan may remove without being asked, and how its objection names what would go."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.errors import GuardTripped
from reconciler.fleet.settings import Guards
from reconciler.placement.decision import Decision, TransitionKind
from reconciler.placement.model import Action, Phase
from reconciler.placement.placed_group import PlacedGroup
from reconciler.planning.addons import AddOnPlan
from reconciler.planning.guard import GuardReport, guard_report
from reconciler.reasons.changes import Regrouped
from tests.copies import app, copy_on, placed

TENTH = Guards(max_removed_share=0.1, always_removable=0)
NO_ADDONS = AddOnPlan({}, (), (), ())


def on(name: str, *clusters: str) -> PlacedGroup:
    return placed(name, *(copy_on(cluster, app()) for cluster in clusters))


def decided(before: PlacedGroup, after: PlacedGroup | None, reason: str = "") -> Decision:
    kind, action = (TransitionKind.RETIRE, Action.RETIRE) if after is None else (TransitionKind.UPDATE, Action.PLACE)
    return Decision(before.key, action, kind, Phase.PLACED, "p", reason, "", (), before, after)


def report(*decisions: Decision, guards: Guards = TENTH, addons: AddOnPlan = NO_ADDONS) -> GuardReport:
    placed = sum(len(decision.before.copies) for decision in decisions if decision.before is not None)
    return guard_report(guards, placed, decisions, addons)


def removing(count: int, of: int) -> list[Decision]:
    """So many of all groups are retired."""
    groups = [on(f"g{number:02}", "c0") for number in range(of)]
    return [decided(group, None if number < count else group) for number, group in enumerate(groups)]


@pytest.mark.parametrize(
    ("count", "of", "always", "objects"),
    [(0, 5, 0, False), (1, 10, 0, False), (2, 10, 0, True), (1, 9, 0, True), (3, 3, 3, False), (4, 4, 3, True)],
)
def test_a_share_and_a_number_may_be_removed(count: int, of: int, always: int, objects: bool) -> None:
    made = report(*removing(count, of), guards=replace(TENTH, always_removable=always))
    assert bool(made.objection) is objects


def test_only_an_objection_stops_the_plan() -> None:
    report(*removing(1, 10)).check()
    with pytest.raises(GuardTripped) as tripped:
        report(*removing(2, 10)).check()
    assert str(tripped.value) == report(*removing(2, 10)).objection


def test_the_objection_has_the_numbers_and_the_first_names() -> None:
    said = report(*removing(5, 10)).objection
    assert "5 of 10 placements" in said
    assert "team/g00, team/g01, team/g02, ..." in said
    assert "g03" not in said
    assert "..." not in report(*removing(3, 10)).objection


def test_each_cluster_that_a_group_leaves_counts() -> None:
    wide = on("wide", "c0", "c1", "c2", "c3")
    said = report(decided(wide, on("wide", "c0"))).objection
    assert "3 of 4 placements (team/wide)" in said


def test_a_group_that_joins_clusters_removes_nothing() -> None:
    assert report(decided(on("g", "c0"), on("g", "c0", "c1"))).objection == ""


def test_a_move_counts_for_the_cluster_that_is_left() -> None:
    assert "1 of 1" in report(decided(on("g", "c0"), on("g", "c1"))).objection


def test_what_another_group_took_over_stays_and_does_not_count() -> None:
    assert report(decided(on("g", "c0"), None, Regrouped.code)).objection == ""
    assert report(decided(on("g", "c0"), None, "ManifestRemoved")).objection != ""


def test_a_group_that_waited_removes_nothing_when_it_goes() -> None:
    assert report(decided(placed("g"), None)).objection == ""


def test_addons_are_counted_apart_from_groups() -> None:
    few = tuple(f"operator on c{number}" for number in range(5))
    addons = AddOnPlan({}, (), few, few[:1])
    assert "1 of 5 placed add-ons" in report(*removing(0, 100), addons=addons).objection
    assert report(*removing(10, 100), addons=AddOnPlan({}, (), few, ())).objection == ""


def test_groups_are_named_before_addons() -> None:
    addons = AddOnPlan({}, (), ("a",), ("a",))
    assert "placements" in report(*removing(2, 2), addons=addons).objection
