"""Spreads a group over several clusters: whole on each (Duplicate), or divided among them (Divide).

The one idea: a spread follows the policy, cycle after cycle. Every topology domain gets one part, on the cluster that
has it already, else on the one that is chosen as for any group; what stands elsewhere leaves. Of duplicates each is
placed where it fits and the others wait; of a division all parts fit or nothing changes. A batch object that stands
somewhere stays there as it is, whatever the policy says now (docs/decisions/0002).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.fleet.snapshot import Unreadable
from reconciler.manifests.identity import ObjectKey
from reconciler.placement.choice import Allowed, Choice, choose
from reconciler.placement.model import Candidate, Verdict
from reconciler.placement.outcome import Part, used
from reconciler.placement.quota import EXCEEDED, Ledger, limited, most
from reconciler.placement.room import Room, Rooms
from reconciler.policy.eligibility import Eligibility, Tier
from reconciler.policy.model import SchedulePolicy, SpreadMode
from reconciler.workloads.divide import ReplicaShare, largest_remainder, replica_shares
from reconciler.workloads.group import Group, WorkloadObject, gang_of
from reconciler.workloads.overrides import Tailor
from reconciler.workloads.patch import Operations

_Objects = tuple[WorkloadObject, ...]
_VALUES_SHOWN = 10
_UNDIVIDED: Mapping[ObjectKey, Operations] = {}


@dataclass(frozen=True, slots=True)
class Sites:
    """The clusters as a plan finds them: whom each may take, its labels, its room; and what tenants may use."""

    allowed: Allowed
    labels: Mapping[str, Mapping[str, str]]
    rooms: Rooms
    ledger: Ledger


@dataclass(frozen=True, slots=True)
class Lack:
    """Why a part is not as it should be: `where` is its cluster, or the topology value that has none yet."""

    where: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What stands of a spread group afterwards.

    `parts` are in order of cluster. `left` are those taken away. `waits` are parts that are not placed, `refusals`
    those whose update does not fit. `chosen` are the new ones. `wanted` counts the parts that there should be.
    `lacks` is what a group that waits lacks room for: of each entry one choice must get it. Empty where room would not
    help.
    """

    parts: tuple[Part, ...]
    left: tuple[Part, ...]
    waits: tuple[Lack, ...]
    refusals: tuple[Lack, ...]
    chosen: tuple[Choice, ...]
    candidates: tuple[Candidate, ...]
    wanted: int
    lacks: tuple[tuple[Choice, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class _Domain:
    """`clusters` may take a new part, best first; `home` is the part that stands there."""

    value: str
    clusters: tuple[str, ...]
    home: Part | None
    weight: int = 1


@dataclass(frozen=True, slots=True)
class _Due:
    """What a domain is to get."""

    domain: _Domain
    objects: _Objects
    division: Mapping[ObjectKey, Operations]
    share: int


class _Within(Allowed):
    """Leaves a group one domain to choose from."""

    def __init__(self, eligibility: Eligibility) -> None:
        super().__init__(())
        self._leaves = eligibility

    def to(self, group: Group) -> tuple[Eligibility, tuple[Candidate, ...]]:  # noqa: ARG002  (the domain is the group's own)
        """Return the clusters of the domain."""
        return self._leaves, ()


def with_overrides(group: Group, objects: _Objects, sites: Sites) -> tuple[Group, Tailor]:
    """Return `group` with what its clusters would make of it, and the tailor that cuts it for one of them.

    Raises `InvalidObject` for an override that does not apply on a cluster that it may go to.
    """
    tailor = Tailor(group.policy.changes, sites.labels)
    if not group.policy.changes:
        return group, tailor
    return replace(group, elsewhere=_cuts(tailor, objects, sites.allowed.to(group)[0].clusters, _UNDIVIDED)), tailor


def recut(part: Part, objects: _Objects, tailor: Tailor) -> Part:
    """Return a part as it should be now that its group is `objects`. Raises `InvalidObject`."""
    return _kept_runs(part, objects, tailor, _UNDIVIDED, part.share)


def same_part(one: Part, other: Part) -> bool:
    """Tell whether the same stands on a cluster in both."""
    return one.patches == other.patches and _digests(one.admitted) == _digests(other.admitted)


def same_parts(before: tuple[Part, ...], after: tuple[Part, ...]) -> bool:
    """Tell whether the same stands on the same clusters in both."""
    known = {part.cluster: part for part in before}
    return known.keys() == {part.cluster for part in after} and all(same_part(known[p.cluster], p) for p in after)


def arrange(group: Group, objects: _Objects, before: tuple[Part, ...], sites: Sites) -> Arrangement:
    """Arrange a group, of which `before` stands, by its policy; take the room for it, and give back what it leaves.

    `objects` are those that should stand now. Raises `InvalidObject` for overrides that do not apply, and for what
    cannot be divided.
    """
    eligibility, refused = sites.allowed.to(group)
    spread = group.policy.spreading
    domains, missing, left, apart = _domains(group.policy, before, eligibility, sites.labels)
    divides = spread is not None and spread.mode is SpreadMode.DIVIDE
    due = _divided(domains, objects, before) if divides else [_Due(d, objects, _UNDIVIDED, 100) for d in domains]
    left += tuple(d.home for d in domains if d.home and all(one.domain is not d for one in due))
    stays = tuple(part for part in left if _runs(part))
    left = tuple(part for part in left if not _runs(part))
    marks = sites.rooms.mark()
    tailor = Tailor(group.policy.changes, sites.labels)
    parts, chosen, waits, refusals = [*stays], [], [*missing], []
    for one in due:
        found = _settle(group, one, eligibility, sites.rooms, tailor)
        if isinstance(found, Choice):
            chosen.append(found)
            if found.cluster:
                parts.append(Part.of(found.cluster, tailor.cut(one.objects, found.cluster, one.division), one.share))
            else:
                message = found.message.removeprefix(f"{one.domain.value}: ")
                waits.append(Lack(one.domain.value, found.reason, message))
        elif isinstance(found, Lack) and one.domain.home:
            refusals.append(found)
            parts.append(one.domain.home)
        elif isinstance(found, Part):
            parts.append(found)
    unplaced = tuple(choice for choice in chosen if not choice.cluster)
    over = beyond = ""
    if limited(group.tenant):
        whole_use = _with(used(parts), unplaced)
        over = sites.ledger.enter(group, whole_use if divides else used(parts))
        beyond = over or sites.ledger.refusal(group.key, group.tenant, whole_use)
    if over:
        lack = Lack("the group", EXCEEDED, over)
        waits, refusals = ([], [lack]) if before else ([lack], [])
    wanted = len(due) + len(missing) + len(stays)
    whole = over or (divides and (waits or refusals))
    if whole and before and not over:
        said = [one.message for one in refusals] + [f"{one.where} waits: {one.message}" for one in waits]
        waits, refusals = [], [Lack("", "UpdateDoesNotFit", f"the division stays as it is; {'; '.join(said)}")]
        wanted = 1
    if whole or (waits and left and not parts):
        # A quota or a division is kept to as a whole; and the last copy does not go before another has a place.
        sites.rooms.back_to(marks)
        parts, left = list(before), ()
    for part in left:
        room = sites.rooms.of(part.cluster)
        if isinstance(room, Room):
            room.release(part.deployed)
    candidates = tuple(c for choice in chosen for c in choice.candidates) + apart + refused
    ordered = tuple(sorted(parts, key=lambda part: part.cluster))
    lacks: tuple[tuple[Choice, ...], ...] = ()
    if divides and not parts and not missing and not beyond:
        lacks = tuple((choice,) for choice in chosen)  # all at once
    elif unplaced and not divides and not beyond:
        lacks = (unplaced,)  # one after another
    return Arrangement(ordered, left, tuple(waits), tuple(refusals), tuple(chosen), candidates, wanted, lacks)


def _with(amounts: Mapping[str, int], unplaced: Iterable[Choice]) -> dict[str, int]:
    """Return what parts use that use `amounts`, and with them those that have no place."""
    total = dict(amounts)
    for choice in unplaced:
        clusters = {one.cluster: choice.wanted.on(one.cluster).gang for one in choice.candidates}
        for name, amount in most(replace(choice.wanted.gang, elsewhere=clusters), clusters).items():
            total[name] = total.get(name, 0) + amount
    return total


def _domains(
    policy: SchedulePolicy,
    before: tuple[Part, ...],
    eligibility: Eligibility,
    labels: Mapping[str, Mapping[str, str]],
) -> tuple[list[_Domain], tuple[Lack, ...], tuple[Part, ...], tuple[Candidate, ...]]:
    """Return the domains, best first; those of a split that have no cluster; and the parts that stand outside.

    Last come the clusters that the policy selects, and that are in none of its domains. A policy that no longer spreads
    has one domain: everything.
    """
    spread = policy.spreading
    rank = {name: number for number, name in enumerate(eligibility.clusters)}
    stays = {one.cluster for one in eligibility.refused if one.stays}
    parts = {part.cluster: part for part in before}
    found: dict[str, tuple[list[str], list[Part]]] = {}
    outside: list[Part] = []
    apart: list[Candidate] = []
    for name in sorted({*rank, *parts}, key=lambda one: (rank.get(one, len(rank)), one)):
        part = parts.get(name)
        value = labels.get(name, {}).get(spread.topology_key) if spread else ""
        holds_on = part is not None and (name in stays or _runs(part) or spread is None)
        unwanted = spread is not None and spread.split and not spread.split.get(value or "")
        if value is None or unwanted or (name not in rank and not holds_on):
            outside += [part] if part else []
            apart += [_apart(name, value, policy)] if name in rank else []
            continue
        clusters, homes = found.setdefault(value, ([], []))
        clusters += [name] if name in rank else []
        homes += [part] if part else []
    domains = []
    for value, (clusters, homes) in found.items():
        weight = spread.split[value] if spread and spread.split else 1
        domains.append(_Domain(value, tuple(clusters), homes[0] if homes else None, weight))
        outside += homes[1:]
    missing = []
    if spread is not None:
        known = sorted({labels[name][spread.topology_key] for name in rank if spread.topology_key in labels[name]})
        words = f"no eligible cluster has {spread.topology_key}: {{}}, which is to get {{}}%; they have "
        words += ", ".join(known[:_VALUES_SHOWN]) + (", ..." if len(known) > _VALUES_SHOWN else "") or "none"
        missing = [
            Lack(value, "NoEligibleCluster", words.format(value, percentage))
            for value, percentage in spread.split.items()
            if percentage and value not in found
        ]
    return domains, tuple(missing), tuple(outside), tuple(apart)


def _apart(cluster: str, value: str | None, policy: SchedulePolicy) -> Candidate:
    """Say why a cluster that `policy` selects is in none of its domains; `value` is that of its topology label."""
    spread = policy.spreading
    key = spread.topology_key if spread else ""
    if value is None:
        message = f"it has no label {key}, by which policy {policy.name} spreads"
        return Candidate(cluster, Verdict.NOT_ELIGIBLE, "NoTopologyLabel", message)
    message = f"{key} is {value}, to which percentageSplit of policy {policy.name} gives nothing"
    return Candidate(cluster, Verdict.NOT_ELIGIBLE, "NoPercentage", message)


def _divided(domains: Sequence[_Domain], objects: _Objects, before: tuple[Part, ...]) -> list[_Due]:
    """Return what each domain is to get of `objects`; one that would get no pods is left out, and has no share."""
    if not domains:
        return []
    weights = [domain.weight for domain in domains]
    deployed = [{item.key: item for item in d.home.deployed} if d.home else {} for d in domains]
    running = {item.key for part in before for item in part.admitted if item.runs_once}
    parts: dict[ObjectKey, tuple[ReplicaShare, ...] | None] = {}
    for item in objects:
        if item.key not in running:
            parts[item.key] = replica_shares(item, weights, [have.get(item.key) for have in deployed])
    cuts: list[tuple[_Domain, _Objects, Mapping[ObjectKey, Operations]]] = []
    alike: dict[str, tuple[_Objects, Mapping[ObjectKey, Operations]]] = {}
    for number, domain in enumerate(domains):
        own, division = [], {}
        for item in objects:
            if item.key in running:
                own += [item] if item.key in deployed[number] else []
                continue
            portion = parts[item.key]
            if portion is None or not portion[number].empty:
                own.append(item)
                if portion is not None and portion[number].operations:
                    division[item.key] = portion[number].operations
        if any(item.demand for item in own) or not any(item.demand for item in objects):
            # Domains that get the same share one cut.
            cut = alike.setdefault(repr(([item.key for item in own], division)), (tuple(own), division))
            cuts.append((domain, *cut))
    if not cuts:
        return []
    due = [domain for domain, _, _ in cuts]
    shares = largest_remainder(100, [one.weight for one in due], [one.home.share if one.home else 0 for one in due])
    return [_Due(*cut, max(1, share)) for cut, share in zip(cuts, shares, strict=True)]


def _settle(group: Group, due: _Due, eligibility: Eligibility, rooms: Rooms, tailor: Tailor) -> Part | Choice | Lack:
    """Bring one domain to what is due: its part, the choice of a cluster for a new one, or why its update waits."""
    domain, home = due.domain, due.domain.home
    if home is None:
        elsewhere = _cuts(tailor, due.objects, domain.clusters, due.division)
        members = tuple(item for item in due.objects if item.demand)
        part_of = replace(group, members=members, companions=(), elsewhere=elsewhere)
        return choose(part_of, _Within(_restricted(eligibility, domain.clusters)), rooms)
    target = _kept_runs(home, due.objects, tailor, due.division, due.share)
    refusal = "" if same_part(home, target) else refused_update(home, target, rooms)
    return Lack(home.cluster, "UpdateDoesNotFit", refusal) if refusal else target


def refused_update(before: Part, after: Part, rooms: Rooms) -> str:
    """Say why a part does not fit as it should be now, or take the room for it and return an empty text."""
    if gang_of(after.deployed) == gang_of(before.deployed):
        return ""
    room = rooms.of(before.cluster)
    if isinstance(room, Unreadable):
        return f"{before.cluster} does not tell its capacity now ({room.reason}), so the update waits"
    fit = room.reconsider(before.deployed, after.deployed)
    return "" if fit.ok else f"the update does not fit on {before.cluster}: {fit.message}"


def _restricted(eligibility: Eligibility, clusters: Sequence[str]) -> Eligibility:
    wanted = frozenset(clusters)
    tiers = [
        Tier(tier.rank, tuple(name for name in clusters if name in tier.clusters))
        for tier in eligibility.tiers
        if not wanted.isdisjoint(tier.clusters)
    ]
    return Eligibility(tuple(tiers), (), eligibility.require)


def _cuts(
    tailor: Tailor, objects: _Objects, clusters: Sequence[str], division: Mapping[ObjectKey, Operations]
) -> dict[str, _Objects]:
    """Return the clusters on which the objects are deployed otherwise than they were admitted."""
    cuts = {name: tailor.cut(objects, name, division) for name in clusters}
    return {name: cut.deployed for name, cut in cuts.items() if cut.patches}


def _kept_runs(
    home: Part, objects: _Objects, tailor: Tailor, division: Mapping[ObjectKey, Operations], share: int
) -> Part:
    """Return the part that is cut of `objects`; the batch objects that run at `home` stay what they are there.

    These are not cut anew, so an override that does not apply to them is none of their business. While nothing else
    there makes pods, the share is what it was as well.
    """
    running = {item.key: item for item in home.deployed if item.runs_once}
    if not running:
        cut = tailor.cut(objects, home.cluster, division)
        return replace(Part.of(home.cluster, cut, share), job_outcome=home.job_outcome)
    cut = tailor.cut(tuple(item for item in objects if item.key not in running), home.cluster, division)
    if not any(item.demand for item in cut.deployed):
        share = home.share
    patches = [
        patch
        for item in objects
        for patch in (home.patches if item.key in running else cut.patches)
        if patch.is_for(item.key)
    ]
    patches.sort(key=lambda one: (one.api_group, one.kind, one.name))
    stands = running | {item.key: item for item in cut.deployed}
    deployed = tuple(stands[item.key] for item in objects)
    return Part(home.cluster, objects, deployed, tuple(patches), share, home.job_outcome)


def _runs(part: Part) -> bool:
    return any(item.runs_once for item in part.admitted)


def _digests(objects: _Objects) -> frozenset[tuple[ObjectKey, str]]:
    return frozenset((item.key, item.digest) for item in objects)
