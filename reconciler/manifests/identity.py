"""The identity of an object: its key, the naming rules of Kubernetes, and a digest of its content.

Names are checked once, here, by the rules of k8s.io/apimachinery/pkg/util/validation, so that file names, branches and
label values can be made of them safely.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

import orjson

from reconciler.errors import InvalidObject, Place

_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_DNS1035 = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(
    r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*"
)
_QUALIFIED = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_MAX_SUBDOMAIN = 253


@dataclass(frozen=True, slots=True, order=True)
class ObjectKey:
    """The key of an object on a cluster. `namespace` is empty for cluster-scoped objects."""

    api_version: str
    kind: str
    namespace: str
    name: str

    @property
    def group(self) -> str:
        """Return the API group: `ray.io` of `ray.io/v1`, empty for the core group."""
        return self.api_version.rpartition("/")[0]

    def __str__(self) -> str:
        return (
            f"{self.kind} {self.namespace}/{self.name}"
            if self.namespace
            else f"{self.kind} {self.name}"
        )


def object_key(
    body: dict[str, Any], namespace: str = "", place: Place | None = None
) -> ObjectKey:
    """Return the key of an object; `namespace` is used where the object names none.

    Raises `InvalidObject` where apiVersion, kind or metadata.name is missing or is not a text.
    """
    metadata = body.get("metadata")
    if not isinstance(metadata, dict):
        raise InvalidObject(
            "metadata is missing or is not a map; add metadata: {name: ...}", place
        )
    api_version = _text(body.get("apiVersion"), "apiVersion", "ray.io/v1", place)
    kind = _text(body.get("kind"), "kind", "RayJob", place)
    name = _text(metadata.get("name"), "metadata.name", "train", place)
    own_namespace = metadata.get("namespace")
    if own_namespace is not None and own_namespace != "":
        namespace = _text(own_namespace, "metadata.namespace", "team-a", place)
    return ObjectKey(api_version, kind, namespace, name)


def is_dns_label(text: str) -> bool:
    """Return whether `text` is an RFC 1123 label: names of namespaces and of SkyRay's own folders."""
    return _LABEL.fullmatch(text) is not None


def is_dns1035(text: str) -> bool:
    """Return whether `text` is an RFC 1035 label, which starts with a letter: names of services, and of Ray objects."""
    return _DNS1035.fullmatch(text) is not None


def is_dns_subdomain(text: str) -> bool:
    """Return whether `text` is an RFC 1123 subdomain: names of most objects."""
    return len(text) <= _MAX_SUBDOMAIN and _SUBDOMAIN.fullmatch(text) is not None


def is_label_value(text: str) -> bool:
    """Return whether `text` can be the value of a label; an empty text can."""
    return not text or _QUALIFIED.fullmatch(text) is not None


def is_label_key(text: str) -> bool:
    """Return whether `text` can be the key of a label or an annotation: `name` or `prefix.example/name`."""
    prefix, slash, name = text.rpartition("/")
    return _QUALIFIED.fullmatch(name) is not None and (
        not slash or is_dns_subdomain(prefix)
    )


def check_dns_label(text: object, what: str, place: Place | None = None) -> str:
    """Return `text` if it is a DNS label, else raise `InvalidObject` that says how to write `what`."""
    return _check(
        text,
        what,
        place,
        _LABEL,
        63,
        "small letters, digits and '-', starting and ending with a letter or digit",
    )


def check_dns1035(text: object, what: str, place: Place | None = None) -> str:
    """Return `text` if it is an RFC 1035 label, else raise `InvalidObject` that says how to write `what`."""
    return _check(
        text,
        what,
        place,
        _DNS1035,
        63,
        "small letters, digits and '-', starting with a letter, not ending with '-'",
    )


def check_dns_subdomain(text: object, what: str, place: Place | None = None) -> str:
    """Return `text` if it is a DNS subdomain, else raise `InvalidObject` that says how to write `what`."""
    rule = "small letters, digits, '-' and '.', each part starting and ending with a letter or digit"
    return _check(text, what, place, _SUBDOMAIN, _MAX_SUBDOMAIN, rule)


def check_label_value(text: object, what: str, place: Place | None = None) -> str:
    """Return `text` if it can be a label's value, else raise `InvalidObject` that says how to write `what`."""
    if text == "":
        return ""
    rule = (
        "letters, digits, '-', '_' and '.', starting and ending with a letter or digit"
    )
    return _check(text, what, place, _QUALIFIED, 63, rule)


def check_label_key(text: object, what: str, place: Place | None = None) -> str:
    """Return `text` if it can be a label's key, else raise `InvalidObject` that says how to write `what`."""
    if isinstance(text, str) and is_label_key(text):
        return text
    rule = "use a name of letters, digits, '-', '_' and '.' (at most 63), if needed after a DNS prefix and '/'"
    raise InvalidObject(f"{what}: {_shown(text)} is not a label key; {rule}", place)


def canonical_digest(obj: object) -> str:
    """Return `sha256:<hex>` of the object as JSON with sorted keys: equal objects have equal digests."""
    return (
        "sha256:"
        + hashlib.sha256(orjson.dumps(obj, option=orjson.OPT_SORT_KEYS)).hexdigest()
    )


def _check(
    text: object,
    what: str,
    place: Place | None,
    pattern: re.Pattern[str],
    longest: int,
    rule: str,
) -> str:
    if not isinstance(text, str):
        raise InvalidObject(f"{what}: {_shown(text)} is not a text; quote it", place)
    if len(text) > longest:
        raise InvalidObject(
            f"{what}: {_shown(text)} has {len(text)} characters; use at most {longest}",
            place,
        )
    if pattern.fullmatch(text) is None:
        raise InvalidObject(f"{what}: {_shown(text)} is not allowed; use {rule}", place)
    return text


def _text(value: object, what: str, example: str, place: Place | None) -> str:
    if value is None or value == "":
        raise InvalidObject(
            f"{what} is missing; add one, such as {what.rpartition('.')[2]}: {example}",
            place,
        )
    if not isinstance(value, str):
        raise InvalidObject(
            f"{what} is {_shown(value)}, which is not a text; quote it", place
        )
    return value


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."
