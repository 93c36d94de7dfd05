"""Returns what a group should have on which clusters, by its policy, before capacity is looked at.

A group has a target for each topology domain of its policy, or a single one where the policy does not spread: the copy
that is there already, brought to what is asked for now, or a copy that needs a cluster. What is placed elsewhere
leaves. A batch object that was placed stays where and as it is, whatever the policy says now (docs/decisions/0002).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.manifests.identity import ObjectKey
from reconciler.placement.division import (
    UNDIVIDED,
    Division,
    domain_parts,
    shares_of,
)
from reconciler.placement.domains import Domain, domains_of
from reconciler.placement.model import Candidate, Unplaced
from reconciler.policy.eligibility import Eligibility
from reconciler.policy.model import SpreadMode
from reconciler.workloads.cluster_copy import ClusterCopy, grows, same_content
from reconciler.workloads.group import Group, WorkloadObject
from reconciler.workloads.overrides import OverrideApplier
from reconciler.workloads.patch import Patch

_Objects = tuple[WorkloadObject, ...]


@dataclass(frozen=True, slots=True)
class DomainTarget:
    """What one domain is to have: `objects` with `division`, `share` percent of the group.

    `clusters` may take a new copy, best first. `current` is the copy that is there, `wanted` what it should become;
    both are None where the domain needs a new copy.
    """

    value: str
    clusters: tuple[str, ...]
    current: ClusterCopy | None
    wanted: ClusterCopy | None
    objects: _Objects
    division: Division
    share: int

    @property
    def needs_capacity(self) -> bool:
        """Tell whether it asks for capacity that the group does not have yet."""
        # A new copy has no capacity yet.
        if self.current is None or self.wanted is None:
            return True
        return grows(self.current, self.wanted)

    @property
    def changes(self) -> bool:
        """Tell whether the domain does not have what it should."""
        if self.current is None or self.wanted is None:
            return True
        return not same_content(self.current, self.wanted)


@dataclass(frozen=True, slots=True)
class Targets:
    """All that a group should have.

    `staying` are copies outside of all domains that stay because they have batch objects, `leaving` those that are
    taken away. `missing` are topology values that no eligible cluster has. `excluded` are clusters that the policy
    selects and that are in none of its domains.
    """

    domains: tuple[DomainTarget, ...]
    staying: tuple[ClusterCopy, ...] = ()
    leaving: tuple[ClusterCopy, ...] = ()
    missing: tuple[Unplaced, ...] = ()
    excluded: tuple[Candidate, ...] = ()

    @property
    def needs_capacity(self) -> bool:
        """Tell whether any domain asks for capacity that the group does not have yet."""
        return any(target.needs_capacity for target in self.domains)

    @property
    def count(self) -> int:
        """Return how many copies there should be."""
        in_domains = len(self.domains) + len(self.missing)
        return in_domains + len(self.staying)


def targets_of(
    group: Group,
    objects: _Objects,
    copies: tuple[ClusterCopy, ...],
    eligibility: Eligibility,
    applier: OverrideApplier,
    labels: Mapping[str, Mapping[str, str]],
) -> Targets:
    """Return what a group that has `copies` should have, now that `objects` are asked for.

    `labels` are those of every cluster. Raises `InvalidObject` for overrides that do not apply, and for what cannot be
    divided.
    """
    policy, spread = group.policy, group.policy.spreading
    if spread is None and len(copies) == 1:
        # It stays where it is, whatever the policy says of clusters now.
        return _in_place(copies[0], objects, applier, labels)
    found = domains_of(policy, copies, eligibility, labels)
    if spread is not None and spread.mode is SpreadMode.DIVIDE:
        targets = _divided(found.domains, objects, copies)
    else:
        targets = _duplicated(found.domains, objects)
    staying: list[ClusterCopy] = []
    leaving: list[ClusterCopy] = []
    not_reached = _not_reached(found.domains, targets)
    for copy in (*found.outside, *not_reached):
        # What runs once would run twice if it were taken away and placed again.
        if copy.has_batch:
            staying.append(copy)
        else:
            leaving.append(copy)
    return Targets(
        domains=tuple(_with_wanted(target, applier) for target in targets),
        staying=tuple(staying),
        leaving=tuple(leaving),
        missing=found.missing,
        excluded=found.excluded,
    )


def rebuild_copy(
    copy: ClusterCopy,
    objects: _Objects,
    applier: OverrideApplier,
    division: Division,
    share: int,
) -> ClusterCopy:
    """Return a copy as it should be now that its group is `objects`. Raises `InvalidObject`.

    Batch objects that run there stay what they are: they get no new overrides, so one that does not apply to them is
    no error. While nothing else there makes pods, the share stays as well.
    """
    copy = _ended_no_more(copy, objects)
    running = {item.key: item for item in copy.deployed if item.is_batch}
    if running:
        return _rebuild_beside(copy, running, objects, applier, division, share)
    fresh = applier.for_cluster(objects, copy.cluster, division, share)
    return replace(
        copy,
        admitted=objects,
        deployed=fresh.deployed,
        patches=fresh.patches,
        share=share,
        missing=(),
    )


def _ended_no_more(copy: ClusterCopy, objects: _Objects) -> ClusterCopy:
    """Return a copy without its job result where `objects` add pods to it."""
    if copy.job_result is None:
        return copy
    known = {item.key for item in copy.deployed if item.demand}
    for item in objects:
        # A job that is added has not ended.
        if item.demand and item.key not in known:
            return replace(copy, job_result=None)
    return copy


def _rebuild_beside(
    copy: ClusterCopy,
    running: Mapping[ObjectKey, WorkloadObject],
    objects: _Objects,
    applier: OverrideApplier,
    division: Division,
    share: int,
) -> ClusterCopy:
    """Return a copy as it should be beside the batch objects that are `running` in it."""
    others = tuple(item for item in objects if item.key not in running)
    fresh = applier.for_cluster(others, copy.cluster, division)
    if not any(item.demand for item in fresh.deployed):
        share = copy.share
    patches: list[Patch] = []
    for item in objects:
        source = copy if item.key in running else fresh
        patches += source.patches_of(item.key)
    # Patches are compared with those of the last plan, so their order must be the same.
    patches.sort(key=lambda one: (one.api_group, one.kind, one.name))
    deployed = {**running}
    for item in fresh.deployed:
        deployed[item.key] = item
    return replace(
        copy,
        admitted=objects,
        deployed=tuple(deployed[item.key] for item in objects),
        patches=tuple(patches),
        share=share,
        missing=(),
    )


def cluster_variants(
    applier: OverrideApplier,
    objects: _Objects,
    clusters: Sequence[str],
    division: Division,
) -> dict[str, _Objects]:
    """Return the clusters on which the objects are deployed otherwise than admitted, with what is deployed."""
    variants: dict[str, _Objects] = {}
    for name in clusters:
        copy = applier.for_cluster(objects, name, division)
        # Without patches it is deployed as admitted.
        if copy.patches:
            variants[name] = copy.deployed
    return variants


def _in_place(
    copy: ClusterCopy,
    objects: _Objects,
    applier: OverrideApplier,
    labels: Mapping[str, Mapping[str, str]],
) -> Targets:
    """Return the only copy of a group, brought to what is asked for."""
    # Its cluster left the inventory: without labels it is not known which overrides are meant for it.
    if copy.patches and copy.cluster not in labels:
        kept = DomainTarget(
            value="",
            clusters=(),
            current=copy,
            wanted=copy,
            objects=copy.admitted,
            division=UNDIVIDED,
            share=copy.share,
        )
        return Targets((kept,))
    domain = Domain("", (), copy)
    target = _target(domain, objects, UNDIVIDED, copy.share)
    updated = _with_wanted(target, applier)
    return Targets((updated,))


def _target(
    domain: Domain,
    objects: _Objects,
    division: Division,
    share: int,
) -> DomainTarget:
    """Return what a domain is to have; `_with_wanted` says what becomes of the copy there."""
    return DomainTarget(
        value=domain.value,
        clusters=domain.clusters,
        current=domain.current,
        wanted=None,
        objects=objects,
        division=division,
        share=share,
    )


def _with_wanted(target: DomainTarget, applier: OverrideApplier) -> DomainTarget:
    """Return a target with the copy that the one which is there should become."""
    if target.current is None:
        return target
    wanted = rebuild_copy(
        target.current,
        target.objects,
        applier,
        target.division,
        target.share,
    )
    return replace(target, wanted=wanted)


def _not_reached(
    domains: Iterable[Domain], targets: Iterable[DomainTarget]
) -> list[ClusterCopy]:
    """Return the copies of domains that are to have nothing."""
    reached = {target.value for target in targets}
    copies = []
    for domain in domains:
        if domain.current is not None and domain.value not in reached:
            copies.append(domain.current)
    return copies


def _duplicated(domains: Iterable[Domain], objects: _Objects) -> list[DomainTarget]:
    """Return what each domain is to get of `objects`: all of them."""
    return [_target(domain, objects, UNDIVIDED, 100) for domain in domains]


def _divided(
    domains: Sequence[Domain],
    objects: _Objects,
    copies: tuple[ClusterCopy, ...],
) -> list[DomainTarget]:
    """Return what each domain is to get of `objects`; one that would get no pods is left out, and has no share."""
    parts = domain_parts(domains, objects, copies)
    if not parts:
        return []
    shares = shares_of(parts)
    targets = []
    for part, share in zip(parts, shares, strict=True):
        target = _target(part.domain, part.objects, part.division, share)
        targets.append(target)
    return targets
