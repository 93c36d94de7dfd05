"""The order in which groups ask for capacity: that of the queue, but each after those that it depends on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.planning.queue_order import in_order
from tests.copies import key

A, B, C, D = (key(name) for name in "abcd")


def test_without_dependencies_the_queue_is_the_order() -> None:
    assert in_order([C, A, B], {}) == [C, A, B]


def test_a_group_comes_behind_the_one_that_it_depends_on_and_as_soon_as_that_is_through() -> None:
    assert in_order([A, B, C, D], {A: [C]}) == [B, C, A, D]


def test_a_chain_is_followed_to_its_end() -> None:
    assert in_order([A, B, C, D], {A: [B], B: [D]}) == [C, D, B, A]


def test_groups_that_do_not_ask_and_the_group_itself_do_not_count() -> None:
    assert in_order([B, A], {B: [D, B], A: [C]}) == [B, A]


def test_a_circle_leaves_the_queue_as_it_is() -> None:
    assert in_order([C, A, B], {A: [B], B: [A], C: [A]}) == [C, A, B]


@given(st.permutations(range(7)), st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=10))
def test_every_group_comes_once_and_behind_those_that_it_depends_on(
    order: list[int], pairs: set[tuple[int, int]]
) -> None:
    queue = [key(f"g{number}") for number in order]
    # Smaller numbers first, so there is no circle.
    after = {key(f"g{max(pair)}"): [key(f"g{min(pair)}")] for pair in sorted(pairs) if pair[0] != pair[1]}
    found = in_order(queue, after)
    assert sorted(found) == sorted(queue)
    for later, earlier in after.items():
        assert found.index(earlier[0]) < found.index(later)
    if not after:
        assert found == queue


@given(st.permutations(range(6)), st.integers(0, 5), st.integers(0, 5))
def test_the_other_groups_keep_their_order(order: list[int], one: int, other: int) -> None:
    queue = [key(f"g{number}") for number in order]
    found = in_order(queue, {key(f"g{one}"): [key(f"g{other}")]})
    others = [group for group in queue if group != key(f"g{one}")]
    assert [group for group in found if group != key(f"g{one}")] == others
