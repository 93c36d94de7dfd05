"""What `prefer: [Pack]` gains on a real fleet: the OpenB trace, cut into 20 clusters, filled with gangs to 130%.

    python -m benchmarks.openb [seeds]

The trace (Alibaba's cluster-trace-gpu-v2023, the data of the FGD paper, USENIX ATC 2023) is read from `$SKYRAY_OPENB`,
else from `../shared/data/openb` beside the repo; without it nothing is measured. Its nodes, in their order, are cut
into 20 clusters. A gang is a CPU head and a row of equal workers; a worker is a whole-GPU pod of the trace, drawn at
random (pods that share a GPU are left out: a Ray worker asks for whole ones). Gangs arrive, one after another, until
they have asked for 130% of all GPUs, and none leaves; one that fits nowhere is turned away.

Every rule has the same gangs and the same fit engine, which binds pods as kube-scheduler does; only the cluster that is
taken among those where the gang fits differs. `one big cluster` is what no choice of cluster can be blamed for. `Pack`
judges by typical gangs; here by its default ones, and by 200 others of the trace that ran before.
"""

from __future__ import annotations

import csv
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks.measuring import Table
from reconciler.errors import Place
from reconciler.fleet.inventory import Cluster, SnapshotAccess
from reconciler.fleet.snapshot import ClusterSnapshot, FleetSnapshot, Node
from reconciler.kube_scheduler.equivalence import GangRequest
from reconciler.kube_scheduler.gang import Fit
from reconciler.manifests.identity import ObjectKey
from reconciler.manifests.podshape import PodShape
from reconciler.placement.assumed_pods import AssumedCopy
from reconciler.placement.choose import choose_cluster
from reconciler.placement.cluster_state import ClusterState
from reconciler.placement.filters import ClusterFilters
from reconciler.placement.fleet_state import BaselineCache, FleetState
from reconciler.policy.eligibility import ClusterFacts
from reconciler.policy.model import Preference, Require, SchedulePolicy
from reconciler.ray.demand import Demand, PodSet, Role
from reconciler.workloads.group import Group, GroupKey, Source, WorkloadObject

CLUSTERS = 20
ARRIVALS = 1.3
HISTORY = 200
GPU = "nvidia.com/gpu"
MIB = 1 << 20
WORKERS = {1: (4, 8, 16, 32), 2: (4, 8, 16), 4: (2, 4, 8), 8: (1, 2, 4, 8)}
"""By GPUs of a worker: how many of them a gang has."""
HEAD = {"cpu": 4000, "memory": 16 << 30}
HERE = Place("openb")
PACK = SchedulePolicy("pack", HERE, require=Require.FIT, prefer=(Preference.PACK,))

Rule = Callable[[Sequence[tuple[ClusterState, Fit]]], tuple[ClusterState, Fit]]
"""Chooses among the clusters where a gang fits, which come in the order of their names."""


def free_gpus(option: tuple[ClusterState, Fit]) -> int:
    return option[0].nodes.free_of(lambda resource: resource == GPU)


RULES: dict[str, Rule] = {
    "first fit": lambda options: options[0],
    "best fit (fewest free GPUs)": lambda options: min(options, key=free_gpus),
    "most free GPUs": lambda options: max(options, key=free_gpus),
}
BASELINE = "best fit (fewest free GPUs)"
BOUND = "one big cluster"


