"""Short ways to say the capacity of clusters while a plan is made: states of clusters and of a whole fleet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.errors import Place
from reconciler.fleet.inventory import Cluster, KubeconfigAccess, SnapshotAccess
from reconciler.fleet.snapshot import ClusterSnapshot, FleetSnapshot, Pod, RayStatus, Unreadable
from reconciler.placement.assumed_pods import AssumedCopy
from reconciler.placement.cluster_state import ClusterState
from reconciler.placement.fleet_state import BaselineCache, FleetState
from reconciler.policy.model import NAME_LABEL
from reconciler.workloads.group import WorkloadObject
from tests.copies import TEAM, key
from tests.unit.kube_scheduler.gangmaking import node, shape

NOW = 1_800_000_000.0
HERE = Place("inventory/c.yaml")


def in_inventory(name: str, *, live: bool = False) -> Cluster:
    access = KubeconfigAccess("kubeconfig") if live else SnapshotAccess(f"snapshots/{name}.yaml")
    return Cluster(name, HERE, access, {NAME_LABEL: name})


def seen(
    name: str, *cores: int, pods: Sequence[Pod] = (), ray: Sequence[RayStatus] = (), at: float = NOW
) -> ClusterSnapshot:
    """A cluster with a node of so many cores for each of `cores`."""
    nodes = tuple(node(f"n{number}", cpu=1000 * cpu) for number, cpu in enumerate(cores))
    return ClusterSnapshot(name, at, nodes, tuple(pods), tuple(ray))


def pod_of(name: str, cpu: int, *, node: str = "n0", node_type: str = "", namespace: str = TEAM) -> Pod:
    """A pod of so many cores that belongs to the object `name`."""
    return Pod(namespace, f"{name}-pod", shape(1000 * cpu, 0), node, name, node_type)


def fleet_state(
    *shown: ClusterSnapshot | Unreadable,
    assumed: Mapping[str, Sequence[AssumedCopy]] | None = None,
    now: float = NOW,
    max_age: float = 300.0,
    live: bool = False,
    baselines: BaselineCache | None = None,
) -> FleetState:
    """The fleet as a plan finds it."""
    clusters = [in_inventory(one.cluster, live=live) for one in shown]
    snapshot = FleetSnapshot({one.cluster: one for one in shown}, "sha256:0")
    return FleetState.of(clusters, snapshot, assumed or {}, now, max_age, baselines)


def state_of(shown: ClusterSnapshot, *assumed: AssumedCopy) -> ClusterState:
    """One cluster as a plan finds it."""
    found = fleet_state(shown, assumed={shown.cluster: assumed}).cluster(shown.cluster)
    assert isinstance(found, ClusterState)
    return found


def assumed(name: str, *items: WorkloadObject, ended: bool = False, since: int = 0) -> AssumedCopy:
    return AssumedCopy(key(name), items, ended, since)


def free_cpu(state: ClusterState) -> list[int]:
    """Return the free millicores of each node."""
    nodes = state.nodes
    amounts: list[int] = nodes.free[nodes.table.rows["cpu"]].tolist()
    return amounts
