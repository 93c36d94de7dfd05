"""One candidate cluster: a 64-pod gang on 1,000 nodes, plain, with anti-affinity, with topology spread.

The floor is numpy on the same matrix of nodes and resources, with a score in which less used nodes win, and no other
rule of the scheduler: for the plain gang once for each set of equal pods, with rules once for each pod.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.against.fleets import write_snapshot
from benchmarks.against.processes import Script
from benchmarks.against.report import Row
from benchmarks.against.run_fit import GPU, GROUPS, RULES, pod_sets
from benchmarks.against.samples import take_turns
from benchmarks.against.setting import Setting
from benchmarks.against.sides import Side
from benchmarks.synthetic import cluster, cluster_name
from reconciler.fleet.snapshot import ClusterSnapshot

NAME = "fit"
RESOURCES = ("cpu", "memory", GPU, "pods")

Ints = npt.NDArray[np.int64]


def run(setting: Setting) -> list[Row]:
    setting.tell("fit: a gang of 64 pods")
    nodes = setting.sizes.fit_nodes
    folder = setting.folder / NAME
    folder.mkdir()
    snapshot = write_snapshot(folder / "capacity.json", 1, nodes)
    return [_row(setting, snapshot, rule, nodes) for rule in RULES]


def _row(setting: Setting, snapshot: Path, rule: str, nodes: int) -> Row:
    sizes = setting.sizes
    pods = sum(count for _, count, _, _ in GROUPS)
    matrix = _matrix(cluster(cluster_name(0), nodes, 0))
    each = rule != "plain"
    with (
        _script(setting, setting.ours, snapshot, rule) as ours,
        _script(setting, setting.theirs, snapshot, rule) as theirs,
    ):
        taken = take_turns(
            {
                "ours": lambda: ours.do(sizes.limit),
                "theirs": lambda: theirs.do(sizes.limit),
                "floor": partial(_numpy, matrix, each=each),
            },
            sizes.runs,
            sizes.limit,
        )
    per = "each pod" if each else "each set of equal pods"
    return Row(
        NAME,
        f"{pods} pods on {nodes:,} nodes, {rule}",
        "s",
        taken["ours"],
        taken["theirs"],
        taken["floor"],
        f"numpy, once for {per}",
    )


def _script(setting: Setting, side: Side, snapshot: Path, rule: str) -> Script:
    arguments = [f"--snapshot={snapshot}", f"--rule={rule}"]
    arguments.append(f"--tries={setting.sizes.fit_tries}")
    return Script(side, "run_fit.py", arguments, snapshot.parent / side.name)


def _matrix(snapshot: ClusterSnapshot) -> tuple[Ints, Ints]:
    """Return what nodes have and what is free of it, a row a resource, a column a node."""
    rows = [[node.allocatable[name] for node in snapshot.nodes] for name in RESOURCES]
    has = np.array(rows, dtype=np.int64)
    free = has.copy()
    column = {node.name: index for index, node in enumerate(snapshot.nodes)}
    for pod in snapshot.pods:
        free[:, column[pod.node]] -= _needs(pod.shape.requests)
    return has, free


def _needs(requests: object) -> Ints:
    assert isinstance(requests, dict)
    needs = {**requests, "pods": 1}
    return np.array([needs.get(name, 0) for name in RESOURCES], dtype=np.int64)


def _numpy(matrix: tuple[Ints, Ints], *, each: bool) -> float:
    """Return the seconds in which numpy places the gang by amounts alone."""
    has, free = matrix
    left = free.copy()
    wanted = [(_needs(of.shape.requests), of.count) for of in pod_sets("plain", 0)]
    steps = _steps(wanted, each=each)
    started = time.perf_counter()
    for needs, count in steps:
        fits = (left >= needs[:, None]).all(axis=0)
        score = np.where(fits, (left[:2] / has[:2]).sum(axis=0), -1.0)
        best = np.argsort(-score, kind="stable")[:count]
        left[:, best] -= needs[:, None]
    return time.perf_counter() - started


def _steps(wanted: Sequence[tuple[Ints, int]], *, each: bool) -> list[tuple[Ints, int]]:
    """Return the requests to place and for how many pods at once."""
    if not each:
        return [*wanted]
    steps = []
    for needs, count in wanted:
        steps += [(needs, 1)] * count
    return steps
