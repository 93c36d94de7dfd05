"""Texts of the files in a random fleet's repo: its workloads, policies, clusters and snapshots.

They are written out here and not taken from the helpers of other tests, so that the inputs of a comparison stay the
same whatever becomes of those.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

GPU = "nvidia.com/gpu"
NAME = "kubernetes.io/metadata.name"

LIVE_POOL = '{name: live, maxNodes: 2, existing: 0, allocatable: {cpu: "15", memory: 58Gi, nvidia.com/gpu: "1"}}'
GROWS = """
autoscaler:
  kind: ClusterAutoscaler
  nodePools:
    - {name: l4, maxNodes: 3, allocatable: {cpu: "15", memory: 58Gi, nvidia.com/gpu: "1", pods: "110"}}
"""
FEWER_WORKERS = """
overrides:
  - clusterSelector: {matchLabels: {class: gpu}}
    target: {kind: RayJob}
    patch: [{op: replace, path: /spec/rayClusterSpec/workerGroupSpecs/0/replicas, value: 1},
            {op: replace, path: /spec/rayClusterSpec/workerGroupSpecs/0/minReplicas, value: 1},
            {op: replace, path: /spec/rayClusterSpec/workerGroupSpecs/0/maxReplicas, value: 1}]
  - clusterSelector: {matchLabels: {class: gpu}}
    target: {kind: Deployment}
    patch: [{op: replace, path: /spec/replicas, value: 2}]
"""
WRONG_OVERRIDE = """
overrides:
  - clusterSelector: {matchLabels: {class: gpu}}
    target: {kind: Deployment}
    patch: [{op: replace, path: /spec/nothing, value: 2}]
