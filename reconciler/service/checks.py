"""Checks every file of a fleet repo and collects all that is wrong, instead of stopping at the first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from reconciler.errors import InputError
from reconciler.fleet.inventory import FOLDER as INVENTORY
from reconciler.fleet.inventory import Cluster, SnapshotAccess, read_inventory
from reconciler.fleet.settings import FILE as FLEET_FILE
from reconciler.fleet.settings import Fleet, NamespaceLimits, read_fleet
from reconciler.fleet.snapshot_file import fleet_snapshot, read_capacity
from reconciler.manifests.kinds import problems
from reconciler.placement.quota import beyond_quota
from reconciler.planning.files import Files
from reconciler.planning.namespaces import Sources
from reconciler.planning.pipeline import decide_groups
from reconciler.planning.plan_cache import PlanCache
from reconciler.planning.rules import locator, read_class_files, read_tenant_files
from reconciler.planning.state import (
    ADDONS,
    POLICIES,
    addon_files,
    read_policy_files,
    read_state,
)
from reconciler.planning.workload_folders import (
    check_workloads,
    manifests_in,
    read_workloads_of,
    warnings_outside,
)
from reconciler.policy.addon_kind import (
    addon_folders,
    read_addon_folder,
    read_addons,
    unread,
)
from reconciler.policy.model import SchedulePolicy
from reconciler.policy.tenant import tenancy_of
from reconciler.reasons.limits import NAMESPACE_LIMIT
from reconciler.render.cluster import ROOT as CLUSTERS
from reconciler.render.placement_record import ROOT as PLACEMENTS
from reconciler.render.placement_record import read_file as read_placements
from reconciler.workloads.governance import govern
from reconciler.workloads.grouping import Grouping, group_objects
from reconciler.workloads.overrides import without_effect
from reconciler.workloads.queue import unknown_classes
from reconciler.workloads.workloads import Workloads, workloads_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong, one line each, with its place. `files` is how many were read."""

    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    files: int


