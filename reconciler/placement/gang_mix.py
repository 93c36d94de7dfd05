"""What gangs typically ask for, by which it is judged which free devices are of use to anybody.

It is counted from the gangs that are placed. `fragmentation` compares it with the nodes of a cluster.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from reconciler.kube_scheduler.gang import Gang

_MOST_KINDS = 16
"""Kinds of pods in a mix; the rarer ones are left out."""


@dataclass(frozen=True, slots=True, order=True)
class Typical:
    """One kind of device pods that gangs have: `count` of them in a gang, all on one cluster.

    `requests` are those of one pod, by resource, in scheduler units. `device` is the one whose free pieces are counted.
    """

    requests: tuple[tuple[str, int], ...]
    count: int

    @property
    def device(self) -> str:
        """Return its GPUs where it has any, else the first device by name; empty when it asks for none."""
        devices = [name for name, amount in self.requests if "/" in name and amount > 0]
        gpus = [name for name in devices if name.endswith("/gpu")]
        return min(gpus or devices, default="")


DEFAULT_KINDS = tuple(
    Typical((("cpu", 4000 * gpus), ("memory", gpus << 34), (name, gpus)), 1)
    for name in ("nvidia.com/gpu", "amd.com/gpu")
    for gpus in (1, 2, 4, 8)
)
"""Single pods with whole GPUs, 4 cores and 16 GiB for each. They count as one gang each, whatever else is known."""


def kinds_of(gang: Gang) -> list[Typical]:
    """Return the kinds of pods with devices that a gang has; pods without say nothing of what devices are of use."""
    found = []
    for pod_set in gang.pod_sets:
        requests = tuple(sorted(pod_set.shape.requests.items()))
        kind = Typical(requests, pod_set.count)
        if kind.count and kind.device:
            found.append(kind)
    return found


@dataclass(frozen=True)
class Mix:
    """What gangs typically ask for: kinds of pods, each with how many gangs have such."""

    kinds: tuple[tuple[Typical, int], ...]

    @classmethod
    def of(
        cls,
        gangs: Iterable[Gang] = (),
        known: Mapping[Typical, int] | None = None,
    ) -> Mix:
        """Return the mix of `gangs`, whose order does not matter, and the default kinds; the commonest kinds of it.

        `known` are the kinds of further gangs, counted before.
        """
        seen = Counter(DEFAULT_KINDS)
        for kind, count in (known or {}).items():
            if count:
                seen[kind] += count
        for gang in gangs:
            seen.update(kinds_of(gang))
        # Equally common kinds are sorted too: the order of the gangs does not matter.
        ranked = sorted(seen.items(), key=lambda item: (-item[1], item[0]))
        return cls(tuple(ranked[:_MOST_KINDS]))

    @cached_property
    def name(self) -> str:
        """A name that equal mixes share."""
        return repr(self.kinds)

    @cached_property
    def total(self) -> int:
        """How many gangs it counts."""
        return sum(weight for _, weight in self.kinds)
