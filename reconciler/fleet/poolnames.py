"""Which pool a node belongs to, and what the cloud calls that pool, by the naming conventions of the providers.

Users name a pool (`l4`), the cloud names the node group behind it (an Auto Scaling group, a managed instance group, a
scale set), and nodes have the user's name as a label. On GKE and AKS the name of a node begins with that of its group,
which is certain. Elsewhere the user's name must be part of the group's name, in that provider's form.
"""

from __future__ import annotations

import re
from functools import lru_cache

from reconciler.fleet.snapshot import Node

KARPENTER_POOL = "karpenter.sh/nodepool"
POOL_LABELS = (
    KARPENTER_POOL,
    "eks.amazonaws.com/nodegroup",
    "alpha.eksctl.io/nodegroup-name",
    "cloud.google.com/gke-nodepool",
    "kubernetes.azure.com/agentpool",
    "agentpool",
    "kops.k8s.io/instancegroup",
    "doks.digitalocean.com/node-pool",
    "k8s.scaleway.com/pool-name",
)

_FORMS = (
    r"eks-{}-[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}",  # EKS managed node group
    r"eksctl-.+-nodegroup-{}-NodeGroup-.+",
    r"gke-.+-{}-[0-9a-f]{{8}}-grp",
    r"aks-{}-[0-9]+-vmss",
    r"{}\..+",  # kOps: <instance group>.<cluster's domain>
)
_GKE_GROUP, _AKS_GROUP = re.compile(r"(gke-.+)-grp"), re.compile(r"aks-.+-vmss")
_ZONAL = re.compile(r"/zones/([a-z0-9-]+)/")
_UNIQUE = re.compile(
    r"eks-(.+)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|aks-(.+)-[0-9]+-vmss"
)


def pool_name(node: Node, group: str = "") -> str:
    """Return the name that its users gave to the pool of a node; empty if no label says it.

    `group`: the node group that it belongs to; of several names the first that fits the group is taken.
    """
    names = [node.labels[key] for key in POOL_LABELS if key in node.labels]
    last = _last_part(group)
    for name in names:
        if answers_to(last, name):
            return name
    return names[0] if names else ""


def group_name(group: str) -> str:
    """Return the name that its users gave to a node group where the group's own name holds it, else the latter."""
    last = _last_part(group)
    found = _UNIQUE.fullmatch(last)
    if found is None:
        return last
    eks_name, aks_name = found.groups()
    return eks_name or aks_name


def zone_of(group: str) -> str:
    """Return the zone in the name of a node group; empty where it names none."""
    found = _ZONAL.search(group)
    return found[1] if found else ""


def is_own(group: str, node: Node) -> bool:
    """Tell whether `node` belongs to the node group that the cloud calls `group`."""
    last = _last_part(group)
    if gke := _GKE_GROUP.fullmatch(last):
        return node.name.startswith(f"{gke[1]}-")
    if _AKS_GROUP.fullmatch(last):
        return node.name.startswith(last)
    return any(
        key in node.labels and answers_to(last, node.labels[key]) for key in POOL_LABELS
    )


def answers_to(group: str, name: str) -> bool:
    """Tell whether `group`, the cloud's name of a node group, can be the pool that its users call `name`."""
    return group == name or _form(name).fullmatch(group) is not None


def _last_part(group: str) -> str:
    """Return the last part of a name that is a path or a URL, as those of GKE and Cluster API are."""
    return group.rstrip("/").rpartition("/")[2]


@lru_cache(maxsize=1024)
def _form(name: str) -> re.Pattern[str]:
    return re.compile("|".join(form.format(re.escape(name)) for form in _FORMS))
