"""Small fleets for tests: files of a fleet repo as text, a snapshot, and cycles that carry plans out on them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random

from reconciler.fleet.observers.snapshot_source import RepoFiles, SnapshotSource
from reconciler.fleet.snapshot import ClusterSnapshot, FleetSnapshot, Unreadable
from reconciler.fleet.snapshot_file import fleet_snapshot
from reconciler.placement.decision import Decision
from reconciler.planning.files import Files, blob_id
from reconciler.planning.namespaces import Sources
from reconciler.planning.pipeline import plan
from reconciler.planning.plan import Plan
from reconciler.planning.plan_cache import PlanCache
from reconciler.planning.state import RepoState, read_state
from reconciler.policy.model import NAME_LABEL
from reconciler.repo.contents import Contents, HeldContents
from reconciler.repo.folder import SYMLINK_MODE, Entry, folder_of
from reconciler.workloads.group import Source

NOW = 1_800_000_000.0


def text(value: str) -> bytes:
    return textwrap.dedent(value).strip().encode() + b"\n"


def fleet_file(more: str = "") -> bytes:
    """The file fleet.yaml; `more` are further fields of its spec, as YAML flow."""
    beside = f", {more}" if more else ""
    return text(f"""
apiVersion: skyray.dev/v1alpha1
kind: Fleet
metadata: {{name: test}}
spec: {{engine: argocd{beside}}}
""")


def cluster(name: str, *, labels: str = "{}", spec: str = "") -> bytes:
    more = textwrap.indent(textwrap.dedent(spec).strip(), "  ")
    return text(f"""
apiVersion: skyray.dev/v1alpha1
kind: Cluster
metadata: {{name: {name}, labels: {labels}}}
spec:
  access: {{snapshot: {{file: snapshots/{name}.yaml}}}}
{more}
""")


GROWS = """
autoscaler:
  kind: ClusterAutoscaler
  nodePools:
    - {name: l4, maxNodes: 8, allocatable: {cpu: "15", memory: 58Gi, nvidia.com/gpu: "1", pods: "110"}}
"""


def picture(name: str, *nodes: str, pods: tuple[str, ...] = (), ray: tuple[str, ...] = ()) -> bytes:
    """A snapshot file; nodes, pods and Ray statuses are YAML flow maps."""
    lines = [f"apiVersion: skyray.dev/v1alpha1\nkind: ClusterSnapshot\nmetadata: {{name: {name}}}"]
    for title, items in (("nodes", nodes), ("pods", pods), ("ray", ray)):
        lines.append(f"{title}:" + ("".join(f"\n  - {item}" for item in items) or " []"))
    return "\n".join(lines).encode() + b"\n"


def node(name: str, gpus: int = 1, cpu: str = "8", memory: str = "32Gi", more: str = "") -> str:
    gpu = f", nvidia.com/gpu: {gpus}" if gpus else ""
    return f'{{name: {name}, allocatable: {{cpu: "{cpu}", memory: {memory}, pods: 110{gpu}}}{more}}}'


def nodes(count: int) -> tuple[str, ...]:
    """Nodes n0, n1, ... with one GPU and 8 cores each, for `picture`."""
    return tuple(node(f"n{i}") for i in range(count))


def plain_clusters(**nodes_of: tuple[str, ...]) -> dict[str, tuple[bytes, bytes]]:
    """Clusters by name with these nodes and nothing else, for `Fleet.of`."""
    return {name: (cluster(name), picture(name, *shown)) for name, shown in nodes_of.items()}


def cpu_clusters(**cores: int) -> dict[str, tuple[bytes, bytes]]:
    """Clusters by name with one node n0 of so many cores and no GPU, for `Fleet.of`."""
    return plain_clusters(**{name: (node("n0", gpus=0, cpu=str(cpu)),) for name, cpu in cores.items()})


def named(name: str) -> str:
    """The label selector, as YAML flow, of the cluster or the namespace of this name."""
    return f"{{matchLabels: {{{NAME_LABEL}: {name}}}}}"


def policy(name: str, spec: str = "", *, namespaces: str = "{}", objects: str = "{}") -> bytes:
    """A policy; which namespaces and which objects it selects is YAML flow, and without it all are."""
    more = textwrap.indent(textwrap.dedent(spec).strip(), "  ")
    return text(f"""
