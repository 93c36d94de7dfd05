"""Whatever a file says, it gets an answer or a clear error: never a traceback, never an endless message."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.errors import InvalidObject
from reconciler.ray.references import references
from reconciler.ray.validation import Severity, problems
from reconciler.ray.workload import demand_of
from tests.unit.ray.rayobjects import group, ray_cluster, ray_cron_job, ray_job, ray_service, template

RICH_POD = template(
    affinity={
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}]
            }
        },
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "podAffinityTerm": {"topologyKey": "z", "labelSelector": {"matchLabels": {"a": "b"}}}}
            ]
        },
    },
    topologySpreadConstraints=[{"topologyKey": "z", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}],
    tolerations=[{"key": "nvidia.com/gpu", "operator": "Exists"}],
    volumes=[{"name": "v", "projected": {"sources": [{"configMap": {"name": "c"}}]}}],
    initContainers=[{"name": "i", "restartPolicy": "Always", "ports": [{"containerPort": 1, "hostPort": 2}]}],
    overhead={"cpu": "1"},
    resources={"limits": {"cpu": "1"}},
)
SEEDS = [
    ray_job(
        group(template=RICH_POD),
        cluster={"enableInTreeAutoscaling": True, "autoscalerOptions": {"version": "v2", "resources": {"limits": {}}}},
        submitterPodTemplate=RICH_POD,
        deletionStrategy={"deletionRules": [{"policy": "DeleteSelf", "condition": {"jobStatus": "FAILED"}}]},
        runtimeEnvYAML="a: b",
    ),
    ray_service(
        group(labels={"a": "b"}, rayStartParams={"a": "b"}),
        cluster={"authOptions": {"mode": "token"}, "rayVersion": "2.52.0", "networkPolicy": {"workerGroups": []}},
        upgradeStrategy={"type": "NewClusterWithIncrementalUpgrade", "clusterUpgradeOptions": {"stepSizePercent": 5}},
    ),
    ray_cluster(
        group(),
        gcsFaultToleranceOptions={"backend": "rocksdb", "storage": {"claimName": "c"}},
        tlsOptions={"enabled": True},
        historyServerOptions={"collectorOptions": {"image": "i", "env": []}},
    ),
    ray_cron_job(),
    {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "x"},
     "spec": {"jobTemplate": {"spec": {"template": RICH_POD}}}},
    {"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "metadata": {"name": "x"},
     "spec": {"replicatedJobs": [{"name": "a", "template": {"spec": {"template": RICH_POD}}}]}},
]  # fmt: skip

junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=6)
    | st.sampled_from(["Always", "Never", "1Gi", "v2", "0 0 * * *", "é" * 200]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=6), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, child in children for path in paths(child, (*at, key)))]


@st.composite
def mutants(draw: st.DrawFn) -> dict[str, Any]:
    body: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 3))):
        places = [path for path in paths(body) if path]
        path = draw(st.sampled_from(places))
        parent: Any = body
        for step in path[:-1]:
            parent = parent[step]
        if isinstance(parent, dict) and draw(st.integers(0, 4)) == 0:
            del parent[path[-1]]
        else:
            parent[path[-1]] = draw(junk)
    return body


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutants())
def test_a_broken_manifest_gets_clear_errors_and_a_clean_one_gets_a_size(body: dict[str, Any]) -> None:
    found = problems(body)
    for problem in found:
        assert problem.message
        assert "\n" not in problem.message
        assert len(problem.message) < 600
    if not any(problem.severity is Severity.ERROR for problem in found):
        demand_of(body)
    for read in (demand_of, references):
        with suppress(InvalidObject):
            read(body)
