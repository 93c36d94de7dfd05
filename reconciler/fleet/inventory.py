"""The inventory: kind Cluster, one file a cluster (DESIGN section 2), read into plain data.

The one idea: what a file says is checked here once, to the field, and everything after works with `Cluster`, whose
labels already hold the implicit ones and whose amounts are in the scheduler's own units. A file that cannot be read
fails the whole inventory: a cluster that is missing by mistake would lose its workloads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from reconciler.errors import InputError, InvalidObject, Place
from reconciler.fleet.snapshot import DEFAULT_POD_SLOTS, NodePool
from reconciler.manifests.identity import is_dns_subdomain, is_label_key, is_label_value
from reconciler.manifests.kinds import (
    QUANTITY_SCHEMA,
    Duration,
    InvalidFields,
    Items,
    Labels,
    ObjectMeta,
    Quantity,
    SkyRayModel,
    problems,
    read_object,
)
from reconciler.manifests.loader import load
from reconciler.manifests.podshape import Taint
from reconciler.manifests.quantity import Quantity as ExactQuantity
from reconciler.manifests.quantity import scheduler_units

FOLDER = "inventory"
NAME_LABEL = "kubernetes.io/metadata.name"
LABEL_PREFIXES = ("skyray.dev/cluster.", "nova.elotl.co/cluster.")

_PERCENT = re.compile(r"(\d{1,2}(?:\.\d{1,2})?)%")
_IGNORED = (".md", ".gitkeep", ".gitignore")


@dataclass(frozen=True, slots=True)
class KubeconfigAccess:
    """Live capacity through the operator's own kubeconfigs: one of the three is set.

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
        kept = {
            name: -(-allocatable[name] * share // 10_000) for name, share in self.shares.items() if name in allocatable
        }
        return kept | {name: amount for name, amount in self.amounts.items() if name in allocatable}


@dataclass(frozen=True, slots=True)
class Standby:
    """Put to sleep when idle for `idle_after` seconds; `mode` is Suspend or Delete."""

    mode: str
    idle_after: float


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster of the fleet.

    `labels` include the implicit ones. `pools` is what the autoscaler can add, `autoscaler` its kind (`None` without
    one). `scoring` is what its kube-scheduler prefers. `taints` have the effects NoPlace or NoExecute.
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
    headroom: Headroom = field(default_factory=Headroom)
    scoring: str = "LeastAllocated"
    taints: tuple[Taint, ...] = ()
    cordoned: bool = False
    standby: Standby | None = None


def read_inventory(files: Mapping[str, bytes]) -> tuple[Cluster, ...]:
    """Return the clusters of `files` (path in the repo to content, everything under `inventory/`), sorted by name.

    Raises `InputError` when any file is wrong; `kinds.problems(error)` lists everything that is. README files are let
    be, other strangers are errors: a cluster in a misnamed file must not silently be no cluster.
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
        raise InvalidObject(f"does not belong into {FOLDER}/; it has one file <cluster>.yaml a cluster", Place(path))
    documents = load(data, path).documents
    if len(documents) != 1:
        raise InvalidObject(f"has {len(documents)} documents; write exactly one Cluster", Place(path))
    kind = read_object(ClusterKind, documents[0])
    if kind.metadata.name != where.stem:
        raise InvalidObject(
            f"metadata.name is {kind.metadata.name!r}, but the file says {where.stem!r}; give both the same name",
            documents[0].locate("metadata", "name"),
        )
    labels = _labels(kind)
    for key, value in kind.metadata.labels.items():
        if labels[key] != value:
            raise InvalidObject(
                f"metadata.labels.{key} is {value!r}, but the cluster itself says {labels[key]!r}; leave the label out",
                documents[0].locate("metadata", "labels", key),
            )
    return _cluster(kind, labels, documents[0].place)


def _label_text(text: str) -> str:
    if not text or not is_label_value(text):
        raise ValueError(f"{text!r} cannot be a label's value; use letters, digits, '-', '_' and '.', at most 63")
    return text


def _version(text: str) -> str:
    if re.fullmatch(r"v?\d+\.\d+(\.\d+)?([-+.][0-9A-Za-z.+-]+)?", text) is None:
        raise ValueError(f"{text!r} is not a version; write it like '1.34' or 'v1.34.1'")
    return _label_text(text.removeprefix("v").replace("+", "-"))


def _context(text: str) -> str:
    if not text or len(text) > 253 or not text.isprintable():
        raise ValueError("a context name has 1 to 253 printable characters")
    return text


def _secret(text: str) -> str:
    if not is_dns_subdomain(text):
        raise ValueError(f"{text!r} is not the name of a Secret")
    return text


def _inside(text: str) -> str:
    """Accept a relative path of plain names only."""
    steps = text.split("/")
    if (
        len(text) > 512
        or not text.isprintable()
        or "\\" in text
        or any(step in {"", ".", "..", ".git"} for step in steps)
    ):
        raise ValueError(f"{text!r} is not a path inside; write a relative one without '..', such as snapshots/a.json")
    return text


def _resource_name(text: str) -> str:
    if not is_label_key(text):
        raise ValueError(f"{text!r} is not the name of a resource; use cpu, memory, nvidia.com/gpu ...")
    return text


def _headroom(value: object) -> int | ExactQuantity:
    """Return hundredths of a percent for `5%`, else the quantity."""
    if isinstance(value, str) and value.endswith("%"):
        match = _PERCENT.fullmatch(value)
        if match is None:
            raise ValueError(f"{value!r} is not a percentage below 100%; write it like 5% or 2.5%")
        whole, _, part = match[1].partition(".")
        return int(whole) * 100 + int(part.ljust(2, "0"))
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise ValueError(f"{value!r} is neither a percentage nor a quantity; write 5% or 500m")  # noqa: TRY004  (pydantic collects ValueErrors)
    amount = ExactQuantity.parse(value)
    if amount.nano < 0:
        raise ValueError(f"{value!r} is negative; write 0 or more")
    return amount


LabelText = Annotated[str, AfterValidator(_label_text)]
ResourceName = Annotated[str, AfterValidator(_resource_name)]


class TaintPart(SkyRayModel):
    """A taint of the nodes of a pool."""

    key: str
    value: str = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]


class ClusterTaintPart(SkyRayModel):
    """A taint of the whole cluster: NoPlace keeps new groups away, NoExecute moves the ones that are there, too."""

    key: str
    value: str = ""
    effect: Literal["NoPlace", "NoExecute"]


class NodePoolPart(SkyRayModel):
    """What an autoscaler can add."""

    name: str = Field(min_length=1, max_length=253)
    max_nodes: int = Field(ge=0, le=100_000)
    price_per_hour: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    spot: bool = False
    allocatable: dict[ResourceName, Quantity]
    labels: Labels = Field(default_factory=dict)
    taints: Items[TaintPart] = ()

    @model_validator(mode="after")
    def _has_room(self) -> NodePoolPart:
        missing = [name for name in ("cpu", "memory") if name not in self.allocatable]
        if missing:
            raise ValueError(f"allocatable lacks {' and '.join(missing)}; no pod would fit a node of this pool")
        return self


class AutoscalerPart(SkyRayModel):
    """The cluster's own autoscaler, and what it can add."""

    kind: Literal["None", "ClusterAutoscaler", "Karpenter", "Luna"] = "None"
    node_pools: Items[NodePoolPart] = ()

    @model_validator(mode="after")
    def _consistent(self) -> AutoscalerPart:
        names = [pool.name for pool in self.node_pools]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"nodePools has {twice[0]!r} more than once; give each pool its own name")
        if self.node_pools and self.kind == "None":
            raise ValueError("nodePools needs an autoscaler that can add nodes; set kind, or remove nodePools")
        return self


