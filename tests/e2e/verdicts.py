"""SkyRay's verdict on a case of `gang_cases`, from the same objects that the real scheduler is given."""

from __future__ import annotations

import json

from reconciler.fleet.kubectl_list import read_kubectl_list
from reconciler.kube_scheduler.fit import try_gang
from reconciler.kube_scheduler.gang import Fit, Gang
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.manifests.pod import effective_requests, pod_shape
from reconciler.ray.demand import PodSet, Role
from tests.e2e.gang_cases import Case, PodGroup


def nodes_of(case: Case) -> Nodes:
    """Return the cluster of `case` as SkyRay reads it from what kubectl prints."""
    items = [{"apiVersion": "v1", "kind": "Node", **node} for node in case.nodes]
    items += [{"apiVersion": "v1", "kind": "Pod", "status": {"phase": "Running"}, **pod} for pod in case.placed]
    printed = json.dumps({"apiVersion": "v1", "kind": "List", "items": items}).encode()
    return Nodes.of(read_kubectl_list(printed, "cluster.json", "cluster", 0.0))


def gang_of(case: Case) -> Gang:
    """Return the gang of `case` as SkyRay sizes it."""
    groups = [(group, False) for group in case.groups]
    if case.afterwards is not None:
        groups.append((case.afterwards, True))
    return Gang(tuple(_pod_set(group, after=after) for group, after in groups))


def verdict(case: Case) -> Fit:
    """Return what SkyRay says of `case`."""
    return try_gang(nodes_of(case), gang_of(case))


def _pod_set(group: PodGroup, *, after: bool) -> PodSet:
    pod = group.pods[0]
    requests = effective_requests(pod["spec"])
    shape = pod_shape(pod["metadata"], pod["spec"], pod["metadata"]["namespace"])
    return PodSet(Role(group.role), group.name, len(group.pods), requests, shape, after)
