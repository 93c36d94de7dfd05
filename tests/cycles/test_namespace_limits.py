"""What is beyond the limits of a namespace is rejected by name, what was placed stays, and all others are placed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import pytest

from reconciler.placement.decision import TransitionKind
from reconciler.placement.model import Action
from reconciler.planning.files import Files
from reconciler.planning.pipeline import plan
from reconciler.planning.plan_cache import PlanCache
from reconciler.planning.state import read_state
from reconciler.reasons.limits import NAMESPACE_LIMIT
from reconciler.repo.contents import HeldContents
from reconciler.repo.folder import Entry
from reconciler.service.checks import check_files
from tests.cycles.remembering import remember
from tests.fleets import (
    NOW,
    Fleet,
    config_map,
    decision,
    fleet_file,
    ordered,
    policy,
    ray_job,
    static_and_dynamic,
    where,
)

MAPS = policy("maps", ordered("static"), objects="{kinds: [ConfigMap]}")


def limited(limits: str) -> Fleet:
    """A fleet in which a namespace has a ConfigMap a, b, c and d, each a group of its own, and another one has z."""
    fleet = static_and_dynamic()
    fleet.files["policies/maps.yaml"] = MAPS
    fleet.files["fleet.yaml"] = fleet_file(f"limits: {{perNamespace: {limits}}}")
    for name in "dcba":
        fleet.commit(f"workloads/crowd/{name}.yaml", config_map(name))
    fleet.commit("workloads/other/z.yaml", config_map("z"))
    return fleet


SIZE = len(config_map("a"))
ALL = {"crowd/configmap-a", "crowd/configmap-b", "crowd/configmap-c", "crowd/configmap-d"}


@pytest.mark.parametrize(
    ("limits", "placed", "rejected"),
    [
        ("{groups: 4, files: 4}", ALL, set()),
        ("{files: 2}", {"crowd/configmap-a", "crowd/configmap-b"}, {"crowd/file-c", "crowd/file-d"}),
        (f"{{bytes: {3 * SIZE}}}", ALL - {"crowd/configmap-d"}, {"crowd/file-d"}),
        (f"{{bytes: {3 * SIZE - 1}}}", {"crowd/configmap-a", "crowd/configmap-b"}, {"crowd/file-c", "crowd/file-d"}),
        # The youngest are rejected, wherever they are.
        ("{groups: 3}", ALL - {"crowd/configmap-a"}, {"crowd/configmap-a"}),
    ],
)
def test_what_is_beyond_a_limit_is_rejected_by_name_and_all_others_are_placed(
    limits: str, placed: set[str], rejected: set[str]
) -> None:
    fleet = limited(limits)
    made = fleet.cycle()
    places = where(fleet)
    assert {name for name, clusters in places.items() if clusters} == {*placed, "other/configmap-z"}
    refused = {str(one.group): one for one in made.decisions if one.action is Action.REJECT}
    assert refused.keys() == rejected
    for one in refused.values():
        assert one.reason == NAMESPACE_LIMIT
        assert f"workloads/crowd/{one.group.name[-1]}.yaml" in one.message
        assert "limits.perNamespace." in one.message
    assert fleet.plan().drafts == ()


@pytest.mark.parametrize("limits", ["{groups: 1}", "{files: 1}", "{bytes: 1}"])
def test_what_was_placed_stays_as_it_is_when_it_comes_to_lie_beyond_a_limit(limits: str) -> None:
    fleet = limited("{}")
    fleet.cycle()
    before = {path: data for path, data in fleet.rendered().items() if path.startswith("clusters/")}
    fleet.files["fleet.yaml"] = fleet_file(f"limits: {{perNamespace: {limits}}}")
    made = fleet.cycle()
    after = {path: data for path, data in fleet.rendered().items() if path.startswith("clusters/")}
    assert after == before
    kept = decision(made, "crowd", "configmap-d" if "groups" not in limits else "configmap-a")
    assert (kept.transition, kept.reason) == (TransitionKind.HOLD, NAMESPACE_LIMIT)
    assert kept.message.endswith("What was admitted stays as it is")
    assert fleet.plan().drafts == ()
    fleet.files["fleet.yaml"] = fleet_file()
    fleet.cycle()
    assert all(group.reason != NAMESPACE_LIMIT for group in fleet.state().placements.values())


def test_a_new_group_never_takes_the_place_of_one_that_is_placed() -> None:
    fleet = limited("{groups: 4}")
    fleet.cycle()
    fleet.files["policies/first.yaml"] = policy(
        "first", f"priority: 9\n{ordered('static')}", objects="{labelSelectors: [{matchLabels: {rank: high}}]}"
    )
    fleet.commit("workloads/crowd/0.yaml", config_map("new", labels="{rank: high}"))
    fleet.commit("workloads/crowd/a.yaml", config_map("a", "changed"))
    made = fleet.cycle()
    assert decision(made, "crowd", "configmap-new").reason == NAMESPACE_LIMIT
    assert decision(made, "crowd", "configmap-a").action is Action.PLACE


def test_a_group_is_not_placed_by_halves_while_a_part_of_it_may_lie_beyond_a_limit() -> None:
    fleet = static_and_dynamic()
    fleet.files["fleet.yaml"] = fleet_file("limits: {perNamespace: {files: 1}}")
    fleet.commit("workloads/team/a.yaml", ray_job("train", workers=1, config="code"))
    fleet.commit("workloads/team/b.yaml", config_map("code"))
    made = fleet.cycle()
    held = decision(made, "team", "rayjob-train")
    assert (held.action, held.reason) == (Action.WAIT, NAMESPACE_LIMIT)
    assert held.message.startswith("ConfigMap code may be in a file beyond a limit: workloads/team/b.yaml")


def test_only_the_first_few_files_beyond_a_limit_get_a_report() -> None:
    fleet = limited("{files: 4}")
    for number in range(50):
        fleet.commit(f"workloads/crowd/more-{number:02}.yaml", config_map(f"more-{number}"))
    reports = [one.group.name for one in fleet.cycle().decisions if one.action is Action.REJECT]
    assert reports == [f"file-more-{number:02}" for number in range(20)]


class CountedContents(HeldContents):
    """Contents that tell which paths were read."""

    read: ClassVar[set[str]] = set()

    def __call__(self, entries: Iterable[Entry]) -> dict[str, bytes]:
        wanted = list(entries)
        self.read.update(entry.path for entry in wanted)
        return super().__call__(wanted)


@pytest.mark.parametrize("limits", ["{files: 2}", f"{{bytes: {2 * SIZE}}}"])
def test_a_file_beyond_a_limit_is_never_read(limits: str) -> None:
    fleet = limited(limits)
    plain = Files(fleet.files)
    contents = CountedContents(fleet.files)
    contents.read.clear()
    within = {"workloads/crowd/a.yaml", "workloads/crowd/b.yaml", "workloads/other/z.yaml"}
    read_state("0" * 40, Files.lazy(plain.root, {}, contents), fleet.sources())
    assert {path for path in contents.read if path.startswith("workloads/")} == within
    contents.read.clear()
    check_files(Files.lazy(plain.root, {}, contents), lambda _: fleet.files)
    assert {path for path in contents.read if path.startswith("workloads/")} == within


def test_limits_and_files_that_change_lead_to_the_same_plan_with_a_cache_and_without() -> None:
    fleet = limited("{files: 2}")
    cache = PlanCache()
    remember(fleet, cache)
    remember(fleet, cache)
    for limits in ("{files: 3}", "{groups: 2}", f"{{bytes: {2 * SIZE}}}", "{}"):
        fleet.files["fleet.yaml"] = fleet_file(f"limits: {{perNamespace: {limits}}}")
        remember(fleet, cache)
    fleet.files["fleet.yaml"] = fleet_file(f"limits: {{perNamespace: {{bytes: {3 * SIZE}}}}}")
    remember(fleet, cache)
    # The same contents under another path, and a larger file in front.
    fleet.files["workloads/crowd/0.yaml"] = fleet.files.pop("workloads/crowd/d.yaml")
    remember(fleet, cache)
    fleet.commit("workloads/crowd/0.yaml", config_map("d", "x" * SIZE))
    remember(fleet, cache)
    assert remember(fleet, cache).drafts == ()


def test_below_the_limits_a_plan_is_the_same_as_without() -> None:
    fleet = limited("{groups: 4, files: 4, bytes: 1Ki}")
    made = plan(fleet.state(), fleet.snapshot(), NOW)
    fleet.files["fleet.yaml"] = fleet_file()
    free = plan(fleet.state(), fleet.snapshot(), NOW)
    assert (made.decisions, made.drafts) == (free.decisions, free.drafts)


@pytest.mark.parametrize(
    ("limits", "said"), [("{files: 3}", "workloads/crowd/d.yaml is not read"), ("{groups: 3}", "has 4 groups")]
)
def test_validate_tells_what_is_beyond_a_limit(limits: str, said: str) -> None:
    fleet = limited(limits)
    (error,) = check_files(Files(fleet.files), lambda _: fleet.files).errors
    assert said in error
