"""Short ways to write manifests and to read them into objects and groups."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.manifests.loader import load
from reconciler.policy.dialects import read_policies
from reconciler.policy.model import SchedulePolicy
from reconciler.policy.priority_class import WELL_KNOWN, PriorityClasses
from reconciler.workloads.group import Group, Source, WorkloadObject
from reconciler.workloads.grouping import Grouping, group_objects
from reconciler.workloads.workloads import Workloads, read_workloads


def manifest(kind: str, name: str, more: str = "", api: str = "v1", metadata: str = "") -> str:
    """Write a manifest; `metadata` are more fields of its flow map, `more` are further lines."""
    beside = f", {metadata}" if metadata else ""
    return f"apiVersion: {api}\nkind: {kind}\nmetadata: {{name: {name}{beside}}}\n{more}\n"


def deployment(name: str, pod: str = "", metadata: str = "", replicas: int = 1) -> str:
    """Write a Deployment; `pod` are fields of its pods, as YAML flow."""
    spec = f"{{containers: [{{name: c, image: r}}]{f', {pod}' if pod else ''}}}"
    more = f"spec: {{replicas: {replicas}, template: {{spec: {spec}}}}}"
    return manifest("Deployment", name, more, "apps/v1", metadata)


def uses(config_map: str, *, optional: bool = False) -> str:
    """Write the field of a pod that mounts a ConfigMap."""
    return f"volumes: [{{name: v, configMap: {{name: {config_map}, optional: {str(optional).lower()}}}}}]"


def config_map(name: str, metadata: str = "") -> str:
    return manifest("ConfigMap", name, metadata=metadata)


def workloads(files: Mapping[str, str]) -> Workloads:
    """Read files by their path below `workloads/`; without a folder, they are in namespace `team`."""
    paths = {f"workloads/{path if '/' in path else f'team/{path}'}": text.encode() for path, text in files.items()}
    return read_workloads(paths, {})


def objects(*manifests: str) -> tuple[WorkloadObject, ...]:
    """Read manifests, each from a file of its own, into the objects of namespace `team`, in their order."""
    return workloads({f"{number:02}.yaml": text for number, text in enumerate(manifests)}).objects


def policy(name: str, fields: str = "", selects: str = "{}") -> SchedulePolicy:
    """Return a policy; `fields` are lines of its spec, `selects` its resourceSelectors."""
    text = (
        f"apiVersion: skyray.dev/v1alpha1\nkind: SchedulePolicy\nmetadata: {{name: {name}}}\nspec:\n"
        f"  resourceSelectors: {selects}\n"
    )
    text += "" if "namespaceSelector" in fields else "  namespaceSelector: {}\n"
    text += "".join(f"  {line}\n" for line in fields.splitlines())
    return read_policies(load(text.encode(), f"policies/{name}.yaml").documents)[0]


BY_APP = policy("by-app", "groupBy: {labelKey: app}")


def grouped(
    files: Mapping[str, str],
    *policies: SchedulePolicy,
    sources: Mapping[str, Source] | None = None,
    classes: PriorityClasses = WELL_KNOWN,
) -> Grouping:
    return group_objects(workloads(files), policies or (policy("all"),), sources or {}, classes)


def named(groups: Grouping) -> dict[str, Group]:
    return {group.key.name: group for group in groups.groups}


def keys(items: tuple[WorkloadObject, ...]) -> list[str]:
    return [f"{item.key.kind} {item.key.name}" for item in items]
