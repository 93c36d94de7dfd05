"""Which free GPUs typical gangs cannot use."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from reconciler.fleet.snapshot import Node
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.placement.fragmentation import unusable
from reconciler.placement.gang_mix import DEFAULT_KINDS, Mix, Typical
from tests.unit.kube_scheduler.gangmaking import GIB, GPU, bound, cluster, gang, head, node, shape, workers


def mix(*kinds: tuple[int, int], cpu: int = 0) -> Mix:
    """`kinds`: (GPUs of a pod, pods of a gang), one gang each."""
    return Mix(tuple((kind(gpus, count, cpu), 1) for gpus, count in kinds))


def kind(gpus: int, count: int, cpu: int = 0) -> Typical:
    return Typical((("cpu", cpu * gpus), (GPU, gpus)), count)


def test_what_is_left_of_a_node_beside_whole_pods_is_unusable() -> None:
    assert unusable(mix((4, 1)), cluster(node("a", gpu=6), node("b", gpu=8))) == 2


def test_pods_that_make_no_whole_gang_are_unusable() -> None:
    five_pods = [node(f"n{i}", gpu=4) for i in range(5)]
    assert unusable(mix((4, 2)), cluster(*five_pods)) == 4


def test_gpus_without_enough_cpu_beside_them_are_unusable() -> None:
    full = bound("a", shape(6000, 1))
    assert unusable(mix((1, 1), cpu=1000), cluster(node("a", cpu=8000, gpu=8), placed=[full])) == 6


def test_every_kind_of_the_mix_counts_as_often_as_gangs_have_it() -> None:
    twice = Mix(((kind(8, 1), 2), (kind(1, 1), 3)))
    assert unusable(twice, cluster(node("a", gpu=4))) == 8
    assert twice.total == 5


def test_nodes_that_take_no_pods_have_nothing_to_lose() -> None:
    assert unusable(mix((8, 1)), cluster(node("a", gpu=4, ready=False), node("b", gpu=4, unschedulable=True))) == 0


def test_a_device_that_no_node_has_counts_nothing_and_a_missing_companion_everything() -> None:
    assert unusable(mix((1, 1)), cluster(node("a"))) == 0
    needs_rdma = Mix(((Typical(((GPU, 1), ("rdma/hca", 1)), 1), 1),))
    assert unusable(needs_rdma, cluster(node("a", gpu=3))) == 3
    assert needs_rdma.kinds[0][0].device == GPU


def test_the_mix_is_what_gangs_have_and_the_default_kinds() -> None:
    wide = gang(head(), workers(4, 8000, 32, gpu=8))
    known = Mix.of([wide, wide, gang(head(), workers(2))])
    assert known.kinds[0] == (Typical((("cpu", 8000), ("memory", 32 * GIB), (GPU, 8)), 4), 2)
    assert {one for one, _ in known.kinds[1:]} == set(DEFAULT_KINDS)


def test_a_mix_keeps_the_commonest_kinds_whatever_the_order_of_gangs() -> None:
    gangs = [gang(workers(count, gpu=1)) for count in range(1, 40) for _ in range(1 + (count == 33))]
    known = Mix.of(gangs)
    assert known == Mix.of(reversed(gangs))
    assert (len(known.kinds), known.kinds[0][0].count) == (16, 33)


def _counted(nodes: list[Node], taken: Mapping[str, int], one: Typical) -> int:
    """Count as a person would, node by node."""
    each = dict(one.requests)
    pods = free = 0
    for item in nodes:
        gpus = item.allocatable.get(GPU, 0) - taken.get(item.name, 0)
        free += gpus
        pods += min(gpus // each[GPU], item.allocatable["cpu"] // each["cpu"])
    return free - pods // one.count * one.count * each[GPU]


@given(
    sizes=st.lists(st.tuples(st.integers(1, 8), st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=6),
    gpus=st.sampled_from([1, 2, 4, 8]),
    count=st.integers(1, 4),
)
def test_it_counts_what_counting_node_by_node_gives(sizes: list[tuple[int, int, int]], gpus: int, count: int) -> None:
    nodes = [node(f"n{i}", cpu=1000 * cpu, gpu=has) for i, (cpu, has, _) in enumerate(sizes)]
    taken = {f"n{i}": min(used, has) for i, (_, has, used) in enumerate(sizes)}
    placed = [bound(name, shape(0, 0, used)) for name, used in taken.items() if used]
    picture: Nodes = cluster(*nodes, placed=placed)
    one = kind(gpus, count, cpu=500)
    assert unusable(Mix(((one, 1),)), picture) == _counted(nodes, taken, one)


def test_gangs_that_were_counted_before_count_as_those_that_are_looked_at() -> None:
    wide = gang(head(), workers(4, 8000, 32, gpu=8))
    of_wide = Typical((("cpu", 8000), ("memory", 32 * GIB), (GPU, 8)), 4)
    of_none = kind(3, 3)
    assert Mix.of([wide], {of_wide: 2, of_none: 0}) == Mix.of([wide, wide, wide])