class _Collector:
    """Reads parts of the repo one by one, and collects the errors of those that cannot be read."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.warnings: list[str] = []

    def collect(self, read: Callable[[], T]) -> T | None:
        """Return what `read` returns; None where it raises `InputError`."""
        try:
            return read()
        except InputError as error:
            self.errors += [str(problem) for problem in problems(error)]
            return None


def check_files(
    files: Files,
    snapshot_files: Callable[[Sequence[Cluster]], Mapping[str, bytes]],
) -> Findings:
    """Check settings, inventory, policies, workloads and decision records, and policies on workloads.

    Rendered files are read only to find out what is placed on which cluster.
    `snapshot_files` returns the snapshot files that clusters name, by path, as far as they exist.
    """
    found = _Collector()
    fleet = _fleet(files, found)
    clusters = found.collect(lambda: read_inventory(files.below(INVENTORY)))
    found.errors += _snapshot_problems(clusters or (), snapshot_files)
    policies = _policies(files, found.collect)
    cache = PlanCache()
    workloads = _workloads(files, fleet, found, cache)
    found.warnings += _addons(files, found.collect)
    formed = _check_groups(files, fleet, policies, workloads, found)
    if formed is not None and policies is not None and clusters is not None:
        labels = {cluster.name: cluster.labels for cluster in clusters}
        found.warnings += without_effect(policies, formed.groups, labels)
    if formed is not None and fleet is not None and clusters is not None:
        # Only a state that can be read as a whole can be planned.
        refused = found.collect(lambda: _refused(files, cache))
        found.errors += refused or ()
    _check_placements(files, found)

    # One cause can be found on several ways.
    errors = tuple(dict.fromkeys(found.errors))
    return Findings(errors, tuple(found.warnings), _users_files(files))


def _workloads(
    files: Files, fleet: Fleet | None, found: _Collector, cache: PlanCache
) -> Workloads:
    """Read the workloads as a plan does, and collect what is wrong with their files and objects."""
    limits = fleet.limits.per_namespace if fleet is not None else NamespaceLimits()
    found.collect(lambda: check_workloads(files))
    folders = read_workloads_of(files, limits, cache.read_file, {})
    workloads = workloads_of(manifests_in(folders), warnings_outside(files))
    found.errors += [file.problem for file in workloads.broken]
    found.errors += [item.problem for item in workloads.objects if item.problem]
    found.warnings += workloads.warnings
    return workloads


def _check_placements(files: Files, found: _Collector) -> None:
    for path, data in files.read(files.folder(PLACEMENTS)).items():
        found.collect(partial(read_placements, path, data))


def _users_files(files: Files) -> int:
    """Return how many files there are of users; what SkyRay wrote itself is not counted."""
    own = (f"{CLUSTERS}/", f"{PLACEMENTS}/")
    count = 0
    for entry in files.root.walk():
        readable = entry.is_file and entry.path not in files.unusable
        if readable and not entry.path.startswith(own):
            count += 1
    return count


def _fleet(files: Files, found: _Collector) -> Fleet | None:
    data = files.get(FLEET_FILE)
    if data is None:
        found.errors.append(f"{FLEET_FILE}: is missing: `skyray init` makes one")
        return None
    return found.collect(lambda: read_fleet(data))


def _check_groups(
    files: Files,
    fleet: Fleet | None,
    policies: tuple[SchedulePolicy, ...] | None,
    workloads: Workloads,
    found: _Collector,
) -> Grouping | None:
    """Check what policies, tenants and priority classes make of the workloads; None where a rule cannot be read."""
    # Without policies nothing can be grouped; the other rules would only repeat their errors.
    operators: dict[str, bytes] = {}
    if policies is not None:
        operators = files.read(files.folder(POLICIES))
    mode = fleet.tenancy if fleet else ""
    classes = found.collect(lambda: read_class_files(operators, addon_files(files)))
    tenancy = found.collect(lambda: tenancy_of(read_tenant_files(operators), mode))
    if policies is None or classes is None or tenancy is None:
        return None
    formed = group_objects(workloads, policies, {}, classes)
    errors, warnings = _grouping(formed, workloads)
    locate = locator(files.get)
    governed = govern(formed, tenancy, workloads.namespaces, locate)
    found.errors += errors
    found.errors += governed.findings
    found.warnings += warnings
    found.warnings += unknown_classes(formed.groups, classes)
    beyond = [beyond_quota(group) for group in governed.grouping.groups]
    found.warnings += [warning for warning in beyond if warning]
    return formed


def _snapshot_problems(
    clusters: Sequence[Cluster],
    snapshot_files: Callable[[Sequence[Cluster]], Mapping[str, bytes]],
) -> list[str]:
    """Return what is wrong with the snapshot files that the inventory names."""
    found = snapshot_files(clusters)
    errors = []
    for cluster in clusters:
        if not isinstance(cluster.access, SnapshotAccess):
            continue
        path = cluster.access.file
        if path not in found:
            errors.append(
                f"{cluster.place}: access.snapshot.file names {path}, and no such file is in the repo: "
                "save there what `kubectl get nodes,pods -A -o json` prints"
            )
            continue
        try:
            read_capacity(found[path], path, cluster.name, 0.0)
        except InputError as error:
            errors.append(str(error))
    return errors


def _policies(
    files: Files,
    collect: Callable[
        [Callable[[], tuple[SchedulePolicy, ...]]], tuple[SchedulePolicy, ...] | None
    ],
) -> tuple[SchedulePolicy, ...] | None:
    """Read each file of policies by itself, so that all errors are found; then all together, for names used twice."""
    try:
        contents = files.below(POLICIES)
    except InputError as error:
        return collect(partial(_fail, error))
    each = []
    for path in sorted(contents):
        one_file = {path: contents[path]}
        each.append(collect(partial(read_policy_files, one_file)))
    if None in each:
        return None
    return collect(partial(read_policy_files, contents))


def _addons(
    files: Files,
    collect: Callable[[Callable[[], object]], object | None],
) -> tuple[str, ...]:
    """Read each add-on by itself, so that all errors are found, then all together; return the warnings."""
    contents = collect(lambda: files.below(ADDONS))
    if not isinstance(contents, dict):
        return ()
    each = []
    for folder in addon_folders(contents):
        each.append(collect(partial(read_addon_folder, contents, folder)))
    # Together, an error of one would be found again.
    if None not in each:
        collect(partial(read_addons, contents))
    return unread(contents)


def _refused(files: Files, cache: PlanCache) -> list[str]:
    """Return what a plan would refuse: what is beyond a limit, overrides that do not apply, jobs not to be divided.

    The last two come from a plan on an empty fleet snapshot: it refuses exactly for the clusters that a group may go to
    or is on, whatever their capacity.
    """
    state = read_state("", files, Sources(lambda _: {}), cache)
    valid = {group.key for group in state.grouping.groups if not group.problem}
    nowhere = fleet_snapshot(())
    decisions = decide_groups(state, nowhere, 0.0).decisions
    refused = []
    for file in state.workloads.broken:
        if file.beyond is not None and file.reported:
            refused.append(file.problem)
    for group in state.grouping.groups:
        if group.refused_as == NAMESPACE_LIMIT:
            refused.append(group.problem)
    for decision in decisions:
        if decision.group in valid and decision.reason == "InvalidObject":
            refused.append(decision.message)
    return refused


def _fail(error: InputError) -> tuple[SchedulePolicy, ...]:
    raise error


def _grouping(grouping: Grouping, workloads: Workloads) -> tuple[list[str], list[str]]:
    """Return what is wrong with groups beyond their objects, and a warning for each object that is not placed."""
    known = {item.problem for item in workloads.objects if item.problem}
    errors = []
    for group in grouping.groups:
        # A group repeats the problem of its object.
        if group.problem and group.problem not in known:
            errors.append(f"group {group.key}: {group.problem}")
    warnings = []
    for item in grouping.unplaced:
        # What is wrong with an object is told as an error; that it is not placed follows from that.
        if not item.problem:
            warnings.append(
                f"{item.place}: {item.key} is not placed: no policy matches it, and nothing that is placed refers to it"
            )
    return errors, [*warnings, *grouping.warnings]
