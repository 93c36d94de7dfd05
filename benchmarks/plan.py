"""Deciding on 200 groups that wait: SkyRay's fit on every node of every cluster, beside first fit by cluster sums.

The floor reads the same snapshot and promises nothing: it adds up what is free on each cluster and takes the first one
whose sums are enough, which says "fits" where no node has room.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.measuring import Row, Table, show, timed
from benchmarks.synthetic import NOW, Fleet
from reconciler.fleet.snapshot import ClusterSnapshot, FleetSnapshot
from reconciler.kube_scheduler.gang import Gang
from reconciler.planning.files import Files
from reconciler.planning.namespaces import Sources
from reconciler.planning.pipeline import decide_groups
from reconciler.planning.plan_cache import PlanCache
from reconciler.planning.state import RepoState, read_state
from reconciler.workloads.group import Source

WAITING = 200
SIZES = ((100, 50, 3), (1000, 20, 2))
"""Clusters, nodes in each, runs."""


def main() -> list[Table]:
    rows = []
    for clusters, nodes, runs in SIZES:
        fleet = Fleet(clusters, nodes, WAITING)
        state = state_of(fleet)
        rows += _rows(f"{clusters:,} x {nodes} nodes", state, fleet.snapshot(), runs)
    table = show(f"plan: {WAITING} waiting groups, ms a decision", rows)
    for row in rows:
        print(f"  {row.what}: {1 / row.ours:,.0f} decisions/s")
    return [table]


def state_of(fleet: Fleet) -> RepoState:
    """Read the fleet's files, all of them committed in one commit."""
    files = fleet.files()
    return read_state(
        "0" * 40,
        Files(files),
        Sources(lambda paths: dict.fromkeys(paths, Source("0" * 40, 0))),
    )


def _rows(what: str, state: RepoState, snapshot: FleetSnapshot, runs: int) -> list[Row]:
    gangs = [group.gang for group in state.grouping.groups]
    first, again, floor = list[float](), list[float](), list[float]()
    for _ in range(runs):
        cache = PlanCache()

        def decided() -> object:
            return decide_groups(state, snapshot, NOW, cache)  # noqa: B023  (called at once)

        first.append(timed(decided))
        floor.append(timed(lambda: by_sums(snapshot, gangs)))
        again.append(timed(decided))
    least = min(floor) / WAITING
    name = "first fit by cluster sums"
    return [
        Row(f"{what}, first plan", min(first) / WAITING, name, least, runs),
        Row(f"{what}, planned again", min(again) / WAITING, name, least, runs),
    ]


def by_sums(snapshot: FleetSnapshot, gangs: Sequence[Gang]) -> list[str]:
    """Place gangs by the sums of what is free; return a cluster's name, or nothing, for each."""
    free = {
        name: _free(one)
        for name, one in snapshot.clusters.items()
        if isinstance(one, ClusterSnapshot)
    }
    placed = []
    for gang in gangs:
        wanted: dict[str, int] = {}
        for pod_set in gang.pod_sets:
            for resource, amount in pod_set.shape.requests.items():
                wanted[resource] = wanted.get(resource, 0) + amount * pod_set.count
        found = next(
            (
                name
                for name, room in free.items()
                if all(room[r] >= n for r, n in wanted.items())
            ),
            "",
        )
        for resource, amount in wanted.items() if found else ():
            free[found][resource] -= amount
        placed.append(found)
    return placed


def _free(one: ClusterSnapshot) -> dict[str, int]:
    room: dict[str, int] = {}
    for node in one.nodes:
        for resource, amount in node.allocatable.items():
            room[resource] = room.get(resource, 0) + amount
    for pod in one.pods:
        for resource, amount in pod.shape.requests.items():
            room[resource] -= amount
    return room
