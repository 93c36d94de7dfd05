"""Random gangs near the edge of fitting, as the Kubernetes objects that KubeRay and a cluster would show.

A case is drawn from seed and number alone, so the same number is the same case for ever. The group counts are drawn
around what the free room could just hold, because far from the edge every verdict is right. Even numbers use what most
Ray users write; odd ones also pod affinity, preferences, host ports, sidecars, spreading over hosts, storage, and
`Gt`/`Lt`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Manifest = dict[str, Any]

NAMESPACE = "gangs"
HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
GPU = "nvidia.com/gpu"
GPU_TAINT = {"key": GPU, "value": "present", "effect": "NoSchedule"}
SPOT = "example.com/spot"
GIB = 1 << 30

# cpu in millicores, memory in MiB, GPUs
_SHAPES = {
    "cpu-small": (3920, 13_900, 0),
    "cpu-large": (15_890, 58_300, 0),
    "gpu-1": (7910, 28_900, 1),
    "gpu-2": (15_890, 58_300, 2),
    "gpu-4": (31_850, 118_000, 4),
    "gpu-8": (63_770, 240_000, 8),
}


@dataclass(frozen=True)
class PodGroup:
    """Equal pods of the gang: `role` is head, worker or submitter."""

    role: str
    name: str
    pods: tuple[Manifest, ...]


@dataclass(frozen=True)
class Case:
    """`nodes` and `placed` are the cluster; `groups` are created in order; `afterwards` once all of them are bound."""

    number: int
    nodes: tuple[Manifest, ...]
    placed: tuple[Manifest, ...]
    groups: tuple[PodGroup, ...]
    afterwards: PodGroup | None

    @property
    def gang(self) -> list[Manifest]:
        """The pods in the order in which KubeRay creates them."""
        return [pod for group in self.groups for pod in group.pods]


@dataclass
class _Room:
    """What is free on a node as the case is drawn: rough, only to come near the edge."""

    cpu: int
    memory: int
    gpu: int
    slots: int


@dataclass
class _Draw:
    """One case in the making."""

    rng: random.Random
    rich: bool
    nodes: list[Manifest] = field(default_factory=list)
    rooms: list[_Room] = field(default_factory=list)
    placed: list[Manifest] = field(default_factory=list)
    tainted: bool = False

    def chance(self, share: float) -> bool:
        return self.rng.random() < share


def cases(seed: int, count: int) -> Iterator[Case]:
    """Yield `count` cases."""
    for number in range(count):
        yield draw_case(seed, number)


def draw_case(seed: int, number: int) -> Case:
    """Return the case of this number."""
    rng = random.Random(f"{seed}/{number}")
    draw = _Draw(rng, rich=bool(number % 2))
    _draw_cluster(draw)
    head = _group("head", "headgroup", 1, _head_spec(draw))
    number_of_groups = draw.rng.choice([1, 1, 1, 2, 2, 3])
    workers = [_worker_group(draw, f"group-{index}", number_of_groups) for index in range(number_of_groups)]
    submitter = None
    if draw.chance(0.4):
        submitter = _group("submitter", "", 1, _pod_spec([_container("submitter", 500, 200)]))
    return Case(number, tuple(draw.nodes), tuple(draw.placed), (head, *workers), submitter)


def _draw_cluster(draw: _Draw) -> None:
    rng = draw.rng
    kinds = rng.sample(sorted(_SHAPES), rng.choice([1, 2, 2, 3]))
    draw.tainted = draw.chance(0.4) and not all(_SHAPES[kind][2] for kind in kinds)
    zones = ["a", "b", "c"][: rng.choice([1, 2, 3])]
    for i in range(rng.randint(2, 12)):
        _add_node(draw, f"node-{i:02}", rng.choice(kinds), rng.choice(zones))
    for i, room in enumerate(draw.rooms):
        for j in range(rng.choice([0, 0, 0, 1, 1, 2, 3])):
            _add_placed(draw, i, room, f"placed-{i}-{j}")


def _add_node(draw: _Draw, name: str, kind: str, zone: str) -> None:
    rng = draw.rng
    cpu, memory, gpu = _SHAPES[kind]
    slots = rng.choice([1, 2, 3, 4]) if draw.chance(0.12) else 110
    labels = {HOST: name, "node.kubernetes.io/instance-type": kind, "example.com/generation": str(rng.randint(1, 4))}
    if not draw.chance(0.06):
        labels[ZONE] = zone
    if draw.chance(0.4):
        labels["example.com/disk"] = rng.choice(["ssd", "nvme"])
    taints = [dict(GPU_TAINT)] if gpu and draw.tainted else []
    if draw.chance(0.2):
        labels[SPOT] = "true"
        taints.append({"key": SPOT, "value": "true", "effect": rng.choice(["NoSchedule", "PreferNoSchedule"])})
    if draw.chance(0.08):
        taints.append({"key": "example.com/old", "effect": "PreferNoSchedule"})
    room = {"cpu": f"{cpu}m", "memory": f"{memory}Mi", "pods": str(slots), "ephemeral-storage": "90Gi"}
    if gpu:
        room[GPU] = str(gpu)
    spec: Manifest = {"taints": taints} if taints else {}
    if draw.chance(0.07):
        spec["unschedulable"] = True
    draw.nodes.append(
        {
            "metadata": {"name": name, "labels": labels},
            "spec": spec,
            "status": {"capacity": room, "allocatable": room, "conditions": [{"type": "Ready", "status": "True"}]},
        }
    )
    shut = "unschedulable" in spec
    draw.rooms.append(_Room(0 if shut else cpu, memory, gpu, slots))


def _add_placed(draw: _Draw, index: int, room: _Room, name: str) -> None:
    rng = draw.rng
    cpu, memory = rng.choice([100, 500, 1000, 2000, 3000]), rng.choice([128, 1024, 4096, 8192])
    gpu = rng.choice([0, 0, 1]) if room.gpu else 0
    if room.slots < 2:
        return
    if cpu > room.cpu or memory > room.memory:
        cpu, memory, gpu = 0, 0, 0
    container: Manifest = _container("main", cpu, memory, gpu) if cpu else {"name": "main", "image": "app"}
    spec = _pod_spec([container])
    if draw.rich and draw.chance(0.12):
        terms = _anti_affinity({"ray.io/node-type": "worker"}, rng.choice([HOST, ZONE]), draw.chance(0.5))
        spec["affinity"] = {"podAntiAffinity": terms}
    elif draw.rich and draw.chance(0.12):
        spec["affinity"] = {
            "podAffinity": _preferred_pods({"ray.io/node-type": "worker"}, rng.choice([HOST, ZONE]), 50)
        }
    if draw.rich and draw.chance(0.1):
        container["ports"] = [{"containerPort": 8265, "hostPort": 8265}]
    spec["nodeName"] = f"node-{index:02}"
    pod: Manifest = {
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": rng.choice(["web", "db"])}},
        "spec": spec,
    }
    if draw.chance(0.15):
        pod["status"] = {"phase": rng.choice(["Succeeded", "Failed"])}
    else:
        room.cpu, room.memory, room.gpu, room.slots = (
            room.cpu - cpu, room.memory - memory, room.gpu - gpu, room.slots - 1
        )  # fmt: skip
    draw.placed.append(pod)


def _head_spec(draw: _Draw) -> Manifest:
    rng = draw.rng
    containers = [_container("ray-head", rng.choice([500, 1000, 2000]), rng.choice([1024, 2048, 8192]))]
    if draw.chance(0.3):
        containers.append(_container("autoscaler", 500, 512))
    spec = _pod_spec(containers)
    _add_tolerations(draw, spec, 0.3)
    if draw.chance(0.15):
        _add_node_rule(draw, spec)
    if draw.rich and draw.chance(0.15):
        spec["affinity"] = {**spec.get("affinity", {}), "nodeAffinity": _preferred_node(draw)}
    if draw.rich and draw.chance(0.15):
        containers[0]["ports"] = [{"containerPort": 8265, "hostPort": 8265}]
    return spec


def _worker_group(draw: _Draw, name: str, groups: int) -> PodGroup:
    rng = draw.rng
    gpu = rng.choice([0, *(g for g in (1, 1, 2, 4) if any(room.gpu >= g for room in draw.rooms))])
    cpu = rng.choice([500, 1000, 2000, 3000, 3500, 6000, 7000]) * (gpu or 1)
    memory = rng.choice([1024, 4096, 8192, 12_000]) * (gpu or 1)
    worker = _container("ray-worker", cpu, memory, gpu)
    spec = _pod_spec([worker])
    spec["initContainers"] = [_container("wait-gcs-ready", 200, 256)]
    if draw.chance(0.15):
        spec["initContainers"].insert(0, _container("fetch", rng.choice([1000, cpu + 500]), 512))
    if draw.chance(0.1):
        worker["resources"] = {"limits": worker["resources"]["requests"]}
    if draw.chance(0.06) and not gpu:
        worker.pop("resources")
    _add_tolerations(draw, spec, 0.93 if gpu else 0.4)
    if draw.chance(0.25):
        _add_node_rule(draw, spec)
    _add_pod_rules(draw, spec, name)
    if draw.rich:
        _add_rich_rules(draw, spec, worker, name)
    held = sum(_holds(room, cpu, memory, gpu) for room in draw.rooms)
    count = round(held * rng.uniform(0.35, 1.0) / groups)
    return _group("worker", name, min(max(count, 1), 10), spec)


def _add_pod_rules(draw: _Draw, spec: Manifest, name: str) -> None:
    rng, mine = draw.rng, {"ray.io/group": name}
    kind = rng.random()
    if kind < 0.12:
        spec["affinity"] = {**spec.get("affinity", {}), "podAntiAffinity": _anti_affinity(mine, HOST, required=True)}
    elif kind < 0.18:
        spec["affinity"] = {**spec.get("affinity", {}), "podAntiAffinity": _anti_affinity(mine, ZONE, required=False)}
    elif kind < 0.32:
        spec["topologySpreadConstraints"] = [_spread(mine, ZONE, rng.choice([1, 1, 2]), hard=draw.chance(0.7))]


def _add_rich_rules(draw: _Draw, spec: Manifest, worker: Manifest, name: str) -> None:
    rng = draw.rng
    affinity: Manifest = dict(spec.get("affinity", {}))
    kind = rng.random()
    labels = rng.choice([{"ray.io/node-type": "head"}, {"ray.io/group": name}, {"app": "web"}])
    if kind < 0.15:
        affinity["podAffinity"] = {
            "requiredDuringSchedulingIgnoredDuringExecution": [_term(labels, rng.choice([ZONE, ZONE, HOST]))]
        }
    elif kind < 0.35:
        affinity["podAffinity"] = _preferred_pods(labels, rng.choice([ZONE, HOST]), rng.choice([1, 50, 100]))
    if draw.chance(0.25):
        affinity["nodeAffinity"] = {**affinity.get("nodeAffinity", {}), **_preferred_node(draw)}
    if affinity:
        spec["affinity"] = affinity
    if draw.chance(0.12):
        worker["ports"] = [{"containerPort": 9000, "hostPort": 9000}]
    if draw.chance(0.15):
        spec["initContainers"].insert(0, {**_container("mesh", 300, 200), "restartPolicy": "Always"})
    if draw.chance(0.2):
        over = [_spread({"ray.io/group": name}, HOST, rng.choice([1, 2]), hard=draw.chance(0.5))]
        if draw.chance(0.5):
            over.append(_spread({"ray.io/is-ray-node": "yes"}, ZONE, rng.choice([1, 3]), hard=draw.chance(0.5)))
        spec["topologySpreadConstraints"] = over
    if draw.chance(0.15) and "resources" in worker and "requests" in worker["resources"]:
        worker["resources"]["requests"]["ephemeral-storage"] = rng.choice(["20Gi", "40Gi", "50G"])


def _add_node_rule(draw: _Draw, spec: Manifest) -> None:
    rng = draw.rng
    node = rng.choice(draw.nodes)["metadata"]["labels"]
    rules: list[Manifest] = [
        {
            "key": "node.kubernetes.io/instance-type",
            "operator": "In",
            "values": [node["node.kubernetes.io/instance-type"]],
        },
        {"key": "example.com/disk", "operator": rng.choice(["Exists", "DoesNotExist"])},
        {"key": SPOT, "operator": "NotIn", "values": ["true"]},
        {"key": ZONE, "operator": "In", "values": [node.get(ZONE, "a"), "b"]},
    ]
    if draw.rich:
        rules.append({"key": "example.com/generation", "operator": rng.choice(["Gt", "Lt"]), "values": ["2"]})
    if draw.chance(0.4):
        key = rng.choice([key for key in (ZONE, "node.kubernetes.io/instance-type") if key in node])
        spec["nodeSelector"] = {key: node[key]}
        return
    terms = [{"matchExpressions": [rule]} for rule in rng.sample(rules, rng.choice([1, 1, 2]))]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    spec["affinity"] = {**spec.get("affinity", {}), "nodeAffinity": required}


def _add_tolerations(draw: _Draw, spec: Manifest, share: float) -> None:
    tolerations: list[Manifest] = []
    if draw.chance(share):
        tolerations.append({"key": GPU, "operator": "Exists", "effect": "NoSchedule"})
    if draw.chance(0.5):
        tolerations.append({"key": SPOT, "operator": "Equal", "value": "true"})
    if tolerations:
        spec["tolerations"] = tolerations


def _preferred_node(draw: _Draw) -> Manifest:
    rng = draw.rng
    choices: list[Manifest] = [
        {"key": "example.com/disk", "operator": "In", "values": ["nvme"]},
        {"key": SPOT, "operator": "Exists"},
        {"key": "example.com/generation", "operator": "Gt", "values": ["2"]},
    ]
    return {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": rng.choice([1, 20, 100]), "preference": {"matchExpressions": [rule]}}
            for rule in rng.sample(choices, rng.choice([1, 2]))
        ]
    }


def _term(labels: Mapping[str, str], key: str) -> Manifest:
    return {"labelSelector": {"matchLabels": dict(labels)}, "topologyKey": key}


def _anti_affinity(labels: Mapping[str, str], key: str, required: bool) -> Manifest:
    if required:
        return {"requiredDuringSchedulingIgnoredDuringExecution": [_term(labels, key)]}
    return _preferred_pods(labels, key, 100)


def _preferred_pods(labels: Mapping[str, str], key: str, weight: int) -> Manifest:
    weighted = {"weight": weight, "podAffinityTerm": _term(labels, key)}
    return {"preferredDuringSchedulingIgnoredDuringExecution": [weighted]}


def _spread(labels: Mapping[str, str], key: str, skew: int, *, hard: bool) -> Manifest:
    return {
        "maxSkew": skew,
        "topologyKey": key,
        "whenUnsatisfiable": "DoNotSchedule" if hard else "ScheduleAnyway",
        "labelSelector": {"matchLabels": dict(labels)},
    }


def _holds(room: _Room, cpu: int, memory: int, gpu: int) -> int:
    held = min(room.cpu // cpu, room.memory // memory, room.slots)
    return max(min(held, room.gpu // gpu) if gpu else held, 0)


def _container(name: str, cpu: int, memory: int, gpu: int = 0) -> Manifest:
    amounts = {"cpu": f"{cpu}m", "memory": f"{memory}Mi"}
    resources: Manifest = {"requests": amounts}
    if gpu:
        amounts[GPU] = str(gpu)
        resources["limits"] = {GPU: str(gpu)}
    return {"name": name, "image": "ray", "resources": resources}


def _pod_spec(containers: list[Manifest]) -> Manifest:
    return {"containers": containers}


def _group(role: str, name: str, count: int, spec: Manifest) -> PodGroup:
    labels = {"ray.io/cluster": "train", "ray.io/node-type": role, "ray.io/group": name, "ray.io/is-ray-node": "yes"}
    if role == "submitter":
        labels = {"job-name": "train"}
    pods = tuple(
        {
            "metadata": {"name": f"train-{name or role}-{i}", "namespace": NAMESPACE, "labels": labels},
            "spec": spec,
        }
        for i in range(count)
    )
    return PodGroup(role, name, pods)
