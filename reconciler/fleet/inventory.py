"""The inventory: kind Cluster, a file for each cluster, read into plain data.

The labels of a `Cluster` include the implicit ones, and its amounts are in scheduler units. A file that cannot be read
fails the whole inventory: a cluster that is missing by mistake would lose its workloads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from reconciler.errors import InputError, InvalidObject, Place
from reconciler.fleet.cluster_kind import (
    AccessPart,
    ClusterKind,
    KubeconfigPart,
    NodePoolPart,
)
from reconciler.fleet.snapshot import DEFAULT_POD_SLOTS, NodePool
from reconciler.manifests.kinds import InvalidFields, problems, read_object
from reconciler.manifests.loader import load
from reconciler.manifests.podshape import Taint
from reconciler.manifests.quantity import scheduler_units

FOLDER = "inventory"
NAME_LABEL = "kubernetes.io/metadata.name"
LABEL_PREFIXES = ("skyray.dev/cluster.", "nova.elotl.co/cluster.")

_IGNORED = (".md", ".gitkeep", ".gitignore")


@dataclass(frozen=True, slots=True)
class KubeconfigAccess:
    """Live capacity through the operator's own kubeconfigs; exactly one field is set.

    `context` in the operator's kubeconfig; `secret`: a folder of the operator's secret mount; `file`: a file of its
    kubeconfig mount. None of them can lead out of its mount.
    """

    context: str = ""
    secret: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True)
class SnapshotAccess:
    """Capacity from a file of the fleet repo; `file` is relative to its root."""

    file: str


@dataclass(frozen=True, slots=True)
class Headroom:
    """What is kept free on each node.

    `shares` of allocatable in hundredths of a percent, `amounts` in scheduler units, both by resource.
    """

    shares: Mapping[str, int] = field(default_factory=dict)
    amounts: Mapping[str, int] = field(default_factory=dict)

    def of(self, allocatable: Mapping[str, int]) -> dict[str, int]:
        """Return what to keep free on a node with `allocatable`, rounded up; only resources that the node has."""
        kept = {}
        for name, share in self.shares.items():
            if name in allocatable:
                kept[name] = -(-allocatable[name] * share // 10_000)
        fixed = {
            name: amount for name, amount in self.amounts.items() if name in allocatable
        }
        return kept | fixed


@dataclass(frozen=True, slots=True)
class Standby:
    """Put to sleep when idle for `idle_after` seconds; `mode` is Suspend or Delete."""

    mode: str
    idle_after: float


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster of the fleet.

    `labels` include the implicit ones. `autoscaler` is its kind, `None` without an autoscaler. `pools` are those that
    the inventory declares; `fleet.addable` merges them with what the live autoscaler says. `gpu_skus`: the GPUs that
    Luna may take. `scoring`: what its kube-scheduler prefers. `taints` have the effects NoPlace or NoExecute.
    """

    name: str
    place: Place
    access: KubeconfigAccess | SnapshotAccess
    labels: Mapping[str, str] = field(default_factory=dict)
    provider: str = ""
    region: str = ""
    zone: str = ""
    kubernetes_cluster: str = ""
    kubernetes_version: str = ""
    autoscaler: str = "None"
    pools: tuple[NodePool, ...] = ()
    gpu_skus: tuple[str, ...] = ()
    headroom: Headroom = field(default_factory=Headroom)
    scoring: str = "LeastAllocated"
    taints: tuple[Taint, ...] = ()
    cordoned: bool = False
    standby: Standby | None = None


def read_inventory(files: Mapping[str, bytes]) -> tuple[Cluster, ...]:
    """Return the clusters of `files` (path in the repo to content, everything under `inventory/`), sorted by name.

    Raises `InputError` when any file is wrong; `kinds.problems(error)` lists everything that is. README files are
    ignored, other names are errors: a cluster in a file with a wrong name must not be left out in silence.
    """
    clusters: list[Cluster] = []
    wrong: list[InputError] = []
    for path in sorted(files):
        if path.endswith(_IGNORED):
            continue
        try:
            clusters.append(read_cluster(files[path], path))
        except InputError as error:
            wrong.extend(problems(error))
    if len(wrong) == 1:
        raise wrong[0]
    if wrong:
        raise InvalidFields(wrong)
    return tuple(clusters)


