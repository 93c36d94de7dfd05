"""The tenants' usage of quotas: what is granted, lent and refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.errors import Place
from reconciler.kube_scheduler.gang import Gang
from reconciler.manifests.quantity import Quantity
from reconciler.placement.max_flow import max_flow
from reconciler.placement.quota import QuotaUsage, never, requested
from reconciler.policy.tenant import Borrowing, Tenant
from reconciler.reasons.quota import Borrowable, NeverWithinQuota, QuotaExceeded
from reconciler.workloads.group import GroupKey
from tests.unit.kube_scheduler.gangmaking import workers

GPU = "nvidia.com/gpu"
UNIT = 10**9


def tenant(name: str, gpus: int, lenders: tuple[str, ...] | None = (), limit: int | None = None) -> Tenant:
    """`lenders` empty: it does not borrow; None: from all."""
    borrowing = Borrowing(lenders, {} if limit is None else {GPU: Quantity(limit * UNIT)})
    quota = {GPU: Quantity(gpus * UNIT)}
    return Tenant(name, Place(f"policies/{name}.yaml"), quota=quota, borrowing=None if lenders == () else borrowing)


def key(name: str) -> GroupKey:
    return GroupKey("ns", name)


def gpus(count: int) -> dict[str, int]:
    return {GPU: count * UNIT}


def exceeded(
    tenant: str,
    quota: int,
    used: int,
    requested: int,
    current: int = 0,
    lent: int = 0,
    borrowable: Borrowable | None = None,
) -> QuotaExceeded:
    """The refusal with its amounts in GPUs."""
    return QuotaExceeded(
        tenant, GPU, Quantity(quota * UNIT), used * UNIT, requested * UNIT, current * UNIT, lent * UNIT, borrowable
    )


def test_the_refusal_has_the_numbers() -> None:
    a = tenant("a", 8)
    usage = QuotaUsage.of([a], ())
    assert usage.refusal(key("one"), a, gpus(8)) is None
    usage = usage.add_usage(key("one"), a, gpus(6))
    assert usage.refusal(key("two"), a, gpus(2)) is None
    assert usage.refusal(key("two"), a, gpus(4)) == exceeded("a", 8, used=6, requested=4)


@pytest.mark.parametrize(
    ("resource", "quota", "needs", "said"),
    [
        ("memory", "1G", 4504682496, "uses 0 of 1G memory, group needs 4.5G"),
        ("memory", "1Gi", 4504682496, "uses 0 of 1Gi memory, group needs 4296Mi"),
        ("memory", "1Gi", 4504682497, "uses 0 of 1Gi memory, group needs 4.1Gi"),
        ("memory", "2e9", 4504682496, "uses 0 of 2e9 memory, group needs 4.5G"),
        ("nvidia.com/gpu", "2", 123456, "uses 0 of 2 nvidia.com/gpu, group needs 123456"),
    ],
)
def test_amounts_are_told_as_the_quota_is_written_and_short(resource: str, quota: str, needs: int, said: str) -> None:
    one = Tenant("a", Place("policies/a.yaml"), quota={resource: Quantity.parse(quota)})
    refusal = QuotaUsage.of([one], ()).refusal(key("one"), one, {resource: needs * 10**9})
    assert refusal is not None
    assert refusal.text == f"tenant a {said}"


def test_what_is_not_in_the_quota_is_not_limited() -> None:
    a = tenant("a", 0)
    assert QuotaUsage.of([a], ()).refusal(key("one"), a, {"cpu": 10**15}) is None


def test_a_group_that_changes_is_judged_by_the_difference() -> None:
    a = tenant("a", 8)
    usage = QuotaUsage.of([a], ())
    usage = usage.add_usage(key("one"), a, gpus(6))
    assert usage.refusal(key("one"), a, gpus(8)) is None
    assert usage.refusal(key("one"), a, gpus(9)) == exceeded("a", 8, used=6, requested=9, current=6)
    usage = usage.add_usage(key("one"), a, gpus(1))
    assert usage.refusal(key("two"), a, gpus(7)) is None
    usage = usage.add_usage(key("one"), None, {})
    assert usage.refusal(key("two"), a, gpus(8)) is None


def test_a_quota_that_was_lowered_stops_new_groups_only_where_they_need_more() -> None:
    a = tenant("a", 2)
    usage = QuotaUsage.of([a], ())
    usage = usage.add_usage(key("one"), a, gpus(6))
    assert usage.refusal(key("one"), a, gpus(5)) is None
    assert usage.refusal(key("two"), a, {"cpu": UNIT}) is None
    assert usage.refusal(key("two"), a, gpus(1)) == exceeded("a", 2, used=6, requested=1)


def test_unused_quota_is_borrowed_up_to_the_limit() -> None:
    a, b = tenant("a", 2, None, limit=3), tenant("b", 8)
    usage = QuotaUsage.of([a, b], ())
    assert usage.refusal(key("one"), a, gpus(5)) is None
    borrowable = Borrowable(8 * UNIT, None, Quantity(3 * UNIT))
    assert usage.refusal(key("one"), a, gpus(6)) == exceeded("a", 2, used=0, requested=6, borrowable=borrowable)


def test_quota_is_lent_once_only() -> None:
    a, b, c = tenant("a", 0, ("c",)), tenant("b", 0, ("c",)), tenant("c", 4)
    usage = QuotaUsage.of([a, b, c], ())
    usage = usage.add_usage(key("one"), a, gpus(3))
    assert usage.refusal(key("two"), b, gpus(1)) is None
    borrowable = Borrowable(1 * UNIT, ("c",), None)
    assert usage.refusal(key("two"), b, gpus(2)) == exceeded("b", 0, used=0, requested=2, borrowable=borrowable)


def test_a_lender_that_needs_its_own_waits_and_is_told_who_has_it() -> None:
    a, b = tenant("a", 0, None), tenant("b", 4)
    usage = QuotaUsage.of([a, b], ())
    usage = usage.add_usage(key("one"), a, gpus(3))
    assert usage.refusal(key("two"), b, gpus(1)) is None
    assert usage.refusal(key("two"), b, gpus(2)) == exceeded("b", 4, used=0, requested=2, lent=3)


def test_borrowers_move_to_another_lender_to_make_room() -> None:
    a, b = tenant("a", 0, ("c", "d")), tenant("b", 0, ("c",))
    usage = QuotaUsage.of([a, b, tenant("c", 2), tenant("d", 2)], ())
    usage = usage.add_usage(key("one"), a, gpus(2))
    assert usage.refusal(key("two"), b, gpus(2)) is None
    assert usage.refusal(key("two"), b, gpus(3)) is not None


def test_borrowing_does_not_go_through_others() -> None:
    a, b, c = tenant("a", 0, ("b",)), tenant("b", 2, ("c",)), tenant("c", 2)
    usage = QuotaUsage.of([a, b, c], ())
    borrowable = Borrowable(2 * UNIT, ("b",), None)
    assert usage.refusal(key("one"), a, gpus(3)) == exceeded("a", 0, used=0, requested=3, borrowable=borrowable)
    usage = usage.add_usage(key("one"), a, gpus(2))
    refusal = usage.refusal(key("two"), b, gpus(2))
    assert refusal is not None
    assert refusal.lent == 2 * UNIT, "c lends to b, not to a through b"
    usage = usage.add_usage(key("one"), None, {})
    assert usage.refusal(key("two"), b, gpus(4)) is None


def test_a_group_beyond_all_that_its_tenant_could_ever_have_is_known() -> None:
    assert never(tenant("a", 8), gpus(8)) is None
    why = NeverWithinQuota("a", GPU, Quantity(8 * UNIT), requested=9 * UNIT, at_most=8 * UNIT)
    assert never(tenant("a", 8), gpus(9)) == why
    assert not why.waiting_helps
    assert never(tenant("a", 8, None, limit=2), gpus(10)) is None
    borrows = never(tenant("a", 8, None, limit=2), gpus(11))
    assert borrows is not None
    assert borrows.at_most == 10 * UNIT
    assert never(tenant("a", 8, None), gpus(99)) is None, "what others have may grow"


AMOUNTS = st.dictionaries(st.sampled_from("abc"), st.integers(1, 4), min_size=1)
SPARE = st.dictionaries(st.sampled_from("xyz"), st.integers(1, 4))
LINKS = st.sets(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")))


@settings(deadline=None, max_examples=150)
@given(AMOUNTS, SPARE, LINKS)
@example({"a": 1, "b": 3}, {"x": 2, "y": 3}, {("a", "x"), ("a", "y"), ("b", "x")})
@example(
    {"a": 2, "b": 1, "c": 4},
    {"w": 4, "x": 2, "y": 3, "z": 2},
    {("a", "w"), ("a", "x"), ("a", "y"), ("b", "w"), ("b", "x"), ("c", "w")},
)
def test_what_can_be_covered_at_once_is_what_the_tightest_cut_allows(
    excess: dict[str, int], spare: dict[str, int], links: set[tuple[str, str]]
) -> None:
    """Max-flow is min-cut: over all sets of borrowers, what is outside the set plus what its lenders have."""
    lenders = {one: sorted(x for who, x in links if who == one and x in spare) for one in excess}
    names = sorted(excess)
    cuts = []
    for chosen in product((False, True), repeat=len(names)):
        inside = [name for name, take in zip(names, chosen, strict=True) if take]
        reached = {x for name in inside for x in lenders[name]}
        cuts.append(sum(excess[n] for n in names if n not in inside) + sum(spare[x] for x in reached))
    assert max_flow(excess, spare, lenders) == min(cuts)


TENANTS = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(["no", "any", "first"]), st.none() | st.integers(0, 3)),
    min_size=2,
    max_size=4,
)
ASKED = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4), st.booleans()), max_size=14)


@settings(deadline=None, max_examples=150)
@given(TENANTS, ASKED)
def test_no_quota_is_exceeded_whatever_comes_and_goes(
    rules: list[tuple[int, str, int | None]], asked: list[tuple[int, int, bool]]
) -> None:
    whom: dict[str, tuple[str, ...] | None] = {"no": (), "any": None, "first": ("t0",)}
    tenants = [
        tenant(f"t{i}", quota, () if i == 0 and how == "first" else whom[how], limit)
        for i, (quota, how, limit) in enumerate(rules)
    ]
    usage = QuotaUsage.of(tenants, ())
    used = dict.fromkeys((one.name for one in tenants), 0)
    placed: list[tuple[int, Tenant, int]] = []
    for number, (who, count, ends) in enumerate(asked):
        one = tenants[who % len(tenants)]
        if not usage.refusal(key(str(number)), one, gpus(count)):
            usage = usage.add_usage(key(str(number)), one, gpus(count))
            placed.append((number, one, count))
            used[one.name] += count
        if ends and placed:
            gone, owner, freed = placed.pop(0)
            usage = usage.add_usage(key(str(gone)), None, {})
            used[owner.name] -= freed
        assert sum(used.values()) <= sum(quota for quota, _, _ in rules)
        for (quota, _, limit), one in zip(rules, tenants, strict=True):
            borrowed = used[one.name] - quota
            if borrowed > 0:
                assert one.borrowing is not None
                assert limit is None or borrowed <= limit


def test_a_group_without_a_tenant_is_refused_nothing_and_charged_to_nobody() -> None:
    usage = QuotaUsage.of([tenant("a", 8)], ())
    assert usage.refusal(key("one"), None, gpus(99)) is None
    assert usage.add_usage(key("one"), None, gpus(99)) is usage


def test_a_tenant_that_does_not_borrow_is_covered_by_no_other_and_may_still_lend() -> None:
    alone, other = tenant("alone", 2), tenant("other", 8, lenders=None)
    usage = QuotaUsage.of([alone, other], ())
    assert usage.refusal(key("one"), alone, gpus(3)) == exceeded("alone", 2, used=0, requested=3)
    # Once its quota was lowered below what it uses, nobody covers that, and others have only their own.
    over = QuotaUsage.of([alone, other], [(key("one"), alone, gpus(3))])
    assert over.refusal(key("two"), other, gpus(8)) is None


def test_pods_are_counted_whatever_they_request_of_them() -> None:
    of = workers(3, gpu=1)
    asks_for_slots = replace(of, requests={**of.requests, "pods": Quantity(5 * UNIT)})
    assert requested([Gang((asks_for_slots,))]) == requested([Gang((of,))])
    assert requested([Gang((of,))])["pods"] == 3 * UNIT


def test_a_tenant_without_a_quota_of_a_resource_lends_none_of_it() -> None:
    of_cpu = Tenant("b", Place("policies/b.yaml"), quota={"cpu": Quantity(8 * UNIT)}, borrowing=None)
    usage = QuotaUsage.of((tenant("a", 1, lenders=None), of_cpu), ())
    assert usage.refusal(key("x"), tenant("a", 1, lenders=None), gpus(1)) is None
    assert usage.refusal(key("x"), tenant("a", 1, lenders=None), gpus(2)) is not None
