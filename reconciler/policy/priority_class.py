"""Reads Kubernetes PriorityClasses, for the order of the queue.

The queue is sorted before a cluster is chosen, so the classes cannot be those of the cluster. They come from where the
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
_EVERYWHERE: Mapping[str, int] = {
    "system-cluster-critical": 2_000_000_000,
    "system-node-critical": 2_000_001_000,
}
"""`pkg/apis/scheduling/types.go` of Kubernetes."""


@dataclass(frozen=True, slots=True)
class PriorityClasses:
    """Values by name. `default` is for pods that name no class: the value of the class with `globalDefault`, or 0."""

    values: Mapping[str, int] = field(default_factory=lambda: _EVERYWHERE)
    default: int = 0

    def value(self, name: str) -> int:
        """Return the value of class `name`; 0 for a class that no manifest defines."""
        return self.values.get(name, 0)


WELL_KNOWN = PriorityClasses()
"""The classes of a fleet that defines none."""


def is_priority_class(document: Located) -> bool:
    """Tell whether a document is a PriorityClass."""
    body = document.body
    if not isinstance(body, dict):
        return False
    return body.get("apiVersion") == API_VERSION and body.get("kind") == KIND


def read_priority_classes(documents: Iterable[Located]) -> PriorityClasses:
    """Return the classes among `documents`.

    Raises `InvalidObject` for a class without name or value, for two classes of one name with different values, and for
    two classes with `globalDefault`.
    """
    values: dict[str, int] = dict(_EVERYWHERE)
    defaults: dict[str, int] = {}
    for document in documents:
        if not is_priority_class(document):
            continue
        name, value, is_default = _read(document)
        # The same class may come from several add-ons, as long as its value is the same.
        if values.setdefault(name, value) != value:
            raise InvalidObject(
                f"{KIND} {name} has value {value} here and {values[name]} elsewhere; make them agree",
                document.place,
            )
        if is_default:
            defaults[name] = value
        # By name: the same class may come twice, and still be the only default.
        if len(defaults) > 1:
            both = " and ".join(sorted(defaults))
            raise InvalidObject(
                f"{both} both say globalDefault; only one {KIND} can", document.place
            )
    # As in Kubernetes: without a default, pods that name no class count 0.
    default = next(iter(defaults.values()), 0)
    return PriorityClasses(values, default)


def _read(document: Located) -> tuple[str, int, bool]:
    body: Mapping[str, Any] = document.body
    try:
        metadata = fields.mapping(body, "metadata", ())
        name = fields.text(metadata, "name", ("metadata",))
        value = fields.integer(body, "value", ())
        is_default = fields.flag(body, "globalDefault", ())
    except fields.InvalidField as error:
        place = document.locate(*error.path)
        raise InvalidObject(error.message, place) from None
    # 0 is a value, but an absent one would be a guess.
    if not name or value is None:
        raise InvalidObject(f"a {KIND} needs metadata.name and value", document.place)
    return name, value, is_default
