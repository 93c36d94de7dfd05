"""How long one candidate cluster takes: 1,000 nodes and a gang of 64 pods in 4 groups, beside a plain first fit.

    python benchmarks/fit.py

The floor is the least that any placement has to do: one pass of first fit in plain Python over dictionaries, which
knows cpu, memory, GPUs and pod slots alone and scores nothing. Printed are medians in ms, and the ratio to the floor.

What nodes offer to a kind of pods is kept for a state of the nodes and for those that follow from it. So a candidate is
measured three times: tried before on the same nodes, on nodes for which nothing was computed yet, and on nodes on which
the same gang was just placed.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from benchmarks.measuring import Row, Table, show
from reconciler.fleet.snapshot import ClusterSnapshot, Node, Pod
from reconciler.kube_scheduler.fit import commit, try_gang
from reconciler.kube_scheduler.gang import Gang
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.manifests.podshape import PodShape, PodTerm, SpreadConstraint
from reconciler.manifests.quantity import Quantity
from reconciler.manifests.selector import LabelSelector, Requirement
from reconciler.placement.model import verdict_of
from reconciler.ray.demand import PodSet, Role

GIB = 1 << 30
GPU = "nvidia.com/gpu"
HOST = "kubernetes.io/hostname"
TIMES, RULES_TIMES = 60, 5
SPREAD_APART = (
    PodTerm(
        "kubernetes.io/hostname", LabelSelector((Requirement("app", "In", ("ray",)),))
    ),
)


def cluster(size: int, busy: float) -> ClusterSnapshot:
    """Return `size` nodes of three kinds, of which pods take the share `busy` or so."""
    rng = random.Random(size)
    nodes, pods = [], []
    for i in range(size):
        gpus = rng.choice([0, 1, 4, 8])
        cpu, memory = 8000 * max(gpus, 1), 32 * GIB * max(gpus, 1)
        name = f"node-{i:04}"
        nodes.append(
            Node(
                name,
                {"cpu": cpu, "memory": memory, GPU: gpus, "pods": 110},
                {"kubernetes.io/hostname": name},
            )
        )
        share = rng.uniform(0, 2 * busy)
        pods.append(
            Pod(
                "team",
                f"pod-{i}",
                shape(int(cpu * share), int(memory * share), int(gpus * share), "web"),
                name,
            )
        )
    return ClusterSnapshot("cluster", 0.0, tuple(nodes), tuple(pods))


def shape(
    cpu: int,
    memory: int,
    gpu: int = 0,
    app: str = "ray",
    apart: tuple[PodTerm, ...] = (),
    spread: tuple[SpreadConstraint, ...] = (),
) -> PodShape:
    return PodShape(
        namespace="team",
        labels={"app": app},
        requests={"cpu": cpu, "memory": memory, GPU: gpu},
        score_cpu=cpu,
        score_memory=memory,
        pod_anti_required=apart,
        spread=spread,
    )


def pods(role: Role, count: int, of: PodShape) -> PodSet:
    return PodSet(
        role,
        role.value,
        count,
        {name: Quantity(10**9 * n) for name, n in of.requests.items()},
        of,
    )


def gang(
    apart: tuple[PodTerm, ...] = (), spread: tuple[SpreadConstraint, ...] = ()
) -> Gang:
    """Return a head and 63 workers in three groups."""

    def of(cpu: int, gib: int, gpu: int = 0) -> PodShape:
        return shape(cpu, gib * GIB, gpu, apart=apart, spread=spread)

    return Gang(
        (
            pods(Role.HEAD, 1, of(2000, 8)),
            pods(Role.WORKER, 27, of(3000, 12)),
            pods(Role.WORKER, 20, of(4000, 16, 1)),
            pods(Role.WORKER, 16, of(12000, 48, 4)),
        )
    )


def spread_over_hosts(when_unsatisfiable: str) -> tuple[SpreadConstraint, ...]:
    selector = LabelSelector((Requirement("app", "In", ("ray",)),))
    return (SpreadConstraint(HOST, 1, when_unsatisfiable, selector),)


def free_by_node(snapshot: ClusterSnapshot) -> dict[str, dict[str, int]]:
    free = {node.name: dict(node.allocatable) for node in snapshot.nodes}
    for pod in snapshot.pods:
        free[pod.node]["pods"] -= 1
        for name, amount in pod.shape.requests.items():
            free[pod.node][name] -= amount
    return free


def first_fit(free: Mapping[str, Mapping[str, int]], of: Gang) -> bool:
    taken: dict[str, dict[str, int]] = {}
    for pod_set in of.pod_sets:
        requests = {**pod_set.shape.requests, "pods": 1}
        left = pod_set.count
        for name, room in free.items():
            now = taken.get(name) or room
            while left and all(
                now[resource] >= amount for resource, amount in requests.items()
            ):
                now = taken[name] = {
                    **now,
                    **{r: now[r] - amount for r, amount in requests.items()},
                }
                left -= 1
            if not left:
                break
        if left:
            return False
    return True


def median(
    work: Callable[[Nodes], object], nodes: Callable[[], Nodes], times: int = TIMES
) -> float:
    """Return the median of the seconds that `work` takes on what `nodes` returns, which is not counted."""
    work(nodes())
    samples = []
    for _ in range(times):
        on = nodes()
        started = time.perf_counter()
        work(on)
        samples.append(time.perf_counter() - started)
    return statistics.median(samples)


def untried(nodes: Nodes) -> Nodes:
    """Return equal nodes for which nothing was computed yet; what follows from their table alone is known."""
    return Nodes(
        table=nodes.table,
        free=nodes.free,
        load=nodes.load,
        added=nodes.added,
        existing=nodes.existing,
        autoscaler=nodes.autoscaler,
        spare=nodes.spare,
        most_allocated=nodes.most_allocated,
    )


def too_many(of: Gang) -> Gang:
    """Return a gang like `of`, whose last pod set does not fit."""
    *others, last = of.pod_sets
    return Gang((*others, replace(last, count=last.count * 40)))


def main() -> list[Table]:
    tables = []
    for size, busy in ((1000, 0.3), (1000, 0.48), (50, 0.3), (10, 0.3)):
        pod_sets = gang().pod_sets
        wanted = Gang(pod_sets if size > 50 else pod_sets[: 2 + (size > 10)])
        tables.append(compare(size, busy, wanted))
    nodes = Nodes.of(cluster(1000, 0.3))
    rows = []
    for title, rules in (
        ("anti-affinity between hosts", gang(SPREAD_APART)),
        ("hard spread over hosts", gang(spread=spread_over_hosts("DoNotSchedule"))),
        ("soft spread over hosts", gang(spread=spread_over_hosts("ScheduleAnyway"))),
    ):
        work = partial(try_gang, gang=rules)
        seconds = median(work, partial(untried, nodes), RULES_TIMES)
        rows.append(Row(title, seconds, "", 0.0, RULES_TIMES))
    tables.append(show("fit: 1000 nodes, 64 pods with rules between them", rows))
    return tables


def compare(size: int, busy: float, wanted: Gang) -> Table:
    """Print what is measured on one cluster, and return it."""
    snapshot = cluster(size, busy)
    free, nodes = free_by_node(snapshot), Nodes.of(snapshot)
    fit = try_gang(nodes, wanted)
    floor = median(lambda _: first_fit(free, wanted), lambda: nodes)
    attempt = partial(try_gang, gang=wanted)
    refused = partial(try_gang, gang=too_many(wanted))
    rows: list[tuple[str, Callable[[Nodes], object], Callable[[], Nodes]]] = [
        ("candidate (try_gang)", attempt, lambda: nodes),
        ("on nodes seen for the first time", attempt, lambda: untried(nodes)),
    ]
    if fit.ok:
        take = partial(commit, gang=wanted, fit=fit)
        rows += [
            ("after a gang was placed", attempt, lambda: take(nodes)),
            ("taking the room (commit)", take, lambda: nodes),
        ]
    rows += [
        ("candidate that is refused", refused, lambda: nodes),
        (
            "reading the snapshot (Nodes.of)",
            lambda _: Nodes.of(snapshot),
            lambda: nodes,
        ),
    ]
    measured = []
    for title, work, on in rows:
        seconds = median(work, on)
        measured.append(Row(title, seconds, "plain Python first fit", floor, TIMES))
    title = f"fit: {size} nodes, {busy:.0%} busy, {fit.total} pods: {verdict_of(fit)}"
    return show(title, measured)


if __name__ == "__main__":
    main()
