"""What kube-scheduler sees of a pod: requests, and every rule about where it may run.

The shape is the same for pods that a workload will make (package `ray`) and for pods that already run on a cluster
(package `fleet`). Amounts are in the scheduler's own units: cpu in millicores, everything else in whole units
(memory and ephemeral-storage in bytes, devices in pieces), rounded up as `Quantity.MilliValue` and `Value` round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.manifests.selector import LabelSelector

DEFAULT_SCORE_MILLICPU = 100
"""What a container without a cpu request counts for scoring only (kube-scheduler, `DefaultMilliCPURequest`)."""

DEFAULT_SCORE_MEMORY = 200 * 1024 * 1024
"""The same for memory, in bytes (`DefaultMemoryRequest`)."""


@dataclass(frozen=True, slots=True)
class Taint:
    """A node's taint (NoSchedule, PreferNoSchedule, NoExecute) or a cluster's (NoPlace, NoExecute)."""

    key: str
    effect: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Toleration:
    """`operator` is Equal or Exists; an empty key with Exists tolerates all; an empty effect means every effect."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""

    def tolerates(self, taint: Taint) -> bool:
        """Tell whether this toleration covers `taint` (Kubernetes `Toleration.ToleratesTaint`)."""
        if self.effect and self.effect != taint.effect:
            return False
        if self.key and self.key != taint.key:
            return False
        if self.operator == "Exists":
            return True
        return bool(self.key) and self.value == taint.value


@dataclass(frozen=True, slots=True)
class NodeRequirement:
    """A node selector requirement. Operators: In, NotIn, Exists, DoesNotExist, Gt, Lt (the last two on integers)."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeTerm:
    """All of its `expressions` (on labels) and `fields` (on metadata.name) must hold; terms among themselves are OR."""

    expressions: tuple[NodeRequirement, ...] = ()
    fields: tuple[NodeRequirement, ...] = ()


@dataclass(frozen=True, slots=True)
class PodTerm:
    """A pod affinity or anti-affinity term.

    `selector` None matches no pod. Without `namespaces` and `namespace_selector` the pod's own namespace is meant.
    """

    topology_key: str
    selector: LabelSelector | None = None
    namespaces: tuple[str, ...] = ()
    namespace_selector: LabelSelector | None = None


@dataclass(frozen=True, slots=True)
class SpreadConstraint:
    """A topologySpreadConstraint. `when_unsatisfiable`: DoNotSchedule or ScheduleAnyway."""

    topology_key: str
    max_skew: int
    when_unsatisfiable: str
    selector: LabelSelector | None = None
    min_domains: int = 1
    node_affinity_policy: str = "Honor"
    node_taints_policy: str = "Ignore"


@dataclass(frozen=True, slots=True, order=True)
class HostPort:
    """A port of the node that the pod needs for itself. An `ip` of 0.0.0.0 clashes with every address."""

    port: int
    protocol: str = "TCP"
    ip: str = "0.0.0.0"  # noqa: S104  (the Kubernetes default, compared, never bound)


@dataclass(frozen=True, slots=True)
class PodShape:
    """A pod as the scheduler sees it.

    `requests`: effective requests by resource name, in scheduler units, without the pod slot. `score_cpu` (millicores)
    and `score_memory` (bytes): the same with the scheduler's defaults for containers that name no request; they count
    for scoring only. `claims`: it asks for devices through resource claims, which requests do not show.
    `volume_claims`: names of the PersistentVolumeClaims that it mounts. `owner_selector`: all labels by which Services
    of its namespace, its ReplicaSet or its StatefulSet select it; such pods get the scheduler's default spreading.
    """

    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    requests: Mapping[str, int] = field(default_factory=dict)
    score_cpu: int = DEFAULT_SCORE_MILLICPU
    score_memory: int = DEFAULT_SCORE_MEMORY
    node_name: str = ""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    node_required: tuple[NodeTerm, ...] = ()
    node_preferred: tuple[tuple[int, NodeTerm], ...] = ()
    pod_required: tuple[PodTerm, ...] = ()
    pod_preferred: tuple[tuple[int, PodTerm], ...] = ()
    pod_anti_required: tuple[PodTerm, ...] = ()
    pod_anti_preferred: tuple[tuple[int, PodTerm], ...] = ()
    spread: tuple[SpreadConstraint, ...] = ()
    host_ports: tuple[HostPort, ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    claims: bool = False
    volume_claims: tuple[str, ...] = ()
    priority_class: str = ""
    scheduler_name: str = "default-scheduler"
    scheduling_gates: tuple[str, ...] = ()
    owner_selector: LabelSelector | None = None
