"""Laws of spreading, on random small fleets through random changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.workloads.divide import largest_remainder
from tests.cycles.spreads import DUPLICATE, deployment, fleet_of, replicas, split
from tests.fleets import Fleet, cluster, decision, policy, ray_job

QUIET = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMES = ("a", "b", "c")
NEAR = "clusterSelector: {matchLabels: {near: 'yes'}}\nplacement: {require: Fit}\n"


@dataclass(frozen=True)
class Wish:
    """What people ask for at one time."""

    replicas: int
    near: tuple[str, ...]
    weights: tuple[int, ...]


def weights(count: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(st.integers(1, 30), min_size=count, max_size=count).map(lambda w: largest_remainder(100, w))


WISHES = st.lists(
    st.lists(st.sampled_from(NAMES), min_size=1, unique=True).flatmap(
        lambda near: st.builds(Wish, st.integers(0, 20), st.just(tuple(sorted(near))), weights(len(near)))
    ),
    min_size=1,
    max_size=4,
)
SIZES = st.lists(st.integers(0, 2), min_size=3, max_size=3)


def ask(fleet: Fleet, wish: Wish, *, divide: bool) -> None:
    for name in NAMES:
        fleet.files[f"inventory/{name}.yaml"] = cluster(name, labels="{near: 'yes'}" if name in wish.near else "{}")
    spread = split(**dict(zip(wish.near, wish.weights, strict=True))) if divide else DUPLICATE
    fleet.files["policies/spread.yaml"] = policy("spread", NEAR + spread)
    fleet.commit("workloads/team/web.yaml", deployment("web", wish.replicas))


@QUIET
@given(SIZES, WISHES)
def test_what_is_divided_is_exactly_the_whole_and_fits(sizes: list[int], wishes: list[Wish]) -> None:
    fleet = fleet_of(dict(zip(NAMES, sizes, strict=True)), DUPLICATE)
    asked = set()
    for wish in wishes:
        asked.add(wish.replicas)
        ask(fleet, wish, divide=True)
        made = fleet.cycle()
        assert fleet.plan().drafts == ()
        placed = replicas(fleet, "team", "deployment-web")
        if placed:
            assert sum(placed.values()) in asked
        stays = decision(made, "team", "deployment-web").reason == "UpdateDoesNotFit"
        if placed and not stays and sum(placed.values()) == wish.replicas and set(placed) == set(wish.near):
            assert all(
                abs(placed[n] * 100 - wish.replicas * w) < 100 for n, w in zip(wish.near, wish.weights, strict=True)
            )
        for name, size in zip(NAMES, sizes, strict=True):
            assert placed.get(name, 0) <= size * 8


@QUIET
@given(SIZES, WISHES)
def test_duplicates_stand_only_where_they_are_wanted_and_fit(sizes: list[int], wishes: list[Wish]) -> None:
    fleet = fleet_of(dict(zip(NAMES, sizes, strict=True)), DUPLICATE)
    for wish in wishes:
        before = set(replicas(fleet, "team", "deployment-web"))
        ask(fleet, wish, divide=False)
        fleet.cycle()
        assert fleet.plan().drafts == ()
        placed = replicas(fleet, "team", "deployment-web")
        room = {n for n, size in zip(NAMES, sizes, strict=True) if wish.replicas <= size * 8}
        stayed = set(wish.near) & before
        assert set(placed) == (set(wish.near) & room) | stayed or (set(placed) <= before and not room & set(wish.near))
        assert all(placed[name] == wish.replicas for name in set(placed) & room & set(wish.near))
        for name, size in zip(NAMES, sizes, strict=True):
            assert placed.get(name, 0) <= size * 8


@QUIET
@given(SIZES, WISHES, st.booleans(), st.randoms(use_true_random=False))
def test_the_order_of_files_does_not_matter_to_a_spread(
    sizes: list[int], wishes: list[Wish], divide: bool, dice: Any
) -> None:
    fleet = fleet_of(dict(zip(NAMES, sizes, strict=True)), DUPLICATE)
    fleet.commit("workloads/team/job.yaml", ray_job("train"))
    for wish in wishes:
        ask(fleet, wish, divide=divide)
        assert fleet.shuffled(dice).plan() == fleet.plan()
        fleet.cycle()
