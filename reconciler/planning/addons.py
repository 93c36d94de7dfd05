"""What a plan does about add-ons: every cluster's `_addons/` folder, and which add-ons must stay for now.

An add-on leaves last. An operator that is removed before the resources that it manages leaves them with finalizers that
no controller removes. So an add-on stays on a cluster while groups that need it are placed there, while the snapshot
shows Ray resources there, and while there is no snapshot that could show them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from reconciler.fleet.snapshot import ClusterSnapshot, FleetSnapshot
from reconciler.placement.addons import AddOnSpread, spread_addons
from reconciler.placement.placed_group import PlacedGroup
from reconciler.planning.plan_cache import PlanCache
from reconciler.planning.same import Same
from reconciler.planning.state import RepoState
from reconciler.policy.addon import AddOn
from reconciler.render.addons import (
    FOLDER,
    SENTINEL,
    KeptAddOn,
    folder_of,
    provided_groups,
    render_addons,
)
from reconciler.render.cluster import ROOT
from reconciler.render.engine import EngineRenderer
from reconciler.render.engines import engine_renderer
from reconciler.workloads.group import GroupKey

_RAY = "ray.io"


@dataclass(frozen=True, slots=True)
class AddOnPlan:
    """The add-ons' files by cluster and path, and why some stay that are not asked for.

    `placed` and `left` name an add-on and its cluster each: those that were there before the plan, and those that go.
    """

    files: Mapping[str, Mapping[str, bytes]]
    warnings: tuple[str, ...]
    placed: tuple[str, ...]
    left: tuple[str, ...]


def spread_of(state: RepoState) -> AddOnSpread:
    """Return where the fleet's add-ons are."""
    return spread_addons(state.addons, state.labels)


def plan_addons(
    state: RepoState,
    snapshot: FleetSnapshot,
    cache: PlanCache,
) -> AddOnPlan:
    """Render the add-ons of all clusters; a cluster that never had one gets no folder."""
    spread = spread_of(state)
    directories = state.files.folder(ROOT).folders
    present = {name for name, one in directories.items() if FOLDER in one.folders}
    groups: Mapping[str, list[PlacedGroup]] | None = None
    engine = engine_renderer(state.fleet.engine)
    files: dict[str, Mapping[str, bytes]] = {}
    warnings: list[str] = []
    placed: list[str] = []
    left: list[str] = []
    # A cluster that left the inventory may still have add-ons, and groups that need them.
    for cluster in sorted(spread.placed.keys() | present):
        found = _look_at(cluster, _standing(state, cluster, cache), spread)
        if found.leaving:
            # What is placed where matters only to add-ons that leave.
            groups = groups or _placed(state)
            found = _with_needs(found, groups.get(cluster, []), snapshot)
        warnings += found.needed
        placed += [_on(old, cluster) for old in found.standing]
        if not found.needed:
            left += [_on(old, cluster) for old in found.leaving]
        wanted = _files_of(found, engine, cache)
        if wanted:
            files[cluster] = wanted
    return AddOnPlan(
        files=files,
        warnings=tuple(warnings),
        placed=tuple(placed),
        left=tuple(left),
    )


@dataclass(frozen=True, slots=True)
class _ClusterAddOns:
    """The add-ons of one cluster.

    `joined`: it is in the inventory. `standing` are on it, `wanted` should be, and `leaving` are those on it that
    should not. `needed` has a warning for each of these that cannot leave yet.
    """

    cluster: str
    joined: bool
    wanted: tuple[AddOn, ...]
    standing: Sequence[KeptAddOn]
    leaving: Sequence[KeptAddOn]
    needed: Sequence[str]
    has_folder: bool


def _look_at(
    cluster: str,
    standing: Sequence[KeptAddOn] | None,
    spread: AddOnSpread,
) -> _ClusterAddOns:
    """Return what is to be done on a cluster; `standing` are the add-ons on it, None without a folder for them."""
    wanted = spread.placed.get(cluster, ())
    names = {addon.name for addon in wanted}
    there = standing or ()
    return _ClusterAddOns(
        cluster=cluster,
        joined=cluster in spread.placed,
        wanted=wanted,
        standing=there,
        leaving=[old for old in there if old.name not in names],
        needed=(),
        has_folder=standing is not None,
    )


