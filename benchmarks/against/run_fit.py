"""Tries a 64-pod gang on one cluster in the Python of one side, several times for each line on standard input.

It prints a JSON object a line; `seconds` is the median of one try. No two gangs are equal, so what is remembered of
one does not answer for the next.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import resource
import statistics
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

from reconciler.fleet.snapshot_file import read_fleet_snapshot
from reconciler.manifests.podshape import PodShape, PodTerm, SpreadConstraint
from reconciler.manifests.quantity import Quantity
from reconciler.manifests.selector import LabelSelector, Requirement
from reconciler.ray.demand import PodSet, Role

GIB = 1 << 30
GPU = "nvidia.com/gpu"
RULES = ("plain", "anti-affinity", "spread")
SELECTOR = LabelSelector((Requirement("app", "In", ("ray",)),))
GROUPS = (
    (Role.HEAD, 1, 2, 0),
    (Role.WORKER, 27, 3, 0),
    (Role.WORKER, 20, 4, 1),
    (Role.WORKER, 16, 12, 4),
)
"""Role, pods, cores, GPUs; 4 GiB a core."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--snapshot", required=True, help="a FleetSnapshot file")
    parser.add_argument("--rule", choices=RULES, required=True)
    parser.add_argument("--tries", type=int, required=True)
    options = parser.parse_args()
    file = Path(options.snapshot)
    fleet = read_fleet_snapshot(file.read_bytes(), file.name)
    (cluster,) = fleet.clusters.values()
    package = fit_package()
    try_gang = importlib.import_module(f"{package}.fit").try_gang
    nodes = importlib.import_module(f"{package}.nodes").Nodes.of(cluster)
    gang_class = importlib.import_module(f"{package}.gang").Gang
    numbers = count()
    for _ in sys.stdin:
        cpu = time.process_time()
        times = []
        for _ in range(options.tries):
            gang = gang_class(pod_sets(options.rule, next(numbers)))
            times.append(seconds_of(try_gang, nodes, gang))
        told = {
            "seconds": statistics.median(times),
            "cpu": (time.process_time() - cpu) / options.tries,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }
        print(json.dumps(told), flush=True)


def fit_package() -> str:
    """Return the package of the fit: it was part of `placement` at 037e108."""
    if importlib.util.find_spec("reconciler.kube_scheduler") is not None:
        return "reconciler.kube_scheduler"
    return "reconciler.placement"


def seconds_of(try_gang: Any, nodes: Any, gang: Any) -> float:
    started = time.perf_counter()
    fit = try_gang(nodes, gang)
    seconds = time.perf_counter() - started
    if not fit.ok:
        raise SystemExit(f"the gang does not fit: {fit.message}")
    return seconds


def pod_sets(rule: str, number: int) -> tuple[PodSet, ...]:
    """Return a head and 63 workers in three groups; `number` makes their memory differ by as many MiB."""
    made = []
    for role, pods, cores, gpus in GROUPS:
        memory = cores * 4 * GIB + number * (1 << 20)
        requests = {"cpu": cores * 1000, "memory": memory, GPU: gpus}
        exact = {
            "cpu": Quantity(10**9 * cores),
            "memory": Quantity(10**9 * memory),
            GPU: Quantity(10**9 * gpus),
        }
        shape = PodShape(
            namespace="team",
            labels={"app": "ray"},
            requests=requests,
            score_cpu=cores * 1000,
            score_memory=memory,
            pod_anti_required=apart() if rule == "anti-affinity" else (),
            spread=evenly() if rule == "spread" else (),
        )
        made.append(PodSet(role, role.value, pods, exact, shape))
    return tuple(made)


def apart() -> tuple[PodTerm, ...]:
    return (PodTerm("kubernetes.io/hostname", SELECTOR),)


def evenly() -> tuple[SpreadConstraint, ...]:
    zone = "topology.kubernetes.io/zone"
    return (SpreadConstraint(zone, 1, "DoNotSchedule", SELECTOR),)


if __name__ == "__main__":
    main()
