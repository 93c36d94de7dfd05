"""Checks every file of a fleet repo and collects all that is wrong, instead of stopping at the first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from reconciler.errors import InputError
from reconciler.fleet.inventory import FOLDER as INVENTORY
from reconciler.fleet.inventory import read_inventory
from reconciler.fleet.settings import FILE as FLEET_FILE
from reconciler.fleet.settings import read_fleet
from reconciler.manifests.kinds import problems
from reconciler.placement.grouping import Grouping, group_objects
from reconciler.placement.workloads import Workloads, read_workloads
from reconciler.policy.model import SchedulePolicy
from reconciler.service.state import POLICIES, Files, read_policy_files, workload_files

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong, one line each, with its place. `files` is how many were read."""

    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    files: int


def check_files(files: Files) -> Findings:
    """Check settings, inventory, policies and workloads. SkyRay's own folders are not looked at."""
    errors: list[str] = []

    def collect(read: Callable[[], T]) -> T | None:
        try:
            return read()
        except InputError as error:
            errors.extend(str(problem) for problem in problems(error))
            return None

    if FLEET_FILE in files.contents:
        collect(lambda: read_fleet(files.contents[FLEET_FILE]))
    else:
        errors.append(f"{FLEET_FILE}: is missing: `skyray init` makes one")
    collect(lambda: read_inventory(files.below(INVENTORY)))
    policies = _policies(files, collect)
    workloads = read_workloads(*workload_files(files))
    errors += [file.problem for file in workloads.broken]
    errors += [item.problem for item in workloads.objects if item.problem]
    warnings = list(workloads.warnings)
    if policies is not None:
        more, noted = _grouping(group_objects(workloads, policies, {}), workloads)
        errors += more
        warnings += noted
    own = ("clusters/", "placements/")
    return Findings(tuple(errors), tuple(warnings), sum(not path.startswith(own) for path in files.contents))


def _policies(
    files: Files, collect: Callable[[Callable[[], tuple[SchedulePolicy, ...]]], tuple[SchedulePolicy, ...] | None]
) -> tuple[SchedulePolicy, ...] | None:
    """Read each file of policies by itself, so that all errors are found; then all of them, for names used twice."""
    try:
        contents = files.below(POLICIES)
    except InputError as error:
        return collect(partial(_fail, error))
    each = [collect(partial(read_policy_files, {path: contents[path]})) for path in sorted(contents)]
    return collect(partial(read_policy_files, contents)) if None not in each else None


def _fail(error: InputError) -> tuple[SchedulePolicy, ...]:
    raise error


def _grouping(grouping: Grouping, workloads: Workloads) -> tuple[list[str], list[str]]:
    """Return what is wrong with groups beyond their objects, and what nobody places."""
    known = {item.problem for item in workloads.objects if item.problem}
    errors = [f"group {g.key}: {g.problem}" for g in grouping.groups if g.problem and g.problem not in known]
    warnings = [
        f"{item.place}: {item.key} is not placed: no policy matches it, and nothing that is placed refers to it"
        for item in grouping.unplaced
        if not item.problem
    ]
    return errors, warnings