def _with_needs(
    found: _ClusterAddOns,
    users: list[PlacedGroup],
    snapshot: FleetSnapshot,
) -> _ClusterAddOns:
    """Return what is to be done with a warning for each add-on that leaves and that `users` of it still need."""
    cluster = found.cluster
    picture = snapshot.clusters.get(cluster) if found.joined else None
    needed = []
    for old in found.leaving:
        why = _still_needed(old, users, picture, joined=found.joined)
        if why:
            needed.append(f"add-on {old.name} stays on {cluster}: {why}")
    return replace(found, needed=needed)


def _standing(
    state: RepoState, cluster: str, cache: PlanCache
) -> tuple[KeptAddOn, ...] | None:
    """Return the add-ons that are on a cluster, by what its directory has; None where it has no folder for them."""
    folder = state.files.root.folder(f"{ROOT}/{cluster}/{FOLDER}")
    if folder is None:
        return None
    return cache.addons_there.of(
        (cluster, folder.id),
        lambda: tuple(_addons_of(cluster, state.files.read(folder))),
    )


def _files_of(
    found: _ClusterAddOns,
    engine: EngineRenderer,
    cache: PlanCache,
) -> dict[str, bytes]:
    """Return the files of a cluster's add-ons."""
    cluster = found.cluster
    wanted = found.wanted
    if found.needed:
        # The others that would leave may be what the needed one depends on.
        return render_addons(cluster, engine, wanted, found.leaving)
    # A cluster outside the inventory keeps no folder once nothing there needs an add-on.
    if not found.joined:
        return {}
    if not wanted and not found.has_folder:
        return {}
    key = (engine, cluster, tuple(map(Same, wanted)))
    render = partial(render_addons, cluster, engine, wanted)
    return cache.addon_files.of(key, render)


def _on(addon: KeptAddOn, cluster: str) -> str:
    return f"{addon.name} on {cluster}"


def _addons_of(cluster: str, there: Mapping[str, bytes]) -> list[KeptAddOn]:
    """Return the add-ons that are on a cluster; `there` are its files under `_addons/`."""
    base = folder_of(cluster) if there else ""
    sentinel = there.get(f"{base}{SENTINEL}")
    provided = provided_groups(sentinel)
    own: dict[str, dict[str, bytes]] = defaultdict(dict)
    for path, data in there.items():
        name, _, inside = path.removeprefix(base).partition("/")
        # The sentinel and the kustomization are beside the add-ons' folders and of no add-on.
        if inside:
            own[name][path] = data
    return [KeptAddOn(name, provided.get(name), own[name]) for name in sorted(own)]


def _placed(state: RepoState) -> Mapping[str, list[PlacedGroup]]:
    """Return the groups that are placed on each cluster."""
    found: dict[str, list[PlacedGroup]] = defaultdict(list)
    for key in sorted(state.placements):
        group = state.placements[key]
        for cluster in group.clusters:
            found[cluster].append(group)
    return found


def _still_needed(
    addon: KeptAddOn,
    groups: list[PlacedGroup],
    picture: object,
    *,
    joined: bool,
) -> str:
    """Say why an add-on cannot leave a cluster yet; empty when it can. `joined`: the cluster is in the inventory."""
    users = _users(addon, groups)
    if users:
        others = len(users) - 1
        more = f" and {others} more" if others else ""
        return f"group {users[0]}{more} needs it there; it leaves once no such group is placed there"
    # No snapshot is taken of a cluster outside the inventory, so waiting for one would be for ever.
    if not joined:
        return ""
    # A snapshot shows Ray resources alone, so it says nothing of what other add-ons manage.
    if addon.provides is not None and _RAY not in addon.provides:
        return ""
    if not isinstance(picture, ClusterSnapshot):
        return "the cluster cannot be read, so it is not known whether Ray resources are left there"
    if picture.ray:
        one = picture.ray[0]
        return f"{one.kind} {one.namespace}/{one.name} is still there; it leaves once no Ray resource is left"
    return ""


def _users(addon: KeptAddOn, groups: Iterable[PlacedGroup]) -> list[GroupKey]:
    """Return which of `groups` need an add-on."""
    users = []
    for group in groups:
        # Where the sentinel does not say what the add-on provides, any group may need it.
        if addon.provides is None or _api_groups(group) & addon.provides:
            users.append(group.key)
    return users


def _api_groups(group: PlacedGroup) -> set[str]:
    """Return the API groups of what a group has deployed."""
    found = set()
    for copy in group.copies:
        for entry in copy.listed:
            api_group, _, _ = entry.api_version.rpartition("/")
            found.add(api_group)
    return found
