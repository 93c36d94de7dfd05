"""`skyray size` against the pods that the real KubeRay operator makes: of the samples in its module, and of our own.

Every Ray object of them is applied to one control plane, each in a namespace of its own, on nodes that have room for
all. The pods are then compared with the size: how many of each role and group, and what each of them requests, added up
here from what the API server stored, apart from SkyRay's own sums.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reconciler.manifests.loader import load
from reconciler.manifests.pod import effective_requests
from reconciler.manifests.quantity import Quantity, add_resources, max_resources, parse_resources
from reconciler.ray import rayspec
from reconciler.ray.demand import Demand, PodSet
from reconciler.ray.validation import Severity, problems
from reconciler.ray.workload import demand_of
from tests.e2e.conftest import StartControlPlanes
from tests.e2e.harness.control_plane import ControlPlane
from tests.e2e.harness.parts import module_dir
from tests.e2e.harness.processes import NotReady

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SAMPLES = module_dir("ray-operator") / "config" / "samples"
OWN = Path(__file__).parents[1] / "golden" / "size"
LEFT_OUT = {
    "ray-service.vllm-tpu-v6e-singlehost.yaml": "has $NAMES for a shell to fill in, so the API server refuses its pods",
    "ray-service.incremental-upgrade.yaml": "needs the gate RayServiceIncrementalUpgrade and the Gateway API's kinds",
}
EVERYTHING = {"cpu": "100000", "memory": "1000Ti", "ephemeral-storage": "1000Ti", "pods": "10000"}
Role = tuple[str, str]


@dataclass
class Sample:
    """One object of the samples, in its namespace, and what was seen of its pods (of one `run` if it has several)."""

    title: str
    body: dict[str, Any]
    demand: Demand
    run: str = ""
    most: Counter[Role] = field(default_factory=Counter)
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def expected(self) -> Counter[Role]:
        return Counter({(str(one.role), one.group): one.count for one in self.demand.pod_sets if one.count})

    @property
    def namespace(self) -> str:
        return self.demand.key.namespace


def ray_objects() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in (*sorted(SAMPLES.rglob("*.yaml")), *sorted(OWN.glob("*.yaml"))):
        data = file.read_bytes().replace(b": 0777", b": 511")  # an octal number, which SkyRay asks to write plainly
        for document in load(data, file.name).documents:
            if rayspec.is_ray(document.body) and file.name not in LEFT_OUT:
                yield file.name, document.body


def prepared(number: int, title: str, original: Mapping[str, Any]) -> Sample:
    """Give the object a namespace, a name where it has none, and a schedule that soon comes round."""
    body = copy.deepcopy(dict(original))
    metadata = body["metadata"]
    metadata["namespace"] = f"sample-{number}"
    if "generateName" in metadata:
        metadata["name"] = metadata.pop("generateName") + "0"
    if body["kind"] == rayspec.RAY_CRON_JOB:
        body["spec"]["schedule"] = "@every 15s"
    if "kueue.x-k8s.io/queue-name" in metadata.get("labels", {}):
        body["spec"].pop("suspend")  # nobody admits it here
    demand = demand_of(body)
    assert demand is not None
    return Sample(title, body, demand)


def add_nodes(plane: ControlPlane, samples: list[Sample]) -> None:
    """Add a node for each way in which the samples choose nodes, with room for everything they name."""
    shapes = [one.shape for sample in samples for one in sample.demand.pod_sets]
    devices = {name: "100000" for shape in shapes for name in shape.requests if "/" in name}
    wishes = {tuple(sorted(shape.node_selector.items())) for shape in shapes} | {()}
    for number, labels in enumerate(sorted(wishes)):
        plane.add_node(f"roomy-{number}", {**EVERYTHING, **devices}, dict(labels))


def role_of(pod: Mapping[str, Any]) -> Role:
    labels = pod["metadata"].get("labels") or {}
    kind = labels.get("ray.io/node-type")
    return (kind, labels["ray.io/group"]) if kind else ("submitter", "")


def of_run(pod: Mapping[str, Any], run: str) -> bool:
    """Tell whether a pod is the submitter of the RayJob `run`, or of the RayCluster that it made."""
    labels = pod["metadata"].get("labels") or {}
    name: str = labels.get("job-name", labels.get("ray.io/cluster", ""))
    return name.startswith(run)


def look(plane: ControlPlane, samples: dict[str, Sample]) -> bool:
    """Take in what pods there are; tell whether every sample has had all of its pods."""
    now: dict[str, Counter[Role]] = {}
    for pod in plane.pods():
        sample = samples.get(pod["metadata"]["namespace"])
        if sample is not None and of_run(pod, sample.run):
            sample.pods.setdefault(pod["metadata"]["uid"], pod)
            now.setdefault(sample.namespace, Counter())[role_of(pod)] += 1
    for namespace, counted in now.items():
        samples[namespace].most |= counted
    return all(sample.expected <= sample.most for sample in samples.values())


def stored_requests(pod: Mapping[str, Any]) -> dict[str, Quantity]:
    """Play the pod's life with the requests that the API server stored: the most that runs at one time."""
    lasting: dict[str, Quantity] = {}
    peak: dict[str, Quantity] = {}
    for container in pod["spec"].get("initContainers", ()):
        own = parse_resources(container["resources"].get("requests"))
        peak = max_resources(peak, add_resources(lasting, own))
        if container.get("restartPolicy") == "Always":
            lasting = add_resources(lasting, own)
    for container in pod["spec"]["containers"]:
        lasting = add_resources(lasting, parse_resources(container["resources"].get("requests")))
    return max_resources(peak, lasting)


