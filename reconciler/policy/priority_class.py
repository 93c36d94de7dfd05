"""Kubernetes PriorityClasses, for the order of the queue.

The one idea: SkyRay cannot look at every cluster's classes before it has chosen one, so it takes them from where the
fleet defines them: manifests under `addons/` (which bring them to the clusters) and `policies/`, plus the two that
every cluster has. A class that none of them defines counts 0, and the plan warns of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.errors import InvalidObject
from reconciler.manifests import fields
from reconciler.manifests.kinds import Located

API_VERSION, KIND = "scheduling.k8s.io/v1", "PriorityClass"
_EVERYWHERE: Mapping[str, int] = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
"""`pkg/apis/scheduling/types.go` of Kubernetes."""


@dataclass(frozen=True, slots=True)
class PriorityClasses:
    """Values by name; `default` is that of whoever names no class (the class with `globalDefault`, else 0)."""

    values: Mapping[str, int] = field(default_factory=lambda: _EVERYWHERE)
    default: int = 0

    def value(self, name: str) -> int:
        """Return the value of class `name`; one that nobody defines counts 0."""
        return self.values.get(name, 0)


WELL_KNOWN = PriorityClasses()
"""The classes of a fleet that defines none."""


def is_priority_class(document: Located) -> bool:
    """Tell whether a document is a PriorityClass."""
    body = document.body
    return isinstance(body, dict) and (body.get("apiVersion"), body.get("kind")) == (API_VERSION, KIND)


def read_priority_classes(documents: Iterable[Located]) -> PriorityClasses:
    """Return the classes among `documents`.

    Raises `InvalidObject` for one without a name or value, and where two differ under one name, or two are the default.
    """
    values: dict[str, int] = dict(_EVERYWHERE)
    defaults: dict[str, int] = {}
    for document in filter(is_priority_class, documents):
        name, value, is_default = _read(document)
        if values.setdefault(name, value) != value:
            raise InvalidObject(
                f"{KIND} {name} has value {value} here and {values[name]} elsewhere; make them agree", document.place
            )
        if is_default:
            defaults[name] = value
        if len(defaults) > 1:
            both = " and ".join(sorted(defaults))
            raise InvalidObject(f"{both} both say globalDefault; only one {KIND} can", document.place)
    return PriorityClasses(values, next(iter(defaults.values()), 0))


def _read(document: Located) -> tuple[str, int, bool]:
    body: Mapping[str, Any] = document.body
    try:
        name = fields.text(fields.mapping(body, "metadata", ()), "name", ("metadata",))
        value = fields.integer(body, "value", ())
        is_default = fields.flag(body, "globalDefault", ())
    except fields.InvalidField as error:
        raise InvalidObject(error.message, document.locate(*error.path)) from None
    if not name or value is None:
        raise InvalidObject(f"a {KIND} needs metadata.name and value", document.place)
    return name, value, is_default