class KubeconfigPart(SkyRayModel):
    """Which of the operator's kubeconfigs reads this cluster. Exactly one field."""

    context: Annotated[str, AfterValidator(_context)] | None = None
    secret: Annotated[str, AfterValidator(_secret)] | None = None
    file: Annotated[str, AfterValidator(_inside)] | None = None

    @model_validator(mode="after")
    def _one(self) -> KubeconfigPart:
        if len(self.model_fields_set) != 1:
            raise ValueError("set exactly one of context, secret and file")
        return self


class SnapshotPart(SkyRayModel):
    """A file of the fleet repo with a ClusterSnapshot, or with what `kubectl get nodes,pods -A -o json` printed."""

    file: Annotated[str, AfterValidator(_inside)]


class AccessPart(SkyRayModel):
    """How capacity is read. Exactly one field."""

    kubeconfig: KubeconfigPart | None = None
    snapshot: SnapshotPart | None = None

    @model_validator(mode="after")
    def _one(self) -> AccessPart:
        if len(self.model_fields_set) != 1:
            raise ValueError("set exactly one of kubeconfig and snapshot")
        return self


class SchedulerPart(SkyRayModel):
    """How the cluster's kube-scheduler is set up."""

    scoring: Literal["LeastAllocated", "MostAllocated"] = "LeastAllocated"


