"""The parts that every kustomization.yaml of SkyRay is made of: its head, its file names, its transformers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.errors import InvalidObject
from reconciler.manifests.emitter import emit
from reconciler.manifests.identity import ObjectKey, object_key
from reconciler.policy.groups import as_dns_label

FILE = "kustomization.yaml"
KUSTOMIZATION = {
    "apiVersion": "kustomize.config.k8s.io/v1beta1",
    "kind": "Kustomization",
}

Identity = tuple[str, str, str, str]
"""What makes an object itself on a cluster, in whatever version: API group, kind, namespace and name."""

_RAY = "ray.io"


def identity_of(body: Mapping[str, Any]) -> Identity:
    """Return the identity of an object."""
    key = object_key(dict(body))
    return key.group, key.kind, key.namespace, key.name


def object_files(bodies: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Name each object's file `<kind>-<name>.yaml`; objects that would share a name get their identity's hash as well.

    Raises `InvalidObject` for an object that is there twice.
    """
    by_identity: dict[Identity, Mapping[str, Any]] = {}
    by_stem: dict[str, list[Identity]] = {}
    for body in bodies:
        identity = identity_of(body)
        if identity in by_identity:
            raise InvalidObject(
                f"{object_key(dict(body))} is in its group twice; keep one of them"
            )
        by_identity[identity] = body
        sharing = by_stem.setdefault(_stem(identity), [])
        sharing.append(identity)
    named: dict[str, Mapping[str, Any]] = {}
    for stem, identities in by_stem.items():
        if len(identities) == 1:
            named[f"{stem}.yaml"] = by_identity[identities[0]]
            continue
        # Kinds of the same name in two API groups, such as Service of core and of Knative.
        for identity in identities:
            # All of them get a hash, so that no name depends on the order of the objects.
            named[f"{stem}-{_short_hash(identity)}.yaml"] = by_identity[identity]
    return named


def file_name(key: ObjectKey) -> str:
    """Return the file that an object has in its group, unless another one would have it too."""
    return f"{_stem((key.group, key.kind, key.namespace, key.name))}.yaml"


def _stem(identity: Identity) -> str:
    # An object's name may have dots and colons, so it is made safe for a path.
    _, kind, _, name = identity
    return as_dns_label(f"{kind.lower()}-{name}")


def _short_hash(identity: Identity) -> str:
    text = "/".join(identity)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def annotations_transformer(
    name: str,
    annotations: Mapping[str, str],
    kinds: Iterable[str] = (),
) -> str:
    """Return an inline kustomize transformer that annotates objects, of the Ray `kinds` where any are given.

    `commonAnnotations` is not used: it would also write into pod templates, and so restart pods.
    """
    targets = [{"group": _RAY, "kind": kind} for kind in kinds]
    # A target without fields selects every object.
    return annotations_transformer_for(name, annotations, targets or [{}])


def annotations_transformer_for(
    name: str,
    annotations: Mapping[str, str],
    targets: Iterable[Mapping[str, str]],
) -> str:
    """Return an inline kustomize transformer that annotates the objects of `targets` (`group` and `kind`, or `{}`)."""
    path = {"path": "metadata/annotations", "create": True}
    transformer = {
        "apiVersion": "builtin",
        "kind": "AnnotationsTransformer",
        "metadata": {"name": name},
        "annotations": dict(annotations),
        "fieldSpecs": [{**target, **path} for target in targets],
    }
    return emit(transformer).decode()
