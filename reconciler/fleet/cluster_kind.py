"""The fields of kind Cluster, each with its rule; `fleet.inventory` makes plain data of them.

Names of a context, a mounted Secret or a file are checked here to the character, so that nothing from Git can name a
place outside the operator's mounts or the repo.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    WithJsonSchema,
    model_validator,
)

from reconciler.manifests.identity import is_dns_subdomain, is_label_value
from reconciler.manifests.kinds import (
    QUANTITY_SCHEMA,
    Duration,
    Items,
    Labels,
    ObjectMeta,
    Quantity,
    ResourceName,
    SkyRayModel,
)
from reconciler.manifests.quantity import Quantity as ExactQuantity

_VERSION = re.compile(r"v?\d+\.\d+(\.\d+)?([-+.][0-9A-Za-z.+-]+)?")
_PERCENT = re.compile(r"(\d{1,2}(?:\.\d{1,2})?)%")


def _label_text(text: str) -> str:
    if not text or not is_label_value(text):
        raise ValueError(
            f"{text!r} cannot be a label's value; use at most 63 letters, digits, '-', '_' and '.'"
        )
    return text


def _version(text: str) -> str:
    if _VERSION.fullmatch(text) is None:
        raise ValueError(
            f"{text!r} is not a version; write it like '1.34' or 'v1.34.1'"
        )
    # It becomes a label, whose value cannot contain '+'.
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
    leads_out = any(step in {"", ".", "..", ".git"} for step in text.split("/"))
    is_odd = len(text) > 512 or not text.isprintable() or "\\" in text
    if leads_out or is_odd:
        raise ValueError(
            f"{text!r} is not a path below its folder; write it without '..', such as snapshots/a.json"
        )
    return text


def _gpu_sku(text: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", text) is None:
        raise ValueError(
            f"{text!r} is not the name of a GPU; write it as Luna does, such as L4 or A100"
        )
    return text


def _headroom(value: object) -> int | ExactQuantity:
    """Return hundredths of a percent for `5%`, else the quantity."""
    if isinstance(value, str) and value.endswith("%"):
        match = _PERCENT.fullmatch(value)
        if match is None:
            raise ValueError(
                f"{value!r} is not a percentage below 100%; write it like 5% or 2.5%"
            )
        whole, _, part = match[1].partition(".")
        return int(whole) * 100 + int(part.ljust(2, "0"))
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise ValueError(  # noqa: TRY004  (pydantic collects ValueErrors)
            f"{value!r} is neither a percentage nor a quantity; write 5% or 500m"
        )
    amount = ExactQuantity.parse(value)
    if amount.nano < 0:
        raise ValueError(f"{value!r} is negative; write 0 or more")
    return amount


LabelText = Annotated[str, AfterValidator(_label_text)]


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
    """A pool of nodes that an autoscaler can add."""

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
            raise ValueError(
                f"allocatable lacks {' and '.join(missing)}; no pod would fit a node of this pool"
            )
        divided = [
            name
            for name, amount in self.allocatable.items()
            if "/" in name and amount.nano % 10**9
        ]
        if divided:
            raise ValueError(
                f"allocatable has {self.allocatable[divided[0]]} {divided[0]}; a node has whole devices only"
            )
        return self


class AutoscalerPart(SkyRayModel):
    """The cluster's own autoscaler, and what it can add.

    `gpu_skus`: the kinds of GPU that Luna may choose from for pods which ask for GPUs and do not say it themselves.
    """

    kind: Literal["None", "ClusterAutoscaler", "Karpenter", "Luna"] = "None"
    node_pools: Items[NodePoolPart] = ()
    gpu_skus: Items[Annotated[str, AfterValidator(_gpu_sku)]] = ()

    @model_validator(mode="after")
    def _consistent(self) -> AutoscalerPart:
        names = [pool.name for pool in self.node_pools]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(
                f"nodePools has {repeated[0]!r} more than once; give each pool its own name"
            )
        if self.node_pools and self.kind == "None":
            raise ValueError(
                "nodePools needs an autoscaler that can add nodes; set kind, or remove nodePools"
            )
        if self.gpu_skus and self.kind != "Luna":
            raise ValueError(
                "gpuSkus is for Luna only; set kind: Luna, or remove gpuSkus"
            )
        return self


class KubeconfigPart(SkyRayModel):
    """Which of the operator's kubeconfigs reads this cluster. Exactly one field."""

    context: Annotated[str, AfterValidator(_context)] | None = None
    secret: Annotated[str, AfterValidator(_secret)] | None = None
    file: Annotated[str, AfterValidator(_inside)] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> KubeconfigPart:
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
    def _exactly_one(self) -> AccessPart:
        if len(self.model_fields_set) != 1:
            raise ValueError("set exactly one of kubeconfig and snapshot")
        return self


class SchedulerPart(SkyRayModel):
    """How the cluster's kube-scheduler is set up."""

    scoring: Literal["LeastAllocated", "MostAllocated"] = "LeastAllocated"


class StandbyPart(SkyRayModel):
    """Whether the cluster is suspended or deleted when it has been idle for `idleAfter`."""

    mode: Literal["Suspend", "Delete"]
    idle_after: Duration = 3600.0


class ClusterSpec(SkyRayModel):
    """How a cluster is reached, and what places workloads on it or keeps them away."""

    provider: LabelText | None = None
    region: LabelText | None = None
    zone: LabelText | None = None
    kubernetes_cluster: str = ""
    kubernetes_version: Annotated[str, AfterValidator(_version)] | None = None
    access: AccessPart
    autoscaler: AutoscalerPart = AutoscalerPart.defaults()
    headroom: dict[
        ResourceName,
        Annotated[
            Any,
            BeforeValidator(_headroom),
            WithJsonSchema(QUANTITY_SCHEMA | {"examples": ["5%", "2Gi"]}),
        ],
    ] = Field(default_factory=dict)
    scheduler: SchedulerPart = SchedulerPart.defaults()
    taints: Items[ClusterTaintPart] = ()
    cordoned: bool = False
    standby: StandbyPart | None = None


class ClusterKind(SkyRayModel):
    """A cluster that workloads can be placed on."""

    api_version: Literal["skyray.dev/v1alpha1"]
    kind: Literal["Cluster"]
    metadata: ObjectMeta
    spec: ClusterSpec