def read_cluster(data: bytes, path: str) -> Cluster:
    """Return the cluster that `data`, the content of `inventory/<cluster>.yaml`, describes. Raises `InputError`."""
    where = PurePosixPath(path)
    if str(where.parent) != FOLDER or where.suffix != ".yaml":
        raise InvalidObject(
            f"is not a file <cluster>.yaml of {FOLDER}/; rename it or move it away",
            Place(path),
        )
    documents = load(data, path).documents
    if len(documents) != 1:
        raise InvalidObject(
            f"has {len(documents)} documents; write exactly one Cluster", Place(path)
        )
    kind = read_object(ClusterKind, documents[0])
    if kind.metadata.name != where.stem:
        raise InvalidObject(
            f"metadata.name is {kind.metadata.name!r}, but the file is named {where.stem!r}; give both the same name",
            documents[0].locate("metadata", "name"),
        )
    labels = _labels(kind)
    for key, value in kind.metadata.labels.items():
        if labels[key] != value:
            raise InvalidObject(
                f"metadata.labels.{key} is {value!r}, but spec or name say {labels[key]!r}; remove the label",
                documents[0].locate("metadata", "labels", key),
            )
    return _cluster(kind, labels, documents[0].place)


def _labels(kind: ClusterKind) -> dict[str, str]:
    spec = kind.spec
    facts = {
        "provider": spec.provider,
        "region": spec.region,
        "zone": spec.zone,
        "version": spec.kubernetes_version,
    }
    known = {name: value for name, value in facts.items() if value}
    implicit = {
        prefix + name: value
        for prefix in LABEL_PREFIXES
        for name, value in known.items()
    }
    return {**kind.metadata.labels, NAME_LABEL: kind.metadata.name, **implicit}


def _cluster(kind: ClusterKind, labels: dict[str, str], place: Place) -> Cluster:
    spec = kind.spec
    # `cluster_kind` reads a share, such as `5%`, as a whole number and all else as a quantity.
    shares = {
        name: kept for name, kept in spec.headroom.items() if isinstance(kept, int)
    }
    amounts = {name: kept for name, kept in spec.headroom.items() if name not in shares}
    return Cluster(
        name=kind.metadata.name,
        place=place,
        access=_access(spec.access),
        labels=labels,
        provider=spec.provider or "",
        region=spec.region or "",
        zone=spec.zone or "",
        kubernetes_cluster=spec.kubernetes_cluster,
        kubernetes_version=spec.kubernetes_version or "",
        autoscaler=spec.autoscaler.kind,
        pools=tuple(map(_pool, spec.autoscaler.node_pools)),
        gpu_skus=tuple(spec.autoscaler.gpu_skus),
        headroom=Headroom(shares=shares, amounts=scheduler_units(amounts)),
        scoring=spec.scheduler.scoring,
        taints=tuple(
            Taint(taint.key, taint.effect, taint.value) for taint in spec.taints
        ),
        cordoned=spec.cordoned,
        standby=Standby(spec.standby.mode, spec.standby.idle_after)
        if spec.standby
        else None,
    )


def _access(part: AccessPart) -> KubeconfigAccess | SnapshotAccess:
    if part.snapshot:
        return SnapshotAccess(part.snapshot.file)
    chosen = part.kubeconfig or KubeconfigPart.model_construct()
    return KubeconfigAccess(
        chosen.context or "", chosen.secret or "", chosen.file or ""
    )


def _pool(part: NodePoolPart) -> NodePool:
    return NodePool(
        name=part.name,
        max_nodes=part.max_nodes,
        allocatable={"pods": DEFAULT_POD_SLOTS, **scheduler_units(part.allocatable)},
        labels=dict(part.labels),
        taints=tuple(
            Taint(taint.key, taint.effect, taint.value) for taint in part.taints
        ),
        price_per_hour=part.price_per_hour,
        spot=part.spot,
    )
