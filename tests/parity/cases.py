"""The inputs of a comparison: what users and operators commit, step by step, and what the clusters show.

All of it is the content of files, so nothing here depends on how plans are made. `draw` makes the random ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.parity.manifests import Machine, Thing, snapshot

Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Machines:
    """What a cluster has, whoever runs on it: nodes, and pools that its autoscaler told of."""

    nodes: tuple[Machine, ...]
    pools: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """An object that is seen on each cluster that got it. `state` is running, SUCCEEDED or FAILED."""

    thing: Thing
    state: str


@dataclass(frozen=True)
class Step:
    """What happens before a cycle, and how that cycle finds the world.

    `commits` are the users' in their order, None removes a file; `edits` are the operators'. The cycle is at `minute`.
    In a `guarded` step the guards may stop the plan; it is then made once more without them.
    """

    commits: tuple[tuple[str, bytes | None], ...]
    edits: Mapping[str, bytes | None] = field(default_factory=dict)
    machines: Mapping[str, Machines] = field(default_factory=dict)
    seen: tuple[Seen, ...] = ()
    strangers: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    minute: int = 0
    guarded: bool = False


@dataclass(frozen=True)
class Case:
    """A fleet repo and what becomes of it."""

    name: str
    start: Files
    steps: tuple[Step, ...]


def snapshots(step: Step, files: Files) -> dict[str, bytes]:
    """Return the snapshot files of a step: the machines, and what is seen on those clusters that `files` gave it to."""
    return {f"snapshots/{name}.yaml": _picture(name, machines, step, files) for name, machines in step.machines.items()}


def _picture(name: str, machines: Machines, step: Step, files: Files) -> bytes:
    free = {machine.name: machine.gpus for machine in machines.nodes}
    pods, ray = list[str](), list[str]()
    for seen in step.seen:
        one = seen.thing
        folder, file = f"clusters/{name}/{one.namespace}/", f"/{one.kind.lower()}-{one.name}.yaml"
        if not any(path.startswith(folder) and path.endswith(file) for path in files):
            continue
        if seen.state != "running":
            state = "Complete" if seen.state == "SUCCEEDED" else "Failed"
            ray.append(f"{{kind: RayJob, namespace: {one.namespace}, name: {one.name}, state: {state}, "
                       f"jobStatus: {seen.state}}}")  # fmt: skip
            continue
        owner = one.name if one.kind == "RayCluster" else f"{one.name}-abcde"
        if one.kind != "Deployment":
            ray.append(f"{{kind: RayCluster, namespace: {one.namespace}, name: {owner}, state: ready}}")
        pods += _pods(one, owner, free)
    for number, owner in enumerate(step.strangers):
        if owner == name and machines.nodes:
            node = machines.nodes[0].name
            pods.append(f"{{namespace: x, name: p{number}, node: {node}, requests: {{cpu: 1}}, deleting: true}}")
    return snapshot(name, [machine.part() for machine in machines.nodes], pods, ray, list(machines.pools))


def _pods(one: Thing, owner: str, free: dict[str, int]) -> Iterator[str]:
    """Yield the pods of an object as far as there are GPUs for them, each on the first node that has enough."""
    common = f"namespace: {one.namespace}, owner: {owner}"
    if one.kind != "Deployment" and free:
        node = next(iter(free))
        yield f"{{{common}, name: {owner}-h, node: {node}, requests: {{cpu: 1}}, nodeType: head}}"
    role = "" if one.kind == "Deployment" else ", nodeType: worker, labels: {ray.io/group: g}"
    for number in range(one.workers):
        found = next((name for name, gpus in free.items() if gpus >= one.gpus), None)
        if found is None:
            return
        free[found] -= one.gpus
        requests = f"{{cpu: {one.cpu}, nvidia.com/gpu: {one.gpus}}}"
        yield f"{{{common}, name: {owner}-w{number}, node: {found}, requests: {requests}{role}}}"


def story_case(name: str, start: Files, commits: Iterable[tuple[str, bytes]]) -> Case:
    """Return a case of one commit a step, a minute apart, as a demo plays it; the first step has none."""
    steps = (Step(()), *(Step((one,), minute=minute) for minute, one in enumerate(commits, 1)))
    return Case(f"story-{name}", start, steps)


def reasons(found: Iterable[tuple[str, str]]) -> str:
    """Return how often each action and reason occurs, a line each, most frequent first."""
    counts = Counter(found)
    return "\n".join(f"{count:7} {action} {reason}" for (action, reason), count in counts.most_common())
