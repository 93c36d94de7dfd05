"""Updates of placed groups that need more room queue with everything else: the priority decides, not the name."""

from __future__ import annotations

import pytest

from reconciler.placement.model import Action, Phase
from reconciler.planning.plan import Plan
from reconciler.policy.model import NAME_LABEL
from tests.cycles.spreads import deployment
from tests.fleets import Fleet, cluster, decision, node, picture, policy

LOW, HIGH = "aaa", "zzz"
"""Namespaces in the order of their names, which is not that of their priorities."""

UPDATED, REFUSED = (Action.PLACE, "UpdatedInPlace"), (Action.KEEP, "UpdateDoesNotFit")


def own_policy(namespace: str, priority: int) -> bytes:
    selector = f"namespaceSelector: {{matchLabels: {{{NAME_LABEL}: {namespace}}}}}"
    made = policy(namespace, f"priority: {priority}\nplacement: {{require: Fit}}")
    return made.replace(b"namespaceSelector: {}", selector.encode())


def fleet_of(cpu: int, **priorities: int) -> Fleet:
    """One node of so many cores, and a namespace with a policy for each of the priorities."""
    fleet = Fleet.of({"c0": (cluster("c0"), picture("c0", node("n0", gpus=0, cpu=str(cpu))))}, {})
    for namespace, priority in priorities.items():
        fleet.files[f"policies/{namespace}.yaml"] = own_policy(namespace, priority)
    return fleet


def ask(fleet: Fleet, namespace: str, cpu: int) -> None:
    """The workload of a namespace asks for so many cores."""
    fleet.commit(f"workloads/{namespace}/web.yaml", deployment("web", replicas=1, cpu=str(cpu)))


def of(made: Plan, namespace: str) -> tuple[Action, str]:
    found = decision(made, namespace, "deployment-web")
    return found.action, str(found.reason)


@pytest.mark.parametrize(("low", "high"), [(1, 100), (0, 1), (-5, 0)])
def test_of_two_updates_the_one_of_higher_priority_gets_the_room(low: int, high: int) -> None:
    fleet = fleet_of(4, aaa=low, zzz=high)
    for namespace in (LOW, HIGH):
        ask(fleet, namespace, 1)
    fleet.cycle()
    for namespace in (LOW, HIGH):
        ask(fleet, namespace, 3)
    made = fleet.cycle()
    assert (of(made, LOW), of(made, HIGH)) == (REFUSED, UPDATED)
    assert fleet.plan().drafts == ()


def test_the_name_does_not_count_where_the_priorities_are_the_other_way_round() -> None:
    fleet = fleet_of(4, aaa=100, zzz=1)
    for namespace in (LOW, HIGH):
        ask(fleet, namespace, 1)
    fleet.cycle()
    for namespace in (LOW, HIGH):
        ask(fleet, namespace, 3)
    made = fleet.cycle()
    assert (of(made, LOW), of(made, HIGH)) == (UPDATED, REFUSED)


def test_a_new_group_of_higher_priority_comes_before_an_update() -> None:
    fleet = fleet_of(4, aaa=1, zzz=100)
    ask(fleet, LOW, 1)
    fleet.cycle()
    ask(fleet, LOW, 4)
    ask(fleet, HIGH, 3)
    made = fleet.cycle()
    assert of(made, HIGH) == (Action.PLACE, "FitsNow")
    assert of(made, LOW) == REFUSED
    assert fleet.plan().drafts == ()


def test_an_update_of_higher_priority_comes_before_a_new_group() -> None:
    fleet = fleet_of(4, aaa=1, zzz=100)
    ask(fleet, HIGH, 1)
    fleet.cycle()
    ask(fleet, HIGH, 3)
    ask(fleet, LOW, 2)
    made = fleet.cycle()
    assert of(made, HIGH) == UPDATED
    waits = decision(made, LOW, "deployment-web")
    assert (waits.action, waits.phase, waits.reason) == (Action.WAIT, Phase.PENDING, "NoFit")
    assert fleet.plan().drafts == ()


def test_an_update_that_gives_room_back_needs_no_turn() -> None:
    fleet = fleet_of(4, aaa=1, zzz=100)
    for namespace, cpu in ((LOW, 3), (HIGH, 1)):
        ask(fleet, namespace, cpu)
    fleet.cycle()
    for namespace, cpu in ((LOW, 1), (HIGH, 3)):
        ask(fleet, namespace, cpu)
    made = fleet.cycle()
    assert (of(made, LOW), of(made, HIGH)) == (UPDATED, UPDATED), "what one gives back the other gets"


def test_an_update_that_was_refused_gets_the_room_once_the_other_group_has_left() -> None:
    fleet = fleet_of(4, aaa=1, zzz=100)
    ask(fleet, LOW, 1)
    fleet.cycle()
    ask(fleet, LOW, 4)
    ask(fleet, HIGH, 3)
    fleet.cycle()
    fleet.commit(f"workloads/{HIGH}/web.yaml", None)
    assert of(fleet.cycle(allow_removals=True), LOW) == UPDATED
