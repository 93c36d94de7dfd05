"""Updates of placed groups that need more room queue with everything else: the priority decides, not the name."""

from __future__ import annotations

import pytest

from reconciler.placement.model import Action, Phase
from reconciler.planning.plan import Plan
from tests.cycles.spreads import deployment
from tests.fleets import Fleet, cpu_clusters, decision, own_policy

UPDATED, REFUSED = (Action.PLACE, "UpdatedInPlace"), (Action.KEEP, "UpdateDoesNotFit")


def fleet_of(cpu: int, **priorities: int) -> Fleet:
    """One node of so many cores, and a namespace with a policy for each of the priorities."""
    fleet = Fleet.of(cpu_clusters(c0=cpu), {})
    for namespace, priority in priorities.items():
        fleet.files[f"policies/{namespace}.yaml"] = own_policy(
            namespace, f"priority: {priority}\nplacement: {{require: Fit}}"
        )
    return fleet


def ask(fleet: Fleet, **cores: int) -> None:
    """The workloads of some namespaces ask for so many cores."""
    for namespace, cpu in cores.items():
        fleet.commit(f"workloads/{namespace}/web.yaml", deployment("web", replicas=1, cpu=str(cpu)))


def of(made: Plan, namespace: str) -> tuple[Action, str]:
    found = decision(made, namespace, "deployment-web")
    return found.action, str(found.reason)


@pytest.mark.parametrize(
    ("aaa", "zzz", "decided"),
    [
        (1, 100, (REFUSED, UPDATED)),
        (0, 1, (REFUSED, UPDATED)),
        (-5, 0, (REFUSED, UPDATED)),
        # The order of the names does not count.
        (100, 1, (UPDATED, REFUSED)),
    ],
)
def test_of_two_updates_the_one_of_higher_priority_gets_the_room(aaa: int, zzz: int, decided: object) -> None:
    fleet = fleet_of(4, aaa=aaa, zzz=zzz)
    ask(fleet, aaa=1, zzz=1)
    fleet.cycle()
    ask(fleet, aaa=3, zzz=3)
    made = fleet.cycle()
    assert (of(made, "aaa"), of(made, "zzz")) == decided
    assert fleet.plan().drafts == ()


def test_a_new_group_of_higher_priority_comes_before_an_update() -> None:
    fleet = fleet_of(4, aaa=1, zzz=100)
    ask(fleet, aaa=1)
    fleet.cycle()
    ask(fleet, aaa=4, zzz=3)
    made = fleet.cycle()
    assert of(made, "zzz") == (Action.PLACE, "FitsNow")
    assert of(made, "aaa") == REFUSED
    assert fleet.plan().drafts == ()


def test_an_update_of_higher_priority_comes_before_a_new_group() -> None:
    fleet = fleet_of(4, aaa=1, zzz=100)
    ask(fleet, zzz=1)
    fleet.cycle()
    ask(fleet, zzz=3, aaa=2)
    made = fleet.cycle()
    assert of(made, "zzz") == UPDATED
    waits = decision(made, "aaa", "deployment-web")
    assert (waits.action, waits.phase, waits.reason) == (Action.WAIT, Phase.PENDING, "NoFit")
    assert fleet.plan().drafts == ()


def test_an_update_that_gives_room_back_needs_no_turn() -> None:
    fleet = fleet_of(4, aaa=1, zzz=100)
    ask(fleet, aaa=3, zzz=1)
    fleet.cycle()
    ask(fleet, aaa=1, zzz=3)
    made = fleet.cycle()
    assert (of(made, "aaa"), of(made, "zzz")) == (UPDATED, UPDATED), "what one gives back the other gets"


def test_an_update_that_was_refused_gets_the_room_once_the_other_group_has_left() -> None:
    fleet = fleet_of(4, aaa=1, zzz=100)
    ask(fleet, aaa=1)
    fleet.cycle()
    ask(fleet, aaa=4, zzz=3)
    fleet.cycle()
    fleet.commit("workloads/zzz/web.yaml", None)
    assert of(fleet.cycle(allow_removals=True), "aaa") == UPDATED
