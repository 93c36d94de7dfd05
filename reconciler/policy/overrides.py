"""Reads the overrides of both dialects into one kind of data.

Nova's `spreadConstraints.overrides` (fields to set, by topology value) and SkyRay's `overrides` (RFC 6902, by cluster
selector) differ in form only, so that `workloads.overrides` applies one list of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from reconciler.errors import Place
from reconciler.manifests.fields import Path
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
    pairs = zip(own, selectors, strict=True)
    for index, (written, clusters) in enumerate(pairs):
        yield Override(
            place=locate("spec", "overrides", index),
            clusters=clusters,
            target=_target(written["target"]),
            operations=tuple(written["patch"]),
        )


def _nova_overrides(
    spread: Mapping[str, Any],
    locate: Locate,
) -> Iterator[Override]:
    """Yield Nova's overrides, one for each field."""
    # Without a topology key each cluster is a domain of its own, by its name.
    topology_key = spread.get("topologyKey") or NAME_LABEL
    for number, topology in enumerate(spread.get("overrides", ())):
        at = ("spec", "spreadConstraints", "overrides", number)
        value = topology["topologyValue"]
        in_topology = Requirement(topology_key, "In", (value,))
        clusters = LabelSelector((in_topology,))
        for index, resource in enumerate(topology["resources"]):
            resource_at = (*at, "resources", index)
            yield from _field_overrides(resource, resource_at, clusters, locate)


def _field_overrides(
    resource: Mapping[str, Any],
    at: Path,
    clusters: LabelSelector,
    locate: Locate,
) -> Iterator[Override]:
    """Yield Nova's overrides of one object, which the policy's file has at `at`."""
    target = _nova_target(resource)
    for index, written in enumerate(resource["override"]):
        # The place of each field: where a field is not there, the message names its line.
        yield Override(
            place=locate(*at, "override", index),
            clusters=clusters,
            target=target,
            field=parse_field_path(written["fieldPath"]),
            value=written["value"]["staticValue"],
        )


def _nova_target(resource: Mapping[str, Any]) -> Target:
    # An apiVersion without a slash is of the core group, whose name is empty.
    group, _, version = resource["apiVersion"].rpartition("/")
    return Target(
        group=group,
        version=version,
        kind=resource["kind"],
        name=resource["name"],
        namespace=resource.get("namespace"),
    )


def _target(written: Mapping[str, Any]) -> Target:
    group = written.get("group")
    # The core API group has no name of its own; an absent group means every group.
    if group == "core":
        group = ""
    return Target(
        group=group,
        version=written.get("version"),
        kind=written.get("kind"),
        name=written.get("name"),
    )
