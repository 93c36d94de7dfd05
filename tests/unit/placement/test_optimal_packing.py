"""Verdicts beside an optimal packer's (OR-Tools' CP-SAT), on small random clusters near the edge of fitting.

Run with `-rP` to read how many cases there were of each kind.
"""

from __future__ import annotations

import random
from collections import Counter

from ortools.sat.python import cp_model

from reconciler.kube_scheduler.fit import try_gang
from reconciler.kube_scheduler.gang import Gang
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.kube_scheduler.packing import can_pack
from tests.unit.placement.gangmaking import cluster, gang, head, node, workers

CASES = 1_500
SEED = 31
UNLUCKY = {"Fragmentation", "TieBreak"}


def optimum_exists(nodes: Nodes, wanted: Gang) -> bool:
    """Whether any arrangement holds every pod: integers per pod set and node, capacities per node and resource."""
    model = cp_model.CpModel()
    share: dict[tuple[int, int], cp_model.IntVar] = {}
    for s, pod_set in enumerate(wanted.pod_sets):
        if nodes.requested(pod_set.shape) is None:
            return False
        for n in range(nodes.size):
            share[s, n] = model.new_int_var(0, pod_set.count, f"{s}_{n}")
        model.add(sum(share[s, n] for n in range(nodes.size)) == pod_set.count)
    for n in range(nodes.size):
        for row in range(nodes.free.shape[0]):
            taken = [
                amount * share[s, n]
                for s, pod_set in enumerate(wanted.pod_sets)
                for at, amount in nodes.requested(pod_set.shape) or []
                if at == row
            ]
            if taken:
                model.add(sum(taken) <= max(0, int(nodes.free[row, n])))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    return solver.solve(model) in {cp_model.OPTIMAL, cp_model.FEASIBLE}


def random_case(dice: random.Random) -> tuple[Nodes, Gang]:
    nodes = cluster(
        *(
            node(f"n{i}", cpu=dice.choice([2000, 4000, 8000]), gib=dice.choice([4, 8]), gpu=dice.choice([0, 1, 2, 4]))
            for i in range(dice.randint(1, 5))
        )
    )
    groups = [
        workers(
            dice.randint(1, 4),
            dice.choice([500, 1000, 2000, 3000]),
            dice.choice([1, 2, 3]),
            gpu=dice.choice([0, 0, 1, 2]),
            group=f"g{i}",
        )
        for i in range(dice.randint(1, 2))
    ]
    return nodes, gang(head(dice.choice([500, 1000, 2000]), 1), *groups)


def test_what_fits_fits_an_optimal_packer_and_a_missed_optimum_is_called_so() -> None:
    dice, seen = random.Random(SEED), Counter[tuple[bool, bool, str]]()
    for _ in range(CASES):
        nodes, wanted = random_case(dice)
        fit, possible = try_gang(nodes, wanted), optimum_exists(nodes, wanted)
        assert possible or not fit.ok, f"{wanted} was placed where no arrangement holds it"
        if possible and not fit.ok:
            assert fit.reason in UNLUCKY, fit.message
        seen[fit.ok, possible, fit.reason if possible and not fit.ok else ""] += 1
    print(f"(fits, an arrangement exists, reason): {dict(seen)}")
    assert seen[False, True, "Fragmentation"] > 0, "no case in which the scheduler misses an optimum: draw harder ones"
    assert seen[False, False, ""] > CASES // 10


def test_the_search_finds_what_the_optimal_packer_finds() -> None:
    dice = random.Random(SEED + 1)
    for _ in range(300):
        nodes, wanted = random_case(dice)
        assert can_pack(nodes, wanted.pod_sets) == optimum_exists(nodes, wanted)


def test_a_large_cluster_is_searched_greedily_and_in_bounded_time() -> None:
    nodes = cluster(*(node(f"n{i}", cpu=2000) for i in range(2000)))
    assert not can_pack(nodes, [head(), workers(2, 2000, 1), workers(3999, 1000, 1)])
