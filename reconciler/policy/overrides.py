"""Reads the overrides of both dialects into one kind of data.

Nova's `spreadConstraints.overrides` (fields to set, by topology value) and SkyRay's `overrides` (RFC 6902, by cluster
selector) differ in form only, so that `workloads.overrides` applies one list of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from reconciler.errors import Place
from reconciler.manifests.selector import LabelSelector, Requirement
from reconciler.policy.fieldpath import parse_field_path
from reconciler.policy.model import NAME_LABEL, Override, Target


class Locate(Protocol):
    """Returns the place of a value in the policy's file."""

    def __call__(self, *path: str | int) -> Place:
        """Return the place of the value at `path`."""


def read_overrides(
    own: tuple[Mapping[str, Any], ...],
    selectors: tuple[LabelSelector, ...],
    spread: Mapping[str, Any],
    locate: Locate,
) -> Iterator[Override]:
    """Yield the overrides of a policy in the order of their effect: those of `spread`, then its `own`.

    `selectors` are the cluster selectors of `own`, one each.
    """
    yield from _nova_overrides(spread, locate)
    for index, (written, clusters) in enumerate(zip(own, selectors, strict=True)):
        place = locate("spec", "overrides", index)
        yield Override(
            place, clusters, _target(written["target"]), tuple(written["patch"])
        )


def _nova_overrides(spread: Mapping[str, Any], locate: Locate) -> Iterator[Override]:
    """Yield Nova's overrides, one for each field."""
    topology_key = spread.get("topologyKey") or NAME_LABEL
    for i, topology in enumerate(spread.get("overrides", ())):
        in_topology = Requirement(topology_key, "In", (topology["topologyValue"],))
        clusters = LabelSelector((in_topology,))
        for j, resource in enumerate(topology["resources"]):
            target = _nova_target(resource)
            for k, written in enumerate(resource["override"]):
                place = locate(
                    "spec",
                    "spreadConstraints",
                    "overrides",
                    i,
                    "resources",
                    j,
                    "override",
                    k,
                )
                field = parse_field_path(written["fieldPath"])
                value = written["value"]["staticValue"]
                yield Override(place, clusters, target, field=field, value=value)


def _nova_target(resource: Mapping[str, Any]) -> Target:
    group, _, version = resource["apiVersion"].rpartition("/")
    return Target(
        group, version, resource["kind"], resource["name"], resource.get("namespace")
    )


def _target(written: Mapping[str, Any]) -> Target:
    group = written.get("group")
    # The core API group has no name of its own; an absent group means every group.
    if group == "core":
        group = ""
    return Target(
        group, written.get("version"), written.get("kind"), written.get("name")
    )
