"""What a plan does about add-ons: every cluster's `_addons/` folder, and which add-ons must stay for now.

An add-on leaves last. An operator that is removed before the resources that it manages leaves them with finalizers that
no controller removes. So an add-on stays on a cluster while groups that need it are placed there, while the snapshot
shows Ray resources there, and while there is no snapshot that could show them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from reconciler.fleet.snapshot import ClusterSnapshot, FleetSnapshot
from reconciler.placement.addons import AddOnSpread, spread_addons
from reconciler.placement.placed_group import PlacedGroup
from reconciler.planning.plan_cache import PlanCache, Same
from reconciler.planning.state import RepoState
from reconciler.render.addons import (
    FOLDER,
    SENTINEL,
    KeptAddOn,
    folder_of,
    provided_groups,
    render_addons,
)
from reconciler.render.cluster import ROOT
from reconciler.render.engines import engine_renderer

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
    return spread_addons(
        state.addons, {cluster.name: cluster.labels for cluster in state.clusters}
    )


def plan_addons(
    state: RepoState, snapshot: FleetSnapshot, cache: PlanCache
) -> AddOnPlan:
    """Render the add-ons of all clusters; a cluster that never had one gets no folder."""
    spread = spread_of(state)
    directories = state.files.folder(ROOT).folders
    with_addons = {name for name, one in directories.items() if FOLDER in one.folders}
    engine = engine_renderer(state.fleet.engine)
    known = set(spread.placed)
    there_are: Mapping[str, list[PlacedGroup]] | None = None
    files: dict[str, Mapping[str, bytes]] = {}
    warnings: list[str] = []
    placed: list[str] = []
    left: list[str] = []
    for cluster in sorted(known | with_addons):
        wanted = spread.placed.get(cluster, ())
        standing = _standing(state, cluster, cache)
        placed += [_on(old, cluster) for old in standing]
        names = {addon.name for addon in wanted}
        leaving = [old for old in standing if old.name not in names]
        needed = []
        if leaving:
            if there_are is None:
                there_are = _placed(state)
            picture = snapshot.clusters.get(cluster) if cluster in known else None
            needed = _needed(
                leaving, cluster, there_are[cluster], picture, joined=cluster in known
            )
        warnings += needed
        if needed:
            # The others that would leave may be what the needed one rests on.
            files[cluster] = render_addons(cluster, engine, wanted, leaving)
            continue
        left += [_on(old, cluster) for old in leaving]
        if cluster in known and (wanted or cluster in with_addons):
            key = (engine, cluster, tuple(map(Same, wanted)))
            files[cluster] = cache.addon_files.of(
                key, partial(render_addons, cluster, engine, wanted)
            )
    return AddOnPlan(files, tuple(warnings), tuple(placed), tuple(left))


def _standing(
    state: RepoState, cluster: str, cache: PlanCache
) -> tuple[KeptAddOn, ...]:
    """Return the add-ons that are on a cluster, by what its directory has."""
    folder = state.files.root.folder(f"{ROOT}/{cluster}/{FOLDER}")
    if folder is None:
        return ()
    return cache.addons_there.of(
        (cluster, folder.id),
        lambda: tuple(_addons_of(cluster, state.files.read(folder))),
    )


def _needed(
    leaving: Iterable[KeptAddOn],
    cluster: str,
    groups: list[PlacedGroup],
    picture: object,
    *,
    joined: bool,
) -> list[str]:
    """Return a warning for each of the add-ons that are asked for no more and cannot leave yet."""
    warnings = []
    for old in leaving:
        why = _still_needed(old, groups, picture, joined=joined)
        if why:
            warnings.append(f"add-on {old.name} stays on {cluster}: {why}")
    return warnings


def _on(addon: KeptAddOn, cluster: str) -> str:
    return f"{addon.name} on {cluster}"


def _addons_of(cluster: str, there: Mapping[str, bytes]) -> list[KeptAddOn]:
    """Return the add-ons that are on a cluster; `there` are its files under `_addons/`."""
    base = folder_of(cluster) if there else ""
    told = provided_groups(there.get(f"{base}{SENTINEL}"))
    own: dict[str, dict[str, bytes]] = defaultdict(dict)
    for path, data in there.items():
        name, _, inside = path.removeprefix(base).partition("/")
        if inside:
            own[name][path] = data
    return [KeptAddOn(name, told.get(name), own[name]) for name in sorted(own)]


def _placed(state: RepoState) -> Mapping[str, list[PlacedGroup]]:
    """Return the groups that are placed on each cluster."""
    found: dict[str, list[PlacedGroup]] = defaultdict(list)
    for key in sorted(state.placements):
        group = state.placements[key]
        for cluster in group.clusters:
            found[cluster].append(group)
    return found


def _still_needed(
    addon: KeptAddOn, groups: list[PlacedGroup], picture: object, *, joined: bool
) -> str:
    """Say why an add-on cannot leave a cluster yet; empty when it can. `joined`: the cluster is in the inventory."""
    users = [
        group.key
        for group in groups
        if addon.provides is None or _api_groups(group) & addon.provides
    ]
    if users:
        more = f" and {len(users) - 1} more" if len(users) > 1 else ""
        return f"group {users[0]}{more} needs it there; it leaves once no such group is placed there"
    if not joined or (addon.provides is not None and _RAY not in addon.provides):
        return ""
    if not isinstance(picture, ClusterSnapshot):
        return "the cluster cannot be read, so it is not known whether Ray resources are left there"
    if picture.ray:
        one = picture.ray[0]
        return f"{one.kind} {one.namespace}/{one.name} is still there; it leaves once no Ray resource is left"
    return ""


def _api_groups(group: PlacedGroup) -> set[str]:
    """Return the API groups of what a group has deployed."""
    return {
        entry.api_version.rpartition("/")[0]
        for copy in group.copies
        for entry in copy.listed
    }
