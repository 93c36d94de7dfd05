"""The overrides of both dialects as one kind of data.

The one idea: Nova's `spreadConstraints.overrides` (fields to set, by topology value) and our `overrides` (RFC 6902, by
cluster selector) differ in words only, so that from here on there is one list of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from reconciler.errors import Place
from reconciler.manifests.selector import LabelSelector, Requirement
from reconciler.policy.fieldpath import parse_field_path
from reconciler.policy.model import NAME_LABEL, Override, Target


class Locate(Protocol):
    """Tells where in the policy's file a value stands."""

    def __call__(self, *path: str | int) -> Place:
        """Return the place of the value at `path`."""


def overrides_in(
    own: tuple[Mapping[str, Any], ...], selectors: tuple[LabelSelector, ...], spread: Mapping[str, Any], locate: Locate
) -> Iterator[Override]:
    """Yield the overrides of a policy: those in its `spread` constraints, then its `own`, with their `selectors`."""
    key = spread.get("topologyKey") or NAME_LABEL
    for i, topology in enumerate(spread.get("overrides", ())):
        clusters = LabelSelector((Requirement(key, "In", (topology["topologyValue"],)),))
        for j, resource in enumerate(topology["resources"]):
            group, _, version = resource["apiVersion"].rpartition("/")
            target = Target(group, version, resource["kind"], resource["name"], resource.get("namespace"))
            for k, one in enumerate(resource["override"]):
                place = locate("spec", "spreadConstraints", "overrides", i, "resources", j, "override", k)
                path = parse_field_path(one["fieldPath"])
                yield Override(place, clusters, target, (), path, one["value"]["staticValue"])
    for i, (one, selector) in enumerate(zip(own, selectors, strict=True)):
        written = one["target"]
        group = "" if written.get("group") == "core" else written.get("group")
        target = Target(group, written.get("version"), written.get("kind"), written.get("name"))
        yield Override(locate("spec", "overrides", i), selector, target, tuple(one["patch"]))