"""


@dataclass(frozen=True)
class Thing:
    """One object of a user. `tier` is a label that one policy looks at, `to` the RayCluster that a job runs on."""

    kind: str
    namespace: str
    name: str
    path: str
    app: str = ""
    tier: str = ""
    workers: int = 1
    gpus: int = 1
    cpu: str = "1"
    config: str = ""
    pin: str = ""
    to: str = ""
    fault: str = ""

    def manifest(self) -> bytes:
        """Return the object as a document of its file."""
        if self.fault == "file":
            return b"kind: [\n"
        if self.fault == "namespace":
            return b"apiVersion: v1\nkind: Namespace\nmetadata: {name: other}\n"
        return _MAKERS[self.kind](self)


@dataclass(frozen=True)
class Machine:
    """A node of a cluster."""

    name: str
    gpus: int
    cpu: int

    def part(self) -> str:
        """Return it as an item of a snapshot file."""
        gpu = f", {GPU}: {self.gpus}" if self.gpus else ""
        return f'{{name: {self.name}, allocatable: {{cpu: "{self.cpu}", memory: 64Gi, pods: 110{gpu}}}}}'


def text(value: str) -> bytes:
    """Return `value` without its indentation, as the content of a file."""
    return textwrap.dedent(value).strip().encode() + b"\n"


def snapshot(name: str, nodes: list[str], pods: list[str], ray: list[str], pools: list[str]) -> bytes:
    """Return a snapshot file; its parts are YAML flow maps."""
    lines = [f"apiVersion: skyray.dev/v1alpha1\nkind: ClusterSnapshot\nmetadata: {{name: {name}}}"]
    for title, items in (("nodes", nodes), ("pods", pods), ("ray", ray)):
        lines.append(f"{title}:" + ("".join(f"\n  - {item}" for item in items) or " []"))
    if pools:
        lines.append("pools:" + "".join(f"\n  - {item}" for item in pools))
    return "\n".join(lines).encode() + b"\n"


def inventory(name: str, labels: str, more: str = "") -> bytes:
    """Return an inventory file; `more` are further fields of its spec."""
    spec = textwrap.indent(textwrap.dedent(more).strip(), "  ")
    return (
        f"apiVersion: skyray.dev/v1alpha1\nkind: Cluster\nmetadata: {{name: {name}, labels: {labels}}}\n"
        f"spec:\n  access: {{snapshot: {{file: snapshots/{name}.yaml}}}}\n{spec}\n"
    ).encode()


def policy(name: str, spec: str, resources: str = "{}") -> bytes:
    """Return a policy for the namespace of its name."""
    more = textwrap.indent(textwrap.dedent(spec).strip(), "  ")
    return (
        f"apiVersion: skyray.dev/v1alpha1\nkind: SchedulePolicy\nmetadata: {{name: {name}}}\nspec:\n"
        f"  namespaceSelector: {{matchLabels: {{{NAME}: {name}}}}}\n  resourceSelectors: {resources}\n{more}\n"
    ).encode()


def ordered(clusters: list[str]) -> str:
    """Return the field of a policy that tries `clusters` in their order."""
    values = f"[{{key: {NAME}, operator: In, values: [{', '.join(clusters)}]}}]"
    return f"orderedClusterSelector: {{matchExpressions: {values}}}"


def tenant(name: str, namespaces: str, gpus: int, more: str = "") -> bytes:
    """Return a tenant with a quota of GPUs."""
    return (
        f"apiVersion: skyray.dev/v1alpha1\nkind: Tenant\nmetadata: {{name: {name}}}\nspec:\n"
        f'  namespaces: {namespaces}\n  quota: {{requests: {{{GPU}: "{gpus}"}}}}\n  {more}\n'
    ).encode()


def fleet(settings: str) -> bytes:
    """Return fleet.yaml; `settings` are further fields of its spec, as YAML flow."""
    spec = f"{{engine: argocd{settings and f', {settings}'}}}"
    return text(f"apiVersion: skyray.dev/v1alpha1\nkind: Fleet\nmetadata: {{name: parity}}\nspec: {spec}")


def addon(name: str, provides: str, more: str) -> bytes:
    """Return an add-on of one chart."""
    chart = "{repo: https://charts.example.com, chart: operator, version: 1.0.0, namespace: system}"
    return (
        f"apiVersion: skyray.dev/v1alpha1\nkind: AddOn\nmetadata: {{name: {name}}}\nspec:\n  provides: {provides}\n"
        f"  steps: [{{name: operator, helm: {chart}}}]\n  {more}\n"
    ).encode()


def _head(one: Thing, api: str) -> str:
    labels = ", ".join(f"{key}: {value}" for key, value in (("app", one.app), ("tier", one.tier)) if value)
    if one.fault == "label":
        labels = "app: 3"
    pin = f", annotations: {{skyray.dev/cluster: {one.pin}}}" if one.pin else ""
    return f"apiVersion: {api}\nkind: {one.kind}\nmetadata: {{name: {one.name}, labels: {{{labels}}}{pin}}}\n"


def _pod(one: Thing, name: str, *, worker: bool) -> str:
    """Return a pod spec as YAML flow: a worker asks for GPUs, anything else mounts the ConfigMap."""
    gpu = f", {GPU}: {one.gpus}" if worker and one.gpus else ""
    limits = f", limits: {{{GPU}: {one.gpus}}}" if gpu else ""
    cpu = one.cpu if worker else "1"
    shut = ", securityContext: {privileged: true}" if one.fault == "privileged" else ""
    volumes = f", volumes: [{{name: code, configMap: {{name: {one.config}}}}}]" if one.config and name != "w" else ""
    resources = f'{{requests: {{cpu: "{cpu}"{gpu}}}{limits}}}'
    return f"{{containers: [{{name: {name}, image: r{shut}, resources: {resources}}}]{volumes}}}"


def _ray_spec(one: Thing, indent: str) -> str:
    count = one.workers
    replicas = f"replicas: {count}, minReplicas: {count}, maxReplicas: {count}"
    low = f"replicas: {count}, minReplicas: 9, maxReplicas: {count}"
    group = (
        f"{{groupName: g, {low if one.fault == 'field' else replicas}, rayStartParams: {{}}, "
        f"template: {{spec: {_pod(one, 'w', worker=True)}}}}}"
    )
    lines = (
        f"headGroupSpec: {{rayStartParams: {{}}, template: {{spec: {_pod(one, 'h', worker=False)}}}}}",
        f"workerGroupSpecs: [{group}]",
    )
    return "".join(f"{indent}{line}\n" for line in lines)


def _ray_job(one: Thing) -> bytes:
    body = f"{_head(one, 'ray.io/v1')}spec:\n  entrypoint: python train.py\n"
    if one.to:
        return f"{body}  clusterSelector: {{ray.io/cluster: {one.to}}}\n".encode()
    more = "  shutdownAfterJobFinishes: true\n  submissionMode: K8sJobMode\n  rayClusterSpec:\n"
    return f"{body}{more}{_ray_spec(one, '    ')}".encode()


def _ray_cluster(one: Thing) -> bytes:
    return f"{_head(one, 'ray.io/v1')}spec:\n{_ray_spec(one, '  ')}".encode()


def _ray_service(one: Thing) -> bytes:
    serve = "{applications: [{name: a, import_path: a:b, route_prefix: /}]}"
    spec = f"spec:\n  serveConfigV2: '{serve}'\n  rayClusterConfig:\n"
    return f"{_head(one, 'ray.io/v1')}{spec}{_ray_spec(one, '    ')}".encode()


def _deployment(one: Thing) -> bytes:
    replicas = -1 if one.fault == "field" else one.workers
    template = f"{{metadata: {{labels: {{run: {one.name}}}}}, spec: {_pod(one, 'main', worker=True)}}}"
    spec = f"spec:\n  replicas: {replicas}\n  selector: {{matchLabels: {{run: {one.name}}}}}\n  template: {template}\n"
    return f"{_head(one, 'apps/v1')}{spec}".encode()


def _job(one: Thing) -> bytes:
    pod = _pod(one, "main", worker=True).removesuffix("}") + ", restartPolicy: Never}"
    count = -1 if one.fault == "field" else one.workers
    spec = f"spec: {{parallelism: {count}, completions: {one.workers}, template: {{spec: {pod}}}}}\n"
    return f"{_head(one, 'batch/v1')}{spec}".encode()


def _config_map(one: Thing) -> bytes:
    return f'{_head(one, "v1")}data: {{code.py: "print({one.workers})"}}\n'.encode()


_MAKERS = {
    "RayJob": _ray_job,
    "RayCluster": _ray_cluster,
    "RayService": _ray_service,
    "Deployment": _deployment,
    "Job": _job,
    "ConfigMap": _config_map,
}
