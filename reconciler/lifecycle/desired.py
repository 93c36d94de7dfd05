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
    that cannot be read. `jobs` is the placed group of each batch object: no other group gets it. `kept` are objects
    that another group asks for and cannot take, with that group and the reason why it cannot.
    """

    keys: Collection[ObjectKey]
    unclaimed: Collection[ObjectKey]
    broken: Collection[str]
    jobs: Mapping[ObjectKey, GroupKey] = field(default_factory=dict)
    kept: Mapping[ObjectKey, TransferRefused] = field(default_factory=dict)

    def keeping(self, kept: Mapping[ObjectKey, TransferRefused]) -> DesiredState:
        """Return the state in which the objects `kept` stay with the groups that have them, as well."""
        return replace(self, kept={**self.kept, **kept})

    def letting_go(self, keys: Collection[ObjectKey]) -> DesiredState:
        """Return the state in which the objects `keys` do not stay with the groups that have them."""
        return replace(
            self, kept={key: why for key, why in self.kept.items() if key not in keys}
        )


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
    group: Group, placed: PlacedGroup, desired: DesiredState
) -> DesiredObjects:
    """Return what `group`, of which `placed` has copies, should have now.

    What stays without being asked for keeps the companions that it was admitted with.
    """
    admitted: Mapping[ObjectKey, WorkloadObject] = {
        item.key: item for item in placed.admitted
    }
    objects: list[WorkloadObject] = []
    edited: list[WorkloadObject] = []
    for item in group.objects:
        before = admitted.get(item.key)
        if before is None and (item.key in desired.kept or item.key in desired.jobs):
            continue  # it stays with another group
        if before is not None and item.is_batch and before.digest != item.digest:
            edited.append(item)
            objects.append(replace(before, place=item.place))
        else:
            objects.append(item)
    staying = _staying(group, placed, desired)
    asked = {item.key for item in group.objects}
    needed = companions_of(
        staying, [item for key, item in admitted.items() if key not in asked]
    )
    everything = (*objects, *staying, *needed)
    kept = tuple(
        (item, desired.kept[item.key])
        for item in everything
        if item.key in desired.kept
    )
    return DesiredObjects(everything, tuple(edited), kept)


def _staying(
    group: Group, placed: PlacedGroup, desired: DesiredState
) -> list[WorkloadObject]:
    """Return the admitted objects that stay although the group does not ask for them."""
    asked = {item.key for item in group.objects}
    sources: dict[tuple[str, str, str], str] = {}
    for copy in placed.copies:
        for entry in copy.listed:
            sources[entry.api_version, entry.kind, entry.name] = entry.source
    staying = []
    for item in placed.admitted:
        key = item.key
        if key in asked:
            continue
        cannot_leave = key in desired.kept or (item.is_batch and key in desired.keys)
        file_is_unreadable = (
            sources.get((key.api_version, key.kind, key.name)) in desired.broken
        )
        if cannot_leave or file_is_unreadable:
            staying.append(item)
    return staying
