"""`skyray demo`: the fill-and-spill story, played on a new fleet repo that stays for the user to play with."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.output import columns

if TYPE_CHECKING:
    from reconciler.placement.model import Decision

FILES = Path(__file__).with_name("demo_files")
JOBS = ("rayjob1", "rayjob2", "rayjob3")


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one job: the decision, and the commit that carries it."""

    decision: Decision
    commit: str


@click.command("demo", short_help="Play the fill-and-spill story on a new fleet repo.")
@click.argument("directory", default="demo", type=click.Path(file_okay=False, path_type=Path))
def command(directory: Path) -> None:
    """Make a fleet repo in DIRECTORY and play a story in it: three training jobs, two clusters.

    static-cluster has four nodes with one GPU each; dynamic-cluster can add nodes. Each job has a head and two workers
    with a GPU each. The jobs are committed one after another, and SkyRay reconciles after each. Nothing but git is
    needed; the clusters' capacity comes from files.

    \b
    skyray demo          in ./demo, or ./demo-2 where that exists
    skyray demo /tmp/x
    """
    directory = free_name(directory)
    click.echo(f"A fleet repo with two clusters, in {directory}/\n")
    told = play(directory, lambda line: click.echo(f"  {line}"))
    rows = [(str(t.decision.group), t.decision.clusters[0].name, t.decision.reason, t.decision.message) for t in told]
    click.echo("\n" + columns(("JOB", "CLUSTER", "VERDICT", "WHY"), rows))
    click.echo("\nEach decision is a commit:\n")
    click.echo(columns(("COMMIT", "SUBJECT"), _history(directory)))
    click.echo(_NEXT.format(directory=directory))


_NEXT = """
Try next:
  cd {directory}
  skyray get clusters                        what is free now
  skyray explain rayjob3/rayjob              why the third job did not go to static-cluster
  skyray log rayjob3/rayjob                  its decisions
  git show HEAD                              the commit that placed it
  kubectl kustomize clusters/dynamic-cluster what Argo CD or Flux would apply
  git rm -r workloads/rayjob1 && git commit -m 'stop job 1' && skyray reconcile

(Without `skyray` on the PATH: source .venv/bin/activate, where `make install` was run.)"""


def free_name(directory: Path) -> Path:
    """Return `directory`, or `directory-2`, `-3` and so on where that holds something already."""
    candidate, number = directory, 1
    while candidate.exists() and any(candidate.iterdir()):
        number += 1
        candidate = directory.with_name(f"{directory.name}-{number}")
    return candidate


def play(directory: Path, say: Callable[[str], None], now: Callable[[], float] = time.time) -> list[Told]:
    """Play the story in the empty `directory`; return what became of each job, in order."""
    from reconciler.repo.repository import GitRepo
    from reconciler.repo.start import commit_files, start_repo
    from reconciler.repo.writer import Author
    from reconciler.service.capacity import CapacityReader
    from reconciler.service.cycle import Reconciler
    from reconciler.service.scaffold import data_folder, lay_down

    user = Author("you", "you@example.com")
    lay_down(directory, "demo", "argocd", "https://git.example.com/demo.git")
    start_repo(directory)
    for source in sorted(FILES.glob("*/*.yaml")):
        _copy(source, directory / source.relative_to(FILES))
    _copy(data_folder("policies") / "fill-and-spill.yaml", directory / "policies" / "fill-and-spill.yaml")
    commit_files(directory, ["."], "a fleet of two clusters", user)
    reconciler = Reconciler(GitRepo.open(directory), CapacityReader(), now=now)
    reconciler.run()
    told = []
    for job in JOBS:
        path = Path("workloads") / job / "rayjob.yaml"
        _copy(FILES / "rayjob.yaml", directory / path)
        commit_files(directory, [str(path)], f"train: add {job}", user)
        say(f"committed {path}")
        cycle = reconciler.run()
        decision = next(o.decision for o in cycle.plan.outcomes if o.decision.group.namespace == job)
        say(f"SkyRay: {decision.action} {decision.group} on {decision.clusters[0].name}")
        told.append(Told(decision, cycle.published.tip))
    return told


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())


def _history(directory: Path) -> list[tuple[str, str]]:
    from reconciler.repo.repository import GitRepo

    return [(commit.sha[:10], commit.subject) for commit in reversed(GitRepo.open(directory).log())]