apiVersion: skyray.dev/v1alpha1
kind: SchedulePolicy
metadata: {{name: {name}}}
spec:
  namespaceSelector: {namespaces}
  resourceSelectors: {objects}
{more}
""")


def own_policy(namespace: str, spec: str) -> bytes:
    """The policy of one namespace, which has its name."""
    return policy(namespace, spec, namespaces=named(namespace))


def ordered(*clusters: str) -> str:
    names = ", ".join(clusters)
    return f"orderedClusterSelector: {{matchExpressions: [{{key: {NAME_LABEL}, operator: In, values: [{names}]}}]}}"


def ray_job(
    name: str, *, workers: int = 2, gpus: int = 1, cpu: str = "1", labels: str = "{}", config: str = "", more: str = ""
) -> bytes:
    """A RayJob with a CPU head and GPU workers; `config` names a ConfigMap that the head mounts."""
    resources = f'{{requests: {{cpu: "{cpu}", nvidia.com/gpu: "{gpus}"}}, limits: {{nvidia.com/gpu: "{gpus}"}}}}'
    return text(f"""
apiVersion: ray.io/v1
kind: RayJob
metadata: {{name: {name}, labels: {labels}}}
spec:
  entrypoint: python train.py
  shutdownAfterJobFinishes: true
  {more or "submissionMode: K8sJobMode"}
  rayClusterSpec:
    headGroupSpec:
      rayStartParams: {{}}
      template: {_head("1", config)}
    workerGroupSpecs:
      - groupName: gpu-group
        replicas: {workers}
        minReplicas: {workers}
        maxReplicas: {workers}
        rayStartParams: {{}}
        template: {{spec: {{containers: [{{name: ray-worker, image: r, resources: {resources}}}]}}}}
""")


def ray_cluster(name: str, *, cpu: str = "1", labels: str = "{}", config: str = "") -> bytes:
    """A RayCluster that is a head alone; `config` names a ConfigMap that it mounts."""
    return text(f"""
apiVersion: ray.io/v1
kind: RayCluster
metadata: {{name: {name}, labels: {labels}}}
spec:
  headGroupSpec:
    rayStartParams: {{}}
    template: {_head(cpu, config)}
""")


def _head(cpu: str, config: str) -> str:
    """The pod template of a head, as YAML flow."""
    volumes = f", volumes: [{{name: code, configMap: {{name: {config}}}}}]" if config else ""
    container = f'{{name: ray-head, image: r, resources: {{requests: {{cpu: "{cpu}"}}}}}}'
    return f"{{spec: {{containers: [{container}]{volumes}}}}}"


def pinned(manifest: bytes, cluster_: str) -> bytes:
    """The manifest of an object without labels, which its annotation pins to a cluster."""
    assert b"labels: {}" in manifest
    return manifest.replace(b"labels: {}", f"annotations: {{skyray.dev/cluster: {cluster_}}}".encode())


def ended(namespace: str, name: str, status: str, reason: str = "") -> str:
    """What is seen of a RayJob that has ended, for `picture`."""
    state = "Complete" if status == "SUCCEEDED" else "Failed"
    why = f", reason: {reason}" if reason else ""
    return f"{{kind: RayJob, namespace: {namespace}, name: {name}, state: {state}, jobStatus: {status}{why}}}"


def config_map(name: str, value: str = "print(1)", labels: str = "{}") -> bytes:
    return text(f"""
apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}, labels: {labels}}}
data: {{code.py: "{value}"}}
""")


@dataclass
class Fleet:
    """Files of a fleet repo that plans are carried out on."""

    files: dict[str, bytes] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)
    order: dict[str, float] = field(default_factory=dict)
    revision: int = 0
    modes: dict[str, str] = field(default_factory=dict)
    """The modes of files that are not plain, as git writes them."""
    cache: PlanCache = field(default_factory=PlanCache, compare=False, repr=False)
    """What its cycles keep from one to the next."""

    @classmethod
    def of(cls, clusters: Mapping[str, tuple[bytes, bytes]], policies: Mapping[str, bytes]) -> Fleet:
        """`clusters`: name -> (inventory file, snapshot file)."""
        fleet = cls({"fleet.yaml": fleet_file()})
        for name, (inventory, snapshot) in clusters.items():
            fleet.files[f"inventory/{name}.yaml"] = inventory
            fleet.files[f"snapshots/{name}.yaml"] = snapshot
        fleet.files |= {f"policies/{name}.yaml": data for name, data in policies.items()}
        return fleet

    def commit(self, path: str, data: bytes | None) -> None:
        """A user's commit of one file; None removes it."""
        self.revision += 1
        self.order[path] = self.revision
        self._write(path, data)

    def link(self, path: str, to: str) -> None:
        """A user's commit of a symbolic link."""
        self.commit(path, to.encode())
        self.modes[path] = SYMLINK_MODE

    def show(self, name: str, *shown: str, pods: tuple[str, ...] = (), ray: tuple[str, ...] = ()) -> None:
        """From now on a cluster is seen with these nodes, pods and Ray statuses."""
        self.files[f"snapshots/{name}.yaml"] = picture(name, *shown, pods=pods, ray=ray)

    def shuffled(self, dice: Random) -> Fleet:
        """The same repo at the same revision, with its files in another order."""
        paths = list(self.files)
        dice.shuffle(paths)
        files = {path: self.files[path] for path in paths}
        return Fleet(files, dict(self.unusable), dict(self.order), self.revision, dict(self.modes))

    def state(self, cache: PlanCache | None = None, files: Files | None = None) -> RepoState:
        """Return what is read at this revision; `files` are those of `read`, where they were made already."""
        return read_state(f"{self.revision:040x}", files or self.read(), self.sources(), cache)

    def read(self, contents: Contents | None = None) -> Files:
        """Return what a plan reads of the files, with their modes; `contents` are read in place of the own ones."""
        entries = []
        unusable = dict(self.unusable)
        for path, data in self.files.items():
            if path.startswith("snapshots/"):
                continue
            entry = Entry(path, self.modes.get(path, "100644"), blob_id(data))
            entries.append(entry)
            if not entry.is_file:
                unusable[path] = "is a symbolic link"
        return Files.lazy(folder_of(entries), unusable, contents or HeldContents(self.files))

    def sources(self) -> Sources:
        """Return which commit changed each file last."""

        def of(paths: Iterable[str]) -> dict[str, Source]:
            known = {path: self.order[path] for path in paths if path in self.order}
            return {path: Source(f"{int(number):040x}", number) for path, number in known.items()}

        def version(namespace: str) -> tuple[tuple[str, float], ...]:
            folder = f"workloads/{namespace}/"
            return tuple(sorted((path, number) for path, number in self.order.items() if path.startswith(folder)))

        return Sources(of, version)

    def snapshot(self, unreadable: tuple[str, ...] = ()) -> FleetSnapshot:
        source, pictures = SnapshotSource(), list[ClusterSnapshot | Unreadable]()
        for cluster_ in self.state().clusters:
            if cluster_.name in unreadable:
                pictures.append(Unreadable(cluster_.name, "connection refused", NOW))
            else:
                pictures.append(source.read(cluster_, RepoFiles(self.files.get, NOW)))
        return fleet_snapshot(pictures)

    def plan(self, *, unreadable: tuple[str, ...] = (), allow_removals: bool = False, now: float = NOW) -> Plan:
        """Plan as somebody does who plans for the first time."""
        return self._plan(unreadable, now, None, allow_removals=allow_removals)

    def cycle(self, *, unreadable: tuple[str, ...] = (), allow_removals: bool = False, now: float = NOW) -> Plan:
        """Plan as a running service does, and carry the plan's commits out on the files."""
        self.cache.start_generation()
        made = self._plan(unreadable, now, self.cache, allow_removals=allow_removals)
        self.carry_out(made)
        return made

    def _plan(self, unreadable: tuple[str, ...], now: float, cache: PlanCache | None, *, allow_removals: bool) -> Plan:
        made = plan(self.state(cache), self.snapshot(unreadable), now, cache)
        if not allow_removals:
            made.guard.check()
        return made

    def carry_out(self, made: Plan) -> None:
        """Change the files as the plan's commits do."""
        for draft in made.drafts:
            for path, data in draft.changes.items():
                self._write(path, data)

    def _write(self, path: str, data: bytes | None) -> None:
        self.modes.pop(path, None)
        if data is None:
            del self.files[path]
        else:
            self.files[path] = data

    def rendered(self) -> dict[str, bytes]:
        own = ("clusters/", "placements/")
        return {path: data for path, data in self.files.items() if path.startswith(own)}


def where(fleet: Fleet) -> dict[str, str]:
    """The clusters of each group, joined by commas; of one that waits, nothing."""
    return {str(key): ",".join(placed.clusters) for key, placed in fleet.state().placements.items()}


def decision(made: Plan, namespace: str, name: str) -> Decision:
    return next(d for d in made.decisions if (d.group.namespace, d.group.name) == (namespace, name))


GROUPED = ordered("static") + "\nplacement: {require: Fit}\ngroupBy: {labelKey: app}"
"""A policy's spec: the label `app` makes groups, which wait until they fit the cluster static."""


def static_and_dynamic(spec: str = ordered("static", "dynamic")) -> Fleet:
    """The demo's fleet: four single-GPU nodes, and a cluster that can grow; `spec` is that of its policy spill."""
    return Fleet.of(
        {
            "static": (cluster("static"), picture("static", *nodes(4))),
            "dynamic": (cluster("dynamic", spec=GROWS), picture("dynamic", node("sys", gpus=0, cpu="2"))),
        },
        {"spill": policy("spill", spec)},
    )
