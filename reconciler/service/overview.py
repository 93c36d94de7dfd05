"""What `skyray get` lists: clusters, groups, placements and policies, as rows of plain data."""

from __future__ import annotations

from collections import Counter
from typing import Any

from reconciler.fleet.inventory import Cluster
from reconciler.fleet.snapshot import FleetSnapshot, Node, Unreadable
from reconciler.placement.outcome import Outcome, Standing
from reconciler.placement.room import Room, Rooms
from reconciler.planning.planner import decide, promised
from reconciler.planning.state import RepoState
from reconciler.policy.eligibility import ClusterFacts, eligible
from reconciler.workloads.group import GroupKey


def clusters(state: RepoState, snapshot: FleetSnapshot, now: float) -> list[dict[str, Any]]:
    """Return a row for each cluster. `gpusFree` leaves out GPUs assumed for groups whose pods do not exist yet."""
    rooms = Rooms(state.clusters, snapshot, promised(state), now, state.fleet.limits.snapshot_max_age)
    used: set[str] = set()
    for placed in state.standing.values():
        # A cluster is idle when all that is on it are jobs that have ended.
        if not placed.record.job_outcome:
            used.update(share.name for share in placed.record.clusters)
    return [_cluster(cluster, rooms.of(cluster.name), cluster.name not in used) for cluster in state.clusters]


def _cluster(cluster: Cluster, room: Room | Unreadable, idle: bool) -> dict[str, Any]:
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
    if isinstance(room, Unreadable):
        return {**row, "message": room.reason}
    version = cluster.kubernetes_version or room.snapshot.version
    total = sum(_gpus(node) for node in room.snapshot.nodes)
    return {**row, "ready": True, "kubernetesVersion": version, "gpusFree": room.free(is_gpu), "gpus": total}


def is_gpu(resource: str) -> bool:
    """Tell whether a resource name counts whole GPUs or their MIG slices."""
    return resource.endswith("/gpu") or resource.startswith("nvidia.com/mig-")


def _gpus(node: Node) -> int:
    return sum(amount for name, amount in node.allocatable.items() if is_gpu(name))


def groups(state: RepoState, snapshot: FleetSnapshot, now: float) -> list[dict[str, Any]]:
    """Return a row for each group, as a cycle would decide now."""
    pods = {group.key: sum(s.count for s in group.gang.pod_sets) for group in state.grouping.groups}
    return [_group(outcome, pods) for outcome in decide(state, snapshot, now)]


def _group(outcome: Outcome, pods: dict[GroupKey, int]) -> dict[str, Any]:
    decision = outcome.decision
    return {
        "namespace": decision.group.namespace,
        "name": decision.group.name,
        "phase": str(decision.phase),
        "clusters": [share.name for share in decision.clusters],
        "policy": decision.policy,
        "pods": pods.get(decision.group, 0),
        "reason": str(decision.reason),
        "message": decision.message,
    }


def placements(state: RepoState) -> list[dict[str, Any]]:
    """Return a row for each committed Placement."""
    return [_placement(state.standing[key]) for key in sorted(state.standing)]


def _placement(standing: Standing) -> dict[str, Any]:
    record = standing.record
    return {
        "namespace": record.group.namespace,
        "name": record.group.name,
        "phase": str(record.phase),
        "clusters": [share.name for share in record.clusters],
        "reason": record.reason,
        "objects": len(record.objects),
        "sourceCommit": record.source_commit,
        "decidedAt": record.decided_at,
        "message": record.message,
    }


def policies(state: RepoState) -> list[dict[str, Any]]:
    """Return a row for each policy: how many groups it selects now, and which clusters it allows."""
    facts = [ClusterFacts(c.name, c.labels, c.taints, c.cordoned) for c in state.clusters]
    used = Counter(group.policy.name for group in state.grouping.groups)
    rows = []
    for policy in state.policies:
        allowed = eligible(policy, facts)
        rows.append(
            {
                "name": policy.name,
                "priority": policy.priority,
                "groups": used[policy.name],
                "clusters": list(allowed.clusters),
                "require": str(allowed.require),
                "groupBy": policy.group_by,
                "file": policy.place.file,
            }
        )
    return rows
