"""Short ways to say nodes, pods and gangs, in millicores, GiB and GPUs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reconciler.fleet.addable import spare_of
from reconciler.fleet.snapshot import ClusterSnapshot, Node, NodePool, Pod
from reconciler.kube_scheduler.gang import Fit, Gang
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.manifests.podshape import PodShape
from reconciler.manifests.quantity import Format, Quantity
from reconciler.manifests.selector import LabelSelector, Requirement
from reconciler.ray.demand import PodSet, Role
from reconciler.reasons.resource_text import Request

GIB = 1 << 30
GPU = "nvidia.com/gpu"
HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"


def amounts(cpu: int, gib: float, gpu: int = 0) -> dict[str, int]:
    found = {"cpu": cpu, "memory": int(gib * GIB)}
    return {**found, GPU: gpu} if gpu else found


def node(
    name: str, cpu: int = 8000, gib: float = 32, gpu: int = 0, slots: int = 110, labels: Any = (), **rest: Any
) -> Node:
    return Node(name, {**amounts(cpu, gib, gpu), "pods": slots}, {HOST: name, **dict(labels)}, **rest)


def gpu_nodes(count: int, **rest: Any) -> list[Node]:
    """Nodes gpu-0, gpu-1, ... with a GPU each."""
    return [node(f"gpu-{number}", gpu=1, **rest) for number in range(count)]


def pool(name: str, most: int, cpu: int = 8000, gib: float = 32, gpu: int = 0, **rest: Any) -> NodePool:
    return NodePool(name, most, {**amounts(cpu, gib, gpu), "pods": 110}, **rest)


def shape(cpu: int = 1000, gib: float = 1, gpu: int = 0, **rest: Any) -> PodShape:
    requests = amounts(cpu, gib, gpu)
    rest = {"namespace": "team", "score_cpu": cpu, "score_memory": requests["memory"], **rest}
    return PodShape(requests=requests, **rest)


def pods(role: Role, group: str, count: int, of: PodShape, *, after: bool = False) -> PodSet:
    exact = {name: _written(name, amount) for name, amount in of.requests.items()}
    return PodSet(role, group, count, exact, of, after)


def _written(resource: str, amount: int) -> Quantity:
    return Quantity(amount * 10**6) if resource == "cpu" else Quantity(amount * 10**9, Format.BinarySI)


def request(resource: str, amount: float) -> Request:
    """What reasons name as requested: cpu in millicores, memory in GiB, devices in pieces."""
    units = int(amount * GIB) if resource == "memory" else int(amount)
    return Request(resource, units, _written(resource, units))


def head(cpu: int = 1000, gib: float = 1, **rest: Any) -> PodSet:
    return pods(Role.HEAD, "headgroup", 1, shape(cpu, gib, **rest))


def workers(count: int, cpu: int = 1000, gib: float = 1, gpu: int = 0, group: str = "group", **rest: Any) -> PodSet:
    return pods(Role.WORKER, group, count, shape(cpu, gib, gpu, **rest))


def submitter() -> PodSet:
    return pods(Role.SUBMITTER, "", 1, shape(500, 0.2), after=True)


def gang(*sets: PodSet) -> Gang:
    return Gang(sets)


def used(fit: Fit) -> list[dict[int, int]]:
    """The number of pods on each node, by the node's index, for each set of the gang."""
    return [dict(one.nodes) for one in fit.bindings]


def bound(on: str, of: PodShape, name: str = "other") -> Pod:
    return Pod("team", f"{name}-{on}", of, on)


def snapshot(nodes: Iterable[Node], placed: Iterable[Pod] = ()) -> ClusterSnapshot:
    return ClusterSnapshot("c", 0.0, tuple(nodes), tuple(placed))


def cluster(*nodes: Node, placed: Iterable[Pod] = (), **options: Any) -> Nodes:
    pools = options.get("pools", ())
    return Nodes.of(snapshot(nodes, placed), spare=spare_of(pools, nodes), **options)


def selects(**labels: str) -> LabelSelector:
    return LabelSelector(tuple(Requirement(key, "In", (value,)) for key, value in sorted(labels.items())))
