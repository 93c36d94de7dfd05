"""What `skyray get` lists: clusters, groups, placements and policies, as rows of plain data."""

from __future__ import annotations

from collections import Counter
from typing import Any

from reconciler.fleet.inventory import Cluster
from reconciler.fleet.snapshot import FleetSnapshot, Node, Unreadable
from reconciler.placement.cluster_state import ClusterState
from reconciler.placement.decision import Decision
from reconciler.placement.placed_group import PlacedGroup
from reconciler.planning.pipeline import decide_groups, fleet_state
from reconciler.planning.state import RepoState
from reconciler.policy.eligibility import ClusterFacts, eligible
from reconciler.workloads.group import GroupKey


def clusters(
    state: RepoState,
    snapshot: FleetSnapshot,
    now: float,
) -> list[dict[str, Any]]:
    """Return a row for each cluster. `gpusFree` leaves out GPUs assumed for groups whose pods do not exist yet."""
    fleet = fleet_state(state, snapshot, now)
    used: set[str] = set()
    for group in state.placements.values():
        # A cluster is idle when all that is on it are jobs that have ended.
        if not group.job_result:
            used.update(group.clusters)
    rows = []
    for cluster in state.clusters:
        capacity = fleet.cluster(cluster.name)
        idle = cluster.name not in used
        rows.append(_cluster(cluster, capacity, idle))
    return rows


def _cluster(
    cluster: Cluster,
    capacity: ClusterState | Unreadable,
    idle: bool,
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": cluster.name,
        "kubernetesVersion": cluster.kubernetes_version,
        "kubernetesCluster": cluster.kubernetes_cluster,
        "region": cluster.region,
        "zone": cluster.zone,
        "ready": False,
        "idle": idle,
        "standby": cluster.standby.mode if cluster.standby else "",
        "cordoned": cluster.cordoned,
        "message": "",
        "gpusFree": None,
        "gpus": None,
    }
    if isinstance(capacity, Unreadable):
        return {**row, "message": capacity.reason}
    version = cluster.kubernetes_version or capacity.snapshot.version
    total = sum(_gpus(node) for node in capacity.snapshot.nodes)
    return {
        **row,
        "ready": True,
        "kubernetesVersion": version,
        "gpusFree": capacity.nodes.free_of(is_gpu),
        "gpus": total,
    }


def is_gpu(resource: str) -> bool:
    """Tell whether a resource name counts whole GPUs or their MIG slices."""
    return resource.endswith("/gpu") or resource.startswith("nvidia.com/mig-")


def _gpus(node: Node) -> int:
    return sum(amount for name, amount in node.allocatable.items() if is_gpu(name))


def groups(
    state: RepoState,
    snapshot: FleetSnapshot,
    now: float,
) -> list[dict[str, Any]]:
    """Return a row for each group, as a cycle would decide now."""
    pods = {group.key: group.gang.pods for group in state.grouping.groups}
    decisions = decide_groups(state, snapshot, now).decisions
    return [_group(decision, pods) for decision in decisions]


def _group(decision: Decision, pods: dict[GroupKey, int]) -> dict[str, Any]:
    return {
        "namespace": decision.group.namespace,
        "name": decision.group.name,
        "phase": str(decision.phase),
        "clusters": list(decision.clusters),
        "policy": decision.policy,
        "pods": pods.get(decision.group, 0),
        "reason": str(decision.reason),
        "message": decision.message,
    }


def placements(state: RepoState) -> list[dict[str, Any]]:
    """Return a row for each committed Placement."""
    return [_placement(state.placements[key]) for key in sorted(state.placements)]


def _placement(group: PlacedGroup) -> dict[str, Any]:
    listed = {entry for copy in group.copies for entry in copy.listed}
    return {
        "namespace": group.key.namespace,
        "name": group.key.name,
        "phase": str(group.phase),
        "clusters": list(group.clusters),
        "reason": group.reason,
        "objects": len(listed),
        "sourceCommit": group.source_commit,
        "decidedAt": group.decided_at,
        "message": group.message,
    }


def policies(state: RepoState) -> list[dict[str, Any]]:
    """Return a row for each policy: how many groups it selects now, and which clusters it allows."""
    facts = [
        ClusterFacts(one.name, one.labels, one.taints, one.cordoned)
        for one in state.clusters
    ]
    used = Counter(group.policy.name for group in state.grouping.groups)
    rows = []
    for policy in state.policies:
        allowed = eligible(policy, facts)
        row = {
            "name": policy.name,
            "priority": policy.priority,
            "groups": used[policy.name],
            "clusters": list(allowed.clusters),
            "require": str(allowed.require),
            "groupBy": policy.group_by,
            "file": policy.place.file,
        }
        rows.append(row)
    return rows
