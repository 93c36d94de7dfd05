"""The stories, one for each scenario: which clusters there are, which policy, and what is committed.

A story is data, and its files are those of a real fleet repo, under `demo_files/`. The first line of an inventory file
describes its cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One commit of a user: the file `source` of `demo_files/` at `path` of the repo.

    `swaps` are texts to put in place of others first, so that one manifest serves several stories.
    """

    path: str
    source: str
    message: str
    swaps: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Story:
    """`noun` is what its groups are, `plot` what happens in a sentence or two, `hints` commands to try next, and why.

    `clusters` are files of `demo_files/inventory/`, `policy` is the name of a ready-made policy.
    """

    name: str
    noun: str
    plot: str
    clusters: tuple[str, ...]
    policy: str
    steps: tuple[Step, ...]
    hints: tuple[tuple[str, str], ...]


JOBS = ("rayjob1", "rayjob2", "rayjob3")


def _jobs(names: tuple[str, ...], label: str) -> tuple[Step, ...]:
    """Commit the training job once in each of some namespaces, with `label` as the label that policies look at."""
    swaps = {"training.class: production": label}
    return tuple(
        Step(
            f"workloads/{name}/rayjob.yaml", "rayjob.yaml", f"train: add {name}", swaps
        )
        for name in names
    )


def _service(namespace: str, name: str) -> Step:
    swaps = {"name: chat\n": f"name: {name}\n", "instance: chat": f"instance: {name}"}
    path = f"workloads/{namespace}/{name}.yaml"
    return Step(path, "rayservice.yaml", f"serve: add {name} to {namespace}", swaps)


FILL_AND_SPILL = Story(
    "fill-and-spill",
    "JOB",
    "Three training jobs, each with a head and two workers with a GPU: two fill the cluster that is owned, and the "
    "third spills to the cloud, whose autoscaler adds nodes for it.",
    ("static-cluster", "dynamic-cluster"),
    "fill-and-spill",
    _jobs(JOBS, "training.class: production"),
    (
        (
            "skyray explain rayjob3/rayjob",
            "why the third job did not go to static-cluster",
        ),
        ("skyray log rayjob3/rayjob", "its decisions"),
        ("git show HEAD", "the commit that placed it"),
        (
            "kubectl kustomize clusters/dynamic-cluster",
            "what Argo CD or Flux would apply",
        ),
        (
            "git rm -r workloads/rayjob1 && git commit -m 'stop job 1' && skyray reconcile",
            "",
        ),
    ),
)

FILL_NO_SPILL = Story(
    "fill-no-spill",
    "JOB",
    "The same jobs as experiments, which may not cost money: the third is placed on the owned cluster too, and waits "
    "there in Kubernetes, while the cloud stays empty.",
    ("static-cluster", "dynamic-cluster"),
    "fill-no-spill",
    _jobs(JOBS, "training.class: experimental"),
    (
        ("skyray explain rayjob3/rayjob", "what it waits for"),
        (
            "skyray policy test fill-and-spill",
            "that policy selects another label, so nothing would change",
        ),
        (
            "git rm -r workloads/rayjob1 && git commit -m 'stop job 1' && skyray reconcile",
            "",
        ),
    ),
)

RIGHT_CLUSTER = Story(
    "right-cluster",
    "SERVICE",
    "The same service in two namespaces: each goes to its class of cluster by label. A second one in development waits "
    "there, though production has room.",
    ("production-cluster", "development-cluster"),
    "right-cluster",
    (
        _service("development", "chat"),
        _service("production", "chat"),
        _service("development", "translate"),
    ),
    (
        ("skyray get policies", "which clusters each policy allows"),
        ("skyray explain development/translate", "why it is not on production-cluster"),
        (
            "kubectl kustomize clusters/production-cluster",
            "what Argo CD or Flux would apply",
        ),
    ),
)

TASK_CLUSTER = Story(
    "task-cluster",
    "GROUP",
    "One application, two tasks: a Job that reads documents goes to a cluster of CPUs, with its code and its secret; "
    "the LLM's RayService goes to the serving cluster, and with it the Deployment and Service that ask it.",
    ("cpu-cluster", "serving-cluster"),
    "task-cluster",
    (
        Step(
            "workloads/rag/ingestion.yaml",
            "ingestion.yaml",
            "rag: read the documents",
            {},
        ),
        Step("workloads/rag/serving.yaml", "serving.yaml", "rag: answer questions", {}),
    ),
    (
        ("skyray size workloads/rag/*.yaml", "the pods that they ask for"),
        (
            "cat placements/rag/serving.yaml",
            "the decision: which objects, where, and why",
        ),
        (
            "kubectl kustomize clusters/serving-cluster",
            "what Argo CD or Flux would apply",
        ),
    ),
)

COST = Story(
    "cost",
    "JOB",
    "An owned cluster and three clouds that add nodes: the first job goes to nodes that are paid for already, and each "
    "other one to the cheapest cloud that still has room for it.",
    ("owned-cluster", "azure-cluster", "gcp-cluster", "aws-cluster"),
    "cost",
    _jobs(("rayjob1", "rayjob2", "rayjob3", "rayjob4"), "placement.class: cost"),
    (
        ("skyray explain rayjob2/rayjob", "what each cluster would have cost"),
        ("skyray policy show cost", "the policy"),
        (
            "git rm -r workloads/rayjob1 && git commit -m 'stop job 1' && skyray reconcile",
            "",
        ),
    ),
)

STORIES: Mapping[str, Story] = {
    story.name: story
    for story in (FILL_AND_SPILL, FILL_NO_SPILL, RIGHT_CLUSTER, TASK_CLUSTER, COST)
}