@dataclass(frozen=True, slots=True)
class Trace:
    """Nodes in their order, and the shapes of all pods that ask for whole GPUs."""

    nodes: tuple[Node, ...]
    shapes: tuple[PodShape, ...]

    @property
    def gpus(self) -> int:
        return sum(node.allocatable[GPU] for node in self.nodes)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of the gangs under one rule: GPUs and gangs placed, as shares, and seconds that it took."""

    gpus: float
    gangs: float
    seconds: float


def trace_folder() -> Path:
    given = os.environ.get("SKYRAY_OPENB")
    return (
        Path(given)
        if given
        else Path(__file__).resolve().parents[2] / "shared" / "data" / "openb"
    )


def read_trace(folder: Path) -> Trace:
    nodes, shapes = [], []
    with (folder / "openb_node_list_all_node.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            room = {
                "cpu": int(row["cpu_milli"]),
                "memory": int(row["memory_mib"]) * MIB,
                GPU: int(row["gpu"]),
                "pods": 110,
            }
            nodes.append(Node(row["sn"], room, {"kubernetes.io/hostname": row["sn"]}))
    with (folder / "openb_pod_list_multigpu30.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if int(row["num_gpu"]) in WORKERS and row["gpu_milli"] == "1000":
                asks = {
                    "cpu": int(row["cpu_milli"]),
                    "memory": int(row["memory_mib"]) * MIB,
                    GPU: int(row["num_gpu"]),
                }
                shapes.append(shape(asks))
    return Trace(tuple(nodes), tuple(shapes))


def shape(requests: dict[str, int]) -> PodShape:
    return PodShape("bench", {}, requests, requests["cpu"], requests["memory"])


def gangs(trace: Trace, rng: random.Random) -> Iterator[Group]:
    """Draw gangs without end."""
    head = PodSet(Role.HEAD, "headgroup", 1, {}, shape(HEAD))
    while True:
        worker = rng.choice(trace.shapes)
        count = rng.choice(WORKERS[worker.requests[GPU]])
        key = ObjectKey("ray.io/v1", "RayJob", "bench", "gang")
        demand = Demand(key, (head, PodSet(Role.WORKER, "gpu", count, {}, worker)))
        job = WorkloadObject(key, {}, "", HERE, demand)
        yield Group(GroupKey("bench", "gang"), PACK, (job,), (), Source("", 0))


def gpus_of(group: Group) -> int:
    return sum(
        one.count * one.shape.requests.get(GPU, 0) for one in group.gang.pod_sets
    )


def arrivals(trace: Trace, seed: int) -> list[Group]:
    found: list[Group] = []
    asked = 0
    for group in gangs(trace, random.Random(seed)):
        if asked >= ARRIVALS * trace.gpus:
            return found
        asked += gpus_of(group)
        found.append(group)
    return found


def history(trace: Trace, seed: int) -> list[AssumedCopy]:
    """Return jobs that have ended: they use no capacity, but tell what gangs are like."""
    drawn = gangs(trace, random.Random(-seed - 1))
    return [
        AssumedCopy(group.key, group.members, ended=True, since=0)
        for group in (next(drawn) for _ in range(HISTORY))
    ]


def name(number: int) -> str:
    return f"cluster-{number:02}"


class Fleet:
    """The nodes of the trace as some clusters, all empty. Baselines are kept from run to run."""

    def __init__(self, nodes: Sequence[Node], clusters: int) -> None:
        cuts = [len(nodes) * number // clusters for number in range(clusters + 1)]
        self.names = [name(number) for number in range(clusters)]
        self._clusters = [Cluster(one, HERE, SnapshotAccess("")) for one in self.names]
        parts = [tuple(nodes[first:last]) for first, last in pairwise(cuts)]
        pictures = {
            one: ClusterSnapshot(one, 0.0, part, ())
            for one, part in zip(self.names, parts, strict=True)
        }
        self._snapshot = FleetSnapshot(pictures, "")
        self._baselines = BaselineCache()

    def state(self, before: Sequence[AssumedCopy] = ()) -> FleetState:
        return FleetState.of(
            self._clusters, self._snapshot, {name(0): before}, 0.0, 0.0, self._baselines
        )

    def run(
        self, queue: Sequence[Group], place: Callable[[Group], bool]
    ) -> tuple[int, int, float]:
        """Return GPUs and gangs placed, and seconds."""
        gpus = count = 0
        started = time.perf_counter()
        for group in queue:
            if place(group):
                gpus, count = gpus + gpus_of(group), count + 1
        return gpus, count, time.perf_counter() - started

    def by_rule(self, queue: Sequence[Group], rule: Rule) -> tuple[int, int, float]:
        fleet = self.state()
        states: dict[str, ClusterState] = {}
        for one in self.names:
            state = fleet.cluster(one)
            assert isinstance(state, ClusterState)
            states[one] = state

        def place(group: Group) -> bool:
            wanted = GangRequest.of(group.gang)
            options = [
                (state, fit)
                for state in states.values()
                if (fit := state.try_gang(wanted)[0]).ok
            ]
            if options:
                state, fit = rule(options)
                states[state.name] = state.assume(group.gang, fit)
            return bool(options)

        return self.run(queue, place)

    def by_policy(
        self, queue: Sequence[Group], before: Sequence[AssumedCopy] = ()
    ) -> tuple[int, int, float]:
        """Let SkyRay choose, as its policy says."""
        fleet = self.state(before)
        filters = ClusterFilters([ClusterFacts(one, {}) for one in self.names])

        def place(group: Group) -> bool:
            nonlocal fleet
            choice, fleet = choose_cluster(group, filters.eligible(group), fleet)
            return bool(choice.cluster)

        return self.run(queue, place)


def measure(trace: Trace, seeds: int) -> tuple[dict[str, list[Result]], int]:
    found: dict[str, list[Result]] = {}
    fleet, big = Fleet(trace.nodes, CLUSTERS), Fleet(trace.nodes, 1)
    drawn = 0
    for seed in range(seeds):
        queue = arrivals(trace, seed)
        drawn += len(queue)
        rows = {title: fleet.by_rule(queue, rule) for title, rule in RULES.items()}
        rows["Pack, default gangs"] = fleet.by_policy(queue)
        rows[f"Pack, {HISTORY} gangs known"] = fleet.by_policy(
            queue, history(trace, seed)
        )
        rows[BOUND] = big.by_rule(queue, RULES["first fit"])
        for title, (gpus, count, seconds) in rows.items():
            result = Result(gpus / trace.gpus, count / len(queue), seconds / len(queue))
            found.setdefault(title, []).append(result)
    return found, drawn


def main() -> list[Table]:
    """Print what is placed. It measures quality, so it has no ratios of speed."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    folder = trace_folder()
    if not folder.is_dir():
        print(
            f"skipped: {folder} does not exist; set SKYRAY_OPENB to a folder with the OpenB trace"
        )
        return []
    trace = read_trace(folder)
    found, drawn = measure(trace, seeds)
    gpus = {
        title: statistics.mean(result.gpus for result in results)
        for title, results in found.items()
    }
    left = 1 - gpus[BASELINE]
    print(
        f"OpenB: {len(trace.nodes):,} nodes, {trace.gpus:,} GPUs in {CLUSTERS} clusters; {drawn / seeds:.0f} gangs ask "
        f"for {ARRIVALS:.0%}; means of {seeds} draws"
    )
    print(
        f"{'':30} {'GPUs':>7} {'worst':>7} {'gangs':>6} {'of bound':>8} {'unused':>8} {'ms each':>8}"
    )
    for title, results in found.items():
        worst = min(result.gpus for result in results)
        placed = statistics.mean(result.gangs for result in results)
        ms = statistics.mean(result.seconds for result in results) * 1000
        unused = (1 - gpus[title]) / left
        print(
            f"{title:30} {gpus[title]:7.2%} {worst:7.2%} {placed:6.1%} {gpus[title] / gpus[BOUND]:8.4f} "
            f"{unused:6.2f} x {ms:8.2f}"
        )
    print("unused: GPUs left over, as a multiple of what best fit leaves")
    return []


if __name__ == "__main__":
    main()