class StandbyPart(SkyRayModel):
    """Sleep when idle."""

    mode: Literal["Suspend", "Delete"]
    idle_after: Duration = 3600.0


class ClusterSpec(SkyRayModel):
    """The fields of a Cluster, as DESIGN section 2 explains them."""

    provider: LabelText | None = None
    region: LabelText | None = None
    zone: LabelText | None = None
    kubernetes_cluster: str = ""
    kubernetes_version: Annotated[str, AfterValidator(_version)] | None = None
    access: AccessPart
    autoscaler: AutoscalerPart = AutoscalerPart()
    headroom: dict[
        ResourceName,
        Annotated[Any, BeforeValidator(_headroom), WithJsonSchema(QUANTITY_SCHEMA | {"examples": ["5%", "2Gi"]})],
    ] = Field(default_factory=dict)
    scheduler: SchedulerPart = SchedulerPart()
    taints: Items[ClusterTaintPart] = ()
    cordoned: bool = False
    standby: StandbyPart | None = None


class ClusterKind(SkyRayModel):
    """A cluster that workloads can be placed on."""

    api_version: Literal["skyray.dev/v1alpha1"]
    kind: Literal["Cluster"]
    metadata: ObjectMeta
    spec: ClusterSpec


def _labels(kind: ClusterKind) -> dict[str, str]:
    spec = kind.spec
    facts = {"provider": spec.provider, "region": spec.region, "zone": spec.zone, "version": spec.kubernetes_version}
    implicit = {prefix + name: value for prefix in LABEL_PREFIXES for name, value in facts.items() if value}
    return {**kind.metadata.labels, NAME_LABEL: kind.metadata.name, **implicit}


def _cluster(kind: ClusterKind, labels: dict[str, str], place: Place) -> Cluster:
    spec = kind.spec
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
        headroom=Headroom(
            shares={name: kept for name, kept in spec.headroom.items() if isinstance(kept, int)},
            amounts=scheduler_units({name: kept for name, kept in spec.headroom.items() if not isinstance(kept, int)}),
        ),
        scoring=spec.scheduler.scoring,
        taints=tuple(Taint(t.key, t.effect, t.value) for t in spec.taints),
        cordoned=spec.cordoned,
        standby=Standby(spec.standby.mode, spec.standby.idle_after) if spec.standby else None,
    )


def _access(part: AccessPart) -> KubeconfigAccess | SnapshotAccess:
    if part.snapshot:
        return SnapshotAccess(part.snapshot.file)
    chosen = part.kubeconfig or KubeconfigPart.model_construct()
    return KubeconfigAccess(chosen.context or "", chosen.secret or "", chosen.file or "")


def _pool(part: NodePoolPart) -> NodePool:
    return NodePool(
        name=part.name,
        max_nodes=part.max_nodes,
        allocatable={"pods": DEFAULT_POD_SLOTS, **scheduler_units(part.allocatable)},
        labels=dict(part.labels),
        taints=tuple(Taint(t.key, t.effect, t.value) for t in part.taints),
        price_per_hour=part.price_per_hour,
        spot=part.spot,
    )
