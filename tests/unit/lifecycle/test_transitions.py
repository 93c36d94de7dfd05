"""What should happen to a group: a case for each row of the two tables, and for the order of the rows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from reconciler.lifecycle.desired import DesiredState
from reconciler.lifecycle.transitions import (
    NOT_PLACED,
    PLACED,
    PROBLEM_REASONS,
    Row,
    Situation,
    kept_unasked,
    transition_of,
)
from reconciler.manifests.identity import ObjectKey
from reconciler.placement.decision import TransitionKind as Kind
from reconciler.placement.placed_group import PlacedGroup
from reconciler.placement.ray_clusters import Unmet
from reconciler.reasons.reason import Reason
from reconciler.reasons.transitions import (
    HeldByAnotherGroup,
    JobHeldHere,
    ManifestRemoved,
    ObjectHeldHere,
    TransferRefused,
)
from reconciler.reasons.written import Written
from reconciler.workloads.group import Group, WorkloadObject
from tests.copies import WEB_FILE, app, copy_on, group, job, key, keys_of, placed

WEB, TRAIN = app(), job()
NAME = "g"
HERE = placed(NAME, copy_on("c0", WEB))
JOB_HERE = placed(NAME, copy_on("c0", TRAIN))
WAITS = placed(NAME)
ASKED = group(NAME, WEB)
WRONG = replace(ASKED, problem="workloads/team/web.yaml:3:1: no such field")
DENIED = replace(WRONG, refused_as="TenantDenied")
OTHER = key("other")
UNREAD = Written("SourceUnreadable", "workloads/team/b.yaml cannot be read")
NOT_YET = Unmet(Written("RayClusterNotPlaced", "RayCluster r is in group team/r, which is not placed yet"), waits=True)
NOWHERE = Unmet(Written("NoSuchRayCluster", "RayCluster r is nowhere"), waits=False)


@dataclass(frozen=True)
class Facts:
    """A situation in which a row decides, and what it decides; what is not said is as on any day."""

    row: str
    kind: Kind
    reason: str = ""
    asked: Group | None = None
    has: PlacedGroup | None = None
    unread: Reason | None = None
    unmet: Unmet | None = None
    keys: frozenset[ObjectKey] = frozenset()
    unclaimed: frozenset[ObjectKey] = frozenset()
    broken: frozenset[str] = frozenset()
    kept: dict[ObjectKey, TransferRefused] = field(default_factory=dict)
    held: tuple[WorkloadObject, ...] = ()

    @property
    def situation(self) -> Situation:
        desired = DesiredState(self.keys, self.unclaimed, self.broken, {}, self.kept)
        holders = {item.key: OTHER for item in self.held}
        return Situation(key(NAME), self.asked, self.has, desired, self.unread, self.unmet, holders)

    @property
    def table(self) -> tuple[Row, ...]:
        """The table that must be used: that of groups that are placed or asked for no more, or the other one."""
        return PLACED if self.asked is None or (self.has is not None and self.has.placed) else NOT_PLACED


def wants(*items: WorkloadObject) -> dict[ObjectKey, TransferRefused]:
    """Another group asks for these objects and cannot take them."""
    return dict.fromkeys(keys_of(*items), TransferRefused("team/other", "NoFit", "full"))


FAULTY, ASKED_FOR, FILE, STAYS, GONE = (name for name, _ in PLACED)
NEW_FAULTY, NEW_PART, NEW_RAY, NEW_HELD, NEW = (name for name, _ in NOT_PLACED)

PLACED_CASES = {
    "invalid": Facts(FAULTY, Kind.KEEP, "InvalidObject", WRONG, HERE),
    "denied": Facts(FAULTY, Kind.KEEP, "TenantDenied", DENIED, HERE),
    "asked": Facts(ASKED_FOR, Kind.UPDATE, "", ASKED, HERE),
    "asked-and-part-unread": Facts(ASKED_FOR, Kind.UPDATE, "", ASKED, HERE, unread=UNREAD),
    "unreadable": Facts(FILE, Kind.KEEP, "SourceUnreadable", has=HERE, broken=frozenset({WEB_FILE})),
    "no-policy": Facts(STAYS, Kind.KEEP, "NoPolicy", has=HERE, unclaimed=keys_of(WEB)),
    "object-held": Facts(STAYS, Kind.HOLD, ObjectHeldHere.code, has=HERE, kept=wants(WEB)),
    "job-held": Facts(STAYS, Kind.HOLD, JobHeldHere.code, has=JOB_HERE, keys=keys_of(TRAIN)),
    "removed": Facts(GONE, Kind.RETIRE, "ManifestRemoved", has=HERE),
    "waited-and-removed": Facts(GONE, Kind.RETIRE, "ManifestRemoved", has=WAITS),
    "regrouped": Facts(GONE, Kind.RETIRE, "ManifestRemoved", has=HERE, keys=keys_of(WEB)),
}
"""Groups that are placed, or that are asked for no more."""

NEW_CASES = {
    "invalid": Facts(NEW_FAULTY, Kind.REJECT, "InvalidObject", WRONG),
    "denied": Facts(NEW_FAULTY, Kind.REJECT, "TenantDenied", DENIED, WAITS),
    "part-unread": Facts(NEW_PART, Kind.HOLD, "SourceUnreadable", ASKED, unread=UNREAD),
    "ray-cluster-waits": Facts(NEW_RAY, Kind.HOLD, "RayClusterNotPlaced", ASKED, unmet=NOT_YET),
    "ray-cluster-nowhere": Facts(NEW_RAY, Kind.REJECT, "NoSuchRayCluster", ASKED, unmet=NOWHERE),
    "held": Facts(NEW_HELD, Kind.HOLD, HeldByAnotherGroup.code, ASKED, held=(WEB,)),
    "new": Facts(NEW, Kind.PLACE, "", ASKED),
    "waits": Facts(NEW, Kind.PLACE, "", ASKED, WAITS),
}
"""Groups that are asked for and have no place."""

BOTH_MATCH = {
    "wrong-and-asked": (FAULTY, ASKED_FOR, PLACED_CASES["invalid"]),
    "asked-and-unreadable": (ASKED_FOR, FILE, replace(PLACED_CASES["asked"], broken=frozenset({WEB_FILE}))),
    "asked-and-unclaimed": (ASKED_FOR, STAYS, replace(PLACED_CASES["asked"], unclaimed=keys_of(WEB))),
    "asked-and-gone": (ASKED_FOR, GONE, PLACED_CASES["asked"]),
    "unreadable-and-unclaimed": (FILE, STAYS, replace(PLACED_CASES["unreadable"], unclaimed=keys_of(WEB))),
    "unreadable-and-gone": (FILE, GONE, PLACED_CASES["unreadable"]),
    "unclaimed-and-gone": (STAYS, GONE, PLACED_CASES["no-policy"]),
    "new-wrong-and-unread": (NEW_FAULTY, NEW_PART, replace(NEW_CASES["invalid"], unread=UNREAD)),
    "unread-and-ray": (NEW_PART, NEW_RAY, replace(NEW_CASES["part-unread"], unmet=NOT_YET)),
    "ray-and-held": (NEW_RAY, NEW_HELD, replace(NEW_CASES["ray-cluster-waits"], held=(WEB,))),
    "held-and-new": (NEW_HELD, NEW, NEW_CASES["held"]),
}
"""The row that wins, one behind it that matches as well, and the situation of both."""


@pytest.mark.parametrize("case", [*PLACED_CASES.values(), *NEW_CASES.values()], ids=[*PLACED_CASES, *NEW_CASES])
def test_a_row_decides_on_its_case(case: Facts) -> None:
    matching = [name for name, row in case.table if row(case.situation) is not None]
    assert matching[0] == case.row
    found = transition_of(case.situation)
    assert (found.key, found.kind, found.reason) == (key(NAME), case.kind, case.reason)


def test_every_row_has_a_case() -> None:
    assert {case.row for case in PLACED_CASES.values()} == {name for name, _ in PLACED}
    assert {case.row for case in NEW_CASES.values()} == {name for name, _ in NOT_PLACED}


def test_every_row_but_the_last_has_a_case_in_which_it_wins_over_a_later_one() -> None:
    winners = {first for first, _, _ in BOTH_MATCH.values()}
    assert winners == {name for table in (PLACED, NOT_PLACED) for name, _ in table[:-1]}


def test_every_row_but_the_first_has_a_case_in_which_an_earlier_one_wins() -> None:
    losers = {second for _, second, _ in BOTH_MATCH.values()}
    assert losers == {name for table in (PLACED, NOT_PLACED) for name, _ in table[1:]}


@pytest.mark.parametrize(("first", "second", "case"), BOTH_MATCH.values(), ids=BOTH_MATCH)
def test_where_two_rows_match_the_first_one_wins(first: str, second: str, case: Facts) -> None:
    rows = dict(case.table)
    assert rows[second](case.situation) is not None, "the later row would match"
    found = transition_of(case.situation)
    assert found == rows[first](case.situation)
    assert found != rows[second](case.situation)


def test_an_update_and_a_first_place_say_which_objects_should_run() -> None:
    update = transition_of(PLACED_CASES["asked"].situation)
    first = transition_of(NEW_CASES["new"].situation)
    assert update.objects is not None
    assert first.objects is not None
    assert update.objects.objects == first.objects.objects == (WEB,)


def test_a_group_whose_only_object_stays_with_another_group_is_not_updated_to_nothing() -> None:
    case = replace(PLACED_CASES["removed"], asked=group(NAME, app("blue")), kept=wants(app("blue")))
    assert transition_of(case.situation).kind is Kind.RETIRE


def test_what_is_in_an_unreadable_file_stays_beside_what_the_group_asks_for() -> None:
    case = replace(PLACED_CASES["unreadable"], asked=group(NAME, app("blue")))
    found = transition_of(case.situation)
    assert found.objects is not None
    assert keys_of(*found.objects.objects) == keys_of(app("blue"), WEB)


@pytest.mark.parametrize(
    "case", [NEW_CASES["held"], replace(NEW_CASES["held"], held=(), kept=wants(WEB))], ids=["held", "let-go"]
)
def test_a_group_gets_its_place_once_no_other_group_has_its_objects(case: Facts) -> None:
    assert (transition_of(case.situation).kind is Kind.PLACE) is (case.held == ())


def test_what_the_group_itself_has_does_not_keep_it_out() -> None:
    case = NEW_CASES["new"].situation
    own = replace(case, holders={WEB.key: key(NAME)})
    nobody = replace(case, holders={WEB.key: None})
    assert transition_of(own).kind is transition_of(nobody).kind is Kind.PLACE


def test_an_unreadable_file_keeps_only_the_groups_that_come_from_it() -> None:
    elsewhere = replace(PLACED_CASES["unreadable"], broken=frozenset({"workloads/team/other.yaml"}))
    assert transition_of(elsewhere.situation).kind is Kind.RETIRE


def test_a_companion_that_no_policy_matches_does_not_keep_its_group() -> None:
    with_companion = placed(NAME, replace(copy_on("c0", WEB), admitted=(replace(WEB, demand=None),)))
    case = replace(PLACED_CASES["no-policy"], has=with_companion)
    assert transition_of(case.situation).kind is Kind.RETIRE


@pytest.mark.parametrize("name", ["unreadable", "no-policy", "object-held", "job-held"])
def test_a_group_that_is_asked_for_no_more_stays_for_the_reason_of_its_row(name: str) -> None:
    case = PLACED_CASES[name]
    assert case.has is not None
    found = transition_of(case.situation)
    assert kept_unasked(case.has, case.situation.desired) == found.why
    assert found.reason in PROBLEM_REASONS, "the next plan does not forget it"


@pytest.mark.parametrize("name", ["removed", "regrouped"])
def test_a_group_of_which_nothing_is_asked_for_goes(name: str) -> None:
    case = PLACED_CASES[name]
    assert case.has is not None
    assert kept_unasked(case.has, case.situation.desired) is None


def test_the_reason_of_what_is_removed_names_its_files_and_clusters() -> None:
    removed = transition_of(PLACED_CASES["removed"].situation).why
    assert removed == ManifestRemoved((WEB_FILE,), ("c0",))
    waited = transition_of(PLACED_CASES["waited-and-removed"].situation).why
    assert isinstance(waited, ManifestRemoved)
    assert waited.clusters == ()
