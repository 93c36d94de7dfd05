"""The queue in whole cycles: who comes first, and how the turn of a large gang is held."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.errors import InputError
from reconciler.fleet.settings import Fairness
from reconciler.placement.hold_window import window_at
from reconciler.placement.model import Action, Phase, Verdict
from reconciler.planning.files import Files
from reconciler.reasons.gang import FitsNow
from reconciler.reasons.hold import CapacityReserved, FitsButReserved
from reconciler.service.checks import check_files
from tests.cycles.queues import (
    HOUR,
    MINUTE,
    end,
    fleet_of,
    gang_behind,
    leave_out,
    minutes_until_placed,
    of,
    placed,
    reserved_for,
    submit,
)
from tests.cycles.spreads import DUPLICATE
from tests.fleets import NOW, Fleet, decision, ended, named, nodes, ordered, own_policy, policy, ray_job, text

CLASS = """
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {{name: {name}}}
value: {value}
{more}
"""


def priority_class(name: str, value: int, more: str = "") -> bytes:
    return text(CLASS.format(name=name, value=value, more=more))


def test_policy_priority_comes_first_then_priority_class_then_age() -> None:
    fleet = fleet_of(1, 1, 1, 1)
    urgent = "priority: 5\n" + ordered("c0", "c1", "c2", "c3") + "\nplacement: {require: Fit}"
    fleet.files["policies/vip.yaml"] = own_policy("vip", urgent)
    fleet.files["addons/priorities/classes.yaml"] = priority_class("high", 1000)
    submit(fleet, "old")
    submit(fleet, "older-than-none")
    submit(fleet, "high", priority="high")
    submit(fleet, "vip")
    assert placed(fleet.plan()) == ["vip", "high", "old", "older-than-none"]


def test_priority_classes_are_read_from_policies_and_the_default_counts_for_pods_without_one() -> None:
    fleet = fleet_of(1, 1)
    fleet.files["policies/classes.yaml"] = (
        priority_class("low", -10) + b"---\n" + priority_class("usual", 5, "globalDefault: true")
    )
    submit(fleet, "first", priority="low")
    submit(fleet, "second")
    assert placed(fleet.plan()) == ["second", "first"]
    assert fleet.plan().warnings == ()


def test_an_unknown_priority_class_counts_nothing_and_is_warned_of() -> None:
    fleet = fleet_of(1, 1)
    submit(fleet, "first")
    submit(fleet, "second", priority="hihg")
    made = fleet.plan()
    assert placed(made) == ["first", "second"]
    [line] = [w for w in made.warnings if "hihg" in w]
    assert line.startswith(
        "workloads/second/train.yaml:1:1: priority class hihg of group second/rayjob-train counts as 0"
    )
    found = check_files(Files(fleet.files), lambda _: fleet.files)
    assert (found.errors, found.warnings) == ((), (line,))


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (CLASS.format(name="a", value="'1'", more=""), "policies/classes.yaml:5:8: value is '1'"),
        (CLASS.format(name="system-node-critical", value=1, more=""), "make them agree"),
        (
            CLASS.format(name="a", value=1, more="globalDefault: true")
            + "---"
            + CLASS.format(name="b", value=2, more="globalDefault: true"),
            "a and b both say globalDefault",
        ),
    ],
)
def test_a_wrong_priority_class_is_told(classes: str, said: str) -> None:
    fleet = fleet_of(1)
    fleet.files["policies/classes.yaml"] = classes.encode()
    with pytest.raises(InputError) as caught:
        fleet.plan()
    assert said in str(caught.value)
    [error] = check_files(Files(fleet.files), lambda _: fleet.files).errors
    assert said in error


def test_an_add_on_that_is_no_manifest_defines_no_class() -> None:
    fleet = fleet_of(1)
    fleet.files["addons/x/templates/class.yaml"] = b"kind: PriorityClass\nmetadata: {{ .Values.meta }}\n"
    submit(fleet, "team")
    assert placed(fleet.plan()) == ["team"]


def test_holds_and_breaks_take_turns() -> None:
    fairness = Fairness(hold_after=600, hold_for=100)
    found = {at: window_at(fairness, 1000.0, 1000.0 + at) for at in (0, 599, 600, 699, 700, 799, 800, 1000)}
    numbers = {at: one.number if one else None for at, one in found.items()}
    assert numbers == {0: None, 599: None, 600: 0, 699: 0, 700: None, 799: None, 800: 1, 1000: 2}
    second = found[800]
    assert second is not None
    assert (second.start, second.end) == (1800.0, 1900.0)


def waiting_gang(fleet: Fleet, workers: int = 4) -> None:
    """Two small jobs stand, a gang waits since NOW, and half of the room is free."""
    made = gang_behind(fleet, "small-a", "small-b", workers=workers)
    assert of(made, "big")[0] is Phase.PENDING


def test_a_gang_that_waits_shortly_holds_nobody_up() -> None:
    fleet = fleet_of(4)
    waiting_gang(fleet)
    submit(fleet, "late")
    assert of(fleet.cycle(now=NOW + 9 * MINUTE), "late")[0] is Phase.PLACED


def test_a_gang_that_has_waited_long_keeps_younger_ones_out_and_both_are_told() -> None:
    fleet = fleet_of(4)
    waiting_gang(fleet)
    submit(fleet, "late")
    made = fleet.cycle(now=NOW + 10 * MINUTE)
    big, late = decision(made, "big", "rayjob-train"), decision(made, "late", "rayjob-train")
    assert big.reason == Verdict.NO_FIT
    assert big.message.endswith(
        ". Waiting since 2027-01-15 08:00 UTC. Capacity is reserved for it until 2027-01-15 10:10 UTC on c0; "
        "later groups may use only what it does not need"
    )
    reserved = CapacityReserved("big/rayjob-train", since=NOW, until=NOW + 10 * MINUTE + 2 * HOUR)
    assert (late.action, late.phase, late.reason) == (Action.WAIT, Phase.PENDING, "HeldForOlder")
    [candidate] = late.candidates
    assert candidate.verdict is Verdict.NO_FIT
    assert candidate.why == FitsButReserved(FitsNow(3), reserved)
    assert late.message == f"c0: {candidate.message}"
    assert [str(draft.subject) for draft in made.drafts] == ["hold late/rayjob-train: HeldForOlder"]


def test_the_gang_gets_its_turn_as_soon_as_the_small_ones_have_ended() -> None:
    fleet = fleet_of(4)
    waiting_gang(fleet)
    submit(fleet, "late")
    fleet.cycle(now=NOW + 10 * MINUTE)
    end(fleet, "small-a")
    assert placed(fleet.cycle(now=NOW + 11 * MINUTE)) == [], "neither the gang nor the young one"
    end(fleet, "small-b")
    made = fleet.cycle(now=NOW + 12 * MINUTE)
    assert placed(made) == ["big"]
    assert of(made, "late") == (Phase.PENDING, Verdict.NO_FIT)
    record = fleet.state().placements[decision(made, "big", "rayjob-train").group]
    assert record.waiting_since is None


def test_the_hold_lapses_for_as_long_as_it_lasted() -> None:
    fleet = fleet_of(4, fairness="{holdAfter: 10m, holdFor: 30m}")
    waiting_gang(fleet)
    submit(fleet, "late")
    assert of(fleet.cycle(now=NOW + 39 * MINUTE), "late")[1] == "HeldForOlder"
    assert of(fleet.cycle(now=NOW + 40 * MINUTE), "late")[0] is Phase.PLACED
    submit(fleet, "later")
    assert of(fleet.cycle(now=NOW + 70 * MINUTE), "later")[1] == "HeldForOlder"


def test_a_younger_group_comes_in_beside_the_gang_where_it_delays_nothing() -> None:
    fleet = fleet_of(5)
    waiting_gang(fleet)
    for i in range(3):
        submit(fleet, f"late{i}")
    made = fleet.cycle(now=NOW + 10 * MINUTE)
    assert placed(made) == ["late0"], "five nodes are one more than the gang needs"
    assert of(made, "late1")[1] == "HeldForOlder"
    assert placed(fleet.cycle(now=NOW + 11 * MINUTE)) == [], "what came during the hold counts as staying"


def test_a_group_that_takes_nothing_of_what_the_gang_needs_is_not_kept_out() -> None:
    fleet = fleet_of(4)
    waiting_gang(fleet)
    submit(fleet, "cpu", gpus=0)
    assert of(fleet.cycle(now=NOW + 10 * MINUTE), "cpu")[0] is Phase.PLACED


def test_a_group_of_higher_priority_passes_by() -> None:
    fleet = fleet_of(4)
    fleet.files["policies/classes.yaml"] = priority_class("high", 10)
    waiting_gang(fleet)
    submit(fleet, "late", priority="high")
    assert of(fleet.cycle(now=NOW + 10 * MINUTE), "late")[0] is Phase.PLACED


def test_a_gang_holds_one_cluster_and_leaves_the_others() -> None:
    fleet = fleet_of(4, 4)
    gang_behind(fleet, "a", "b", "c", "d", "e", "f", workers=4)
    submit(fleet, "late")
    made = fleet.plan(now=NOW + 10 * MINUTE)
    assert reserved_for(made, "big") == ("c0",)
    assert list(decision(made, "late", "rayjob-train").clusters) == ["c1"]
    made = fleet.plan(now=NOW + 10 * MINUTE + 4 * HOUR)
    assert reserved_for(made, "big") == ("c1",), "the next hold tries the next one"


def test_no_cluster_is_held_on_which_the_gang_could_never_fit() -> None:
    fleet = fleet_of(2, 4)
    waiting_gang(fleet, workers=5)
    submit(fleet, "late")
    made = fleet.cycle(now=NOW + 10 * MINUTE)
    assert reserved_for(made, "big") == ()
    assert of(made, "late")[0] is Phase.PLACED


def test_pods_that_are_not_skyrays_are_not_waited_for() -> None:
    fleet = fleet_of(4)
    stranger = "{namespace: x, name: p, node: n0, requests: {cpu: 1, nvidia.com/gpu: 1}}"
    fleet.show("c0", *nodes(4), pods=(stranger,))
    waiting_gang(fleet)
    submit(fleet, "late")
    assert of(fleet.cycle(now=NOW + 10 * MINUTE), "late")[0] is Phase.PLACED


def test_a_group_whose_only_cluster_is_held_is_not_queued_on_it() -> None:
    fleet = fleet_of(4, 1)
    fleet.files["policies/only.yaml"] = policy("only", f"priority: -1\nclusterSelector: {named('c0')}")
    leave_out(fleet, "late")
    gang_behind(fleet, "a", "b", "c", "d", workers=4)
    submit(fleet, "late")
    assert of(fleet.plan(now=NOW + 5 * MINUTE), "late") == (Phase.PLACED, "Queued")
    assert of(fleet.cycle(now=NOW + 10 * MINUTE), "late") == (Phase.PENDING, "HeldForOlder")


def test_the_plan_of_a_plans_result_is_empty_during_a_hold_and_at_its_end() -> None:
    fleet = fleet_of(5)
    waiting_gang(fleet)
    for i in range(3):
        submit(fleet, f"late{i}")
    for now in (NOW + 10 * MINUTE, NOW + 60 * MINUTE, NOW + 10 * MINUTE + 2 * HOUR):
        fleet.cycle(now=now)
        assert fleet.plan(now=now).drafts == ()


def test_the_wait_counts_from_its_beginning_though_its_reason_changes() -> None:
    fleet = fleet_of(4)
    waiting_gang(fleet)
    key = decision(fleet.plan(now=NOW), "big", "rayjob-train").group
    fleet.cycle(now=NOW + 5 * MINUTE, unreadable=("c0",))
    record = fleet.state().placements[key]
    assert (record.reason, record.decided_at) == ("Unreachable", int(NOW + 5 * MINUTE))
    assert record.waiting_since == int(NOW)
    fleet.cycle(now=NOW + 6 * MINUTE)
    record = fleet.state().placements[key]
    assert (record.reason, record.decided_at) == ("NoFit", int(NOW + 6 * MINUTE))
    assert record.waiting_since == int(NOW)
    assert b'waitingSince: "2027-01-15T08:00:00Z"' in fleet.files["placements/big/rayjob-train.yaml"]


QUIET = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_without_a_hold_small_jobs_starve_a_gang() -> None:
    fleet = fleet_of(3, fairness="{holdAfter: 1000h}")
    assert minutes_until_placed(fleet, room=3, workers=3, limit=40) is None


@QUIET
@given(st.integers(2, 4), st.integers(0, 2), st.integers(1, 3))
def test_a_gang_that_fits_an_empty_cluster_is_placed_though_small_jobs_keep_coming(
    nodes: int, spare: int, life: int
) -> None:
    fleet = fleet_of(nodes, fairness="{holdAfter: 10m, holdFor: 1h}")
    gang, limit = max(2, nodes - spare), 10 + 2 * nodes + life + 5
    assert minutes_until_placed(fleet, room=nodes, workers=gang, life=life, limit=limit) is not None


def test_the_turn_of_a_duplicated_group_is_held_too() -> None:
    fleet = fleet_of(4)
    fleet.files["policies/big.yaml"] = own_policy("big", f"priority: 1\nplacement: {{require: Fit}}\n{DUPLICATE}")
    waiting_gang(fleet)
    submit(fleet, "late")
    made = fleet.cycle(now=NOW + 10 * MINUTE)
    assert reserved_for(made, "big") == ("c0",)
    assert of(made, "late")[1] == "HeldForOlder"


def test_a_group_that_may_queue_says_on_which_of_how_many_clusters_it_does() -> None:
    fleet = fleet_of(1, 1)
    fleet.files["policies/p.yaml"] = policy("p", "placement: {require: Any}")
    submit(fleet, "big", workers=2)
    queued = decision(fleet.plan(), "big", "rayjob-train")
    assert queued.reason == "Queued"
    assert queued.message.startswith("c0 is the best of 2 eligible clusters ")


def test_a_group_that_may_queue_does_so_beside_the_cluster_that_is_held() -> None:
    fleet = fleet_of(4, 4)
    queues = "priority: -1\nplacement: {require: Any}\n" + ordered("c0", "c1")
    fleet.files["policies/late.yaml"] = own_policy("late", queues)
    leave_out(fleet, "late")
    gang_behind(fleet, *(f"s{number}" for number in range(8)), workers=4)
    submit(fleet, "late")
    made = fleet.plan(now=NOW + 10 * MINUTE)
    assert reserved_for(made, "big") == ("c0",)
    late = decision(made, "late", "rayjob-train")
    assert (late.phase, late.reason, list(late.clusters)) == (Phase.PLACED, "Queued", ["c1"])


WORKER = "labels: {ray.io/group: gpu-group}"


def pods_of(fleet: Fleet, job: str, first: int, more: str = "", ray: tuple[str, ...] = ()) -> None:
    """The cluster shows the pods of a small job of namespace `team`, with its worker on a node of its own."""
    common = f"namespace: team, node: n{first}, owner: {job}-abcde{more}"
    made = (
        f"{{{common}, name: h, requests: {{cpu: 1}}, nodeType: head}}",
        f"{{{common}, name: w, requests: {{cpu: 1, nvidia.com/gpu: 1}}, nodeType: worker, {WORKER}}}",
    )
    fleet.show("c0", *nodes(4), pods=made, ray=ray)


def gang_behind_jobs_of_a_team(*names: str) -> Fleet:
    """Small jobs of one namespace stand on c0, which has four nodes; a gang that needs all of them waits since NOW."""
    fleet = fleet_of(4)
    for name in names:
        fleet.commit(f"workloads/team/{name}.yaml", ray_job(name, workers=1))
    fleet.cycle(now=NOW - HOUR)
    submit(fleet, "big", workers=4)
    fleet.cycle(now=NOW)
    submit(fleet, "late")
    return fleet


@pytest.mark.parametrize("more", ["", ", deleting: true"])
def test_pods_of_a_job_that_was_taken_away_do_not_end_a_hold(more: str) -> None:
    fleet = gang_behind_jobs_of_a_team("one", "two")
    assert of(fleet.plan(now=NOW + 10 * MINUTE), "late")[1] == "HeldForOlder"
    fleet.commit("workloads/team/one.yaml", None)
    pods_of(fleet, "one", 0, more)
    for minute in (11, 12):
        made = fleet.cycle(now=NOW + minute * MINUTE, allow_removals=True)
        assert reserved_for(made, "big") == ("c0",), minute
        assert of(made, "late")[1] == "HeldForOlder", minute
    fleet.show("c0", *nodes(4))
    fleet.commit("workloads/team/two.yaml", None)
    assert placed(fleet.cycle(now=NOW + 13 * MINUTE, allow_removals=True)) == ["big"]


def test_a_pod_that_is_being_deleted_is_waited_for_whosever_it_is() -> None:
    fleet = gang_behind_jobs_of_a_team("one")
    stranger = "{namespace: x, name: p, node: n0, requests: {cpu: 1, nvidia.com/gpu: 1}, deleting: true}"
    fleet.show("c0", *nodes(4), pods=(stranger,))
    assert of(fleet.plan(now=NOW + 10 * MINUTE), "late")[1] == "HeldForOlder"


def test_pods_of_a_job_that_has_ended_do_not_end_a_hold() -> None:
    fleet = gang_behind_jobs_of_a_team("one", "two")
    fleet.cycle(now=NOW + 10 * MINUTE)
    pods_of(fleet, "one", 0, ray=(ended("team", "one", "SUCCEEDED"),))
    for minute in (11, 12):
        made = fleet.cycle(now=NOW + minute * MINUTE)
        assert reserved_for(made, "big") == ("c0",), minute
        assert of(made, "late")[1] == "HeldForOlder", minute
