"""The fields of KubeRay's kinds, to report misspelt ones: the API server drops unknown fields in silence.

From the JSON tags in `ray-operator/apis/ray/v1/*_types.go` at 1.7. Pod templates are not checked: their
schema is that of Kubernetes itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.manifests import fields
from reconciler.manifests.fields import Path
from reconciler.ray import rayspec
from reconciler.ray.problem import Problem, warning

_OBJECT = frozenset({"apiVersion", "kind", "metadata", "spec", "status"})
_CLUSTER = frozenset(
    {
        "upgradeStrategy",
        "authOptions",
        "suspend",
        "managedBy",
        "autoscalerOptions",
        "headServiceAnnotations",
        "enableInTreeAutoscaling",
        "gcsFaultToleranceOptions",
        "historyServerOptions",
        "networkPolicy",
        "tlsOptions",
        "headGroupSpec",
        "rayVersion",
        "workerGroupSpecs",
    }
)
_HEAD = frozenset(
    {
        "template",
        "headService",
        "enableIngress",
        "ingressOptions",
        "resources",
        "labels",
        "rayStartParams",
        "serviceType",
    }
)
_WORKER = frozenset(
    {
        "suspend",
        "groupName",
        "replicas",
        "minReplicas",
        "maxReplicas",
        "idleTimeoutSeconds",
        "priority",
        "resources",
        "labels",
        "rayStartParams",
        "template",
        "scaleStrategy",
        "numOfHosts",
    }
)
_AUTOSCALER = frozenset(
    {
        "resources",
        "image",
        "imagePullPolicy",
        "securityContext",
        "idleTimeoutSeconds",
        "upscalingMode",
        "version",
        "env",
        "envFrom",
        "volumeMounts",
        "command",
        "args",
    }
)
_JOB = frozenset(
    {
        "activeDeadlineSeconds",
        "backoffLimit",
        "rayClusterSpec",
        "submitterPodTemplate",
        "metadata",
        "clusterSelector",
        "submitterConfig",
        "managedBy",
        "deletionStrategy",
        "entrypoint",
        "runtimeEnvYAML",
        "jobId",
        "submissionMode",
        "entrypointResources",
        "entrypointNumCpus",
        "entrypointNumGpus",
        "ttlSecondsAfterFinished",
        "preRunningDeadlineSeconds",
        "shutdownAfterJobFinishes",
        "suspend",
    }
)
_SERVICE = frozenset(
    {
        "rayClusterDeletionDelaySeconds",
        "serviceUnhealthySecondThreshold",
        "deploymentUnhealthySecondThreshold",
        "serveService",
        "upgradeStrategy",
        "managedBy",
        "serveConfigV2",
        "rayClusterConfig",
        "excludeHeadPodFromServeSvc",
        "suspend",
    }
)
_CRON_JOB = frozenset({"jobTemplate", "schedule", "timeZone", "suspend"})
_TEMPLATE = frozenset({"metadata", "spec"})


def unknown_fields(body: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield a warning for each field of a Ray resource that KubeRay does not have."""
    kind = body.get("kind")
    yield from _unknown(body, (), _OBJECT)
    at, spec = rayspec.spec(body)
    if kind == rayspec.RAY_SERVICE:
        yield from _unknown(spec, at, _SERVICE)
    if kind == rayspec.RAY_CRON_JOB:
        yield from _unknown(spec, at, _CRON_JOB)
    job = rayspec.job_spec(body)
    if job is not None:
        yield from _unknown(job[1], job[0], _JOB)
    cluster = rayspec.cluster_spec(body)
    if cluster is None:
        return
    path, parts = cluster
    yield from _unknown(parts, path, _CLUSTER)
    yield from _unknown(
        fields.mapping(parts, "autoscalerOptions", path),
        (*path, "autoscalerOptions"),
        _AUTOSCALER,
    )
    groups = [(rayspec.head_group(cluster), _HEAD)]
    groups += [(group, _WORKER) for group in rayspec.worker_groups(cluster)]
    for (where, group), known in groups:
        yield from _unknown(group, where, known)
        yield from _unknown(
            fields.mapping(group, "template", where), (*where, "template"), _TEMPLATE
        )


def _unknown(
    parent: Mapping[str, Any], at: Path, known: frozenset[str]
) -> Iterator[Problem]:
    for name in parent:
        if name not in known:
            yield warning(
                (*at, name),
                f"is unknown to KubeRay, which ignores it{_instead(name, known)}",
            )


def _instead(name: str, known: frozenset[str]) -> str:
    # Imported here, since few objects have an unknown field and `skyray size` starts faster without.
    import difflib

    close = difflib.get_close_matches(str(name), sorted(known), n=1)
    return f"; did you mean {close[0]}?" if close else "; remove it"
