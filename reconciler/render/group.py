"""One group's directory: a file for each object, and a kustomization that shows what SkyRay adds to them.

The files of objects are the admitted copies, unchanged. Labels, annotations and patches for this cluster are in
`kustomization.yaml`, so that a reviewer sees what SkyRay added. They change the objects' own metadata only, never a
selector or a pod template: a new label there would restart pods.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reconciler.errors import InvalidObject
from reconciler.manifests.admitted import admit
from reconciler.manifests.emitter import emit
from reconciler.manifests.identity import check_dns_label, object_key
from reconciler.render.engine import EngineRenderer
from reconciler.render.kustomization import (
    FILE,
    KUSTOMIZATION,
    annotations_transformer,
    object_files,
)
from reconciler.render.model import GroupOverlay, Patch
from reconciler.workloads.patch import apply

GROUP_LABEL = "skyray.dev/group"
POLICY_ANNOTATION = "skyray.dev/policy"


def render_group(
    overlay: GroupOverlay,
    engine: EngineRenderer,
) -> dict[str, bytes]:
    """Return the files of a group by their name inside its directory.

    Raises `InvalidObject` for a group without objects, with one object twice, or with objects that cannot be admitted.
    """
    check_dns_label(overlay.namespace, "namespace")
    check_dns_label(overlay.group, "group")
    if not overlay.objects:
        raise InvalidObject(
            f"group {overlay.namespace}/{overlay.group} has no objects; retire it instead"
        )
    bodies = [admit(body, overlay.namespace) for body in overlay.objects]
    named = object_files(bodies)
    files = {name: emit(body) for name, body in named.items()}
    files[FILE] = emit(_kustomization(overlay, sorted(named), bodies, engine))
    return dict(sorted(files.items()))


def _kustomization(
    overlay: GroupOverlay,
    resources: list[str],
    bodies: Sequence[dict[str, Any]],
    engine: EngineRenderer,
) -> dict[str, Any]:
    policy = annotations_transformer(
        "skyray-policy", {POLICY_ANNOTATION: overlay.policy}
    )
    kustomization: dict[str, Any] = {
        **KUSTOMIZATION,
        "resources": resources,
        "labels": [{"pairs": {GROUP_LABEL: overlay.group}}],
        "transformers": [policy, *engine.group_transformers(bodies)],
    }
    # A patch may change what the engine looks at, so it sees the patched objects.
    deployed = _patched(bodies, overlay.patches)
    marks = engine.group_patches(deployed)
    # A stable sort: the engine's marks come after the other patches of the same object.
    patches = sorted([*overlay.patches, *marks], key=_object_of)
    if patches:
        kustomization["patches"] = [_patch(patch) for patch in patches]
    return kustomization


def _object_of(patch: Patch) -> tuple[str, str, str]:
    return patch.api_group, patch.kind, patch.name


def _patch(patch: Patch) -> dict[str, Any]:
    operations = patch.operations
    if not operations or operations[0].get("op") != "test":
        raise InvalidObject(
            f"the patch of {patch.kind} {patch.name} must begin with op: test, to fail where it is stale"
        )
    # kustomize reads a target's name as a regular expression, in which a `-` means itself.
    name = re.escape(patch.name).replace("\\-", "-")
    target: dict[str, str] = {"kind": patch.kind, "name": name}
    # The core API group has no name to select by.
    if patch.api_group:
        target = {"group": patch.api_group, **target}
    written = [dict(operation) for operation in operations]
    return {"target": target, "patch": emit(written).decode()}


def _patched(
    bodies: Iterable[dict[str, Any]],
    patches: Sequence[Patch],
) -> Iterator[Mapping[str, Any]]:
    """Yield the objects as the cluster gets them."""
    for body in bodies:
        key = object_key(body)
        deployed = body
        for patch in patches:
            if patch.is_for(key):
                deployed = apply(deployed, patch.operations)
        yield deployed
