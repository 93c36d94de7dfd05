"""Plays a story on a new fleet repo: commits what the user does in each step, and runs a cycle after it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reconciler.cli.demos.stories import Step, Story
from reconciler.placement.decision import Decision
from reconciler.repo.repository import GitRepo
from reconciler.repo.start import commit_files, start_repo
from reconciler.repo.writer import Author
from reconciler.service.capacity import CapacityReader
from reconciler.service.cycle import Reconciler
from reconciler.service.ready_made import find
from reconciler.service.scaffold import lay_down

FILES = Path(__file__).parents[1] / "demo_files"
_USER = Author("you", "you@example.com")


@dataclass(frozen=True, slots=True)
class PlayedDecision:
    """What SkyRay decided on a group after a step, and the tip of the branch after that cycle."""

    decision: Decision
    commit: str


def cluster_description(cluster: str) -> str:
    """Return the description of a cluster: the comment in the first line of its inventory file."""
    return (
        (FILES / "inventory" / f"{cluster}.yaml")
        .read_text()
        .splitlines()[0]
        .removeprefix("# ")
    )


def play(
    story: Story,
    directory: Path,
    notice: Callable[[str], None],
    now: Callable[[], float] = time.time,
) -> list[PlayedDecision]:
    """Play `story` in the empty `directory`; return what was decided, in order.

    `notice` gets a line for each decision, as it is made. `now` returns unix seconds.
    """
    lay_down(directory, "demo", "argocd", "https://git.example.com/demo.git")
    start_repo(directory)
    for cluster in story.clusters:
        for folder in ("inventory", "snapshots"):
            path = f"{folder}/{cluster}.yaml"
            _write(directory / path, (FILES / path).read_bytes())
    policy = find(story.policy)
    _write(directory / policy.path, policy.data)
    commit_files(
        directory, ["."], f"a fleet of {_NUMBERS[len(story.clusters)]} clusters", _USER
    )
    reconciler = Reconciler(GitRepo.open(directory), CapacityReader(), now=now)
    reconciler.run()
    decisions: list[PlayedDecision] = []
    for step in story.steps:
        _commit(step, directory)
        for decision in _reconcile(reconciler):
            where = ", ".join(decision.decision.clusters)
            what = f"{decision.decision.action} {decision.decision.group} on {where}"
            notice(f"you commit {step.path}, SkyRay commits: {what}")
            decisions.append(decision)
    return decisions


_NUMBERS = {2: "two", 4: "four"}


def _commit(step: Step, directory: Path) -> None:
    """Commit what the user does in a step."""
    text = (FILES / step.source).read_text()
    for before, after in step.swaps.items():
        text = text.replace(before, after)
    _write(directory / step.path, text.encode())
    commit_files(directory, [step.path], step.message, _USER)


def _reconcile(reconciler: Reconciler) -> list[PlayedDecision]:
    """Run a cycle and return its decisions that changed something."""
    cycle = reconciler.run()
    changed = [decision for decision in cycle.plan.decisions if decision.changed]
    return [PlayedDecision(decision, cycle.published.tip) for decision in changed]


def _write(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
