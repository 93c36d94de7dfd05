"""Divides the objects of a group among topology domains by their percentages.

A batch object that was placed is not divided any more: it stays in the domain where it is. A domain that would get no
pods is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from reconciler.manifests.identity import ObjectKey
from reconciler.placement.domains import Domain
from reconciler.workloads.cluster_copy import ClusterCopy
from reconciler.workloads.divide import ReplicaShare, largest_remainder, replica_shares
from reconciler.workloads.group import WorkloadObject
from reconciler.workloads.patch import Operations

_Objects = tuple[WorkloadObject, ...]
Division = Mapping[ObjectKey, Operations]
"""The operations that leave a domain its share of each object that is divided."""

UNDIVIDED: Division = {}


@dataclass(frozen=True, slots=True)
class DomainPart:
    """What one domain gets of a group: `objects`, of each the share that the operations of `division` leave."""

    domain: Domain
    objects: _Objects
    division: Division


def domain_parts(
    domains: Sequence[Domain],
    objects: _Objects,
    copies: tuple[ClusterCopy, ...],
) -> list[DomainPart]:
    """Return what each domain gets of `objects`, now that the group has `copies`; one that gets no pods is left out."""
    # Without domains there are no weights to divide by.
    if not domains:
        return []
    running: set[ObjectKey] = set()
    for copy in copies:
        running.update(item.key for item in copy.admitted if item.is_batch)
    deployed = [_deployed_in(domain) for domain in domains]
    divided = _replica_shares(domains, objects, running, deployed)
    makes_pods = any(item.demand for item in objects)
    parts: list[DomainPart] = []
    # Domains that get the same share one tuple of objects, so that overrides are applied to them once.
    equal: dict[str, tuple[_Objects, Division]] = {}
    for number, domain in enumerate(domains):
        here = running & deployed[number].keys()
        own, division = _share_of(number, objects, here, running, divided)
        # What makes no pods follows the pods of its group.
        if makes_pods and not any(item.demand for item in own):
            continue
        keys = [item.key for item in own]
        content = repr((keys, division))
        own, division = equal.setdefault(content, (own, division))
        parts.append(DomainPart(domain, own, division))
    return parts


def shares_of(parts: Sequence[DomainPart]) -> list[int]:
    """Return the share of the group that each part is, in percent, at least 1."""
    weights: list[int] = []
    before: list[int] = []
    for part in parts:
        current = part.domain.current
        weights.append(part.domain.weight)
        before.append(current.share if current else 0)
    shares = largest_remainder(100, weights, before)
    # A domain with pods is never told to have nothing of the group, however small its part is.
    return [max(1, share) for share in shares]


def _deployed_in(domain: Domain) -> dict[ObjectKey, WorkloadObject]:
    """Return the objects that a domain has now, as they are deployed."""
    if domain.current is None:
        return {}
    return {item.key: item for item in domain.current.deployed}


def _replica_shares(
    domains: Sequence[Domain],
    objects: _Objects,
    running: set[ObjectKey],
    deployed: Sequence[Mapping[ObjectKey, WorkloadObject]],
) -> dict[ObjectKey, tuple[ReplicaShare, ...] | None]:
    """Return the share that each domain gets of each object; None for one that every domain has whole.

    What was placed and runs once is not divided any more.
    """
    weights = [domain.weight for domain in domains]
    shares = {}
    for item in objects:
        if item.key in running:
            continue
        before = [there.get(item.key) for there in deployed]
        shares[item.key] = replica_shares(item, weights, before)
    return shares


def _share_of(
    number: int,
    objects: _Objects,
    here: Collection[ObjectKey],
    running: Collection[ObjectKey],
    divided: Mapping[ObjectKey, tuple[ReplicaShare, ...] | None],
) -> tuple[_Objects, Division]:
    """Return the objects of the domain `number`, and the operations that leave it its share of each.

    A batch object that was placed stays in the domain where it is: `here` are those of this domain.
    """
    own: list[WorkloadObject] = []
    division: dict[ObjectKey, Operations] = {}
    for item in objects:
        if item.key in running:
            if item.key in here:
                own.append(item)
            continue
        shares = divided[item.key]
        # What cannot be divided goes whole to each domain.
        if shares is None:
            own.append(item)
            continue
        share = shares[number]
        if share.empty:
            continue
        own.append(item)
        if share.operations:
            division[item.key] = share.operations
    return tuple(own), division
