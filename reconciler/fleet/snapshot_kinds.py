"""The fields of the snapshot files, as `fleet.snapshot_file` reads and writes them.

msgspec decodes and checks them in one pass, refuses unknown fields, and leaves out defaults when writing. Where a part
has the same attributes as its plain data in `fleet.snapshot` or `manifests.podshape`, msgspec also converts the two.
"""

from __future__ import annotations

from typing import Literal

import msgspec

_DEFAULT_TEXTS: dict[str, tuple[tuple[str, str], ...]] = {}

Amounts = dict[str, str | int | float]


class Part(
    msgspec.Struct, rename="camel", omit_defaults=True, forbid_unknown_fields=True
):
    """Base of the parts of a snapshot file."""

    def __post_init__(self) -> None:
        """Replace a text that equals its default by the default itself: msgspec omits defaults by identity."""
        for name, default in _DEFAULT_TEXTS.get(type(self).__name__, ()):
            if getattr(self, name) == default:
                setattr(self, name, default)


class Kind(Part, tag_field="kind"):
    """Base of the kinds; their name is in the field `kind`."""


class NamePart(Part):
    """The cluster's name."""

    name: str


class TaintPart(Part):
    """A node's taint."""

    key: str
    effect: str
    value: str = ""


class NodePart(Part):
    """A node; without `pods` in `allocatable` it has the kubelet's default of pod slots."""

    name: str
    allocatable: Amounts
    labels: dict[str, str] = {}
    taints: tuple[TaintPart, ...] = ()
    ready: bool = True
    unschedulable: bool = False


class RequirementPart(Part):
    """One requirement of a selector."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


class SelectorPart(Part):
    """A label selector."""

    requirements: tuple[RequirementPart, ...] = msgspec.field(
        default=(), name="matchExpressions"
    )


class NodeTermPart(Part):
    """A term of node affinity."""

    expressions: tuple[RequirementPart, ...] = msgspec.field(
        default=(), name="matchExpressions"
    )
    fields: tuple[RequirementPart, ...] = msgspec.field(default=(), name="matchFields")


class PodTermPart(Part):
    """A term of pod affinity or anti-affinity."""

    topology_key: str
    selector: SelectorPart | None = None
    namespaces: tuple[str, ...] = ()
    namespace_selector: SelectorPart | None = None


class SpreadPart(Part):
    """A topology spread constraint."""

    topology_key: str
    max_skew: int
    when_unsatisfiable: str
    selector: SelectorPart | None = None
    min_domains: int = 1
    node_affinity_policy: str = "Honor"
    node_taints_policy: str = "Ignore"


class HostPortPart(Part):
    """A port of the node."""

    port: int
    protocol: str = "TCP"
    ip: str = "0.0.0.0"  # noqa: S104  (the Kubernetes default, compared, never bound)


class TolerationPart(Part):
    """A toleration."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""


class RulesPart(Part):
    """The fields of `PodShape` that have the same form in the file; it is read and written by their names."""

    labels: dict[str, str] = {}
    node_selector: dict[str, str] = {}
    node_required: tuple[NodeTermPart, ...] = ()
    node_preferred: tuple[tuple[int, NodeTermPart], ...] = ()
    pod_required: tuple[PodTermPart, ...] = ()
    pod_preferred: tuple[tuple[int, PodTermPart], ...] = ()
    pod_anti_required: tuple[PodTermPart, ...] = ()
    pod_anti_preferred: tuple[tuple[int, PodTermPart], ...] = ()
    spread: tuple[SpreadPart, ...] = ()
    host_ports: tuple[HostPortPart, ...] = ()
    tolerations: tuple[TolerationPart, ...] = ()
    claims: bool = False
    volume_claims: tuple[str, ...] = ()
    priority_class: str = ""
    scheduler_name: str = "default-scheduler"
    scheduling_gates: tuple[str, ...] = ()
    owner_selector: SelectorPart | None = None


class PodPart(RulesPart, kw_only=True):
    """A pod. `score_cpu` and `score_memory` follow from the requests where they are absent."""

    namespace: str = "default"
    name: str
    node: str = ""
    requests: Amounts = {}
    owner: str = ""
    node_type: str = ""
    deleting: bool = False
    score_cpu: str | int | float | None = None
    score_memory: str | int | float | None = None


class RayPart(Part):
    """The status of a Ray resource."""

    kind: str
    namespace: str
    name: str
    state: str = ""
    job_status: str = ""
    reason: str = ""
    message: str = ""
    owner: str = ""


class NamespacePart(Part):
    """A namespace and its labels."""

    name: str
    labels: dict[str, str] = {}


class PoolPart(Part, kw_only=True):
    """A node pool, as read from its autoscaler."""

    name: str
    max_nodes: int
    allocatable: Amounts = {}
    labels: dict[str, str] = {}
    taints: tuple[TaintPart, ...] = ()
    price_per_hour: float | None = None
    spot: bool = False
    implied: dict[str, str] = {}
    existing: int | None = None
    family: str = ""
    exact: bool = True
    held: str = ""
    left: Amounts = {}


class ClusterSnapshotKind(Kind, tag="ClusterSnapshot", kw_only=True):
    """One cluster at `takenAt` (RFC 3339, or unix seconds)."""

    api_version: Literal["skyray.dev/v1alpha1"]
    metadata: NamePart
    taken_at: str | float | None = None
    version: str = ""
    nodes: tuple[NodePart, ...]
    pods: tuple[PodPart, ...] = ()
    ray: tuple[RayPart, ...] = ()
    namespaces: tuple[NamespacePart, ...] = ()
    pools: tuple[PoolPart, ...] = ()
    pools_note: str = ""


class UnreadableKind(Kind, tag="UnreadableCluster", kw_only=True):
    """A cluster without a snapshot, and why."""

    api_version: Literal["skyray.dev/v1alpha1"]
    metadata: NamePart
    since: str | float
    reason: str


class FleetSnapshotKind(Kind, tag="FleetSnapshot", kw_only=True):
    """All clusters of a fleet at one moment."""

    api_version: Literal["skyray.dev/v1alpha1"]
    clusters: tuple[ClusterSnapshotKind | UnreadableKind, ...]


def _default_texts(kind: type[Part]) -> tuple[tuple[str, str], ...]:
    defaults = [(field.name, field.default) for field in msgspec.structs.fields(kind)]
    return tuple(
        (name, default)
        for name, default in defaults
        if isinstance(default, str) and default
    )


_DEFAULT_TEXTS.update(
    {
        kind.__name__: _default_texts(kind)
        for kind in (SpreadPart, HostPortPart, TolerationPart, PodPart)
    }
)
