"""What SkyRay renders, synced by the real Argo CD and the real Flux to clusters that have nothing at first.

A management cluster runs the engine; two workload clusters get KubeRay and the rest by add-ons, then workloads. The
fleet repo is what `skyray init` makes, with the addresses in it; the engine reaches them through `harness.internet`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.service.scaffold import lay_down
from tests.e2e.conftest import StartControlPlanes
from tests.e2e.harness import upstream
from tests.e2e.harness.api import ApiError, Object
from tests.e2e.harness.argocd import ArgoCD
from tests.e2e.harness.control_plane import CONTROLLERS, ControlPlane
from tests.e2e.harness.engine import RealEngine
from tests.e2e.harness.fleet import Dashboards, Fleet
from tests.e2e.harness.flux import Flux
from tests.e2e.jobs import GPU_NODE, RAY_JOB, await_gang, manifest, nothing_left, small_job_on
from tests.integration.git_http import make_bare

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

FIRST, SECOND = "gpu-1", "gpu-2"
_DEPLOYMENTS = ("deployment-controller", "replicaset-controller")
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_OPERATOR = "/apis/apps/v1/namespaces/kuberay-system/deployments/kuberay-operator"
_NOTES = "/api/v1/namespaces/platform/configmaps/notes"
_CLASSES = "addons/priorities"
ADD_ONS = ("addons/kuberay/addon.yaml", f"{_CLASSES}/addon.yaml")
ADD_ON = """\
apiVersion: skyray.dev/v1alpha1
kind: AddOn
metadata: {name: priorities}
spec:
  dependsOn: [kuberay]
  steps:
    - {name: classes, manifests: true}
