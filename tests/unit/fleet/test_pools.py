"""What pools of several sources have in common when they are one pool."""

from __future__ import annotations

from dataclasses import replace

from reconciler.fleet.pools import together
from reconciler.fleet.snapshot import NodePool
from tests.unit.fleet.pool_nodes import GPU


def test_pools_that_are_one_pool_have_what_all_have_and_are_held_if_all_are() -> None:
    small = NodePool("a", 2, {"cpu": 4, "memory": 9, GPU: 1}, existing=1, held="no room")
    large = NodePool("b", 3, {"cpu": 8, "memory": 7}, existing=1)
    one = together([small, NodePool("c", 1, {}, existing=0), large])
    assert (one.name, one.max_nodes, one.existing, one.allocatable) == ("a", 6, 2, {"cpu": 4, "memory": 7})
    assert (one.held, one.exact) == ("", False)
    assert together([small, replace(large, held="no money")]).held == "no room"
    assert together([replace(small, existing=None), large]).existing is None