@pytest.fixture(scope="module")
def samples(control_planes: StartControlPlanes) -> list[Sample]:
    found = [prepared(number, title, body) for number, (title, body) in enumerate(ray_objects())]
    gates = {"ray-operator": ["--feature-gates=RayCronJob=true"]}
    [plane] = control_planes("samples", arguments=gates)
    add_nodes(plane, found)
    for sample in sorted(found, key=lambda one: one.body["kind"] == rayspec.RAY_CRON_JOB):
        plane.add_namespace(sample.namespace)
        at_hand = [existing_cluster(sample)] if "clusterSelector" in sample.body["spec"] else []
        plane.apply([*at_hand, sample.body])
    for sample in found:
        if sample.body["kind"] == rayspec.RAY_CRON_JOB:
            sample.run = first_run(plane, sample.namespace, sample.demand.key.name)
    by_namespace = {sample.namespace: sample for sample in found}
    with suppress(NotReady):  # the tests below name each sample that differs
        plane.wait(lambda: look(plane, by_namespace), timeout=180, what="all pods of all samples")
    return found


def first_run(plane: ControlPlane, namespace: str, name: str) -> str:
    """Wait for the first run of a RayCronJob, prevent further ones (one may have come meanwhile), return its name."""
    kinds = f"/apis/ray.io/v1/namespaces/{namespace}"
    plane.wait(lambda: plane.request("GET", f"{kinds}/rayjobs")["items"], what="the first run of a RayCronJob")
    plane.request("PATCH", f"{kinds}/raycronjobs/{name}", {"spec": {"suspend": True}})
    runs = [one["metadata"] for one in plane.request("GET", f"{kinds}/rayjobs")["items"]]
    first: str = min(runs, key=lambda run: run["creationTimestamp"])["name"]
    return first


def existing_cluster(sample: Sample) -> dict[str, Any]:
    """Return the RayCluster that the job picks; its pods are expected beside the job's own."""
    name = sample.body["spec"]["clusterSelector"]["ray.io/cluster"]
    _, body = next((title, body) for title, body in ray_objects() if title == "ray-cluster.sample.yaml")
    cluster = {**body, "metadata": {"name": name, "namespace": sample.namespace}}
    demand = demand_of(cluster)
    assert demand is not None
    sample.demand = Demand(sample.demand.key, (*demand.pod_sets, *sample.demand.pod_sets))
    return cluster


def test_all_samples_are_there_but_those_left_out_by_name(samples: list[Sample]) -> None:
    files = {file.name for file in SAMPLES.rglob("*.yaml")}
    assert LEFT_OUT.keys() <= files
    assert len(samples) >= 75


def test_skyray_finds_nothing_wrong_with_the_samples(samples: list[Sample]) -> None:
    found = {s.title: p.message for s in samples for p in problems(s.body) if p.severity is Severity.ERROR}
    assert found == {}


def test_the_operator_makes_as_many_pods_of_each_group(samples: list[Sample]) -> None:
    wrong = {s.title: (dict(s.expected), dict(s.most)) for s in samples if s.expected != s.most}
    assert wrong == {}


def pods_with_sizes(samples: list[Sample]) -> Iterator[tuple[Sample, dict[str, Any], PodSet]]:
    """Yield each pod that was seen of each sample, with what SkyRay says of pods of its role and group."""
    for sample in samples:
        sizes = {(str(one.role), one.group): one for one in sample.demand.pod_sets}
        for pod in sample.pods.values():
            yield sample, pod, sizes[role_of(pod)]


def test_each_pod_requests_what_was_said(samples: list[Sample]) -> None:
    wrong = []
    for sample, pod, size in pods_with_sizes(samples):
        stored = stored_requests(pod)
        if size.requests != stored or effective_requests(pod["spec"]) != stored:
            texts = ({k: str(v) for k, v in one.items()} for one in (size.requests, stored))
            wrong.append((sample.title, role_of(pod), *texts))
    assert wrong == []


def test_each_pod_has_the_labels_that_selectors_see(samples: list[Sample]) -> None:
    wrong = []
    for sample, pod, size in pods_with_sizes(samples):
        actual = pod["metadata"]["labels"]
        for key, value in size.shape.labels.items():
            prefix = value.removesuffix("*")
            if not (actual.get(key) == value or (prefix != value and actual.get(key, "").startswith(prefix))):
                wrong.append((sample.title, role_of(pod), key, value, actual.get(key)))
    assert wrong == []
