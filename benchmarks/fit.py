"""How long one candidate cluster takes: 1,000 nodes and a gang of 64 pods in 4 groups, beside a plain first fit.

    python -m benchmarks fit

The floor is the least that any placement has to do: one pass of first fit in plain Python over dictionaries, which
knows cpu, memory, GPUs and pod slots alone and scores nothing. Printed are medians in ms, and the ratio to the floor.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping

from benchmarks.measuring import Row, Table, show
from reconciler.fleet.snapshot import ClusterSnapshot, Node, Pod
from reconciler.kube_scheduler.fit import commit, try_gang
from reconciler.kube_scheduler.gang import Gang
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.manifests.podshape import PodShape, PodTerm
from reconciler.manifests.quantity import Quantity
from reconciler.manifests.selector import LabelSelector, Requirement
from reconciler.placement.model import verdict_of
from reconciler.ray.demand import PodSet, Role

GIB = 1 << 30
GPU = "nvidia.com/gpu"
TIMES, APART_TIMES = 60, 5
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
) -> PodShape:
    return PodShape(
        namespace="team",
        labels={"app": app},
        requests={"cpu": cpu, "memory": memory, GPU: gpu},
        score_cpu=cpu,
        score_memory=memory,
        pod_anti_required=apart,
    )


def pods(role: Role, count: int, of: PodShape) -> PodSet:
    return PodSet(
        role,
        role.value,
        count,
        {name: Quantity(10**9 * n) for name, n in of.requests.items()},
        of,
    )


def gang(apart: tuple[PodTerm, ...] = ()) -> Gang:
    """Return a head and 63 workers in three groups."""
    return Gang(
        (
            pods(Role.HEAD, 1, shape(2000, 8 * GIB, apart=apart)),
            pods(Role.WORKER, 27, shape(3000, 12 * GIB, apart=apart)),
            pods(Role.WORKER, 20, shape(4000, 16 * GIB, 1, apart=apart)),
            pods(Role.WORKER, 16, shape(12000, 48 * GIB, 4, apart=apart)),
        )
    )


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


def median(work: Callable[[], object], times: int) -> float:
    """Return the median of the seconds that `work` takes, after one run that does not count."""
    work()
    samples = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        samples.append(time.perf_counter() - started)
    return statistics.median(samples)


def main() -> list[Table]:
    tables = []
    for size, busy in ((1000, 0.3), (1000, 0.48), (10, 0.3)):
        wanted = gang() if size > 10 else Gang(gang().pod_sets[:2])
        tables.append(_table(cluster(size, busy), wanted, f"{busy:.0%} busy"))
    nodes = Nodes.of(cluster(1000, 0.3))
    apart = gang(SPREAD_APART)
    seconds = median(lambda: try_gang(nodes, apart), APART_TIMES)
    row = Row("candidate (try_gang)", seconds, "", 0.0, APART_TIMES)
    tables.append(show("fit: anti-affinity between hosts, pod by pod", [row]))
    return tables


def _table(snapshot: ClusterSnapshot, wanted: Gang, busy: str) -> Table:
    free, nodes = free_by_node(snapshot), Nodes.of(snapshot)
    fit = try_gang(nodes, wanted)
    works: dict[str, Callable[[], object]] = {
        "candidate (try_gang)": lambda: try_gang(nodes, wanted),
        "reading the snapshot (Nodes.of)": lambda: Nodes.of(snapshot),
    }
    if fit.ok:
        works["taking the room (commit)"] = lambda: commit(nodes, wanted, fit)
    floor = median(lambda: first_fit(free, wanted), TIMES)
    rows = [
        Row(what, median(work, TIMES), "plain Python first fit", floor, TIMES)
        for what, work in works.items()
    ]
    size = len(snapshot.nodes)
    title = f"fit: {size} nodes, {busy}, {fit.total} pods: {verdict_of(fit)}"
    return show(title, rows)


if __name__ == "__main__":
    main()
