"""The copies of namespaces that rest: on each cluster in order of their groups, as namespaces come and go."""

from __future__ import annotations

from reconciler.placement.assumed_pods import AssumedCopy
from reconciler.placement.resting_copies import NamespaceCopies, RestingCopies
from tests.capacity import assumed
from tests.copies import config_map, job


def resting(*copies: tuple[str, AssumedCopy]) -> NamespaceCopies:
    return NamespaceCopies.of(copies)


def test_copies_are_in_order_of_their_namespaces_whenever_these_came() -> None:
    kept = RestingCopies()
    one, other, third = assumed("one", job()), assumed("other", job()), assumed("third", job())
    kept.put("b", resting(("east", one), ("west", other)))
    assert kept.on("east") == (one,)
    kept.put("a", resting(("east", third)))
    assert kept.on("east") == (third, one)
    assert kept.on("west") == (other,)
    assert kept.on("nowhere") == ()


def test_a_namespace_that_rests_no_more_leaves_nothing() -> None:
    kept = RestingCopies()
    copies = resting(("east", assumed("one", job())), ("east", assumed("two", config_map())))
    kept.put("a", copies)
    before = kept.on("east")
    kept.put("a", copies)
    assert kept.on("east") is before, "the same copies once more change nothing"
    kept.put("a", None)
    assert kept.on("east") == ()
    assert not any(kept.kinds.values())
    kept.put("never", None)


def test_what_a_namespace_has_now_takes_the_place_of_what_it_had() -> None:
    kept = RestingCopies()
    late = assumed("late", job())
    kept.put("a", resting(("east", assumed("early", job()))))
    kept.put("a", resting(("west", late)))
    assert (kept.on("east"), kept.on("west")) == ((), (late,))
