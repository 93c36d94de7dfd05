"""One group's directory: a file for each object, and a kustomization that shows what SkyRay adds to them.

The one idea: user's words and SkyRay's words never mix. The objects are the admitted copies; labels, annotations and
patches for this cluster stand in `kustomization.yaml`, where a reviewer sees them. They reach the objects' own metadata
only, never a selector or a pod template: a label there would restart pods.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.errors import InvalidObject
from reconciler.manifests.admitted import admit
from reconciler.manifests.emitter import emit
from reconciler.manifests.identity import ObjectKey, check_dns_label, object_key
from reconciler.policy.groups import as_dns_label
from reconciler.render.model import Engine, GroupOverlay, Patch
from reconciler.workloads.patch import apply

GROUP_LABEL = "skyray.dev/group"
AUTOSCALED_LABEL = "skyray.dev/autoscaled"
"""On bare RayClusters whose replicas the Ray autoscaler owns; Flux's ignore rules select it (render.flux)."""

POLICY_ANNOTATION = "skyray.dev/policy"
KUSTOMIZATION = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
FILE = "kustomization.yaml"

_RAY = "ray.io"


def render_group(overlay: GroupOverlay, engine: Engine) -> dict[str, bytes]:
    """Return the files of a group by their name inside its directory.

    Raises `InvalidObject` for a group without objects, with one object twice, or with objects that cannot be admitted.
    """
    check_dns_label(overlay.namespace, "namespace")
    check_dns_label(overlay.group, "group")
    if not overlay.objects:
        raise InvalidObject(f"group {overlay.namespace}/{overlay.group} has no objects; retire it instead")
    bodies = [admit(body, overlay.namespace) for body in overlay.objects]
    named = object_files(bodies)
    files = {name: emit(body) for name, body in named.items()}
    patches = overlay.patches
    if engine is Engine.FLUX:
        patches = (*patches, *_marks_of_autoscaled([_patched(body, overlay.patches) for body in bodies]))
    files[FILE] = emit(_kustomization(overlay, sorted(named), bodies, patches, engine))
    return dict(sorted(files.items()))


def identity_of(body: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Return what makes an object itself on a cluster: API group, kind, namespace and name, in whatever version."""
    key = object_key(dict(body))
    return key.group, key.kind, key.namespace, key.name


def annotations_transformer(name: str, annotations: Mapping[str, str], kinds: Iterable[str] = ()) -> str:
    """Return an inline kustomize transformer that annotates objects, of the Ray `kinds` where any are given.

    `commonAnnotations` is not used: it would also write into pod templates.
    """
    path = {"path": "metadata/annotations", "create": True}
    specs = [{"group": _RAY, "kind": kind, **path} for kind in kinds] or [path]
    head = {"apiVersion": "builtin", "kind": "AnnotationsTransformer", "metadata": {"name": name}}
    return emit({**head, "annotations": dict(annotations), "fieldSpecs": specs}).decode()


def _kustomization(
    overlay: GroupOverlay,
    resources: list[str],
    bodies: list[dict[str, Any]],
    patches: tuple[Patch, ...],
    engine: Engine,
) -> dict[str, Any]:
    transformers = [annotations_transformer("skyray-policy", {POLICY_ANNOTATION: overlay.policy})]
    if engine is Engine.FLUX and any(body["kind"] == "RayJob" for body in bodies):
        # Flux must never apply a job again that is there: KubeRay reads suspend, deadlines and TTL from it live.
        once = {"kustomize.toolkit.fluxcd.io/ssa": "IfNotPresent"}
        transformers.append(annotations_transformer("skyray-rayjob", once, ["RayJob"]))
    kustomization: dict[str, Any] = {
        **KUSTOMIZATION,
        "resources": resources,
        "labels": [{"pairs": {GROUP_LABEL: overlay.group}}],
        "transformers": transformers,
    }
    if patches:
        kustomization["patches"] = [
            _patch(patch) for patch in sorted(patches, key=lambda p: (p.api_group, p.kind, p.name))
        ]
    return kustomization


def object_files(bodies: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Name each object's file `<kind>-<name>.yaml`; namesakes of other API groups get their identity's hash as well."""
    by_identity: dict[tuple[str, str, str, str], Mapping[str, Any]] = {}
    by_stem: dict[str, list[tuple[str, str, str, str]]] = {}
    for body in bodies:
        identity = identity_of(body)
        if identity in by_identity:
            raise InvalidObject(f"{_key(body)} is in its group twice; keep one of them")
        by_identity[identity] = body
        by_stem.setdefault(as_dns_label(f"{identity[1].lower()}-{identity[3]}"), []).append(identity)
    return {
        f"{stem if len(identities) == 1 else _told_apart(stem, identity)}.yaml": by_identity[identity]
        for stem, identities in by_stem.items()
        for identity in identities
    }


def _told_apart(stem: str, identity: tuple[str, ...]) -> str:
    return f"{stem}-{hashlib.sha256('/'.join(identity).encode()).hexdigest()[:8]}"


def _key(body: Mapping[str, Any]) -> ObjectKey:
    return object_key(dict(body))


def _patch(patch: Patch) -> dict[str, Any]:
    if not patch.operations or patch.operations[0].get("op") != "test":
        raise InvalidObject(
            f"the patch of {patch.kind} {patch.name} must begin with op: test, to fail where it is stale"
        )
    target: dict[str, str] = {"kind": patch.kind, "name": re.escape(patch.name).replace("\\-", "-")}
    if patch.api_group:
        target = {"group": patch.api_group, **target}
    return {"target": target, "patch": emit(list(map(dict, patch.operations))).decode()}


def _patched(body: dict[str, Any], patches: Iterable[Patch]) -> dict[str, Any]:
    key = _key(body)
    for patch in patches:
        if patch.is_for(key):
            body = apply(body, patch.operations)
    return body


def _marks_of_autoscaled(bodies: list[dict[str, Any]]) -> list[Patch]:
    """Label the bare RayClusters whose replicas their autoscaler sets; children of jobs and services are not in Git."""
    marks = []
    for body in bodies:
        group, kind, _, name = identity_of(body)
        if group == _RAY and kind == "RayCluster" and body.get("spec", {}).get("enableInTreeAutoscaling") is True:
            labels = body["metadata"].get("labels")
            add: dict[str, Any] = {
                "op": "add",
                "path": f"/metadata/labels/{AUTOSCALED_LABEL.replace('/', '~1')}",
                "value": "true",
            }
            if not labels:
                add = {"op": "add", "path": "/metadata/labels", "value": {AUTOSCALED_LABEL: "true"}}
            test = {"op": "test", "path": "/spec/enableInTreeAutoscaling", "value": True}
            marks.append(Patch(group, kind, name, (test, add)))
    return marks
