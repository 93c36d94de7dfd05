"""The decision on a group: which action, transition, phase and reason follow from what it got."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.kube_scheduler.equivalence import GangRequest
from reconciler.lifecycle.desired import DesiredObjects
from reconciler.lifecycle.observe import CopyState, CopyStatus
from reconciler.lifecycle.shared_objects import Exchanged
from reconciler.lifecycle.transitions import Transition
from reconciler.placement.choose import ClusterChoice
from reconciler.placement.decision import Decision, TransitionKind
from reconciler.placement.model import Action, Candidate, Phase, Unplaced, Verdict
from reconciler.placement.placed_group import HeldCapacity, PlacedGroup
from reconciler.placement.request import Assignment
from reconciler.planning.admitted import Admitted, Clock
from reconciler.planning.decide import decide, decide_file
from reconciler.reasons.changes import Moved, Regrouped
from reconciler.reasons.copies import PARTLY_PLACED, Undisturbed
from reconciler.reasons.quota import EXCEEDED
from reconciler.reasons.transitions import JobEditHeld, JobHeldHere, ObjectHeldHere, TransferRefused
from reconciler.reasons.written import Written
from reconciler.workloads.cluster_copy import ClusterCopy, CopyRole, JobResult
from reconciler.workloads.group import BrokenFile, Group, WorkloadObject, gang_of
from tests.capacity import NOW
from tests.copies import WEB_FILE, app, config_map, copy_on, group, job, key, placed
from tests.unit.workloads.reading import policy

CLOCK = Clock(NOW + 0.9, "sha256:1")
WEB, MORE, TRAIN = app(), app(replicas=2), job()
ASKED = group("g", WEB)
SPREAD = group("g", WEB, rules=policy("p", "spreadConstraints: {spreadMode: Duplicate}"))
DIVIDED = group("g", WEB, rules=policy("p", "spreadConstraints: {spreadMode: Divide}"))
ON_C0, ON_C1 = copy_on("c0", WEB), copy_on("c1", WEB)
HERE = placed("g", ON_C0)
FITS = Candidate("c0", Verdict.FITS_NOW, Written("FitsNow", "the pod fits"))
DONE, BAD = JobResult("SUCCEEDED", message="done"), JobResult("FAILED", message="bad")
FULL = Unplaced("c1", Written("NoFit", "no capacity"))
REFUSED = Unplaced("c0", Written("UpdateDoesNotFit", "no capacity for it"))
TO_OTHER = TransferRefused("team/other", "NoFit", "full")
GIVEN = Regrouped((Moved((WEB.key,), "team/new", given=True),))


def choice(cluster: str, reason: str) -> ClusterChoice:
    return ClusterChoice(cluster, Written(reason, f"{reason} it is"), (), GangRequest.of(gang_of((WEB,))))


def decided(
    kind: TransitionKind,
    reason: str = "",
    *,
    asked: Group | None = ASKED,
    has: PlacedGroup | None = None,
    before: PlacedGroup | None = None,
    got: Assignment | None = None,
    edited: tuple[WorkloadObject, ...] = (),
    kept: tuple[tuple[WorkloadObject, TransferRefused], ...] = (),
    statuses: tuple[CopyStatus, ...] = (),
    why: Regrouped | None = None,
    exchanged: Exchanged | None = None,
) -> Decision:
    objects = DesiredObjects(asked.objects, edited, kept) if got is not None and asked is not None else None
    transition = Transition(key("g"), kind, Written(reason, "as the table says") if reason else None, objects)
    return decide(Admitted(transition, asked, before or has, has, statuses, got, why), CLOCK, exchanged)


def said(one: Decision) -> tuple[Action, TransitionKind, Phase, str]:
    return one.action, one.transition, one.phase, str(one.reason)


KEEP, PLACE, UPDATE, HOLD = TransitionKind.KEEP, TransitionKind.PLACE, TransitionKind.UPDATE, TransitionKind.HOLD
REJECT, RETIRE, MOVE, FINISH = (
    TransitionKind.REJECT,
    TransitionKind.RETIRE,
    TransitionKind.MOVE,
    TransitionKind.FINISH,
)


# -- without a place


def test_a_group_that_gets_its_first_copy_is_placed() -> None:
    got = Assignment((ON_C0,), chosen=(choice("c0", "FitsAfterScaleUp"),), candidates=(FITS,))
    one = decided(PLACE, got=got)
    assert said(one) == (Action.PLACE, PLACE, Phase.PLACED, "FitsAfterScaleUp")
    assert (one.clusters, one.candidates) == (("c0",), (FITS,))


def test_a_group_that_gets_nothing_waits_for_its_reason() -> None:
    got = Assignment((), unplaced=(Unplaced("", Written("NoFit", "no capacity")),), candidates=(FITS,))
    one = decided(PLACE, got=got)
    assert said(one) == (Action.WAIT, HOLD, Phase.PENDING, "NoFit")
    assert (one.message, one.candidates, one.clusters) == ("no capacity", (FITS,), ())


@pytest.mark.parametrize(("kind", "action", "phase"), [
    (HOLD, Action.WAIT, Phase.PENDING), (REJECT, Action.REJECT, Phase.REJECTED),
])  # fmt: skip
def test_what_the_table_decides_alone_is_said_as_it_says(kind: TransitionKind, action: Action, phase: Phase) -> None:
    one = decided(kind, "Because")
    assert said(one) == (action, kind, phase, "Because")
    assert one.message == "as the table says"


def test_of_several_copies_the_reason_is_that_of_the_one_that_had_it_hardest() -> None:
    chosen = (choice("c0", "FitsNow"), choice("c1", "FitsAfterScaleUp"))
    one = decided(PLACE, asked=SPREAD, got=Assignment((ON_C0, ON_C1), chosen=chosen, count=2))
    assert said(one) == (Action.PLACE, PLACE, Phase.PLACED, "FitsAfterScaleUp")


def test_a_group_with_a_copy_that_waits_is_partly_placed() -> None:
    got = Assignment((ON_C0,), unplaced=(FULL,), chosen=(choice("c0", "FitsNow"), choice("", "NoFit")), count=2)
    one = decided(PLACE, asked=SPREAD, got=got)
    assert said(one) == (Action.PLACE, PLACE, Phase.PLACED, PARTLY_PLACED)
    assert "1 of 2 clusters" in one.message
    assert one.after is not None
    assert one.after.waiting_since == int(NOW)


@pytest.mark.parametrize(
    ("asked", "reasons", "reason"),
    [
        (SPREAD, ("NoFit", "Unreachable"), "NoFit"),
        (SPREAD, ("NeverFits", "NoFit"), "NoFit"),
        (SPREAD, ("NoFit", EXCEEDED), EXCEEDED),
        (DIVIDED, ("NoFit", "NeverFits"), "NeverFits"),
        (DIVIDED, ("NoFit", "Unreachable"), "Unreachable"),
        (DIVIDED, ("NeverFits", "NoEligibleCluster"), "NoEligibleCluster"),
        (DIVIDED, ("NoFit", EXCEEDED), EXCEEDED),
    ],
)
def test_duplicates_wait_for_their_best_chance_and_a_division_for_its_worst(
    asked: Group, reasons: tuple[str, ...], reason: str
) -> None:
    unplaced = tuple(Unplaced(f"c{number}", Written(word, "")) for number, word in enumerate(reasons))
    assert decided(PLACE, asked=asked, got=Assignment((), unplaced=unplaced, count=2)).reason == reason


def test_a_spread_group_without_any_domain_has_no_eligible_cluster() -> None:
    one = decided(PLACE, asked=SPREAD, got=Assignment((), candidates=(FITS,)))
    assert said(one) == (Action.WAIT, HOLD, Phase.PENDING, "NoEligibleCluster")


# -- with a place


def test_what_is_as_it_should_be_is_kept_and_not_committed() -> None:
    one = decided(UPDATE, has=HERE, got=Assignment((ON_C0,)))
    assert said(one) == (Action.KEEP, KEEP, Phase.PLACED, "FitsNow")
    assert not one.changed


def test_a_group_whose_pods_are_seen_runs_and_that_is_not_committed() -> None:
    seen = CopyStatus("c0", 1, CopyState.RUNNING, NOW)
    one = decided(UPDATE, has=HERE, got=Assignment((ON_C0,)), statuses=(seen,))
    assert one.phase is Phase.RUNNING
    assert one.after is not None
    assert one.after.phase is Phase.PLACED
    assert not one.changed


def test_an_update_is_said_as_what_changed() -> None:
    one = decided(UPDATE, has=HERE, got=Assignment((copy_on("c0", MORE),)))
    assert said(one) == (Action.PLACE, UPDATE, Phase.PLACED, "UpdatedInPlace")
    assert one.message == "updated on c0: changed Deployment web"
    assert one.changed


@pytest.mark.parametrize(
    ("copies", "kind"),
    [((ON_C1,), MOVE), ((ON_C0, ON_C1), UPDATE), ((), HOLD)],
    ids=["left and joined", "joined", "left all"],
)
def test_a_group_moves_where_it_leaves_one_cluster_and_joins_another(
    copies: tuple[ClusterCopy, ...], kind: TransitionKind
) -> None:
    assert decided(UPDATE, has=HERE, asked=SPREAD, got=Assignment(copies)).transition is kind


def test_a_group_that_only_leaves_a_cluster_does_not_move() -> None:
    one = decided(UPDATE, has=placed("g", ON_C0, ON_C1), asked=SPREAD, got=Assignment((ON_C0,)))
    assert one.transition is UPDATE


def test_a_group_that_leaves_all_its_clusters_waits() -> None:
    one = decided(UPDATE, has=HERE, asked=SPREAD, got=Assignment(()))
    assert said(one) == (Action.WAIT, HOLD, Phase.PENDING, "NoEligibleCluster")
    assert one.clusters == ()


def test_an_update_that_does_not_fit_leaves_what_is_there() -> None:
    one = decided(UPDATE, has=HERE, got=Assignment((ON_C0,), refused=(REFUSED,)))
    assert said(one) == (Action.KEEP, HOLD, Phase.PLACED, "UpdateDoesNotFit")
    assert one.message == "no capacity for it"


def test_an_edit_of_a_job_that_is_not_rolled_out_is_said() -> None:
    copy = copy_on("c0", TRAIN)
    one = decided(UPDATE, has=placed("g", copy), got=Assignment((copy,)), edited=(job(cpu=2),))
    assert said(one) == (Action.KEEP, HOLD, Phase.PLACED, JobEditHeld.code)


def test_of_several_things_that_are_wrong_what_lacks_room_comes_first_and_all_are_said() -> None:
    got = Assignment((ON_C0,), refused=(REFUSED,))
    one = decided(UPDATE, has=HERE, got=got, edited=(job(cpu=2),), kept=((WEB, TO_OTHER),))
    assert one.reason == "UpdateDoesNotFit"
    for part in ("no capacity for it", "RayJob train", "group team/other"):
        assert part in one.message
    held = decided(UPDATE, has=HERE, got=Assignment((ON_C0,)), edited=(job(cpu=2),), kept=((WEB, TO_OTHER),))
    assert held.reason == ObjectHeldHere.code


@pytest.mark.parametrize(
    "reason", ["UpdateDoesNotFit", JobEditHeld.code, JobHeldHere.code, "SourceUnreadable", PARTLY_PLACED, EXCEEDED]
)
def test_once_nothing_is_wrong_any_more_the_group_says_so(reason: str) -> None:
    before = replace(HERE, reason=reason)
    one = decided(UPDATE, has=before, got=Assignment((ON_C0,)))
    assert said(one) == (Action.KEEP, KEEP, Phase.PLACED, Undisturbed.code)
    assert one.changed


def test_what_the_table_keeps_is_kept_with_its_reason() -> None:
    one = decided(KEEP, "SourceUnreadable", asked=None, has=HERE)
    assert said(one) == (Action.KEEP, HOLD, Phase.PLACED, "SourceUnreadable")
    assert one.clusters == ("c0",)


def test_a_retired_group_is_gone_and_names_the_clusters_that_it_leaves() -> None:
    one = decided(RETIRE, "ManifestRemoved", asked=None, has=HERE)
    assert said(one) == (Action.RETIRE, RETIRE, Phase.RETIRED, "ManifestRemoved")
    assert (one.after, one.placement, one.clusters, one.changed) == (None, None, ("c0",), True)


# -- the end of jobs


@pytest.mark.parametrize(("result", "phase"), [(DONE, Phase.SUCCEEDED), (BAD, Phase.FAILED)])
def test_a_group_whose_last_copy_has_ended_is_finished(result: JobResult, phase: Phase) -> None:
    copy = copy_on("c0", TRAIN)
    ended = replace(copy, job_result=result)
    one = decided(UPDATE, has=placed("g", ended), before=placed("g", copy), got=Assignment((ended,)))
    assert said(one) == (Action.KEEP, FINISH, phase, f"Job{phase}")
    assert (one.message, one.changed) == (result.message, True)
    assert one.after is not None
    assert one.after.copies[0].role is CopyRole.ENDED


def test_a_group_does_not_end_before_all_its_copies_have_a_place() -> None:
    copy = replace(copy_on("c0", TRAIN), job_result=DONE)
    got = Assignment((copy,), unplaced=(FULL,), count=2)
    one = decided(UPDATE, has=replace(placed("g", copy), reason=PARTLY_PLACED), asked=SPREAD, got=got)
    assert (one.phase, one.reason) == (Phase.PLACED, PARTLY_PLACED)


def test_what_is_wrong_is_still_wrong_once_the_jobs_have_ended() -> None:
    ended = replace(copy_on("c0", TRAIN), job_result=DONE)
    one = decided(UPDATE, has=placed("g", ended), got=Assignment((ended,)), edited=(job(cpu=2),))
    assert (one.transition, one.phase, one.reason) == (FINISH, Phase.SUCCEEDED, JobEditHeld.code)


def test_a_group_to_which_work_is_added_has_not_ended_any_more() -> None:
    ended = replace(copy_on("c0", TRAIN), job_result=DONE)
    before = replace(placed("g", ended), phase=Phase.SUCCEEDED, job_result=DONE)
    one = decided(UPDATE, has=before, got=Assignment((copy_on("c0", TRAIN, job("tune")),)))
    assert (one.phase, one.transition) == (Phase.PLACED, UPDATE)
    assert one.after is not None
    assert one.after.job_result is None


# -- what is noted beside


def test_a_new_decision_has_the_time_and_the_snapshot_of_its_plan() -> None:
    one = decided(UPDATE, has=HERE, got=Assignment((copy_on("c0", MORE),)))
    assert one.after is not None
    assert (one.after.decided_at, one.after.snapshot) == (int(NOW), "sha256:1")
    assert one.after.source_commit == ASKED.source.commit


HELD = HeldCapacity(("c1",), int(NOW) - 600, int(NOW) + 600)


@pytest.mark.parametrize("has", [None, replace(HERE, reason=PARTLY_PLACED)], ids=["new", "placed"])
@pytest.mark.parametrize("copy", [ON_C0, copy_on("c0", MORE)], ids=["as before", "updated"])
def test_what_is_held_is_noted_and_said(has: PlacedGroup | None, copy: ClusterCopy) -> None:
    got = Assignment((copy,), unplaced=(FULL,), chosen=(choice("c0", "FitsNow"),), count=2, held=HELD)
    one = decided(UPDATE if has else PLACE, has=has, asked=SPREAD, got=got)
    assert one.after is not None
    assert one.after.hold == HELD
    assert one.message == one.after.message
    assert "Capacity is reserved for it" in one.message
    nothing = decided(UPDATE if has else PLACE, has=has, asked=SPREAD, got=replace(got, held=None))
    assert nothing.after is not None
    assert nothing.after.hold is None


def test_a_hold_that_is_over_is_forgotten() -> None:
    one = decided(UPDATE, has=replace(HERE, hold=HELD), got=Assignment((ON_C0,)))
    assert one.after is not None
    assert one.after.hold is None


def test_the_sources_are_those_of_the_group_and_of_what_only_stays() -> None:
    one = decided(UPDATE, has=HERE, got=Assignment((copy_on("c0", WEB, TRAIN),)))
    assert one.after is not None
    assert one.after.sources == ("workloads/team/train.yaml", WEB_FILE)


# -- objects that changed their group, or that groups share


def test_a_group_that_only_gave_or_took_objects_is_regrouped() -> None:
    one = decided(UPDATE, has=HERE, got=Assignment((ON_C0,)), why=GIVEN)
    assert said(one) == (Action.PLACE, UPDATE, Phase.PLACED, Regrouped.code)
    assert one.message == "Deployment web belongs to group team/new now"


def test_a_group_that_gave_objects_and_changed_says_both() -> None:
    one = decided(UPDATE, has=HERE, got=Assignment((copy_on("c0", MORE),)), why=GIVEN)
    assert one.reason == "UpdatedInPlace"
    assert one.message.startswith("Deployment web belongs to group team/new now; updated on c0")
    refused = decided(UPDATE, has=HERE, got=Assignment((ON_C0,), refused=(REFUSED,)), why=GIVEN)
    assert (refused.action, refused.reason) == (Action.PLACE, "UpdateDoesNotFit")


def test_a_group_that_gave_all_away_is_retired_as_regrouped() -> None:
    one = decided(RETIRE, "ManifestRemoved", asked=None, has=HERE, why=GIVEN)
    assert said(one) == (Action.RETIRE, RETIRE, Phase.RETIRED, Regrouped.code)
    assert one.message == "Deployment web belongs to group team/new now"


def test_a_shared_object_that_changed_is_exchanged_and_said() -> None:
    code, newer = config_map(value="1"), config_map(value="2")
    copy, fresh = copy_on("c0", WEB, code), copy_on("c0", WEB, newer)
    one = decided(
        UPDATE,
        has=placed("g", copy),
        got=Assignment((copy,)),
        exchanged=Exchanged((fresh,), ("ConfigMap code",)),
    )
    assert one.changed
    assert one.copies[0].admitted == one.copies[0].deployed == (WEB, newer)
    assert "ConfigMap code" in one.message


# -- files


def test_a_file_that_cannot_be_read_is_rejected_under_its_name() -> None:
    one = decide_file(BrokenFile(WEB_FILE, "team", "line 3: no"), key("file-web"), None, CLOCK)
    assert said(one) == (Action.REJECT, REJECT, Phase.REJECTED, "UnreadableFile")
    assert one.message == "line 3: no"
    assert one.after is not None
    assert one.after.sources == (WEB_FILE,)
    again = decide_file(BrokenFile(WEB_FILE, "team", "line 4: no"), key("file-web"), one.after, CLOCK)
    assert not again.changed, "another message alone is not committed"


def test_every_decision_tells_what_it_writes() -> None:
    cases: list[dict[str, Any]] = [
        {"kind": PLACE, "got": Assignment((ON_C0,), chosen=(choice("c0", "FitsNow"),))},
        {"kind": PLACE, "got": Assignment((), unplaced=(FULL,))},
        {"kind": REJECT, "reason": "InvalidObject"},
        {"kind": UPDATE, "has": HERE, "got": Assignment((copy_on("c0", MORE),))},
        {"kind": UPDATE, "has": HERE, "got": Assignment((ON_C0,), refused=(REFUSED,))},
        {"kind": UPDATE, "has": HERE, "got": Assignment((ON_C0,)), "why": GIVEN},
        {"kind": KEEP, "reason": "NoPolicy", "asked": None, "has": HERE},
    ]
    for case in cases:
        one = decided(**case)
        assert one.after is not None
        assert (one.reason, one.message, one.copies) == (one.after.reason, one.after.message, one.after.copies)
