"""What is patched onto pods for Luna, as the real kustomize applies it, and that it is patched nowhere else."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import Place
from reconciler.fleet.inventory import Cluster, KubeconfigAccess
from reconciler.ray.sizing import demand
from reconciler.ray.templates import pod_templates
from reconciler.ray.workload import demand_of
from reconciler.render.engines import ENGINES
from reconciler.render.group import render_group
from reconciler.render.luna import GPU_ANNOTATION, LABEL, luna_patches
from reconciler.render.model import GroupOverlay
from tests.unit.render.building import kustomize, write_files

Body = dict[str, Any]


def cluster(kind: str = "Luna", *skus: str) -> Cluster:
    return Cluster(
        "c1", Place("inventory/c1.yaml"), KubeconfigAccess(context="c1"), autoscaler=kind, gpu_skus=tuple(skus)
    )


def template(gpus: str = "", **metadata: Any) -> Body:
    amounts = {"cpu": "1", **({"nvidia.com/gpu": gpus} if gpus else {})}
    found: Body = {"spec": {"containers": [{"name": "main", "image": "ray:2", "resources": {"limits": amounts}}]}}
    return {"metadata": metadata, **found} if metadata else found


def ray_job(head: Body | None = None, *workers: Body, **spec: Any) -> Body:
    groups = [
        {"groupName": f"g{i}", "replicas": 1, "minReplicas": 1, "maxReplicas": 1, "rayStartParams": {}, "template": one}
        for i, one in enumerate(workers or (template("1"),))
    ]
    ray = {"headGroupSpec": {"rayStartParams": {}, "template": head or template()}, "workerGroupSpecs": groups}
    return {
        "apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": {"name": "train"},
        "spec": {"entrypoint": "python a.py", "rayClusterSpec": ray, **spec},
    }  # fmt: skip


def built(tmp_path: Path, body: Body, on: Cluster) -> Body:
    """The object as it comes to the cluster."""
    before = copy.deepcopy(body)
    overlay = GroupOverlay("team", "g", "p", (body,), luna_patches([body], on))
    write_files(tmp_path, render_group(overlay, ENGINES["argocd"]))
    (made,) = kustomize(tmp_path)
    assert body == before
    return made


def marks(body: Body) -> list[tuple[str | None, str | None]]:
    """The label and the annotation of each pod template."""
    found = [part.get("metadata", {}) for _, part in pod_templates(body)]
    return [((m.get("labels") or {}).get(LABEL), (m.get("annotations") or {}).get(GPU_ANNOTATION)) for m in found]


def test_every_pod_of_a_ray_job_is_marked_and_those_with_gpus_name_the_kinds(tmp_path: Path) -> None:
    made = built(tmp_path, ray_job(None, template("1"), template()), cluster("Luna", "L4", "A10G"))
    assert marks(made) == [("true", None), ("true", "L4,A10G"), ("true", None), ("true", None)]


@pytest.mark.parametrize("kind", ["None", "ClusterAutoscaler", "Karpenter"])
def test_nothing_is_patched_for_other_autoscalers(kind: str) -> None:
    assert luna_patches([ray_job()], cluster(kind)) == ()


def test_without_kinds_of_gpu_only_the_label_is_put(tmp_path: Path) -> None:
    assert marks(built(tmp_path, ray_job(), cluster())) == [("true", None)] * 3


def test_the_default_submitter_is_spelled_out_as_kuberay_would_make_it(tmp_path: Path) -> None:
    head = template()
    head["spec"]["imagePullSecrets"] = [{"name": "registry"}]
    head["spec"]["containers"][0]["imagePullPolicy"] = "Always"
    body = ray_job(head)
    made = built(tmp_path, body, cluster())
    pod = made["spec"]["submitterPodTemplate"]["spec"]
    (container,) = pod["containers"]
    assert (pod["restartPolicy"], pod["imagePullSecrets"]) == ("Never", [{"name": "registry"}])
    assert (container["name"], container["image"], container["imagePullPolicy"]) == (
        "ray-job-submitter",
        "ray:2",
        "Always",
    )
    before, after = demand(body, "team"), demand(made, "team")
    assert [one.requests for one in after.pod_sets] == [one.requests for one in before.pod_sets]


@pytest.mark.parametrize("mode", ["HTTPMode", "SidecarMode", "InteractiveMode"])
def test_a_job_without_a_submitter_pod_gets_none(mode: str, tmp_path: Path) -> None:
    assert "submitterPodTemplate" not in built(tmp_path, ray_job(submissionMode=mode), cluster())["spec"]


def test_a_submitter_that_the_user_wrote_is_marked_and_stays_as_it_is(tmp_path: Path) -> None:
    own = template(labels={"team": "ml"})
    made = built(tmp_path, ray_job(submitterPodTemplate=own), cluster())
    assert made["spec"]["submitterPodTemplate"]["spec"] == own["spec"]
    assert made["spec"]["submitterPodTemplate"]["metadata"]["labels"] == {"team": "ml", LABEL: "true"}


def test_what_users_wrote_of_it_stays(tmp_path: Path) -> None:
    worker = template("1", labels={LABEL: "false", "a": "b"}, annotations={GPU_ANNOTATION: "H100"})
    made = built(tmp_path, ray_job(None, worker), cluster("Luna", "L4"))
    assert marks(made)[1] == ("false", "H100")
    assert luna_patches([pod(labels={LABEL: "true"})], cluster()) == ()


def pod(**metadata: Any) -> Body:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", **metadata}, "spec": template()["spec"]}


def test_pod_templates_of_plain_objects_are_marked_too(tmp_path: Path) -> None:
    selector = {"matchLabels": {"app": "rag"}}
    deployment = {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "rag"},
        "spec": {"selector": selector, "template": template("2", labels={"app": "rag"})},
    }  # fmt: skip
    made = built(tmp_path, deployment, cluster("Luna", "L4"))
    assert marks(made) == [("true", "L4")]
    assert made["spec"]["selector"] == selector
    assert built(tmp_path / "pod", pod(), cluster())["metadata"]["labels"][LABEL] == "true"
    cron = {
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c"},
        "spec": {"schedule": "0 * * * *", "jobTemplate": {"spec": {"template": template()}}},
    }  # fmt: skip
    assert marks(built(tmp_path / "cron", cron, cluster())) == [("true", None)]


def test_every_patch_begins_with_a_test_of_its_own_worker_group() -> None:
    patches = luna_patches([ray_job(None, template("1"), template())], cluster("Luna", "L4"))
    assert all(patch.operations[0]["op"] == "test" for patch in patches)
    tested = [(patch.operations[0]["path"], patch.operations[0]["value"]) for patch in patches]
    assert ("/spec/rayClusterSpec/workerGroupSpecs/1/groupName", "g1") in tested
    assert ("/spec/rayClusterSpec/headGroupSpec/template/spec/containers/0/image", "ray:2") in tested


def test_objects_without_pods_are_let_be() -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"selector": {"a": "b"}}}
    assert luna_patches([service], cluster()) == ()
    assert demand_of(service, "team") is None
