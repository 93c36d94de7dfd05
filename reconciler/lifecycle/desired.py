"""What `workloads/` asks for of a placed group, with what must stay although it is not asked for any more.

Three rules hold before any other: nothing is deleted on a guess (what an unreadable file made stays), nothing runs
twice (a batch object that was placed is never rolled out again, docs/decisions/0002), and what another group cannot
take over stays where it is (docs/decisions/0010).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from reconciler.manifests.identity import ObjectKey
from reconciler.placement.placed_group import PlacedGroup
from reconciler.reasons.transitions import TransferRefused
from reconciler.workloads.companions import companions_of
from reconciler.workloads.group import Group, GroupKey, WorkloadObject


@dataclass(frozen=True, slots=True)
class DesiredState:
    """What `workloads/` asks for.

    `keys` are all objects, whatever their group; `unclaimed` those that no policy matches; `broken` the paths of files
    that are not read, and `beyond` has the problem of those that are beyond a limit. `jobs` is the placed group of each
    batch object: no other group gets it. `kept` are objects that another group asks for and cannot take, with that
    group and the reason why it cannot.
    """

    keys: Collection[ObjectKey]
    unclaimed: Collection[ObjectKey]
    broken: Collection[str]
    jobs: Mapping[ObjectKey, GroupKey] = field(default_factory=dict)
    kept: Mapping[ObjectKey, TransferRefused] = field(default_factory=dict)
    beyond: Mapping[str, str] = field(default_factory=dict)

    def keeping(self, kept: Mapping[ObjectKey, TransferRefused]) -> DesiredState:
        """Return the state in which the objects `kept` stay with the groups that have them, as well."""
        return replace(self, kept={**self.kept, **kept})

    def letting_go(self, keys: Collection[ObjectKey]) -> DesiredState:
        """Return the state in which the objects `keys` do not stay with the groups that have them."""
        still_kept = {key: why for key, why in self.kept.items() if key not in keys}
        return replace(self, kept=still_kept)


@dataclass(frozen=True, slots=True)
class DesiredObjects:
    """The objects that a placed group should have.

    `edited` are batch objects that are asked for in another form, which is not rolled out. `kept` are those that
    another group cannot take, each with the reason.
    """

    objects: tuple[WorkloadObject, ...]
    edited: tuple[WorkloadObject, ...]
    kept: tuple[tuple[WorkloadObject, TransferRefused], ...]


def desired_objects(
    group: Group,
    placed: PlacedGroup,
    desired: DesiredState,
) -> DesiredObjects:
    """Return what `group`, of which `placed` has copies, should have now.

    What stays without being asked for keeps the companions that it was admitted with.
    """
    admitted = {item.key: item for item in placed.admitted}
    asked = {item.key for item in group.objects}
    objects, edited = _asked_for(group, admitted, desired)
    staying = _staying(placed, asked, desired)
    unasked = [item for key, item in admitted.items() if key not in asked]
    needed = companions_of(staying, unasked)
    everything = (*objects, *staying, *needed)

    kept = []
    for item in everything:
        refused = desired.kept.get(item.key)
        if refused is not None:
            kept.append((item, refused))
    return DesiredObjects(everything, tuple(edited), tuple(kept))


def _asked_for(
    group: Group,
    admitted: Mapping[ObjectKey, WorkloadObject],
    desired: DesiredState,
) -> tuple[list[WorkloadObject], list[WorkloadObject]]:
    """Return the objects of `group` in the form that it should have, and those whose edit is not rolled out."""
    objects: list[WorkloadObject] = []
    edited: list[WorkloadObject] = []
    for item in group.objects:
        key = item.key
        before = admitted.get(key)
        if before is None:
            stays_elsewhere = key in desired.kept or key in desired.jobs
            if not stays_elsewhere:
                objects.append(item)
            continue
        is_edited = before.digest != item.digest
        if item.is_batch and is_edited:
            # A batch object runs once, so it stays as it was admitted; only its file may be another one.
            edited.append(item)
            objects.append(replace(before, place=item.place))
        else:
            objects.append(item)
    return objects, edited


def _staying(
    placed: PlacedGroup,
    asked: Collection[ObjectKey],
    desired: DesiredState,
) -> list[WorkloadObject]:
    """Return the admitted objects that stay although they are not among those that the group asks for."""
    sources = _sources(placed)
    staying = []
    for item in placed.admitted:
        key = item.key
        if key in asked:
            continue
        # A job that is asked for under another group would run a second time there.
        would_run_again = item.is_batch and key in desired.keys
        cannot_leave = key in desired.kept or would_run_again
        # What a file made stays while the file cannot be read: it may still ask for it.
        entry = (key.api_version, key.kind, key.name)
        source = sources.get(entry)
        file_is_unreadable = source in desired.broken
        if cannot_leave or file_is_unreadable:
            staying.append(item)
    return staying


def _sources(placed: PlacedGroup) -> dict[tuple[str, str, str], str]:
    """Return the file that each object of the Placement came from, by API version, kind and name."""
    sources: dict[tuple[str, str, str], str] = {}
    for copy in placed.copies:
        for entry in copy.listed:
            sources[entry.api_version, entry.kind, entry.name] = entry.source
    return sources
