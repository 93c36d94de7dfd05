"""Fleets of several like clusters, and what stands of a group on each, for tests of spreading."""

from __future__ import annotations

from typing import Any

import yaml

from reconciler.manifests.loader import load
from reconciler.workloads.cluster_copy import ClusterCopy
from reconciler.workloads.group import GroupKey
from tests.fleets import Fleet, cluster, nodes, picture, policy, text

DUPLICATE = "spreadConstraints: {spreadMode: Duplicate}"


def fleet_of(sizes: dict[str, int], spec: str, *, labels: dict[str, str] | None = None) -> Fleet:
    """Clusters by name with so many nodes of one GPU and 8 cores; `labels` are flow maps by cluster."""
    labels = labels or {}
    return Fleet.of(
        {
            name: (cluster(name, labels=labels.get(name, "{}")), picture(name, *nodes(count)))
            for name, count in sizes.items()
        },
        {"spread": policy("spread", spec)},
    )


def split(**percentages: int) -> str:
    return f"spreadConstraints: {{spreadMode: Divide, percentageSplit: {percentages}}}".replace("'", "")


def deployment(name: str, replicas: int | None = 5, cpu: str = "1", more: str = "") -> bytes:
    count = "" if replicas is None else f"replicas: {replicas}"
    return text(f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
        - name: main
          image: r
          env: [{{name: REGION, value: none}}]
          resources: {{requests: {{cpu: "{cpu}"}}}}
  {count}
{more}
""")


def standing(fleet: Fleet, namespace: str, name: str) -> dict[str, ClusterCopy]:
    """What stands of a group, by cluster, as the next plan reads it from Git."""
    found = fleet.state().placements.get(GroupKey(namespace, name))
    return {copy.cluster: copy for copy in found.copies} if found else {}


def deployed(copy: ClusterCopy, kind: str) -> dict[str, Any]:
    return dict(next(item.body for item in copy.deployed if item.key.kind == kind))


def replicas(fleet: Fleet, namespace: str, name: str) -> dict[str, int]:
    parts = standing(fleet, namespace, name)
    return {cluster_: deployed(part, "Deployment")["spec"].get("replicas", 1) for cluster_, part in parts.items()}


def kustomization(fleet: Fleet, cluster_: str, group: str) -> list[list[dict[str, Any]]]:
    """The patches of a group on a cluster, as written."""
    (document,) = load(fleet.files[f"clusters/{cluster_}/{group}/kustomization.yaml"], "k").documents
    return [yaml.safe_load(one["patch"]) for one in document.body.get("patches", [])]