"""
CLASSES = """\
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: training}
value: 1000
---
apiVersion: v1
kind: Namespace
metadata: {name: platform}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: notes, namespace: platform}
data: {text: "${NOT_SUBSTITUTED}"}
"""


@dataclass(frozen=True)
class Rig:
    """A fleet of two clusters with a real engine, which has brought them their add-ons."""

    fleet: Fleet
    engine: RealEngine
    dashboards: Dashboards

    @property
    def planes(self) -> tuple[ControlPlane, ControlPlane]:
        return self.fleet.planes[FIRST], self.fleet.planes[SECOND]


@pytest.fixture(scope="module", params=[ArgoCD, Flux], ids=["argocd", "flux"])
def rig(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    control_planes: StartControlPlanes,
) -> Iterator[Rig]:
    with Dashboards() as dashboards:
        yield from _rig(request.param, tmp_path_factory.mktemp(request.param.name), control_planes, dashboards)


def _rig(
    kind: type[RealEngine], directory: Path, control_planes: StartControlPlanes, dashboards: Dashboards
) -> Iterator[Rig]:
    [management] = control_planes("management", kuberay=False, kwok=False, scheduler=False)
    planes = control_planes(
        FIRST,
        SECOND,
        kuberay=False,
        end_job_pods=False,
        environment=dashboards.environment,
        controller_manager=[*CONTROLLERS, *_DEPLOYMENTS],
    )
    for plane in planes:
        for number in range(1, 4):
            plane.add_node(f"node-{number}", GPU_NODE)
    (directory / "git").mkdir()
    make_bare(directory / "git" / "fleet.git", fleet_files(directory / "template", kind.name))
    with upstream.serve(directory) as served:
        engine = kind(management, served, directory / "engine")
        try:
            engine.start()
            fleet = Fleet(served.fleet_url, planes, directory, engine)
            for plane in planes:
                engine.register(plane)
            engine.connect(directory / "user")
            fleet.reconcile()
            for plane in planes:
                engine.sync_add_ons(plane)
                plane.start_kuberay()
            assert served.internet.refused == []
            yield Rig(fleet, engine, dashboards)
        finally:
            engine.stop()
            for plane in (management, *planes):
                plane.stop()


def fleet_files(template: Path, engine: str) -> dict[str, str]:
    """A new fleet repo as `skyray init` makes it, with two live clusters and an add-on of plain manifests."""
    for name in (FIRST, SECOND):
        cluster = {
            "apiVersion": "skyray.dev/v1alpha1",
            "kind": "Cluster",
            "metadata": {"name": name},
            "spec": {"access": {"kubeconfig": {"context": name}}},
        }
        file = template / "inventory" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(cluster))
    lay_down(template, "live", engine, upstream.FLEET_URL)
    files = {str(one.relative_to(template)): one.read_text() for one in template.rglob("*") if one.is_file()}
    return {**files, f"{_CLASSES}/addon.yaml": ADD_ON, f"{_CLASSES}/classes.yaml": CLASSES}


def found(plane: ControlPlane, path: str) -> Object | None:
    """The object at a path of the API, None when there is none."""
    try:
        one: Object = plane.request("GET", path)
    except ApiError as error:
        if error.status != 404:
            raise
        return None
    return one


def test_bare_clusters_get_their_add_ons_in_order(rig: Rig) -> None:
    for plane in rig.planes:
        crds = [found(plane, f"{_CRDS}/{kind}.ray.io") for kind in ("rayclusters", "rayjobs", "rayservices")]
        operator = found(plane, _OPERATOR)
        assert operator is not None
        assert operator["status"]["readyReplicas"] == 1
        notes = found(plane, _NOTES)
        assert notes is not None
        assert notes["data"] == {"text": "${NOT_SUBSTITUTED}"}
        assert found(plane, "/apis/scheduling.k8s.io/v1/priorityclasses/training") is not None
        assert found(plane, f"{_CRDS}/{upstream.CHART_CRD}") is None, "the chart's own CRDs are left out"
        for crd in crds:
            assert crd is not None
            assert [one["operation"] for one in crd["metadata"]["managedFields"] if "subresource" not in one] == [
                "Apply"
            ]
            times = [one["metadata"]["creationTimestamp"] for one in (crd, operator, notes)]
            assert times == sorted(times), "CRDs, then the operator, then what depends on it"


def test_a_job_runs_where_it_was_placed_and_goes_with_its_manifest(rig: Rig) -> None:
    fleet, (plane, other) = rig.fleet, rig.planes
    fleet.commit({manifest("train"): RAY_JOB}, "train")
    assert fleet.reconcile().told("train/rayjob-rayjob-train") == ("place", FIRST, "FitsNow")
    fleet.sync(FIRST)
    fleet.sync(SECOND)
    await_gang(plane, "train")
    assert found(other, "/api/v1/namespaces/train") is None
    health(rig, "Progressing")
    job = plane.request("GET", "/apis/ray.io/v1/namespaces/train/rayjobs/rayjob-train")
    assert job["metadata"]["labels"]["skyray.dev/group"] == "rayjob-rayjob-train"

    rig.dashboards.succeed(plane, "train")
    plane.wait(lambda: ended(plane, job), what="the job's end")
    health(rig, "Healthy")
    fleet.reconcile()
    fleet.sync(FIRST)
    after = plane.request("GET", "/apis/ray.io/v1/namespaces/train/rayjobs/rayjob-train")
    assert after["metadata"]["uid"] == job["metadata"]["uid"], "it has not run again"

    fleet.commit({manifest("train"): None}, "done")
    assert fleet.reconcile().told("train/rayjob-rayjob-train") == ("retire", FIRST, "ManifestRemoved")
    fleet.sync(FIRST)
    plane.wait(nothing_left(plane, "train"), what="the end of what was removed")
    assert found(plane, "/api/v1/namespaces/train") is not None, "it may hold what SkyRay did not bring"


def test_what_the_autoscaler_writes_stays_and_edits_in_git_get_through(rig: Rig) -> None:
    fleet, (_, plane) = rig.fleet, rig.planes
    fleet.commit({"workloads/shared/cluster.yaml": ray_cluster(SECOND)}, "a shared cluster")
    assert fleet.reconcile().told("shared/raycluster-shared") == ("place", SECOND, "FitsNow")
    fleet.sync(SECOND)
    plane.wait(lambda: roles(plane, "shared") == ["head", "worker"], what="the pods of the shared cluster")
    path = "/apis/ray.io/v1/namespaces/shared/rayclusters/shared"
    scale = b'[{"op": "replace", "path": "/spec/workerGroupSpecs/0/replicas", "value": 2}]'
    plane.api.request("PATCH", path, scale, "application/json-patch+json")
    plane.wait(lambda: roles(plane, "shared") == ["head", "worker", "worker"], what="a second worker")

    fleet.commit({"workloads/beside/cluster.yaml": ray_cluster(SECOND, name="beside")}, "another cluster beside it")
    assert fleet.reconcile().told("beside/raycluster-beside") == ("place", SECOND, "FitsNow")
    fleet.sync(SECOND)
    plane.wait(lambda: roles(plane, "beside") == ["head", "worker"], what="the pods of the cluster beside it")
    assert group(plane, path)["replicas"] == 2, "the autoscaler's to say"

    fleet.commit({"workloads/shared/cluster.yaml": ray_cluster(SECOND, most=5)}, "let it grow")
    fleet.reconcile()
    fleet.sync(SECOND)
    assert group(plane, path)["maxReplicas"] == 5
    fleet.commit({"workloads/shared/cluster.yaml": None, "workloads/beside/cluster.yaml": None}, "done")
    fleet.reconcile()
    fleet.sync(SECOND)
    for namespace in ("shared", "beside"):
        plane.wait(nothing_left(plane, namespace), what=f"the end of {namespace}")


def test_an_add_on_leaves_a_cluster_after_what_needs_it(rig: Rig) -> None:
    fleet, (other, plane) = rig.fleet, rig.planes
    fleet.commit({"workloads/last/cluster.yaml": ray_cluster(SECOND, name="last")}, "the last one there")
    assert fleet.reconcile().told("last/raycluster-last") == ("place", SECOND, "FitsNow")
    fleet.sync(SECOND)
    plane.wait(lambda: roles(plane, "last") == ["head", "worker"], what="the pods of the last cluster")

    fleet.commit({path: only_on(FIRST, fleet.read(path)) for path in ADD_ONS}, "one cluster is enough")
    fleet.reconcile()
    rig.engine.sync_add_ons(plane)
    assert found(plane, _OPERATOR) is not None, "what needs it is still there"

    fleet.commit({"workloads/last/cluster.yaml": None}, "done")
    fleet.reconcile()
    fleet.sync(SECOND)
    plane.wait(nothing_left(plane, "last"), what="the end of the last cluster")
    fleet.reconcile()
    rig.engine.sync_add_ons(plane)
    rig.engine.wait(lambda: found(plane, _OPERATOR) is None, "the operator's end")
    rig.engine.wait(lambda: found(plane, _NOTES) is None, "the end of the plain manifests")
    assert found(plane, f"{_CRDS}/rayclusters.ray.io") is not None, "CRDs stay: with them would go what users made"
    assert found(plane, "/api/v1/namespaces/platform") is not None
    assert found(other, _OPERATOR) is not None
    assert found(other, _NOTES) is not None


def test_other_jobs_get_past_one_that_the_cluster_refuses(rig: Rig) -> None:
    fleet, (plane, _) = rig.fleet, rig.planes
    plane.apply(refusal("refused"))
    refused = manifest("refused")
    fleet.commit({refused: small_job_on(FIRST)}, "a job that the cluster does not want")
    assert fleet.reconcile().told("refused/rayjob-rayjob-train") == ("place", FIRST, "FitsNow")
    rig.engine.look_again()
    rig.engine.wait(lambda: "not in this cluster" in "".join(rig.engine.complaints()), "the cluster's refusal")

    fleet.commit({manifest("welcome"): small_job_on(FIRST)}, "one that it does want")
    assert fleet.reconcile().told("welcome/rayjob-rayjob-train") == ("place", FIRST, "FitsNow")
    rig.engine.look_again()
    if rig.engine.goes_around_refusals:
        await_gang(plane, "welcome", ["head", "submitter"])
        assert "not in this cluster" in "".join(rig.engine.complaints())
    fleet.commit({refused: None}, "then not")
    fleet.reconcile()
    fleet.sync(FIRST)
    await_gang(plane, "welcome", ["head", "submitter"])
    assert not plane.pods("refused")

    fleet.commit({manifest("welcome"): None}, "done")
    fleet.reconcile()
    fleet.sync(FIRST)
    plane.wait(nothing_left(plane, "welcome"), what="the end of the other job")


def test_a_wrong_version_of_an_add_on_is_mended_by_the_next_commit(rig: Rig) -> None:
    fleet, (plane, _) = rig.fleet, rig.planes
    add_on = yaml.safe_load(fleet.read(ADD_ONS[0]))
    [chart] = [step for step in add_on["spec"]["steps"] if "helm" in step]
    add_on = {**add_on, "metadata": {"name": "twin"}, "spec": {"steps": [chart]}}
    right = chart["helm"]["version"]
    chart["helm"] |= {"namespace": "twin", "version": "9.9.9"}
    fleet.commit({"addons/twin/addon.yaml": only_on(FIRST, json.dumps(add_on))}, "a version that there is not")
    fleet.reconcile()
    rig.engine.look_again()
    rig.engine.wait(lambda: "9.9.9" in "".join(rig.engine.complaints()), "a complaint about the version")

    chart["helm"]["version"] = right
    fleet.commit({"addons/twin/addon.yaml": only_on(FIRST, json.dumps(add_on))}, "the right one")
    fleet.reconcile()
    rig.engine.sync_add_ons(plane)
    twin = _OPERATOR.replace("kuberay-system", "twin")
    assert found(plane, twin) is not None

    fleet.commit({"addons/twin/addon.yaml": None}, "one is enough")
    fleet.reconcile()
    rig.engine.sync_add_ons(plane)
    rig.engine.wait(lambda: found(plane, twin) is None, "its end")


def refusal(namespace: str) -> list[Object]:
    """An admission policy of the cluster's own that lets no RayJob into a namespace."""
    group = "admissionregistration.k8s.io/v1"
    name = {"name": f"nothing-in-{namespace}"}
    rules = [{"apiGroups": ["ray.io"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["rayjobs"]}]
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    policy = {
        "matchConstraints": {"resourceRules": rules, "namespaceSelector": selector},
        "validations": [{"expression": "false", "message": "not in this cluster"}],
    }
    binding = {"policyName": name["name"], "validationActions": ["Deny"]}
    return [
        {"apiVersion": group, "kind": "ValidatingAdmissionPolicy", "metadata": name, "spec": policy},
        {"apiVersion": group, "kind": "ValidatingAdmissionPolicyBinding", "metadata": name, "spec": binding},
    ]


def ray_cluster(cluster: str, *, name: str = "shared", most: int = 3) -> str:
    """A RayCluster that its autoscaler may scale, which its owner pins to a cluster."""
    container = {"image": "rayproject/ray:2.52.0", "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}}
    workers = {"groupName": "workers", "replicas": 1, "minReplicas": 0, "maxReplicas": most, "rayStartParams": {}}
    return json.dumps({
        "apiVersion": "ray.io/v1",
        "kind": "RayCluster",
        "metadata": {"name": name, "annotations": {"skyray.dev/cluster": cluster}},
        "spec": {
            "rayVersion": "2.52.0",
            "enableInTreeAutoscaling": True,
            "headGroupSpec": {"rayStartParams": {}, "template": pod({"name": "head", **container})},
            "workerGroupSpecs": [{**workers, "template": pod({"name": "worker", **container})}],
        },
    })  # fmt: skip


def pod(container: Object) -> Object:
    return {"spec": {"containers": [container]}}


def only_on(cluster: str, add_on: str) -> str:
    """The add-on for one cluster only."""
    document = yaml.safe_load(add_on)
    document["spec"]["clusterSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": cluster}}
    return yaml.safe_dump(document)


def roles(plane: ControlPlane, namespace: str) -> list[str]:
    """The roles of the namespace's pods that run."""
    running = [one for one in plane.pods(namespace) if one["status"]["phase"] == "Running"]
    return sorted(one["metadata"]["labels"]["ray.io/node-type"] for one in running)


def group(plane: ControlPlane, path: str) -> Object:
    """The only worker group of a RayCluster."""
    [workers] = plane.request("GET", path)["spec"]["workerGroupSpecs"]
    return dict(workers)


def ended(plane: ControlPlane, job: Any) -> bool:
    status = plane.request("GET", plane.api.path(job)).get("status", {})
    return bool(status.get("jobDeploymentStatus") == "Complete")


def health(rig: Rig, wanted: str) -> None:
    """Wait until Argo CD, by the health checks of `argocd/`, says so of the job's cluster. Flux does not say."""
    if isinstance(rig.engine, ArgoCD):
        engine = rig.engine
        engine.wait(lambda: engine.health(f"skyray-{FIRST}") == wanted, f"a job that is {wanted}")
