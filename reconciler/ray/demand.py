"""The demand of a workload: sets of equal pods, in the order in which they are created.

These are only the types; `ray.sizing` makes them from Ray resources and `ray.plain` from Kubernetes' own controllers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from reconciler.manifests.identity import ObjectKey
from reconciler.manifests.podshape import PodShape
from reconciler.manifests.quantity import Quantity


class Role(StrEnum):
    """What a pod is for. `POD` is a pod of a plain Kubernetes object."""

    HEAD = "head"
    WORKER = "worker"
    SUBMITTER = "submitter"
    POD = "pod"


@dataclass(frozen=True, slots=True)
class PodSet:
    """`count` equal pods.

    `group` is the worker group's name (`headgroup` for the head, empty for others). `requests` are the effective
    requests of one pod, exact, as users write them; `shape.requests` the same in scheduler units. `after` is true for
    pods that are created only once the others run (a RayJob's submitter): they must fit beside the others, and are
    scheduled last.
    """

    role: Role
    group: str
    count: int
    requests: Mapping[str, Quantity]
    shape: PodShape
    after: bool = False

    @property
    def title(self) -> str:
        """Return how messages name it: `head`, `worker gpu-group`, `submitter`, `pod train`."""
        return (
            f"{self.role} {self.group}"
            if self.group and self.role in {Role.WORKER, Role.POD}
            else str(self.role)
        )


@dataclass(frozen=True, slots=True)
class Demand:
    """The pods that an object asks for.

    `unsized`: what its requests do not show (devices through resource claims). No cluster surely fits such a gang, and
    its verdict says so.
    """

    key: ObjectKey
    pod_sets: tuple[PodSet, ...]
    unsized: tuple[str, ...] = ()

    @property
    def pods(self) -> int:
        """Return the number of pods of all sets."""
        return sum(pod_set.count for pod_set in self.pod_sets)
