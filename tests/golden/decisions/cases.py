"""Reads the folders of golden decisions, makes their plans, and says what these decide in the form of expected.yaml."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from reconciler.fleet.inventory import Cluster
from reconciler.fleet.snapshot import ClusterSnapshot
from reconciler.placement.assumed_pods import AssumedCopy
from reconciler.placement.cluster_state import ClusterBaseline
from reconciler.placement.decision import Decision
from reconciler.placement.fleet_state import BaselineCache
from reconciler.planning.pipeline import plan
from reconciler.planning.plan import Plan
from reconciler.planning.plan_cache import PlanCache
from tests.fleets import Fleet

FOLDER = Path(__file__).parent
OWN = ("placements/", "clusters/")
"""The folders that SkyRay writes: they stay from one step of a case to the next."""


@dataclass(frozen=True)
class Step:
    """A cycle before the one that is looked at.

    `files` are laid over those of `repo/`, the paths `without` are left out, and `at` is in unix seconds.
    """

    at: float
    files: dict[str, bytes]
    without: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """One folder: the repo, what was carried out on it before, and the time of the plan in unix seconds."""

    repo: dict[str, bytes]
    earlier: tuple[Step, ...]
    now: float

    def fleet(self) -> Fleet:
        """Return the repo as the earlier cycles left it."""
        own = {path: data for path, data in self.repo.items() if path.startswith(OWN)}
        for step in self.earlier:
            files = {**self.repo, **step.files, **own}
            fleet = _fleet({path: data for path, data in files.items() if path not in step.without})
            fleet.cycle(now=step.at, allow_removals=True)
            own = fleet.rendered()
        return _fleet({**self.repo, **own})


def read_case(folder: Path) -> Case:
    """Read a folder; see README.md for what is in it."""
    settings = yaml.safe_load((folder / "case.yaml").read_text())
    steps = []
    for step in settings.get("earlier", ()):
        files = _files(folder / step["files"]) if "files" in step else {}
        steps.append(Step(step["at"].timestamp(), files, tuple(step.get("without", ()))))
    return Case(_files(folder / "repo"), tuple(steps), settings["now"].timestamp())


class WatchedBaselines(BaselineCache):
    """Notes which clusters a plan looks at."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: set[str] = set()

    def of(self, cluster: Cluster, snapshot: ClusterSnapshot, assumed: Sequence[AssumedCopy]) -> ClusterBaseline:
        self.opened.add(cluster.name)
        return super().of(cluster, snapshot, assumed)


def planned(fleet: Fleet, now: float) -> tuple[Plan, list[str]]:
    """Return the plan, and the readable clusters whose capacity it did not look at."""
    watched = WatchedBaselines()
    state, snapshot = fleet.state(), fleet.snapshot()
    made = plan(state, snapshot, now, PlanCache(baselines=watched))
    readable = {name for name, shown in snapshot.clusters.items() if isinstance(shown, ClusterSnapshot)}
    return made, sorted(readable - watched.opened)


def outcome(made: Plan, not_evaluated: list[str]) -> dict[str, Any]:
    """Return what expected.yaml says of a plan; what is empty is left out."""
    said: dict[str, Any] = {"decisions": {str(one.group): _decided(one) for one in made.decisions}}
    if not_evaluated:
        said["not_evaluated"] = not_evaluated
    if made.next_at is not None:
        said["next_at"] = _time(made.next_at)
    return said


def worded(why: str, said: dict[str, Any]) -> str:
    """Return the text of expected.yaml."""
    return f"# why: {why}\n" + yaml.safe_dump(said, sort_keys=False, default_flow_style=None, width=118)


def why_of(folder: Path) -> str:
    """Return the sentence of the first line of expected.yaml."""
    first = (folder / "expected.yaml").read_text().partition("\n")[0]
    return first.removeprefix("# why: ")


def _decided(decision: Decision) -> dict[str, Any]:
    said: dict[str, Any] = {
        "action": str(decision.action),
        "transition": str(decision.transition),
        "phase": str(decision.phase),
        "reason": str(decision.reason),
    }
    if decision.copies:
        said["clusters"] = {copy.cluster: copy.share for copy in decision.copies}
    if decision.candidates:
        said["candidates"] = [f"{one.cluster}: {one.verdict}, {one.reason}" for one in decision.candidates]
    held = decision.after.hold if decision.after else None
    if held is not None:
        said["hold"] = {"clusters": list(held.clusters), "until": _time(held.until)}
    return said


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _files(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _fleet(files: dict[str, bytes]) -> Fleet:
    """Return a fleet with these files; of two workloads the one with the first path is older."""
    workloads = sorted(path for path in files if path.startswith("workloads/"))
    return Fleet(dict(files), order={path: float(number) for number, path in enumerate(workloads, start=1)})
