"""Pods that are placed and do not exist yet: how pods are joined to their objects, and what is still to be made."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.fleet.snapshot import Pod, RayStatus
from reconciler.manifests.identity import ObjectKey
from reconciler.placement.assumed_pods import PodIndex, unmade_pods
from reconciler.ray.demand import Demand, Role
from reconciler.workloads.group import WorkloadObject
from tests.capacity import assumed, seen
from tests.copies import TEAM, app, config_map, from_file, job
from tests.unit.kube_scheduler.gangmaking import pods, shape
from tests.unit.workloads.reading import manifest, objects


def owned_by(owner: str, node_type: str = "", group: str = "", number: int = 0, namespace: str = TEAM) -> Pod:
    labels = {"ray.io/group": group} if group else {}
    return Pod(namespace, f"{owner}-{node_type}{group}-{number}", shape(1000, labels=labels), "n0", owner, node_type)


def index(*shown: Pod, ray: tuple[RayStatus, ...] = ()) -> PodIndex:
    return PodIndex(seen("c0", 8, pods=shown, ray=ray))


def of_kind(kind: str, name: str = "train", api: str = "ray.io/v1") -> ObjectKey:
    return ObjectKey(api, kind, TEAM, name)


def ray_cluster(name: str = "ray", workers: int = 2) -> WorkloadObject:
    template = "{spec: {containers: [{name: c, image: r, resources: {requests: {cpu: 1}}}]}}"
    size = f"replicas: {workers}, minReplicas: 0, maxReplicas: 9"
    group = f"{{groupName: small, {size}, rayStartParams: {{}}, template: {template}}}"
    spec = f"spec: {{headGroupSpec: {{rayStartParams: {{}}, template: {template}}}, workerGroupSpecs: [{group}]}}"
    return from_file(objects(manifest("RayCluster", name, spec, "ray.io/v1"))[0], f"workloads/team/{name}.yaml")


@pytest.mark.parametrize(
    ("key", "owner", "is_its_own"),
    [
        (of_kind("RayCluster"), "train", True),
        (of_kind("RayCluster"), "train-abcde", False),
        (of_kind("RayJob"), "train-abcde", True),
        (of_kind("RayJob"), "train-raycluster-abcde", True),
        (of_kind("RayService"), "train-raycluster-abcde", True),
        (of_kind("RayJob"), "train", True),
        (of_kind("RayJob"), "train-abcdef", False),
        (of_kind("RayJob"), "training-abcde", False),
        (of_kind("Deployment", api="apps/v1"), "train-7d9c8b6f5", True),
        (of_kind("Deployment", api="apps/v1"), "train", False),
        (of_kind("Job", api="batch/v1"), "train", True),
    ],
)
def test_pods_are_joined_to_their_object_as_their_controller_names_them(
    key: ObjectKey, owner: str, is_its_own: bool
) -> None:
    assert bool(index(owned_by(owner)).pods_of(key)) is is_its_own


def test_pods_of_another_namespace_are_not_its_own() -> None:
    assert index(owned_by("train", namespace="other")).pods_of(of_kind("RayCluster")) == ()


def test_a_raycluster_says_itself_which_job_made_it() -> None:
    status = RayStatus("RayCluster", TEAM, "quite-another-name", owner="RayJob/train")
    there = index(owned_by("quite-another-name", "head"), ray=(status,))
    assert len(there.pods_of(of_kind("RayJob"))) == 1
    assert there.pods_of(of_kind("RayService")) == ()


def test_a_pod_without_a_controller_is_known_by_its_own_name() -> None:
    bare = Pod(TEAM, "train", shape(1000), "n0")
    assert index(bare).pods_of(of_kind("Pod", api="v1")) == (bare,)


def test_the_status_is_that_of_the_resource_itself() -> None:
    there = index(ray=(RayStatus("RayJob", TEAM, "train", "Complete", "SUCCEEDED"),))
    found = there.status_of(of_kind("RayJob"))
    assert found is not None
    assert found.finished
    assert there.status_of(of_kind("RayCluster")) is None


def unmade(item: WorkloadObject, *shown: Pod, ray: tuple[RayStatus, ...] = ()) -> dict[str, int]:
    found: dict[str, int] = {}
    for pod_set in unmade_pods([item], index(*shown, ray=ray)).pod_sets:
        found[str(pod_set.role)] = found.get(str(pod_set.role), 0) + pod_set.count
    return found


def test_a_group_whose_pods_do_not_exist_is_counted_whole() -> None:
    assert unmade(ray_cluster()) == {Role.HEAD: 1, Role.WORKER: 2}


def test_pods_that_exist_are_not_counted_again() -> None:
    there = [owned_by("ray", "head"), owned_by("ray", "worker", "small")]
    assert unmade(ray_cluster(), *there) == {Role.WORKER: 1}
    assert unmade(ray_cluster(), *there, owned_by("ray", "worker", "small", 1)) == {}


def test_workers_of_another_group_and_more_than_are_asked_for_do_not_count_for_the_others() -> None:
    assert unmade(ray_cluster(), owned_by("ray", "worker", "large")) == {Role.HEAD: 1, Role.WORKER: 2}
    many = [owned_by("ray", "worker", "small", number) for number in range(5)]
    assert unmade(ray_cluster(), *many) == {Role.HEAD: 1}


def test_pods_beyond_the_first_set_of_a_role_count_for_the_next_one() -> None:
    sets = tuple(pods(Role.POD, name, 2, shape(1000)) for name in ("first", "second"))
    both = replace(app(), demand=Demand(app().key, sets))
    three = [owned_by("web-7d9c8b6f5", number=number) for number in range(3)]
    assert unmade(both, *three[:1]) == {Role.POD: 3}
    assert unmade(both, *three) == {Role.POD: 1}


def test_a_job_that_has_ended_makes_no_more_pods() -> None:
    assert unmade(job()) == {Role.HEAD: 1}
    assert unmade(job(), ray=(RayStatus("RayJob", TEAM, "train", "Complete", "SUCCEEDED"),)) == {}
    assert unmade(job(), ray=(RayStatus("RayJob", TEAM, "train", "Running", "RUNNING"),)) == {Role.HEAD: 1}


def test_what_makes_no_pods_has_none_to_make() -> None:
    assert unmade_pods([config_map()], index()).pod_sets == ()


@pytest.mark.parametrize(
    ("items", "is_batch"), [((job(),), True), ((job(), config_map()), True), ((job(), app()), False), ((app(),), False)]
)
def test_a_copy_ends_by_itself_if_all_that_makes_pods_runs_once(
    items: tuple[WorkloadObject, ...], is_batch: bool
) -> None:
    assert assumed("g", *items).is_batch is is_batch
