"""Short ways to say groups, copies of groups on clusters, and placed groups, from manifests as text."""

from __future__ import annotations

from dataclasses import replace

from reconciler.errors import Place
from reconciler.manifests.identity import ObjectKey
from reconciler.placement.model import Phase
from reconciler.placement.placed_group import PlacedGroup
from reconciler.policy.model import SchedulePolicy
from reconciler.workloads.cluster_copy import ClusterCopy
from reconciler.workloads.group import Group, GroupKey, Source, WorkloadObject
from tests.unit.workloads.reading import manifest, objects, policy

TEAM = "team"
RULES = policy("p")
WEB_FILE, JOB_FILE = "workloads/team/web.yaml", "workloads/team/train.yaml"


def key(name: str) -> GroupKey:
    return GroupKey(TEAM, name)


def from_file(item: WorkloadObject, file: str) -> WorkloadObject:
    """Return an object as if it came from another file of `workloads/`."""
    return replace(item, place=Place(file))


def app(name: str = "web", replicas: int = 1, pod: str = "", cpu: int = 0) -> WorkloadObject:
    """A Deployment, which makes pods and does not run once; `pod` are more fields of its pods, as YAML flow."""
    resources = f', resources: {{requests: {{cpu: "{cpu}"}}}}' if cpu else ""
    spec = f"{{containers: [{{name: c, image: r{resources}}}]{f', {pod}' if pod else ''}}}"
    template = f"{{metadata: {{labels: {{app: {name}}}}}, spec: {spec}}}"
    more = f"spec: {{replicas: {replicas}, template: {template}}}"
    return from_file(objects(manifest("Deployment", name, more, "apps/v1"))[0], f"workloads/team/{name}.yaml")


def job(name: str = "train", cpu: int = 1) -> WorkloadObject:
    """A RayJob, which runs once: a head of so many cores."""
    head = f'{{requests: {{cpu: "{cpu}"}}}}'
    template = f"{{spec: {{containers: [{{name: h, image: r, resources: {head}}}]}}}}"
    ray = f"{{headGroupSpec: {{rayStartParams: {{}}, template: {template}}}}}"
    spec = f"spec: {{entrypoint: python train.py, submissionMode: HTTPMode, rayClusterSpec: {ray}}}"
    return from_file(objects(manifest("RayJob", name, spec, "ray.io/v1"))[0], f"workloads/team/{name}.yaml")


def config_map(name: str = "code", value: str = "1") -> WorkloadObject:
    """A companion: it makes no pods."""
    item = objects(manifest("ConfigMap", name, f"data: {{value: {value!r}}}"))[0]
    return from_file(item, f"workloads/team/{name}.yaml")


def group(
    name: str, *members: WorkloadObject, companions: tuple[WorkloadObject, ...] = (), rules: SchedulePolicy = RULES
) -> Group:
    """A group as `workloads/` asks for it."""
    return Group(key(name), rules, members, companions, Source("a" * 40, 0))


def copy_on(cluster: str, *items: WorkloadObject, share: int = 100, since: int = 0) -> ClusterCopy:
    """What a cluster has of a group: the objects as they were admitted."""
    return ClusterCopy(cluster, items, items, share=share, since=since)


def placed(name: str, *copies: ClusterCopy, reason: str = "FitsNow") -> PlacedGroup:
    """A group that has these copies; without any it waits."""
    sources = sorted({item.place.file for copy in copies for item in copy.admitted})
    phase = Phase.PLACED if copies else Phase.PENDING
    return PlacedGroup(key(name), "p", copies, phase, reason, "the pod fits", sources=tuple(sources))


def keys_of(*items: WorkloadObject) -> frozenset[ObjectKey]:
    return frozenset(item.key for item in items)
