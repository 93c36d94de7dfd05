"""What the nodes that a placement needs cost."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from reconciler.kube_scheduler.gang import Fit
from reconciler.placement.cost import NO_COST, cost_of, cost_rank
from reconciler.reasons.gang import FitsAfterScaleUp
from reconciler.reasons.scores import NewNodes, NodeCost
from tests.unit.kube_scheduler.gangmaking import pool


def growing(*growth: tuple[str, int]) -> Fit:
    return Fit(True, 1, 1, FitsAfterScaleUp(1, growth), growth=growth, waits=True)


def test_the_price_is_that_of_the_new_nodes_spot_ones_flagged() -> None:
    pools = (pool("l4", 8, price_per_hour=0.71, spot=True), pool("cpu", 8, price_per_hour=0.1))
    cost = cost_of(growing(("l4", 1), ("cpu", 1), ("l4", 1)), pools)
    assert cost == NodeCost((NewNodes("l4", 2, spot=True), NewNodes("cpu", 1)), Decimal("1.52"))


def test_nodes_that_exist_or_are_being_added_for_others_cost_nothing() -> None:
    waiting = Fit(True, 1, 1, FitsAfterScaleUp(1, ()), waits=True)
    assert cost_of(waiting, (pool("l4", 8, price_per_hour=0.71),)) == NO_COST
    assert NO_COST.per_hour == 0


def test_one_pool_without_a_price_makes_the_whole_unknown_and_says_which() -> None:
    pools = (pool("l4", 8), pool("cpu", 8, price_per_hour=0.1))
    cost = cost_of(growing(("l4", 2), ("cpu", 1)), pools)
    assert cost.per_hour is None
    assert cost.unpriced == ("l4",)


def test_an_unknown_price_comes_after_every_known_one_and_a_free_pool_is_known() -> None:
    unknown = cost_of(growing(("a", 1)), (pool("a", 8),))
    dear = cost_of(growing(("a", 9)), (pool("a", 9, price_per_hour=1e6),))
    free = cost_of(growing(("a", 9)), (pool("a", 9, price_per_hour=0.0),))
    assert sorted([unknown, dear, free], key=cost_rank) == [free, dear, unknown]
    assert free.per_hour == 0


@given(cents=st.integers(0, 10**6), nodes=st.integers(1, 1000))
def test_prices_are_exact_however_they_are_added_up(cents: int, nodes: int) -> None:
    pools = (pool("a", nodes, price_per_hour=cents / 100),)
    at_once = cost_of(growing(("a", nodes)), pools)
    one_by_one = cost_of(growing(*[("a", 1)] * nodes), pools)
    assert at_once.per_hour == one_by_one.per_hour == Decimal(cents * nodes) / 100
    assert f"{cents * nodes // 100}.{cents * nodes % 100:02} per hour" in at_once.text


def test_prices_below_a_cent_are_told_as_they_were_written() -> None:
    assert "0.0035 per hour" in cost_of(growing(("a", 1)), (pool("a", 1, price_per_hour=0.0035),)).text
