"""Plays a story on a new fleet repo: one commit of the user after another, and SkyRay's answer to each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
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
class Told:
    """What SkyRay decided on one group after a step, and the commit at which the branch stood then."""

    decision: Decision
    commit: str


def described(cluster: str) -> str:
    """Return what the first line of a cluster's inventory file says of it."""
    return (FILES / "inventory" / f"{cluster}.yaml").read_text().splitlines()[0].removeprefix("# ")


def play(story: Story, directory: Path, say: Callable[[str], None], now: Callable[[], float] = time.time) -> list[Told]:
    """Play `story` in the empty `directory`; return what was decided, in order. `now` tells unix seconds."""
    lay_down(directory, "demo", "argocd", "https://git.example.com/demo.git")
    start_repo(directory)
    for cluster in story.clusters:
        for folder in ("inventory", "snapshots"):
            path = f"{folder}/{cluster}.yaml"
            _write(directory / path, (FILES / path).read_bytes())
    policy = find(story.policy)
    _write(directory / policy.path, policy.data)
    commit_files(directory, ["."], f"a fleet of {_NUMBERS[len(story.clusters)]} clusters", _USER)
    reconciler = Reconciler(GitRepo.open(directory), CapacityReader(), now=now)
    reconciler.run()
    return [told for step in story.steps for told in _answer(step, directory, reconciler, say)]


_NUMBERS = {2: "two", 4: "four"}


def _answer(step: Step, directory: Path, reconciler: Reconciler, say: Callable[[str], None]) -> Iterator[Told]:
    """Commit what the user does in a step, run a cycle, and return what it decided that is new."""
    text = (FILES / step.source).read_text()
    for before, after in step.swaps.items():
        text = text.replace(before, after)
    _write(directory / step.path, text.encode())
    commit_files(directory, [step.path], step.message, _USER)
    cycle = reconciler.run()
    for decision in cycle.plan.decisions:
        if decision.changed:
            where = ", ".join(decision.clusters)
            say(f"you commit {step.path}, SkyRay commits: {decision.action} {decision.group} on {where}")
            yield Told(decision, cycle.published.tip)


def _write(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
