"""Reads what an object of any kind refers to in its namespace, and which Secret a controller makes of it.

`ray.references` reads what pods refer to. This module adds what companions refer to in turn: a ServiceAccount its
Secrets, an ExternalSecret its store, a SecretStore its credentials. A Secret may come from an ExternalSecret or a
SealedSecret, so these satisfy a reference to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.manifests import fields
from reconciler.manifests.fields import Path
from reconciler.manifests.identity import ObjectKey
from reconciler.ray.references import (
    CONFIG_MAP,
    SECRET,
    SERVICE_ACCOUNT,
    Reference,
    references,
)

EXTERNAL_SECRETS = "external-secrets.io"
SEALED_SECRETS = "bitnami.com"
_EXTERNAL_SECRET, _SECRET_STORE = "ExternalSecret", "SecretStore"

_PROVIDER: Path = ("spec", "provider")
_ACCOUNT_FIELDS = frozenset({"serviceAccountRef", "serviceAccount"})
"""The fields in which a SecretStore names a service account; provider `kubernetes` uses the latter."""

_References = Iterator[Reference]


def object_references(body: Mapping[str, Any]) -> tuple[Reference, ...]:
    """Return what an object refers to in its namespace, each kind and name once.

    A reference that is required in one field and optional in another is required. Raises `InvalidField`.
    """
    found: dict[tuple[str, str], Reference] = {}
    for reference in (*references(body), *_companion_references(body)):
        target = (reference.kind, reference.name)
        known = found.get(target)
        if known is None or (known.optional and not reference.optional):
            found[target] = reference
    return tuple(found.values())


def is_plain_secret(key: ObjectKey, body: Mapping[str, Any]) -> bool:
    """Tell whether the object is a Secret with contents in Git; a Secret that a controller fills has none."""
    if key.kind != SECRET or key.group:
        return False
    return bool(body.get("data") or body.get("stringData"))


def generated_secret(key: ObjectKey, body: Mapping[str, Any]) -> str:
    """Return the name of the Secret that a controller makes of the object; empty when it makes none.

    A SealedSecret always makes a Secret of its own name, whatever its template says (sealed-secrets,
    `sealedsecret_expansion.go`, `Unseal`).
    """
    kind = (key.group, key.kind)
    if kind == (SEALED_SECRETS, "SealedSecret"):
        return key.name
    if kind != (EXTERNAL_SECRETS, _EXTERNAL_SECRET):
        return ""
    spec = _map_or_empty(body, "spec")
    target = _map_or_empty(spec, "target")
    if target.get("creationPolicy") == "None":
        # The controller makes no Secret then.
        return ""
    # Without a target's name, the Secret has the name of the ExternalSecret.
    return _text_or_empty(target, "name") or key.name


def _companion_references(body: Mapping[str, Any]) -> _References:
    api_version = str(body.get("apiVersion", ""))
    group, _, _ = api_version.rpartition("/")
    kind = (group, body.get("kind"))
    if kind == ("", SERVICE_ACCOUNT):
        yield from _service_account(body)
    elif kind == (EXTERNAL_SECRETS, _EXTERNAL_SECRET):
        spec = fields.mapping(body, "spec", ())
        yield from _external_secret(spec, ("spec",))
    elif kind == (EXTERNAL_SECRETS, _SECRET_STORE):
        spec = fields.mapping(body, "spec", ())
        provider = fields.mapping(spec, "provider", ("spec",))
        yield from _credentials(provider, _PROVIDER)


def _service_account(body: Mapping[str, Any]) -> _References:
    for field in ("imagePullSecrets", "secrets"):
        for path, secret in fields.maps(body, field, ()):
            yield from _by_name(SECRET, secret, "name", path)


def _external_secret(spec: Mapping[str, Any], at: Path) -> _References:
    yield from _store(spec, "secretStoreRef", at)
    for field in ("data", "dataFrom"):
        for path, entry in fields.maps(spec, field, at):
            source_at = (*path, "sourceRef")
            source = fields.mapping(entry, "sourceRef", path)
            yield from _store(source, "storeRef", source_at)
            yield from _generator(source, source_at)
    target_at = (*at, "target")
    template_at = (*target_at, "template")
    target = fields.mapping(spec, "target", at)
    template = fields.mapping(target, "template", target_at)
    for path, source in fields.maps(template, "templateFrom", template_at):
        config_map = fields.mapping(source, "configMap", path)
        yield from _by_name(CONFIG_MAP, config_map, "name", (*path, "configMap"))
        secret = fields.mapping(source, "secret", path)
        yield from _by_name(SECRET, secret, "name", (*path, "secret"))


def _generator(source: Mapping[str, Any], at: Path) -> _References:
    generator_at = (*at, "generatorRef")
    generator = fields.mapping(source, "generatorRef", at)
    kind = fields.text(generator, "kind", generator_at)
    # A ClusterGenerator is cluster-scoped, so it is no object of the namespace.
    if kind and kind != "ClusterGenerator":
        yield from _by_name(kind, generator, "name", generator_at)


def _store(parent: Mapping[str, Any], field: str, at: Path) -> _References:
    """Yield the SecretStore of the namespace; a ClusterSecretStore is cluster-scoped."""
    store_at = (*at, field)
    store = fields.mapping(parent, field, at)
    kind = fields.text(store, "kind", store_at, _SECRET_STORE)
    if kind == _SECRET_STORE:
        yield from _by_name(_SECRET_STORE, store, "name", store_at)


def _credentials(value: Any, at: Path) -> _References:
    """Yield what a store authenticates with: in each provider a map with `name` and `key` selects from a Secret."""
    if isinstance(value, list):
        for index, element in enumerate(value):
            yield from _credentials(element, (*at, index))
    if not isinstance(value, dict):
        return
    name = _text_or_empty(value, "name")
    name_at = (*at, "name")
    if name and at[-1] in _ACCOUNT_FIELDS:
        yield Reference(SERVICE_ACCOUNT, name, name_at)
    elif name and _text_or_empty(value, "key"):
        # A caProvider may select from a ConfigMap, and says so by its type.
        kind = CONFIG_MAP if value.get("type") == CONFIG_MAP else SECRET
        yield Reference(kind, name, name_at)
    for key, inner in value.items():
        yield from _credentials(inner, (*at, key))


def _by_name(kind: str, parent: Mapping[str, Any], field: str, at: Path) -> _References:
    name = fields.text(parent, field, at)
    if name:
        yield Reference(kind, name, (*at, field))


def _map_or_empty(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = parent.get(key)
    return value if isinstance(value, dict) else {}


def _text_or_empty(parent: Mapping[str, Any], key: str) -> str:
    value = parent.get(key)
    return value if isinstance(value, str) else ""
